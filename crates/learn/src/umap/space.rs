//! Conversion of rows to points, such that every metric becomes one of three norms of a difference.

use super::Metric;

/// The maximum coordinate, so that no difference, square or sum exceeds the range of `f64`.
const FARTHEST: f64 = 1e100;

/// The norm of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    /// The sum of squares.
    Squares,
    /// The sum of absolute values.
    Absolutes,
    /// The maximum absolute value.
    Maximum,
}

/// A norm as a type, so that loops over coordinates are compiled for it. Its *keys* are numbers
/// that increase with the distance.
pub(super) trait Sum: Copy + Send + Sync {
    /// Adds the difference in one more coordinate to `sum`.
    fn add(self, sum: f64, difference: f64) -> f64;

    /// Combines two sums over different coordinates.
    fn join(self, one: f64, other: f64) -> f64 {
        one + other
    }

    /// Returns the key of two points.
    #[inline(always)]
    fn key(self, a: &[f64], b: &[f64]) -> f64 {
        // Four independent sums are computed in parallel.
        let mut sums = [0.0; 4];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..4 {
                sums[lane] = self.add(sums[lane], a[lane] - b[lane]);
            }
        }
        for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            sums[lane] = self.add(sums[lane], a - b);
        }
        self.join(self.join(sums[0], sums[1]), self.join(sums[2], sums[3]))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Squares;
#[derive(Clone, Copy)]
pub(super) struct Absolutes;
#[derive(Clone, Copy)]
pub(super) struct Maximum;

impl Sum for Squares {
    #[inline(always)]
    fn add(self, sum: f64, difference: f64) -> f64 {
        sum + difference * difference
    }
}

impl Sum for Absolutes {
    #[inline(always)]
    fn add(self, sum: f64, difference: f64) -> f64 {
        sum + difference.abs()
    }
}

impl Sum for Maximum {
    #[inline(always)]
    fn add(self, sum: f64, difference: f64) -> f64 {
        if difference.abs() > sum {
            difference.abs()
        } else {
            sum
        }
    }

    fn join(self, one: f64, other: f64) -> f64 {
        one.max(other)
    }
}

/// Evaluates an expression with the norm's type.
macro_rules! with_sum {
    ($norm:expr, $sum:ident => $value:expr) => {
        match $norm {
            $crate::umap::space::Norm::Squares => {
                let $sum = $crate::umap::space::Squares;
                $value
            }
            $crate::umap::space::Norm::Absolutes => {
                let $sum = $crate::umap::space::Absolutes;
                $value
            }
            $crate::umap::space::Norm::Maximum => {
                let $sum = $crate::umap::space::Maximum;
                $value
            }
        }
    };
}
pub(super) use with_sum;

/// The conversion of rows to points.
///
/// For Euclidean, Manhattan and Chebyshev distances, rows are scaled by one power of two, which
/// changes no digit and keeps squares in range. For cosine and correlation distances, rows are
/// scaled to length 1, so that the squared Euclidean distance is 2 − 2 cos. A row without direction
/// gets an additional coordinate that is orthogonal to all other rows.
#[derive(Clone, Debug)]
pub(super) struct Space {
    metric: Metric,
    scale: f64,
    n_features: usize,
}

impl Space {
    /// Creates the conversion for rows of `n_features` values; `values` are the rows of the fit.
    pub fn of(metric: Metric, n_features: usize, values: &[f64]) -> Space {
        Space {
            metric,
            scale: scale_of(values),
            n_features,
        }
    }

    /// Returns the norm that corresponds to the metric.
    pub fn norm(&self) -> Norm {
        match self.metric {
            Metric::Manhattan => Norm::Absolutes,
            Metric::Chebyshev => Norm::Maximum,
            Metric::Euclidean | Metric::Cosine | Metric::Correlation => Norm::Squares,
        }
    }

    /// Returns the number of coordinates of a point.
    pub fn width(&self) -> usize {
        match self.metric {
            Metric::Cosine | Metric::Correlation => self.n_features + 1,
            _ => self.n_features,
        }
    }

