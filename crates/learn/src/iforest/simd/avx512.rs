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
use super::tile::Tile;
use crate::iforest::first_cuts::GroupSurvivals;
use crate::iforest::novelty::{Range, shortened};
use crate::iforest::perfect::{GROUP, Outside, PackedTree, Rows, add_cut};

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
    let (fours, rest) = trees.as_chunks::<4>();
    if let Some(surroundings) = surroundings {
        for (i, four) in fours.iter().enumerate() {
            walk_outside::<LAST, 4>(four.each_ref(), 4 * i, depth, tile, surroundings, words);
        }
        for (i, tree) in rest.iter().enumerate() {
            walk_outside::<LAST, 1>(
                [tree],
                4 * fours.len() + i,
                depth,
                tile,
                surroundings,
                words,
            );
        }
        return;
    }
    for four in fours {
        walk_together::<LAST, 4>(four.each_ref(), depth, tile);
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
    let nodes = trees.map(Nodes::of);
    for (codes, sums) in tile.groups() {
        let codes = Codes::<LAST>::load(codes);
        let places = go_to_leaves::<LAST, TREES, false>(&codes, &nodes, depth, &mut []);
        for (places, tree) in places.into_iter().zip(trees) {
            let (sums, _) = sums.as_chunks_mut::<8>();
            for (sums, lengths) in sums.iter_mut().zip(leaves_at(&tree.leaves, places)) {
                store_lanes(sums, _mm512_add_pd(load_lanes(sums), lengths));
            }
        }
    }
}

/// Walks as [`walk_together`] does, and shortens the paths of rows that lie outside. `number` is the number of the
/// first of the trees.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn walk_outside<const LAST: usize, const TREES: usize>(
    trees: [&PackedTree; TREES],
    number: usize,
    depth: u32,
    tile: &mut Tile,
    surroundings: Surroundings<'_>,
    words: bool,
) {
    let nodes = trees.map(Nodes::of);
    let mut paths = [const { Path::new() }; TREES];
    let mut lists = [const { FoundList::new() }; TREES];
    for (group, (codes, sums)) in tile.groups().enumerate() {
        let codes = Codes::<LAST>::load(codes);
        let places = go_to_leaves::<LAST, TREES, true>(&codes, &nodes, depth, &mut paths);
        let rows = surroundings.group(group);
        // Each step is done for all trees before the next step, which would otherwise wait for what was just stored.
        for (list, path) in lists.iter_mut().zip(&paths) {
            list.collect(path, depth, words);
        }
        for (list, tree) in lists.iter_mut().zip(trees) {
            if let Some(outside) = &tree.outside {
                list.compute_survivals(outside, rows);
            }
        }
        for (i, tree) in trees.into_iter().enumerate() {
            let lengths = leaves_at(&tree.leaves, places[i]);
            let first = surroundings.survivals.of_tree(number + i).of_group(group);
            add_shortened(&lists[i], lengths, first, sums);
        }
    }
}

/// The way of a group of rows down one tree.
struct Path {
    /// The place of each row on each level.
    places: [[u16; GROUP]; MAX_DEPTH as usize],
    /// The rows that may be outside on each level.
    outside: [__mmask32; MAX_DEPTH as usize],
}

impl Path {
    const fn new() -> Path {
        Path {
            places: [[0; GROUP]; MAX_DEPTH as usize],
            outside: [0; MAX_DEPTH as usize],
        }
    }

    /// Returns the entries of all rows on a level. Places are below 256 and rows below 32, so that an entry has 13 bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn entries(&self, level: usize) -> __m512i {
        let rows: [u16; GROUP] = array::from_fn(|row| row as u16);
        _mm512_or_si512(
            _mm512_slli_epi16::<5>(load(&self.places[level])),
            load(&rows),
        )
    }
}

/// The entries of rows that may be outside in one tree, from the root downwards, and what is computed of them.
struct FoundList {
    /// Places and rows, as [`found`](crate::iforest::perfect::found) puts them together. Of eight levels, they fit 16 bits.
    entries: [u16; Self::CAPACITY],
    n_found: usize,
    /// For each entry, the number of splits down to its place.
    depths: [f64; Self::CAPACITY],
    /// For each entry, the probability that the row survives the split.
    survivals: [f64; Self::CAPACITY],
}

impl FoundList {
    /// Every row may be outside at every level, and the last vector is stored whole.
    const CAPACITY: usize = GROUP * MAX_DEPTH as usize + GROUP;

