//! Walks and ranks without vector instructions.

use super::Surroundings;
use super::tile::Tile;
use crate::iforest::perfect::{GROUP, PackedTree, TREES_TOGETHER, add_cut, found};

/// See [`super::Instructions::walk`].
pub(super) fn walk(trees: &[PackedTree], depth: u32, tile: &mut Tile) {
    for tree in trees {
        for (codes, sums) in tile.groups() {
            let mut places = [1; GROUP];
            // All rows of the group advance level by level, because the walks of different rows are
            // independent.
            for _ in 0..depth {
                for (row, place) in places.iter_mut().enumerate() {
                    let code = codes[usize::from(tree.columns[*place])].0[row];
                    *place = 2 * *place + usize::from(code > tree.ranks[*place]);
                }
            }
            for (place, sum) in places.into_iter().zip(sums) {
                *sum += tree.leaves[place - tree.leaves.len()];
            }
        }
    }
}

/// The maximum number of levels of splits, and of entries for a group of rows in one tree.
const MAX_DEPTH: usize = 12;
const MAX_FOUND: usize = GROUP * MAX_DEPTH;

/// Walks as [`walk`] does, and shortens the paths of rows that lie outside.
pub(super) fn walk_outside(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Surroundings<'_>,
) {
    for (number, tree) in trees.iter().enumerate() {
        let ranges = &surroundings.ranges[number / TREES_TOGETHER];
        let first = surroundings.survivals.of_tree(number);
        for (group, (codes, sums)) in tile.groups().enumerate() {
            let mut places = [1; GROUP];
            // One entry more than needed, because an entry is written before it is known whether it counts.
            let (mut entries, mut n_found) = ([0; MAX_FOUND + 1], 0);
            for _ in 0..depth {
                for (row, place) in places.iter_mut().enumerate() {
                    let code = codes[usize::from(tree.columns[*place])].0[row];
                    entries[n_found] = found(*place, row);
                    let right = code > tree.ranks[*place];
                    *place = 2 * *place + usize::from(right);
                    n_found += usize::from((code >= tree.bounds[*place]) == right);
                }
            }
            let mut lengths = places.map(|place| tree.leaves[place - tree.leaves.len()]);
            ranges.shorten(
                number % TREES_TOGETHER,
                &entries[..n_found],
                surroundings.group(group),
                &mut lengths,
            );
            add_cut(&lengths, &first.of_group(group).of_rows(), sums);
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
