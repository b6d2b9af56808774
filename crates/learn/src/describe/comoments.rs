//! Pearson's correlation of every pair of columns.

use std::borrow::Cow;

use super::numbers::unit_for;

/// The number of independent partial sums, which a processor adds in parallel.
const LANES: usize = 8;

/// The number of rows from which on a correlation is defined: any two points lie on a line.
pub const MIN_ROWS: f64 = 3.0;

/// Weighted sums over the rows in which both columns of a pair have a value.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    /// The sum of the weights.
    weight: f64,
    /// The weighted mean of each column.
    means: [f64; 2],
    /// The weighted sum of squared deviations from the mean of each column.
    squares: [f64; 2],
    /// The weighted sum of the products of deviations.
    product: f64,
}

/// The correlation of a pair of columns, or the reason why it is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Correlation {
    /// Pearson's r, from −1 to 1.
    Defined(f64),
    /// Fewer than [`MIN_ROWS`] rows have a value in both columns.
    TooFewRows,
    /// The first column, the second or both are constant in the rows in which both have a value.
    Constant {
        /// Whether the first column is constant.
        first: bool,
        /// Whether the second column is constant.
        second: bool,
    },
}

/// The correlations of all pairs of columns, whose rows arrive in batches. A missing value (NaN)
/// excludes its row only from the pairs of its column, as in `pandas.DataFrame.corr`. Batches are
/// merged by the method of Chan, Golub & LeVeque 1983.
#[derive(Debug, Clone)]
pub struct CoMoments {
    /// The first value of each column, to which all values of the column are relative, so that
    /// large values that are close together lose no digits. NaN until the column has a value.
    origins: Vec<f64>,
    /// The unit of each column, in which nothing overflows. Origins and sums are in this unit.
    units: Vec<f64>,
    /// The sums of the columns (i, j) with i < j, ordered by i, then j.
    pairs: Vec<Pair>,
}

/// A column of a batch.
struct Piece {
    values: Vec<f64>,
    /// The mean and the sum of squared deviations if no value is missing; `values` then holds the
    /// deviations from the mean. `None` otherwise.
    complete: Option<(f64, f64)>,
}

impl CoMoments {
    /// Creates correlations of this number of columns, without any rows.
    pub fn new(columns: usize) -> Self {
        Self {
            origins: vec![f64::NAN; columns],
            units: vec![1.0; columns],
            pairs: vec![Pair::default(); columns * columns.saturating_sub(1) / 2],
        }
    }

    /// Adds rows, given as one slice per column. All slices have the same length, and NaN is a
    /// missing value.
    ///
    /// # Panics
    /// Panics when the number of columns differs.
    pub fn push(&mut self, columns: &[&[f64]]) {
        let columns = self.moved_to_origins(columns);
        let pieces: Vec<Piece> = columns.into_iter().map(Piece::new).collect();
        self.merge(&pieces, Piece::with);
    }

    /// Adds weighted rows, given as one slice per column and one weight per row. A weight is the
    /// number of equal rows that the row stands for.
    ///
    /// # Panics
    /// Panics when the number of columns differs or there are fewer weights than rows.
    pub fn push_weighted(&mut self, columns: &[&[f64]], weights: &[f64]) {
        let columns = self.moved_to_origins(columns);
        self.merge(&columns, |first, second| {
            Pair::of(first, second, |row| weights[row])
        });
    }

    /// Merges the sums of every pair of columns of a batch.
    fn merge<T>(&mut self, columns: &[T], pair_of: impl Fn(&T, &T) -> Pair) {
        let mut pairs = self.pairs.iter_mut();
        for (index, first) in columns.iter().enumerate() {
            for (second, pair) in columns[index + 1..].iter().zip(&mut pairs) {
                pair.merge(pair_of(first, second));
            }
        }
    }

    /// Returns the columns relative to their origins.
    fn moved_to_origins(&mut self, columns: &[&[f64]]) -> Vec<Vec<f64>> {
        assert_eq!(columns.len(), self.origins.len(), "one slice per column");
        for (index, values) in columns.iter().enumerate() {
            self.change_unit(index, unit_for(self.units[index], values.iter().copied()));
        }
        let held = self.origins.iter_mut().zip(&self.units);
        let moved = columns.iter().zip(held).map(|(values, (origin, unit))| {
            if origin.is_nan() {
                let first = values.iter().copied().find(|value| !value.is_nan());
                *origin = first.unwrap_or(f64::NAN) / unit;
            }
            values.iter().map(|value| value / unit - *origin).collect()
        });
        moved.collect()
    }

