//! Standard scaling, equivalent to scikit-learn's `StandardScaler`.

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;
use crate::stats::Moments;

/// A scaler that subtracts each column's mean and divides by its population standard deviation.
///
/// A column that is constant, except for rounding, or entirely missing is divided by 1. Missing values (NaN) stay
/// missing. A result beyond the range of `f64` becomes the largest finite number of its sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct StandardScaler {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

/// The reason why a scaler cannot be fitted, created or applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScalingError {
    /// The mean or the standard deviation of a column overflows.
    #[error("column {column}: the standard deviation is beyond the range of 64-bit numbers")]
    Overflow {
        /// The column, counted from 0.
        column: usize,
    },
    /// The numbers of means and scales differ.
    #[error("a scaler needs as many scales as means, got {means} means and {scales} scales")]
    Lengths {
        /// The number of means.
        means: usize,
        /// The number of scales.
        scales: usize,
    },
    /// A mean is not finite, or a scale is not finite and positive.
    #[error("column {column}: mean {mean} must be finite and scale {scale} finite and above 0")]
    Value {
        /// The column, counted from 0.
        column: usize,
        /// The mean.
        mean: f64,
        /// The scale.
        scale: f64,
    },
    /// The data has another number of columns than the scaler.
    #[error("the scaler has {expected} features, but the data has {actual}")]
    Features {
        /// The number of columns of the scaler.
        expected: usize,
        /// The number of columns of the data.
        actual: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Unchecked> for StandardScaler {
    type Error = ScalingError;

    fn try_from(Unchecked { mean, scale }: Unchecked) -> Result<Self, ScalingError> {
        StandardScaler::new(mean, scale)
    }
}

impl StandardScaler {
    /// Creates a scaler from given means and scales, one of each per column.
    ///
    /// # Errors
    /// Returns an error when the numbers of means and scales differ, when a mean or scale is not
    /// finite, or when a scale is not above 0.
    pub fn new(mean: Vec<f64>, scale: Vec<f64>) -> Result<Self, ScalingError> {
        if mean.len() != scale.len() {
            return Err(ScalingError::Lengths {
                means: mean.len(),
                scales: scale.len(),
            });
        }
        for (column, (&mean, &scale)) in mean.iter().zip(&scale).enumerate() {
            if !(mean.is_finite() && scale.is_finite() && scale > 0.0) {
                return Err(ScalingError::Value {
                    column,
                    mean,
                    scale,
                });
            }
        }
        Ok(StandardScaler { mean, scale })
    }

    /// Fits a scaler: computes the weighted mean and standard deviation of each column of `matrix`.
    ///
    /// # Errors
    /// Returns an error when a mean or standard deviation is beyond the range of `f64`.
    pub fn fit(matrix: &Matrix) -> Result<Self, ScalingError> {
        let (mut mean, mut scale) = (Vec::new(), Vec::new());
        for column in 0..matrix.n_features() {
            let values = (0..matrix.n_rows()).map(|row| matrix.row(row)[column]);
            let moments = Moments::of(values.zip(matrix.weights().iter().copied()));
            let (center, deviation) = moments.map_or((0.0, 0.0), |m| (m.mean, m.std));
            if !(center.is_finite() && deviation.is_finite()) {
                return Err(ScalingError::Overflow { column });
            }
            let is_constant = moments.is_none_or(|moments| is_constant(&moments));
            mean.push(center);
            scale.push(if is_constant { 1.0 } else { deviation });
        }
        Ok(StandardScaler { mean, scale })
    }

    /// Returns the mean of each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Returns the divisor of each column: its standard deviation, or 1 if the column is constant.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Scales a matrix in place.
    ///
    /// # Errors
    /// Returns an error when the matrix has another number of columns than the scaler.
    pub fn apply(&self, matrix: &mut Matrix) -> Result<(), ScalingError> {
        let (expected, actual) = (self.mean.len(), matrix.n_features());
        if expected != actual {
            return Err(ScalingError::Features { expected, actual });
        }
        self.apply_rows(matrix.values_mut());
        Ok(())
    }

    /// Scales one row in place.
    ///
    /// # Errors
    /// Returns an error when the row has another number of values than the scaler has columns.
    pub fn apply_row(&self, row: &mut [f64]) -> Result<(), ScalingError> {
        let (expected, actual) = (self.mean.len(), row.len());
        if expected != actual {
            return Err(ScalingError::Features { expected, actual });
        }
        self.apply_rows(row);
        Ok(())
    }

    fn apply_rows(&self, values: &mut [f64]) {
        if self.mean.is_empty() {
            return;
        }
        for row in values.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                // Adding 0.0 turns −0.0 into 0.0; clamping leaves NaN unchanged.
                *value = ((*value - mean) / scale).clamp(f64::MIN, f64::MAX) + 0.0;
            }
        }
    }
}

