//! Functions of models on their way to other processes: what is sent, and the models that a process keeps for them.
//!
//! A plan never holds a model. It says where the model is and what it must be, so that whoever runs a part of the plan
//! reads the same one, or says why it cannot.

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

/// A function of a model, as it is sent.
#[derive(Debug, Serialize, Deserialize)]
enum Published {
    /// Of the inputs.
    Score(ModelOrigin),
    /// Of the score.
    Verdict(ModelOrigin),
    /// Of the model's name and the inputs.
    Named(ModelFunction, BTreeMap<String, ModelOrigin>),
}

/// A function for another process; none for one that is known by its name.
///
/// # Errors
/// The model is in no file that another process could read.
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

fn origin(model: &ModelRef) -> Result<ModelOrigin> {
    let nowhere = || Error::internal("a model that is in no file");
    model.origin().cloned().ok_or_else(nowhere)
}

/// Returns the function that another process sent.
///
/// # Errors
/// `sent` is not what [`encode`] makes.
pub(crate) fn decode(sent: &[u8], kept: &Arc<KeptModels>) -> Result<ScalarUDF> {
    let published: Published = serde_json::from_slice(sent)
        .map_err(|error| Error::data(format!("a function of a model: {error}")))?;
    Ok(match published {
        Published::Score(origin) => score_of(ModelRef::There(origin, Arc::clone(kept))),
        Published::Verdict(origin) => verdict_of(ModelRef::There(origin, Arc::clone(kept))),
        Published::Named(function, origins) => {
            of_model(function, Arc::new(Models::meant(origins, Arc::clone(kept))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_is_taken_for_a_function() {
        let kept = Arc::new(KeptModels::default());
        for sent in ["", "{}", r#"{"Score":{}}"#, r#"{"Other":null}"#] {
            assert!(decode(sent.as_bytes(), &kept).is_err(), "{sent}");
        }
    }
}