    const fn new() -> FoundList {
        FoundList {
            entries: [0; Self::CAPACITY],
            n_found: 0,
            depths: [0.0; Self::CAPACITY],
            survivals: [0.0; Self::CAPACITY],
        }
    }

    /// Replaces the entries with those of the rows that may be outside on their way. `words` must be set only if the
    /// processor has AVX-512 VBMI2.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    fn collect(&mut self, path: &Path, depth: u32, words: bool) {
        self.n_found = 0;
        if words {
            // SAFETY: the caller has checked that the processor supports the instructions.
            unsafe { self.collect_words(path, depth) }
        } else {
            self.collect_halves(path, depth);
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
    fn collect_words(&mut self, path: &Path, depth: u32) {
        for (level, chosen) in path.outside.into_iter().enumerate().take(depth as usize) {
            let packed = _mm512_maskz_compress_epi16(chosen, path.entries(level));
            // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
            unsafe { _mm512_storeu_si512(self.end::<GROUP>().as_mut_ptr().cast(), packed) };
            self.n_found += chosen.count_ones() as usize;
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    fn collect_halves(&mut self, path: &Path, depth: u32) {
        for (level, chosen) in path.outside.into_iter().enumerate().take(depth as usize) {
            let entries = path.entries(level);
            let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(entries));
            let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(entries));
            for (half, chosen) in [
                (low, chosen as __mmask16),
                (high, (chosen >> 16) as __mmask16),
            ] {
                let packed = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(chosen, half));
                // SAFETY: the array is 256 bits long, and unaligned stores are allowed.
                unsafe { _mm256_storeu_si256(self.end::<16>().as_mut_ptr().cast(), packed) };
                self.n_found += chosen.count_ones() as usize;
            }
        }
    }

    /// Returns the space behind the last entry.
    #[inline]
    fn end<const N: usize>(&mut self) -> &mut [u16; N] {
        self.entries[self.n_found..]
            .first_chunk_mut()
            .expect("a walk appends at most one entry per row and level")
    }

    /// Computes the depths and the survivals of the entries, as [`Range::survival`] does.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn compute_survivals(&mut self, outside: &Outside, rows: Rows<'_>) {
        let (entries, _) = self.entries.as_chunks::<8>();
        let (depths, _) = self.depths.as_chunks_mut::<8>();
        let (survivals, _) = self.survivals.as_chunks_mut::<8>();
        let one = _mm512_set1_pd(1.0);
        for i in 0..self.n_found.div_ceil(8) {
            // SAFETY: the array is 128 bits long, and unaligned loads are allowed.
            let entry = unsafe { _mm_loadu_si128(entries[i].as_ptr().cast()) };
            let entry = _mm256_cvtepu16_epi32(entry);
            let place = _mm256_srli_epi32::<5>(entry);
            let value = values_of(entry, place, outside, rows);
            let (low, high) = ends_at(&outside.ranges, place);
            let beyond = _mm512_max_pd(_mm512_sub_pd(low, value), _mm512_sub_pd(value, high));
            let is_beyond = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(beyond, _mm512_setzero_pd());
            let width = _mm512_sub_pd(high, low);
            let whole = _mm512_add_pd(width, beyond);
            store_lanes(
                &mut survivals[i],
                _mm512_mask_div_pd(one, is_beyond, width, whole),
            );
            let level = _mm512_getexp_pd(_mm512_cvtepi32_pd(place));
            store_lanes(&mut depths[i], _mm512_add_pd(level, one));
            let most = _mm512_set1_pd(f64::MAX);
            if _mm512_mask_cmp_pd_mask::<_CMP_NLE_UQ>(is_beyond, whole, most) != 0 {
                for (entry, survival) in entries[i].iter().zip(&mut survivals[i]) {
                    *survival = outside.survival(u32::from(*entry), rows);
                }
            }
        }
    }
}

