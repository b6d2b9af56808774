//! Arrays of NumPy as slices and matrices.

use learn::Matrix;
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::PyResult;
use pyo3::exceptions::PyValueError;

use crate::errors::value_error;

/// Rows of 64-bit floats.
pub type Rows<'py> = PyReadonlyArray2<'py, f64>;

/// Returns the values of `rows`, row by row, without a copy.
///
/// # Errors
/// The array is not in C order or not aligned, has another number of columns than `n_features`, or holds an infinity.
pub fn values<'a>(rows: &'a Rows<'_>, n_features: usize) -> PyResult<&'a [f64]> {
    let found = rows.shape()[1];
    if found != n_features {
        return Err(value_error(format!(
            "X has {found} features, but the estimator was fitted on {n_features}"
        )));
    }
    let values = slice(rows)?;
    if values.iter().any(|value| value.is_infinite()) {
        return Err(value_error("Input X contains infinity."));
    }
    Ok(values)
}

/// Rows and their weights, of which a matrix of the distinct rows is made.
pub struct Sorted<'a> {
    n_features: usize,
    values: &'a [f64],
    weights: Option<&'a [f64]>,
}

impl<'a> Sorted<'a> {
    /// Takes rows and their weights, which are 1 if there are none, without a copy.
    ///
    /// # Errors
    /// The rows are not in C order or not aligned, or the weights are not contiguous.
    pub fn new(
        rows: &'a Rows<'_>,
        weights: Option<&'a PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<Sorted<'a>> {
        let weights = weights.map(|weights| weights.as_slice());
        Ok(Sorted {
            n_features: rows.shape()[1],
            values: slice(rows)?,
            weights: weights.transpose().map_err(value_error)?,
        })
    }

    /// Returns the matrix, whose rows are in ascending order.
    ///
    /// # Errors
    /// The values and weights do not make a matrix.
    pub fn matrix(&self) -> PyResult<Matrix> {
        Matrix::sorted(self.n_features, self.values, self.weights).map_err(value_error)
    }
}

/// Returns the matrix of `rows` with their weights, which are 1 if there are none.
///
/// # Errors
/// The array is not in C order or not aligned, or the values and weights do not make a matrix.
pub fn matrix(rows: &Rows<'_>, weights: Option<&PyReadonlyArray1<'_, f64>>) -> PyResult<Matrix> {
    let values = slice(rows)?.to_vec();
    let n_features = rows.shape()[1];
    match weights {
        None => Matrix::unweighted(n_features, values),
        Some(weights) => Matrix::new(n_features, values, weights.as_array().to_vec()),
    }
    .map_err(value_error)
}

fn slice<'a>(rows: &'a Rows<'_>) -> PyResult<&'a [f64]> {
    let in_c_order = rows.is_c_contiguous().then(|| rows.as_slice().ok());
    in_c_order
        .flatten()
        .ok_or_else(|| PyValueError::new_err("an array must be aligned and in C order"))
}
