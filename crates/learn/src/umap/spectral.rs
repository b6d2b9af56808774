//! Where rows start: eigenvectors of the graph's normalised Laplacian (Belkin & Niyogi 2003).
//!
//! Connected components have nothing that places them beside each other, so each is laid out on its own
//! around the principal components of the components' means.

use super::draws::Draws;
use super::eigen::{Effort, Eigenvectors, Operator, leading};
use super::fuzzy::Graph;
use super::neighbors::{KdTree, Nearest};
use super::space::Norm;

/// Ritz vectors this near to eigenvectors differ from them by less than the first epoch moves rows.
const EFFORT: Effort = Effort {
    tolerance: 1e-4,
    rounds: 12,
};

/// The side of a component's square, halved, as a share of the distance to the nearest other centre: at
/// most 1/√8 ≈ 0.354, so that the squares do not touch.
const REACH: f64 = 0.35;
/// The most columns that place components.
const MAX_COLUMNS: usize = 64;

/// Coordinates of each vertex, `dim` each, in the unit square up to scale.
///
/// `points` are the rows as points of `width` coordinates, which place the components.
pub(super) fn start(
    graph: &Graph,
    points: &[f64],
    width: usize,
    dim: usize,
    seed: u64,
) -> Vec<f64> {
    let components = components(graph);
    let (centers, radii) = place(&components, points, width, dim, seed);
    let mut start = vec![0.0; graph.len() * dim];
    let mut local = vec![0; graph.len()];
    for (number, members) in components.iter().enumerate() {
        let layout = lay_out(graph, members, &mut local, dim, seed);
        let center = &centers[number * dim..(number + 1) * dim];
        for (&vertex, layout) in members.iter().zip(layout.chunks_exact(dim)) {
            let to = &mut start[vertex as usize * dim..][..dim];
            for ((to, center), x) in to.iter_mut().zip(center).zip(layout) {
                *to = center + radii[number] * x;
            }
        }
    }
    start
}

/// The vertices of each connected component, ascending; components by their first vertex.
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

