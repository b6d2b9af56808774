//! A packed layout of a forest that makes scoring many rows fast.
//!
//! A walk down a tree compares values of a row with one threshold after another, and only the
//! outcomes matter. Every value is therefore first replaced by its *code*: the number of the
//! forest's thresholds on that column that are below the value. With the thresholds sorted,
//! `value <= threshold[i]` holds exactly when `code <= i`. All later comparisons are between 16-bit
//! integers, of which a vector register holds four times as many as of 64-bit floats. Computing the
//! codes takes one binary search per column, instead of one floating-point comparison per level and
//! tree.
//!
//! Every tree is padded to a perfect tree of the forest's depth. It is stored in heap order (the
//! root at index 1, the children of `i` at `2i` and `2i + 1`) as one array of columns and one array
//! of threshold ranks. Each level then takes the same few instructions for every lane, without
//! branches. Padding nodes below a leaf send every row left, to a copy of the leaf's path length.
//!
//! A missing value follows the branch with more training events, which is left at some nodes and
//! right at others. When rows have missing values, each column is therefore coded twice: once for
//! nodes that send missing values left (code 0) and once for nodes that send them right
//! ([`MISSING_RIGHT`]).
//!
//! With novelty, the walk also notes where a code may be outside of a node's range. Few are. Their path lengths are
//! shortened afterwards, from the values of the rows, so that codes decide nothing but which rows are looked at.
//!
//! Rows are coded in tiles. A tile goes through all trees while its codes are in the fastest cache.
//! The walks are in [`super::simd`].

use std::array;
use std::collections::BTreeMap;

use super::InputPrecision;
use super::first_cuts::{FirstCuts, Survivals};
use super::perfect::{
    GROUP, NEVER_ABOVE, NEVER_BELOW, NODE_ENTRIES, NodeRanges, PackedTree, Rows, TREES_TOGETHER,
};
use super::simd::{Instructions, Surroundings, Tile};
use super::tree::{Rule, Tree};
use crate::monitor;

/// The code of a missing value at nodes that send missing values right. It is also the rank of
/// padding nodes, which send even this code left.
const MISSING_RIGHT: u16 = u16::MAX;

/// The maximum depth of a packed forest, because a perfect tree doubles in size with every level.
const MAX_DEPTH: u32 = 12;

/// The maximum number of nodes of all perfect trees together, at 12 bytes per node.
const MAX_NODES: usize = 1 << 22;

/// The number of rows per tile, whose codes stay in the fastest cache while they go through all
/// trees.
const TILE_ROWS: usize = 512;

/// The thresholds of a column, ascending and distinct, padded with infinity to a power of two.
#[derive(Debug)]
struct Column {
    feature: usize,
    /// The code of a missing value.
    missing: u16,
    thresholds: Vec<f64>,
}

/// A forest of threshold splits, packed for scoring many rows.
#[derive(Debug)]
pub(super) struct PackedForest {
    n_features: usize,
    columns: Vec<Column>,
    /// The number of levels of splits.
    depth: u32,
    trees: Vec<PackedTree>,
    /// The ranges of the nodes of each four trees; empty in a plain forest.
    ranges: Vec<NodeRanges>,
    first_cuts: Option<FirstCuts>,
}

/// A coded column: the feature and the code of its missing values.
type Key = (u32, u16);

/// For each coded column, its number and its ascending, distinct thresholds.
type Codes = BTreeMap<Key, (u16, Vec<f64>)>;

impl PackedForest {
    /// Packs the trees. `with_missing` must be set when rows may have missing values.
    ///
    /// Returns `None` when the forest has splits other than thresholds, is too deep or too large,
    /// or has too many columns or thresholds for 16-bit codes.
    pub(super) fn new(
        trees: &[Tree],
        n_features: usize,
        with_missing: bool,
    ) -> Option<PackedForest> {
        let mut depth = 0;
        for tree in trees {
            depth = depth.max(tree.depth());
            if depth > MAX_DEPTH || trees.len() << depth > MAX_NODES {
                return None;
            }
        }
        let mut thresholds: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
        for tree in trees {
            for (at, node) in tree.nodes.iter().enumerate() {
                match node.rule {
                    Rule::Leaf { .. } => {}
                    Rule::Threshold { feature, threshold } => {
                        let key = (feature, missing_code(tree, at, with_missing));
                        thresholds.entry(key).or_default().push(threshold);
                    }
                    Rule::Categories { .. } | Rule::Plane { .. } => return None,
                }
            }
        }
        for list in thresholds.values_mut() {
            list.sort_unstable_by(f64::total_cmp);
            list.dedup();
        }
        let fits = |list: &Vec<f64>| list.len() < usize::from(MISSING_RIGHT);
        if thresholds.len() > usize::from(u16::MAX) || !thresholds.values().all(fits) {
            return None;
        }
        let numbered = thresholds.into_iter().zip(0..);
        let codes: Codes = numbered
            .map(|((key, list), number)| (key, (number, list)))
            .collect();
        let first_cuts = FirstCuts::of(trees, n_features);
        let four_trees = trees.chunks(TREES_TOGETHER);
        let ranges = match first_cuts {
            None => Vec::new(),
            Some(_) => four_trees.map(|four| ranges_of(four, depth)).collect(),
        };
        Some(PackedForest {
            n_features,
            trees: trees
                .iter()
                .map(|tree| pack(tree, depth, with_missing, &codes))
                .collect(),
            ranges,
            columns: codes
                .into_iter()
                .map(|(key, (_, list))| Column::new(key, list))
                .collect(),
            depth,
            first_cuts,
        })
    }

