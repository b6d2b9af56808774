//! The input of every algorithm in this crate: a matrix of weighted rows.

use crate::distinct::find_distinct;
use crate::monitor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The maximum total weight, 2⁵³. Up to it, every whole number of events is an exact `f64`.
pub const MAX_TOTAL_WEIGHT: f64 = 9_007_199_254_740_992.0;

/// The number of rows whose distinct rows are found together.
const PART_ROWS: usize = 1 << 16;

/// The kind of values in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ColumnKind {
    /// Ordered numbers. NaN is a missing value.
    Numeric,
    /// Unordered categories, given as the codes `0..cardinality`. NaN is a missing value, and any
    /// other value is a category that was not seen in training.
    Categorical {
        /// The number of categories known from training.
        cardinality: u32,
    },
}

/// The reason why values and weights do not form a [`Matrix`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MatrixError {
    /// The number of columns is 0.
    #[error("a matrix needs at least 1 feature, got 0")]
    NoFeatures,
    /// The values do not fill whole rows.
    #[error("{values} values do not fill rows of {n_features} features")]
    RaggedRows {
        /// The number of values given.
        values: usize,
        /// The number of columns.
        n_features: usize,
    },
    /// The number of weights differs from the number of rows.
    #[error("{rows} rows need {rows} weights, got {weights}")]
    WeightCount {
        /// The number of rows.
        rows: usize,
        /// The number of weights given.
        weights: usize,
    },
    /// A value is positive or negative infinity.
    #[error("row {row}, column {column}: {value} is not finite (a missing value is NaN)")]
    Infinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// A weight is negative or not finite.
    #[error("row {row}: weight {weight} is not a finite number of at least 0")]
    Weight {
        /// The row, counted from 0.
        row: usize,
        /// The weight found.
        weight: f64,
    },
    /// The sum of the weights is above [`MAX_TOTAL_WEIGHT`].
    #[error("the weights sum to {total}, more than the limit of 2^53")]
    TotalWeight {
        /// The sum of the weights.
        total: f64,
    },
}

/// A matrix of rows of `n_features` values, row-major, with one weight per row.
///
/// A whole-number weight `w` stands for `w` copies of the row. NaN is a missing value. The matrix
/// stores all NaNs with the same bits, and −0.0 as 0.0.
#[derive(Clone, Debug)]
pub struct Matrix {
    n_features: usize,
    values: Vec<f64>,
    weights: Vec<f64>,
    weighting: Weighting,
    total_weight: f64,
}

/// The interpretation of a matrix's weights, in order of generality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weighting {
    /// Every row is one event.
    Unit,
    /// Every row stands for a whole number of events.
    Counts,
    /// The weights are relative frequencies.
    Frequencies,
}

impl Matrix {
    /// Creates a matrix of `values.len() / n_features` rows from row-major values; `weights[i]` is
    /// the weight of row `i`.
    ///
    /// # Errors
    /// Returns an error when `n_features` is 0, the lengths do not match, a value is infinite, a
    /// weight is negative or not finite, or the weights sum to more than [`MAX_TOTAL_WEIGHT`].
    pub fn new(
        n_features: usize,
        mut values: Vec<f64>,
        weights: Vec<f64>,
    ) -> Result<Matrix, MatrixError> {
        let rows = rows_of(n_features, values.len())?;
        if weights.len() != rows {
            return Err(MatrixError::WeightCount {
                rows,
                weights: weights.len(),
            });
        }
        for (i, value) in values.iter_mut().enumerate() {
            if value.is_infinite() {
                let (row, column, value) = (i / n_features, i % n_features, *value);
                return Err(MatrixError::Infinite { row, column, value });
            }
            *value = canonical(*value);
        }
        let (weighting, total_weight) = read_weights(&weights)?;
        Ok(Matrix {
            n_features,
            values,
            weights,
            weighting,
            total_weight,
        })
    }

