//! The weighted graph of neighbours (McInnes, Healy & Melville 2018, section 3.1, algorithms 2 and
//! 3).

use std::f64::consts::LOG2_E;

use rayon::prelude::*;

use super::neighbors::Neighbors;
use crate::real;

/// The maximum number of steps of the search for a bandwidth.
const STEPS: usize = 64;
/// The maximum error of the sum of memberships, as in umap-learn.
const TOLERANCE: f64 = 1e-5;
/// The minimum bandwidth, as a fraction of the mean distance.
const LEAST_BANDWIDTH: f64 = 1e-3;

/// The function from a row's distances to membership strengths: 1 up to `rho`, then e^(−(d −
/// rho)/sigma).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bandwidth {
    pub rho: f64,
    pub sigma: f64,
}

impl Bandwidth {
    /// Finds the bandwidth at which memberships sum to log₂ `size`, where `size` is the number of
    /// neighbours including the row itself. `distances` are ascending. `mean` is the mean distance
    /// over all rows, which bounds sigma from below when all distances of this row are 0.
    pub fn of(distances: &[f64], size: usize, local_connectivity: f64, mean: f64) -> Bandwidth {
        let rho = connected_up_to(distances, local_connectivity);
        let target = log2(size as f64);
        let own_mean = mean_with_self(distances);
        // The sum is convex and decreases with 1/sigma, so Newton's method ascends from 0 without
        // overshooting. It ends at the limit if more distances than the target are at most rho.
        let (mut rate, limit) = (0.0, 1.0 / (LEAST_BANDWIDTH * own_mean));
        for _ in 0..STEPS {
            let (mut sum, mut slope) = (0.0, 0.0);
            for &distance in distances {
                let beyond = (distance - rho).max(0.0);
                let membership = real::exp2(-beyond * rate * LOG2_E);
                sum += membership;
                slope += beyond * membership;
            }
            if sum - target < TOLERANCE || rate >= limit {
                break;
            }
            rate = (rate + (sum - target) / slope).min(limit);
        }
        let sigma = 1.0 / rate;
        let least = LEAST_BANDWIDTH * if rho > 0.0 { own_mean } else { mean };
        Bandwidth {
            rho,
            sigma: sigma.max(least),
        }
    }

    /// Returns the membership strength of a row at this distance, in [0, 1].
    pub fn membership(self, distance: f64) -> f64 {
        membership(distance, self.rho, self.sigma)
    }
}

fn membership(distance: f64, rho: f64, sigma: f64) -> f64 {
    let beyond = distance - rho;
    if beyond <= 0.0 || sigma <= 0.0 {
        return 1.0;
    }
    real::exp2(-beyond / sigma * LOG2_E)
}

/// Returns the distance of the `local_connectivity`-th neighbour among those at a distance above 0.
/// Fractions interpolate between neighbours. With fewer such neighbours, it is the distance of the
/// last one.
fn connected_up_to(distances: &[f64], local_connectivity: f64) -> f64 {
    let apart = &distances[distances.partition_point(|&d| d <= 0.0)..];
    let Some(&last) = apart.last() else {
        return 0.0;
    };
    let index = local_connectivity.floor();
    let fraction = local_connectivity - index;
    let nth = |n: usize| match n {
        0 => 0.0,
        n => apart.get(n - 1).copied().unwrap_or(last),
    };
    let below = nth(index as usize);
    below + fraction * (nth(index as usize + 1) - below)
}

/// Returns the mean of the distances and the row's own distance of 0.
fn mean_with_self(distances: &[f64]) -> f64 {
    distances.iter().sum::<f64>() / (distances.len() + 1) as f64
}

/// Returns the mean distance over all rows, of their neighbours and themselves.
pub(super) fn mean_distance(neighbors: &Neighbors) -> f64 {
    let sum: f64 = neighbors.distances.iter().sum();
    sum / (neighbors.n * (neighbors.k + 1)) as f64
}

fn log2(x: f64) -> f64 {
    real::ln(x) * LOG2_E
}

