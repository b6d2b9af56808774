//! Draws the events that a tree grows on.

use crate::matrix::{Matrix, Weighting};
use crate::rng::Rng;

/// The events that a tree grows on, as row numbers and the number of drawn events that each row
/// stands for. A row can occur more than once, and the order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) rows: Vec<u32>,
    pub(super) events: Vec<u32>,
}

/// Draws samples of events from a weighted matrix.
///
/// The events of a matrix whose weights are counts are numbered row after row. Repeated rows and
/// weighted rows therefore number the same events. Weights that are not whole numbers are relative
/// frequencies: events are then drawn with replacement, in proportion to the weights of their rows.
pub(super) struct Sampler<'a> {
    matrix: &'a Matrix,
    rows: RowFinder,
    /// The number of events per sample.
    size: u64,
    bootstrap: bool,
}

impl<'a> Sampler<'a> {
    /// Prepares to draw `size` events per sample, with replacement if `bootstrap` is set.
    pub(super) fn new(matrix: &'a Matrix, size: u64, bootstrap: bool) -> Self {
        let rows = match matrix.weighting() {
            Weighting::Unit => RowFinder::default(),
            Weighting::Counts | Weighting::Frequencies => RowFinder::new(matrix.weights()),
        };
        Sampler {
            matrix,
            rows,
            size,
            bootstrap,
        }
    }

    /// Draws one sample.
    pub(super) fn draw(&self, rng: &mut Rng) -> Sample {
        let n_events = self.matrix.total_weight();
        let counts = self.matrix.weighting() != Weighting::Frequencies;
        if counts && !self.bootstrap && self.size == n_events as u64 {
            return all_events(self.matrix.weights());
        }
        if let Some(sample) = self.draw_bits(rng) {
            return sample;
        }
        let rows: Vec<u32> = match self.matrix.weighting() {
            Weighting::Frequencies => (0..self.size)
                .map(|_| self.rows.at(rng.uniform() * n_events))
                .collect(),
            _ if self.bootstrap => (0..self.size)
                .map(|_| self.rows.at(rng.below(n_events as u64) as f64))
                .collect(),
            _ => {
                let mut rows = Vec::with_capacity(self.size as usize);
                rng.each_distinct_below(n_events as u64, self.size, |event| {
                    rows.push(self.rows.at(event as f64));
                });
                rows
            }
        };
        let once = self.matrix.weighting() == Weighting::Unit && !self.bootstrap;
        if once {
            return Sample {
                events: vec![1; rows.len()],
                rows,
            };
        }
        if self.rows_are_few() {
            count(&rows, self.matrix.n_rows())
        } else {
            merge(rows)
        }
    }

    /// Draws the same sample from a bitmap of the drawn events, without finding the row of each
    /// event. Returns `None`, and draws nothing, when the weights are not counts, events are drawn with
    /// replacement, there are many rows, or the bitmap would be too large.
    fn draw_bits(&self, rng: &mut Rng) -> Option<Sample> {
        let numbered = self.matrix.weighting() == Weighting::Counts && !self.bootstrap;
        if !(numbered && self.rows_are_few()) {
            return None;
        }
        let bits = rng.distinct_bits_below(self.matrix.total_weight() as u64, self.size)?;
        let ends = self.rows.ends.iter().map(|end| *end as usize);
        Some(compact(count_bits(&bits, ends)))
    }

    /// Returns whether a pass over all rows is cheap compared with drawing the events.
    fn rows_are_few(&self) -> bool {
        self.matrix.n_rows() as u64 <= 4 * self.size
    }
}

/// Finds the row that covers a position on the line of all events.
#[derive(Default)]
struct RowFinder {
    /// The running sums of the weights; empty when every row is one event.
    ends: Vec<f64>,
    /// For each of many equal parts of the events, the row that covers the start of the part.
    starts: Vec<u32>,
    parts_per_event: f64,
}

impl RowFinder {
    fn new(weights: &[f64]) -> RowFinder {
        let mut total = 0.0;
        let running = weights.iter().map(|weight| {
            total += weight;
            total
        });
        let ends: Vec<f64> = running.collect();
        // The parts are so small that most lie within one row, but few enough for a fast cache.
        let n_parts = (8 * ends.len()).min(ends.len().max(1 << 16));
        let mut row = 0;
        let starts = (0..n_parts).map(|part| {
            let start = part as f64 * (total / n_parts as f64);
            while row + 1 < ends.len() && ends[row] <= start {
                row += 1;
            }
            row as u32
        });
        RowFinder {
            starts: starts.collect(),
            ends,
            parts_per_event: n_parts as f64 / total,
        }
    }

    /// Returns the row that covers `position`. Rows without weight cover no position.
    fn at(&self, position: f64) -> u32 {
        let (Some(&total), Some(&last)) = (self.ends.last(), self.starts.last()) else {
            return position as u32;
        };
        let part = (position * self.parts_per_event) as usize;
        let mut row = *self.starts.get(part).unwrap_or(&last) as usize;
        // Rounding can place a position before the part that it belongs to, and `uniform × total`
        // exactly at the total, which belongs to the last row with weight.
        while row > 0 && self.ends[row - 1] > position {
            row -= 1;
        }
        while self.ends[row] <= position && self.ends[row] < total {
            row += 1;
        }
        row as u32
    }
}