    /// Returns whether packed scoring is expected to be faster than walking the trees as they are.
    /// Finding one code takes up to half as long as walking one tree.
    pub(super) fn pays_off(&self) -> bool {
        self.columns.len() <= 2 * self.trees.len()
    }

    /// Writes to `out` the sum of path lengths over the trees, added in tree order, for each row.
    /// `survivals` is a buffer.
    pub(super) fn path_length_sums(
        &self,
        rows: &[f64],
        input: InputPrecision,
        instructions: Instructions,
        survivals: &mut Survivals,
        out: &mut [f64],
    ) {
        let n_features = self.n_features;
        let mut tile = Tile::new(self.columns.len());
        let tiles = rows
            .chunks(TILE_ROWS * n_features)
            .zip(out.chunks_mut(TILE_ROWS));
        for (rows, out) in tiles {
            monitor::check();
            tile.resize(out.len());
            for (i, group) in rows.chunks(GROUP * n_features).enumerate() {
                for (at, column) in self.columns.iter().enumerate() {
                    let values = values_of(group, column.feature, n_features, input);
                    column.write_codes(&values, tile.codes(i, at), instructions);
                }
            }
            let surroundings = self.first_cuts.as_ref().map(|first_cuts| {
                first_cuts.survivals(rows, survivals);
                Surroundings {
                    rows: Rows {
                        values: rows,
                        n_features,
                    },
                    survivals,
                    ranges: &self.ranges,
                }
            });
            instructions.walk(&self.trees, self.depth, &mut tile, surroundings);
            out.copy_from_slice(&tile.sums()[..out.len()]);
        }
    }
}

impl Column {
    fn new((feature, missing): Key, mut thresholds: Vec<f64>) -> Column {
        let padded = (thresholds.len() + 1).next_power_of_two();
        thresholds.resize(padded, f64::INFINITY);
        Column {
            feature: feature as usize,
            missing,
            thresholds,
        }
    }

    /// Writes the codes of the values of a group of rows.
    fn write_codes(
        &self,
        values: &[f64; GROUP],
        codes: &mut [u16; GROUP],
        instructions: Instructions,
    ) {
        instructions.rank(&self.thresholds, values, codes);
        if values.iter().fold(false, |any, value| any | value.is_nan()) {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = if value.is_nan() { self.missing } else { *code };
            }
        }
    }
}

/// Returns the values of up to [`GROUP`] rows in a column, followed by zeros.
#[inline]
fn values_of(
    rows: &[f64],
    feature: usize,
    n_features: usize,
    input: InputPrecision,
) -> [f64; GROUP] {
    let mut values = [0.0; GROUP];
    if rows.len() == GROUP * n_features {
        values = array::from_fn(|row| rows[row * n_features + feature]);
    } else {
        for (value, row) in values.iter_mut().zip(rows.chunks_exact(n_features)) {
            *value = row[feature];
        }
    }
    values.map(|value| input.round(value))
}

/// Returns the code of a missing value in the column that node `at` compares.
fn missing_code(tree: &Tree, at: usize, with_missing: bool) -> u16 {
    if with_missing && !tree.left_is_larger(at) {
        MISSING_RIGHT
    } else {
        0
    }
}

/// Packs one tree as a perfect tree with `depth` levels of splits.
fn pack(tree: &Tree, depth: u32, with_missing: bool, codes: &Codes) -> PackedTree {
    let size = 1 << depth;
    let entries = n_entries(depth);
    let mut packed = PackedTree {
        columns: vec![0; entries],
        ranks: vec![MISSING_RIGHT; entries],
        leaves: vec![0.0; size],
        bounds: Vec::new(),
    };
    if !tree.is_plain() {
        packed.bounds = [NEVER_BELOW, NEVER_ABOVE].repeat(entries);
    }
    each_place(tree, depth, |at, place, below| match tree.nodes[at].rule {
        Rule::Threshold { feature, threshold } => {
            let (number, list) = &codes[&(feature, missing_code(tree, at, with_missing))];
            packed.columns[place] = *number;
            packed.ranks[place] = list.partition_point(|t| *t < threshold) as u16;
            if let Some(range) = tree.ranges.get(at) {
                if goes_on(tree, at + 1) {
                    let inside = list.partition_point(|t| *t < range.low) as u16 + 1;
                    packed.bounds[2 * place] = inside;
                }
                if goes_on(tree, tree.nodes[at].right as usize) {
                    let above = list.partition_point(|t| *t <= range.high) as u16;
                    packed.bounds[2 * place + 1] = above;
                }
            }
        }
        Rule::Leaf { path_length } => {
            let first = (place << below) - size;
            packed.leaves[first..first + (1 << below)].fill(path_length);
        }
        Rule::Categories { .. } | Rule::Plane { .. } => {
            unreachable!("forests with other splits than thresholds are not packed")
        }
    });
    packed
}

