//! The SQL functions of a model that the query names: `anomaly_score`, `is_anomalous`, `explain_anomaly` and
//! `anomaly_features`.
//!
//! The first argument is the path or the URL of the model's file. The others are the inputs of its recipe in their
//! order. A plan holds only the name; a file is read once, by the first query that names it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, StringArray, StructArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

use super::bound::scores;
use super::kept::KeptModels;
use crate::cells::texts;
use crate::error::{Error, Result};
use crate::explain::{Attribution, ExplainedEvent, REASONS, reasons_as_text};
use crate::model::{Model, ModelOrigin};
use crate::recipe::layout::{Input, InputKind};
use crate::storage::StorageOptions;
use crate::storage::waiting::lock;

/// A function of a named model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum ModelFunction {
    /// `anomaly_score`: the score of an event.
    Score,
    /// `is_anomalous`: whether the score is above the threshold.
    Verdict,
    /// `explain_anomaly`: the strongest reasons for the score.
    Explanation,
    /// `anomaly_features`: the values of the features.
    Features,
}

impl ModelFunction {
    const ALL: [Self; 4] = [
        Self::Score,
        Self::Verdict,
        Self::Explanation,
        Self::Features,
    ];

    /// Returns the function called `name`. The case of the name does not matter.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// Returns the name of the function in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "anomaly_score",
            Self::Verdict => "is_anomalous",
            Self::Explanation => "explain_anomaly",
            Self::Features => "anomaly_features",
        }
    }

    /// Returns the type of the function's values.
    fn data_type(self, model: &Model) -> DataType {
        match self {
            Self::Score => DataType::Float64,
            Self::Verdict => DataType::Boolean,
            Self::Explanation => DataType::Utf8,
            Self::Features => DataType::Struct(feature_fields(model)),
        }
    }
}

/// The models that queries name, each of which is read once.
#[derive(Debug, Default)]
pub(crate) struct Models {
    /// The models that were read, by name.
    read: Mutex<BTreeMap<String, Arc<Model>>>,
    storage: StorageOptions,
    /// The files that the names refer to and the models kept, if another process planned the query.
    published: Option<(BTreeMap<String, ModelOrigin>, Arc<KeptModels>)>,
}

impl Models {
    /// Creates an empty collection. Models at URLs are read from stores with the settings `storage`.
    pub fn new(storage: StorageOptions) -> Self {
        Self {
            storage,
            ..Self::default()
        }
    }

    /// Creates the collection for names in a plan of another process, which refer to the files `origins`.
    pub fn published(origins: BTreeMap<String, ModelOrigin>, kept: Arc<KeptModels>) -> Self {
        Self {
            published: Some((origins, kept)),
            ..Self::default()
        }
    }

    /// Returns the model in the file `name`.
    pub fn get(&self, name: &str) -> Result<Arc<Model>> {
        if let Some((origins, kept)) = &self.published {
            let unknown = || Error::internal(format!("the query does not say where `{name}` is"));
            return kept.get(origins.get(name).ok_or_else(unknown)?);
        }
        let mut models = lock(&self.read);
        if let Some(model) = models.get(name) {
            return Ok(Arc::clone(model));
        }
        let model = Arc::new(Model::load_with(Path::new(name), &self.storage)?);
        models.insert(name.to_owned(), Arc::clone(&model));
        Ok(model)
    }

    /// Returns the files from which other processes can read the models, by name.
    pub fn origins(&self) -> BTreeMap<String, ModelOrigin> {
        if let Some((origins, _)) = &self.published {
            return origins.clone();
        }
        let models = lock(&self.read);
        let origin =
            |(name, model): (&String, &Arc<Model>)| Some((name.clone(), model.origin()?.clone()));
        models.iter().filter_map(origin).collect()
    }
}

/// Registers the functions in `context`. They take their models from `models`.
pub(crate) fn register_model_functions(context: &SessionContext, models: &Arc<Models>) {
    for function in ModelFunction::ALL {
        context.register_udf(of_model(function, Arc::clone(models)));
    }
}

/// Returns the engine's function for `function`, which takes its models from `models`.
pub(super) fn of_model(function: ModelFunction, models: Arc<Models>) -> ScalarUDF {
    ScalarUDF::from(OfModel {
        function,
        models,
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

/// A function of a model that its first argument names.
#[derive(Debug)]
pub(super) struct OfModel {
    pub function: ModelFunction,
    pub models: Arc<Models>,
    signature: Signature,
}

impl PartialEq for OfModel {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && Arc::ptr_eq(&self.models, &other.models)
    }
}

impl Eq for OfModel {}

impl Hash for OfModel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
        Arc::as_ptr(&self.models).hash(state);
    }
}

impl ScalarUDFImpl for OfModel {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> std::result::Result<DataType, DataFusionError> {
        Err(Error::internal("the type of a model's function depends on the model").into())
    }