    /// Creates the matrix that [`Matrix::new`] and [`sort_rows`](Self::sort_rows) make of the same values and weights,
    /// in less time and memory where rows repeat and the weights are whole. Without `weights`, every row has weight 1.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Matrix::new`].
    pub fn sorted(
        n_features: usize,
        values: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Matrix, MatrixError> {
        let rows = rows_of(n_features, values.len())?;
        let are_whole = weights.is_none_or(|weights| weights.len() == rows && are_counts(weights));
        let merged = are_whole
            .then(|| merge(n_features, values, weights))
            .flatten();
        // Only all the rows can say where an infinity is.
        let merged = merged.filter(|(values, _)| values.iter().all(|value| !value.is_infinite()));
        let mut matrix = match (merged, weights) {
            (Some((values, counts)), _) => Matrix::new(n_features, values, counts),
            (None, Some(weights)) => Matrix::new(n_features, values.to_vec(), weights.to_vec()),
            (None, None) => Matrix::unweighted(n_features, values.to_vec()),
        }?;
        matrix.sort_rows();
        Ok(matrix)
    }

    /// Creates a matrix in which every row has weight 1.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`Matrix::new`].
    pub fn unweighted(n_features: usize, values: Vec<f64>) -> Result<Matrix, MatrixError> {
        let rows = rows_of(n_features, values.len())?;
        Matrix::new(n_features, values, vec![1.0; rows])
    }

    /// Returns the number of rows.
    pub fn n_rows(&self) -> usize {
        self.weights.len()
    }

    /// Returns the number of columns, at least 1.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Returns the values of row `i`.
    ///
    /// # Panics
    /// Panics when there is no such row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n_features..(i + 1) * self.n_features]
    }

    /// Returns all values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the weight of each row.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the sum of the weights, which is the number of events when the weights are counts.
    pub fn total_weight(&self) -> f64 {
        self.total_weight
    }

