//! Walks with 512-bit vectors: 32 rows at a time, one 16-bit lane per row.
//!
//! A permutation of two registers (`vpermi2w`) looks up 32 numbers in a table of 64. The nodes of
//! the upper six levels form one such table, those of the seventh level another, and those of the
//! eighth level two. The code that a node compares is chosen from vectors that hold one column
//! each, by blends of pairs, pairs of pairs, and so on. On the upper four levels, these are the
//! columns of the level's nodes; further down, they are all columns.

use std::arch::x86_64::*;
use std::array;

use super::Surroundings;
use super::tile::{ColumnCodes, Tile};
use crate::iforest::first_cuts::GroupSurvivals;
use crate::iforest::novelty::{Range, shortened};
use crate::iforest::perfect::{GROUP, NodeRanges, PackedTree, Rows, TREES_TOGETHER, add_cut};

/// The maximum number of levels of splits that the node tables hold.
const MAX_DEPTH: u32 = 8;

/// The maximum number of columns. With more of them, choosing a code takes longer than loading it.
const MAX_COLUMNS: usize = 128;

/// The number of columns among which three bits choose.
const BLOCK: usize = 8;

/// Returns whether [`walk`] supports trees of this depth and rows of as many codes.
pub(super) fn can_walk(depth: u32, columns: usize) -> bool {
    depth <= MAX_DEPTH && columns <= MAX_COLUMNS
}

/// See [`super::Instructions::walk`]. [`can_walk`] must have returned true, and the processor must have AVX-512 VBMI2 if
/// `words` is set.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn walk(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Option<Surroundings<'_>>,
    words: bool,
) {
    match tile.columns() % BLOCK {
        2 => walk_columns::<2>(trees, depth, tile, surroundings, words),
        4 => walk_columns::<4>(trees, depth, tile, surroundings, words),
        6 => walk_columns::<6>(trees, depth, tile, surroundings, words),
        _ => walk_columns::<8>(trees, depth, tile, surroundings, words),
    }
}

/// Walks rows whose last block has `LAST` columns.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn walk_columns<const LAST: usize>(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Option<Surroundings<'_>>,
    words: bool,
) {
    // Walks of different trees are independent, so four trees are walked together.
    if let Some(surroundings) = surroundings {
        walk_all_outside::<LAST>(trees, depth, tile, surroundings, words);
        return;
    }
    let (fours, rest) = trees.as_chunks::<TREES_TOGETHER>();
    for four in fours {
        walk_together::<LAST, TREES_TOGETHER>(four.each_ref(), depth, tile);
    }
    for tree in rest {
        walk_together::<LAST, 1>([tree], depth, tile);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn walk_together<const LAST: usize, const TREES: usize>(
    trees: [&PackedTree; TREES],
    depth: u32,
    tile: &mut Tile,
) {
    let mut nodes = [const { Nodes::new() }; TREES];
    nodes
        .iter_mut()
        .zip(trees)
        .for_each(|(nodes, tree)| nodes.copy(tree));
    for (codes, sums) in tile.groups() {
        let codes = Codes::<LAST>::load(codes);
        let places = go_to_leaves::<LAST, TREES>(&codes, &nodes, depth, None);
        for (places, tree) in places.into_iter().zip(trees) {
            let (sums, _) = sums.as_chunks_mut::<8>();
            for (sums, lengths) in sums.iter_mut().zip(leaves_at(&tree.leaves, places)) {
                store_lanes(sums, _mm512_add_pd(load_lanes(sums), lengths));
            }
        }
    }
}

/// Walks all trees, and shortens the paths of rows that lie outside.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn walk_all_outside<const LAST: usize>(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Surroundings<'_>,
    words: bool,
) {
    let mut work = Work {
        nodes: [const { Nodes::new() }; TREES_TOGETHER],
        path: Path::new(),
        list: FoundList::new(),
        words,
    };
    let fours = trees.chunks(TREES_TOGETHER).enumerate();
    for (number, trees) in fours {
        match trees {
            [a, b, c, d] => {
                let four = [a, b, c, d];
                walk_outside::<LAST, 4>(four, number, depth, tile, surroundings, &mut work);
            }
            [a, b, c] => {
                walk_outside::<LAST, 3>([a, b, c], number, depth, tile, surroundings, &mut work);
            }
            [a, b] => {
                walk_outside::<LAST, 2>([a, b], number, depth, tile, surroundings, &mut work);
            }
            _ => {
                let one = [&trees[0]];
                walk_outside::<LAST, 1>(one, number, depth, tile, surroundings, &mut work);
            }
        }
    }
}

/// The buffers of a walk that shortens paths.
struct Work {
    nodes: [Nodes; TREES_TOGETHER],
    path: Path,
    list: FoundList,
    /// Whether the processor has AVX-512 VBMI2.
    words: bool,
}

/// Walks as [`walk_together`] does, and shortens the paths of rows that lie outside. The trees are those of the
/// [`NodeRanges`] at index `number`.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn walk_outside<const LAST: usize, const TREES: usize>(
    trees: [&PackedTree; TREES],
    number: usize,
    depth: u32,
    tile: &mut Tile,
    surroundings: Surroundings<'_>,
    work: &mut Work,
) {
    let (nodes, _) = work
        .nodes
        .split_first_chunk_mut::<TREES>()
        .expect("there are as many nodes as trees");
    nodes
        .iter_mut()
        .zip(trees)
        .for_each(|(nodes, tree)| nodes.copy(tree));
    let firsts: [_; TREES] =
        array::from_fn(|i| surroundings.survivals.of_tree(TREES_TOGETHER * number + i));
    for (group, (codes, sums)) in tile.groups().enumerate() {
        let codes = Codes::<LAST>::load(codes);
        let path = &mut work.path;
        let places = go_to_leaves::<LAST, TREES>(&codes, nodes, depth, Some(path));
        work.list.collect(path, depth, TREES, work.words);
        let rows = surroundings.group(group);
        work.list
            .compute_survivals(&surroundings.ranges[number], rows);
        let mut lengths = [[0.0; GROUP]; TREES_TOGETHER];
        for (i, lengths) in lengths.iter_mut().enumerate().take(TREES) {
            let leaves = leaves_at(&trees[i].leaves, places[i]);
            for (lengths, leaves) in lengths.as_chunks_mut().0.iter_mut().zip(leaves) {
                store_lanes(lengths, leaves);
            }
        }
        work.list.shorten(lengths.as_flattened_mut());
        for (lengths, first) in lengths.iter().zip(firsts) {
            add_cut(lengths, &survivals_of(first.of_group(group)), sums);
        }
    }
}