/// A symmetric graph without loops: for each vertex, its neighbours in ascending order and their
/// weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Graph {
    /// The index of the first neighbour of each vertex, followed by the total number of neighbours.
    pub offsets: Vec<usize>,
    /// The neighbours of all vertices.
    pub ids: Vec<u32>,
    /// The membership strengths of the neighbours, in (0, 1].
    pub weights: Vec<f32>,
}

impl Graph {
    /// Combines the neighbourhoods of all rows. With `mix` = 1 the weight is the fuzzy union a + b
    /// − ab, with `mix` = 0 the fuzzy intersection ab; values in between interpolate.
    pub fn of(neighbors: &Neighbors, size: usize, local_connectivity: f64, mix: f64) -> Graph {
        let directed = Directed::of(neighbors, size, local_connectivity);
        let reverse = directed.transposed();
        let rows: Vec<Vec<(u32, f32)>> = (0..directed.n())
            .into_par_iter()
            .with_min_len(256)
            .map(|vertex| merge(directed.row(vertex), reverse.row(vertex), mix))
            .collect();
        let mut graph = Graph {
            offsets: vec![0],
            ids: Vec::new(),
            weights: Vec::new(),
        };
        for row in rows {
            graph.ids.extend(row.iter().map(|edge| edge.0));
            graph.weights.extend(row.iter().map(|edge| edge.1));
            graph.offsets.push(graph.ids.len());
        }
        graph
    }

    /// Returns the number of vertices.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Returns a vertex's neighbours with their weights.
    pub fn row(&self, vertex: usize) -> impl Iterator<Item = (usize, f32)> {
        let range = self.offsets[vertex]..self.offsets[vertex + 1];
        let ids = self.ids[range.clone()].iter().map(|&id| id as usize);
        ids.zip(self.weights[range].iter().copied())
    }
}

/// The membership strengths of each row's neighbours or, transposed, of the rows whose neighbour it
/// is.
struct Directed {
    offsets: Vec<usize>,
    /// The (vertex, membership) pairs, ascending by vertex within each row.
    edges: Vec<(u32, f32)>,
}

impl Directed {
    fn of(neighbors: &Neighbors, size: usize, local_connectivity: f64) -> Directed {
        let (n, k, mean) = (neighbors.n, neighbors.k, mean_distance(neighbors));
        let mut edges = vec![(0, 0.0); n * k];
        edges
            .par_chunks_mut(k.max(1))
            .with_min_len(256)
            .enumerate()
            .for_each(|(row, edges)| {
                let (ids, distances) = neighbors.of(row);
                let bandwidth = Bandwidth::of(distances, size, local_connectivity, mean);
                for ((edge, &id), &distance) in edges.iter_mut().zip(ids).zip(distances) {
                    *edge = (id, bandwidth.membership(distance) as f32);
                }
                edges.sort_unstable_by_key(|edge| edge.0);
            });
        Directed {
            offsets: (0..=n).map(|row| row * k).collect(),
            edges,
        }
    }

    fn n(&self) -> usize {
        self.offsets.len() - 1
    }

    fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.edges[self.offsets[row]..self.offsets[row + 1]]
    }

    /// Returns the graph with all edges reversed.
    fn transposed(&self) -> Directed {
        let mut offsets = vec![0; self.n() + 1];
        for edge in &self.edges {
            offsets[edge.0 as usize + 1] += 1;
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let (mut next, mut edges) = (offsets.clone(), vec![(0, 0.0); self.edges.len()]);
        for row in 0..self.n() {
            for &(id, weight) in self.row(row) {
                edges[next[id as usize]] = (row as u32, weight);
                next[id as usize] += 1;
            }
        }
        Directed { offsets, edges }
    }
}

/// Merges two lists of edges that are ascending by vertex.
fn merge(mut a: &[(u32, f32)], mut b: &[(u32, f32)], mix: f64) -> Vec<(u32, f32)> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    loop {
        let id = match (a.first(), b.first()) {
            (None, None) => return merged,
            (Some(edge), None) | (None, Some(edge)) => edge.0,
            (Some(one), Some(other)) => one.0.min(other.0),
        };
        let weight = join(take(&mut a, id), take(&mut b, id), mix);
        if weight > 0.0 {
            merged.push((id, weight));
        }
    }
}

