//! Branch-free walks of many rows down trees that are too deep to be packed.
//!
//! The direction of a row at a node is close to random, so branch prediction fails at every other
//! node, and a single walk spends its time waiting for loads. Here a group of rows goes down a tree
//! together without branches, so that the loads of different rows overlap. A row that has reached
//! its leaf stays there until the loop ends.

use super::first_cuts::TreeSurvivals;
use super::novelty::{Range, shortened};
use super::perfect::GROUP;
use super::tree::{MAX_DEPTH, Rule, Tree, summable};

/// The number of rows that go down a tree together: enough to hide the latency of loading a node,
/// and few enough for the registers.
const ROWS_ABREAST: usize = 8;

/// The bit of [`Step::column`] that is set where a missing value goes left.
const MISSING_LEFT: u32 = 1 << 31;

/// A node in the form that the walk uses.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The threshold; NaN at a leaf, so that no value compares less or equal.
    threshold: f64,
    /// The column, combined with [`MISSING_LEFT`].
    column: u32,
    /// The index of the right child (the left child is the next node); for a leaf, the leaf itself.
    right: u32,
}

/// A tree of threshold splits, prepared for walking.
#[derive(Debug)]
pub(super) struct Walk {
    steps: Vec<Step>,
    /// The path length of each leaf, indexed by node; 0 for other nodes.
    path_lengths: Vec<f64>,
    /// The range of each node; empty in a plain forest.
    ranges: Vec<Range>,
    depth: u32,
}

impl Walk {
    /// Prepares a tree; returns `None` when it has splits other than thresholds.
    pub(super) fn new(tree: &Tree) -> Option<Walk> {
        let mut walk = Walk {
            steps: Vec::with_capacity(tree.nodes.len()),
            path_lengths: Vec::with_capacity(tree.nodes.len()),
            ranges: tree.ranges.clone(),
            depth: tree.depth(),
        };
        for (at, node) in tree.nodes.iter().enumerate() {
            let (step, path_length) = match node.rule {
                Rule::Leaf { path_length } => {
                    let step = Step {
                        threshold: f64::NAN,
                        column: 0,
                        right: at as u32,
                    };
                    (step, path_length)
                }
                Rule::Threshold { feature, threshold } => {
                    let missing = u32::from(tree.left_is_larger(at)) * MISSING_LEFT;
                    let step = Step {
                        threshold,
                        column: feature | missing,
                        right: node.right,
                    };
                    (step, 0.0)
                }
                Rule::Categories { .. } | Rule::Plane { .. } => return None,
            };
            walk.steps.push(step);
            walk.path_lengths.push(path_length);
        }
        Some(walk)
    }

    /// Adds to each sum the path length of its row, as [`Tree::path_length`] returns it.
    /// `first` are the probabilities that the rows survive the first cuts of the tree; `None` in a plain forest.
    pub(super) fn add_path_lengths(
        &self,
        rows: &[f64],
        n_features: usize,
        first: Option<TreeSurvivals<'_>>,
        sums: &mut [f64],
    ) {
        let (groups, rest) = sums.as_chunks_mut::<ROWS_ABREAST>();
        let n_in_groups = groups.len() * ROWS_ABREAST;
        let (rows, last_rows) = rows.split_at(n_in_groups * n_features);
        let grouped = rows.chunks(ROWS_ABREAST * n_features).zip(groups);
        let single = last_rows.chunks(n_features).zip(rest);
        match first {
            None => {
                grouped.for_each(|(rows, sums)| self.add_group(rows, n_features, sums));
                single.for_each(|(row, sum)| {
                    self.add_group(row, n_features, std::array::from_mut(sum));
                });
            }
            Some(first) => {
                let survivals: Vec<f64> = (0..(n_in_groups + last_rows.len() / n_features)
                    .div_ceil(GROUP))
                    .flat_map(|group| first.of_group(group).of_rows())
                    .collect();
                let (first, last_first) = survivals.split_at(n_in_groups);
                let (first, _) = first.as_chunks();
                grouped.zip(first).for_each(|((rows, sums), first)| {
                    self.add_outside_group(rows, n_features, first, sums);
                });
                single.zip(last_first).for_each(|((row, sum), first)| {
                    let first = std::array::from_ref(first);
                    self.add_outside_group(row, n_features, first, std::array::from_mut(sum));
                });
            }
        }
    }

