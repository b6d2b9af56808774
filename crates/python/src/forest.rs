//! The isolation forest as a class for the package's Python code.

use learn::ColumnKind;
use learn::iforest::{
    Contamination, ForestData, IsolationForest, IsolationForestParams, MaxSamples, Novelty,
    average_path_length,
};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::amount::Amount;
use crate::arrays::{Rows, Sorted, values};
use crate::errors::value_error;
use crate::threads::{Threads, run};

/// A fitted forest, which never changes.
#[pyclass(frozen, module = "honeyguide._native")]
pub struct Forest(IsolationForest);

#[pymethods]
impl Forest {
    /// Fits a forest. `max_samples` and `contamination` are None for "auto"; `cardinalities` gives the number of
    /// categories of each column, None for a column of numbers.
    #[staticmethod]
    #[pyo3(signature = (
        rows, weights, *, n_estimators, max_samples, contamination, max_features, bootstrap, extension_level, novelty,
        cardinalities, seed, threads
    ))]
    #[allow(clippy::too_many_arguments)]
    fn fit(
        py: Python<'_>,
        rows: Rows<'_>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        n_estimators: usize,
        max_samples: Option<Amount>,
        contamination: Option<f64>,
        max_features: Amount,
        bootstrap: bool,
        extension_level: usize,
        novelty: &str,
        cardinalities: Vec<Option<u32>>,
        seed: u64,
        threads: Threads,
    ) -> PyResult<Forest> {
        let params = IsolationForestParams::new()
            .n_estimators(n_estimators)
            .max_samples(max_samples.map_or(MaxSamples::Auto, MaxSamples::from))
            .contamination(contamination.map_or(Contamination::Auto, Contamination::Fraction))
            .max_features(max_features.into())
            .bootstrap(bootstrap)
            .extension_level(extension_level)
            .novelty(match novelty {
                "range" => Novelty::Range,
                _ => Novelty::Plain,
            })
            .column_kinds(kinds(&cardinalities))
            .seed(seed);
        let sorted = Sorted::new(&rows, weights.as_ref())?;
        let forest = run(py, threads, || {
            let matrix = sorted.matrix()?;
            params.fit(&matrix).map_err(value_error)
        })?;
        Ok(Forest(forest?))
    }

    /// Returns the forest with `n_more` further trees, which are those that it would have had from the beginning.
    fn grown(
        &self,
        py: Python<'_>,
        rows: Rows<'_>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        n_more: usize,
        threads: Threads,
    ) -> PyResult<Forest> {
        let sorted = Sorted::new(&rows, weights.as_ref())?;
        let forest = run(py, threads, || {
            let matrix = sorted.matrix()?;
            let mut forest = self.0.clone();
            let grown = forest.grow(&matrix, n_more).map(|()| forest);
            grown.map_err(value_error)
        })?;
        Ok(Forest(forest?))
    }

    /// Returns scikit-learn's `score_samples` minus `offset`, one value per row.
    fn score_samples<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        offset: f64,
        threads: Threads,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let values = values(&rows, self.0.n_features())?;
        let scores = if values.len() == self.0.n_features() {
            self.0
                .score_one(values)
                .map(|score| vec![-score - offset])
                .map_err(value_error)?
        } else {
            let scores = run(py, threads, || {
                let mut scores = self.0.scores(values)?;
                scores
                    .iter_mut()
                    .for_each(|score| *score = -*score - offset);
                Ok::<_, learn::iforest::ScoreError>(scores)
            })?;
            scores.map_err(value_error)?
        };
        Ok(PyArray1::from_vec(py, scores))
    }

    /// Returns the mean path length of each row over the trees, in splits.
    fn path_lengths<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        threads: Threads,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let values = values(&rows, self.0.n_features())?;
        let lengths = run(py, threads, || self.0.mean_path_lengths(values))?;
        Ok(PyArray1::from_vec(py, lengths.map_err(value_error)?))
    }

    /// Returns the Shapley values of each row and column, in splits.
    fn shap_values<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        threads: Threads,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let values = values(&rows, self.0.n_features())?;
        let unit = self.unit();
        let contributions = run(py, threads, || {
            let mut contributions = self.0.explain_rows(values)?;
            contributions.iter_mut().for_each(|value| *value *= unit);
            Ok::<_, learn::iforest::ExplainError>(contributions)
        })?;
        let n_features = self.0.n_features();
        let shape = [values.len() / n_features, n_features];
        PyArray1::from_vec(py, contributions.map_err(value_error)?).reshape(shape)
    }

    /// Returns the mean path length of the events that the trees were grown on, in splits.
    fn expected_value(&self) -> PyResult<f64> {
        Ok(self.0.base().map_err(value_error)? * self.unit())
    }

    /// Returns the forest as JSON, in the format of `docs/formats/forest.md`.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.to_data()).map_err(value_error)
    }

    /// Reads a forest from its JSON, and checks all of it.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Forest> {
        let data: ForestData = serde_json::from_str(text).map_err(value_error)?;
        let forest = IsolationForest::try_from(data).map_err(value_error)?;
        Ok(Forest(forest))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let class: Bound<'py, PyType> = slf.get_type();
        Ok((class.getattr("from_json")?, (slf.get().to_json()?,)))
    }

    #[getter]
    fn n_features(&self) -> usize {
        self.0.n_features()
    }

    #[getter]
    fn n_estimators(&self) -> usize {
        self.0.n_estimators()
    }

    #[getter]
    fn max_samples(&self) -> u64 {
        self.0.max_samples()
    }

    #[getter]
    fn offset(&self) -> f64 {
        self.0.offset()
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }
}

impl Forest {
    /// Returns c(max_samples), the unit of the normalised path length, in splits.
    fn unit(&self) -> f64 {
        average_path_length(self.0.max_samples())
    }
}

/// Returns the kinds of the columns with these numbers of categories.
fn kinds(cardinalities: &[Option<u32>]) -> Vec<ColumnKind> {
    let kind = |cardinality: &Option<u32>| match *cardinality {
        None => ColumnKind::Numeric,
        Some(cardinality) => ColumnKind::Categorical { cardinality },
    };
    cardinalities.iter().map(kind).collect()
}