/// The way of a group of rows down the trees that are walked together.
#[repr(align(64))]
struct Path {
    /// The entries of all rows on each level of each tree. An entry holds the place, the number of the tree and the row,
    /// from the highest bits down. Places are below 256, trees below 4 and rows below 32, so that it has 15 bits.
    entries: [[[u16; GROUP]; TREES_TOGETHER]; MAX_DEPTH as usize],
    /// The rows that may be outside.
    outside: [[__mmask32; TREES_TOGETHER]; MAX_DEPTH as usize],
}

/// The number of bits of the row and of the tree in an entry.
const SLOT_BITS: u32 = 7;

/// The bits of the trees and rows in entries.
static SLOTS: Slots = Slots::new();

#[repr(align(64))]
struct Slots([[u16; GROUP]; TREES_TOGETHER]);

impl Slots {
    const fn new() -> Slots {
        let mut slots = [[0; GROUP]; TREES_TOGETHER];
        let mut slot = 0;
        while slot < TREES_TOGETHER * GROUP {
            slots[slot / GROUP][slot % GROUP] = slot as u16;
            slot += 1;
        }
        Slots(slots)
    }
}

impl Path {
    const fn new() -> Path {
        Path {
            entries: [[[0; GROUP]; TREES_TOGETHER]; MAX_DEPTH as usize],
            outside: [[0; TREES_TOGETHER]; MAX_DEPTH as usize],
        }
    }

    /// Notes the places of the rows in a tree on a level, and the rows that may be outside there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn note(&mut self, level: usize, tree: usize, places: __m512i, outside: __mmask32) {
        let slots = load(&SLOTS.0[tree]);
        let entries = _mm512_or_si512(_mm512_slli_epi16::<SLOT_BITS>(places), slots);
        let noted = self.entries[level][tree].as_mut_ptr();
        // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
        unsafe { _mm512_storeu_si512(noted.cast(), entries) };
        self.outside[level][tree] = outside;
    }
}

