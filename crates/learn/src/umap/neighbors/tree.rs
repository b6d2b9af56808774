//! Exact neighbours by a k-d tree (Friedman, Bentley & Finkel 1977) of bounding boxes.
//!
//! The tree is complete: every leaf has the same depth and holds between [`LEAF`]/2 and [`LEAF`]
//! points. With up to [`LEAF`] points the tree is a single leaf, and a search compares with every
//! point.

use super::nearest::Nearest;
use super::part::Part;
use crate::monitor;
use crate::umap::space::{Norm, Sum, with_sum};

/// The maximum number of points of a leaf.
const LEAF: usize = 32;
/// The number of points that are compared at once, chosen for vector instructions.
const LANES: usize = 8;

/// A k-d tree of points.
#[derive(Clone, Debug)]
pub(in crate::umap) struct KdTree {
    norm: Norm,
    /// The number of coordinates per point.
    width: usize,
    /// The number of levels below the root.
    depth: u32,
    /// For each leaf, tiles of [`LANES`] points with one entry per coordinate.
    tiles: Vec<[f64; LANES]>,
    /// The indices of the points, leaf by leaf.
    ids: Vec<u32>,
    /// For each inner node in breadth-first order, the bounding boxes of its halves, with one entry
    /// per coordinate.
    boxes: Vec<Sides>,
}

/// The bounds of two boxes in one coordinate.
#[derive(Clone, Copy, Debug)]
struct Sides {
    low: [f64; 2],
    high: [f64; 2],
}

impl Sides {
    const NOTHING: Sides = Sides {
        low: [f64::INFINITY; 2],
        high: [f64::NEG_INFINITY; 2],
    };
}

impl KdTree {
    /// Builds the tree of `points`, which have `width` coordinates each.
    pub fn new(norm: Norm, width: usize, points: &[f64]) -> KdTree {
        let n = points.len() / width;
        let depth = Part::depth(n, LEAF);
        let mut tree = KdTree {
            norm,
            width,
            depth,
            tiles: vec![[0.0; LANES]; ((LEAF / LANES) << depth) * width],
            ids: (0..n as u32).collect(),
            boxes: vec![Sides::NOTHING; ((1 << depth) - 1) * width],
        };
        let mut ids = std::mem::take(&mut tree.ids);
        tree.build(Part::root(n), depth, points, &mut ids);
        tree.ids = ids;
        tree
    }

    fn build(&mut self, part: Part, depth: u32, points: &[f64], ids: &mut [u32]) {
        monitor::check();
        let members = &mut ids[part.start..part.end];
        if depth == 0 {
            members.sort_unstable();
            self.fill_leaf(part, points, members);
            return;
        }
        let widest = widest(self.width, points, members);
        let at = |id: u32| points[id as usize * self.width + widest];
        let middle = members.len() / 2;
        members.select_nth_unstable_by(middle, |&a, &b| at(a).total_cmp(&at(b)).then(a.cmp(&b)));
        self.measure(part.node, points, members.split_at(middle));
        let (left, right) = part.halves();
        self.build(left, depth - 1, points, ids);
        self.build(right, depth - 1, points, ids);
    }

    /// Computes the bounding boxes of a node's halves.
    fn measure(&mut self, node: usize, points: &[f64], halves: (&[u32], &[u32])) {
        let boxes = &mut self.boxes[node * self.width..][..self.width];
        for (half, members) in [halves.0, halves.1].into_iter().enumerate() {
            for &id in members {
                let point = &points[id as usize * self.width..][..self.width];
                for (sides, &value) in boxes.iter_mut().zip(point) {
                    sides.low[half] = sides.low[half].min(value);
                    sides.high[half] = sides.high[half].max(value);
                }
            }
        }
    }

    /// Copies the points of a leaf to its tiles.
    fn fill_leaf(&mut self, leaf: Part, points: &[f64], members: &[u32]) {
        let first = self.first_tile(leaf);
        let tiles = self.tiles[first..].chunks_exact_mut(self.width);
        for (tile, members) in tiles.zip(members.chunks(LANES)) {
            for (c, values) in tile.iter_mut().enumerate() {
                for (value, &id) in values.iter_mut().zip(members) {
                    *value = points[id as usize * self.width + c];
                }
            }
        }
    }

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the indices of the points in the order of the leaves. Consecutive searches in this
    /// order access the same memory.
    pub fn order(&self) -> &[u32] {
        &self.ids
    }

    /// Offers to `nearest` every point that could be among the nearest. Returns the number of
    /// points that `point` was compared with.
    pub fn search(&self, point: &[f64], nearest: &mut Nearest) -> usize {
        let root = Part::root(self.len());
        with_sum!(self.norm, sum => self.visit(root, self.depth, &Search { point, sum }, nearest))
    }

