//! Walks and ranks without vector instructions.

use super::tile::{GROUP, Tile};
use crate::iforest::perfect::PackedTree;

/// See [`super::Instructions::walk`].
pub(super) fn walk(trees: &[PackedTree], depth: u32, tile: &mut Tile) {
    let stride = tile.stride();
    for tree in trees {
        for (codes, sums) in tile.groups() {
            let mut places = [1; GROUP];
            // All rows of the group advance level by level, because the walks of different rows are
            // independent.
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

/// See [`super::Instructions::rank`].
pub(super) fn rank(thresholds: &[f64], values: &[f64; GROUP], ranks: &mut [u16; GROUP]) {
    ranks.fill(0);
    for level in (0..thresholds.len().ilog2()).rev() {
        let half = 1 << level;
        for (below, value) in ranks.iter_mut().zip(values) {
            let above = thresholds[usize::from(*below) + half - 1] < *value;
            // This is a shift because compilers turn a product with `half` into a branch, which is
            // unpredictable.
            *below += u16::from(above) << level;
        }
    }
}