/// The entries of rows that may be outside, from the roots downwards, and what is computed of them.
#[repr(align(64))]
struct FoundList {
    entries: [u16; Self::CAPACITY],
    n_found: usize,
    /// For each entry, the number of splits down to its place.
    depths: [f64; Self::CAPACITY],
    /// For each entry, the probability that the row survives the split.
    survivals: [f64; Self::CAPACITY],
}

impl FoundList {
    /// Every row may be outside at every level of every tree, and the last vector is stored whole.
    const CAPACITY: usize = TREES_TOGETHER * GROUP * MAX_DEPTH as usize + GROUP;

    const fn new() -> FoundList {
        FoundList {
            entries: [0; Self::CAPACITY],
            n_found: 0,
            depths: [0.0; Self::CAPACITY],
            survivals: [0.0; Self::CAPACITY],
        }
    }

    /// Replaces the entries with those of the rows that may be outside on their way down `trees` trees. `words` must be set
    /// only if the processor has AVX-512 VBMI2.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    fn collect(&mut self, path: &Path, depth: u32, trees: usize, words: bool) {
        if words {
            // SAFETY: the caller has checked that the processor supports the instructions.
            unsafe { self.collect_words(path, depth, trees) }
        } else {
            self.collect_halves(path, depth, trees);
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
    fn collect_words(&mut self, path: &Path, depth: u32, trees: usize) {
        let mut n_found = 0;
        for (entries, chosen) in path.entries.iter().zip(path.outside).take(depth as usize) {
            for (entries, chosen) in entries.iter().zip(chosen).take(trees) {
                let packed = _mm512_maskz_compress_epi16(chosen, load(entries));
                // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
                unsafe {
                    _mm512_storeu_si512(self.from::<GROUP>(n_found).as_mut_ptr().cast(), packed);
                }
                n_found += chosen.count_ones() as usize;
            }
        }
        self.n_found = n_found;
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    fn collect_halves(&mut self, path: &Path, depth: u32, trees: usize) {
        let mut n_found = 0;
        for (entries, chosen) in path.entries.iter().zip(path.outside).take(depth as usize) {
            for (entries, chosen) in entries.iter().zip(chosen).take(trees) {
                let entries = load(entries);
                let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(entries));
                let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(entries));
                for (half, chosen) in [
                    (low, chosen as __mmask16),
                    (high, (chosen >> 16) as __mmask16),
                ] {
                    let packed = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(chosen, half));
                    // SAFETY: the array is 256 bits long, and unaligned stores are allowed.
                    unsafe {
                        _mm256_storeu_si256(self.from::<16>(n_found).as_mut_ptr().cast(), packed);
                    }
                    n_found += chosen.count_ones() as usize;
                }
            }
        }
        self.n_found = n_found;
    }

    /// Returns the space from the entry at index `at`.
    #[inline]
    fn from<const N: usize>(&mut self, at: usize) -> &mut [u16; N] {
        self.entries[at..]
            .first_chunk_mut()
            .expect("a walk appends at most one entry per row, level and tree")
    }

    /// Computes the depths and the survivals of the entries, as [`Range::survival`] does.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn compute_survivals(&mut self, ranges: &NodeRanges, rows: Rows<'_>) {
        let (entries, _) = self.entries.as_chunks::<8>();
        let (depths, _) = self.depths.as_chunks_mut::<8>();
        let (survivals, _) = self.survivals.as_chunks_mut::<8>();
        let one = _mm512_set1_pd(1.0);
        for i in 0..self.n_found.div_ceil(8) {
            // SAFETY: the array is 128 bits long, and unaligned loads are allowed.
            let entry = unsafe { _mm_loadu_si128(entries[i].as_ptr().cast()) };
            let entry = _mm256_cvtepu16_epi32(entry);
            let node = _mm256_srli_epi32::<{ GROUP.ilog2() as i32 }>(entry);
            let value = values_of(entry, node, ranges, rows);
            let (low, high) = ends_at(&ranges.ranges, node);
            let beyond = _mm512_max_pd(_mm512_sub_pd(low, value), _mm512_sub_pd(value, high));
            let is_beyond = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(beyond, _mm512_setzero_pd());
            let width = _mm512_sub_pd(high, low);
            let whole = _mm512_add_pd(width, beyond);
            store_lanes(
                &mut survivals[i],
                _mm512_mask_div_pd(one, is_beyond, width, whole),
            );
            let level = _mm512_getexp_pd(_mm512_cvtepi32_pd(entry));
            let below_entry = _mm512_set1_pd(f64::from(SLOT_BITS) - 1.0);
            store_lanes(&mut depths[i], _mm512_sub_pd(level, below_entry));
            let most = _mm512_set1_pd(f64::MAX);
            if _mm512_mask_cmp_pd_mask::<_CMP_NLE_UQ>(is_beyond, whole, most) != 0 {
                for (&entry, survival) in entries[i].iter().zip(&mut survivals[i]) {
                    let (node, row) = (usize::from(entry) / GROUP, usize::from(entry) % GROUP);
                    *survival = ranges.survival(node, row, rows);
                }
            }
        }
    }

    /// Shortens the path lengths of the trees' rows as [`NodeRanges::shorten`] does it.
    #[inline]
    fn shorten(&self, lengths: &mut [f64]) {
        let lengths: &mut [f64; 1 << SLOT_BITS] = lengths
            .first_chunk_mut()
            .expect("there is a length for every row of every tree");
        let n = self.n_found;
        let found = self.entries[..n].iter().zip(&self.depths[..n]);
        // The deepest nodes come first, because a length is the expectation below its node.
        for ((&entry, &depth), &survival) in found.zip(&self.survivals[..n]).rev() {
            let length = &mut lengths[usize::from(entry) % (1 << SLOT_BITS)];
            *length = shortened(*length, depth, survival);
        }
    }
}

