//! Functions for the package's Python code.

use honeyguide::inspect::inspect;
use honeyguide::read::read;
use honeyguide::sql::Database;
use honeyguide::{
    Contamination, FALSE_POSITIVE_RATE, MaxFeatures, MaxSamples, Novelty, Recipe, ThresholdPolicy,
    TrainOptions, calibrate,
};
use pyo3::prelude::*;

use super::data::{Data, Reading, remarks};
use super::model::{TrainedModel, answer};
use super::runtime;
use super::table::Rows;
use crate::amount::Amount;
use crate::errors::value_error;

/// How a model is trained, as the keyword arguments of the package's function say.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Training {
    recipe: Option<String>,
    n_estimators: usize,
    max_samples: Option<Amount>,
    max_features: Amount,
    bootstrap: bool,
    novelty: Option<String>,
    seed: u64,
    exclude: Vec<String>,
    contamination: Option<f64>,
    contamination_is_auto: bool,
    false_positive_rate: Option<f64>,
    incidents_per_host_day: Option<f64>,
}

impl Training {
    fn options(&self, calibrates: bool) -> PyResult<TrainOptions> {
        let novelty = match self.novelty.as_deref() {
            None => None,
            Some("plain") => Some(Novelty::Plain),
            Some("range") => Some(Novelty::Range),
            Some(other) => {
                let message = format!("novelty must be \"plain\" or \"range\", got {other:?}");
                return Err(value_error(message));
            }
        };
        Ok(TrainOptions {
            n_estimators: self.n_estimators,
            max_samples: self.max_samples.map(MaxSamples::from),
            max_features: MaxFeatures::from(self.max_features),
            bootstrap: self.bootstrap,
            novelty,
            threshold: self.threshold(calibrates),
            seed: self.seed,
            exclude: self.exclude.clone(),
        })
    }

    /// Returns how the threshold is set. With other events to calibrate it on, it is set after the training.
    fn threshold(&self, calibrates: bool) -> ThresholdPolicy {
        if let Some(share) = self.contamination {
            return ThresholdPolicy::Contamination(Contamination::Fraction(share));
        }
        if self.contamination_is_auto || calibrates {
            return ThresholdPolicy::Contamination(Contamination::Auto);
        }
        match (self.false_positive_rate, self.incidents_per_host_day) {
            (Some(false_positive_rate), _) => ThresholdPolicy::HeldOut {
                false_positive_rate,
            },
            (None, Some(per_host_day)) => ThresholdPolicy::Incidents { per_host_day },
            (None, None) => ThresholdPolicy::default(),
        }
    }
}

/// Trains a model on events, and sets its threshold on `benign` events if there are any.
#[pyfunction]
pub fn train(
    py: Python<'_>,
    data: Data,
    reading: Reading,
    training: Training,
    benign: Option<Data>,
) -> PyResult<(TrainedModel, Vec<String>)> {
    let read_options = reading.options()?;
    let options = training.options(benign.is_some())?;
    let rate = training.false_positive_rate.unwrap_or(FALSE_POSITIVE_RATE);
    let recipe = training.recipe;
    let (model, said) = runtime::run(py, move |engine| async move {
        let mut source = data.open(&read_options)?;
        let recipe = match recipe {
            Some(recipe) => Recipe::load_with(&recipe, &read_options.storage)?,
            None => Recipe::default_for(source.log()),
        };
        let mut model = honeyguide::train(&engine, &mut source, &recipe, &options).await?;
        let mut said = remarks(&source);
        if let Some(benign) = benign {
            let mut benign = benign.open(&read_options)?;
            let found = calibrate(&engine, &mut model, &mut benign, rate).await?;
            if found.on_training_events {
                said.push(ON_TRAINING_EVENTS.to_owned());
            }
        }
        said.extend(model.threshold().method.unresolved());
        Ok((model, said))
    })?;
    Ok((TrainedModel::new(model), said))
}

const ON_TRAINING_EVENTS: &str = "the events of `calibrate` are the training events: the threshold then says what the \
     model remembers, not how many new events it flags";

/// Returns the rows of a query over tables. With a model, each table has the columns `score` and `anomalous`.
#[pyfunction]
pub fn sql(
    py: Python<'_>,
    query: String,
    tables: Vec<(String, Data)>,
    reading: Reading,
    model: Option<PyRef<'_, TrainedModel>>,
    incident_by: Vec<String>,
) -> PyResult<(Rows, Vec<String>)> {
    let options = reading.options()?;
    let model = model.map(|model| model.model());
    runtime::run(py, move |engine| async move {
        let mut database = Database::new(&engine, model, options.storage.clone())?;
        database.incident_by(incident_by);
        for (name, data) in tables {
            database.add(&name, data.open(&options)?)?;
        }
        let mut said: Vec<String> = database.unscored().collect();
        let (schema, batches) = database.batches(&query).await?;
        said.extend(database.sources().flat_map(remarks));
        Ok((Rows::new(schema, batches), said))
    })
}

/// Returns the rows of data in their order.
#[pyfunction]
#[pyo3(name = "read")]
pub fn read_rows(py: Python<'_>, data: Data, reading: Reading) -> PyResult<(Rows, Vec<String>)> {
    let options = reading.options()?;
    runtime::run(py, move |engine| async move {
        let mut source = data.open(&options)?;
        let (schema, batches) = read(&engine, &mut source).await?;
        Ok((Rows::new(schema, batches), remarks(&source)))
    })
}

/// Describes data.
#[pyfunction]
#[pyo3(name = "inspect")]
pub fn inspect_data(
    py: Python<'_>,
    data: Data,
    reading: Reading,
) -> PyResult<(String, Vec<String>)> {
    let options = reading.options()?;
    runtime::run(py, move |engine| async move {
        let mut source = data.open(&options)?;
        let found = inspect(&engine, &mut source).await?;
        answer(&found, &source)
    })
}
