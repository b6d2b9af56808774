//! Initial coordinates: eigenvectors of the graph's normalised Laplacian (Belkin & Niyogi 2003).
//!
//! The graph contains no information on the relative positions of connected components, so each
//! component is laid out separately in a cell of its own.

use super::draws::Draws;
use super::eigen::{Effort, Eigenvectors, Operator, leading};
use super::fuzzy::Graph;
use super::placement::cells;

/// The residual at which coordinates differ from eigenvectors by less than the first epoch moves
/// rows.
const TOLERANCE: f64 = 1e-4;
/// The minimum and maximum of the limit on rounds of filter and rotation. The largest graphs get
/// the minimum, because their initial coordinates need not be accurate: rows are moved anyway, and
/// coordinates that are far from every eigenvector are still smooth.
const ROUNDS: std::ops::RangeInclusive<usize> = 4..=12;
/// The number of edges that all rounds together may visit, as far as the limits on rounds allow.
const EDGE_VISITS: usize = 60_000_000;

/// The fraction of its cell, along each axis, that a component fills.
const FILLED: f64 = 0.8;

/// Returns the initial coordinates of each vertex, `dim` per vertex, within the unit cube.
///
/// `points` are the rows as points of `width` coordinates; they determine the positions of the
/// components.
pub(super) fn start(
    graph: &Graph,
    points: &[f64],
    width: usize,
    dim: usize,
    seed: u64,
) -> Vec<f64> {
    let components = components(graph);
    let cells = cells(&components, points, width, dim, seed);
    let mut start = vec![0.0; graph.len() * dim];
    let mut local = vec![0; graph.len()];
    for (members, cell) in components.iter().zip(cells) {
        let layout = lay_out(graph, members, &mut local, dim, seed);
        for (&vertex, layout) in members.iter().zip(layout.chunks_exact(dim)) {
            let to = &mut start[vertex as usize * dim..][..dim];
            for ((to, side), x) in to.iter_mut().zip(&cell).zip(layout) {
                *to = side.center() + 0.5 * FILLED * side.length() * x;
            }
        }
    }
    start
}

/// Returns the vertices of each connected component in ascending order. Components are ordered by
/// their first vertex.
fn components(graph: &Graph) -> Vec<Vec<u32>> {
    let mut seen = vec![false; graph.len()];
    let mut components = Vec::new();
    for first in 0..graph.len() {
        if std::mem::replace(&mut seen[first], true) {
            continue;
        }
        let (mut members, mut next) = (vec![first as u32], 0);
        while next < members.len() {
            for (other, _) in graph.row(members[next] as usize) {
                if !std::mem::replace(&mut seen[other], true) {
                    members.push(other as u32);
                }
            }
            next += 1;
        }
        members.sort_unstable();
        components.push(members);
    }
    components
}

/// Returns the coordinates of one component, within [−1, 1]. `local` is a buffer as long as the
/// graph.
fn lay_out(graph: &Graph, members: &[u32], local: &mut [u32], dim: usize, seed: u64) -> Vec<f64> {
    for (place, &vertex) in members.iter().enumerate() {
        local[vertex as usize] = place as u32;
    }
    let walk = Walk::of(graph, members, local);
    let rounds = EDGE_VISITS / walk.edges.len().max(1);
    let effort = Effort {
        tolerance: TOLERANCE,
        rounds: rounds.clamp(*ROUNDS.start(), *ROUNDS.end()),
    };
    let found = leading(&walk, dim, Some(&walk.stationary), effort, seed);
    let mut layout = vec![0.0; members.len() * dim];
    for c in 0..dim {
        let coordinate: Vec<f64> = match c < found.columns {
            true => walk.coordinate(&found, c),
            false => vec![0.0; members.len()],
        };
        let greatest = coordinate.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        // Random coordinates replace eigenvectors that a component with few vertices does not have.
        let usable = greatest > 0.0 && greatest.is_finite();
        for (place, x) in coordinate.into_iter().enumerate() {
            layout[place * dim + c] = match usable {
                true => x / greatest,
                false => Draws::new(seed, c as u64, u64::from(members[place])).signed(),
            };
        }
    }
    layout
}

/// The matrix D^(−½) W D^(−½) of a component. It is similar to the transition matrix of the random
/// walk, and 1 minus the normalised Laplacian.
struct Walk {
    offsets: Vec<usize>,
    edges: Vec<(u32, f32)>,
    /// The square roots of the degrees, scaled to length 1: the eigenvector of eigenvalue 1.
    stationary: Vec<f64>,
}