/// Returns the probabilities that the rows of a group survive the first cuts.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn survivals_of(first: GroupSurvivals<'_>) -> [f64; GROUP] {
    let mut survivals = [1.0; GROUP];
    let mut rest = first.cut_only;
    for (i, survivals) in survivals.as_chunks_mut().0.iter_mut().enumerate() {
        let cut = (first.cut >> (8 * i)) as __mmask8;
        let (these, others) = rest.split_at(cut.count_ones() as usize);
        // SAFETY: as many floats are read as the mask has bits.
        let expanded =
            unsafe { _mm512_mask_expandloadu_pd(_mm512_set1_pd(1.0), cut, these.as_ptr()) };
        store_lanes(survivals, expanded);
        rest = others;
    }
    survivals
}

/// Returns the value that the row of each entry has in the column of the entry's node; NaN where there is no such row.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn values_of(entries: __m256i, nodes: __m256i, ranges: &NodeRanges, rows: Rows<'_>) -> __m512d {
    let features = &ranges.features[..];
    assert!(features.len().is_power_of_two() && features.len() <= 1 << 16);
    let nodes = _mm256_and_si256(nodes, _mm256_set1_epi32(features.len() as i32 - 1));
    // SAFETY: the mask keeps every index below the length of the table.
    let features = unsafe { _mm256_i32gather_epi32::<4>(features.as_ptr().cast(), nodes) };
    let row = _mm256_and_si256(entries, _mm256_set1_epi32(GROUP as i32 - 1));
    let row_start = _mm256_mullo_epi32(row, _mm256_set1_epi32(rows.n_features as i32));
    let index = _mm256_add_epi32(row_start, features);
    // Indices are far below 2³¹, because a group has 32 rows.
    let n_values = rows.values.len().min(i32::MAX as usize) as i32;
    let exists = _mm256_cmplt_epu32_mask(index, _mm256_set1_epi32(n_values));
    let nan = _mm512_set1_pd(f64::NAN);
    // SAFETY: only indices below the length of the values are read.
    unsafe { _mm512_mask_i32gather_pd::<8>(nan, exists, index, rows.values.as_ptr()) }
}

/// Returns the low and the high ends of the ranges at the indices.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn ends_at(ranges: &[Range], indices: __m256i) -> (__m512d, __m512d) {
    assert!(ranges.len().is_power_of_two() && ranges.len() <= 1 << 16);
    let indices = _mm256_and_si256(indices, _mm256_set1_epi32(ranges.len() as i32 - 1));
    let index = _mm256_add_epi32(indices, indices);
    let ends: *const f64 = ranges.as_ptr().cast();
    // SAFETY: a range is two floats, the low end first, and the mask keeps every index below the number of ranges.
    unsafe {
        (
            _mm512_i32gather_pd::<8>(index, ends),
            _mm512_i32gather_pd::<8>(index, ends.add(1)),
        )
    }
}

/// The entries of a tree's nodes in heap order. They are copies, aligned as vectors are, so that no load needs two lines of
/// the cache.
#[repr(align(64))]
struct Nodes {
    columns: [[u16; 32]; 8],
    ranks: [[u16; 32]; 8],
    /// The bounds of the children; zeros in a plain forest.
    bounds: [[u16; 32]; 16],
}

