//! A model in memory as SQL functions: `anomaly_score` and `is_anomalous`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;
use crate::model::Model;

/// `anomaly_score(features…)`: the anomaly score of one event, given the inputs of the model's recipe in order.
pub(crate) fn anomaly_score(model: &Arc<Model>) -> ScalarUDF {
    ScalarUDF::from(AnomalyScore {
        model: Arc::clone(model),
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

#[derive(Debug)]
struct AnomalyScore {
    model: Arc<Model>,
    signature: Signature,
}

/// Two functions are the same when they share one model in memory.
impl PartialEq for AnomalyScore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model)
    }
}

impl Eq for AnomalyScore {}

impl Hash for AnomalyScore {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.model).hash(state);
    }
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
        Ok(ColumnarValue::Array(Arc::new(scores(
            &self.model,
            &arrays,
        )?)))
    }
}

/// The anomaly scores of events, given the inputs of the model's recipe.
pub(super) fn scores(model: &Model, inputs: &[ArrayRef]) -> crate::error::Result<Float64Array> {
    let scores = model.scores_of_encoded(&model.encode(inputs)?)?;
    Ok(Float64Array::from(scores))
}

/// `is_anomalous(score)`: whether a score is above the model's threshold.
pub(crate) fn is_anomalous(model: &Arc<Model>) -> ScalarUDF {
    ScalarUDF::from(IsAnomalous {
        model: Arc::clone(model),
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
    })
}

#[derive(Debug)]
struct IsAnomalous {
    model: Arc<Model>,
    signature: Signature,
}

impl PartialEq for IsAnomalous {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model)
    }
}

impl Eq for IsAnomalous {}

impl Hash for IsAnomalous {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.model).hash(state);
    }
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
            .ok_or_else(|| Error::internal("is_anomalous without scores"))?;
        let threshold = self.model.threshold();
        let verdicts: BooleanArray = scores
            .iter()
            .map(|score| score.map(|score| threshold.flags(score)))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(verdicts)))
    }
}