    /// Expresses what is held of a column in another unit.
    fn change_unit(&mut self, column: usize, unit: f64) {
        let factor = self.units[column] / unit;
        if factor == 1.0 {
            return;
        }
        self.units[column] = unit;
        self.origins[column] *= factor;
        for other in (0..self.origins.len()).filter(|other| *other != column) {
            let side = usize::from(other < column);
            let index = self.index(column.min(other), column.max(other));
            let pair = &mut self.pairs[index];
            pair.means[side] *= factor;
            pair.squares[side] *= factor * factor;
            pair.product *= factor;
        }
    }

    /// Returns the position of the sums of columns `i` and `j`, where i < j.
    fn index(&self, i: usize, j: usize) -> usize {
        i * (2 * self.origins.len() - i - 1) / 2 + j - i - 1
    }

    /// Returns the number of rows in which columns `i` and `j` both have a value, or the sum of their
    /// weights.
    ///
    /// # Panics
    /// Panics when `i` equals `j` or a column does not exist.
    pub fn rows(&self, i: usize, j: usize) -> f64 {
        self.pairs[self.index(i.min(j), i.max(j))].weight
    }

    /// Returns the correlation of columns `i` and `j`, counted from 0.
    ///
    /// # Panics
    /// Panics when `i` equals `j` or a column does not exist.
    pub fn correlation(&self, i: usize, j: usize) -> Correlation {
        let (i, j, is_swapped) = if i < j { (i, j, false) } else { (j, i, true) };
        assert!(
            i < j && j < self.origins.len(),
            "the columns must exist and differ"
        );
        let pair = &self.pairs[self.index(i, j)];
        if pair.weight < MIN_ROWS {
            return Correlation::TooFewRows;
        }
        let mut is_constant = pair.squares.map(|squares| squares == 0.0);
        if is_constant != [false; 2] {
            if is_swapped {
                is_constant.reverse();
            }
            let [first, second] = is_constant;
            return Correlation::Constant { first, second };
        }
        let scale = pair.squares[0].sqrt() * pair.squares[1].sqrt();
        Correlation::Defined((pair.product / scale).clamp(-1.0, 1.0))
    }
}

impl Piece {
    fn new(mut values: Vec<f64>) -> Self {
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return Self {
                values,
                complete: None,
            };
        }
        let mean = sum(values.len(), |row| values[row]) / values.len() as f64;
        values.iter_mut().for_each(|value| *value -= mean);
        let complete = Some((mean, dot(&values, &values)));
        Self { values, complete }
    }

    /// Computes the sums of this column and another of the same batch.
    fn with(&self, other: &Self) -> Pair {
        match (self.complete, other.complete) {
            (Some((mean, squares)), Some((other_mean, other_squares))) => Pair {
                weight: self.values.len() as f64,
                means: [mean, other_mean],
                squares: [squares, other_squares],
                product: dot(&self.values, &other.values),
            },
            _ => Pair::of(&self.as_given(), &other.as_given(), |_| 1.0),
        }
    }

    /// Returns the values before the mean was subtracted.
    fn as_given(&self) -> Cow<'_, [f64]> {
        match self.complete {
            None => Cow::Borrowed(&self.values),
            Some((mean, _)) => self.values.iter().map(|value| value + mean).collect(),
        }
    }
}

impl Pair {
    /// Computes the sums over the rows in which both columns have a value.
    fn of(first: &[f64], second: &[f64], weight: impl Fn(usize) -> f64) -> Self {
        let both = || {
            let rows = first.iter().zip(second).enumerate();
            rows.filter(|(_, (x, y))| !x.is_nan() && !y.is_nan())
                .map(|(row, (x, y))| (weight(row), *x, *y))
        };
        let mut pair = Self::default();
        // Values are taken relative to the first row, so that a column that is constant in these
        // rows has a spread of exactly 0.
        let Some((_, x0, y0)) = both().next() else {
            return pair;
        };
        let (mut x_sum, mut y_sum) = (0.0, 0.0);
        for (w, x, y) in both() {
            pair.weight += w;
            x_sum += w * (x - x0);
            y_sum += w * (y - y0);
        }
        if pair.weight == 0.0 {
            return pair;
        }
        pair.means = [x0 + x_sum / pair.weight, y0 + y_sum / pair.weight];
        for (w, x, y) in both() {
            let [x, y] = [x - pair.means[0], y - pair.means[1]];
            pair.squares[0] += w * x * x;
            pair.squares[1] += w * y * y;
            pair.product += w * x * y;
        }
        pair
    }