    pub(crate) fn weighting(&self) -> Weighting {
        self.weighting
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Sorts the rows in lexicographic order, with missing values last, and merges equal rows by
    /// adding their weights. The result does not depend on the original order of the rows.
    pub fn sort_rows(&mut self) {
        if !self.is_sorted() {
            self.sort_rows_tracked();
        }
    }

    /// Sorts and merges the rows like [`sort_rows`](Self::sort_rows). Returns, for each original
    /// row, the index of the row that it is now or was merged into.
    pub fn sort_rows_tracked(&mut self) -> Vec<usize> {
        let order = self.ascending();
        let mut positions = vec![0; order.len()];
        let mut values: Vec<f64> = Vec::with_capacity(self.values.len());
        let mut weights: Vec<f64> = Vec::with_capacity(order.len());
        for i in order {
            let last = values.len().saturating_sub(self.n_features);
            match weights.last_mut() {
                Some(weight) if compare_rows(&values[last..], self.row(i)).is_eq() => {
                    *weight += self.weights[i];
                }
                _ => {
                    values.extend_from_slice(self.row(i));
                    weights.push(self.weights[i]);
                }
            }
            positions[i] = weights.len() - 1;
        }
        (self.weighting, self.total_weight) =
            read_weights(&weights).unwrap_or((self.weighting, self.total_weight));
        self.values = values;
        self.weights = weights;
        positions
    }

    /// Returns the numbers of the rows in ascending order. Equal rows are in the order of their weights, so that
    /// fractional weights are always added in the same order.
    fn ascending(&self) -> Vec<usize> {
        // First come the values of one column, which lie beside each other in memory. Most sorts need no other column.
        let first = |i| (total_order(self.row(i)[0]), i);
        let mut keys: Vec<(i64, usize)> = (0..self.n_rows()).map(first).collect();
        monitor::check();
        keys.sort_unstable();
        for ties in keys.chunk_by_mut(|(a, _), (b, _)| a == b) {
            ties.sort_unstable_by(|&(_, a), &(_, b)| {
                monitor::check();
                let by_values = compare_rows(&self.row(a)[1..], &self.row(b)[1..]);
                by_values.then(self.weights[a].total_cmp(&self.weights[b]))
            });
        }
        keys.into_iter().map(|(_, i)| i).collect()
    }

    /// Returns whether the rows are strictly ascending, so that sorting would change nothing.
    fn is_sorted(&self) -> bool {
        let mut pairs = (1..self.n_rows()).map(|i| (self.row(i - 1), self.row(i)));
        pairs.all(|(before, after)| compare_rows(before, after).is_lt())
    }
}

/// Returns the number of rows that this many values fill.
fn rows_of(n_features: usize, values: usize) -> Result<usize, MatrixError> {
    match n_features {
        0 => Err(MatrixError::NoFeatures),
        n if !values.is_multiple_of(n) => Err(MatrixError::RaggedRows { values, n_features }),
        n => Ok(values / n),
    }
}

/// Gives all NaNs the same bits, and turns −0.0 into 0.0 by adding 0.0.
fn canonical(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else {
        value + 0.0
    }
}

/// Returns whether the sum of any of the weights is exact in any order.
fn are_counts(weights: &[f64]) -> bool {
    read_weights(weights).is_ok_and(|(weighting, _)| weighting != Weighting::Frequencies)
}

/// Returns the distinct rows of each part of the rows, and the sums of their weights, which are whole; `None` when a part
/// has too many distinct rows.
fn merge(
    n_features: usize,
    values: &[f64],
    weights: Option<&[f64]>,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let parts = values.par_chunks(PART_ROWS * n_features).enumerate();
    let merged: Vec<(Vec<f64>, Vec<f64>)> = parts
        .map(|(part, values)| {
            monitor::check();
            let first = part * PART_ROWS;
            let mut numbers = vec![0; values.len() / n_features];
            let distinct = find_distinct(values, n_features, &mut numbers)?;
            let mut sums = vec![0.0; distinct.len() / n_features];
            for (row, &number) in (first..).zip(&numbers) {
                sums[usize::from(number)] += weights.map_or(1.0, |weights| weights[row]);
            }
            Some((distinct, sums))
        })
        .collect::<Option<_>>()?;
    let (values, sums): (Vec<_>, Vec<_>) = merged.into_iter().unzip();
    Some((values.concat(), sums.concat()))
}

/// Returns a number that is in the order of `total_cmp`.
fn total_order(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    // A negative value is the greater the smaller its other bits are.
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Compares rows lexicographically. Positive NaN is the greatest value of `total_cmp`, so missing
/// values come last.
pub(crate) fn compare_rows(a: &[f64], b: &[f64]) -> Ordering {
    let differing = a
        .iter()
        .zip(b)
        .map(|(x, y)| x.total_cmp(y))
        .find(|order| order.is_ne());
    differing.unwrap_or(Ordering::Equal)
}

/// Checks the weights; returns their interpretation and their sum.
fn read_weights(weights: &[f64]) -> Result<(Weighting, f64), MatrixError> {
    let (mut unit, mut whole, mut total) = (true, true, 0.0);
    for (row, &weight) in weights.iter().enumerate() {
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(MatrixError::Weight { row, weight });
        }
        unit &= weight == 1.0;
        whole &= weight.fract() == 0.0;
        total += weight;
    }
    if total > MAX_TOTAL_WEIGHT {
        return Err(MatrixError::TotalWeight { total });
    }
    let weighting = match (unit, whole) {
        (true, _) => Weighting::Unit,
        (false, true) => Weighting::Counts,
        (false, false) => Weighting::Frequencies,
    };
    Ok((weighting, total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    #[test]
    fn rejects_what_is_not_a_matrix() {
        let new = |n, values: &[f64], weights: &[f64]| {
            Matrix::new(n, values.to_vec(), weights.to_vec())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(new(0, &[], &[]), "a matrix needs at least 1 feature, got 0");
        assert_eq!(
            new(2, &[1.0; 3], &[1.0]),
            "3 values do not fill rows of 2 features"
        );
        assert_eq!(new(2, &[1.0; 4], &[1.0]), "2 rows need 2 weights, got 1");
        assert!(new(2, &[1.0, f64::INFINITY], &[1.0]).starts_with("row 0, column 1: inf"));
        assert!(new(1, &[1.0], &[-1.0]).starts_with("row 0: weight -1"));
        assert!(new(1, &[1.0], &[f64::NAN]).starts_with("row 0: weight NaN"));
        assert!(new(1, &[1.0, 2.0], &[9e15, 9e15]).contains("2^53"));
    }

    #[test]
    fn sorting_merges_equal_rows_and_forgets_the_order() {
        let nan = f64::NAN;
        let rows = [
            [1.0, nan],
            [0.0, 2.0],
            [-0.0, 2.0],
            [1.0, -nan],
            [1.0, -5.0],
        ];
        let mut a = Matrix::unweighted(2, rows.concat()).unwrap();
        let mut b =
            Matrix::unweighted(2, rows.iter().rev().copied().collect::<Vec<_>>().concat()).unwrap();
        assert_eq!(a.sort_rows_tracked(), [2, 0, 0, 2, 1]);
        b.sort_rows();
        let bits = |m: &Matrix| m.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&a), bits(&b));
        assert_eq!(a.weights(), [2.0, 1.0, 2.0]);
        assert_eq!(a.row(0), [0.0, 2.0]);
        assert_eq!(a.row(1), [1.0, -5.0]);
        assert!(a.row(2)[1].is_nan());
        assert_eq!((a.total_weight(), a.weighting()), (5.0, Weighting::Counts));
        let sorted = bits(&a);
        a.sort_rows();
        assert_eq!(bits(&a), sorted);
    }

    /// Returns the bits of the values and of the weights.
    fn bits(matrix: &Matrix) -> Vec<u64> {
        let numbers = matrix.values().iter().chain(matrix.weights());
        numbers.map(|number| number.to_bits()).collect()
    }

    #[test]
    fn sorted_says_where_an_infinity_is() {
        let mut values = vec![1.0; 6000];
        values[4001] = f64::INFINITY;
        let error = Matrix::sorted(2, &values, None).unwrap_err().to_string();
        assert!(error.starts_with("row 2000, column 1: inf"), "{error}");
        let error = Matrix::sorted(2, &values[..4000], Some(&[1.0])).unwrap_err();
        assert_eq!(error.to_string(), "2000 rows need 2000 weights, got 1");
    }

    proptest! {
        #[test]
        fn rows_are_sorted_as_by_comparing_them(
            n_features in 1..4usize, cells in prop::collection::vec(0..9usize, 1..400),
        ) {
            let values = [f64::NAN, 0.0, -0.0, 1.0, -1.0, -5e-324, 1e300, -1e300, 2.0];
            let n = cells.len() / n_features;
            let rows: Vec<f64> = cells[..n * n_features].iter().map(|&cell| values[cell]).collect();
            let weights = (0..n).map(|i| [0.1, 0.2, 0.7][i % 3]).collect();
            let matrix = Matrix::new(n_features, rows, weights).unwrap();
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by(|&a, &b| {
                let by_values = compare_rows(matrix.row(a), matrix.row(b));
                by_values.then(matrix.weights()[a].total_cmp(&matrix.weights()[b]))
            });
            for (&a, &b) in matrix.ascending().iter().zip(&expected) {
                prop_assert!(compare_rows(matrix.row(a), matrix.row(b)).is_eq());
                prop_assert_eq!(matrix.weights()[a], matrix.weights()[b]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn sorted_is_new_and_sort_rows(
            seed in 0..u64::MAX, n_features in 1..4usize, kinds in 1..9000u64, weighing in 0..4usize,
        ) {
            let mut rng = Rng::new(seed, 0);
            let special = [f64::NAN, 0.0, -0.0];
            let mut value = || match rng.below(kinds) {
                kind if kind < 3 => special[kind as usize],
                kind => kind as f64,
            };
            let n = 3 * PART_ROWS / 2;
            let rows: Vec<f64> = (0..n)
                .flat_map(|_| { let value = value(); vec![value; n_features] })
                .collect();
            let weights = (weighing > 0).then(|| {
                (0..n).map(|i| [2.0, (i % 3) as f64, 0.1 * (i % 7) as f64][weighing - 1]).collect::<Vec<_>>()
            });
            let all = weights.clone().unwrap_or_else(|| vec![1.0; n]);
            let mut expected = Matrix::new(n_features, rows.clone(), all).unwrap();
            expected.sort_rows();
            let sorted = Matrix::sorted(n_features, &rows, weights.as_deref()).unwrap();
            prop_assert!(bits(&sorted) == bits(&expected));
            prop_assert_eq!(sorted.total_weight(), expected.total_weight());
            prop_assert_eq!(sorted.weighting(), expected.weighting());
        }
    }
}