impl Nodes {
    const fn new() -> Nodes {
        Nodes {
            columns: [[0; 32]; 8],
            ranks: [[0; 32]; 8],
            bounds: [[0; 32]; 16],
        }
    }

    /// Replaces the entries with those of a tree.
    fn copy(&mut self, tree: &PackedTree) {
        let pairs = [
            (self.columns.as_flattened_mut(), &tree.columns),
            (self.ranks.as_flattened_mut(), &tree.ranks),
            (self.bounds.as_flattened_mut(), &tree.bounds),
        ];
        for (entries, array) in pairs {
            // The bounds are empty in a plain forest. Other arrays have at least as many entries.
            let n = entries.len().min(array.len());
            entries[..n].copy_from_slice(&array[..n]);
        }
    }
}

/// The levels, distinguished by how their nodes are looked up.
const UPPER: u8 = 0;
const SEVENTH: u8 = 1;
const EIGHTH: u8 = 2;
const LEAVES: u8 = 3;

/// Moves every lane in every tree from the root to the last level, and returns the positions there. It notes the ways and
/// the rows that may be outside on them in `path`, if there is one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_to_leaves<const LAST: usize, const TREES: usize>(
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    depth: u32,
    mut path: Option<&mut Path>,
) -> [__m512i; TREES] {
    let mut places = [_mm512_set1_epi16(1); TREES];
    let mut turns = [[0; 3]; TREES];
    if depth > 0 {
        go_down_top::<1, LAST, TREES>(codes, nodes, &mut places, &mut turns, path.as_deref_mut());
    }
    if depth > 1 {
        go_down_top::<2, LAST, TREES>(codes, nodes, &mut places, &mut turns, path.as_deref_mut());
    }
    if depth > 2 {
        go_down_top::<4, LAST, TREES>(codes, nodes, &mut places, &mut turns, path.as_deref_mut());
    }
    if depth > 3 {
        go_down_top::<8, LAST, TREES>(codes, nodes, &mut places, &mut turns, path.as_deref_mut());
    }
    if depth > 4 {
        go_down::<UPPER, UPPER, LAST, TREES>(4, codes, nodes, &mut places, path.as_deref_mut());
    }
    if depth > 5 {
        go_down::<UPPER, SEVENTH, LAST, TREES>(5, codes, nodes, &mut places, path.as_deref_mut());
    }
    if depth > 6 {
        go_down::<SEVENTH, EIGHTH, LAST, TREES>(6, codes, nodes, &mut places, path.as_deref_mut());
    }
    if depth > 7 {
        go_down::<EIGHTH, LEAVES, LAST, TREES>(7, codes, nodes, &mut places, path);
    }
    places
}

/// Moves the position of every lane in every tree down a level of `WIDTH` nodes. `turns` are the lanes that went right on
/// the last three levels, the last level first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_down_top<const WIDTH: usize, const LAST: usize, const TREES: usize>(
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    places: &mut [__m512i; TREES],
    turns: &mut [[__mmask32; 3]; TREES],
    mut path: Option<&mut Path>,
) {
    for tree in 0..TREES {
        let columns: &[u16] = &nodes[tree].columns[0][WIDTH..2 * WIDTH];
        let of_nodes: [__m512i; WIDTH] =
            array::from_fn(|node| load(&codes.all[usize::from(columns[node])].0));
        let code = choose(&of_nodes, turns[tree]);
        let from = places[tree];
        let right = turn::<UPPER>(&nodes[tree], code, &mut places[tree]);
        if let Some(path) = &mut path {
            let outside = outside::<UPPER>(&nodes[tree], code, places[tree], right);
            path.note(WIDTH.ilog2() as usize, tree, from, outside);
        }
        turns[tree] = [right, turns[tree][0], turns[tree][1]];
    }
}

/// Moves the position of every lane in every tree down one level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_down<const LEVEL: u8, const NEXT: u8, const LAST: usize, const TREES: usize>(
    level: usize,
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    places: &mut [__m512i; TREES],
    mut path: Option<&mut Path>,
) {
    for tree in 0..TREES {
        let code = codes.fetch(entry::<LEVEL, _>(&nodes[tree].columns, places[tree]));
        let from = places[tree];
        let right = turn::<LEVEL>(&nodes[tree], code, &mut places[tree]);
        if let Some(path) = &mut path {
            let outside = outside::<NEXT>(&nodes[tree], code, places[tree], right);
            path.note(level, tree, from, outside);
        }
    }
}