    /// Searches the part of the tree below a node.
    fn visit<S: Sum>(
        &self,
        part: Part,
        depth: u32,
        search: &Search<S>,
        nearest: &mut Nearest,
    ) -> usize {
        if depth == 0 {
            return self.visit_leaf(part, search, nearest);
        }
        let (left, right) = part.halves();
        let [to_left, to_right] = self.to_boxes(part.node, search);
        let mut halves = [(to_left, left), (to_right, right)];
        if to_right < to_left {
            halves.swap(0, 1);
        }
        let mut compared = 0;
        for (bound, half) in halves {
            // A point exactly at the bound can still win by its index.
            if bound <= nearest.worst() {
                compared += self.visit(half, depth - 1, search, nearest);
            }
        }
        compared
    }

    /// Returns the smallest keys that points in the boxes of a node's two halves can have. The
    /// bounds are summed like keys, so that rounding cannot make them greater than a key.
    #[inline(always)]
    fn to_boxes<S: Sum>(&self, node: usize, search: &Search<S>) -> [f64; 2] {
        let boxes = &self.boxes[node * self.width..][..self.width];
        let mut keys = [0.0; 2];
        for (sides, &x) in boxes.iter().zip(search.point) {
            let (low, high) = (sides.low.iter(), sides.high.iter());
            for (key, (low, high)) in keys.iter_mut().zip(low.zip(high)) {
                let (below, above) = (low - x, x - high);
                let outside = if below > above { below } else { above };
                let outside = if outside > 0.0 { outside } else { 0.0 };
                *key = search.sum.add(*key, outside);
            }
        }
        keys
    }

    /// Compares with every point of a leaf.
    fn visit_leaf<S: Sum>(&self, part: Part, search: &Search<S>, nearest: &mut Nearest) -> usize {
        let ids = &self.ids[part.start..part.end];
        let tiles = &self.tiles[self.first_tile(part)..];
        for (tile, ids) in tiles.chunks_exact(self.width).zip(ids.chunks(LANES)) {
            let mut keys = [0.0; LANES];
            for (values, &x) in tile.iter().zip(search.point) {
                for (key, value) in keys.iter_mut().zip(values) {
                    *key = search.sum.add(*key, x - value);
                }
            }
            for (&key, &id) in keys.iter().zip(ids) {
                nearest.offer(key, id);
            }
        }
        ids.len()
    }

    /// Returns the index of the first tile of a leaf.
    fn first_tile(&self, leaf: Part) -> usize {
        let number = leaf.node + 1 - (1 << self.depth);
        number * (LEAF / LANES) * self.width
    }
}

/// Returns the coordinate in which the points have the greatest extent.
fn widest(width: usize, points: &[f64], members: &[u32]) -> usize {
    let extent = |c: usize| {
        let values = members.iter().map(|&id| points[id as usize * width + c]);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        high - low
    };
    let extents: Vec<f64> = (0..width).map(extent).collect();
    let wider = |best, c: usize| if extents[c] > extents[best] { c } else { best };
    (1..width).fold(0, wider)
}

/// The searched point and the norm.
struct Search<'a, S> {
    point: &'a [f64],
    sum: S,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute_force(norm: Norm, points: &[f64], point: &[f64], k: usize) -> Vec<(f64, u32)> {
        let key = |p: &[f64]| with_sum!(norm, sum => point.iter().zip(p).fold(0.0, |key, (x, y)| sum.add(key, x - y)));
        let keys = points.chunks_exact(point.len()).map(key);
        let mut keys: Vec<(f64, u32)> = keys.zip(0..).collect();
        keys.sort_by(|a, b| a.partial_cmp(b).unwrap());
        keys.truncate(k);
        keys
    }

    proptest! {
        /// Whole numbers produce ties, which the tree must break as brute force does.
        #[test]
        fn finds_what_brute_force_finds(
            width in 1..5usize,
            values in prop::collection::vec(-4..4i8, 1..1200),
            point in prop::collection::vec(-5.0..5.0f64, 5),
            k in 1..20usize,
        ) {
            let n = values.len() / width;
            prop_assume!(n > 0);
            let points: Vec<f64> = values[..n * width].iter().map(|v| f64::from(*v)).collect();
            let point = &point[..width];
            for norm in [Norm::Squares, Norm::Absolutes, Norm::Maximum] {
                let mut nearest = Nearest::new(k, None);
                KdTree::new(norm, width, &points).search(point, &mut nearest);
                prop_assert_eq!(nearest.found(), brute_force(norm, &points, point, k));
            }
        }
    }

    #[test]
    fn most_points_are_not_looked_at_in_two_dimensions() {
        let points: Vec<f64> = (0..100)
            .flat_map(|x| (0..100).flat_map(move |y| [f64::from(x), f64::from(y)]))
            .collect();
        let tree = KdTree::new(Norm::Squares, 2, &points);
        assert!(tree.search(&[50.2, 49.9], &mut Nearest::new(10, None)) < 500);
    }
}
