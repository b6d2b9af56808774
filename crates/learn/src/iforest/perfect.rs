//! Perfect binary trees in heap order, which are walked without branches.

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
}