/// Returns a sample of all events. A tree draws at most [`MAX_SAMPLES`](super::MAX_SAMPLES) events,
/// so weights fit 32 bits.
fn all_events(weights: &[f64]) -> Sample {
    let weighted = weights.iter().zip(0..).filter(|(weight, _)| **weight > 0.0);
    let (rows, events) = weighted.map(|(&weight, row)| (row, weight as u32)).unzip();
    Sample { rows, events }
}

/// Merges equal rows by counting, which suits a small number of distinct rows.
fn count(rows: &[u32], n_rows: usize) -> Sample {
    let mut counts = vec![0; n_rows];
    rows.iter().for_each(|&row| counts[row as usize] += 1);
    compact(counts)
}

/// Counts the set bits in each of several consecutive ranges of bits. The first range begins at bit
/// 0, and `ends` holds the end of each range.
fn count_bits(words: &[u64], ends: impl Iterator<Item = usize>) -> Vec<u32> {
    // Three running values: the set bits before the last end, the whole words before it, and the
    // set bits in those words.
    let (mut set, mut n_words, mut set_in_words) = (0, 0, 0);
    let counts = ends.map(|end| {
        let whole: u32 = words[n_words..end / 64]
            .iter()
            .map(|word| word.count_ones())
            .sum();
        set_in_words += whole;
        n_words = end / 64;
        // An end on a word boundary may be the end of the bitmap.
        let begun = words
            .get(n_words)
            .map_or(0, |word| word & ((1 << (end % 64)) - 1));
        let set_before = std::mem::replace(&mut set, set_in_words + begun.count_ones());
        set - set_before
    });
    counts.collect()
}

/// Returns the rows that were drawn at least once, with their numbers of events.
fn compact(counts: Vec<u32>) -> Sample {
    let (mut drawn, mut n) = (vec![0; counts.len()], 0);
    // Whether a row was drawn is random, so adding a 0 or 1 is faster than a branch.
    for (row, events) in counts.iter().enumerate() {
        drawn[n] = row as u32;
        n += usize::from(*events > 0);
    }
    drawn.truncate(n);
    let events = drawn.iter().map(|&row| counts[row as usize]).collect();
    Sample {
        rows: drawn,
        events,
    }
}

/// Merges equal rows by sorting, which suits a large number of distinct rows.
fn merge(mut rows: Vec<u32>) -> Sample {
    rows.sort_unstable();
    let runs = rows.chunk_by(|a, b| a == b);
    let (rows, events) = runs.map(|run| (run[0], run.len() as u32)).unzip();
    Sample { rows, events }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, Rng, RowFinder, Sample, Sampler, merge};
    use proptest::prelude::*;

    fn expand(sample: &Sample) -> Vec<u32> {
        let repeated = sample.rows.iter().zip(&sample.events);
        let mut rows: Vec<u32> = repeated
            .flat_map(|(&row, &events)| vec![row; events as usize])
            .collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn without_replacement_all_events_are_the_rows_themselves() {
        let matrix = Matrix::new(1, vec![1.0, 2.0, 3.0], vec![2.0, 0.0, 5.0]).unwrap();
        let sample = Sampler::new(&matrix, 7, false).draw(&mut Rng::new(0, 0));
        assert_eq!(
            sample,
            Sample {
                rows: vec![0, 2],
                events: vec![2, 5]
            }
        );
    }

    #[test]
    fn fractional_weights_draw_in_proportion() {
        let matrix = Matrix::new(1, vec![0.0; 4], vec![0.1, 0.0, 0.3, 0.0]).unwrap();
        let sample = Sampler::new(&matrix, 40_000, false).draw(&mut Rng::new(5, 0));
        assert_eq!(sample.rows, [0, 2]);
        // The mean is 10,000 and the standard deviation 87; the bound is five standard deviations.
        assert!(sample.events[0].abs_diff(10_000) < 435, "{sample:?}");
    }

    #[test]
    fn counting_and_sorting_merge_alike() {
        let rows = vec![3, 1, 3, 0, 3];
        assert_eq!(super::count(&rows, 5), merge(rows));
    }

    proptest! {
        #[test]
        fn the_row_at_a_position_covers_it(
            weights in prop::collection::vec(prop_oneof![Just(0.0), 0.0..1.0f64, 1e3..1e9f64], 1..30),
            share in 0.0..=1.0f64,
        ) {
            let total: f64 = weights.iter().fold(0.0, |sum, weight| sum + weight);
            prop_assume!(total > 0.0);
            let position = share * total;
            let row = RowFinder::new(&weights).at(position) as usize;
            let end: f64 = weights[..=row].iter().fold(0.0, |sum, weight| sum + weight);
            prop_assert!(weights[row] > 0.0);
            prop_assert!(position < end || (position == total && end == total));
            prop_assert!(end - weights[row] <= position * (1.0 + 1e-12));
        }

        #[test]
        fn a_weight_is_a_repetition(
            weights in prop::collection::vec(prop_oneof![0..6u8, 0..200u8], 1..12), size in 1..40u64, seed: u64,
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
            let owners: Vec<u32> = expand(&b).into_iter().map(|row| owner[row as usize]).collect();
            prop_assert_eq!(expand(&a).len() as u64, size);
            prop_assert_eq!(expand(&a), owners);
        }
    }
}
