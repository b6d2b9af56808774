//! Distributions of the training profile, as cells in which events are counted.

use crate::model::Distribution;

/// The number of events that is added to every cell (the prior of Jeffreys 1946). With it, two samples of the same
/// distribution have a small index even if one of them has no events in a cell.
const PRIOR: f64 = 0.5;

/// The place of a value among a distribution's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// The value lies in this cell.
    Known(usize),
    /// The value lies beyond the range of the training events, next to this cell.
    Beyond(usize),
    /// The value lies in no cell.
    Unseen,
}

impl Distribution {
    /// Returns the number of cells.
    pub(super) fn n_cells(&self) -> usize {
        self.cell_counts().len()
    }

    /// Returns the number of training events in each cell.
    pub(super) fn cell_counts(&self) -> Vec<f64> {
        match self {
            Self::Values(values) => values.iter().map(|value| value.1).collect(),
            Self::Categories(counts) | Self::Bins { counts, .. } => counts.clone(),
        }
    }

    /// Returns the cell of a number or of a category's code.
    pub(super) fn cell(&self, value: f64) -> Cell {
        match self {
            Self::Values(values) => values
                .binary_search_by(|known| known.0.total_cmp(&value))
                .map_or(Cell::Unseen, Cell::Known),
            Self::Categories(counts) => {
                let code = value as usize;
                if code < counts.len() {
                    Cell::Known(code)
                } else {
                    Cell::Unseen
                }
            }
            Self::Bins { edges, counts } => {
                let above = edges.partition_point(|edge| *edge < value);
                match above {
                    0 if edges.first() == Some(&value) => Cell::Known(0),
                    0 => Cell::Beyond(0),
                    above if above == edges.len() => Cell::Beyond(counts.len() - 1),
                    above => Cell::Known(above - 1),
                }
            }
        }
    }

    /// Returns the share of the training events above `value`. Events are taken to be spread evenly within a bin.
    pub(super) fn share_above(&self, value: f64) -> f64 {
        let counts = self.cell_counts();
        let total: f64 = counts.iter().sum();
        let above: f64 = match self {
            Self::Values(values) => values
                .iter()
                .filter(|cell| cell.0 > value)
                .map(|cell| cell.1)
                .sum(),
            Self::Categories(_) => 0.0,
            Self::Bins { edges, .. } => edges
                .windows(2)
                .zip(&counts)
                .map(|(bin, count)| count * ((bin[1] - value) / (bin[1] - bin[0])).clamp(0.0, 1.0))
                .sum(),
        };
        // An empty sum of floats is −0; adding 0 makes it 0.
        if total > 0.0 {
            above / total + 0.0
        } else {
            0.0
        }
    }

    /// Returns the lowest value at or below which the share `q` of the training events lies; for a bin, its upper edge.
    /// Returns `None` without events.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let counts = self.cell_counts();
        // The edges are interpolated quantiles, so a bin can hold up to one event less than its share.
        let mut left = q * counts.iter().sum::<f64>() - 1.0;
        let reached = counts.iter().position(|count| {
            left -= count;
            left <= 0.0
        });
        match self {
            Self::Values(values) => Some(values[reached?].0),
            Self::Categories(_) => None,
            Self::Bins { edges, .. } => Some(edges[reached? + 1]),
        }
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

    fn bins() -> Distribution {
        Distribution::Bins {
            edges: vec![0.0, 1.0, 3.0],
            counts: vec![10.0, 30.0],
        }
    }

    #[test]
    fn values_are_assigned_to_cells() {
        let values = Distribution::Values(vec![(0.0, 5.0), (2.0, 1.0)]);
        let cells = [0.0, 1.0, 2.0].map(|value| values.cell(value));
        assert_eq!(cells, [Cell::Known(0), Cell::Unseen, Cell::Known(1)]);
        let cells = [-1.0, 0.0, 1.0, 1.5, 3.0, 4.0].map(|value| bins().cell(value));
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
            [1.0, 2.0].map(|code| categories.cell(code)),
            [Cell::Known(1), Cell::Unseen]
        );
    }

    #[test]
    fn shares_are_interpolated_in_a_bin_and_quantiles_are_its_upper_edge() {
        assert_eq!(
            [-1.0, 0.5, 2.0, 3.0].map(|value| bins().share_above(value)),
            [1.0, 0.875, 0.375, 0.0]
        );
        assert_eq!(
            [0.0, 0.25, 0.625, 1.0].map(|q| bins().quantile(q)),
            [1.0, 1.0, 3.0, 3.0].map(Some)
        );
        assert_eq!(Distribution::Values(vec![]).quantile(0.5), None);
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
