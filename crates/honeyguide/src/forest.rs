//! The growth of a forest on encoded rows, with errors that name the parameters of training.

use learn::Matrix;
use learn::iforest::{FitError, IsolationForest, IsolationForestParams};

use crate::error::{Error, Result};
use crate::features::Encoder;
use crate::naming::parameter;

/// Grows a forest on `rows`, which `encoder` encoded and which are sorted. `params` are its parameters without the kinds of
/// columns.
///
/// # Errors
/// Fails when the forest refuses a parameter for this data.
pub(crate) fn grow(
    params: &IsolationForestParams,
    encoder: &Encoder,
    rows: &Matrix,
) -> Result<IsolationForest> {
    let params = params.clone().column_kinds(encoder.column_kinds());
    params.fit(rows).map_err(|error| unfit(&error))
}

/// Returns the error for parameters that the forest refuses for this data, with the names of the command's options.
fn unfit(error: &FitError) -> Error {
    match error {
        FitError::FeatureCount { value, max } => Error::usage(format!(
            "{} {value}: with this data a tree can see from 1 to {max} features",
            parameter("max_features")
        ))
        .hint("a number with a point is a fraction: 1.0 is all features"),
        FitError::SampleSize { value, max } => Error::usage(format!(
            "{}: a tree would draw {value} events of this data; the limit is {max}",
            parameter("max_samples")
        ))
        .hint("ask for a smaller fraction, or for a count"),
        other => Error::usage(other.to_string()),
    }
}
