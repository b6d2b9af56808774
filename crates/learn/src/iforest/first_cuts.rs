//! The first cuts of many trees, for many rows.

use super::novelty::Range;
use super::perfect::GROUP;
use super::tree::Tree;

/// The ranges of the samples of all trees, arranged to find the few that a value is outside of.
#[derive(Debug)]
pub(super) struct FirstCuts {
    n_trees: usize,
    columns: Vec<Column>,
}

/// The ranges of one column.
#[derive(Debug, Default)]
struct Column {
    /// The ranges with their trees, by descending low end.
    by_low: Vec<(Range, usize)>,
    /// The ranges with their trees, by ascending high end.
    by_high: Vec<(Range, usize)>,
}

impl FirstCuts {
    /// Arranges the ranges of the trees' samples; returns `None` for a plain forest.
    pub(super) fn of(trees: &[Tree], n_features: usize) -> Option<FirstCuts> {
        let plain = trees.iter().all(Tree::is_plain);
        (!plain).then(|| FirstCuts::new(trees, n_features))
    }

    fn new(trees: &[Tree], n_features: usize) -> FirstCuts {
        let column = |feature: usize| {
            let cut = trees
                .iter()
                .enumerate()
                .filter(|(_, tree)| tree.has_first_cuts());
            let ranges = cut.map(|(tree, content)| (content.sample[feature], tree));
            let mut by_low: Vec<_> = ranges.filter(|(range, _)| *range != Range::ALL).collect();
            let mut by_high = by_low.clone();
            by_low.sort_by(|(one, _), (other, _)| other.low.total_cmp(&one.low));
            by_high.sort_by(|(one, _), (other, _)| one.high.total_cmp(&other.high));
            Column { by_low, by_high }
        };
        FirstCuts {
            n_trees: trees.len(),
            columns: (0..n_features).map(column).collect(),
        }
    }

    /// Writes to `out` the probability for each tree and row that the row survives the first cuts of the tree.
    pub(super) fn survivals(&self, rows: &[f64], out: &mut Survivals) {
        let n_features = self.columns.len();
        out.clear(self.n_trees, rows.len() / n_features);
        for (row, values) in rows.chunks_exact(n_features).enumerate() {
            // The factors of a tree are multiplied in the order of the columns, which fixes the rounding.
            for (column, &value) in self.columns.iter().zip(values) {
                let below = column
                    .by_low
                    .iter()
                    .take_while(|(range, _)| value < range.low);
                let above = column
                    .by_high
                    .iter()
                    .take_while(|(range, _)| value > range.high);
                for (range, tree) in below.chain(above) {
                    out.multiply(*tree, row, range.survival(value));
                }
            }
        }
    }
}

/// For each of many trees and rows, the probability that the row survives the first cuts of the tree. Most are 1, and only
/// the others are kept.
#[derive(Debug, Default)]
pub(super) struct Survivals {
    /// The number of groups of rows.
    n_groups: usize,
    /// For each tree and group, the rows that the first cuts may set apart, one bit each.
    cut: Vec<u32>,
    /// For each tree and group, the number of the tree's probabilities before the group's.
    starts: Vec<u32>,
    /// For each tree, the probabilities of the rows whose bits are set, in the order of the rows. The probabilities of
    /// the next tree begin after [`room`](Self::room) places.
    probabilities: Vec<f64>,
    /// For each tree, the number of its probabilities.
    counts: Vec<u32>,
}

impl Survivals {
    /// Sets all probabilities to 1.
    fn clear(&mut self, n_trees: usize, n_rows: usize) {
        self.n_groups = n_rows.div_ceil(GROUP);
        self.cut.clear();
        self.cut.resize(n_trees * self.n_groups, 0);
        self.starts.clear();
        self.starts.resize(n_trees * self.n_groups, 0);
        self.counts.clear();
        self.counts.resize(n_trees, 0);
        self.probabilities.resize(n_trees * self.room(), 1.0);
    }

    /// Returns the number of places for the probabilities of a tree. It is not a power of two, so that the places of
    /// different trees do not compete for the same lines of the cache.
    fn room(&self) -> usize {
        self.n_groups * GROUP + 8
    }

    /// Multiplies the probability of a tree and a row. The row must not be before that of the last call.
    #[inline]
    fn multiply(&mut self, tree: usize, row: usize, survival: f64) {
        let (at, bit) = (tree * self.n_groups + row / GROUP, 1 << (row % GROUP));
        if self.cut[at] == 0 {
            self.starts[at] = self.counts[tree];
        }
        let is_new = self.cut[at] & bit == 0;
        self.cut[at] |= bit;
        self.counts[tree] += u32::from(is_new);
        let last = tree * self.room() + self.counts[tree] as usize - 1;
        let before = if is_new {
            1.0
        } else {
            self.probabilities[last]
        };
        self.probabilities[last] = before * survival;
    }

    /// Returns the probabilities of a tree.
    pub(super) fn of_tree(&self, tree: usize) -> TreeSurvivals<'_> {
        let groups = tree * self.n_groups..(tree + 1) * self.n_groups;
        let first = tree * self.room();
        TreeSurvivals {
            cut: &self.cut[groups.clone()],
            starts: &self.starts[groups],
            probabilities: &self.probabilities[first..first + self.room()],
        }
    }
}

/// The probabilities of rows in one tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeSurvivals<'a> {
    cut: &'a [u32],
    starts: &'a [u32],
    probabilities: &'a [f64],
}

impl<'a> TreeSurvivals<'a> {
    /// Returns the probabilities of a group of [`GROUP`] rows.
    #[inline(always)]
    pub(super) fn of_group(self, group: usize) -> GroupSurvivals<'a> {
        GroupSurvivals {
            cut: self.cut[group],
            cut_only: &self.probabilities[self.starts[group] as usize..],
        }
    }
}

/// The probabilities of a group of rows in one tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupSurvivals<'a> {
    /// The rows whose probability can be below 1, one bit each.
    pub(super) cut: u32,
    /// The probabilities of these rows, and more.
    pub(super) cut_only: &'a [f64],
}

impl GroupSurvivals<'_> {
    /// Returns the probability of each row.
    pub(super) fn of_rows(self) -> [f64; GROUP] {
        let mut rest = self.cut_only.iter();
        std::array::from_fn(|row| match self.cut >> row & 1 {
            1 => *rest.next().expect("there is a probability for each bit"),
            _ => 1.0,
        })
    }
}
