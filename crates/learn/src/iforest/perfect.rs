//! Perfect binary trees in heap order, which are walked without branches.

use super::novelty::{Range, shortened};
use super::tree::summable;

/// The number of entries of a perfect tree with eight levels of splits: its nodes and the unused
/// entry 0.
pub(super) const NODE_ENTRIES: usize = 256;

/// A perfect tree in heap order.
///
/// The node arrays have at least [`NODE_ENTRIES`] entries, so that vector instructions can load
/// whole tables.
#[derive(Debug)]
pub(super) struct PackedTree {
    /// The index of the code that each node compares; entry 0 is unused.
    pub(super) columns: Vec<u16>,
    /// The greatest code that goes left at each node; entry 0 is unused.
    pub(super) ranks: Vec<u16>,
    /// The path length at each position of the last level, in splits.
    pub(super) leaves: Vec<f64>,
    /// For each child, beside the entry 2 of the left child of the root, the bound from which on a code may be outside of
    /// the range of its parent; empty in a plain forest. Rows that go left may be outside below the bound, and rows that go
    /// right from the bound on, because the threshold is within the range. A bound is a threshold of the forest beside the
    /// end of the range, so that it needs no code of its own. It is out of reach where a split cannot shorten the path, but
    /// for missing values, which are inside of every range.
    pub(super) bounds: Vec<u16>,
}

/// The bound of a left child that no code is below.
pub(super) const NEVER_BELOW: u16 = 0;

/// The bound of a right child that no code reaches but that of a missing value.
pub(super) const NEVER_ABOVE: u16 = u16::MAX;

/// The number of trees whose ranges are kept together.
pub(super) const TREES_TOGETHER: usize = 4;

/// What is needed to shorten the paths of rows that lie outside of nodes, for up to [`TREES_TOGETHER`] perfect trees. The
/// entries of the trees for one place lie side by side, the place being an index in heap order.
#[derive(Debug)]
pub(super) struct NodeRanges {
    /// The column that each node splits.
    pub(super) features: Vec<u32>,
    /// The range of that column in each node.
    pub(super) ranges: Vec<Range>,
}

impl NodeRanges {
    /// Creates the ranges of perfect trees of as many places, none of which a row can be outside of.
    pub(super) fn new(places: usize) -> NodeRanges {
        NodeRanges {
            features: vec![0; places * TREES_TOGETHER],
            ranges: vec![Range::ALL; places * TREES_TOGETHER],
        }
    }

    /// Sets the column and the range of the node at a place of a tree.
    pub(super) fn set(&mut self, place: usize, tree: usize, feature: u32, range: Range) {
        let at = place * TREES_TOGETHER + tree;
        self.features[at] = feature;
        self.ranges[at] = range;
    }

    /// Shortens the path lengths of a group of rows in a tree. Each entry of `found` is a place in the tree, from the root
    /// downwards, and a row of the group that may be outside there; see [`found`]. `rows` are the values of the group's
    /// rows.
    pub(super) fn shorten(
        &self,
        tree: usize,
        found: &[u32],
        rows: Rows<'_>,
        lengths: &mut [f64; GROUP],
    ) {
        // The deepest nodes come first, because a length is the expectation below its node.
        for &entry in found.iter().rev() {
            let (place, row) = (entry as usize / GROUP, entry as usize % GROUP);
            let after = f64::from(place.ilog2() + 1);
            let survival = self.survival(place * TREES_TOGETHER + tree, row, rows);
            lengths[row] = shortened(lengths[row], after, survival);
        }
    }

    /// Returns the probability that a row of the group survives the split of the node at index `at`.
    pub(super) fn survival(&self, at: usize, row: usize, rows: Rows<'_>) -> f64 {
        let value = row * rows.n_features + self.features[at] as usize;
        // The last group of a tile can have more rows than there are values.
        match rows.values.get(value) {
            Some(&value) => self.ranges[at].survival(value),
            None => 1.0,
        }
    }
}

/// The rows of a group, as values of `n_features` columns each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f64],
    pub(super) n_features: usize,
}

/// The number of rows per group of a tile.
pub(super) const GROUP: usize = 32;

/// Returns the entry for a row of the group at a place of the tree.
#[inline(always)]
pub(super) fn found(place: usize, row: usize) -> u32 {
    (place * GROUP + row) as u32
}

/// Adds to each sum the path length of its row. `lengths` are the path lengths if the rows survive the first cuts of the
/// tree, and `first` the probabilities that they do.
#[inline(always)]
pub(super) fn add_cut(lengths: &[f64; GROUP], first: &[f64; GROUP], sums: &mut [f64; GROUP]) {
    for ((sum, length), survival) in sums.iter_mut().zip(lengths).zip(first) {
        *sum += summable(shortened(*length, 1.0, *survival));
    }
}
