//! The SQL functions `anomaly_score` and `is_anomalous` of one model.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::kept::KeptModels;
use crate::error::Error;
use crate::model::{Model, ModelOrigin};
use crate::scorer::Scores;

/// Returns the function `anomaly_score(inputs…)`: the anomaly score of an event, given the inputs of the model's recipe
/// in their order.
pub(crate) fn anomaly_score(model: &Arc<Model>) -> ScalarUDF {
    score_of(ModelRef::Here(Arc::clone(model)))
}

/// Returns `anomaly_score` for a model that may not be read yet.
pub(super) fn score_of(model: ModelRef) -> ScalarUDF {
    ScalarUDF::from(AnomalyScore {
        model,
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

/// The model of a function.
#[derive(Debug, Clone)]
pub(super) enum ModelRef {
    /// A model in memory.
    Here(Arc<Model>),
    /// A model that is read from its origin when it is first needed.
    There(ModelOrigin, Arc<KeptModels>),
}

impl ModelRef {
    /// Returns the model, which is read if necessary.
    fn model(&self) -> crate::error::Result<Arc<Model>> {
        match self {
            Self::Here(model) => Ok(Arc::clone(model)),
            Self::There(origin, kept) => kept.get(origin),
        }
    }

    /// Returns the file from which other processes can read the model, if there is one.
    pub fn origin(&self) -> Option<&ModelOrigin> {
        match self {
            Self::Here(model) => model.origin(),
            Self::There(origin, _) => Some(origin),
        }
    }
}

/// Two references are equal if they share a model in memory or have the same origin.
impl PartialEq for ModelRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(left), Self::Here(right)) => Arc::ptr_eq(left, right),
            (Self::There(left, _), Self::There(right, _)) => left == right,
            _ => false,
        }
    }
}

impl Eq for ModelRef {}

impl Hash for ModelRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Here(model) => Arc::as_ptr(model).hash(state),
            Self::There(origin, _) => origin.sha256.hash(state),
        }
    }
}

/// The function `anomaly_score`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AnomalyScore {
    pub model: ModelRef,
    signature: Signature,
}

impl ScalarUDFImpl for AnomalyScore {
    fn name(&self) -> &str {
        "anomaly_score"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let rows = args.number_rows;
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|value| value.into_array(rows))
            .collect::<Result<_, _>>()?;
        let scores = scores(&*self.model.model()?, &arrays)?;
        Ok(ColumnarValue::Array(Arc::new(scores)))
    }
}

/// Returns the anomaly scores of events, given the inputs of the model's recipe.
pub(super) fn scores(model: &Model, inputs: &[ArrayRef]) -> crate::error::Result<Float64Array> {
    Ok(Scores::of_inputs(model, inputs.to_vec())?.to_array())
}

/// Returns the function `is_anomalous(score)`: whether a score is above the model's threshold.
pub(crate) fn is_anomalous(model: &Arc<Model>) -> ScalarUDF {
    verdict_of(ModelRef::Here(Arc::clone(model)))
}

/// Returns `is_anomalous` for a model that may not be read yet.
pub(super) fn verdict_of(model: ModelRef) -> ScalarUDF {
    ScalarUDF::from(IsAnomalous {
        model,
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
    })
}

/// The function `is_anomalous`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IsAnomalous {
    pub model: ModelRef,
    signature: Signature,
}

impl ScalarUDFImpl for IsAnomalous {
    fn name(&self) -> &str {
        "is_anomalous"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let scores = arrays
            .first()
            .and_then(|scores| scores.as_primitive_opt::<Float64Type>())
            .ok_or_else(|| Error::internal("is_anomalous has no argument of scores"))?;
        let model = self.model.model()?;
        let threshold = model.threshold();
        let verdicts: BooleanArray = scores
            .iter()
            .map(|score| score.map(|score| threshold.flags(score)))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(verdicts)))
    }
}
