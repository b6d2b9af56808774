//! Walks with 256-bit vectors: eight rows at a time, each node and code fetched by a gather.

use std::arch::x86_64::*;

use super::tile::{GROUP, Tile};
use crate::iforest::packed::PackedTree;

/// As [`super::Instructions::walk`].
#[target_feature(enable = "avx2")]
pub(super) fn walk(trees: &[PackedTree], depth: u32, tile: &mut Tile) {
    let stride = tile.stride();
    for tree in trees {
        for (codes, sums) in tile.groups() {
            for first in (0..GROUP).step_by(8) {
                let places = leaf_places(tree, depth, &codes[first * stride..], stride);
                for (place, sum) in places.into_iter().zip(&mut sums[first..first + 8]) {
                    *sum += tree.leaves[place as usize - tree.leaves.len()];
                }
            }
        }
    }
}

/// The places on the last level that eight rows of codes arrive at.
#[target_feature(enable = "avx2")]
fn leaf_places(tree: &PackedTree, depth: u32, codes: &[u16], stride: usize) -> [u32; 8] {
    let stride = _mm256_set1_epi32(stride as i32);
    let rows = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), stride);
    let mut places = _mm256_set1_epi32(1);
    for _ in 0..depth {
        let column = gather(&tree.columns, places);
        let rank = gather(&tree.ranks, places);
        let code = gather(codes, _mm256_add_epi32(rows, column));
        // The mask is −1 where the code is greater, so subtracting it goes right.
        let right = _mm256_cmpgt_epi32(code, rank);
        places = _mm256_sub_epi32(_mm256_add_epi32(places, places), right);
    }
    let mut out = [0; 8];
    // SAFETY: `out` is 256 bits long, and unaligned stores are allowed.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), places) };
    out
}

/// `table[indices]`, for indices below the last entry of the table.
#[inline]
#[target_feature(enable = "avx2")]
fn gather(table: &[u16], indices: __m256i) -> __m256i {
    assert!(table.len() >= 2);
    // Each gather fetches the 16 bits after the entry too.
    let indices = _mm256_min_epu32(indices, _mm256_set1_epi32(table.len() as i32 - 2));
    // SAFETY: the indices are at most `len − 2`, so all 32 bits from there are in the table.
    let pairs = unsafe { _mm256_i32gather_epi32::<2>(table.as_ptr().cast(), indices) };
    _mm256_and_si256(pairs, _mm256_set1_epi32(0xFFFF))
}
