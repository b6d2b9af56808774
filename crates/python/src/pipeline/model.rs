//! A model as a class for the package's Python code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use honeyguide::drift::drift;
use honeyguide::evaluate::evaluate;
use honeyguide::incident::{IncidentOptions, incidents};
use honeyguide::output::Destination;
use honeyguide::report::report;
use honeyguide::score::{
    Listing, ScoreOptions, Selection, explain_event, most_anomalous, score_to_batches,
    score_to_file,
};
use honeyguide::{Engine, Error, Model, Source};
use pages::Origin;
use pyo3::prelude::*;
use serde::Serialize;

use super::data::{Data, Reading, remarks, storage};
use super::errors::exception;
use super::runtime;
use super::table::Rows;
use crate::errors::value_error;

/// A trained model, which never changes.
#[pyclass(frozen, module = "honeyguide._native")]
pub struct TrainedModel(Arc<Model>);

/// What is added to scored events, as the keyword arguments of the package's methods say.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Scoring {
    only_anomalous: bool,
    explain: bool,
    incidents: bool,
    incident_by: Vec<String>,
}

impl From<Scoring> for ScoreOptions {
    fn from(scoring: Scoring) -> Self {
        Self {
            only_anomalous: scoring.only_anomalous,
            explain: scoring.explain,
            incidents: scoring.incidents,
            incident_by: scoring.incident_by,
        }
    }
}

/// An answer as JSON, with what is to be said of the data.
type Answer = (String, Vec<String>);

