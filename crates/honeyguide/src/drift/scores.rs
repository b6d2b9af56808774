//! The drift of the scores: a two-sample comparison of whole events that needs no further classifier.

use learn::chance::{Share, kolmogorov_smirnov_p_value, without_rounding};
use learn::describe::{Domain, NumberCounts};
use learn::iforest::average_path_length;
use serde::Serialize;

use super::Closeness;
use super::reference::{Cell, Reference, index_by_chance, stability_index};
use crate::model::{Distribution, Model, Threshold, ThresholdMethod, is_beyond_chance};

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
    /// The index that chance alone makes of as many events without any shift.
    pub psi_by_chance: f64,
    /// The probability that chance alone makes cumulative distributions that differ like these. A forest gives the events
    /// that it was trained on somewhat lower scores than others, which the comparison allows for.
    pub p_value: f64,
    /// The verdict: [`Closeness::Close`] where chance explains the difference, else by the index without what chance adds.
    pub closeness: Closeness,
    /// The two-sample Kolmogorov–Smirnov statistic (Smirnov 1948): the greatest difference between the two cumulative
    /// distributions, from 0 to 1. If the model holds the training scores in ranges, the distributions are compared at
    /// the ends of the ranges, and the statistic is a lower bound.
    pub kolmogorov_smirnov: f64,
    /// Some quantiles of the scores.
    pub quantiles: Vec<QuantileShift>,
    /// The share of benign events that the threshold is expected to flag, from 0 to 1.
    pub expected_above_threshold: f64,
    /// The events that this share is of, in words.
    pub expected_of: String,
    /// The share of the compared events above the threshold, from 0 to 1.
    pub above_threshold: f64,
    /// The number of the compared events above the threshold.
    pub flagged: u64,
    /// Whether more than twice as many events are above the threshold as expected, and more than chance explains.
    pub flags_more: bool,
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
    reference: Reference,
    threshold: Threshold,
    /// How much lower a score of 1 would be if its event were one that the forest was trained on.
    optimism: f64,
    /// The share of new events that can have other rarities than the training events without any change.
    rarer: f64,
    counts: NumberCounts,
    cells: Vec<f64>,
    events: u64,
    above: u64,
}

impl ScoreTally {
    /// Creates a tally. `rarer` is the share of new events that can have other rarities than the training events
    /// without any change.
    pub fn new(model: &Model, rarer: f64) -> Self {
        let reference = Reference::new(&model.training().scores);
        Self {
            cells: vec![0.0; reference.distribution.n_cells() + 1],
            reference,
            threshold: model.threshold().clone(),
            optimism: optimism(model.forest().max_samples(), model.training().events),
            rarer,
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
            Cell::Unseen(_) => other,
        };
        self.cells[cell] += events as f64;
    }

    /// Returns the drift of the scores. The profile's counts times `scale` are counts of independent events.
    pub fn finish(&mut self, scale: f64, verdict: impl Fn(f64, f64) -> Closeness) -> ScoreDrift {
        let sorted = self.counts.sorted();
        let total = self.events as f64;
        let quantile_now = |q: f64| {
            let mut below = 0.0;
            let rank = without_rounding(q * total);
            let reached = sorted.iter().find(|(_, count)| {
                below += *count as f64;
                below >= rank
            });
            reached.or(sorted.last()).map(|cell| cell.0)
        };
        let quantiles = QUANTILES.iter().filter_map(|&q| {
            Some(QuantileShift {
                q,
                training: self.reference.distribution.quantile(q)?,
                now: quantile_now(q)?,
            })
        });
        let mut training = self.reference.distribution.cell_counts();
        training.iter_mut().for_each(|count| *count *= scale);
        let before: f64 = training.iter().sum();
        training.push(0.0);
        let psi = stability_index(&training, &self.cells);
        let cells = training.iter().zip(&self.cells);
        let cells = cells.filter(|(before, now)| **before + **now > 0.0).count();
        let psi_by_chance = index_by_chance(cells, before, total);
        let steps = cumulative(&sorted);
        let apart = self.distance(&steps, self.optimism, self.rarer);
        let p_value = kolmogorov_smirnov_p_value(apart, before, total);
        let (expected_above_threshold, expected_of) = self.expected();
        let now = Share {
            part: self.above,
            whole: self.events,
        };
        ScoreDrift {
            psi,
            psi_by_chance,
            p_value,
            closeness: verdict(p_value, psi - psi_by_chance),
            kolmogorov_smirnov: self.distance(&steps, 0.0, 0.0),
            quantiles: quantiles.collect(),
            expected_above_threshold,
            expected_of: expected_of.into(),
            above_threshold: now.rate(),
            flagged: self.above,
            flags_more: now.rate() > 2.0 * expected_above_threshold
                && is_beyond_chance(now, &self.set_on(scale)),
            nominal_rate: self.threshold.method.nominal_rate(),
        }
    }