    #[inline]
    fn add_group<const N: usize>(&self, rows: &[f64], n_features: usize, sums: &mut [f64; N]) {
        let mut at = [0; N];
        for _ in 0..self.depth {
            for (lane, at) in at.iter_mut().enumerate() {
                *at = self.next(*at, &rows[lane * n_features..]);
            }
        }
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += self.path_lengths[at as usize];
        }
    }

    /// Adds the path lengths of a group of rows as [`add_group`](Self::add_group) does, shortened where rows are outside
    /// of the ranges of their nodes.
    #[inline]
    fn add_outside_group<const N: usize>(
        &self,
        rows: &[f64],
        n_features: usize,
        first: &[f64; N],
        sums: &mut [f64; N],
    ) {
        let mut at = [0; N];
        // The nodes at which rows are outside, from the root downwards. There is one entry more than needed, because an
        // entry is written before it is known whether it counts.
        let (mut found, mut n_found) = ([(0, 0, 0); ROWS_ABREAST * MAX_DEPTH + 1], 0);
        for depth in 0..self.depth {
            for (lane, at) in at.iter_mut().enumerate() {
                let row = &rows[lane * n_features..];
                let range = self.ranges[*at as usize];
                let value = row[self.column(*at)];
                found[n_found] = (*at, lane, depth + 1);
                n_found += usize::from((value < range.low) | (value > range.high));
                *at = self.next(*at, row);
            }
        }
        let mut lengths = at.map(|at| self.path_lengths[at as usize]);
        for &(at, lane, after) in found[..n_found].iter().rev() {
            let value = rows[lane * n_features + self.column(at)];
            let survival = self.ranges[at as usize].survival(value);
            lengths[lane] = shortened(lengths[lane], f64::from(after), survival);
        }
        for ((sum, length), &survival) in sums.iter_mut().zip(lengths).zip(first) {
            *sum += summable(shortened(length, 1.0, survival));
        }
    }

    /// Returns the column that node `at` splits; 0 for a leaf.
    #[inline]
    fn column(&self, at: u32) -> usize {
        (self.steps[at as usize].column & !MISSING_LEFT) as usize
    }

    /// Returns the node that follows node `at` for the row at the start of `rest`.
    #[inline]
    fn next(&self, at: u32, rest: &[f64]) -> u32 {
        let step = self.steps[at as usize];
        let value = rest[self.column(at)];
        let missing_left = value.is_nan() & (step.column & MISSING_LEFT != 0);
        let left = (value <= step.threshold) | missing_left;
        // A mask selects the left or the right child, because a compiler could turn a condition
        // into a branch.
        let all = u32::from(left).wrapping_neg();
        step.right ^ ((step.right ^ at.wrapping_add(1)) & all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iforest::first_cuts::{FirstCuts, Survivals};
    use crate::iforest::{IsolationForest, IsolationForestParams, MaxSamples, Novelty};
    use crate::rng::Rng;
    use crate::{ColumnKind, Matrix};

    /// Returns values with ties, extremes and missing values.
    fn values(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, 1);
        let special = [0.0, -0.0, 5e-324, 1e300, -1e300, f64::NAN];
        let mut value = || match rng.below(12) {
            kind @ 0..6 => special[kind as usize],
            6..9 => rng.below(5) as f64,
            _ => rng.normal(),
        };
        (0..n).map(|_| value()).collect()
    }

    fn forest(
        n_features: usize,
        max_samples: usize,
        seed: u64,
        novelty: Novelty,
    ) -> IsolationForest {
        let matrix = Matrix::unweighted(n_features, values(n_features * 20_000, seed)).unwrap();
        let params = IsolationForestParams::new().n_estimators(4).seed(seed);
        let params = params
            .max_samples(MaxSamples::Count(max_samples))
            .novelty(novelty);
        params.fit(&matrix).unwrap()
    }

    #[test]
    fn rows_abreast_arrive_where_single_rows_do() {
        let shapes = [(1, 1, 9), (1, 2, 8), (3, 16_384, 1001), (7, 300, 5)];
        for (shape, novelty) in shapes
            .into_iter()
            .flat_map(|shape| BOTH.map(|form| (shape, form)))
        {
            let (n_features, max_samples, n_rows) = shape;
            let forest = forest(n_features, max_samples, n_rows as u64, novelty);
            let mut rows = values(n_features * n_rows, 9);
            rows[..2].copy_from_slice(&[f64::INFINITY, f64::NEG_INFINITY]);
            let first_cuts = FirstCuts::of(&forest.trees, n_features);
            let mut survivals = Survivals::default();
            if let Some(first_cuts) = &first_cuts {
                first_cuts.survivals(&rows, &mut survivals);
            }
            for (number, tree) in forest.trees.iter().enumerate() {
                let walk = Walk::new(tree).unwrap();
                let mut sums = vec![0.5; n_rows];
                let first = first_cuts.as_ref().map(|_| survivals.of_tree(number));
                walk.add_path_lengths(&rows, n_features, first, &mut sums);
                let expected = rows
                    .chunks(n_features)
                    .map(|row| 0.5 + tree.path_length(row));
                assert!(
                    sums.into_iter().eq(expected),
                    "{n_features} features, {novelty:?}"
                );
            }
        }
    }

    const BOTH: [Novelty; 2] = [Novelty::Plain, Novelty::Range];

    #[test]
    fn deep_forests_give_one_row_and_many_the_same_score() {
        for novelty in BOTH {
            let forest = forest(3, 16_384, 5, novelty);
            let rows = values(3 * 700, 6);
            let one_by_one: Vec<f64> = rows
                .chunks(3)
                .map(|row| forest.score_one(row).unwrap())
                .collect();
            assert_eq!(forest.scores(&rows).unwrap(), one_by_one);
        }
    }

    #[test]
    fn other_splits_are_left_to_the_tree() {
        let kinds = vec![ColumnKind::Categorical { cardinality: 5 }];
        let codes = (0..1000).map(|i| f64::from(i % 5)).collect();
        let matrix = Matrix::unweighted(1, codes).unwrap();
        let forest = IsolationForestParams::new()
            .column_kinds(kinds)
            .fit(&matrix)
            .unwrap();
        assert!(forest.trees.iter().any(|tree| Walk::new(tree).is_none()));
    }
}
