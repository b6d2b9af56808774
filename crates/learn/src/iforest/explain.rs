//! Why a row has its score: exact Shapley values of the path length.
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

use rayon::prelude::*;

use super::quadrature::gauss_legendre;
use super::simd::{Instructions, Kernel};
use super::tree::{Rule, Tree};
use super::{InputPrecision, IsolationForest, MAX_SAMPLES, ScoreError};

/// Why a row has its score: the contribution of every column to its normalised path length.
///
/// The normalised path length of a row is −log₂ of its score. `base` plus the contributions is
/// exactly it, up to rounding. A negative contribution shortens the path: it makes the row more
/// anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// One contribution per column, in units of c(max_samples).
    pub contributions: Vec<f64>,
    /// The mean normalised path length of the events that the trees were grown on.
    pub base: f64,
}

impl Explanation {
    /// `base` plus all contributions: the row's normalised path length, −log₂ of its score.
    pub fn normalised_path_length(&self) -> f64 {
        self.base + self.contributions.iter().sum::<f64>()
    }
}

/// Why a score cannot be explained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// Rows that the forest cannot score.
    #[error(transparent)]
    Rows(#[from] ScoreError),
    /// A split on a plane belongs to no single column.
    #[error(
        "a forest of extension level {level} splits on several columns at once, which have no \
         contributions of their own; only forests of extension level 0 explain their scores"
    )]
    Extended {
        /// The forest's extension level.
        level: usize,
    },
}

/// Rows per task of the thread pool, enough to outweigh preparing the trees.
const ROWS_PER_TASK: usize = 512;

/// Rows that one walk handles at once.
const LANES: usize = 16;

/// Quadrature points that one walk evaluates.
const POINTS: usize = 4;

impl IsolationForest {
    /// Explains the score of one row.
    ///
    /// # Errors
    /// When the row has another number of values than the forest has columns, or the forest is
    /// extended.
    pub fn explain(&self, row: &[f64]) -> Result<Explanation, ExplainError> {
        self.check_rows(row, 1)?;
        Ok(Explanation {
            contributions: self.explain_rows(row)?,
            base: self.base()?,
        })
    }

    /// The contributions of every column to the normalised path length of every row, row-major: what
    /// [`explain`](Self::explain) gives for each row, for many rows at once.
    ///
    /// # Errors
    /// As [`explain`](Self::explain).
    pub fn explain_rows(&self, rows: &[f64]) -> Result<Vec<f64>, ExplainError> {
        self.check_rows(rows, rows.len() / self.n_features)?;
        self.check_axis_parallel()?;
        let mut contributions = vec![0.0; rows.len()];
        let chunk = ROWS_PER_TASK * self.n_features;
        contributions
            .par_chunks_mut(chunk)
            .zip(rows.par_chunks(chunk))
            .for_each(|(out, rows)| {
                self.explain_chunk(rows, out);
            });
        Ok(contributions)
    }

    /// The mean normalised path length of the events that the trees were grown on: what an
    /// explanation starts from.
    ///
    /// # Errors
    /// When the forest is extended.
    pub fn base(&self) -> Result<f64, ExplainError> {
        self.check_axis_parallel()?;
        let means = self.trees.iter().map(|tree| {
            let leaves = tree.nodes.iter().filter_map(|node| match node.rule {
                Rule::Leaf { path_length } => Some(path_length * f64::from(node.events)),
                _ => None,
            });
            leaves.sum::<f64>() / f64::from(tree.nodes[0].events)
        });
        Ok(self.normalised()(
            means.sum::<f64>() / self.trees.len() as f64,
        ))
    }

    fn check_axis_parallel(&self) -> Result<(), ExplainError> {
        match self.params.extension_level {
            0 => Ok(()),
            level => Err(ExplainError::Extended { level }),
        }
    }

    fn explain_chunk(&self, rows: &[f64], out: &mut [f64]) {
        let mut blocks: Vec<Block> = rows
            .chunks(LANES * self.n_features)
            .map(|rows| Block::new(rows, self.n_features, self.input))
            .collect();
        let instructions = Instructions::best();
        let mut scratch = Scratch::new();
        for tree in &self.trees {
            for walk in Walk::of(tree) {
                for block in &mut blocks {
                    instructions.run(Visit {
                        walk: &walk,
                        block,
                        scratch: &mut scratch,
                    });
                }
            }
        }
        let scale = self.normalised()(1.0) / self.trees.len() as f64;
        for (i, value) in out.iter_mut().enumerate() {
            let (row, column) = (i / self.n_features, i % self.n_features);
            *value = blocks[row / LANES].sums[column][row % LANES] * scale;
        }
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
    fn evaluate(&mut self, points: &[(f64, f64)]) {
        let [share_above, share] = self.shares;
        for (i, &(t, weight)) in points.iter().enumerate() {
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

/// One walk over a tree, for [`POINTS`] quadrature points.
struct Walk<'a> {
    tree: &'a Tree,
    /// The edge that leads to each node.
    edges: Vec<Edge>,
}

impl<'a> Walk<'a> {
    /// The walks that together integrate exactly: with D columns on a path the integrand has degree
    /// D − 1 at most, for which ⌈D / 2⌉ points suffice. Points without weight fill up the last walk.
    fn of(tree: &'a Tree) -> Vec<Walk<'a>> {
        let mut edges = vec![Edge::ROOT; tree.nodes.len()];
        for (parent, node) in tree.nodes.iter().enumerate() {
            if let Rule::Threshold { feature, .. } | Rule::Categories { feature, .. } = node.rule {
                for child in [parent + 1, node.right as usize] {
                    edges[child] = Edge::new(&edges, tree, parent, child, feature);
                }
            }
        }
        let most_columns = edges.iter().map(|edge| edge.n_columns).max().unwrap_or(0);
        let mut points = gauss_legendre(most_columns.div_ceil(2));
        points.resize(points.len().next_multiple_of(POINTS), (0.5, 0.0));
        let walks = points.chunks_exact(POINTS).map(|points| {
            let mut edges = edges.clone();
            edges
                .iter_mut()
                .skip(1)
                .for_each(|edge| edge.evaluate(points));
            Walk { tree, edges }
        });
        walks.collect()
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
