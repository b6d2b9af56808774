//! Exact Shapley values of the path length.
//!
//! For one tree and a set S of columns, let f(S) be the expected path length of a row of which only
//! the columns in S are known. At a split on another column the row takes both branches, in
//! proportion to their numbers of training events (the path-dependent expectation of TreeSHAP;
//! Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for
//! trees"). A leaf with path length v contributes v ∏ⱼ (j ∈ S ? oⱼ : zⱼ) to f(S), where j runs over
//! the columns on its path. Here oⱼ is 1 if the row satisfies all of the path's splits on j and 0
//! otherwise, and zⱼ is the product of the branches' shares of events at those splits. Because the
//! Shapley weights are Beta integrals, the leaf's contribution to the Shapley value of column i is
//!
//! φᵢ = v (oᵢ − zᵢ) ∫₀¹ ∏_{j≠i} (zⱼ (1 − t) + oⱼ t) dt,
//!
//! where the integrand is a polynomial that Gauss–Legendre quadrature integrates exactly. At a
//! fixed t every leaf's product is a product along its path, so one walk over the tree serves all
//! its leaves (the idea of Linear TreeSHAP; Yu et al. 2022). All factors of these products are
//! positive or zero, so no digits are lost by cancellation.
//!
//! With novelty (see [`super::novelty`]), a column that is known also shortens the path by what lies outside in it. The
//! path length is a sum over nodes, each of which counts if the row reaches it: 1 for a node that splits and c(events)
//! for a leaf. oⱼ is then the probability that the row survives the cuts in column j, in the first step and at the splits
//! down to the node. A column that is not known makes no cut that could separate the row, so that z stays as it is.
//! This case has a walk of its own in [`outside`].
//!
//! The walk handles [`LANES`] rows at once. A column that splits a path again replaces its factor
//! in the product. An edge therefore stores the ratio of the new factor to the old one for two
//! kinds of rows: those that still satisfy the path's splits on the column, and those for which
//! this edge is the first that they fail. Rows that failed an earlier edge of the column multiply
//! by the edge's share of events.

mod outside;

use super::quadrature::gauss_legendre;
use super::simd::{Instructions, Kernel};
use super::tree::{Rule, Tree};
use super::{InputPrecision, MAX_SAMPLES};
use crate::monitor;

/// The number of rows that one walk handles.
const LANES: usize = 16;

/// The number of quadrature points that one walk evaluates.
const POINTS: usize = 4;