/// Returns whether a column is constant as far as its figures can tell: its variance is within the
/// error of computing it. The bound is scikit-learn's (`_is_constant_feature`), after Chan, Golub &
/// LeVeque 1983.
fn is_constant(moments: &Moments) -> bool {
    // scikit-learn compares the squares, which could vanish.
    let error = moments.weight * f64::EPSILON;
    moments.std * (1.0 - error).max(0.0).sqrt() <= error * moments.mean.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_constant_but_for_rounding_keeps_its_scale() {
        // numpy.array([0.1 + 0.2, 0.3]), and 1e9 with its neighbour: StandardScaler().fit(…).scale_ is 1. For 1e9 and
        // 1e9 + 1 it is 0.5.
        for (low, high, scale) in [
            (0.3, 0.1 + 0.2, 1.0),
            (1e9, 1e9f64.next_up(), 1.0),
            (1e9, 1e9 + 1.0, 0.5),
            (0.0, 1e-200, 1e-200 / 2.0),
        ] {
            let matrix = Matrix::unweighted(1, vec![low, high, low, high]).unwrap();
            let scaler = StandardScaler::fit(&matrix).unwrap();
            assert!(
                (scaler.scale()[0] / scale - 1.0).abs() < 1e-12,
                "{low} and {high}: {scaler:?}"
            );
        }
    }

    #[test]
    fn weighted_columns_as_scikit_learn_scales_them_repeated() {
        // StandardScaler().fit([[1, 7], [1, 7], [4, 7]]): mean 2, 7; scale √2, 1.
        let mut matrix = Matrix::new(2, vec![1.0, 7.0, 4.0, 7.0], vec![2.0, 1.0]).unwrap();
        let scaler = StandardScaler::fit(&matrix).unwrap();
        assert_eq!(scaler.mean(), [2.0, 7.0]);
        assert!((scaler.scale()[0] - 2f64.sqrt()).abs() < 1e-15);
        assert_eq!(scaler.scale()[1], 1.0);
        scaler.apply(&mut matrix).unwrap();
        assert!((matrix.row(1)[0] - 2f64.sqrt()).abs() < 1e-15);
        assert_eq!(matrix.row(1)[1], 0.0);
    }

    #[test]
    fn missing_and_extreme_values() {
        let values = vec![f64::NAN, f64::NAN, 3.0, f64::NAN];
        let mut matrix = Matrix::unweighted(2, values).unwrap();
        let scaler = StandardScaler::fit(&matrix).unwrap();
        assert_eq!(
            (scaler.mean(), scaler.scale()),
            (&[3.0, 0.0][..], &[1.0, 1.0][..])
        );
        scaler.apply(&mut matrix).unwrap();
        assert!(matrix.row(0)[0].is_nan() && matrix.row(1)[0] == 0.0);

        let far = Matrix::unweighted(1, vec![f64::MIN, f64::MAX, f64::MAX]).unwrap();
        assert_eq!(
            StandardScaler::fit(&far),
            Err(ScalingError::Overflow { column: 0 })
        );
        let mut row = [1e308];
        StandardScaler::new(vec![0.0], vec![1e-10])
            .unwrap()
            .apply_row(&mut row)
            .unwrap();
        assert_eq!(row, [f64::MAX]);
    }

    #[test]
    fn a_file_cannot_hold_a_broken_scaler() {
        let read = |text| serde_json::from_str::<StandardScaler>(text);
        assert!(read(r#"{"mean":[1.0],"scale":[2.0]}"#).is_ok());
        for broken in [
            r#"{"mean":[1.0],"scale":[]}"#,
            r#"{"mean":[1.0],"scale":[0.0]}"#,
            r#"{"mean":[1.0],"scale":[-1.0]}"#,
            r#"{"mean":[1.0],"scale":[1.0],"more":1}"#,
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