/// Moves the position of every lane to the child that its code decides for, and returns the lanes that go right.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn turn<const LEVEL: u8>(nodes: &Nodes, code: __m512i, places: &mut __m512i) -> __mmask32 {
    let right = _mm512_cmpgt_epu16_mask(code, entry::<LEVEL, _>(&nodes.ranks, *places));
    let doubled = _mm512_add_epi16(*places, *places);
    *places = _mm512_mask_add_epi16(doubled, right, doubled, _mm512_set1_epi16(1));
    right
}

/// Returns the lanes whose codes may be outside of the ranges of the nodes that they come from. `places` are the children
/// that they go to, those on the right side for the lanes of `right`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn outside<const LEVEL: u8>(
    nodes: &Nodes,
    code: __m512i,
    places: __m512i,
    right: __mmask32,
) -> __mmask32 {
    let reached = _mm512_cmpge_epu16_mask(code, entry::<LEVEL, _>(&nodes.bounds, places));
    _kxnor_mask32(reached, right)
}

/// Returns, for each lane, the entry of its node on a level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn entry<const LEVEL: u8, const N: usize>(entries: &[[u16; 32]; N], places: __m512i) -> __m512i {
    // A permutation uses only the low six bits of a position, which are relative to the table's
    // start.
    let look_up =
        |at: usize| _mm512_permutex2var_epi16(load(&entries[at]), places, load(&entries[at + 1]));
    match LEVEL {
        UPPER => look_up(0),
        SEVENTH => look_up(2),
        EIGHTH => {
            let upper = _mm512_test_epi16_mask(places, _mm512_set1_epi16(64));
            _mm512_mask_mov_epi16(look_up(4), upper, look_up(6))
        }
        _ => {
            let second = _mm512_test_epi16_mask(places, _mm512_set1_epi16(64));
            let upper = _mm512_test_epi16_mask(places, _mm512_set1_epi16(128));
            let lower_half = _mm512_mask_mov_epi16(look_up(8), second, look_up(10));
            let upper_half = _mm512_mask_mov_epi16(look_up(12), second, look_up(14));
            _mm512_mask_mov_epi16(lower_half, upper, upper_half)
        }
    }
}

/// The codes of 32 rows, one vector per column.
struct Codes<'a, const LAST: usize> {
    all: &'a [ColumnCodes],
    /// The columns in blocks of eight, but for the last block.
    blocks: &'a [[ColumnCodes; BLOCK]],
    last: [__m512i; LAST],
}

impl<'a, const LAST: usize> Codes<'a, LAST> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(all: &'a [ColumnCodes]) -> Self {
        let (rest, last) = all
            .split_last_chunk::<LAST>()
            .expect("a tile has whole blocks and a last one");
        Codes {
            all,
            blocks: rest.as_chunks().0,
            last: array::from_fn(|column| load(&last[column].0)),
        }
    }

    /// Returns, for each lane, the code of the lane's row in the column that `columns` names.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn fetch(&self, columns: __m512i) -> __m512i {
        let bits = [1, 2, 4].map(|bit| _mm512_test_epi16_mask(columns, _mm512_set1_epi16(bit)));
        let mut fetched = choose(&self.last, bits);
        for (block, number) in self.blocks.iter().zip(0..) {
            let block: [__m512i; BLOCK] = array::from_fn(|column| load(&block[column].0));
            let number = _mm512_set1_epi16(number);
            let here = _mm512_cmpeq_epi16_mask(_mm512_srli_epi16::<3>(columns), number);
            fetched = _mm512_mask_mov_epi16(fetched, here, choose(&block, bits));
        }
        fetched
    }
}

/// Returns, for each lane, the lane of one of up to eight vectors. `bits` are the binary digits of the vector's number,
/// the lowest first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose<const N: usize>(vectors: &[__m512i; N], bits: [__mmask32; 3]) -> __m512i {
    let of_two = |at: usize| match vectors.get(at + 1) {
        Some(&other) => _mm512_mask_mov_epi16(vectors[at], bits[0], other),
        None => vectors[at],
    };
    let of_four = |at: usize| match N - at {
        1 | 2 => of_two(at),
        _ => _mm512_mask_mov_epi16(of_two(at), bits[1], of_two(at + 2)),
    };
    match N {
        0..=4 => of_four(0),
        _ => _mm512_mask_mov_epi16(of_four(0), bits[2], of_four(4)),
    }
}

