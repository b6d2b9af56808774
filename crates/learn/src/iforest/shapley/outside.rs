//! The walk of [`super`] for forests with novelty, in which oⱼ can be any number from 0 to 1.
//!
//! The path length of a row is 1 + s (1 for each further node that splits + c(events) of the leaf, as far as the row
//! survives), where s is the product over the columns of the probabilities to survive the first cuts. A column therefore
//! starts at the root with the factor (1 − t) + oⱼ t, where oⱼ is its probability to survive the first cut, and each
//! edge on the column multiplies oⱼ by the probability to survive the split, or sets it to 0 for rows on the other side.

use super::{Block, DEPTHS, LANES, Lanes, Mask, POINTS, Rules, Walk, each_lane, mask, select};
use crate::iforest::simd::{Instructions, Kernel};
use crate::iforest::tree::{Rule, Tree};

/// Adds to the blocks the contributions of one tree.
pub(super) fn add_contributions(
    tree: &Tree,
    blocks: &mut [Block],
    rules: &mut Rules,
    state: &mut State,
    instructions: Instructions,
) {
    let walk = Walk::new(tree);
    let n_path = walk.most_columns();
    for block in blocks {
        let first = FirstCuts::new(tree, block);
        // A row gets the points that it needs itself, so that its values do not depend on the other rows of its block.
        let walks = first.n_outside.map(|n| {
            (n_path + n)
                .min(block.columns.len())
                .div_ceil(2 * POINTS)
                .max(1)
        });
        for n_walks in 1..=walks.into_iter().max().unwrap_or(0) {
            let chosen = walks.map(|needed| mask(needed == n_walks));
            if chosen == [0; LANES] {
                continue;
            }
            for points in rules.exact(2 * POINTS * n_walks) {
                instructions.run(Visit {
                    walk: &walk,
                    points,
                    first: &first,
                    chosen,
                    block,
                    state,
                });
            }
        }
    }
}

/// The probabilities that the rows of a block survive the first cuts of a tree.
struct FirstCuts {
    /// One entry per column.
    survivals: Vec<Lanes>,
    /// The columns in which some row is outside.
    columns: Vec<usize>,
    /// The number of these columns of each row.
    n_outside: [usize; LANES],
}

impl FirstCuts {
    fn new(tree: &Tree, block: &Block) -> FirstCuts {
        let mut first = FirstCuts {
            survivals: vec![[1.0; LANES]; block.columns.len()],
            columns: Vec::new(),
            n_outside: [0; LANES],
        };
        if !tree.has_first_cuts() {
            return first;
        }
        for (column, (range, values)) in tree.sample.iter().zip(&block.columns).enumerate() {
            let survivals = values.map(|value| range.survival(value));
            if survivals != [1.0; LANES] {
                first.columns.push(column);
                for (n, survival) in first.n_outside.iter_mut().zip(survivals) {
                    *n += usize::from(survival < 1.0);
                }
                first.survivals[column] = survivals;
            }
        }
        first
    }

    /// Returns the factor of a column at the root.
    #[inline(always)]
    fn factor(&self, column: usize, t: f64) -> Lanes {
        let survivals = self.survivals[column];
        each_lane(|lane| match survivals[lane] {
            survival if survival < 1.0 => (1.0 - t) + survival * t,
            _ => 1.0,
        })
    }
}

/// The state of a walk, indexed by depth along the current path.
pub(super) struct State {
    /// The node at this depth.
    path: [usize; DEPTHS],
    /// The rows that go left at the split at this depth.
    left: [Mask; DEPTHS],
    /// The probability that a row survives the split at this depth.
    survival: [Lanes; DEPTHS],
    /// The factor oⱼ of the column of the edge to this depth, down to this depth.
    kept: [Lanes; DEPTHS],
    /// The inverse of the column's factor in the product.
    inverse: [[Lanes; POINTS]; DEPTHS],
    /// The product of the columns' factors.
    product: [[Lanes; POINTS]; DEPTHS],
    /// The sum of product × value over the visited nodes of the subtree.
    sum: [[Lanes; POINTS]; DEPTHS],
}

impl State {
    pub(super) fn new() -> Box<State> {
        Box::new(State {
            path: [0; DEPTHS],
            left: [[0; LANES]; DEPTHS],
            survival: [[1.0; LANES]; DEPTHS],
            kept: [[1.0; LANES]; DEPTHS],
            inverse: [[[1.0; LANES]; POINTS]; DEPTHS],
            product: [[[1.0; LANES]; POINTS]; DEPTHS],
            sum: [[[0.0; LANES]; POINTS]; DEPTHS],
        })
    }
}

/// Adds the contributions of one walk to the sums of the chosen rows of one block.
struct Visit<'a> {
    walk: &'a Walk<'a>,
    points: &'a [(f64, f64); POINTS],
    first: &'a FirstCuts,
    chosen: Mask,
    block: &'a mut Block,
    state: &'a mut State,
}

/// A column's factors before an edge.
struct Before {
    kept: Lanes,
    /// The product of the shares of the column's edges.
    share: f64,
    inverse: [Lanes; POINTS],
}

impl Kernel for Visit<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.start();
        for node in 0..self.walk.tree.nodes.len() {
            let depth = self.walk.edges[node].depth;
            self.state.path[depth] = node;
            if node > 0 {
                self.enter(node);
            }
            let value = value(self.walk.tree, node, depth);
            for i in 0..POINTS {
                let product = self.state.product[depth][i];
                self.state.sum[depth][i] = each_lane(|lane| product[lane] * value);
            }
            if self.walk.tree.nodes[node].right == 0 {
                self.leave_whole_subtrees(node);
            } else {
                self.state.left[depth] = self.block.goes_left(self.walk.tree, node);
                self.state.survival[depth] = self.survival(node);
            }
        }
        self.finish();
    }
}

