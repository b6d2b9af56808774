//! Distributions of the training profile, as cells in which events are counted.

use crate::model::Distribution;

/// The number of events that is added to every cell (the prior of Jeffreys 1946). With it, two samples of the same
/// distribution have a small index even if one of them has no events in a cell.
const PRIOR: f64 = 0.5;

/// The greatest share of the training events that a range of different values has in a profile that keeps frequent values
/// apart: one share that ends it, and less than another from the value that it ends with.
const COARSE: f64 = 0.1;

/// The place of a value among a distribution's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// The value lies in this cell.
    Known(usize),
    /// The value lies beyond the range of the training events, next to this cell.
    Beyond(usize),
    /// The value lies in no cell; so many cells are below it.
    Unseen(usize),
}

/// A distribution of the training profile, as cells in which events are counted.
pub(super) struct Reference {
    pub distribution: Distribution,
    /// For each range, whether it is one value that has so many events that others are apart from it.
    heavy: Vec<bool>,
}

impl Reference {
    pub fn new(distribution: &Distribution) -> Self {
        let heavy = match distribution {
            Distribution::Ranges(ranges) => ranges
                .iter()
                .map(|range| distribution.is_heavy(range))
                .collect(),
            Distribution::Values(_) | Distribution::Categories(_) => Vec::new(),
        };
        Self {
            distribution: distribution.clone(),
            heavy,
        }
    }

    /// Returns the share of the training events in the range that has the most of them, if it holds so many different
    /// values that a shift among these cannot be seen. Only models of version 1 have such ranges.
    pub fn coarsest(&self) -> Option<f64> {
        let Distribution::Ranges(ranges) = &self.distribution else {
            return None;
        };
        let total: f64 = ranges.iter().map(|range| range.count).sum();
        let wide = ranges.iter().filter(|range| range.low < range.high);
        let share = wide.map(|range| range.count / total).fold(0.0, f64::max);
        (share > COARSE).then_some(share)
    }

    /// Returns the cell of a number or of a category's code. A number between two ranges belongs to one of them, unless
    /// both are values that have a range of their own because they are frequent.
    pub fn cell(&self, value: f64) -> Cell {
        match &self.distribution {
            Distribution::Values(values) => values
                .binary_search_by(|known| known.0.total_cmp(&value))
                .map_or_else(Cell::Unseen, Cell::Known),
            Distribution::Categories(counts) => {
                let code = value as usize;
                if code < counts.len() {
                    Cell::Known(code)
                } else {
                    Cell::Unseen(counts.len())
                }
            }
            Distribution::Ranges(ranges) => {
                let below = ranges.partition_point(|range| range.high < value);
                let takes_others = |index: usize| self.heavy.get(index) == Some(&false);
                match below {
                    0 if value < ranges[0].low && takes_others(0) => Cell::Beyond(0),
                    above if above == ranges.len() && takes_others(above - 1) => {
                        Cell::Beyond(above - 1)
                    }
                    _ if ranges.get(below).is_some_and(|range| range.low <= value) => {
                        Cell::Known(below)
                    }
                    _ if takes_others(below) => Cell::Known(below),
                    1.. if below < ranges.len() && takes_others(below - 1) => {
                        Cell::Known(below - 1)
                    }
                    _ => Cell::Unseen(below),
                }
            }
        }
    }
}

impl Distribution {
    /// Returns the number of training events above `value`. Events are taken to be spread evenly within a range.
    pub(super) fn above(&self, value: f64) -> f64 {
        let above: f64 = match self {
            Self::Values(values) => values
                .iter()
                .filter(|cell| cell.0 > value)
                .map(|cell| cell.1)
                .sum(),
            Self::Categories(_) => 0.0,
            Self::Ranges(ranges) => ranges
                .iter()
                .map(|range| match range {
                    range if value < range.low => range.count,
                    range if value >= range.high => 0.0,
                    range => {
                        // Halves do not overflow.
                        let width = range.high / 2.0 - range.low / 2.0;
                        range.count * ((range.high / 2.0 - value / 2.0) / width)
                    }
                })
                .sum(),
        };
        // An empty sum of floats is −0; adding 0 makes it 0.
        above + 0.0
    }

    /// Returns the share of the training events above `value`; 0 without events.
    pub(super) fn share_above(&self, value: f64) -> f64 {
        let total: f64 = self.cell_counts().iter().sum();
        if total > 0.0 {
            self.above(value) / total
        } else {
            0.0
        }
    }
}

