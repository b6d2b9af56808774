//! Exact Shapley values of the path length.
//!
//! For one tree and a set S of columns let f(S) be the expected path length of a row of which only
//! the columns in S are known: at splits on other columns the row takes both branches in proportion
//! to the training events there (the path-dependent expectation of TreeSHAP; Lundberg et al. 2020,
//! "From local explanations to global understanding with explainable AI for trees"). A leaf with path
//! length v contributes v ∏ⱼ (j ∈ S ? oⱼ : zⱼ) over the columns j on its path, where oⱼ is 1 if the
//! row satisfies all the path's splits on j, else 0, and zⱼ is the product of the branches' shares of
//! events at those splits. The Shapley value of column i is then, because the Shapley weights are
//! Beta integrals,
//!
//! φᵢ = v (oᵢ − zᵢ) ∫₀¹ ∏_{j≠i} (zⱼ (1 − t) + oⱼ t) dt,
//!
//! a polynomial that Gauss–Legendre quadrature integrates exactly. At a fixed t every leaf's product
//! is a product along its path, so that one walk over the tree serves all its leaves (the idea of
//! Linear TreeSHAP; Yu et al. 2022), and all terms that are added to a product are positive, so that
//! nothing cancels.
//!
//! The walk handles [`LANES`] rows at once. A column that splits a path again replaces its factor in
//! the product; an edge therefore stores the ratios of the new factor to the old one, for rows that
//! still satisfy the path and rows that just left it. Rows that had left it before multiply the
//! edge's share.

use super::quadrature::gauss_legendre;
use super::simd::{Instructions, Kernel};
use super::tree::{Rule, Tree};
use super::{InputPrecision, MAX_SAMPLES};

/// Rows that one walk handles at once.
const LANES: usize = 16;

/// Quadrature points that one walk evaluates.
const POINTS: usize = 4;

/// For every row and column, row-major into `out`, the Shapley value of the path length, in splits
/// and added over the trees, which split on thresholds and categories only.
pub(super) fn shapley_values(
    trees: &[Tree],
    rows: &[f64],
    n_features: usize,
    input: InputPrecision,
    instructions: Instructions,
    out: &mut [f64],
) {
    let blocks = rows.chunks(LANES * n_features);
    let mut blocks: Vec<Block> = blocks
        .map(|rows| Block::new(rows, n_features, input))
        .collect();
    let mut scratch = Scratch::new();
    let mut rules = Vec::new();
    for tree in trees {
        let mut walk = Walk::new(tree);
        for points in walk.points(&mut rules).as_chunks().0 {
            walk.edges[1..]
                .iter_mut()
                .for_each(|edge| edge.evaluate(points));
            for block in &mut blocks {
                instructions.run(Visit {
                    walk: &walk,
                    block,
                    scratch: &mut scratch,
                });
            }
        }
    }
    for (i, value) in out.iter_mut().enumerate() {
        let (row, column) = (i / n_features, i % n_features);
        *value = blocks[row / LANES].sums[column][row % LANES];
    }
}

/// Up to [`LANES`] rows, the last one repeated to fill the block.
struct Block {
    rows: Vec<f64>,
    /// The same values, column after column.
    columns: Vec<Lanes>,
    /// The contributions so far, by column, in splits.
    sums: Vec<Lanes>,
}

impl Block {
    fn new(rows: &[f64], n_features: usize, input: InputPrecision) -> Block {
        let mut rows: Vec<f64> = rows.iter().map(|&value| input.round(value)).collect();
        while rows.len() < LANES * n_features {
            rows.extend_from_within(rows.len() - n_features..);
        }
        let lanes = |column| std::array::from_fn(|lane| rows[lane * n_features + column]);
        Block {
            columns: (0..n_features).map(lanes).collect(),
            sums: vec![[0.0; LANES]; n_features],
            rows,
        }
    }