    fn return_field_from_args(
        &self,
        args: ReturnFieldArgs,
    ) -> std::result::Result<FieldRef, DataFusionError> {
        let model = self.model(args.scalar_arguments.first().copied().flatten())?;
        let types: Vec<&DataType> = args.arg_fields[1..]
            .iter()
            .map(|field| field.data_type())
            .collect();
        self.check(&model, &types)?;
        let data_type = self.function.data_type(&model);
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> std::result::Result<ColumnarValue, DataFusionError> {
        let Some((ColumnarValue::Scalar(name), rest)) = args.args.split_first() else {
            return Err(self.unnamed().into());
        };
        let model = self.model(Some(name))?;
        let n_inputs = model.layout().inputs.len();
        let arrays = rest.iter().map(|value| value.to_array(args.number_rows));
        let arrays: Vec<ArrayRef> = arrays.collect::<std::result::Result<_, _>>()?;
        let (inputs, columns) = arrays.split_at(n_inputs.min(arrays.len()));
        let inputs = model.layout().inputs.iter().zip(inputs);
        let inputs: Vec<ArrayRef> = inputs
            .map(|(input, array)| as_input(input, array))
            .collect::<std::result::Result<_, _>>()?;
        Ok(ColumnarValue::Array(self.values(&model, &inputs, columns)?))
    }
}

impl OfModel {
    /// Returns the error for a call without a model's name.
    fn unnamed(&self) -> Error {
        let name = self.name();
        Error::usage(format!(
            "{name}: the first argument must be the path or URL of a model, as a text"
        ))
        .hint(format!("{name}('model.json')"))
    }

    /// Returns the model that the first argument names.
    fn model(&self, name: Option<&ScalarValue>) -> Result<Arc<Model>> {
        let name = name.and_then(|name| name.try_as_str().flatten());
        self.models.get(name.ok_or_else(|| self.unnamed())?)
    }

    /// Checks the types of the arguments after the model's name, before any row is read.
    fn check(&self, model: &Model, types: &[&DataType]) -> Result<()> {
        let inputs = &model.layout().inputs;
        let fits = match self.function {
            ModelFunction::Explanation => types.len() >= inputs.len(),
            _ => types.len() == inputs.len(),
        };
        if !fits {
            let listed: Vec<_> = inputs.iter().map(|input| input.sql.as_str()).collect();
            return Err(Error::usage(format!(
                "{}: the recipe `{}` has {} inputs, but {} follow the model's name",
                self.name(),
                model.recipe().name,
                inputs.len(),
                types.len()
            ))
            .hint(format!(
                "leave them all out, or give these: {}",
                listed.join(", ")
            )));
        }
        let mut numbers = inputs
            .iter()
            .zip(types)
            .filter(|(input, _)| input.kind == InputKind::Number);
        let is_number = |found: &DataType| {
            found.is_numeric() || matches!(found, DataType::Boolean | DataType::Null)
        };
        match numbers.find(|(_, found)| !is_number(found)) {
            None => Ok(()),
            Some((input, found)) => Err(Error::usage(format!(
                "{}: feature `{}` is made of a number, not of {found}",
                self.name(),
                input.feature
            ))),
        }
    }

    /// Computes the values of the function.
    fn values(&self, model: &Model, inputs: &[ArrayRef], columns: &[ArrayRef]) -> Result<ArrayRef> {
        match self.function {
            ModelFunction::Score => Ok(Arc::new(scores(model, inputs)?)),
            ModelFunction::Verdict => {
                let flags = |score: Option<f64>| score.map(|score| model.threshold().flags(score));
                let verdicts: BooleanArray = scores(model, inputs)?.iter().map(flags).collect();
                Ok(Arc::new(verdicts))
            }
            ModelFunction::Explanation => explanations(model, inputs, columns),
            ModelFunction::Features => features(model, inputs),
        }
    }
}

/// Casts an input's values to the type that the plan of the recipe has for it.
fn as_input(input: &Input, array: &ArrayRef) -> std::result::Result<ArrayRef, DataFusionError> {
    if input.kind.is_text() {
        return Ok(cast(array, &DataType::Utf8)?);
    }
    let is_flag = *array.data_type() == DataType::Boolean;
    let number = if is_flag {
        cast(array, &DataType::Int64)?
    } else {
        Arc::clone(array)
    };
    Ok(cast(&number, &DataType::Float64)?)
}

/// Returns the fields of the struct that `anomaly_features` returns.
fn feature_fields(model: &Model) -> Fields {
    let features = model.recipe().features.iter();
    features
        .map(|feature| Field::new(&feature.name, DataType::Float64, true))
        .collect()
}

/// Returns the features' values as structs, in which a missing value is null.
fn features(model: &Model, inputs: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = model.encode(inputs)?;
    let n_features = model.recipe().features.len();
    let columns = (0..n_features).map(|feature| {
        let values = rows.iter().skip(feature).step_by(n_features);
        let values = values.map(|value| (!value.is_nan()).then_some(*value));
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    });
    Ok(Arc::new(StructArray::new(
        feature_fields(model),
        columns.collect(),
        None,
    )))
}

/// Returns the strongest reasons for an anomaly as one text per event, or null if there is none. `columns` are, in
/// turn, the names and the values of the event's columns.
fn explanations(model: &Model, inputs: &[ArrayRef], columns: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = model.encode(inputs)?;
    let n_features = model.recipe().features.len();
    let mut attribution = Attribution::new(model);
    let (names, values): (Vec<_>, Vec<_>) = columns
        .chunks_exact(2)
        .map(|pair| (Arc::clone(&pair[0]), Arc::clone(&pair[1])))
        .unzip();
    let reasons = rows.chunks(n_features).enumerate().map(|(row, features)| {
        let names = names.iter().map(|name| match name.as_string_opt::<i32>() {
            Some(name) => name.value(row).to_owned(),
            None => String::new(),
        });
        let columns: Vec<_> = names.zip(texts(&values, row)?).collect();
        let event = ExplainedEvent {
            features,
            inputs: &texts(inputs, row)?,
            columns: &columns,
        };
        let reasons = attribution.strongest(&event, REASONS)?;
        Ok(reasons_as_text(reasons))
    });
    Ok(Arc::new(reasons.collect::<Result<StringArray>>()?))
}
