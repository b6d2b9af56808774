//! Exact neighbours by a k-d tree (Friedman, Bentley & Finkel 1977) of bounding boxes.
//!
//! The tree is complete: every leaf is at the same depth and holds between [`LEAF`]/2 and [`LEAF`]
//! points. With up to [`LEAF`] points it is one leaf, and a search compares with every point.

use super::nearest::Nearest;
use crate::umap::space::Norm;

/// The most points of a leaf.
const LEAF: usize = 32;

/// Points arranged for searching.
#[derive(Clone, Debug)]
pub(in crate::umap) struct KdTree {
    norm: Norm,
    width: usize,
    depth: u32,
    /// Leaf by leaf; within a leaf coordinate by coordinate.
    values: Vec<f64>,
    /// The points' numbers, leaf by leaf.
    ids: Vec<u32>,
    /// For each node, in breadth-first order, the least and then the greatest coordinates below it.
    boxes: Vec<f64>,
}

/// A part of the tree: a node and the points below it, as places in `ids`.
#[derive(Clone, Copy)]
struct Part {
    node: usize,
    start: usize,
    end: usize,
}

impl Part {
    fn len(self) -> usize {
        self.end - self.start
    }

    fn halves(self) -> (Part, Part) {
        let middle = self.start + self.len() / 2;
        let (left, right) = (2 * self.node + 1, 2 * self.node + 2);
        (
            Part {
                node: left,
                end: middle,
                ..self
            },
            Part {
                node: right,
                start: middle,
                ..self
            },
        )
    }
}

impl KdTree {
    /// The tree of `points`, `width` coordinates each.
    pub fn new(norm: Norm, width: usize, points: &[f64]) -> KdTree {
        let n = points.len() / width;
        let depth = n.div_ceil(LEAF).next_power_of_two().trailing_zeros();
        let n_nodes = (2 << depth) - 1;
        let mut tree = KdTree {
            norm,
            width,
            depth,
            values: vec![0.0; points.len()],
            ids: (0..n as u32).collect(),
            boxes: vec![0.0; n_nodes * 2 * width],
        };
        let mut ids = std::mem::take(&mut tree.ids);
        tree.build(tree.root(n), depth, points, &mut ids);
        tree.ids = ids;
        tree
    }

    fn root(&self, n: usize) -> Part {
        Part {
            node: 0,
            start: 0,
            end: n,
        }
    }

    fn build(&mut self, part: Part, depth: u32, points: &[f64], ids: &mut [u32]) {
        let members = &mut ids[part.start..part.end];
        let widest = self.measure(part.node, points, members);
        if depth == 0 {
            members.sort_unstable();
            self.fill_leaf(part, points, members);
            return;
        }
        let at = |id: u32| points[id as usize * self.width + widest];
        let middle = members.len() / 2;
        members.select_nth_unstable_by(middle, |&a, &b| at(a).total_cmp(&at(b)).then(a.cmp(&b)));
        let (left, right) = part.halves();
        self.build(left, depth - 1, points, ids);
        self.build(right, depth - 1, points, ids);
    }

    /// Writes the node's box; returns the coordinate in which it is widest.
    fn measure(&mut self, node: usize, points: &[f64], members: &[u32]) -> usize {
        let width = self.width;
        let (low, high) = self.boxes[node * 2 * width..(node + 1) * 2 * width].split_at_mut(width);
        low.fill(f64::INFINITY);
        high.fill(f64::NEG_INFINITY);
        for &id in members {
            let point = &points[id as usize * width..(id as usize + 1) * width];
            for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(point) {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        let extent = |c: usize| high[c] - low[c];
        (1..width).fold(0, |widest, c| {
            if extent(c) > extent(widest) {
                c
            } else {
                widest
            }
        })
    }

    fn fill_leaf(&mut self, part: Part, points: &[f64], members: &[u32]) {
        let leaf = &mut self.values[part.start * self.width..part.end * self.width];
        for (c, lanes) in leaf.chunks_exact_mut(members.len().max(1)).enumerate() {
            for (lane, &id) in lanes.iter_mut().zip(members) {
                *lane = points[id as usize * self.width + c];
            }
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The points' numbers in the order of the leaves, in which consecutive searches share memory.
    pub fn order(&self) -> &[u32] {
        &self.ids
    }

    /// Offers to `nearest` every point that could be among them; returns the number of points that
    /// `point` was compared with.
    pub fn search(&self, point: &[f64], nearest: &mut Nearest) -> usize {
        let root = self.root(self.len());
        macro_rules! visit {
            ($norm:path) => {{
                let add = |sum, difference| $norm.add(sum, difference);
                self.visit(root, self.depth, &Search { point, add }, nearest)
            }};
        }
        match self.norm {
            Norm::Squares => visit!(Norm::Squares),
            Norm::Absolutes => visit!(Norm::Absolutes),
            Norm::Maximum => visit!(Norm::Maximum),
        }
    }

    fn visit<A: Add>(
        &self,
        part: Part,
        depth: u32,
        search: &Search<A>,
        nearest: &mut Nearest,
    ) -> usize {
        if depth == 0 {
            return self.visit_leaf(part, search, nearest);
        }
        let (left, right) = part.halves();
        let (to_left, to_right) = (self.to_box(left, search), self.to_box(right, search));
        let mut halves = [(to_left, left), (to_right, right)];
        if to_right < to_left {
            halves.swap(0, 1);
        }
        let mut compared = 0;
        for (bound, half) in halves {
            // A point at the bound can still win by its number.
            if bound <= nearest.worst() {
                compared += self.visit(half, depth - 1, search, nearest);
            }
        }
        compared
    }

    /// The least key that a point in the box can have.
    fn to_box<A: Add>(&self, part: Part, search: &Search<A>) -> f64 {
        let bounds = &self.boxes[part.node * 2 * self.width..][..2 * self.width];
        let (low, high) = bounds.split_at(self.width);
        let sides = search.point.iter().zip(low.iter().zip(high));
        sides.fold(0.0, |sum, (&x, (&low, &high))| {
            let outside = (low - x).max(x - high).max(0.0);
            (search.add)(sum, outside)
        })
    }

    fn visit_leaf<A: Add>(&self, part: Part, search: &Search<A>, nearest: &mut Nearest) -> usize {
        let n = part.len();
        let leaf = &self.values[part.start * self.width..part.end * self.width];
        let mut keys = [0.0; LEAF];
        let keys = &mut keys[..n];
        for (lanes, &x) in leaf.chunks_exact(n.max(1)).zip(search.point) {
            for (key, &value) in keys.iter_mut().zip(lanes) {
                *key = (search.add)(*key, x - value);
            }
        }
        for (&key, &id) in keys.iter().zip(&self.ids[part.start..part.end]) {
            nearest.offer(key, id);
        }
        n
    }
}

/// What is searched for, and the norm's sum as a type of its own, so that loops are compiled for it.
struct Search<'a, A> {
    point: &'a [f64],
    add: A,
}

trait Add: Fn(f64, f64) -> f64 {}
impl<F: Fn(f64, f64) -> f64> Add for F {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute_force(norm: Norm, points: &[f64], point: &[f64], k: usize) -> Vec<(f64, u32)> {
        let keys = points.chunks_exact(point.len()).map(|p| norm.key(point, p));
        let mut keys: Vec<(f64, u32)> = keys.zip(0..).collect();
        keys.sort_by(|a, b| a.partial_cmp(b).unwrap());
        keys.truncate(k);
        keys
    }

    proptest! {
        /// Whole numbers make ties, which the tree must break as brute force does.
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