    /// For every row, whether it goes left at a split.
    #[inline(always)]
    fn goes_left(&self, tree: &Tree, node: usize) -> Mask {
        match tree.nodes[node].rule {
            Rule::Threshold { feature, threshold } => {
                let missing_goes_left = tree.left_is_larger(node);
                let column = self.columns[feature as usize];
                each_lane(|lane| {
                    let value = column[lane];
                    mask((value <= threshold) | (value.is_nan() & missing_goes_left))
                })
            }
            rule => {
                let n_features = self.columns.len();
                let row = |lane: usize| &self.rows[lane * n_features..(lane + 1) * n_features];
                each_lane(|lane| mask(tree.goes_left(node, rule, row(lane))))
            }
        }
    }
}

/// What an edge does to the rows that satisfy all splits on its column so far, and to those that do
/// not. The tables have one entry per quadrature point.
#[derive(Clone)]
struct Edge {
    parent: usize,
    column: u32,
    depth: usize,
    /// Depth of the edge above it with the same column; 0 when there is none.
    above: usize,
    left: bool,
    /// Number of columns on the path down to it.
    n_columns: usize,
    /// Share of the parent's events.
    share: f64,
    /// Share of events over all edges of the column from the root, without and with this one.
    shares: [f64; 2],
    /// Factor of the path's product, for rows that satisfy the edge.
    kept: [f64; POINTS],
    /// The same for rows that satisfied the edges above it, but not this one.
    lost: [f64; POINTS],
    /// Weight of the subtree's sum in the column's contribution, for rows that satisfy the edge.
    gain: [f64; POINTS],
    /// The same for rows that satisfied the edges above it, but not this one.
    loss: [f64; POINTS],
}

impl Edge {
    const ROOT: Edge = Edge {
        parent: 0,
        column: u32::MAX,
        depth: 0,
        above: 0,
        left: false,
        n_columns: 0,
        share: 1.0,
        shares: [1.0; 2],
        kept: [1.0; POINTS],
        lost: [1.0; POINTS],
        gain: [0.0; POINTS],
        loss: [0.0; POINTS],
    };

    /// The edge from `parent` to `child`.
    fn new(edges: &[Edge], tree: &Tree, parent: usize, child: usize, column: u32) -> Edge {
        let share = f64::from(tree.nodes[child].events) / f64::from(tree.nodes[parent].events);
        let mut above = parent;
        while above != 0 && edges[above].column != column {
            above = edges[above].parent;
        }
        let share_above = edges[above].shares[1];
        Edge {
            parent,
            column,
            depth: edges[parent].depth + 1,
            above: edges[above].depth,
            left: child == parent + 1,
            n_columns: edges[parent].n_columns + usize::from(above == 0),
            share,
            shares: [share_above, share_above * share],
            ..Edge::ROOT
        }
    }

    /// Fills the tables. A column's factor at t is z (1 − t) + t for rows that satisfy its edges and
    /// z (1 − t) for others; its contribution weighs w (1 − z) / factor, and −w z / factor. What the
    /// edge above has given already is taken off, because the sums there include this subtree.
    fn evaluate(&mut self, points: &[(f64, f64); POINTS]) {
        let [share_above, share] = self.shares;
        for (i, (t, weight)) in points.iter().enumerate() {
            let factor_above = share_above * (1.0 - t) + t;
            let factor = share * (1.0 - t) + t;
            let given = (1.0 - share_above) / factor_above;
            self.kept[i] = factor / factor_above;
            self.lost[i] = share * (1.0 - t) / factor_above;
            self.gain[i] = weight * ((1.0 - share) / factor - given);
            self.loss[i] = weight * (-1.0 / (1.0 - t) - given);
        }
    }
}