/// One component within [−1, 1]. `local` is as long as the graph and is written over.
fn lay_out(graph: &Graph, members: &[u32], local: &mut [u32], dim: usize, seed: u64) -> Vec<f64> {
    for (place, &vertex) in members.iter().enumerate() {
        local[vertex as usize] = place as u32;
    }
    let walk = Walk::of(graph, members, local);
    let found = leading(&walk, dim, Some(&walk.stationary), EFFORT, seed);
    let mut layout = vec![0.0; members.len() * dim];
    for c in 0..dim {
        let coordinate: Vec<f64> = match c < found.columns {
            true => walk.coordinate(&found, c),
            false => vec![0.0; members.len()],
        };
        let greatest = coordinate.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        // A component with too few vertices for so many eigenvectors is scattered.
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

/// D^(−½) W D^(−½) of a component: similar to its random walk, and 1 minus its normalised Laplacian.
struct Walk {
    offsets: Vec<usize>,
    edges: Vec<(u32, f32)>,
    /// Roots of the degrees, at length 1: the eigenvector of the eigenvalue 1.
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

    /// An eigenvector of the random walk, which is smooth over the graph where that of the symmetric
    /// matrix follows the degrees.
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

/// Centres of the components and how far each may reach along an axis.
fn place(
    components: &[Vec<u32>],
    points: &[f64],
    width: usize,
    dim: usize,
    seed: u64,
) -> (Vec<f64>, Vec<f64>) {
    let n = components.len();
    if n == 1 {
        return (vec![0.0; dim], vec![1.0]);
    }
    let mut means: Vec<f64> = Vec::with_capacity(n * width);
    for members in components {
        let mean = |c: usize| {
            let values = members.iter().map(|&v| points[v as usize * width + c]);
            values.sum::<f64>() / members.len() as f64
        };
        means.extend((0..width).map(mean));
    }
    let mut centers = principal_components(&means, width, dim, seed);
    // What the components would need if they shared the square evenly; centres may coincide.
    let share = 0.1 / (n as f64).sqrt();
    for (i, x) in centers.iter_mut().enumerate() {
        *x += share * Draws::new(seed, 0, i as u64).signed();
    }
    let tree = KdTree::new(Norm::Squares, dim, &centers);
    let reach = centers.chunks_exact(dim).zip(0..).map(|(center, id)| {
        let mut nearest = Nearest::new(1, Some(id));
        tree.search(center, &mut nearest);
        (REACH * nearest.worst().sqrt()).max(share)
    });
    let reach = reach.collect();
    (centers, reach)
}

/// The first `dim` principal components of some rows, scaled to [−1, 1].
fn principal_components(rows: &[f64], width: usize, dim: usize, seed: u64) -> Vec<f64> {
    let (rows, width) = most_varied(rows, width);
    let n = rows.len() / width;
    let mut scores = vec![0.0; n * dim];
    let Some(covariance) = Covariance::of(&rows, width) else {
        return scores;
    };
    let found = leading(&covariance, dim, None, EFFORT, seed);
    for (row, scores) in rows.chunks_exact(width).zip(scores.chunks_exact_mut(dim)) {
        for (x, axes) in row.iter().zip(found.vectors.chunks_exact(found.columns)) {
            for (score, axis) in scores.iter_mut().zip(axes) {
                *score += x * axis;
            }
        }
    }
    let greatest = scores.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    scores
        .iter_mut()
        .for_each(|x| *x /= greatest.max(f64::MIN_POSITIVE));
    scores
}

/// The columns of greatest variance, at most [`MAX_COLUMNS`], centred, and their number.
fn most_varied(rows: &[f64], width: usize) -> (Vec<f64>, usize) {
    let n = (rows.len() / width) as f64;
    let column = |c: usize| rows[c..].iter().step_by(width);
    let means: Vec<f64> = (0..width).map(|c| column(c).sum::<f64>() / n).collect();
    let variance = |c: usize| {
        column(c)
            .map(|x| (x - means[c]) * (x - means[c]))
            .sum::<f64>()
    };
    let variances: Vec<f64> = (0..width).map(variance).collect();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    order.truncate(MAX_COLUMNS);
    let centred = |row: &[f64]| {
        order
            .iter()
            .map(|&c| row[c] - means[c])
            .collect::<Vec<f64>>()
    };
    (
        rows.chunks_exact(width).flat_map(centred).collect(),
        order.len(),
    )
}

/// The covariance of centred rows, divided by its trace.
struct Covariance {
    width: usize,
    entries: Vec<f64>,
}

impl Covariance {
    /// `None` when the rows are all equal.
    fn of(rows: &[f64], width: usize) -> Option<Covariance> {
        let mut entries = vec![0.0; width * width];
        for row in rows.chunks_exact(width) {
            for (entries, x) in entries.chunks_exact_mut(width).zip(row) {
                for (entry, y) in entries.iter_mut().zip(row) {
                    *entry += x * y;
                }
            }
        }
        let trace: f64 = entries.iter().step_by(width + 1).sum();
        entries.iter_mut().for_each(|entry| *entry /= trace);
        (trace > 0.0).then_some(Covariance { width, entries })
    }
}

impl Operator for Covariance {
    fn size(&self) -> usize {
        self.width
    }

    fn lowest(&self) -> f64 {
        0.0
    }

    fn row_times(&self, row: usize, x: &[f64], sums: &mut [f64]) {
        let entries = &self.entries[row * self.width..(row + 1) * self.width];
        for (entry, x) in entries.iter().zip(x.chunks_exact(sums.len())) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += entry * x;
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
            let sign = found[c].signum();
            for (i, row) in found.chunks_exact(2).enumerate() {
                let angle = std::f64::consts::PI * (c + 1) as f64 * i as f64 / f64::from(n - 1);
                let wanted = sign * angle.cos();
                assert!(
                    (row[c] - wanted).abs() < 2e-2,
                    "{c} {i} {} {wanted}",
                    row[c]
                );
            }
        }
    }

    /// On a cycle the two leading eigenvectors span a circle.
    #[test]
    fn a_cycle_is_a_circle() {
        let n = 40;
        let edges: Vec<(u32, u32)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        let found = start(&graph(n, &edges), &vec![0.0; n as usize], 1, 2, 3);
        let radii: Vec<f64> = found.chunks_exact(2).map(|p| p[0].hypot(p[1])).collect();
        let (least, most) = radii
            .iter()
            .fold((2.0, 0.0), |(a, b): (f64, f64), &r| (a.min(r), b.max(r)));
        assert!(least > 0.95 * most, "{least} {most}");
    }

    #[test]
    fn components_keep_apart_and_odd_ones_are_fine() {
        // A triangle, a pair and a lone vertex, with means at the corners of a triangle.
        let graph = graph(6, &[(0, 1), (1, 2), (0, 2), (3, 4)]);
        let points = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0, 0.0, 9.0];
        let found = start(&graph, &points, 2, 2, 1);
        let apart = |a: usize, b: usize| {
            (found[2 * a] - found[2 * b]).hypot(found[2 * a + 1] - found[2 * b + 1])
        };
        assert!(found.iter().all(|x| x.is_finite()));
        assert!(
            apart(3, 4) < apart(3, 0) && apart(0, 1) < apart(0, 5),
            "{found:?}"
        );
    }
}
