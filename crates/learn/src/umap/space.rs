//! Rows as points: every metric becomes one of three norms of a difference.

use super::Metric;

/// The greatest coordinate, so that no difference, square or sum leaves the range of `f64`.
const FARTHEST: f64 = 1e100;

/// What is summed over the coordinates of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    Squares,
    Absolutes,
    Maximum,
}

/// A norm as a type, so that loops over coordinates are compiled for it. Its keys grow with distances.
pub(super) trait Sum: Copy + Send + Sync {
    /// `sum` with one more coordinate's difference.
    fn add(self, sum: f64, difference: f64) -> f64;

    /// Two sums over different coordinates as one.
    fn join(self, one: f64, other: f64) -> f64 {
        one + other
    }

    /// The key of two points.
    #[inline(always)]
    fn key(self, a: &[f64], b: &[f64]) -> f64 {
        // Four sums at once do not wait for each other.
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

/// How rows become points.
///
/// Euclidean, Manhattan and Chebyshev distances are taken between rows that are scaled by one power of
/// two, which changes no digit and keeps squares in range. For cosine and correlation, rows are scaled
/// to length 1, so that the squared Euclidean distance is 2 − 2 cos; a row without direction gets a
/// coordinate of its own, at right angles to all others.
#[derive(Clone, Debug)]
pub(super) struct Space {
    metric: Metric,
    scale: f64,
    n_features: usize,
}

impl Space {
    /// The space for rows of `n_features` values.
    pub fn of(metric: Metric, n_features: usize, values: &[f64]) -> Space {
        Space {
            metric,
            scale: scale_of(values),
            n_features,
        }
    }

    pub fn norm(&self) -> Norm {
        match self.metric {
            Metric::Manhattan => Norm::Absolutes,
            Metric::Chebyshev => Norm::Maximum,
            Metric::Euclidean | Metric::Cosine | Metric::Correlation => Norm::Squares,
        }
    }

    /// Coordinates of a point.
    pub fn width(&self) -> usize {
        match self.metric {
            Metric::Cosine | Metric::Correlation => self.n_features + 1,
            _ => self.n_features,
        }
    }

    /// The points of rows, one after the other.
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

    /// The distance of two points by the key of their difference, in the unit of the points.
    pub fn distance(&self, key: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => key.sqrt(),
            Metric::Cosine | Metric::Correlation => 0.5 * key,
            Metric::Manhattan | Metric::Chebyshev => key,
        }
    }
}

/// The power of two that brings the greatest absolute value into [1, 2), as far as it is a normal
/// number; 1 where there is none.
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

/// The mean of a row, without overflow; of a constant row exactly its value.
fn mean_of(row: &[f64]) -> f64 {
    if row.iter().all(|value| *value == row[0]) {
        return row[0];
    }
    let n = row.len() as f64;
    row.iter().map(|value| value / n).sum()
}

/// Appends `row − center` at length 1 and a 0, or zeros and a 1 where there is no direction.
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
        // The greatest value is 4, so points are rows divided by 4.
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
