//! The first cuts of many trees, for many rows.

use super::novelty::Range;
use super::perfect::GROUP;
use super::tree::Tree;

/// The ranges of the samples of all trees, arranged to find the few that a value is outside of.
#[derive(Debug)]
pub(super) struct FirstCuts {
    n_trees: usize,
    columns: Vec<Column>,
    /// For each column, what is inside of the ranges of all trees.
    inside_all: Vec<Range>,
}

/// The ranges of one column.
#[derive(Debug, Default)]
struct Column {
    /// The ranges with their trees, by descending low end.
    by_low: Vec<(Range, u32)>,
    /// The ranges with their trees, by ascending high end.
    by_high: Vec<(Range, u32)>,
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
                .zip(0..)
                .filter(|(tree, _)| tree.has_first_cuts());
            let ranges = cut.map(|(tree, number)| (tree.sample[feature], number));
            let mut by_low: Vec<_> = ranges.filter(|(range, _)| *range != Range::ALL).collect();
            let mut by_high = by_low.clone();
            by_low.sort_by(|(one, _), (other, _)| other.low.total_cmp(&one.low));
            by_high.sort_by(|(one, _), (other, _)| one.high.total_cmp(&other.high));
            Column { by_low, by_high }
        };
        let columns: Vec<_> = (0..n_features).map(column).collect();
        FirstCuts {
            n_trees: trees.len(),
            inside_all: columns.iter().map(Column::inside_all).collect(),
            columns,
        }
    }

    /// Writes to `out` the probability for each tree and row that the row survives the first cuts of the tree.
    pub(super) fn survivals(&self, rows: &[f64], out: &mut Survivals) {
        let n_features = self.columns.len();
        out.clear(self.n_trees, rows.len() / n_features);
        for (number, group) in rows.chunks(GROUP * n_features).enumerate() {
            let mut out = out.group(number);
            for (row, values) in group.chunks_exact(n_features).enumerate() {
                // The factors of a tree are multiplied in the order of the columns, which fixes the rounding.
                for (column, (&value, inside)) in values.iter().zip(&self.inside_all).enumerate() {
                    if (value < inside.low) | (value > inside.high) {
                        self.columns[column].multiply(value, row, &mut out);
                    }
                }
            }
        }
    }
}

impl Column {
    /// Returns the range of the values that are inside of all ranges.
    fn inside_all(&self) -> Range {
        let (low, high) = (self.by_low.first(), self.by_high.first());
        Range {
            low: low.map_or(f64::NEG_INFINITY, |(range, _)| range.low),
            high: high.map_or(f64::INFINITY, |(range, _)| range.high),
        }
    }

    /// Multiplies the probabilities of a row by those that the value survives the cuts of this column.
    fn multiply(&self, value: f64, row: usize, out: &mut GroupProduct<'_>) {
        let below = self
            .by_low
            .iter()
            .take_while(|(range, _)| value < range.low);
        for &(range, tree) in below {
            out.multiply(tree as usize, row, range.survival(value));
        }
        let above = self
            .by_high
            .iter()
            .take_while(|(range, _)| value > range.high);
        for &(range, tree) in above {
            out.multiply(tree as usize, row, range.survival(value));
        }
    }
}

/// For each of many trees and rows, the probability that the row survives the first cuts of the tree. Most are 1, and only
/// the others are kept.
#[derive(Debug, Default)]
pub(super) struct Survivals {
    n_trees: usize,
    /// The number of groups of rows.
    n_groups: usize,
    /// For each group and tree, the rows that the first cuts may set apart, one bit each.
    cut: Vec<u32>,
    /// For each group and tree, the place of the group's first probability.
    starts: Vec<u32>,
    /// For each tree, the probabilities of the rows whose bits are set, in the order of the rows. The probabilities of
    /// the next tree begin after [`room`](Self::room) places.
    probabilities: Vec<f64>,
    /// For each tree, the place behind its last probability.
    ends: Vec<u32>,
}

impl Survivals {
    /// Sets all probabilities to 1.
    fn clear(&mut self, n_trees: usize, n_rows: usize) {
        (self.n_trees, self.n_groups) = (n_trees, n_rows.div_ceil(GROUP));
        self.cut.clear();
        self.cut.resize(n_trees * self.n_groups, 0);
        self.starts.resize(n_trees * self.n_groups, 0);
        let room = self.room();
        self.ends.clear();
        self.ends
            .extend((0..n_trees).map(|tree| (tree * room) as u32));
        self.probabilities.resize(n_trees * room, 1.0);
    }

    /// Returns the number of places for the probabilities of a tree. It is not a power of two, so that the places of
    /// different trees do not compete for the same lines of the cache.
    fn room(&self) -> usize {
        self.n_groups * GROUP + 8
    }

    /// Returns the probabilities of a group of rows for multiplication. Groups must be asked for in their order.
    fn group(&mut self, group: usize) -> GroupProduct<'_> {
        let of_group = group * self.n_trees..(group + 1) * self.n_trees;
        self.starts[of_group.clone()].copy_from_slice(&self.ends);
        GroupProduct {
            cut: &mut self.cut[of_group],
            ends: &mut self.ends,
            probabilities: &mut self.probabilities,
        }
    }

    /// Returns the probabilities of a tree.
    pub(super) fn of_tree(&self, tree: usize) -> TreeSurvivals<'_> {
        TreeSurvivals { all: self, tree }
    }
}

/// The probabilities of a group of rows while they are multiplied.
struct GroupProduct<'a> {
    cut: &'a mut [u32],
    ends: &'a mut [u32],
    probabilities: &'a mut [f64],
}

impl GroupProduct<'_> {
    /// Multiplies the probability of a tree and a row. The row must not be before that of the last call.
    #[inline]
    fn multiply(&mut self, tree: usize, row: usize, survival: f64) {
        let (cut, end) = (&mut self.cut[tree], &mut self.ends[tree]);
        let is_new = *cut >> row & 1 == 0;
        *cut |= 1 << row;
        *end += u32::from(is_new);
        let last = &mut self.probabilities[*end as usize - 1];
        *last = if is_new { 1.0 } else { *last } * survival;
    }
}

/// The probabilities of rows in one tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeSurvivals<'a> {
    all: &'a Survivals,
    tree: usize,
}

impl<'a> TreeSurvivals<'a> {
    /// Returns the probabilities of a group of [`GROUP`] rows.
    #[inline(always)]
    pub(super) fn of_group(self, group: usize) -> GroupSurvivals<'a> {
        let at = group * self.all.n_trees + self.tree;
        GroupSurvivals {
            cut: self.all.cut[at],
            cut_only: &self.all.probabilities[self.all.starts[at] as usize..],
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