    /// Adds the sums of a batch.
    fn merge(&mut self, piece: Self) {
        if piece.weight == 0.0 {
            return;
        }
        if self.weight == 0.0 {
            *self = piece;
            return;
        }
        let total = self.weight + piece.weight;
        let factor = self.weight * (piece.weight / total);
        let apart = [0, 1].map(|column| piece.means[column] - self.means[column]);
        for (column, apart) in apart.into_iter().enumerate() {
            self.means[column] += apart * (piece.weight / total);
            self.squares[column] += piece.squares[column] + apart * apart * factor;
        }
        self.product += piece.product + apart[0] * apart[1] * factor;
        self.weight = total;
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    let right = &right[..left.len()];
    sum(left.len(), |row| left[row] * right[row])
}

/// Returns the sum of `term` over the rows, added in an order that does not depend on the machine.
fn sum(rows: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = rows - rows % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += term(start + lane);
        }
    }
    let rest: f64 = (whole..rows).map(term).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn r(correlation: Correlation) -> f64 {
        match correlation {
            Correlation::Defined(r) => r,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pieces_with_gaps_give_what_the_complete_pairs_give() {
        let x = [1.0, 2.0, NAN, 4.0, 7.0, 3.0];
        let y = [2.0, 1.0, 5.0, NAN, 9.0, 4.0];
        let mut pieces = CoMoments::new(2);
        pieces.push(&[&x[..2], &y[..2]]);
        pieces.push(&[&x[2..], &y[2..]]);
        // In rows 0, 1, 4 and 5 the deviations are x − 3.25 and y − 4.
        let expected = 27.0 / (20.75f64 * 38.0).sqrt();
        assert!((r(pieces.correlation(0, 1)) - expected).abs() < 1e-12);
        assert_eq!(pieces.correlation(0, 1), pieces.correlation(1, 0));
    }

    #[test]
    fn a_constant_has_no_correlation() {
        let mut moments = CoMoments::new(3);
        for _ in 0..3 {
            moments.push(&[
                &[0.1; 9],
                &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
                &[NAN; 9],
            ]);
        }
        let constant = |first, second| Correlation::Constant { first, second };
        assert_eq!(moments.correlation(0, 1), constant(true, false));
        assert_eq!(moments.correlation(1, 0), constant(false, true));
        assert_eq!(moments.correlation(1, 2), Correlation::TooFewRows);
    }

    #[test]
    fn a_column_that_is_constant_where_the_other_has_values() {
        let mut moments = CoMoments::new(2);
        moments.push(&[&[0.3, 0.1, 0.1, 0.1], &[NAN, 1.0, 2.0, 4.0]]);
        let expected = Correlation::Constant {
            first: true,
            second: false,
        };
        assert_eq!(moments.correlation(0, 1), expected);
    }

    #[test]
    fn large_values_do_not_overflow() {
        // numpy.corrcoef([1e300, 2e300, -5e300, 1, 1.5e300], [3, 1, 4, 1, 5]) of the first column divided by 1e300
        let x = [1.0, 1e300, 2e300, -5e300, 1.5e300];
        let y = [1.0, 3.0, 1.0, 4.0, 5.0];
        let mut moments = CoMoments::new(2);
        moments.push(&[&x[..1], &y[..1]]);
        moments.push(&[&x[1..], &y[1..]]);
        assert!((r(moments.correlation(0, 1)) + 0.300_467_092_378_657_15).abs() < 1e-12);
        assert_eq!(moments.rows(1, 0), 5.0);
        let mut widest = CoMoments::new(2);
        widest.push(&[&[f64::MAX, f64::MIN, 0.0], &[f64::MIN, f64::MAX, 0.0]]);
        assert!((r(widest.correlation(0, 1)) + 1.0).abs() < 1e-12);
    }

    #[test]
    fn two_rows_have_no_correlation() {
        let mut moments = CoMoments::new(2);
        moments.push(&[&[1.0, 2.0, NAN], &[5.0, 3.0, 4.0]]);
        assert_eq!(moments.correlation(0, 1), Correlation::TooFewRows);
        moments.push(&[&[3.0], &[1.0]]);
        assert_eq!(moments.rows(0, 1), 3.0);
        assert!((r(moments.correlation(0, 1)) + 1.0).abs() < 1e-12);
    }

    #[test]
    fn weights_are_repetitions() {
        let (x, y) = ([1.0, 2.0, 5.0], [3.0, 1.0, 4.0]);
        let mut weighted = CoMoments::new(2);
        weighted.push_weighted(&[&x, &y], &[1.0, 2.0, 3.0]);
        let repeated = |v: [f64; 3]| [v[0], v[1], v[1], v[2], v[2], v[2]];
        let mut plain = CoMoments::new(2);
        plain.push(&[&repeated(x), &repeated(y)]);
        let difference = r(weighted.correlation(0, 1)) - r(plain.correlation(0, 1));
        assert!(difference.abs() < 1e-12);
    }
}