/// Adds to each sum the path length of its row, shortened as [`Outside::shorten`] does it. It is compiled once for all
/// walks.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn add_shortened(
    list: &FoundList,
    leaves: [__m512d; 4],
    first: GroupSurvivals<'_>,
    sums: &mut [f64; GROUP],
) {
    let mut lengths = [0.0; GROUP];
    for (lengths, leaves) in lengths.as_chunks_mut().0.iter_mut().zip(leaves) {
        store_lanes(lengths, leaves);
    }
    let n = list.n_found;
    let found = list.entries[..n].iter().zip(&list.depths[..n]);
    // The deepest nodes come first, because a length is the expectation below its node.
    for ((&entry, &depth), &survival) in found.zip(&list.survivals[..n]).rev() {
        let length = &mut lengths[usize::from(entry) % GROUP];
        *length = shortened(*length, depth, survival);
    }
    add_cut(&lengths, &survivals_of(first), sums);
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

/// Returns the value that the row of each entry has in the column of the entry's place; NaN where there is no such row.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn values_of(entries: __m256i, places: __m256i, outside: &Outside, rows: Rows<'_>) -> __m512d {
    let features = &outside.features[..];
    assert!(features.len().is_power_of_two() && features.len() <= 1 << 16);
    let places = _mm256_and_si256(places, _mm256_set1_epi32(features.len() as i32 - 1));
    // SAFETY: the mask keeps every index below the length of the table.
    let features = unsafe { _mm256_i32gather_epi32::<4>(features.as_ptr().cast(), places) };
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

/// Returns the low and the high ends of the ranges at the places.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn ends_at(ranges: &[Range], places: __m256i) -> (__m512d, __m512d) {
    assert!(ranges.len().is_power_of_two() && ranges.len() <= 1 << 16);
    let places = _mm256_and_si256(places, _mm256_set1_epi32(ranges.len() as i32 - 1));
    let index = _mm256_add_epi32(places, places);
    let ends: *const f64 = ranges.as_ptr().cast();
    // SAFETY: a range is two floats, the low end first, and the mask keeps every place below the number of ranges.
    unsafe {
        (
            _mm512_i32gather_pd::<8>(index, ends),
            _mm512_i32gather_pd::<8>(index, ends.add(1)),
        )
    }
}

/// The entries of a tree's nodes in heap order.
struct Nodes<'a> {
    columns: &'a Entries,
    ranks: &'a Entries,
    bounds: Option<Bounds<'a>>,
}

/// The bounds beyond which codes may be outside, by node.
struct Bounds<'a> {
    lows: &'a Entries,
    highs: &'a Entries,
}

impl<'a> Nodes<'a> {
    fn of(tree: &'a PackedTree) -> Nodes<'a> {
        Nodes {
            columns: entries(&tree.columns),
            ranks: entries(&tree.ranks),
            bounds: tree.outside.as_ref().map(|outside| Bounds {
                lows: entries(&outside.lows),
                highs: entries(&outside.highs),
            }),
        }
    }
}

type Entries = [[u16; 32]; 8];

fn entries(array: &[u16]) -> &Entries {
    array
        .as_chunks()
        .0
        .first_chunk()
        .expect("node arrays have at least 256 entries")
}

/// The levels, distinguished by how their nodes are looked up.
const UPPER: u8 = 0;
const SEVENTH: u8 = 1;
const EIGHTH: u8 = 2;

/// Moves every lane in every tree from the root to the last level, and returns the positions there. Where `OUTSIDE` is
/// set, it notes the paths and the rows that may be outside on them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_to_leaves<const LAST: usize, const TREES: usize, const OUTSIDE: bool>(
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    depth: u32,
    paths: &mut [Path],
) -> [__m512i; TREES] {
    let mut places = [_mm512_set1_epi16(1); TREES];
    let mut turns = [[0; 3]; TREES];
    if depth > 0 {
        go_down_top::<1, LAST, TREES, OUTSIDE>(codes, nodes, &mut places, &mut turns, paths);
    }
    if depth > 1 {
        go_down_top::<2, LAST, TREES, OUTSIDE>(codes, nodes, &mut places, &mut turns, paths);
    }
    if depth > 2 {
        go_down_top::<4, LAST, TREES, OUTSIDE>(codes, nodes, &mut places, &mut turns, paths);
    }
    if depth > 3 {
        go_down_top::<8, LAST, TREES, OUTSIDE>(codes, nodes, &mut places, &mut turns, paths);
    }
    for level in 4..depth.min(6) as usize {
        go_down::<UPPER, LAST, TREES, OUTSIDE>(level, codes, nodes, &mut places, paths);
    }
    if depth > 6 {
        go_down::<SEVENTH, LAST, TREES, OUTSIDE>(6, codes, nodes, &mut places, paths);
    }
    if depth > 7 {
        go_down::<EIGHTH, LAST, TREES, OUTSIDE>(7, codes, nodes, &mut places, paths);
    }
    places
}

