//! UMAP as a class for the package's Python code.

use learn::umap::{Epochs, Init, Metric, Umap, UmapData, UmapParams};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{Rows, matrix, values};
use crate::errors::value_error;
use crate::threads::{Threads, run};

/// A fitted embedding, which never changes.
#[pyclass(frozen, module = "honeyguide._native")]
pub struct Embedding(Umap);

#[pymethods]
impl Embedding {
    /// Fits an embedding. `n_epochs` is None for the number that follows from the number of rows.
    #[staticmethod]
    #[pyo3(signature = (
        rows, weights, *, n_neighbors, n_components, metric, n_epochs, learning_rate, init, min_dist, spread,
        set_op_mix_ratio, local_connectivity, repulsion_strength, negative_sample_rate, seed, threads
    ))]
    #[allow(clippy::too_many_arguments)]
    fn fit(
        py: Python<'_>,
        rows: Rows<'_>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        n_neighbors: usize,
        n_components: usize,
        metric: &str,
        n_epochs: Option<usize>,
        learning_rate: f64,
        init: &str,
        min_dist: f64,
        spread: f64,
        set_op_mix_ratio: f64,
        local_connectivity: f64,
        repulsion_strength: f64,
        negative_sample_rate: usize,
        seed: u64,
        threads: Threads,
    ) -> PyResult<Embedding> {
        let params = UmapParams::new()
            .n_neighbors(n_neighbors)
            .n_components(n_components)
            .metric(metric_named(metric)?)
            .n_epochs(n_epochs.map_or(Epochs::Auto, Epochs::Count))
            .learning_rate(learning_rate)
            .init(init_named(init)?)
            .min_dist(min_dist)
            .spread(spread)
            .set_op_mix_ratio(set_op_mix_ratio)
            .local_connectivity(local_connectivity)
            .repulsion_strength(repulsion_strength)
            .negative_sample_rate(negative_sample_rate)
            .seed(seed);
        let matrix = matrix(&rows, weights.as_ref())?;
        let umap = run(py, threads, || params.fit(&matrix))?;
        Ok(Embedding(umap.map_err(value_error)?))
    }

    /// Returns the coordinates of the rows that the embedding was fitted on, in their order. An embedding that was read
    /// back has those of the distinct rows.
    fn coordinates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        self.array(py, self.0.embedding().to_vec())
    }

    /// Places new rows in the embedding.
    fn transform<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        threads: Threads,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let values = values(&rows, self.0.n_features())?;
        let placed = run(py, threads, || self.0.transform(values))?;
        self.array(py, placed.map_err(value_error)?)
    }

    /// Returns the embedding as JSON, in the format of `docs/formats/umap.md`.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.to_data()).map_err(value_error)
    }

    /// Reads an embedding from its JSON, and checks all of it.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str, threads: Threads) -> PyResult<Embedding> {
        let data: UmapData = serde_json::from_str(text).map_err(value_error)?;
        let umap = run(py, threads, || Umap::try_from(data))?;
        Ok(Embedding(umap.map_err(value_error)?))
    }

    #[getter]
    fn n_features(&self) -> usize {
        self.0.n_features()
    }

    #[getter]
    fn n_distinct(&self) -> usize {
        self.0.n_distinct()
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    /// The parameters a and b of the curve 1 / (1 + a d^(2b)).
    #[getter]
    fn a_b(&self) -> (f64, f64) {
        self.0.a_b()
    }
}

impl Embedding {
    fn array<'py>(
        &self,
        py: Python<'py>,
        coordinates: Vec<f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let n_components = self.0.n_components();
        let shape = [coordinates.len() / n_components, n_components];
        PyArray1::from_vec(py, coordinates).reshape(shape)
    }
}

fn metric_named(name: &str) -> PyResult<Metric> {
    match name {
        "euclidean" => Ok(Metric::Euclidean),
        "manhattan" => Ok(Metric::Manhattan),
        "chebyshev" => Ok(Metric::Chebyshev),
        "cosine" => Ok(Metric::Cosine),
        "correlation" => Ok(Metric::Correlation),
        _ => Err(value_error(format!("there is no metric {name:?}"))),
    }
}

fn init_named(name: &str) -> PyResult<Init> {
    match name {
        "spectral" => Ok(Init::Spectral),
        "random" => Ok(Init::Random),
        _ => Err(value_error(format!("there is no init {name:?}"))),
    }
}
