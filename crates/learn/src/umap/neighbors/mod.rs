//! The nearest neighbours of each row, exact or approximate.

mod descent;
mod forest;
mod graph_search;
mod nearest;
mod part;
mod shortlist;
mod tree;

use rayon::prelude::*;

use super::space::{Space, Sum, with_sum};
use crate::monitor;
use descent::Lists;
use forest::{Forest, Points};
use graph_search::GraphSearch;
pub(super) use nearest::Nearest;
pub(super) use tree::KdTree;

/// The number of test searches that estimate the cost of exact neighbours.
const PROBES: usize = 256;
/// The maximum number of points that an exact search may compare with, on average. An approximate
/// search takes as long as about this many comparisons, because its memory accesses are random.
const MOST_COMPARED: usize = 8192;

/// The neighbours of each point, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbors {
    /// The number of points.
    pub n: usize,
    /// The number of neighbours per point.
    pub k: usize,
    /// The indices of the neighbours, `k` per point.
    pub ids: Vec<u32>,
    /// The distances of the neighbours, `k` per point, ascending for each point.
    pub distances: Vec<f64>,
}

/// An index of points that finds the points near a new one.
#[derive(Debug, Clone)]
pub(super) enum Index {
    /// Finds the nearest points.
    Exact(KdTree),
    /// Finds most of the nearest points.
    Approximate(Box<GraphSearch>),
}

impl Index {
    /// Returns the index that [`neighbors`] returns for the same arguments. The search for neighbours is left out where
    /// the index does not need it.
    pub fn of(space: &Space, points: Vec<f64>, k: usize, seed: u64) -> Index {
        let tree = KdTree::new(space.norm(), space.width(), &points);
        if is_exact_cheap(&tree, space.width(), &points, k) {
            return Index::Exact(tree);
        }
        drop(tree);
        approximate(space, points, k, seed).1
    }

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        match self {
            Index::Exact(tree) => tree.len(),
            Index::Approximate(search) => search.len(),
        }
    }

    /// Returns the keys and indices of up to `k` points near a new one, but at least one, nearest
    /// first.
    pub fn nearest(&self, point: &[f64], k: usize) -> Vec<(f64, u32)> {
        match self {
            Index::Exact(tree) => {
                let mut nearest = Nearest::new(k, None);
                tree.search(point, &mut nearest);
                nearest.into_found()
            }
            Index::Approximate(search) => search.nearest(point, k),
        }
    }
}

/// Returns the `k` nearest neighbours of every point, and an index of the points. `k` must be less
/// than the number of points.
///
/// Neighbours are exact as long as that is cheap: in few dimensions for any number of points, and
/// in many dimensions for a few thousand points. The number of points that test searches compare
/// with decides this, not the time, so that the result is the same on every machine.
pub(super) fn neighbors(
    space: &Space,
    points: Vec<f64>,
    k: usize,
    seed: u64,
) -> (Neighbors, Index) {
    let tree = KdTree::new(space.norm(), space.width(), &points);
    if is_exact_cheap(&tree, space.width(), &points, k) {
        return (exact(space, &points, &tree, k), Index::Exact(tree));
    }
    drop(tree);
    approximate(space, points, k, seed)
}

/// Returns whether an exact search is cheap enough.
fn is_exact_cheap(tree: &KdTree, width: usize, points: &[f64], k: usize) -> bool {
    let n = tree.len();
    if n <= MOST_COMPARED {
        return true;
    }
    let probes = (0..PROBES).into_par_iter().map(|probe| {
        monitor::check();
        let point = probe * (n / PROBES);
        tree.search(
            &points[point * width..][..width],
            &mut Nearest::new(k, Some(point as u32)),
        )
    });
    probes.sum::<usize>() <= PROBES * MOST_COMPARED
}

/// Finds the exact neighbours of every point.
fn exact(space: &Space, points: &[f64], tree: &KdTree, k: usize) -> Neighbors {
    let width = space.width();
    let mut neighbors = Neighbors::none(tree.len(), k);
    // Points are searched in the order of the leaves, so that consecutive searches access the same
    // memory.
    let searches = tree.order().par_iter().with_min_len(64);
    monitor::begin("neighbours", tree.len());
    let found: Vec<Vec<(f64, u32)>> = searches
        .map(|&id| {
            let mut nearest = Nearest::new(k, Some(id));
            tree.search(&points[id as usize * width..][..width], &mut nearest);
            monitor::step(1);
            nearest.into_found()
        })
        .collect();
    for (&id, found) in tree.order().iter().zip(&found) {
        for (at, &(key, other)) in (id as usize * k..).zip(found) {
            neighbors.ids[at] = other;
            neighbors.distances[at] = space.distance(key);
        }
    }
    neighbors
}

