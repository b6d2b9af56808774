//! The encoding of models' functions for other processes.
//!
//! A plan never contains a model. It contains the model's location and SHA-256, so that a process that runs a part of
//! the plan reads the same model or fails with the reason.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use serde::{Deserialize, Serialize};

use super::bound::{AnomalyScore, IsAnomalous, ModelRef, score_of, verdict_of};
use super::kept::KeptModels;
use super::named::{ModelFunction, Models, OfModel, of_model};
use crate::error::{Error, Result};
use crate::model::ModelOrigin;

/// A function of a model in the form that is sent.
#[derive(Debug, Serialize, Deserialize)]
enum Published {
    /// `anomaly_score` of the inputs.
    Score(ModelOrigin),
    /// `is_anomalous` of the score.
    Verdict(ModelOrigin),
    /// A function of the model's name and the inputs, with the files that names refer to.
    Named(ModelFunction, BTreeMap<String, ModelOrigin>),
}

/// Encodes a function of a model for another process. Returns `None` for a function that is known by its name.
///
/// # Errors
/// Fails when the model was not read from a file, so that another process cannot read it.
pub(crate) fn encode(function: &ScalarUDF) -> Result<Option<Vec<u8>>> {
    let of = function.inner().as_ref() as &dyn Any;
    let published = if let Some(score) = of.downcast_ref::<AnomalyScore>() {
        Published::Score(origin(&score.model)?)
    } else if let Some(verdict) = of.downcast_ref::<IsAnomalous>() {
        Published::Verdict(origin(&verdict.model)?)
    } else if let Some(named) = of.downcast_ref::<OfModel>() {
        Published::Named(named.function, named.models.origins())
    } else {
        return Ok(None);
    };
    let json = serde_json::to_vec(&published);
    Ok(Some(
        json.map_err(|error| Error::internal(error.to_string()))?,
    ))
}

/// Returns the file from which another process can read the model.
fn origin(model: &ModelRef) -> Result<ModelOrigin> {
    let nowhere = || Error::internal("a model in a plan was not read from a file");
    model.origin().cloned().ok_or_else(nowhere)
}

/// Decodes a function that another process sent. Its model is read when the function is first called.
///
/// # Errors
/// Fails when `sent` is not the output of [`encode`].
pub(crate) fn decode(sent: &[u8], kept: &Arc<KeptModels>) -> Result<ScalarUDF> {
    let published: Published = serde_json::from_slice(sent)
        .map_err(|error| Error::data(format!("a function of a model: {error}")))?;
    Ok(match published {
        Published::Score(origin) => score_of(ModelRef::There(origin, Arc::clone(kept))),
        Published::Verdict(origin) => verdict_of(ModelRef::There(origin, Arc::clone(kept))),
        Published::Named(function, origins) => of_model(
            function,
            Arc::new(Models::published(origins, Arc::clone(kept))),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_refused() {
        let kept = Arc::new(KeptModels::default());
        for sent in ["", "{}", r#"{"Score":{}}"#, r#"{"Other":null}"#] {
            assert!(decode(sent.as_bytes(), &kept).is_err(), "{sent}");
        }
    }
}
