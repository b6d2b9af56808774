//! The drift of one feature.

use learn::chance::{homogeneity_p_value, kolmogorov_smirnov_p_value};
use learn::describe::{TextCounts, short};
use serde::Serialize;

use super::Closeness;
use super::reference::{Cell, Reference, index_by_chance, stability_index};
use crate::inspect::ValueCount;
use crate::model::{Distribution, FeatureProfile};

/// The number of most frequent unseen values that are listed.
const LISTED: usize = 10;
/// The greatest number of distinct unseen values that have a count of their own.
const MAX_UNSEEN: usize = 1 << 16;

/// The drift of one feature: its distribution in the training data and in the data compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// The feature's name.
    pub name: String,
    /// The population stability index. Its cells are the values, categories or quantile bins of the training profile,
    /// one cell for missing values and one for other values.
    pub psi: f64,
    /// The index that chance alone makes of as many events without any shift.
    pub psi_by_chance: f64,
    /// The probability that chance alone makes a difference like this one, or a greater one.
    pub p_value: f64,
    /// The verdict: [`Closeness::Close`] where chance explains the difference, else by the index without what chance adds.
    pub closeness: Closeness,
    /// The share of the training events in one range of the profile, if it is so large that a shift within this range may
    /// not be seen. Models of the first version of the format can have such ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coarsest: Option<f64>,
    /// The shares of the events in every cell.
    pub cells: Vec<CellShift>,
    /// The values that no training event has.
    pub unseen: Unseen,
}

/// The shares of the events in one cell, in the training data and in the data compared with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellShift {
    /// The value, category or range of the cell.
    pub cell: String,
    /// The share of the training events, from 0 to 1.
    pub training: f64,
    /// The share of the compared events, from 0 to 1.
    pub now: f64,
}

/// The values of a feature that no training event has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unseen {
    /// The number of events with such a value. A number in bins is unseen outside the range of the training events, and
    /// a rarity where its combination of values is unseen.
    pub events: u64,
    /// The most frequent of these values, with their counts.
    pub values: Vec<ValueCount>,
}

/// The counts of one feature over the events so far.
pub(super) struct FeatureTally<'a> {
    profile: &'a FeatureProfile,
    reference: Reference,
    /// The share of new events whose rarity can differ from those of the training events without any change, if the
    /// feature is a rarity.
    rarer: Option<f64>,
    /// The number of events in each cell of the profile.
    counts: Vec<f64>,
    /// The number of events with other values: below the first cell, between the first two, and so on.
    others: Vec<f64>,
    missing: f64,
    unseen_events: u64,
    unseen: TextCounts,
}

impl<'a> FeatureTally<'a> {
    pub fn new(profile: &'a FeatureProfile, rarer: Option<f64>) -> Self {
        let cells = profile.distribution.n_cells();
        Self {
            profile,
            reference: Reference::new(&profile.distribution),
            rarer,
            counts: vec![0.0; cells],
            others: vec![0.0; cells + 1],
            missing: 0.0,
            unseen_events: 0,
            unseen: TextCounts::default(),
        }
    }

    /// Counts `events` with the value `value`. `is_unseen` says whether training lacked the value, if the cell alone
    /// does not show it. `text` returns the value as text.
    pub fn push(
        &mut self,
        value: f64,
        events: u64,
        is_unseen: Option<bool>,
        text: impl FnOnce() -> String,
    ) {
        let (count, outside) = if value.is_nan() {
            (&mut self.missing, self.profile.missing == 0.0)
        } else {
            match self.reference.cell(value) {
                Cell::Known(cell) => (&mut self.counts[cell], false),
                Cell::Beyond(cell) => (&mut self.counts[cell], true),
                Cell::Unseen(below) => (&mut self.others[below], true),
            }
        };
        *count += events as f64;
        if is_unseen.unwrap_or(outside) {
            self.unseen_events += events;
            self.unseen.add(&text(), events);
            if self.unseen.held() > MAX_UNSEEN {
                self.unseen.cut(MAX_UNSEEN / 2);
            }
        }
    }