    /// Returns the points of the given rows, one after the other.
    pub fn points(&self, values: &[f64]) -> Vec<f64> {
        let n_rows = values.len() / self.n_features;
        let mut points = Vec::with_capacity(n_rows * self.width());
        for row in values.chunks_exact(self.n_features) {
            match self.metric {
                Metric::Cosine => push_direction(row, 0.0, &mut points),
                Metric::Correlation => push_direction(row, mean_of(row), &mut points),
                _ => points.extend(
                    row.iter()
                        .map(|value| (value * self.scale).clamp(-FARTHEST, FARTHEST)),
                ),
            }
        }
        points
    }

    /// Converts a key to a distance, in the unit of the points.
    pub fn distance(&self, key: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => key.sqrt(),
            Metric::Cosine | Metric::Correlation => 0.5 * key,
            Metric::Manhattan | Metric::Chebyshev => key,
        }
    }
}

/// Returns the power of two that brings the maximum absolute value into [1, 2), clamped to normal
/// numbers; 1 when all values are 0 or subnormal.
fn scale_of(values: &[f64]) -> f64 {
    let greatest = values
        .iter()
        .fold(0.0, |max: f64, value| max.max(value.abs()));
    if greatest < f64::MIN_POSITIVE {
        return 1.0;
    }
    let exponent = (greatest.to_bits() >> 52) as i64 - 1023;
    f64::from_bits(((1023 - exponent).clamp(1, 2046) as u64) << 52)
}

/// Returns the mean of a row without overflow. For a constant row it is exactly its value.
fn mean_of(row: &[f64]) -> f64 {
    if row.iter().all(|value| *value == row[0]) {
        return row[0];
    }
    let n = row.len() as f64;
    row.iter().map(|value| value / n).sum()
}

/// Appends `row − center` scaled to length 1 and a 0, or zeros and a 1 if there is no direction.
fn push_direction(row: &[f64], center: f64, points: &mut Vec<f64>) {
    let start = points.len();
    let half = 0.5 * center;
    points.extend(row.iter().map(|value| 0.5 * value - half));
    let scale = scale_of(&points[start..]);
    for value in &mut points[start..] {
        *value *= scale;
    }
    let square: f64 = points[start..].iter().map(|value| value * value).sum();
    let has_direction = square > 0.0;
    if has_direction {
        let length = square.sqrt();
        for value in &mut points[start..] {
            *value /= length;
        }
    }
    points.push(if has_direction { 0.0 } else { 1.0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
        let rows = [a, b].concat();
        let space = Space::of(metric, a.len(), &rows);
        let points = space.points(&rows);
        let (a, b) = points.split_at(space.width());
        space.distance(with_sum!(space.norm(), sum => sum.key(a, b)))
    }

    #[test]
    fn distances_by_hand() {
        // The maximum is 4, so points are rows divided by 4.
        let (a, b) = ([1.0, 2.0], [4.0, -2.0]);
        assert_eq!(distance(Metric::Euclidean, &a, &b), 5.0 / 4.0);
        assert_eq!(distance(Metric::Manhattan, &a, &b), 7.0 / 4.0);
        assert_eq!(distance(Metric::Chebyshev, &a, &b), 4.0 / 4.0);
        assert!((distance(Metric::Cosine, &a, &b) - 1.0).abs() < 1e-15);
        assert!(distance(Metric::Cosine, &a, &[2.0, 4.0]).abs() < 1e-15);
        assert!((distance(Metric::Correlation, &a, &b) - 2.0).abs() < 1e-15);
    }

    #[test]
    fn rows_without_direction() {
        for (metric, row) in [
            (Metric::Cosine, [0.0, 0.0]),
            (Metric::Correlation, [0.1; 2]),
        ] {
            assert_eq!(distance(metric, &row, &row), 0.0);
            assert!((distance(metric, &row, &[1.0, 2.0]) - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let far = [f64::MAX, 1.0];
        for metric in [
            Metric::Euclidean,
            Metric::Manhattan,
            Metric::Chebyshev,
            Metric::Cosine,
            Metric::Correlation,
        ] {
            let spread = distance(metric, &far, &[-f64::MAX, 5e-324]);
            assert!(spread.is_finite() && spread > 0.0, "{metric:?}: {spread}");
        }
        let tiny = distance(Metric::Euclidean, &[3e-300, 0.0], &[0.0, 4e-300]);
        assert!(tiny > 0.0);
    }
}
