//! Approximate neighbours of new points. The search starts from the leaves of the forest and
//! follows the graph of neighbours, always expanding the nearest point that has not been expanded
//! (Hajebi, Abbasi-Yadkori, Shahbazi & Zhang 2011, "Fast approximate nearest-neighbor search with
//! k-nearest neighbor graph").

use super::Neighbors;
use super::forest::{Forest, Points};
use super::shortlist::Shortlist;
use crate::umap::space::{Norm, Sum, with_sum};

/// The minimum number of points that a search keeps for expansion.
const LEAST_KEPT: usize = 32;

/// Points, trees over them and the graph of their neighbours.
#[derive(Clone, Debug)]
pub(in crate::umap) struct GraphSearch {
    norm: Norm,
    width: usize,
    values: Vec<f64>,
    forest: Forest,
    /// The index of the first link of each point, followed by the total number of links.
    offsets: Vec<usize>,
    /// The links of each point: its neighbours, and the points whose neighbour it is.
    linked: Vec<u32>,
}

impl GraphSearch {
    /// Creates the index from the points' coordinates, the trees and the neighbours.
    pub fn new(
        norm: Norm,
        width: usize,
        values: Vec<f64>,
        forest: Forest,
        neighbors: &Neighbors,
    ) -> GraphSearch {
        let (offsets, linked) = links(neighbors);
        GraphSearch {
            norm,
            width,
            values,
            forest,
            offsets,
            linked,
        }
    }

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Returns the keys and indices of `k` points near `point`, nearest first. `k` must be at most
    /// the number of points.
    pub fn nearest(&self, point: &[f64], k: usize) -> Vec<(f64, u32)> {
        with_sum!(self.norm, sum => {
            let (values, width) = (&self.values[..], self.width);
            self.search(Points { values, width, sum }, point, k)
        })
    }

    fn search<S: Sum>(&self, points: Points<S>, point: &[f64], k: usize) -> Vec<(f64, u32)> {
        let mut kept = Shortlist::new((2 * k).max(LEAST_KEPT).min(points.len()));
        let look = |kept: &mut Shortlist, id: u32| {
            kept.offer(points.sum.key(point, points.get(id)), id);
        };
        for leaf in self.forest.leaves_of(points, point) {
            leaf.iter().for_each(|&id| look(&mut kept, id));
        }
        while let Some(id) = kept.next_new() {
            let linked = &self.linked[self.offsets[id as usize]..self.offsets[id as usize + 1]];
            linked.iter().for_each(|&id| look(&mut kept, id));
        }
        kept.found().take(k).collect()
    }
}

/// Returns the offsets and links of each point, in both directions.
fn links(neighbors: &Neighbors) -> (Vec<usize>, Vec<u32>) {
    let (n, k) = (neighbors.n, neighbors.k);
    let mut offsets: Vec<usize> = vec![k; n + 1];
    offsets[0] = 0;
    for &id in &neighbors.ids {
        offsets[id as usize + 1] += 1;
    }
    for i in 0..n {
        offsets[i + 1] += offsets[i];
    }
    let mut next = offsets.clone();
    let mut linked = vec![0; 2 * n * k];
    for (at, &to) in neighbors.ids.iter().enumerate() {
        let from = (at / k) as u32;
        for (point, other) in [(from, to), (to, from)] {
            linked[next[point as usize]] = other;
            next[point as usize] += 1;
        }
    }
    (offsets, linked)
}