    /// Returns the probability that chance alone makes a difference like this one. `training` are the counts of training
    /// events in the profile's cells, and `missing` those without a value.
    ///
    /// Numbers have an order, so their cumulative distributions are compared. Values also have counts, which are compared
    /// cell by cell, each unseen value with a cell of its own: how many values are unseen depends on how many are rare. A
    /// rarity has an order alone, because its cells are those of single counts.
    fn p_value(&mut self, training: &[f64], missing: f64) -> f64 {
        let by_order = self.distance(training, missing);
        if self.rarer.is_some() {
            return by_order;
        }
        let mut cells: Vec<[f64; 2]> = training
            .iter()
            .zip(&self.counts)
            .map(|(before, now)| [*before, *now])
            .collect();
        let others: f64 = self.others.iter().sum();
        if let Distribution::Ranges(_) = self.profile.distribution {
            cells.extend([[0.0, others], [missing, self.missing]]);
        } else {
            // Missing values are among the unseen ones if training had none.
            let single = self.unseen.keys().iter();
            cells.extend(single.map(|(_, count)| [0.0, count as f64]));
            let held: f64 = cells[training.len()..].iter().map(|cell| cell[1]).sum();
            let all = others + if missing == 0.0 { self.missing } else { 0.0 };
            cells.push([0.0, (all - held).max(0.0)]);
            if missing > 0.0 {
                cells.push([missing, self.missing]);
            }
        }
        let by_cell = homogeneity_p_value(cells.iter().copied());
        match self.profile.distribution {
            Distribution::Categories(_) => by_cell,
            _ => (2.0 * by_order.min(by_cell)).min(1.0),
        }
    }

    /// Returns the probability that chance alone makes cumulative distributions that are so far apart at some end of a
    /// cell. Missing values come last. The rarities of new events may differ by what is expected of them.
    fn distance(&self, training: &[f64], missing: f64) -> f64 {
        let [before, now] = [
            training.iter().sum::<f64>() + missing,
            self.counts.iter().chain(&self.others).sum::<f64>() + self.missing,
        ];
        let (mut below, mut below_now, mut distance) = (0.0, 0.0, 0.0_f64);
        for (index, others) in self.others.iter().enumerate() {
            let ends = [
                (0.0, *others),
                (
                    training.get(index).copied().unwrap_or(0.0),
                    self.counts.get(index).copied().unwrap_or(0.0),
                ),
            ];
            for (of_training, of_now) in ends {
                below += of_training;
                below_now += of_now;
                let apart = (below_now / now - below / before).abs();
                distance = distance.max(apart - self.rarer.unwrap_or(0.0));
            }
        }
        kolmogorov_smirnov_p_value(distance, before, now)
    }

    /// Returns the drift of the feature. `categories` holds the texts of a categorical feature's codes. The profile's
    /// counts times `scale` are counts of independent events.
    pub fn finish(
        &mut self,
        categories: Option<&[String]>,
        scale: f64,
        verdict: impl Fn(f64, f64) -> Closeness,
    ) -> FeatureDrift {
        let scaled = |count: f64| count * scale;
        let mut training: Vec<f64> = self.profile.distribution.cell_counts();
        training
            .iter_mut()
            .for_each(|count| *count = scaled(*count));
        let missing = scaled(self.profile.missing);
        let p_value = self.p_value(&training, missing);
        training.extend([0.0, missing]);
        let mut counts = self.counts.clone();
        counts.extend([self.others.iter().sum(), self.missing]);
        let names = cell_names(&self.profile.distribution, categories);
        let share = |counts: &[f64], cell: usize| {
            let total: f64 = counts.iter().sum();
            if total > 0.0 {
                counts[cell] / total
            } else {
                0.0
            }
        };
        let cells = names
            .into_iter()
            .enumerate()
            .map(|(index, cell)| CellShift {
                cell,
                training: share(&training, index),
                now: share(&counts, index),
            });
        // Cells without events in either data set are left out.
        let cells: Vec<CellShift> = cells
            .filter(|cell| cell.training > 0.0 || cell.now > 0.0)
            .collect();
        let psi = stability_index(&training, &counts);
        let [before, now] = [&training, &counts].map(|counts| counts.iter().sum());
        let psi_by_chance = index_by_chance(cells.len(), before, now);
        let values = self
            .unseen
            .top(LISTED)
            .into_iter()
            .map(|(value, count)| ValueCount {
                value: value.to_owned(),
                count,
            });
        FeatureDrift {
            name: self.profile.name.clone(),
            psi,
            psi_by_chance,
            p_value,
            closeness: verdict(p_value, psi - psi_by_chance),
            coarsest: self.reference.coarsest(),
            cells,
            unseen: Unseen {
                events: self.unseen_events,
                values: values.collect(),
            },
        }
    }
}

