//! Cells for connected components. The unit square, or cube, is cut in two repeatedly, each time
//! across its longest side, so that each component gets a fraction of the volume equal to its
//! fraction of the rows (treemaps; Shneiderman 1992). The principal components of the components'
//! means determine which components go to which side of a cut, so that similar components tend to
//! get neighbouring cells.

use super::eigen::{Effort, Operator, leading};

/// The effort for principal components. Cells hardly depend on their last digits.
const EFFORT: Effort = Effort {
    tolerance: 1e-4,
    rounds: 12,
};
/// The maximum number of columns that are used to position components.
const MAX_COLUMNS: usize = 64;

/// The extent of a cell along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side {
    low: f64,
    high: f64,
}

impl Side {
    pub fn center(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    pub fn length(&self) -> f64 {
        self.high - self.low
    }
}

/// Returns a cell with `dim` sides for each component. `points` are the rows as points of `width`
/// coordinates.
pub(super) fn cells(
    components: &[Vec<u32>],
    points: &[f64],
    width: usize,
    dim: usize,
    seed: u64,
) -> Vec<Vec<Side>> {
    let whole = vec![
        Side {
            low: 0.0,
            high: 1.0
        };
        dim
    ];
    let mut cuts = Cuts {
        sizes: components.iter().map(Vec::len).collect(),
        scores: match components.len() {
            1 => vec![0.0; dim],
            _ => principal_components(&means(components, points, width), width, dim, seed),
        },
        cells: vec![Vec::new(); components.len()],
    };
    let mut all: Vec<usize> = (0..components.len()).collect();
    cuts.share(&mut all, whole);
    cuts.cells
}

/// The state of the division into cells.
struct Cuts {
    /// The number of rows of each component.
    sizes: Vec<usize>,
    /// The principal components of each component's mean.
    scores: Vec<f64>,
    cells: Vec<Vec<Side>>,
}

impl Cuts {
    /// Divides a cell among one or more components.
    fn share(&mut self, among: &mut [usize], cell: Vec<Side>) {
        if let [only] = *among {
            self.cells[only] = cell;
            return;
        }
        let dim = cell.len();
        let longer = |best: usize, c: usize| match cell[c].length() > cell[best].length() {
            true => c,
            false => best,
        };
        let axis = (1..dim).fold(0, longer);
        let score = |component: usize| self.scores[component * dim + axis];
        among.sort_by(|&a, &b| score(a).total_cmp(&score(b)).then(a.cmp(&b)));
        let (first, share) = self.halve(among);
        let cut = cell[axis].low + share * cell[axis].length();
        let (mut below, mut above) = (cell.clone(), cell);
        (below[axis].high, above[axis].low) = (cut, cut);
        let (left, right) = among.split_at_mut(first);
        self.share(left, below);
        self.share(right, above);
    }

    /// Returns how many of the components, taken in order, come nearest to half of the rows, and
    /// their fraction of the rows.
    fn halve(&self, among: &[usize]) -> (usize, f64) {
        let total: usize = among.iter().map(|&component| self.sizes[component]).sum();
        let (mut sum, mut best) = (0, (1, f64::INFINITY));
        for (first, &component) in (1..among.len()).zip(among) {
            sum += self.sizes[component];
            let share = sum as f64 / total as f64;
            if (share - 0.5).abs() < (best.1 - 0.5).abs() {
                best = (first, share);
            }
        }
        best
    }
}

/// Returns the mean of each component's points.
fn means(components: &[Vec<u32>], points: &[f64], width: usize) -> Vec<f64> {
    let mut means = Vec::with_capacity(components.len() * width);
    for members in components {
        let mean = |c: usize| {
            let values = members.iter().map(|&v| points[v as usize * width + c]);
            values.sum::<f64>() / members.len() as f64
        };
        means.extend((0..width).map(mean));
    }
    means
}

/// Returns the first `dim` principal components of the rows, in an arbitrary unit.
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
    scores
}

/// Returns the columns of greatest variance, at most [`MAX_COLUMNS`] and centred, and their number.
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

/// The covariance matrix of centred rows, divided by its trace.
struct Covariance {
    width: usize,
    entries: Vec<f64>,
}

impl Covariance {
    /// Computes the matrix; returns `None` when all rows are equal.
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

    #[test]
    fn cells_are_as_large_as_components_and_lie_as_their_means_do() {
        // The components have 4, 2 and 2 rows along a line.
        let components = [vec![0, 1, 2, 3], vec![4, 5], vec![6, 7]];
        let points = [0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 5.0, 5.0];
        let found = cells(&components, &points, 1, 2, 1);
        let area = |cell: &[Side]| cell.iter().map(Side::length).product::<f64>();
        for (cell, wanted) in found.iter().zip([0.5, 0.25, 0.25]) {
            assert!((area(cell) - wanted).abs() < 1e-12, "{found:?}");
        }
        let x = |component: usize| found[component][0].center();
        assert!((x(0) < 0.5) == (x(1) > 0.5) && x(1) == x(2), "{found:?}");
    }

    #[test]
    fn components_with_the_same_mean_get_cells_of_their_own() {
        let components: Vec<Vec<u32>> = (0..9).map(|i| vec![i]).collect();
        let mut found = cells(&components, &[3.0; 18], 2, 2, 1);
        let corner = |cell: &Vec<Side>| (cell[0].low, cell[1].low);
        found.sort_by(|a, b| corner(a).partial_cmp(&corner(b)).unwrap());
        assert!(
            found
                .windows(2)
                .all(|pair| corner(&pair[0]) < corner(&pair[1]))
        );
    }
}
