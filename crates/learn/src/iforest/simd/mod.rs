//! Detection of the processor's instruction sets, and the code that is specific to them. This
//! module has the only `unsafe` code of the crate.
//!
//! Walks and ranks have special code for AVX-512 only. AVX2 cannot permute a whole table, and walks
//! that gather every node and code with AVX2 were slower than plain ones where measured (AMD Zen
//! 5). AVX2 is therefore used for [`Kernel`]s only.
//!
//! Every instruction set gives the same bits: integer comparisons choose the branches, path lengths
//! of rows that lie outside come from the same 64-bit operations in the same order, each of which
//! IEEE 754 rounds correctly, and all are added in tree order.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
mod tile;

pub(super) use tile::Tile;

use super::first_cuts::Survivals;
use super::perfect::{GROUP, NodeRanges, PackedTree, Rows};

/// An instruction set that this processor supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instructions(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// The instructions that every processor of the target supports.
    Plain,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors, with permutations of 16-bit numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same, with compression of 16-bit numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512Vbmi2,
}

/// What path lengths depend on in a forest that is not plain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The values of the tile's rows.
    pub(super) rows: Rows<'a>,
    /// The probabilities that the rows survive the first cuts of the trees.
    pub(super) survivals: &'a Survivals,
    /// The ranges of the nodes of each four trees.
    pub(super) ranges: &'a [NodeRanges],
}

impl<'a> Surroundings<'a> {
    /// Returns the values of the rows of a group.
    fn group(&self, group: usize) -> Rows<'a> {
        let values = self.rows.values.len();
        let start = values.min(group * GROUP * self.rows.n_features);
        let end = values.min(start + GROUP * self.rows.n_features);
        Rows {
            values: &self.rows.values[start..end],
            ..self.rows
        }
    }
}

/// Work that is compiled once per instruction set. Its `run` method, and every function that is to
/// use the instructions, must be `inline(always)`, because only inlined code is compiled for the
/// chosen set.
pub(super) trait Kernel {
    /// Does the work.
    fn run(self);
}

impl Instructions {
    /// Returns the sets that this processor supports, the fastest last.
    pub(super) fn available() -> Vec<Instructions> {
        let mut sets = vec![Instructions(Set::Plain)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                sets.push(Instructions(Set::Avx2));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("popcnt")
            {
                sets.push(Instructions(Set::Avx512));
                if is_x86_feature_detected!("avx512vbmi2") {
                    sets.push(Instructions(Set::Avx512Vbmi2));
                }
            }
        }
        sets
    }

    /// Returns the fastest set that this processor supports.
    pub(super) fn best() -> Instructions {
        Instructions::available()
            .pop()
            .unwrap_or(Instructions(Set::Plain))
    }

    /// Runs the work with these instructions.
    pub(super) fn run(self, kernel: impl Kernel) {
        match self.0 {
            Set::Plain => kernel.run(),
            // SAFETY: `available` creates this value only when the processor supports AVX2.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: `available` creates this value only when the processor supports the five
            // extensions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx512Vbmi2 => unsafe { run_avx512(kernel) },
        }
    }

    /// Writes to `ranks`, for each value, the number of thresholds below it (0 for NaN), found by a
    /// binary search. The thresholds are ascending, their number is a power of two up to 2¹⁶, and
    /// no value is above the last one.
    pub(super) fn rank(self, thresholds: &[f64], values: &[f64; GROUP], ranks: &mut [u16; GROUP]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as in `run`.
            Set::Avx512 | Set::Avx512Vbmi2 => unsafe { avx512::rank(thresholds, values, ranks) },
            _ => plain::rank(thresholds, values, ranks),
        }
    }

    /// Sets the tile's sums to the path lengths of its rows, added over the perfect trees of
    /// `depth` levels of splits in the given order. `surroundings` are needed unless the forest is
    /// plain.
    pub(super) fn walk(
        self,
        trees: &[PackedTree],
        depth: u32,
        tile: &mut Tile,
        surroundings: Option<Surroundings<'_>>,
    ) {
        tile.clear_sums();
        match self.0 {
            // SAFETY: as in `run`, and `words` is set only for processors with AVX-512 VBMI2.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx512Vbmi2 if avx512::can_walk(depth, tile.columns()) => unsafe {
                let words = self.0 == Set::Avx512Vbmi2;
                avx512::walk(trees, depth, tile, surroundings, words);
            },
            _ => match surroundings {
                None => plain::walk(trees, depth, tile),
                Some(surroundings) => plain::walk_outside(trees, depth, tile, surroundings),
            },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(kernel: impl Kernel) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn run_avx512(kernel: impl Kernel) {
    kernel.run();
}
