//! Walks with 512-bit vectors: 32 rows at a time, one 16-bit lane per row.
//!
//! A permutation of two registers (`vpermi2w`) looks up 32 numbers in a table of 64. The nodes of
//! the upper six levels form one such table, those of the seventh level another, and those of the
//! eighth level two. The codes of 32 rows form `stride / 2` tables that hold whole rows. One masked
//! permutation per table fetches the codes for the lanes of its rows.

use std::arch::x86_64::*;

use super::Surroundings;
use super::tile::Tile;
use crate::iforest::perfect::{GROUP, PackedTree, Rows};

/// The maximum number of levels of splits that the node tables hold.
const MAX_DEPTH: u32 = 8;

/// Returns whether [`walk`] supports trees of this depth and rows of this stride.
pub(super) fn can_walk(depth: u32, stride: usize) -> bool {
    depth <= MAX_DEPTH && matches!(stride, 4 | 8 | 16 | 32 | 64)
}

/// See [`super::Instructions::walk`]. [`can_walk`] must have returned true.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn walk(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Option<Surroundings<'_>>,
) {
    match tile.stride() {
        4 => walk_tables::<2>(trees, depth, tile, surroundings),
        8 => walk_tables::<4>(trees, depth, tile, surroundings),
        16 => walk_tables::<8>(trees, depth, tile, surroundings),
        32 => walk_tables::<16>(trees, depth, tile, surroundings),
        _ => walk_tables::<32>(trees, depth, tile, surroundings),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn walk_tables<const TABLES: usize>(
    trees: &[PackedTree],
    depth: u32,
    tile: &mut Tile,
    surroundings: Option<Surroundings<'_>>,
) {
    // Walks of different trees are independent, so four trees are walked together.
    let (fours, rest) = trees.as_chunks::<4>();
    if let Some(surroundings) = surroundings {
        for (i, four) in fours.iter().enumerate() {
            walk_outside::<TABLES, 4>(four.each_ref(), 4 * i, depth, tile, surroundings);
        }
        for (i, tree) in rest.iter().enumerate() {
            walk_outside::<TABLES, 1>([tree], 4 * fours.len() + i, depth, tile, surroundings);
        }
        return;
    }
    for four in fours {
        walk_together::<TABLES, 4>(four.each_ref(), depth, tile);
    }
    for tree in rest {
        walk_together::<TABLES, 1>([tree], depth, tile);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn walk_together<const TABLES: usize, const TREES: usize>(
    trees: [&PackedTree; TREES],
    depth: u32,
    tile: &mut Tile,
) {
    let nodes = trees.map(Nodes::of);
    for (codes, sums) in tile.groups() {
        let codes = Codes::<TABLES>::load(codes);
        let mut places = [_mm512_set1_epi16(1); TREES];
        for _ in 0..depth.min(6) {
            go_down::<_, _, UPPER>(&codes, &nodes, &mut places, |_, _, _| {});
        }
        if depth > 6 {
            go_down::<_, _, SEVENTH>(&codes, &nodes, &mut places, |_, _, _| {});
        }
        if depth > 7 {
            go_down::<_, _, EIGHTH>(&codes, &nodes, &mut places, |_, _, _| {});
        }
        for (places, tree) in places.into_iter().zip(trees) {
            add_leaves(&tree.leaves, places, sums);
        }
    }
}

/// Walks as [`walk_together`] does, and shortens the paths of rows that lie outside. `number` is the number of the
/// first of the trees.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn walk_outside<const TABLES: usize, const TREES: usize>(
    trees: [&PackedTree; TREES],
    number: usize,
    depth: u32,
    tile: &mut Tile,
    surroundings: Surroundings<'_>,
) {
    let nodes = trees.map(Nodes::of);
    let n_rows = tile.sums().len();
    let mut lists = [const { FoundList::new() }; TREES];
    for (group, (codes, sums)) in tile.groups().enumerate() {
        let codes = Codes::<TABLES>::load(codes);
        let mut places = [_mm512_set1_epi16(1); TREES];
        lists.iter_mut().for_each(|list| list.n_found = 0);
        for _ in 0..depth.min(6) {
            go_down::<_, _, UPPER>(&codes, &nodes, &mut places, |tree, code, places| {
                find_outside::<UPPER>(trees[tree], code, places, &mut lists[tree]);
            });
        }
        if depth > 6 {
            go_down::<_, _, SEVENTH>(&codes, &nodes, &mut places, |tree, code, places| {
                find_outside::<SEVENTH>(trees[tree], code, places, &mut lists[tree]);
            });
        }
        if depth > 7 {
            go_down::<_, _, EIGHTH>(&codes, &nodes, &mut places, |tree, code, places| {
                find_outside::<EIGHTH>(trees[tree], code, places, &mut lists[tree]);
            });
        }
        for (i, tree) in trees.into_iter().enumerate() {
            let mut lengths = [0.0; GROUP];
            add_leaves(&tree.leaves, places[i], &mut lengths);
            let (rows, first) = surroundings.group(number + i, group, n_rows);
            shorten(tree, &lists[i], rows, first, &mut lengths);
            for (sum, length) in sums.iter_mut().zip(lengths) {
                *sum += length;
            }
        }
    }
}

/// The entries of rows that may be outside in one tree, from the root downwards.
struct FoundList {
    entries: [u32; Self::CAPACITY],
    n_found: usize,
}

impl FoundList {
    /// Every row may be outside at every level, and the last vector is stored whole.
    const CAPACITY: usize = GROUP * MAX_DEPTH as usize + 16;

    const fn new() -> FoundList {
        FoundList {
            entries: [0; Self::CAPACITY],
            n_found: 0,
        }
    }

    /// Appends the lanes that the mask chooses.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn append(&mut self, chosen: __mmask16, entries: __m512i) {
        let place: &mut [u32; 16] = self.entries[self.n_found..]
            .first_chunk_mut()
            .expect("a walk appends at most one entry per row and level");
        let packed = _mm512_maskz_compress_epi32(chosen, entries);
        // SAFETY: the array is 512 bits long, and unaligned stores are allowed.
        unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), packed) };
        self.n_found += chosen.count_ones() as usize;
    }
}