/// Returns the number of splits by which a node lengthens the path of a row that reaches it. The first split is left
/// out, because it belongs to the path of every row.
fn value(tree: &Tree, node: usize, depth: usize) -> f64 {
    match (tree.nodes[node].rule, depth) {
        (Rule::Leaf { path_length }, 0) => (path_length - 1.0).max(0.0),
        (Rule::Leaf { path_length }, _) => path_length - depth as f64,
        (_, 0) => 0.0,
        _ => 1.0,
    }
}

impl Visit<'_> {
    /// Sets the product at the root.
    #[inline(always)]
    fn start(&mut self) {
        for (i, (t, _)) in self.points.iter().enumerate() {
            let mut product = [1.0; LANES];
            for &column in &self.first.columns {
                let factor = self.first.factor(column, *t);
                product = each_lane(|lane| product[lane] * factor[lane]);
            }
            self.state.product[0][i] = product;
        }
    }

    /// Returns the probability that each row survives the split of a node.
    #[inline(always)]
    fn survival(&self, node: usize) -> Lanes {
        match self.walk.tree.nodes[node].rule {
            Rule::Threshold { feature, .. } => {
                let range = self.walk.tree.ranges[node];
                let values = self.block.columns[feature as usize];
                each_lane(|lane| range.survival(values[lane]))
            }
            _ => [1.0; LANES],
        }
    }

    /// Returns the factors of the edge's column above the edge.
    #[inline(always)]
    fn before(&self, node: usize) -> Before {
        let edge = &self.walk.edges[node];
        if edge.above > 0 {
            return Before {
                kept: self.state.kept[edge.above],
                share: edge.shares[0],
                inverse: self.state.inverse[edge.above],
            };
        }
        let column = edge.column as usize;
        let mut before = Before {
            kept: self.first.survivals[column],
            share: 1.0,
            inverse: [[1.0; LANES]; POINTS],
        };
        if before.kept != [1.0; LANES] {
            for (inverse, (t, _)) in before.inverse.iter_mut().zip(self.points) {
                let factor = self.first.factor(column, *t);
                *inverse = each_lane(|lane| 1.0 / factor[lane]);
            }
        }
        before
    }

    /// Goes down the edge to `node`.
    #[inline(always)]
    fn enter(&mut self, node: usize) {
        let edge = &self.walk.edges[node];
        let depth = edge.depth;
        let before = self.before(node);
        let (left, other_side) = (self.state.left[depth - 1], mask(!edge.left));
        let survival = self.state.survival[depth - 1];
        let kept = each_lane(|lane| {
            select(
                left[lane] ^ other_side,
                before.kept[lane] * survival[lane],
                0.0,
            )
        });
        self.state.kept[depth] = kept;
        for (i, (t, _)) in self.points.iter().enumerate() {
            let share = edge.shares[1] * (1.0 - t);
            let above = self.state.product[depth - 1][i];
            let factor = each_lane(|lane| share + kept[lane] * t);
            self.state.inverse[depth][i] = each_lane(|lane| 1.0 / factor[lane]);
            self.state.product[depth][i] =
                each_lane(|lane| above[lane] * (factor[lane] * before.inverse[i][lane]));
        }
    }

    /// Goes up from a leaf along every edge whose subtree is complete.
    #[inline(always)]
    fn leave_whole_subtrees(&mut self, leaf: usize) {
        let mut node = leaf;
        while node > 0 {
            let edge = &self.walk.edges[node];
            let (depth, share) = (edge.depth, edge.shares[1]);
            let before = self.before(node);
            let kept = self.state.kept[depth];
            let mut gained = [0.0; LANES];
            for (i, (_, weight)) in self.points.iter().enumerate() {
                let (subtree, inverse) = (self.state.sum[depth][i], self.state.inverse[depth][i]);
                let above = self.state.sum[depth - 1][i];
                self.state.sum[depth - 1][i] = each_lane(|lane| above[lane] + subtree[lane]);
                gained = each_lane(|lane| {
                    let now = (kept[lane] - share) * inverse[lane];
                    let given = (before.kept[lane] - before.share) * before.inverse[i][lane];
                    gained[lane] + weight * (now - given) * subtree[lane]
                });
            }
            self.add(edge.column as usize, gained);
            if edge.left {
                return;
            }
            node = self.state.path[depth - 1];
        }
    }

    /// Adds what the columns contribute by the first cuts.
    #[inline(always)]
    fn finish(&mut self) {
        for &column in &self.first.columns {
            let survival = self.first.survivals[column];
            let mut gained = [0.0; LANES];
            for (i, (t, weight)) in self.points.iter().enumerate() {
                let (factor, all) = (self.first.factor(column, *t), self.state.sum[0][i]);
                gained = each_lane(|lane| {
                    gained[lane] + weight * ((survival[lane] - 1.0) / factor[lane]) * all[lane]
                });
            }
            self.add(column, gained);
        }
    }

    /// Adds to a column's contributions of the chosen rows.
    #[inline(always)]
    fn add(&mut self, column: usize, gained: Lanes) {
        let before = self.block.sums[column];
        self.block.sums[column] =
            each_lane(|lane| before[lane] + select(self.chosen[lane], gained[lane], 0.0));
    }
}