/// Returns the names of the distribution's cells, then those of other and missing values.
fn cell_names(distribution: &Distribution, categories: Option<&[String]>) -> Vec<String> {
    let mut names: Vec<String> = match (distribution, categories) {
        (Distribution::Values(values), _) => values.iter().map(|value| short(value.0)).collect(),
        (Distribution::Categories(_), Some(categories)) => categories.to_vec(),
        (Distribution::Categories(counts), None) => {
            (0..counts.len()).map(|code| code.to_string()).collect()
        }
        (Distribution::Ranges(ranges), _) => ranges
            .iter()
            .map(|range| match range {
                range if range.low == range.high => short(range.low),
                range => format!("{} to {}", short(range.low), short(range.high)),
            })
            .collect(),
    };
    names.extend(["other values".into(), "missing".into()]);
    names
}

#[cfg(test)]
mod tests {
    use learn::rng::Rng;

    use super::*;

    fn compare(training: &[f64], now: &[f64]) -> FeatureDrift {
        let column = training.iter().map(|value| (*value, 1.0));
        let profile = FeatureProfile {
            name: "v".to_owned(),
            missing: 0.0,
            distribution: Distribution::of_numbers(column.collect()),
        };
        let mut tally = FeatureTally::new(&profile, None);
        for value in now {
            tally.push(*value, 1, None, || value.to_string());
        }
        tally.finish(None, 1.0, |p_value, index| {
            if p_value <= 0.01 {
                Closeness::of(index, 0.1, 0.25)
            } else {
                Closeness::Close
            }
        })
    }

    /// Draws numbers, or 60 or 800 codes, or codes of which some are frequent, or zeros among numbers.
    fn draw(rng: &mut Rng, kind: usize, count: usize) -> Vec<f64> {
        let mut one = || match kind {
            0 => rng.normal(),
            1 => (60.0 * rng.uniform()).floor(),
            2 => (800.0 * rng.uniform()).floor(),
            3 => (5.0 * rng.uniform().powi(3)).floor(),
            4 => (rng.uniform() - 0.97).max(0.0),
            _ => rng.normal().max(-0.8),
        };
        (0..count).map(|_| one()).collect()
    }

    #[test]
    fn no_change_is_close() {
        const RUNS: usize = 60;
        let mut rng = Rng::new(3, 0);
        for (training, now) in [(50, 50), (50, 2000), (300, 300), (2000, 100), (1000, 1000)] {
            for kind in 0..6 {
                let far = (0..RUNS).filter(|_| {
                    let [before, after] = [training, now].map(|count| draw(&mut rng, kind, count));
                    compare(&before, &after).closeness != Closeness::Close
                });
                // 0.6 are expected at most; five have a probability below 0.001.
                let far = far.count();
                assert!(
                    far < 5,
                    "{far} of {RUNS}: kind {kind}, {training} and {now} events"
                );
            }
        }
    }

    #[test]
    fn a_change_is_seen_in_enough_events() {
        let mut rng = Rng::new(4, 0);
        let before = draw(&mut rng, 0, 1000);
        let moved: Vec<f64> = draw(&mut rng, 0, 1000)
            .iter()
            .map(|value| value + 0.6)
            .collect();
        assert_eq!(compare(&before, &moved).closeness, Closeness::Far);
        // Half of the codes are gone, in no order.
        let before = draw(&mut rng, 1, 3000);
        let after: Vec<f64> = draw(&mut rng, 1, 1000)
            .iter()
            .map(|value| value - value % 2.0)
            .collect();
        assert_eq!(compare(&before, &after).closeness, Closeness::Far);
    }
}