/// A tree with the edge that leads to each node, to be walked once for every [`POINTS`] points.
struct Walk<'a> {
    tree: &'a Tree,
    edges: Vec<Edge>,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a Tree) -> Walk<'a> {
        let mut edges = vec![Edge::ROOT; tree.nodes.len()];
        for (parent, node) in tree.nodes.iter().enumerate() {
            if let Rule::Threshold { feature, .. } | Rule::Categories { feature, .. } = node.rule {
                for child in [parent + 1, node.right as usize] {
                    edges[child] = Edge::new(&edges, tree, parent, child, feature);
                }
            }
        }
        Walk { tree, edges }
    }

    /// The points of exact quadrature: with D columns on a path the integrand has degree D − 1 at
    /// most, for which ⌈D / 2⌉ points suffice. Points without weight fill up the last walk. `rules`
    /// keeps the points by number.
    fn points<'r>(&self, rules: &'r mut Vec<Vec<(f64, f64)>>) -> &'r [(f64, f64)] {
        let most_columns = self
            .edges
            .iter()
            .map(|edge| edge.n_columns)
            .max()
            .unwrap_or(0);
        let n = most_columns.div_ceil(2);
        while rules.len() <= n {
            let mut points = gauss_legendre(rules.len());
            points.resize(points.len().next_multiple_of(POINTS), (0.5, 0.0));
            rules.push(points);
        }
        &rules[n]
    }
}

/// The state of a walk by depth of the path.
struct Scratch {
    path: [usize; DEPTHS],
    /// Rows that go left at the path's split.
    left: [Mask; DEPTHS],
    /// Rows that satisfy all splits on the column of the path's edge, down to it.
    satisfied: [Mask; DEPTHS],
    /// Product of the columns' factors.
    product: [[Lanes; POINTS]; DEPTHS],
    /// Sum of product × path length over the leaves of the subtree that have been visited.
    sum: [[Lanes; POINTS]; DEPTHS],
}

/// Depths that a path can have, from 0 to ⌈log₂ [`MAX_SAMPLES`]⌉.
const DEPTHS: usize = MAX_SAMPLES.ilog2() as usize + 1;

impl Scratch {
    fn new() -> Box<Scratch> {
        Box::new(Scratch {
            path: [0; DEPTHS],
            left: [[0; LANES]; DEPTHS],
            satisfied: [[u64::MAX; LANES]; DEPTHS],
            product: [[[1.0; LANES]; POINTS]; DEPTHS],
            sum: [[[0.0; LANES]; POINTS]; DEPTHS],
        })
    }
}

/// Adds the contributions of one walk to the sums of one block.
struct Visit<'a> {
    walk: &'a Walk<'a>,
    block: &'a mut Block,
    scratch: &'a mut Scratch,
}

impl Kernel for Visit<'_> {
    #[inline(always)]
    fn run(mut self) {
        for (node, content) in self.walk.tree.nodes.iter().enumerate() {
            let depth = self.walk.edges[node].depth;
            self.scratch.path[depth] = node;
            if node > 0 {
                self.enter(node);
            }
            if let Rule::Leaf { path_length } = content.rule {
                for i in 0..POINTS {
                    let product = self.scratch.product[depth][i];
                    self.scratch.sum[depth][i] = each_lane(|lane| product[lane] * path_length);
                }
                self.leave_whole_subtrees(node);
            } else {
                self.scratch.left[depth] = self.block.goes_left(self.walk.tree, node);
                self.scratch.sum[depth] = [[0.0; LANES]; POINTS];
            }
        }
    }
}

