//! Drawing the events that a tree grows on.

use crate::matrix::{Matrix, Weighting};
use crate::rng::Rng;

/// A row and how many of a tree's events it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) row: u32,
    pub(super) events: u32,
}

/// Draws samples of events from a weighted matrix.
///
/// The events of a matrix whose weights are counts are numbered row after row, so that repeating a
/// row and giving it a weight number the same events. Weights that are not whole numbers are relative
/// frequencies: events are then drawn with replacement, each row in proportion to its weight.
pub(super) struct Sampler<'a> {
    matrix: &'a Matrix,
    /// Running sum of the weights; empty when every row is one event.
    cumulative: Vec<f64>,
    size: u64,
    bootstrap: bool,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(matrix: &'a Matrix, size: u64, bootstrap: bool) -> Self {
        let mut total = 0.0;
        let cumulative = match matrix.weighting() {
            Weighting::Unit => Vec::new(),
            Weighting::Counts | Weighting::Frequencies => {
                let running = matrix.weights().iter().map(|weight| {
                    total += weight;
                    total
                });
                running.collect()
            }
        };
        Sampler {
            matrix,
            cumulative,
            size,
            bootstrap,
        }
    }

    /// One sample, in row order, each row once.
    pub(super) fn draw(&self, rng: &mut Rng) -> Vec<Drawn> {
        let n_events = self.matrix.total_weight();
        let mut rows: Vec<u32> = match self.matrix.weighting() {
            Weighting::Frequencies => (0..self.size)
                .map(|_| self.row_at(rng.uniform() * n_events))
                .collect(),
            _ if self.bootstrap => (0..self.size)
                .map(|_| self.row_at(rng.below(n_events as u64) as f64))
                .collect(),
            _ => {
                let events = rng.distinct_below(n_events as u64, self.size);
                events
                    .into_iter()
                    .map(|event| self.row_at(event as f64))
                    .collect()
            }
        };
        rows.sort_unstable();
        merge(&rows)
    }

    /// The row that covers position `at` of the events. Rows without weight cover nothing.
    fn row_at(&self, at: f64) -> u32 {
        if self.cumulative.is_empty() {
            return at as u32;
        }
        let row = self.cumulative.partition_point(|&end| end <= at);
        // Rounding can put `uniform × total` on the total itself, which belongs to the last row
        // with weight: the first one at which the running sum reaches the total.
        let last = || {
            self.cumulative
                .partition_point(|&end| end < self.matrix.total_weight())
        };
        (if row < self.cumulative.len() {
            row
        } else {
            last()
        }) as u32
    }
}

fn merge(sorted_rows: &[u32]) -> Vec<Drawn> {
    let runs = sorted_rows.chunk_by(|a, b| a == b);
    runs.map(|run| Drawn {
        row: run[0],
        events: run.len() as u32,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{Drawn, Matrix, Rng, Sampler, merge};
    use proptest::prelude::*;

    fn total(sample: &[Drawn]) -> u32 {
        sample.iter().map(|drawn| drawn.events).sum()
    }

    #[test]
    fn without_replacement_all_events_are_the_rows_themselves() {
        let matrix = Matrix::new(1, vec![1.0, 2.0, 3.0], vec![2.0, 0.0, 5.0]).unwrap();
        let sample = Sampler::new(&matrix, 7, false).draw(&mut Rng::new(0, 0));
        assert_eq!(
            sample,
            [Drawn { row: 0, events: 2 }, Drawn { row: 2, events: 5 }]
        );
    }

    #[test]
    fn fractional_weights_draw_in_proportion() {
        let matrix = Matrix::new(1, vec![0.0; 4], vec![0.1, 0.0, 0.3, 0.0]).unwrap();
        let sample = Sampler::new(&matrix, 40_000, false).draw(&mut Rng::new(5, 0));
        let rows: Vec<u32> = sample.iter().map(|drawn| drawn.row).collect();
        assert_eq!(rows, [0, 2]);
        // Mean 10,000, standard deviation 87; five of them.
        assert!(sample[0].events.abs_diff(10_000) < 435, "{sample:?}");
    }

    proptest! {
        #[test]
        fn a_weight_is_a_repetition(
            weights in prop::collection::vec(0..6u8, 1..12), size in 1..40u64, seed: u64,
            bootstrap: bool,
        ) {
            let n: u64 = weights.iter().map(|&w| u64::from(w)).sum();
            prop_assume!(n > 0);
            let size = size.min(n);
            let rows = weights.len();
            let weighted =
                Matrix::new(1, vec![0.0; rows], weights.iter().map(|&w| w.into()).collect()).unwrap();
            let repeated = Matrix::unweighted(1, vec![0.0; n as usize]).unwrap();
            let owner: Vec<u32> =
                (0..rows as u32).flat_map(|row| vec![row; weights[row as usize].into()]).collect();
            let a = Sampler::new(&weighted, size, bootstrap).draw(&mut Rng::new(seed, 0));
            let b = Sampler::new(&repeated, size, bootstrap).draw(&mut Rng::new(seed, 0));
            let expanded: Vec<u32> = b
                .iter()
                .flat_map(|d| vec![owner[d.row as usize]; d.events as usize])
                .collect();
            prop_assert_eq!(u64::from(total(&a)), size);
            prop_assert_eq!(a, merge(&expanded));
        }
    }
}