/// Returns the ranges of the nodes of up to [`TREES_TOGETHER`] trees of threshold splits.
fn ranges_of(trees: &[Tree], depth: u32) -> NodeRanges {
    let mut ranges = NodeRanges::new(n_entries(depth));
    for (number, tree) in trees.iter().enumerate() {
        each_place(tree, depth, |at, place, _| {
            if let Rule::Threshold { feature, .. } = tree.nodes[at].rule {
                ranges.set(place, number, feature, tree.ranges[at]);
            }
        });
    }
    ranges
}

/// Returns the number of entries of a perfect tree with `depth` levels of splits.
fn n_entries(depth: u32) -> usize {
    (1 << depth).max(NODE_ENTRIES)
}

/// Calls `take` for each node of the tree with its index, its position in the heap and the number of levels below. Parents
/// come before their children.
fn each_place(tree: &Tree, depth: u32, mut take: impl FnMut(usize, usize, u32)) {
    let mut pending = vec![(0, 1, depth)];
    while let Some((at, place, below)) = pending.pop() {
        take(at, place, below);
        let right = tree.nodes[at].right as usize;
        if right > 0 {
            pending.push((at + 1, 2 * place, below - 1));
            pending.push((right, 2 * place + 1, below - 1));
        }
    }
}

/// Returns whether the path of an event that reaches a node is expected to go on. Otherwise it does not matter whether
/// the event survives the split above.
fn goes_on(tree: &Tree, at: usize) -> bool {
    tree.nodes[at].right > 0 || tree.nodes[at].events > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;
    use crate::iforest::{IsolationForestParams, MaxSamples, Novelty};
    use crate::rng::Rng;
    use proptest::prelude::*;

    /// Returns values with ties, extremes and, for odd seeds, missing values.
    fn values(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, 1);
        let special = [
            0.0,
            -0.0,
            5e-324,
            1e300,
            -1e300,
            if seed % 2 == 1 { f64::NAN } else { 1.0 },
        ];
        let mut value = || match rng.below(12) {
            kind @ 0..6 => special[kind as usize],
            6..9 => rng.below(5) as f64,
            _ => rng.normal(),
        };
        (0..n).map(|_| value()).collect()
    }

    fn check(n_features: usize, max_samples: usize, n_rows: usize, seed: u64) {
        for novelty in [Novelty::Plain, Novelty::Range] {
            check_form(n_features, max_samples, n_rows, seed, novelty);
        }
    }

    fn check_form(
        n_features: usize,
        max_samples: usize,
        n_rows: usize,
        seed: u64,
        novelty: Novelty,
    ) {
        let matrix = Matrix::unweighted(n_features, values(n_features * 5000, seed)).unwrap();
        let params = IsolationForestParams::new()
            .n_estimators(5 + (seed % 4) as usize)
            .max_samples(MaxSamples::Count(max_samples))
            .novelty(novelty)
            .seed(seed);
        let forest = params.fit(&matrix).unwrap();
        let mut rows = values(n_features * n_rows, seed ^ 7);
        rows[0] = f64::INFINITY;
        let expected: Vec<f64> = rows
            .chunks(n_features)
            .map(|row| forest.trees.iter().map(|tree| tree.path_length(row)).sum())
            .collect();
        for with_missing in [true, rows.iter().any(|value| value.is_nan())] {
            let packed = PackedForest::new(&forest.trees, n_features, with_missing).unwrap();
            for instructions in Instructions::available() {
                let mut found = vec![0.0; n_rows];
                let (input, mut buffer) = (InputPrecision::F64, Survivals::default());
                packed.path_length_sums(&rows, input, instructions, &mut buffer, &mut found);
                assert!(found == expected, "{instructions:?}, {n_features} features");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_instruction_set_walks_as_the_trees_do(
            n_features in 1..70usize, log_samples in 0.0..12.0f64, n_rows in 1..700usize, seed: u64,
        ) {
            check(n_features, log_samples.exp2() as usize, n_rows, seed);
        }
    }

    #[test]
    fn wide_and_deep_forests_are_walked_too() {
        check(200, 256, 40, 1);
        check(3, 4096, 513, 2);
    }

    #[test]
    fn what_does_not_fit_is_not_packed() {
        let matrix = Matrix::unweighted(1, (0..20_000).map(f64::from).collect()).unwrap();
        let params = IsolationForestParams::new().n_estimators(3);
        let fit = |samples| {
            params
                .clone()
                .max_samples(MaxSamples::Count(samples))
                .fit(&matrix)
        };
        assert!(PackedForest::new(&fit(1 << 12).unwrap().trees, 1, false).is_some());
        assert!(PackedForest::new(&fit(1 << 13).unwrap().trees, 1, false).is_none());
    }
}