/// Returns the index that is expected of samples of `n` and `m` events from one distribution over this many cells:
/// (cells − 1)(1/n + 1/m) (Yurdakul 2018, "Statistical properties of population stability index").
pub(super) fn index_by_chance(cells: usize, n: f64, m: f64) -> f64 {
    if n > 0.0 && m > 0.0 {
        cells.saturating_sub(1) as f64 * (1.0 / n + 1.0 / m)
    } else {
        0.0
    }
}

/// Returns the population stability index Σ (p − q) ln(p / q) of two samples with the shares p and q in the same cells.
pub(super) fn stability_index(training: &[f64], now: &[f64]) -> f64 {
    let cells = training.len() as f64;
    let total = |counts: &[f64]| counts.iter().sum::<f64>() + PRIOR * cells;
    let (training_total, now_total) = (total(training), total(now));
    let terms = training.iter().zip(now).map(|(training, now)| {
        let (p, q) = (
            (now + PRIOR) / now_total,
            (training + PRIOR) / training_total,
        );
        (p - q) * (p / q).ln()
    });
    terms.sum::<f64>() + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(ranges: &[(f64, f64, f64)]) -> Distribution {
        Distribution::Ranges(ranges.iter().copied().map(Into::into).collect())
    }

    #[test]
    fn values_are_assigned_to_cells() {
        let values = Distribution::Values(vec![(0.0, 5.0), (2.0, 1.0)]);
        let cells = [0.0, 1.0, 2.0, 3.0].map(|value| Reference::new(&values).cell(value));
        let expected = [
            Cell::Known(0),
            Cell::Unseen(1),
            Cell::Known(1),
            Cell::Unseen(2),
        ];
        assert_eq!(cells, expected);
        let two = ranges(&[(0.0, 1.0, 10.0), (1.5, 3.0, 30.0)]);
        let cells = [-1.0, 0.0, 1.0, 1.2, 3.0, 4.0].map(|value| Reference::new(&two).cell(value));
        let expected = [
            Cell::Beyond(0),
            Cell::Known(0),
            Cell::Known(0),
            Cell::Known(1),
            Cell::Known(1),
            Cell::Beyond(1),
        ];
        assert_eq!(cells, expected);
        let categories = Distribution::Categories(vec![1.0, 2.0]);
        assert_eq!(
            [1.0, 2.0].map(|code| Reference::new(&categories).cell(code)),
            [Cell::Known(1), Cell::Unseen(2)]
        );
    }

    #[test]
    fn values_beside_a_frequent_one_are_not_taken_for_it() {
        let heavy = ranges(&[
            (0.0, 0.0, 90.0),
            (1.0, 1.0, 90.0),
            (2.0, 5.0, 10.0),
            (7.0, 7.0, 90.0),
        ]);
        let cells = [-1.0, 0.0, 0.5, 1.5, 5.0, 6.0, 7.0, 8.0]
            .map(|value| Reference::new(&heavy).cell(value));
        let expected = [
            Cell::Unseen(0),
            Cell::Known(0),
            Cell::Unseen(1),
            Cell::Known(2),
            Cell::Known(2),
            Cell::Known(2),
            Cell::Known(3),
            Cell::Unseen(4),
        ];
        assert_eq!(cells, expected);
    }

    #[test]
    fn shares_are_interpolated_in_a_range() {
        let two = ranges(&[(0.0, 1.0, 10.0), (1.0f64.next_up(), 3.0, 30.0)]);
        assert_eq!(
            [-1.0, 0.5, 2.0, 3.0].map(|value| (two.share_above(value) * 1e9).round() / 1e9),
            [1.0, 0.875, 0.375, 0.0]
        );
        let widest = ranges(&[(f64::MIN, f64::MAX, 2.0)]);
        assert_eq!(widest.share_above(0.0), 0.5);
    }

    #[test]
    fn the_stability_index_of_known_shares() {
        // The counts are so large that the prior has no effect. (0.6 − 0.5) ln(0.6/0.5) + (0.4 − 0.5) ln(0.4/0.5)
        let index = stability_index(&[5e9, 5e9], &[6e9, 4e9]);
        let expected = 0.1 * (1.2f64).ln() - 0.1 * (0.8f64).ln();
        assert!((index - expected).abs() < 1e-9, "{index}");
        assert_eq!(stability_index(&[7.0, 3.0], &[7.0, 3.0]), 0.0);
        assert!(stability_index(&[100.0, 0.0], &[0.0, 100.0]) > 5.0);
    }
}