/// Moves the position of every lane in every tree down a level of `WIDTH` nodes. `turns` are the lanes that went right on
/// the last three levels, the last level first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_down_top<const WIDTH: usize, const LAST: usize, const TREES: usize, const OUTSIDE: bool>(
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    places: &mut [__m512i; TREES],
    turns: &mut [[__mmask32; 3]; TREES],
    paths: &mut [Path],
) {
    for tree in 0..TREES {
        let columns: &[u16] = &nodes[tree].columns[0][WIDTH..2 * WIDTH];
        let of_nodes: [__m512i; WIDTH] =
            array::from_fn(|node| load(&codes.all[usize::from(columns[node])]));
        let code = choose(&of_nodes, turns[tree]);
        if OUTSIDE {
            let level = WIDTH.ilog2() as usize;
            note_outside::<UPPER>(level, &nodes[tree], code, places[tree], &mut paths[tree]);
        }
        let right = turn::<UPPER>(&nodes[tree], code, &mut places[tree]);
        turns[tree] = [right, turns[tree][0], turns[tree][1]];
    }
}

/// Moves the position of every lane in every tree down one level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn go_down<const LEVEL: u8, const LAST: usize, const TREES: usize, const OUTSIDE: bool>(
    level: usize,
    codes: &Codes<LAST>,
    nodes: &[Nodes; TREES],
    places: &mut [__m512i; TREES],
    paths: &mut [Path],
) {
    for tree in 0..TREES {
        let code = codes.fetch(entry::<LEVEL>(nodes[tree].columns, places[tree]));
        if OUTSIDE {
            note_outside::<LEVEL>(level, &nodes[tree], code, places[tree], &mut paths[tree]);
        }
        turn::<LEVEL>(&nodes[tree], code, &mut places[tree]);
    }
}

/// Notes the places, and the rows whose codes may be outside of the ranges there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn note_outside<const LEVEL: u8>(
    level: usize,
    nodes: &Nodes,
    code: __m512i,
    places: __m512i,
    path: &mut Path,
) {
    let Some(bounds) = &nodes.bounds else {
        return;
    };
    let below = _mm512_cmplt_epu16_mask(code, entry::<LEVEL>(bounds.lows, places));
    let above = _mm512_cmpgt_epu16_mask(code, entry::<LEVEL>(bounds.highs, places));
    path.outside[level] = below | above;
    // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
    unsafe { _mm512_storeu_si512(path.places[level].as_mut_ptr().cast(), places) };
}

/// Moves the position of every lane to the child that its code decides for, and returns the lanes that go right.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn turn<const LEVEL: u8>(nodes: &Nodes, code: __m512i, places: &mut __m512i) -> __mmask32 {
    let right = _mm512_cmpgt_epu16_mask(code, entry::<LEVEL>(nodes.ranks, *places));
    let doubled = _mm512_add_epi16(*places, *places);
    *places = _mm512_mask_add_epi16(doubled, right, doubled, _mm512_set1_epi16(1));
    right
}

/// Returns, for each lane, the entry of its node on a level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn entry<const LEVEL: u8>(entries: &Entries, places: __m512i) -> __m512i {
    // A permutation uses only the low six bits of a position, which are relative to the table's
    // start.
    let look_up =
        |at: usize| _mm512_permutex2var_epi16(load(&entries[at]), places, load(&entries[at + 1]));
    match LEVEL {
        UPPER => look_up(0),
        SEVENTH => look_up(2),
        _ => {
            let upper = _mm512_test_epi16_mask(places, _mm512_set1_epi16(64));
            _mm512_mask_mov_epi16(look_up(4), upper, look_up(6))
        }
    }
}

/// The codes of 32 rows, one vector per column.
struct Codes<'a, const LAST: usize> {
    all: &'a [[u16; GROUP]],
    /// The columns in blocks of eight, but for the last block.
    blocks: &'a [[[u16; GROUP]; BLOCK]],
    last: [__m512i; LAST],
}

impl<'a, const LAST: usize> Codes<'a, LAST> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(all: &'a [[u16; GROUP]]) -> Self {
        let (rest, last) = all
            .split_last_chunk::<LAST>()
            .expect("a tile has whole blocks and a last one");
        Codes {
            all,
            blocks: rest.as_chunks().0,
            last: array::from_fn(|column| load(&last[column])),
        }
    }

    /// Returns, for each lane, the code of the lane's row in the column that `columns` names.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn fetch(&self, columns: __m512i) -> __m512i {
        let bits = [1, 2, 4].map(|bit| _mm512_test_epi16_mask(columns, _mm512_set1_epi16(bit)));
        let mut fetched = choose(&self.last, bits);
        for (block, number) in self.blocks.iter().zip(0..) {
            let block: [__m512i; BLOCK] = array::from_fn(|column| load(&block[column]));
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
