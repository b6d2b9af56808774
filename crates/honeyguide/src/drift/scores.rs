//! The drift of the scores: a two-sample comparison of whole events that needs no further classifier.

use learn::describe::{Domain, NumberCounts};
use serde::Serialize;

use super::reference::{Cell, stability_index};
use crate::model::{Distribution, Model, Threshold, ThresholdMethod};

/// The shares whose quantiles are reported.
const QUANTILES: [f64; 5] = [0.25, 0.5, 0.75, 0.95, 1.0];
/// The greatest number of distinct scores that have a count of their own.
const MAX_SCORES: usize = 1 << 17;

/// The drift of the scores. A score is one number for a whole event, and the training data alone determines how it is
/// computed. Comparing scores therefore compares all features together without another model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreDrift {
    /// The population stability index.
    pub psi: f64,
    /// The two-sample Kolmogorov–Smirnov statistic (Smirnov 1948): the greatest difference between the two cumulative
    /// distributions, from 0 to 1. If the model holds the training scores in bins, the distributions are compared at
    /// the bins' edges, and the statistic is a lower bound. There is no p-value, since events are not independent.
    pub kolmogorov_smirnov: f64,
    /// Some quantiles of the scores.
    pub quantiles: Vec<QuantileShift>,
    /// The share of benign events that the threshold is expected to flag, from 0 to 1.
    pub expected_above_threshold: f64,
    /// The events that this share is of, in words.
    pub expected_of: String,
    /// The share of the compared events above the threshold, from 0 to 1.
    pub above_threshold: f64,
    /// The share of benign events that the threshold was set to flag, from 0 to 1, if it was set for a share.
    pub nominal_rate: Option<f64>,
}

/// A quantile of the scores in the training data and in the data compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantileShift {
    /// The share of the events with this score or a lower one, from 0 to 1.
    pub q: f64,
    /// The score in the training data.
    pub training: f64,
    /// The score in the compared data.
    pub now: f64,
}

/// The counts of the compared events' scores so far.
pub(super) struct ScoreTally {
    reference: Distribution,
    threshold: Threshold,
    counts: NumberCounts,
    cells: Vec<f64>,
    events: u64,
    above: u64,
}

impl ScoreTally {
    pub fn new(model: &Model) -> Self {
        let reference = model.training().scores.clone();
        Self {
            cells: vec![0.0; reference.n_cells() + 1],
            reference,
            threshold: model.threshold().clone(),
            counts: NumberCounts::new(Domain::Float),
            events: 0,
            above: 0,
        }
    }

    pub fn push(&mut self, score: f64, events: u64) {
        self.counts.add(Domain::key_of_float(score), events);
        if self.counts.held() > MAX_SCORES {
            self.counts.cut(MAX_SCORES / 2);
        }
        self.events += events;
        self.above += if self.threshold.flags(score) {
            events
        } else {
            0
        };
        let other = self.cells.len() - 1;
        let cell = match self.reference.cell(score) {
            Cell::Known(cell) | Cell::Beyond(cell) => cell,
            Cell::Unseen => other,
        };
        self.cells[cell] += events as f64;
    }

    pub fn finish(&mut self) -> ScoreDrift {
        let sorted = self.counts.sorted();
        let total = self.events as f64;
        let quantile_now = |q: f64| {
            let mut below = 0.0;
            let reached = sorted.iter().find(|(_, count)| {
                below += *count as f64;
                below >= q * total
            });
            reached.or(sorted.last()).map(|cell| cell.0)
        };
        let quantiles = QUANTILES.iter().filter_map(|&q| {
            Some(QuantileShift {
                q,
                training: self.reference.quantile(q)?,
                now: quantile_now(q)?,
            })
        });
        let mut training = self.reference.cell_counts();
        training.push(0.0);
        let (expected_above_threshold, expected_of) = self.expected();
        ScoreDrift {
            psi: stability_index(&training, &self.cells),
            kolmogorov_smirnov: self.kolmogorov_smirnov(&sorted),
            quantiles: quantiles.collect(),
            expected_above_threshold,
            expected_of: expected_of.into(),
            above_threshold: self.above as f64 / total,
            nominal_rate: self.threshold.method.nominal_rate(),
        }
    }