impl Visit<'_> {
    /// Goes down the edge to `node`.
    #[inline(always)]
    fn enter(&mut self, node: usize) {
        let Scratch {
            left,
            satisfied,
            product,
            ..
        } = &mut *self.scratch;
        let edge = &self.walk.edges[node];
        let depth = edge.depth;
        let (above, left, other_side) = (satisfied[edge.above], left[depth - 1], mask(!edge.left));
        let now = each_lane(|lane| above[lane] & (left[lane] ^ other_side));
        satisfied[depth] = now;
        let before = product[depth - 1];
        for (i, product) in product[depth].iter_mut().enumerate() {
            let (kept, lost, share) = (edge.kept[i], edge.lost[i], edge.share);
            *product = each_lane(|lane| {
                before[i][lane] * select(now[lane], kept, select(above[lane], lost, share))
            });
        }
    }

    /// Goes up from a leaf along every edge whose subtree is now complete.
    #[inline(always)]
    fn leave_whole_subtrees(&mut self, leaf: usize) {
        let Scratch {
            path,
            satisfied,
            sum,
            ..
        } = &mut *self.scratch;
        let mut node = leaf;
        while node > 0 {
            let edge = &self.walk.edges[node];
            let (depth, above) = (edge.depth, satisfied[edge.above]);
            let now = satisfied[depth];
            let (mut gained, mut lost) = ([0.0; LANES], [0.0; LANES]);
            let subtree = sum[depth];
            for (i, sum) in sum[depth - 1].iter_mut().enumerate() {
                let before = *sum;
                *sum = each_lane(|lane| before[lane] + subtree[i][lane]);
                gained = each_lane(|lane| gained[lane] + edge.gain[i] * subtree[i][lane]);
                lost = each_lane(|lane| lost[lane] + edge.loss[i] * subtree[i][lane]);
            }
            let before = self.block.sums[edge.column as usize];
            self.block.sums[edge.column as usize] = each_lane(|lane| {
                before[lane]
                    + select(
                        now[lane],
                        gained[lane],
                        select(above[lane], lost[lane], 0.0),
                    )
            });
            if edge.left {
                return;
            }
            node = path[depth - 1];
        }
    }
}

/// One number per row of a block.
type Lanes = [f64; LANES];

/// For each row of a block all bits, or none: the form in which a choice needs no branch.
type Mask = [u64; LANES];

/// The value for every lane, as a loop over plain arrays that compiles to vector instructions.
#[inline(always)]
fn each_lane<T: Copy + Default>(value: impl Fn(usize) -> T) -> [T; LANES] {
    let mut lanes = [T::default(); LANES];
    for (lane, place) in lanes.iter_mut().enumerate() {
        *place = value(lane);
    }
    lanes
}

#[inline(always)]
fn mask(chosen: bool) -> u64 {
    u64::from(chosen).wrapping_neg()
}

#[inline(always)]
fn select(mask: u64, chosen: f64, other: f64) -> f64 {
    f64::from_bits((chosen.to_bits() & mask) | (other.to_bits() & !mask))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iforest::IsolationForestParams;
    use crate::rng::Rng;
    use crate::{ColumnKind, Matrix};

    #[test]
    fn every_instruction_set_gives_the_same_values() {
        for seed in 0..20 {
            let mut rng = Rng::new(seed, 0);
            let mut value = |column| match rng.below(10) {
                0 => f64::NAN,
                _ if column == 2 => rng.below(6) as f64,
                _ => rng.normal(),
            };
            let values: Vec<f64> = (0..5 * 300).map(|i| value(i % 5)).collect();
            let mut kinds = vec![ColumnKind::Numeric; 5];
            kinds[2] = ColumnKind::Categorical { cardinality: 6 };
            let params = IsolationForestParams::new().n_estimators(9).seed(seed);
            let matrix = Matrix::unweighted(5, values.clone()).unwrap();
            let forest = params.column_kinds(kinds).fit(&matrix).unwrap();
            let run = |instructions| {
                let mut out = vec![0.0; 5 * 37];
                let rows = &values[..5 * 37];
                shapley_values(&forest.trees, rows, 5, forest.input, instructions, &mut out);
                out
            };
            let plain = run(Instructions::available()[0]);
            for instructions in Instructions::available() {
                assert!(run(instructions) == plain, "{instructions:?}, seed {seed}");
            }
        }
    }
}