/// Returns the path lengths at the positions on the last level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn leaves_at(leaves: &[f64], places: __m512i) -> [__m512d; 4] {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(places),
        _mm512_extracti32x4_epi32::<1>(places),
        _mm512_extracti32x4_epi32::<2>(places),
        _mm512_extracti32x4_epi32::<3>(places),
    ];
    quarters.map(|places| gather_from_power_of_two(leaves, _mm256_cvtepu16_epi32(places)))
}

/// Counts for each value the thresholds below it. See [`super::Instructions::rank`].
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) fn rank(thresholds: &[f64], values: &[f64; GROUP], ranks: &mut [u16; GROUP]) {
    let values: [__m512d; 4] = std::array::from_fn(|i| load_lanes(&values.as_chunks().0[i]));
    let mut below = [_mm256_setzero_si256(); 4];
    let mut half = thresholds.len() / 2;
    if thresholds.len() >= PIVOTS {
        let counts = rank_pivots(thresholds, values);
        let step = (thresholds.len() / PIVOTS) as i32;
        for (below, counts) in below.iter_mut().zip(counts) {
            let counts = _mm512_cvtepi64_epi32(counts);
            *below = _mm256_mullo_epi32(counts, _mm256_set1_epi32(step));
        }
        half /= PIVOTS;
    }
    while half > 0 {
        for (below, values) in below.iter_mut().zip(values) {
            let middle = _mm256_add_epi32(*below, _mm256_set1_epi32(half as i32 - 1));
            let threshold = gather_from_power_of_two(thresholds, middle);
            let above = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(threshold, values);
            *below = _mm256_mask_add_epi32(*below, above, *below, _mm256_set1_epi32(half as i32));
        }
        half /= 2;
    }
    for (ranks, below) in ranks.as_chunks_mut().0.iter_mut().zip(below) {
        store_words(ranks, _mm256_cvtepi32_epi16(below));
    }
}

/// The number of thresholds that the first halvings of a search choose from, which two registers hold.
const PIVOTS: usize = 16;

/// Counts for each value how many of the last thresholds of 16 equal parts are below it, but for the last part. There must
/// be at least as many thresholds as parts.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rank_pivots(thresholds: &[f64], values: [__m512d; 4]) -> [__m512i; 4] {
    let step = thresholds.len() / PIVOTS;
    let pivots: [[f64; 8]; 2] =
        array::from_fn(|i| array::from_fn(|j| thresholds[(8 * i + j + 1) * step - 1]));
    let [first, second] = pivots.map(|pivots| load_lanes(&pivots));
    let mut below = [_mm512_setzero_si512(); 4];
    for half in [8, 4, 2, 1] {
        for (below, values) in below.iter_mut().zip(values) {
            let middle = _mm512_add_epi64(*below, _mm512_set1_epi64(half - 1));
            let pivot = _mm512_permutex2var_pd(first, middle, second);
            let above = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(pivot, values);
            *below = _mm512_mask_add_epi64(*below, above, *below, _mm512_set1_epi64(half));
        }
    }
    below
}

/// Returns `table[index mod table.len()]` for each index. The table's length must be a power of
/// two.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn gather_from_power_of_two(table: &[f64], indices: __m256i) -> __m512d {
    assert!(table.len().is_power_of_two() && table.len() <= 1 << 16);
    let indices = _mm256_and_si256(indices, _mm256_set1_epi32(table.len() as i32 - 1));
    // SAFETY: the mask keeps every index below the length of the table.
    unsafe { _mm512_i32gather_pd::<8>(indices, table.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_lanes(lanes: &[f64; 8]) -> __m512d {
    // SAFETY: the array is 512 bits long, and unaligned loads are allowed.
    unsafe { _mm512_loadu_pd(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_lanes(lanes: &mut [f64; 8], vector: __m512d) {
    // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
    unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), vector) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words(words: &mut [u16; 8], lanes: __m128i) {
    // SAFETY: the array is 128 bits long, and unaligned stores are allowed.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), lanes) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u16; 32]) -> __m512i {
    // SAFETY: the array is 512 bits long, and unaligned loads are allowed.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}
