//! Leading eigenvectors of symmetric operators.
//!
//! The method is subspace iteration with a Chebyshev filter (Saad 2011, "Numerical Methods for
//! Large Eigenvalue Problems", section 7.4; Zhou, Saad, Tiago & Chelikowsky 2006). A block of
//! vectors is multiplied by a polynomial of the operator that is small on the unwanted part of the
//! spectrum. It is then rotated to the eigenvectors of the operator within the block
//! (Rayleigh–Ritz). The memory needed is that of three blocks for any number of steps, and every
//! sum has a fixed order.

use rayon::prelude::*;

use super::draws::Draws;
use crate::monitor;

/// The number of additional vectors, which make the wanted ones converge sooner.
const GUARDS: usize = 4;
/// The degree of the filter polynomial.
const DEGREE: usize = 16;
/// The number of rows per partial sum. It is fixed, so that the number of threads does not change
/// the order of additions.
const CHUNK: usize = 4096;

/// A symmetric operator whose eigenvalues are between `lowest` and 1.
pub(super) trait Operator: Sync {
    /// Returns the number of rows.
    fn size(&self) -> usize;
    /// Returns a lower bound of the eigenvalues.
    fn lowest(&self) -> f64;
    /// Adds row `row` of the operator, multiplied by the row-major block `x` of `sums.len()`
    /// columns, to `sums`.
    fn row_times(&self, row: usize, x: &[f64], sums: &mut [f64]);
}

/// The termination criteria of the iteration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// The residual ‖Av − λv‖ of unit vectors at which the iteration ends.
    pub tolerance: f64,
    /// The maximum number of rounds of filter and rotation.
    pub rounds: usize,
}

/// Eigenvectors as the columns of a row-major block, in descending order of eigenvalues.
#[derive(Clone, Debug)]
pub(super) struct Eigenvectors {
    pub columns: usize,
    pub vectors: Vec<f64>,
}

/// Returns the `wanted` leading eigenvectors that are orthogonal to the unit vector `known`, or
/// fewer if the operator has fewer. Their accuracy depends on the effort.
pub(super) fn leading(
    operator: &impl Operator,
    wanted: usize,
    known: Option<&[f64]>,
    effort: Effort,
    seed: u64,
) -> Eigenvectors {
    let n = operator.size();
    let max_columns = n - usize::from(known.is_some()).min(n);
    let columns = (wanted + GUARDS).min(max_columns);
    let wanted = wanted.min(columns);
    let mut block = Block {
        n,
        columns,
        known,
        seed,
        x: (0..n * columns)
            .map(|i| Draws::new(seed, 0, i as u64).signed())
            .collect(),
    };
    let mut values = vec![0.0; columns];
    let mut converged = columns == 0;
    for round in 0..effort.rounds {
        if converged {
            break;
        }
        monitor::begin("rounds", effort.rounds);
        monitor::step(round);
        if round > 0 {
            block.filter(operator, values[columns - 1]);
        }
        block.orthonormalise(round as u64);
        let residuals;
        (values, residuals) = block.rotate(operator);
        converged =
            columns == max_columns || residuals[..wanted].iter().all(|r| *r <= effort.tolerance);
    }
    Eigenvectors {
        columns: wanted,
        vectors: block.first_columns(wanted),
    }
}

/// A block of column vectors.
struct Block<'a> {
    n: usize,
    columns: usize,
    known: Option<&'a [f64]>,
    seed: u64,
    /// The entries, row-major.
    x: Vec<f64>,
}