    /// Returns the share of events that the threshold flagged when it was set, and which events these were.
    fn expected(&self) -> (f64, &'static str) {
        let training = self
            .reference
            .distribution
            .share_above(self.threshold.value);
        match &self.threshold.method {
            ThresholdMethod::Auto {} | ThresholdMethod::Given {} => {
                (training, "of the training events, about")
            }
            ThresholdMethod::Contamination { realised_rate, .. } => {
                (realised_rate.unwrap_or(training), "of the training events")
            }
            ThresholdMethod::Calibrated { realised_rate, .. } => {
                (*realised_rate, "of the events that it was calibrated on")
            }
            ThresholdMethod::LeaveOneHostOut { realised_rate, .. } => {
                (*realised_rate, "of the events of a held-out host")
            }
            ThresholdMethod::IncidentsPerHostDay { .. } => {
                let parts = self.threshold.method.set_on();
                let rates = parts.iter().map(|part| part.rate());
                let rate = rates.sum::<f64>() / (parts.len().max(1)) as f64;
                (rate, "of the events of a held-out host")
            }
            ThresholdMethod::LeaveOneBlockOut { realised_rate, .. } => {
                (*realised_rate, "of the events of a held-out block of time")
            }
            ThresholdMethod::KFold { realised_rate, .. } => {
                (*realised_rate, "of the events that were held out")
            }
        }
    }

    /// Returns how many events the threshold flags of those that it was set on. The training events would have somewhat
    /// higher scores if the forest had not been trained on them.
    fn set_on(&self, scale: f64) -> Vec<Share> {
        let parts = self.threshold.method.set_on();
        if !parts.is_empty() {
            return parts;
        }
        let training = &self.reference.distribution;
        let all: f64 = training.cell_counts().iter().sum();
        let lowered = self.threshold.value * (1.0 - self.optimism);
        let events = |count: f64| (count * scale).round() as u64;
        vec![Share {
            part: events(training.above(lowered)),
            whole: events(all),
        }]
    }

    /// Returns the greatest difference of the cumulative distributions, where the training scores may be lower by the share
    /// `optimism` of a score than they would be for new events, and the share `rarer` of new events may have others.
    fn distance(&self, steps: &[(f64, f64)], optimism: f64, rarer: f64) -> f64 {
        let now = |value: f64| match steps.partition_point(|step| step.0 <= value) {
            0 => 0.0,
            below => steps[below - 1].1,
        };
        let training = |value: f64| 1.0 - self.reference.distribution.share_above(value);
        // The greatest difference of two step functions is at a step of one of them.
        let points: Vec<f64> = match &self.reference.distribution {
            Distribution::Values(values) => {
                let known = values.iter().map(|value| value.0);
                known.chain(steps.iter().map(|step| step.0)).collect()
            }
            // Within a range, only its ends are known.
            Distribution::Ranges(ranges) => ranges
                .iter()
                .flat_map(|range| [range.low.next_down(), range.high])
                .collect(),
            Distribution::Categories(_) => Vec::new(),
        };
        let higher = |value: f64| training(value) - now(value / (1.0 - optimism)) - rarer;
        let lower = |value: f64| now(value) - training(value) - rarer;
        let apart = points
            .into_iter()
            .map(|value| higher(value).max(lower(value)));
        apart.fold(0.0, f64::max)
    }
}

/// Returns the scores with the share of events up to each.
fn cumulative(sorted: &[(f64, u64)]) -> Vec<(f64, f64)> {
    let all: u64 = sorted.iter().map(|cell| cell.1).sum();
    let mut below = 0;
    let steps = sorted.iter().map(|(score, count)| {
        below += count;
        (*score, below as f64 / all as f64)
    });
    steps.collect()
}

/// Returns the share of a score by which it is lower if its event is one of the forest's training events. In a tree that
/// was grown on `samples` events, an event of these lies about one level deeper than another one, for it is split from its
/// neighbour; and it is one of them in so many trees as `samples` is of the training events.
fn optimism(samples: u64, events: u64) -> f64 {
    let level = 1.0 - (-1.0 / average_path_length(samples.max(2))).exp2();
    level * (samples as f64 / events.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(reference: Distribution, scores: &[(f64, u64)]) -> ScoreTally {
        let mut tally = ScoreTally {
            cells: vec![0.0; reference.n_cells() + 1],
            reference: Reference::new(&reference),
            optimism: 0.0,
            rarer: 0.0,
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

    fn close(_: f64, _: f64) -> Closeness {
        Closeness::Close
    }

    #[test]
    fn the_statistic_equals_that_of_scipy() {
        // scipy.stats.ks_2samp([.2] * 50 + [.4] * 50, [.2] * 25 + [.3] * 35 + [.4] * 40).statistic
        let values = Distribution::Values(vec![(0.2, 50.0), (0.4, 50.0)]);
        let scores = tally(values, &[(0.2, 25), (0.3, 35), (0.4, 40)]).finish(1.0, close);
        assert!((scores.kolmogorov_smirnov - 0.25).abs() < 1e-12);
        assert_eq!(
            (scores.above_threshold, scores.expected_above_threshold),
            (0.4, 0.5)
        );
        assert_eq!(scores.quantiles[1].now, 0.3);
        let ranges = [(0.2, 0.3, 50.0), (0.31, 0.4, 50.0)].map(Into::into);
        let scores =
            tally(Distribution::Ranges(ranges.into()), &[(0.2, 30), (0.5, 70)]).finish(1.0, close);
        assert!((scores.kolmogorov_smirnov - 0.7).abs() < 1e-12);
    }
}