/// Finds approximate neighbours of every point.
fn approximate(space: &Space, points: Vec<f64>, k: usize, seed: u64) -> (Neighbors, Index) {
    let (norm, width) = (space.norm(), space.width());
    let (forest, neighbors) = with_sum!(norm, sum => {
        let points = Points { values: &points[..], width, sum };
        let forest = Forest::grow(points, seed);
        let neighbors = descend(space, points, &forest, k, seed);
        (forest, neighbors)
    });
    let search = GraphSearch::new(norm, width, points, forest, &neighbors);
    (neighbors, Index::Approximate(Box::new(search)))
}

/// Finds approximate neighbours by NN-descent from the leaves of the forest.
fn descend<S: Sum>(
    space: &Space,
    points: Points<S>,
    forest: &Forest,
    k: usize,
    seed: u64,
) -> Neighbors {
    let lists = Lists::of(points, forest, k, seed);
    let entries = lists.entries.iter();
    Neighbors {
        n: points.len(),
        k,
        ids: entries.clone().map(|entry| entry.id).collect(),
        distances: entries.map(|entry| space.distance(entry.key)).collect(),
    }
}

impl Neighbors {
    /// Creates room for `k` neighbours of each of `n` points.
    fn none(n: usize, k: usize) -> Neighbors {
        Neighbors {
            n,
            k,
            ids: vec![0; n * k],
            distances: vec![0.0; n * k],
        }
    }

    /// Returns the indices and distances of a point's neighbours.
    pub fn of(&self, point: usize) -> (&[u32], &[f64]) {
        let range = point * self.k..(point + 1) * self.k;
        (&self.ids[range.clone()], &self.distances[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::umap::Metric;
    use crate::umap::draws::Draws;
    use crate::umap::space::Norm;

    fn sample(n: usize, width: usize) -> Vec<f64> {
        (0..n * width)
            .map(|i| Draws::new(9, 1, i as u64).signed())
            .collect()
    }

    /// Returns the fraction of the true neighbours that were found.
    fn recall(found: &[u32], wanted: &[u32], k: usize) -> f64 {
        let pairs = found.chunks_exact(k).zip(wanted.chunks_exact(k));
        let hits =
            pairs.map(|(found, wanted)| wanted.iter().filter(|id| found.contains(id)).count());
        hits.sum::<usize>() as f64 / wanted.len() as f64
    }

    #[test]
    fn approximate_neighbours_are_nearly_all_of_the_exact_ones() {
        let k = 14;
        for (metric, width) in [
            (Metric::Euclidean, 8),
            (Metric::Manhattan, 5),
            (Metric::Cosine, 12),
        ] {
            let values = sample(4000, width);
            let space = Space::of(metric, width, &values);
            let points = space.points(&values);
            let tree = KdTree::new(space.norm(), space.width(), &points);
            let wanted = exact(&space, &points, &tree, k);
            let (found, index) = approximate(&space, points.clone(), k, 1);
            let share = recall(&found.ids, &wanted.ids, k);
            assert!(share > 0.95, "{metric:?}: {share}");
            let new = space.points(&sample(4200, width)[4000 * width..]);
            let search = |index: &Index| -> Vec<u32> {
                let points = new.chunks_exact(space.width());
                points
                    .flat_map(|point| index.nearest(point, k))
                    .map(|found| found.1)
                    .collect()
            };
            let share = recall(&search(&index), &search(&Index::Exact(tree)), k);
            assert!(share > 0.95, "new, {metric:?}: {share}");
        }
    }

    #[test]
    fn what_is_cheap_is_decided_by_dimension() {
        let is_cheap = |n, width| {
            let points = sample(n, width);
            is_exact_cheap(
                &KdTree::new(Norm::Squares, width, &points),
                width,
                &points,
                14,
            )
        };
        assert!(is_cheap(100_000, 2) && is_cheap(8000, 40) && !is_cheap(20_000, 40));
    }
}