#[pymethods]
impl TrainedModel {
    /// Reads a model file.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        place: PathBuf,
        storage_options: std::collections::BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let storage = storage(&storage_options)?;
        let load = move |_| async move { Model::load_with(&place, &storage) };
        Ok(Self::new(runtime::run(py, load)?))
    }

    /// Writes the model file.
    fn save(
        &self,
        py: Python<'_>,
        place: PathBuf,
        storage_options: std::collections::BTreeMap<String, String>,
    ) -> PyResult<()> {
        let storage = storage(&storage_options)?;
        let model = Arc::clone(&self.0);
        runtime::run(py, move |_| async move {
            model.save(Destination::parse(&place, &storage)?)
        })
    }

    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        let model = Model::from_json(text).map_err(|error| exception(&error))?;
        Ok(Self::new(model))
    }

    fn to_json(&self) -> PyResult<String> {
        let mut text = Vec::new();
        self.0.write_json(&mut text).map_err(value_error)?;
        String::from_utf8(text).map_err(value_error)
    }

    /// Returns every event, or only the anomalous ones, with its score and verdict, in the order of the data.
    fn score(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        scoring: Scoring,
    ) -> PyResult<(Rows, Vec<String>)> {
        let options = scoring.into();
        self.with(py, data, &reading, |engine, model, mut source| async move {
            let scored = score_to_batches(&engine, &model, &mut source, options).await?;
            Ok((Rows::new(scored.schema, scored.batches), remarks(&source)))
        })
    }

    /// Writes what [`score`](Self::score) returns to a file.
    fn score_to(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        place: PathBuf,
        scoring: Scoring,
    ) -> PyResult<Answer> {
        let options = scoring.into();
        let storage = reading.options()?.storage;
        self.with(py, data, &reading, |engine, model, mut source| async move {
            let to = Destination::parse(&place, &storage)?;
            let summary = score_to_file(&engine, &model, &mut source, to, options).await?;
            answer(&summary, &source)
        })
    }

    /// Returns the most anomalous events with their reasons.
    fn top(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        rows: usize,
        only_anomalous: bool,
    ) -> PyResult<Answer> {
        let listing = Listing {
            rows,
            only_anomalous,
        };
        self.with(
            py,
            data,
            &reading,
            move |engine, model, mut source| async move {
                let found = most_anomalous(&engine, &model, &mut source, listing).await?;
                answer(&found, &source)
            },
        )
    }

    /// Explains the score of the event in a row, counted from 1, or of the first that fulfils a condition.
    fn explain(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        row: Option<u64>,
        condition: Option<String>,
    ) -> PyResult<Answer> {
        let selection = match (row, condition) {
            (Some(row), None) => Selection::Row(row),
            (None, Some(condition)) => Selection::Where(condition),
            _ => return Err(value_error("give either `row` or `where`")),
        };
        self.with(
            py,
            data,
            &reading,
            move |engine, model, mut source| async move {
                let explained = explain_event(&engine, &model, &mut source, &selection).await?;
                answer(&explained, &source)
            },
        )
    }

    /// Compares scores and verdicts with labels.
    fn evaluate(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        label: Option<String>,
    ) -> PyResult<Answer> {
        self.with(
            py,
            data,
            &reading,
            move |engine, model, mut source| async move {
                let found = evaluate(&engine, &model, &mut source, label.as_deref()).await?;
                answer(&found, &source)
            },
        )
    }

    /// Makes the page of a report, and returns it with the evaluation.
    fn report(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        label: Option<String>,
    ) -> PyResult<((String, String), Vec<String>)> {
        self.with(
            py,
            data,
            &reading,
            move |engine, model, mut source| async move {
                let report = report(&engine, &model, &mut source, label.as_deref()).await?;
                let origin = Origin {
                    command: "honeyguide.Model.report",
                    model: &model,
                    model_file: Path::new("a model in memory"),
                    source: &source,
                };
                let page = pages::report(&report, origin)?;
                let (evaluation, remarks) = answer(&report.evaluation, &source)?;
                Ok(((page.html().to_owned(), evaluation), remarks))
            },
        )
    }

    /// Compares data with those of the training.
    fn drift(&self, py: Python<'_>, data: Data, reading: Reading) -> PyResult<Answer> {
        self.with(py, data, &reading, |engine, model, mut source| async move {
            let found = drift(&engine, &model, &mut source).await?;
            answer(&found, &source)
        })
    }

    /// Finds the incidents with the highest scores.
    fn incidents(
        &self,
        py: Python<'_>,
        data: Data,
        reading: Reading,
        limit: usize,
        by: Vec<String>,
    ) -> PyResult<Answer> {
        let options = IncidentOptions { limit, by };
        self.with(
            py,
            data,
            &reading,
            move |engine, model, mut source| async move {
                let found = incidents(&engine, &model, &mut source, &options).await?;
                answer(&found, &source)
            },
        )
    }

    /// The score above which an event is anomalous.
    #[getter]
    fn threshold(&self) -> f64 {
        self.0.threshold().value
    }

    /// The threshold and how it was set, in words.
    #[getter]
    fn threshold_text(&self) -> String {
        self.0.threshold().to_string()
    }

    #[getter]
    fn recipe(&self) -> String {
        self.0.recipe().name.clone()
    }

    #[getter]
    fn features(&self) -> Vec<String> {
        let features = self.0.recipe().features.iter();
        features.map(|feature| feature.name.clone()).collect()
    }

    #[getter]
    fn events(&self) -> u64 {
        self.0.training().events
    }

    #[getter]
    fn n_estimators(&self) -> usize {
        self.0.forest().n_estimators()
    }
}

impl TrainedModel {
    /// Takes a model.
    pub fn new(model: Model) -> Self {
        Self(Arc::new(model))
    }

    /// Returns a copy of the model, whose forest is shared.
    pub fn model(&self) -> Model {
        Model::clone(&self.0)
    }

    /// Opens the data and runs work on them.
    fn with<T, F>(
        &self,
        py: Python<'_>,
        data: Data,
        reading: &Reading,
        work: impl FnOnce(Engine, Arc<Model>, Source) -> F + Send + 'static,
    ) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>>,
    {
        let options = reading.options()?;
        let model = Arc::clone(&self.0);
        runtime::run(py, move |engine| async move {
            let source = data.open(&options)?;
            work(engine, model, source).await
        })
    }
}

/// Returns an answer as JSON.
pub fn answer(answer: &impl Serialize, source: &Source) -> Result<Answer, Error> {
    let json = serde_json::to_string(answer)
        .map_err(|error| Error::internal(format!("an answer as JSON: {error}")))?;
    Ok((json, remarks(source)))
}