impl Block<'_> {
    /// Applies a Chebyshev polynomial by its three-term recurrence. It is bounded by 1 from the
    /// operator's lowest eigenvalue to `cut` and grows beyond.
    fn filter(&mut self, operator: &impl Operator, cut: f64) {
        let lowest = operator.lowest();
        // A narrow interval would make the polynomial overflow.
        let cut = cut.clamp(lowest + 0.1 * (1.0 - lowest), 1.0 - 1e-12);
        let (center, half) = (0.5 * (cut + lowest), 0.5 * (cut - lowest));
        let mut before = self.x.clone();
        let mut now = self.combine(operator, &before, 1.0 / half, -center / half, None);
        for _ in 1..DEGREE {
            let next = self.combine(
                operator,
                &now,
                2.0 / half,
                -2.0 * center / half,
                Some(&before),
            );
            before = std::mem::replace(&mut now, next);
        }
        self.x = now;
    }

    /// Returns `by_operator` × operator × x + `by_self` × x − `minus`.
    fn combine(
        &self,
        operator: &impl Operator,
        x: &[f64],
        by_operator: f64,
        by_self: f64,
        minus: Option<&[f64]>,
    ) -> Vec<f64> {
        let columns = self.columns;
        let mut result = vec![0.0; x.len()];
        let rows = result
            .par_chunks_mut(columns)
            .with_min_len(CHUNK / 4)
            .enumerate();
        monitor::check();
        rows.for_each(|(row, sums)| {
            operator.row_times(row, x, sums);
            let range = row * columns..(row + 1) * columns;
            for (sum, x) in sums.iter_mut().zip(&x[range.clone()]) {
                *sum = by_operator * *sum + by_self * x;
            }
            if let Some(minus) = minus {
                for (sum, minus) in sums.iter_mut().zip(&minus[range]) {
                    *sum -= minus;
                }
            }
        });
        result
    }

    /// Makes the columns unit vectors that are orthogonal to the known vector and to each other, by
    /// the Gram–Schmidt process applied twice (Giraud, Langou & Rozložník 2005).
    fn orthonormalise(&mut self, round: u64) {
        for column in 0..self.columns {
            monitor::check();
            if self.orthogonalise(column) {
                continue;
            }
            // The column is linearly dependent on the others after the filter, so a random one
            // replaces it.
            for row in 0..self.n {
                let index = (row * self.columns + column) as u64;
                self.x[index as usize] = Draws::new(self.seed, 1 + round, index).signed();
            }
            self.orthogonalise(column);
        }
    }

    /// Makes one column a unit vector that is orthogonal to the known vector and to the columns
    /// before it. Returns false when the column is a linear combination of those, up to rounding.
    fn orthogonalise(&mut self, column: usize) -> bool {
        let before = self.dots(&self.x, &self.x)[column].sqrt();
        if !(before > 0.0 && before.is_finite()) {
            return false;
        }
        self.scale(column, 1.0 / before);
        for _ in 0..2 {
            if let Some(known) = self.known {
                let dot = self.dot_known(known, column);
                for (row, known) in self.x.chunks_exact_mut(self.columns).zip(known) {
                    row[column] -= dot * known;
                }
            }
            let dots = self.dots_with(column);
            for row in self.x.chunks_exact_mut(self.columns) {
                let projection: f64 = row[..column]
                    .iter()
                    .zip(&dots)
                    .map(|(x, dot)| x * dot)
                    .sum();
                row[column] -= projection;
            }
        }
        let length = self.dots_with(column)[column].sqrt();
        if length < 1e-10 {
            return false;
        }
        self.scale(column, 1.0 / length);
        true
    }

    /// Multiplies a column by a factor.
    fn scale(&mut self, column: usize, factor: f64) {
        for row in self.x.chunks_exact_mut(self.columns) {
            row[column] *= factor;
        }
    }

    /// Returns the dot product of the known vector with a column.
    fn dot_known(&self, known: &[f64], column: usize) -> f64 {
        let rows = self.x.chunks_exact(self.columns).zip(known);
        rows.map(|(row, known)| row[column] * known).sum()
    }

    /// Returns the dot products of all columns with one of them.
    fn dots_with(&self, column: usize) -> Vec<f64> {
        self.sum_rows(self.columns, |sums, range| {
            for row in self.x[range].chunks_exact(self.columns) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x * row[column];
                }
            }
        })
    }

    /// Returns the dot product of each column of `x` with the same column of `y`.
    fn dots(&self, x: &[f64], y: &[f64]) -> Vec<f64> {
        self.sum_rows(self.columns, |sums, range| {
            let places = x[range.clone()].iter().zip(&y[range]).enumerate();
            for (i, (x, y)) in places {
                sums[i % self.columns] += x * y;
            }
        })
    }

    /// Computes sums over chunks of rows and adds them in order. `add` receives a range of entries
    /// of the block.
    fn sum_rows(
        &self,
        n_sums: usize,
        add: impl Fn(&mut [f64], std::ops::Range<usize>) + Sync,
    ) -> Vec<f64> {
        let partial: Vec<Vec<f64>> = (0..self.n.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let mut sums = vec![0.0; n_sums];
                let end = ((chunk + 1) * CHUNK).min(self.n);
                add(&mut sums, chunk * CHUNK * self.columns..end * self.columns);
                sums
            })
            .collect();
        let mut total = vec![0.0; n_sums];
        for sums in partial {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        total
    }

    /// Rotates the columns to the operator's eigenvectors within the block. Returns their
    /// eigenvalues and residuals.
    fn rotate(&mut self, operator: &impl Operator) -> (Vec<f64>, Vec<f64>) {
        let m = self.columns;
        let image = self.combine(operator, &self.x, 1.0, 0.0, None);
        let projected = self.sum_rows(m * m, |sums, range| {
            let rows = self.x[range.clone()]
                .chunks_exact(m)
                .zip(image[range].chunks_exact(m));
            for (x, y) in rows {
                for (sums, x) in sums.chunks_exact_mut(m).zip(x) {
                    for (sum, y) in sums.iter_mut().zip(y) {
                        *sum += x * y;
                    }
                }
            }
        });
        let (values, rotation) = symmetric_eigen(projected, m);
        let rotate = |block: &[f64]| {
            let mut rotated = vec![0.0; block.len()];
            let rows = rotated.par_chunks_mut(m).zip(block.par_chunks(m));
            rows.with_min_len(CHUNK).for_each(|(to, from)| {
                for (x, weights) in from.iter().zip(rotation.chunks_exact(m)) {
                    for (to, weight) in to.iter_mut().zip(weights) {
                        *to += x * weight;
                    }
                }
            });
            rotated
        };
        let (x, mut image) = (rotate(&self.x), rotate(&image));
        for (image, x) in image.chunks_exact_mut(m).zip(x.chunks_exact(m)) {
            for ((image, x), value) in image.iter_mut().zip(x).zip(&values) {
                *image -= value * x;
            }
        }
        self.x = x;
        let residuals = self.dots(&image, &image).into_iter().map(f64::sqrt);
        (values, residuals.collect())
    }

    /// Returns the first `wanted` columns, row-major.
    fn first_columns(&self, wanted: usize) -> Vec<f64> {
        let rows = self.x.chunks_exact(self.columns.max(1));
        rows.flat_map(|row| row[..wanted].iter().copied()).collect()
    }
}

