//! The nearest rows of each row.

mod nearest;
mod tree;

use rayon::prelude::*;

use super::space::Space;
pub(super) use nearest::Nearest;
pub(super) use tree::KdTree;

/// For each of some points its `k` nearest others, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbors {
    pub n: usize,
    pub k: usize,
    /// Numbers of points, `k` for each point.
    pub ids: Vec<u32>,
    /// Their distances, ascending for each point.
    pub distances: Vec<f64>,
}

impl Neighbors {
    /// The exact neighbours of every point of the tree. `k` is less than the number of points.
    pub fn exact(space: &Space, points: &[f64], tree: &KdTree, k: usize) -> Neighbors {
        let width = space.width();
        let mut neighbors = Neighbors::none(tree.len(), k);
        // Leaf by leaf, so that searches that follow each other go the same way.
        let found: Vec<Vec<(f64, u32)>> = tree
            .order()
            .par_iter()
            .with_min_len(64)
            .map(|&id| {
                let mut nearest = Nearest::new(k, Some(id));
                tree.search(&points[id as usize * width..][..width], &mut nearest);
                nearest.into_found()
            })
            .collect();
        for (&id, found) in tree.order().iter().zip(&found) {
            neighbors.set(space, id as usize, found);
        }
        neighbors
    }

    fn none(n: usize, k: usize) -> Neighbors {
        Neighbors {
            n,
            k,
            ids: vec![0; n * k],
            distances: vec![0.0; n * k],
        }
    }

    fn set(&mut self, space: &Space, point: usize, found: &[(f64, u32)]) {
        let range = point * self.k..(point + 1) * self.k;
        let places = self.ids[range.clone()]
            .iter_mut()
            .zip(&mut self.distances[range]);
        for ((id, distance), &(key, found)) in places.zip(found) {
            *id = found;
            *distance = space.distance(key);
        }
    }

    /// Numbers and distances of a point's neighbours.
    pub fn of(&self, point: usize) -> (&[u32], &[f64]) {
        let range = point * self.k..(point + 1) * self.k;
        (&self.ids[range.clone()], &self.distances[range])
    }
}
