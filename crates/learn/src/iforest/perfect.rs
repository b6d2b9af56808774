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
    /// What depends on how far outside a row lies; `None` in a plain forest.
    pub(super) outside: Option<Outside>,
}

/// The part of a perfect tree that finds and shortens the paths of rows that lie outside of nodes.
#[derive(Debug)]
pub(super) struct Outside {
    /// Codes below this one may be outside of the node's range. The bound is a threshold of the forest beside the range,
    /// so that it needs no code of its own. A bound is out of reach where a split cannot shorten the path.
    pub(super) lows: Vec<u16>,
    /// Codes above this one may be outside of the node's range.
    pub(super) highs: Vec<u16>,
    /// The column that each node splits.
    pub(super) features: Vec<u32>,
    /// The range of each node.
    pub(super) ranges: Vec<Range>,
}

impl Outside {
    /// Creates the arrays of a tree of as many entries, none of which can be outside.
    pub(super) fn new(entries: usize) -> Outside {
        Outside {
            lows: vec![0; entries],
            highs: vec![u16::MAX; entries],
            features: vec![0; entries],
            ranges: vec![Range::ALL; entries],
        }
    }

    /// Sets the node at `place`; codes below the first bound or above the second may be outside.
    pub(super) fn set(&mut self, place: usize, feature: u32, range: Range, bounds: (u16, u16)) {
        (self.lows[place], self.highs[place]) = bounds;
        self.features[place] = feature;
        self.ranges[place] = range;
    }

    /// Shortens the path lengths of a group of rows. Each entry of `found` is a place in the tree, from the root
    /// downwards, and a row of the group that may be outside there; see [`found`]. `rows` are the values of the group's
    /// rows.
    pub(super) fn shorten(&self, found: &[u32], rows: Rows<'_>, lengths: &mut [f64; GROUP]) {
        // The deepest nodes come first, because a length is the expectation below its node.
        for &entry in found.iter().rev() {
            let after = f64::from(place_of(entry).ilog2() + 1);
            let length = &mut lengths[row_of(entry)];
            *length = shortened(*length, after, self.survival(entry, rows));
        }
    }

    /// Returns the probability that the row of an entry survives the split at its place.
    pub(super) fn survival(&self, entry: u32, rows: Rows<'_>) -> f64 {
        let place = place_of(entry);
        let at = row_of(entry) * rows.n_features + self.features[place] as usize;
        // The last group of a tile can have more rows than there are values.
        match rows.values.get(at) {
            Some(&value) => self.ranges[place].survival(value),
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

/// Returns the place of an entry.
#[inline(always)]
fn place_of(entry: u32) -> usize {
    entry as usize / GROUP
}

/// Returns the row of an entry.
#[inline(always)]
fn row_of(entry: u32) -> usize {
    entry as usize % GROUP
}

/// Adds to each sum the path length of its row. `lengths` are the path lengths if the rows survive the first cuts of the
/// tree, and `first` the probabilities that they do.
#[inline(always)]
pub(super) fn add_cut(lengths: &[f64; GROUP], first: &[f64; GROUP], sums: &mut [f64; GROUP]) {
    for ((sum, length), survival) in sums.iter_mut().zip(lengths).zip(first) {
        *sum += summable(shortened(*length, 1.0, *survival));
    }
}