/// Appends to the list the rows whose codes may be outside of the ranges of their nodes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn find_outside<const LEVEL: u8>(
    tree: &PackedTree,
    code: __m512i,
    places: __m512i,
    list: &mut FoundList,
) {
    let Some(outside) = &tree.outside else {
        return;
    };
    let below = _mm512_cmplt_epu16_mask(code, entry::<LEVEL>(entries(&outside.lows), places));
    let above = _mm512_cmpgt_epu16_mask(code, entry::<LEVEL>(entries(&outside.highs), places));
    let chosen = below | above;
    // Places are below 256 and rows below 32, so that an entry has 13 bits.
    let rows: [u16; GROUP] = std::array::from_fn(|row| row as u16);
    let found = _mm512_or_si512(_mm512_slli_epi16::<5>(places), load(&rows));
    let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(found));
    let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(found));
    list.append(chosen as __mmask16, low);
    list.append((chosen >> 16) as __mmask16, high);
}

/// See [`Outside::shorten`](crate::iforest::perfect::Outside::shorten). It is compiled once for all walks.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn shorten(
    tree: &PackedTree,
    list: &FoundList,
    rows: Rows<'_>,
    first: &[f64],
    lengths: &mut [f64; GROUP],
) {
    if let Some(outside) = &tree.outside {
        outside.shorten(&list.entries[..list.n_found], rows, first, lengths);
    }
}

/// The entries of a tree's nodes in heap order.
struct Nodes<'a> {
    columns: &'a Entries,
    ranks: &'a Entries,
}

impl<'a> Nodes<'a> {
    fn of(tree: &'a PackedTree) -> Nodes<'a> {
        Nodes {
            columns: entries(&tree.columns),
            ranks: entries(&tree.ranks),
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

/// Moves the position of every lane in every tree down one level. `visit` gets the number of each tree, the codes that
/// its nodes compare, and the positions before the move.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn go_down<const TABLES: usize, const TREES: usize, const LEVEL: u8>(
    codes: &Codes<TABLES>,
    nodes: &[Nodes; TREES],
    places: &mut [__m512i; TREES],
    mut visit: impl FnMut(usize, __m512i, __m512i),
) {
    for (tree, (places, nodes)) in places.iter_mut().zip(nodes).enumerate() {
        let code = codes.fetch(entry::<LEVEL>(nodes.columns, *places));
        visit(tree, code, *places);
        let right = _mm512_cmpgt_epu16_mask(code, entry::<LEVEL>(nodes.ranks, *places));
        let doubled = _mm512_add_epi16(*places, *places);
        *places = _mm512_mask_add_epi16(doubled, right, doubled, _mm512_set1_epi16(1));
    }
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

/// The codes of 32 rows, as tables of 64 codes.
struct Codes<const TABLES: usize>([[__m512i; 2]; TABLES]);

impl<const TABLES: usize> Codes<TABLES> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(codes: &[u16]) -> Self {
        let mut tables = [[_mm512_setzero_si512(); 2]; TABLES];
        let (halves, _) = codes.as_chunks();
        for (table, halves) in tables.iter_mut().zip(halves.as_chunks::<2>().0) {
            *table = [load(&halves[0]), load(&halves[1])];
        }
        Codes(tables)
    }

    /// Returns, for each lane, the code with index `columns` of the lane's row.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn fetch(&self, columns: __m512i) -> __m512i {
        let rows_per_table = GROUP / TABLES;
        let row_starts = |lane| (lane % rows_per_table * 2 * TABLES) as u16;
        let starts: [u16; 32] = std::array::from_fn(row_starts);
        let places = _mm512_add_epi16(columns, load(&starts));
        let mut fetched = _mm512_setzero_si512();
        for (i, [low, high]) in self.0.into_iter().enumerate() {
            let rows = (((1u64 << rows_per_table) - 1) << (i * rows_per_table)) as __mmask32;
            let codes = _mm512_maskz_permutex2var_epi16(rows, low, places, high);
            fetched = _mm512_or_si512(fetched, codes);
        }
        fetched
    }
}

/// Adds to each sum the path length at its position on the last level.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn add_leaves(leaves: &[f64], places: __m512i, sums: &mut [f64; GROUP]) {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(places),
        _mm512_extracti32x4_epi32::<1>(places),
        _mm512_extracti32x4_epi32::<2>(places),
        _mm512_extracti32x4_epi32::<3>(places),
    ];
    let (sums, _) = sums.as_chunks_mut::<8>();
    for (sums, places) in sums.iter_mut().zip(quarters) {
        let lengths = gather_from_power_of_two(leaves, _mm256_cvtepu16_epi32(places));
        let added = _mm512_add_pd(load_lanes(sums), lengths);
        // SAFETY: `sums` is 512 bits long, and unaligned stores are allowed.
        unsafe { _mm512_storeu_pd(sums.as_mut_ptr(), added) };
    }
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