/// Removes the first edge if it leads to `id`, and returns its weight; otherwise returns 0.
fn take(edges: &mut &[(u32, f32)], id: u32) -> f64 {
    match edges.split_first() {
        Some((&(first, weight), rest)) if first == id => {
            *edges = rest;
            f64::from(weight)
        }
        _ => 0.0,
    }
}

/// Returns the combined weight of two memberships.
fn join(a: f64, b: f64, mix: f64) -> f32 {
    let both = a * b;
    (mix * (a + b - both) + (1.0 - mix) * both) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::umap::Metric;
    use crate::umap::neighbors::neighbors;
    use crate::umap::space::Space;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn memberships_sum_to_the_logarithm(
            mut distances in prop::collection::vec(0.1..9.0f64, 3..40),
        ) {
            distances.sort_by(f64::total_cmp);
            let size = distances.len() + 1;
            let bandwidth = Bandwidth::of(&distances, size, 1.0, 1.0);
            let sum: f64 = distances.iter().map(|&d| bandwidth.membership(d)).sum();
            prop_assert_eq!(bandwidth.rho, distances[0]);
            prop_assert!((sum - (size as f64).log2()).abs() < 2e-5);
        }
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        n_features: usize,
        rows: Vec<f64>,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        metric: Metric,
        n_neighbors: usize,
        local_connectivity: f64,
        set_op_mix_ratio: f64,
        edges: Vec<(u32, u32, f64)>,
    }

    /// tests/fixtures/make_umap_graph.py generated the file with umap-learn, which rounds distances
    /// to 32 bits and approaches the bandwidth from the other side until the same tolerance.
    #[test]
    fn graphs_agree_with_umap_learn() {
        let text = include_str!("../../tests/fixtures/umap_graph.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        for case in fixture.cases {
            let space = Space::of(case.metric, fixture.n_features, &fixture.rows);
            let points = space.points(&fixture.rows);
            let (neighbors, _) = neighbors(&space, points, case.n_neighbors - 1, 0);
            let (connectivity, mix) = (case.local_connectivity, case.set_op_mix_ratio);
            let graph = Graph::of(&neighbors, case.n_neighbors, connectivity, mix);
            let edges = (0..graph.len())
                .flat_map(|from| graph.row(from).map(move |(to, weight)| (from, to, weight)));
            let edges: Vec<_> = edges.filter(|edge| edge.2 > 1e-6).collect();
            let wanted: Vec<_> = case
                .edges
                .into_iter()
                .filter(|edge| edge.2 > 1e-6)
                .collect();
            assert_eq!(edges.len(), wanted.len(), "{:?}", case.metric);
            for (found, wanted) in edges.iter().zip(&wanted) {
                let same_ends = (found.0, found.1) == (wanted.0 as usize, wanted.1 as usize);
                let apart = (f64::from(found.2) - wanted.2).abs();
                assert!(
                    same_ends && apart < 2e-5,
                    "{:?}: {found:?} {wanted:?}",
                    case.metric
                );
            }
        }
    }

    #[test]
    fn the_nth_neighbour_is_interpolated() {
        let distances = [0.0, 0.0, 1.0, 3.0];
        for (connectivity, rho) in [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.25, 1.5), (9.0, 3.0)] {
            assert_eq!(connected_up_to(&distances, connectivity), rho);
        }
        assert_eq!(connected_up_to(&[0.0; 3], 1.0), 0.0);
    }

    #[test]
    fn unions_and_intersections() {
        assert_eq!(join(0.5, 0.5, 1.0), 0.75);
        assert_eq!(join(0.5, 0.5, 0.0), 0.25);
        assert_eq!(join(0.5, 0.0, 0.5), 0.25);
        let merged = merge(&[(1, 0.5), (4, 1.0)], &[(1, 0.5), (2, 0.25)], 1.0);
        assert_eq!(merged, [(1, 0.75), (2, 0.25), (4, 1.0)]);
        assert_eq!(merge(&[(4, 1.0)], &[], 0.0), []);
    }
}