impl Walk {
    fn of(graph: &Graph, members: &[u32], local: &[u32]) -> Walk {
        let degree = |vertex: usize| graph.row(vertex).map(|edge| f64::from(edge.1)).sum::<f64>();
        let roots: Vec<f64> = members.iter().map(|&v| degree(v as usize).sqrt()).collect();
        let (mut offsets, mut edges) = (vec![0], Vec::new());
        for (&vertex, root) in members.iter().zip(&roots) {
            for (other, weight) in graph.row(vertex as usize) {
                let other = local[other];
                let scaled = f64::from(weight) / (root * roots[other as usize]);
                edges.push((other, scaled as f32));
            }
            offsets.push(edges.len());
        }
        let length = roots.iter().map(|root| root * root).sum::<f64>().sqrt();
        let unit = |root: f64| if length > 0.0 { root / length } else { 1.0 };
        Walk {
            offsets,
            edges,
            stationary: roots.into_iter().map(unit).collect(),
        }
    }

    /// Returns an eigenvector of the random walk. Unlike that of the symmetric matrix, it does not
    /// depend on the degrees and is smooth over the graph.
    fn coordinate(&self, found: &Eigenvectors, c: usize) -> Vec<f64> {
        let entries = found.vectors.chunks_exact(found.columns).map(|row| row[c]);
        entries
            .zip(&self.stationary)
            .map(|(x, root)| x / root)
            .collect()
    }
}

impl Operator for Walk {
    fn size(&self) -> usize {
        self.stationary.len()
    }

    fn lowest(&self) -> f64 {
        -1.0
    }

    fn row_times(&self, row: usize, x: &[f64], sums: &mut [f64]) {
        let columns = sums.len();
        for &(other, weight) in &self.edges[self.offsets[row]..self.offsets[row + 1]] {
            for (sum, x) in sums
                .iter_mut()
                .zip(&x[other as usize * columns..][..columns])
            {
                *sum += f64::from(weight) * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(n: u32, edges: &[(u32, u32)]) -> Graph {
        let mut graph = Graph {
            offsets: vec![0],
            ids: vec![],
            weights: vec![],
        };
        for vertex in 0..n {
            let others = edges.iter().filter_map(|&(a, b)| match vertex {
                v if v == a => Some(b),
                v if v == b => Some(a),
                _ => None,
            });
            let mut others: Vec<u32> = others.collect();
            others.sort_unstable();
            graph.weights.extend(others.iter().map(|_| 1.0));
            graph.ids.extend(others);
            graph.offsets.push(graph.ids.len());
        }
        graph
    }

    /// The random walk on a path of n vertices has the eigenvectors cos(πki/(n − 1)).
    #[test]
    fn a_path_lies_along_cosines() {
        let n = 50;
        let edges: Vec<(u32, u32)> = (1..n).map(|i| (i - 1, i)).collect();
        let found = start(&graph(n, &edges), &vec![0.0; n as usize], 1, 2, 3);
        for c in 0..2 {
            let centred = |x: f64| (x - 0.5) / (0.5 * FILLED);
            let sign = centred(found[c]).signum();
            for (i, row) in found.chunks_exact(2).enumerate() {
                let angle = std::f64::consts::PI * (c + 1) as f64 * i as f64 / f64::from(n - 1);
                let wanted = sign * angle.cos();
                assert!(
                    (centred(row[c]) - wanted).abs() < 2e-2,
                    "{c} {i} {} {wanted}",
                    row[c]
                );
            }
        }
    }

    /// The two leading eigenvectors of a cycle span a circle.
    #[test]
    fn a_cycle_is_a_circle() {
        let n = 40;
        let edges: Vec<(u32, u32)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        let found = start(&graph(n, &edges), &vec![0.0; n as usize], 1, 2, 3);
        let radii: Vec<f64> = found
            .chunks_exact(2)
            .map(|p| (p[0] - 0.5).hypot(p[1] - 0.5))
            .collect();
        let (least, most) = radii
            .iter()
            .fold((2.0, 0.0), |(a, b): (f64, f64), &r| (a.min(r), b.max(r)));
        assert!(least > 0.95 * most, "{least} {most}");
    }

    #[test]
    fn components_keep_apart_and_odd_ones_are_fine() {
        // The graph has a triangle, a pair and an isolated vertex.
        let graph = graph(6, &[(0, 1), (1, 2), (0, 2), (3, 4)]);
        let points = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0, 0.0, 9.0];
        for dim in 1..4 {
            let found = start(&graph, &points, 2, dim, 1);
            assert!(found.iter().all(|x| (0.0..=1.0).contains(x)), "{found:?}");
            let bounds = |members: std::ops::Range<usize>, c: usize| {
                let values = members.map(|vertex| found[vertex * dim + c]);
                values.fold((1.0, 0.0), |(a, b): (f64, f64), x| (a.min(x), b.max(x)))
            };
            for (one, other) in [(0..3, 3..5), (0..3, 5..6), (3..5, 5..6)] {
                let is_apart = |c: usize| {
                    let (a, b) = (bounds(one.clone(), c), bounds(other.clone(), c));
                    a.1 < b.0 || b.1 < a.0
                };
                assert!((0..dim).any(is_apart), "{dim} {one:?} {other:?} {found:?}");
            }
        }
    }
}