/// Returns the eigenvalues in descending order and the eigenvectors, as columns of a row-major
/// matrix, of a small symmetric matrix. The method is Jacobi's (Golub & Van Loan 2013, section
/// 8.5).
fn symmetric_eigen(mut a: Vec<f64>, m: usize) -> (Vec<f64>, Vec<f64>) {
    let mut v = vec![0.0; m * m];
    for i in 0..m {
        v[i * m + i] = 1.0;
        for j in 0..i {
            let mean = 0.5 * (a[i * m + j] + a[j * m + i]);
            (a[i * m + j], a[j * m + i]) = (mean, mean);
        }
    }
    let scale = a.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    // Convergence is quadratic and takes fewer than ten sweeps.
    for _ in 0..30 {
        let mut rotated = false;
        for p in 0..m {
            for q in p + 1..m {
                if a[p * m + q].abs() > 1e-15 * scale {
                    rotate_pair(&mut a, &mut v, m, p, q);
                    rotated = true;
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&i, &j| a[j * m + j].total_cmp(&a[i * m + i]));
    let values = order.iter().map(|&i| a[i * m + i]).collect();
    let vectors = (0..m).flat_map(|row| order.iter().map(move |&column| (row, column)));
    (
        values,
        vectors.map(|(row, column)| v[row * m + column]).collect(),
    )
}

/// Rotates coordinates `p` and `q` such that the entry at (`p`, `q`) becomes 0.
fn rotate_pair(a: &mut [f64], v: &mut [f64], m: usize, p: usize, q: usize) {
    let theta = 0.5 * (a[q * m + q] - a[p * m + p]) / a[p * m + q];
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..m {
        let (x, y) = (a[k * m + p], a[k * m + q]);
        (a[k * m + p], a[k * m + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..m {
        let (x, y) = (a[p * m + k], a[q * m + k]);
        (a[p * m + k], a[q * m + k]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (v[k * m + p], v[k * m + q]);
        (v[k * m + p], v[k * m + q]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dense symmetric matrix.
    struct Dense(usize, Vec<f64>);

    impl Operator for Dense {
        fn size(&self) -> usize {
            self.0
        }

        fn lowest(&self) -> f64 {
            -1.0
        }

        fn row_times(&self, row: usize, x: &[f64], sums: &mut [f64]) {
            for (column, x) in x.chunks_exact(sums.len()).enumerate() {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += self.1[row * self.0 + column] * x;
                }
            }
        }
    }

    /// Returns half the adjacency matrix of a path of n vertices, whose eigenvalues are cos(πk/(n +
    /// 1)).
    fn path(n: usize) -> Dense {
        let entry = |i: usize, j: usize| if i.abs_diff(j) == 1 { 0.5 } else { 0.0 };
        Dense(n, (0..n * n).map(|at| entry(at / n, at % n)).collect())
    }

    #[test]
    fn the_path_has_cosines() {
        let effort = Effort {
            tolerance: 1e-9,
            rounds: 100,
        };
        for n in [1, 2, 5, 60] {
            let found = leading(&path(n), 3, None, effort, 1);
            assert_eq!(found.columns, n.min(3));
            for (row, vector) in (1..).zip(found.vectors.chunks_exact(found.columns)) {
                for (k, entry) in (1..).zip(vector) {
                    let angle = std::f64::consts::PI * f64::from(k * row) / (n as f64 + 1.0);
                    let wanted = (2.0 / (n as f64 + 1.0)).sqrt() * angle.sin();
                    assert!(
                        (entry.abs() - wanted.abs()).abs() < 1e-7,
                        "{n} {k} {entry} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_known_vector_is_left_out() {
        let mut operator = Dense(4, vec![0.0; 16]);
        for (i, value) in [0.9, 0.5, 0.25, 0.0].into_iter().enumerate() {
            operator.1[i * 5] = value;
        }
        let effort = Effort {
            tolerance: 1e-12,
            rounds: 50,
        };
        let found = leading(&operator, 2, Some(&[1.0, 0.0, 0.0, 0.0]), effort, 1);
        for (i, entry) in found.vectors.iter().enumerate() {
            let wanted = if i == 2 || i == 5 { 1.0 } else { 0.0 };
            assert!((entry.abs() - wanted).abs() < 1e-10, "{:?}", found.vectors);
        }
    }
}
