//! Walks without vector instructions.

use super::tile::{GROUP, Tile};
use crate::iforest::packed::PackedTree;

/// As [`super::Instructions::walk`].
pub(super) fn walk(trees: &[PackedTree], depth: u32, tile: &mut Tile) {
    let stride = tile.stride();
    for tree in trees {
        for (codes, sums) in tile.groups() {
            let mut places = [1; GROUP];
            // Level by level for all rows of the group, because the rows do not wait for each other.
            for _ in 0..depth {
                for (row, place) in places.iter_mut().enumerate() {
                    let code = codes[row * stride + usize::from(tree.columns[*place])];
                    *place = 2 * *place + usize::from(code > tree.ranks[*place]);
                }
            }
            for (place, sum) in places.into_iter().zip(sums) {
                *sum += tree.leaves[place - tree.leaves.len()];
            }
        }
    }
}

/// As [`super::Instructions::rank`].
pub(super) fn rank(thresholds: &[f64], values: &[f64; GROUP], ranks: &mut [u16; GROUP]) {
    ranks.fill(0);
    for level in (0..thresholds.len().ilog2()).rev() {
        let half = 1 << level;
        for (below, value) in ranks.iter_mut().zip(values) {
            let above = thresholds[usize::from(*below) + half - 1] < *value;
            // A shift, because a product with `half` is compiled to a branch, which nothing predicts.
            *below += u16::from(above) << level;
        }
    }
}