/// Writes to `out` (row-major) the Shapley value of the path length for each row and column, in
/// splits and summed over the trees. The trees must split on thresholds and categories only.
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
    let mut state = outside::State::new();
    let mut rules = Rules::default();
    for tree in trees {
        monitor::check();
        if !tree.is_plain() {
            outside::add_contributions(tree, &mut blocks, &mut rules, &mut state, instructions);
            continue;
        }
        let mut walk = Walk::new(tree);
        for points in rules.exact(walk.most_columns()) {
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

/// A block of up to [`LANES`] rows; the last row is repeated to fill it.
struct Block {
    /// The values, row-major.
    rows: Vec<f64>,
    /// The same values, one entry per column.
    columns: Vec<Lanes>,
    /// The contributions accumulated so far, one entry per column, in splits.
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

    /// Returns, for each row, whether it goes left at a split.
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

/// An edge of the tree and its effect on rows that satisfy all splits on its column so far, and on
/// rows that do not. The tables have one entry per quadrature point.
#[derive(Clone)]
struct Edge {
    /// The node that the edge comes from.
    parent: usize,
    /// The column that the node splits.
    column: u32,
    /// The depth of the node that the edge leads to.
    depth: usize,
    /// The depth below the nearest edge higher up with the same column; 0 when there is none.
    above: usize,
    /// Whether the edge leads to the left child.
    left: bool,
    /// The number of distinct columns on the path down to and including this edge.
    n_columns: usize,
    /// The edge's share of the parent's events.
    share: f64,
    /// The product of the shares of all edges of the column from the root, without and with this
    /// edge.
    shares: [f64; 2],
    /// The factor of the path's product, for rows that satisfy this edge and those above it.
    kept: [f64; POINTS],
    /// The same, for rows that satisfy the edges above but not this one.
    lost: [f64; POINTS],
    /// The weight of the subtree's sum in the column's contribution, for rows that satisfy this
    /// edge and those above it.
    gain: [f64; POINTS],
    /// The same, for rows that satisfy the edges above but not this one.
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

    /// Creates the edge from `parent` to `child`, with empty tables.
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

    /// Fills the tables. A column's factor at t is z (1 − t) + t for rows that satisfy its edges,
    /// and z (1 − t) for others. Its contribution has the weight w (1 − z) / factor for the former
    /// and −w z / factor for the latter. The weight given by the edge above is subtracted, because
    /// the sums there include this subtree.
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

/// A tree with the edge that leads to each node. It is walked once per [`POINTS`] quadrature
/// points.
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

    /// Returns the number of distinct columns on the path with the most of them.
    fn most_columns(&self) -> usize {
        self.edges
            .iter()
            .map(|edge| edge.n_columns)
            .max()
            .unwrap_or(0)
    }
}

/// The quadrature rules used so far, by number of points.
#[derive(Default)]
struct Rules(Vec<Vec<(f64, f64)>>);

impl Rules {
    /// Returns the points and weights of an exact quadrature, [`POINTS`] at a time. With `n_columns` on a path the
    /// integrand has degree `n_columns` − 1 or less, for which ⌈`n_columns` / 2⌉ points suffice. Points of weight 0 fill
    /// up the last walk.
    fn exact(&mut self, n_columns: usize) -> &[[(f64, f64); POINTS]] {
        let n = n_columns.div_ceil(2);
        while self.0.len() <= n {
            let mut points = gauss_legendre(self.0.len());
            points.resize(points.len().next_multiple_of(POINTS), (0.5, 0.0));
            self.0.push(points);
        }
        self.0[n].as_chunks().0
    }
}

/// The state of a walk, indexed by depth along the current path.
struct Scratch {
    /// The node at this depth.
    path: [usize; DEPTHS],
    /// The rows that go left at the split at this depth.
    left: [Mask; DEPTHS],
    /// The rows that satisfy all splits on the column of the edge to this depth, down to this
    /// depth.
    satisfied: [Mask; DEPTHS],
    /// The product of the columns' factors.
    product: [[Lanes; POINTS]; DEPTHS],
    /// The sum of product × path length over the visited leaves of the subtree.
    sum: [[Lanes; POINTS]; DEPTHS],
}

/// The number of possible depths, from 0 to ⌈log₂ [`MAX_SAMPLES`]⌉.
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

    /// Goes up from a leaf along every edge whose subtree is complete.
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

/// For each row of a block, all bits or none, so that a choice needs no branch.
type Mask = [u64; LANES];

/// Computes a value for each lane, as a loop over plain arrays that compiles to vector
/// instructions.
#[inline(always)]
fn each_lane<T: Copy + Default>(value: impl Fn(usize) -> T) -> [T; LANES] {
    let mut lanes = [T::default(); LANES];
    for (lane, place) in lanes.iter_mut().enumerate() {
        *place = value(lane);
    }
    lanes
}

/// Returns all bits if `chosen`, else none.
#[inline(always)]
fn mask(chosen: bool) -> u64 {
    u64::from(chosen).wrapping_neg()
}

/// Returns `chosen` where the bits of `mask` are set, and `other` elsewhere.
#[inline(always)]
fn select(mask: u64, chosen: f64, other: f64) -> f64 {
    f64::from_bits((chosen.to_bits() & mask) | (other.to_bits() & !mask))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iforest::{IsolationForestParams, Novelty};
    use crate::rng::Rng;
    use crate::{ColumnKind, Matrix};

    #[test]
    fn every_instruction_set_gives_the_same_values() {
        for seed in 0..20 {
            let novelty = [Novelty::Plain, Novelty::Range][seed as usize % 2];
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
            let params = params.novelty(novelty);
            let matrix = Matrix::unweighted(5, values.clone()).unwrap();
            let forest = params.column_kinds(kinds).fit(&matrix).unwrap();
            let run = |instructions| {
                let mut out = vec![0.0; 5 * 37];
                let mut rows = values[..5 * 37].to_vec();
                rows.iter_mut().step_by(7).for_each(|value| *value *= 9.0);
                shapley_values(
                    &forest.trees,
                    &rows,
                    5,
                    forest.input,
                    instructions,
                    &mut out,
                );
                out
            };
            let plain = run(Instructions::available()[0]);
            for instructions in Instructions::available() {
                assert!(run(instructions) == plain, "{instructions:?}, seed {seed}");
            }
        }
    }
}