    /// Returns the share of events that the threshold flagged when it was set, and which events these were.
    fn expected(&self) -> (f64, &'static str) {
        match &self.threshold.method {
            ThresholdMethod::Auto {} | ThresholdMethod::Given {} => (
                self.reference.share_above(self.threshold.value),
                "of the training events, about",
            ),
            ThresholdMethod::Contamination { fraction } => (*fraction, "of the training events"),
            ThresholdMethod::Calibrated { realised_rate, .. } => {
                (*realised_rate, "of the events that it was calibrated on")
            }
            ThresholdMethod::LeaveOneHostOut { realised_rate, .. } => {
                (*realised_rate, "of the events of a held-out host")
            }
            ThresholdMethod::LeaveOneBlockOut { realised_rate, .. } => {
                (*realised_rate, "of the events of a held-out block of time")
            }
            ThresholdMethod::KFold { realised_rate, .. } => {
                (*realised_rate, "of the events that were held out")
            }
        }
    }

    fn kolmogorov_smirnov(&self, sorted: &[(f64, u64)]) -> f64 {
        let mut below = 0;
        let cumulative = sorted.iter().map(|(score, count)| {
            below += count;
            (*score, below as f64 / self.events as f64)
        });
        let cumulative: Vec<(f64, f64)> = cumulative.collect();
        let up_to_now = |value: f64| match cumulative.partition_point(|cell| cell.0 <= value) {
            0 => 0.0,
            cells => cumulative[cells - 1].1,
        };
        // The greatest difference of two step functions is at a step of one of them.
        let points: Vec<f64> = match &self.reference {
            Distribution::Values(values) => {
                let known = values.iter().map(|value| value.0);
                known.chain(sorted.iter().map(|cell| cell.0)).collect()
            }
            // The first edge is left out: the least value lies on it, and nothing lies below.
            Distribution::Bins { edges, .. } => edges[1..].to_vec(),
            Distribution::Categories(_) => Vec::new(),
        };
        let apart = |value: f64| (1.0 - self.reference.share_above(value) - up_to_now(value)).abs();
        points.into_iter().map(apart).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(reference: Distribution, scores: &[(f64, u64)]) -> ScoreTally {
        let mut tally = ScoreTally {
            cells: vec![0.0; reference.n_cells() + 1],
            reference,
            threshold: Threshold {
                value: 0.3,
                method: ThresholdMethod::Auto {},
            },
            counts: NumberCounts::new(Domain::Float),
            events: 0,
            above: 0,
        };
        scores
            .iter()
            .for_each(|(score, events)| tally.push(*score, *events));
        tally
    }

    #[test]
    fn the_statistic_equals_that_of_scipy() {
        // scipy.stats.ks_2samp([.2] * 50 + [.4] * 50, [.2] * 25 + [.3] * 35 + [.4] * 40).statistic
        let values = Distribution::Values(vec![(0.2, 50.0), (0.4, 50.0)]);
        let scores = tally(values, &[(0.2, 25), (0.3, 35), (0.4, 40)]).finish();
        assert!((scores.kolmogorov_smirnov - 0.25).abs() < 1e-12);
        assert_eq!(
            (scores.above_threshold, scores.expected_above_threshold),
            (0.4, 0.5)
        );
        assert_eq!(scores.quantiles[1].now, 0.3);
        let bins = Distribution::Bins {
            edges: vec![0.2, 0.3, 0.4],
            counts: vec![50.0, 50.0],
        };
        let scores = tally(bins, &[(0.2, 30), (0.5, 70)]).finish();
        assert!((scores.kolmogorov_smirnov - 0.7).abs() < 1e-12);
    }
}
