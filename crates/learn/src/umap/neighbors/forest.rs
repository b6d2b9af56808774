//! Random trees that put near points into the same leaf (Dasgupta & Freund 2008, "Random projection
//! trees and low dimensional manifolds").
//!
//! Every node draws two of its points and splits at the median of the difference of the distances
//! to them. This requires nothing but distances.

use rayon::prelude::*;

use super::part::Part;
use crate::monitor;
use crate::umap::draws::Draws;
use crate::umap::space::Sum;

/// The number of trees of a forest.
const TREES: u64 = 8;
/// The maximum number of points of a leaf.
const LEAF: usize = 32;
/// The maximum number of pairs that are drawn to find two points that differ.
const TRIALS: usize = 8;

/// Several trees over the same points.
#[derive(Clone, Debug)]
pub(in crate::umap) struct Forest {
    trees: Vec<Tree>,
}

#[derive(Clone, Debug)]
struct Tree {
    /// The number of levels below the root.
    depth: u32,
    /// The splits, in breadth-first order.
    splits: Vec<Split>,
    /// The indices of the points, leaf by leaf.
    ids: Vec<u32>,
}

/// A split. Points whose key to `a` minus their key to `b` is below the threshold go left.
#[derive(Clone, Copy, Debug, Default)]
struct Split {
    a: u32,
    b: u32,
    threshold: f64,
}

/// Points, row-major, and their norm.
#[derive(Clone, Copy)]
pub(in crate::umap) struct Points<'a, S> {
    pub values: &'a [f64],
    pub width: usize,
    pub sum: S,
}

impl<'a, S: Sum> Points<'a, S> {
    /// Returns the number of points.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Returns the coordinates of a point.
    #[inline(always)]
    pub fn get(&self, id: u32) -> &'a [f64] {
        &self.values[id as usize * self.width..][..self.width]
    }

    /// Returns the key of two of the points.
    #[inline(always)]
    pub fn key(&self, a: u32, b: u32) -> f64 {
        self.sum.key(self.get(a), self.get(b))
    }
}

impl Forest {
    /// Grows the trees in parallel.
    pub fn grow<S: Sum>(points: Points<S>, seed: u64) -> Forest {
        let trees = (0..TREES).into_par_iter();
        Forest {
            trees: trees.map(|tree| Tree::grow(points, seed ^ tree)).collect(),
        }
    }

    /// Returns, for each tree, its leaves.
    pub fn leaves(&self) -> impl Iterator<Item = Vec<&[u32]>> {
        self.trees.iter().map(Tree::leaves)
    }

    /// Returns, for each tree, the leaf that the point falls into.
    pub fn leaves_of<S: Sum>(
        &self,
        points: Points<S>,
        point: &[f64],
    ) -> impl Iterator<Item = &[u32]> {
        self.trees
            .iter()
            .map(move |tree| tree.leaf_of(points, point))
    }
}

impl Tree {
    fn grow<S: Sum>(points: Points<S>, seed: u64) -> Tree {
        let n = points.len();
        let depth = Part::depth(n, LEAF);
        let mut tree = Tree {
            depth,
            splits: vec![Split::default(); (1 << depth) - 1],
            ids: Vec::new(),
        };
        let mut members: Vec<(f64, u32)> = (0..n as u32).map(|id| (0.0, id)).collect();
        tree.split(points, seed, Part::root(n), depth, &mut members);
        tree.ids = members.into_iter().map(|member| member.1).collect();
        tree
    }

    /// Splits the members of a part recursively, arranging them by leaf.
    fn split<S: Sum>(
        &mut self,
        points: Points<S>,
        seed: u64,
        part: Part,
        depth: u32,
        members: &mut [(f64, u32)],
    ) {
        monitor::check();
        let own = &mut members[part.start..part.end];
        if depth == 0 {
            own.sort_unstable_by_key(|member| member.1);
            return;
        }
        let (a, b) = pivots(points, own, Draws::new(seed, 0, part.node as u64));
        for (side, id) in own.iter_mut() {
            *side = points.key(*id, a) - points.key(*id, b);
        }
        let middle = own.len() / 2;
        let by_side = |x: &(f64, u32), y: &(f64, u32)| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1));
        let (_, median, _) = own.select_nth_unstable_by(middle, by_side);
        let threshold = median.0;
        self.splits[part.node] = Split { a, b, threshold };
        let (left, right) = part.halves();
        self.split(points, seed, left, depth - 1, members);
        self.split(points, seed, right, depth - 1, members);
    }

    fn leaves(&self) -> Vec<&[u32]> {
        let mut parts = vec![Part::root(self.ids.len())];
        for _ in 0..self.depth {
            parts = parts
                .into_iter()
                .flat_map(|part| <[Part; 2]>::from(part.halves()))
                .collect();
        }
        parts
            .into_iter()
            .map(|part| &self.ids[part.start..part.end])
            .collect()
    }

    fn leaf_of<S: Sum>(&self, points: Points<S>, point: &[f64]) -> &[u32] {
        let mut part = Part::root(self.ids.len());
        for _ in 0..self.depth {
            let Split { a, b, threshold } = self.splits[part.node];
            let to = |id| points.sum.key(point, points.get(id));
            let (left, right) = part.halves();
            part = if to(a) - to(b) < threshold {
                left
            } else {
                right
            };
        }
        &self.ids[part.start..part.end]
    }
}

/// Returns two members, which differ if such a pair is found in [`TRIALS`] attempts.
fn pivots<S: Sum>(points: Points<S>, members: &[(f64, u32)], mut draws: Draws) -> (u32, u32) {
    let mut pair = (members[0].1, members[0].1);
    for _ in 0..TRIALS {
        let [a, b] = draws.pair_below(members.len() as u32);
        pair = (members[a as usize].1, members[b as usize].1);
        if points.key(pair.0, pair.1) > 0.0 {
            break;
        }
    }
    pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::umap::space::Squares;

    #[test]
    fn every_point_is_in_one_leaf_of_each_tree_and_is_found_there() {
        let values: Vec<f64> = (0..2000).map(|i| Draws::new(5, 0, i).signed()).collect();
        let points = Points {
            values: &values,
            width: 2,
            sum: Squares,
        };
        let forest = Forest::grow(points, 3);
        for leaves in forest.leaves() {
            assert!(leaves.iter().all(|leaf| leaf.len() <= LEAF));
            let mut ids = leaves.concat();
            ids.sort_unstable();
            assert_eq!(ids, (0..1000).collect::<Vec<_>>());
        }
        for id in 0..1000 {
            let mut leaves = forest.leaves_of(points, points.get(id));
            assert!(leaves.all(|leaf| leaf.contains(&id)));
        }
    }
}
