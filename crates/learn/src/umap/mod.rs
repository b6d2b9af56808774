//! Uniform manifold approximation and projection (UMAP): embeds rows of many columns as points in
//! few dimensions (McInnes, Healy & Melville 2018, arXiv:1802.03426). Parameter names and defaults
//! are those of umap-learn.
//!
//! ```
//! use learn::Matrix;
//! use learn::umap::UmapParams;
//!
//! // Two groups of rows, far apart.
//! let values: Vec<f64> = (0..60).map(|i| f64::from(i % 7) + if i < 30 { 0.0 } else { 90.0 }).collect();
//! let matrix = Matrix::unweighted(3, values).unwrap();
//! let umap = UmapParams::new().seed(1).fit(&matrix).unwrap();
//! assert_eq!(umap.embedding().len(), 20 * 2);
//! let placed = umap.transform(matrix.row(4)).unwrap();
//! assert_eq!(placed, umap.embedding()[8..10]);
//! ```
//!
//! # Rules
//! - **Weights.** A distinct row is one point, whatever its weight. UMAP assumes that rows lie
//!   evenly on a manifold and scales distances at each row by the size of its neighbourhood, so
//!   that local density cancels out. The frequency of a row is nothing but density. If copies
//!   counted as neighbours, a row with more copies than neighbours would be connected to no other
//!   row, and the embedding would fall apart into clumps of copies. A row of weight 0 takes no part
//!   in the fit and is placed like a new row.
//! - **Order.** Rows are sorted first, so the result does not depend on their order. Equal rows get
//!   equal coordinates.
//! - **Missing values** have no distance. They are an error that names the first missing value.
//! - **Randomness.** Every random number is a function of the seed and of its purpose. The
//!   embedding has the same bits for any number of threads.
//! - **New rows** are placed one by one. The result depends on the row and the model alone.

mod curve;
mod data;
mod draws;
mod eigen;
mod force;
mod fuzzy;
mod layout;
mod neighbors;
mod params;
mod placement;
mod power;
mod rows;
mod space;
mod spectral;
mod transform;
mod trustworthiness;

pub use data::{FORMAT_VERSION, InvalidUmap, UmapData};
pub use params::{
    Epochs, Init, MAX_COMPONENTS, MAX_EPOCHS, MAX_NEGATIVE_SAMPLE_RATE, MAX_NEIGHBORS, Metric,
    UmapParams,
};
pub use transform::TransformError;
pub use trustworthiness::trustworthiness;

use std::fmt;

use crate::matrix::Matrix;
use curve::Curve;
use draws::Draws;
use force::{Kernel, Pull};
use fuzzy::Graph;
use layout::Descent;
use neighbors::Index;
use rows::DistinctRows;
use space::Space;

/// The reason why an embedding cannot be fitted. Every message states the allowed range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UmapError {
    /// A whole-number parameter is out of range.
    #[error("{name} must be from {min} to {max}, got {value}")]
    Count {
        /// The name of the parameter.
        name: &'static str,
        /// The value given.
        value: usize,
        /// The minimum allowed.
        min: usize,
        /// The maximum allowed.
        max: usize,
    },
    /// A real-valued parameter is out of range.
    #[error("{name} must be from {min} to {max}, got {value}")]
    Number {
        /// The name of the parameter.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The minimum allowed.
        min: f64,
        /// The maximum allowed.
        max: f64,
    },
    /// A value is missing.
    #[error("row {row}, column {column}: the value is missing; an embedding needs every value")]
    Missing {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
    },
    /// The matrix has no row with a positive weight.
    #[error("nothing to embed: {rows} rows, none with a weight above 0; at least 1 is needed")]
    NoRows {
        /// The number of rows of the matrix.
        rows: usize,
    },
    /// The matrix has too many rows.
    #[error("at most {max} rows are embedded, got {rows}; merge equal rows or sample")]
    Rows {
        /// The number of rows of the matrix.
        rows: usize,
        /// The maximum allowed.
        max: usize,
    },
}

/// A fitted embedding, with everything that is needed to place new rows in it.
///
/// The work runs on rayon's current thread pool and gives the same bits for any number of threads.
#[derive(Clone)]
pub struct Umap {
    params: UmapParams,
    n_features: usize,
    curve: Curve,
    space: Space,
    index: Index,
    /// The mean distance between rows and their neighbours.
    mean_distance: f64,
    /// The distinct rows that took part in the fit, row-major.
    distinct_rows: Vec<f64>,
    /// The coordinates of the distinct rows, row-major.
    distinct_embedding: Vec<f32>,
    /// The coordinates of the given rows, row-major.
    embedding: Vec<f32>,
    new_row_kernel: Kernel,
}

/// The attraction in a fit. Each end of an edge moves by its own copy of the edge, so the
/// attraction counts twice; each end moves at most half the distance, so that the ends meet halfway
/// at most.
const BOTH_ENDS: Pull = Pull {
    times: 2.0,
    reach: 0.5,
};
/// The attraction of a new row, which moves alone.
const NEW_END: Pull = Pull {
    times: 1.0,
    reach: 1.0,
};
/// The side of the square (or cube) that contains the initial coordinates, as in umap-learn.
const START_SIDE: f64 = 10.0;
/// The amplitude of the random noise that is added to the initial coordinates, so that no two rows
/// coincide.
const START_NOISE: f64 = 1e-3;
/// The random-number stream of this noise.
const NOISE_STREAM: u64 = 1 << 33;

impl UmapParams {
    /// Fits an embedding of the distinct rows of `matrix`.
    ///
    /// # Errors
    /// Returns an error when a parameter is out of its range, a value is missing, no row has a
    /// positive weight, or there are more than 2³² − 2 rows.
    pub fn fit(&self, matrix: &Matrix) -> Result<Umap, UmapError> {
        self.check()?;
        check_rows(matrix)?;
        let n_features = matrix.n_features();
        let takes_part = |row: usize| matrix.weights()[row] > 0.0;
        let distinct = DistinctRows::of(n_features, matrix.values(), takes_part);
        let space = Space::of(self.metric, n_features, &distinct.values);
        let points = space.points(&distinct.values);
        let size = self.n_neighbors.min(distinct.len(n_features));
        let (neighbors, index) = neighbors::neighbors(&space, points.clone(), size - 1, self.seed);
        let graph = Graph::of(
            &neighbors,
            size,
            self.local_connectivity,
            self.set_op_mix_ratio,
        );
        let start = self.start(&graph, &points, space.width());
        let (curve, new_row_kernel) = curve_and_kernel(self, NEW_END);
        let descent = Descent {
            kernel: curve_and_kernel(self, BOTH_ENDS).1,
            dim: self.n_components,
            epochs: self.epochs(graph.len()),
            learning_rate: self.learning_rate,
            seed: self.seed,
        };
        let mut umap = Umap {
            params: self.clone(),
            n_features,
            curve,
            mean_distance: fuzzy::mean_distance(&neighbors),
            space,
            index,
            distinct_embedding: descent.run(&graph, start),
            embedding: Vec::new(),
            distinct_rows: Vec::new(),
            new_row_kernel,
        };
        umap.embedding = umap.place_given(matrix, &distinct);
        umap.distinct_rows = distinct.values;
        Ok(umap)
    }

    /// Returns the coordinates before the first epoch.
    fn start(&self, graph: &Graph, points: &[f64], width: usize) -> Vec<f32> {
        let (n, dim) = (graph.len(), self.n_components);
        let mut start = match self.init {
            Init::Spectral => spectral::start(graph, points, width, dim, self.seed),
            Init::Random => (0..n * dim)
                .map(|i| Draws::new(self.seed, 0, i as u64).signed())
                .collect(),
        };
        for c in 0..dim {
            let column = || start[c..].iter().step_by(dim);
            let least = column().copied().fold(f64::INFINITY, f64::min);
            let extent = column().copied().fold(f64::NEG_INFINITY, f64::max) - least;
            let factor = if extent > 0.0 {
                START_SIDE / extent
            } else {
                0.0
            };
            for (row, x) in start[c..].iter_mut().step_by(dim).enumerate() {
                let noise = Draws::new(self.seed, NOISE_STREAM + c as u64, row as u64).signed();
                *x = (*x - least) * factor + START_NOISE * noise;
            }
        }
        start.into_iter().map(|x| x as f32).collect()
    }
}

/// Returns the curve of the parameters, and the forces along an edge by which the ends move as `pull` says.
fn curve_and_kernel(params: &UmapParams, pull: Pull) -> (Curve, Kernel) {
    let curve = Curve::fit(params.min_dist, params.spread);
    let (strength, pushes) = (params.repulsion_strength, params.negative_sample_rate);
    (curve, Kernel::new(curve, strength, pull, pushes))
}

/// Checks the number of rows, and that no value is missing and some row has weight.
fn check_rows(matrix: &Matrix) -> Result<(), UmapError> {
    let (rows, max) = (matrix.n_rows(), u32::MAX as usize - 1);
    if rows > max {
        return Err(UmapError::Rows { rows, max });
    }
    if let Some(at) = matrix.values().iter().position(|value| value.is_nan()) {
        let (row, column) = (at / matrix.n_features(), at % matrix.n_features());
        return Err(UmapError::Missing { row, column });
    }
    if matrix.total_weight() <= 0.0 {
        return Err(UmapError::NoRows { rows });
    }
    Ok(())
}

impl Umap {
    /// Returns the coordinates of the given rows, where rows without weight are placed like new
    /// rows.
    fn place_given(&self, matrix: &Matrix, distinct: &DistinctRows) -> Vec<f32> {
        let dim = self.params.n_components;
        let left_out = distinct.places.iter().enumerate();
        let new: Vec<f64> = left_out
            .filter(|(_, place)| place.is_none())
            .flat_map(|(row, _)| matrix.row(row).iter().copied())
            .collect();
        let new = self.place_all(&new);
        let mut new = new.chunks_exact(dim);
        let rows = distinct.places.iter().flat_map(|place| match place {
            Some(place) => &self.distinct_embedding[*place as usize * dim..][..dim],
            None => new.next().unwrap_or_default(),
        });
        rows.copied().collect()
    }

    /// Returns the coordinates of the rows that the embedding was fitted on, row-major and in their
    /// original order, with [`n_components`](Self::n_components) values per row.
    pub fn embedding(&self) -> &[f32] {
        &self.embedding
    }

    /// Returns the number of dimensions of the embedding.
    pub fn n_components(&self) -> usize {
        self.params.n_components
    }

    /// Returns the number of columns of the rows.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Returns the number of distinct rows with a positive weight.
    pub fn n_distinct(&self) -> usize {
        self.index.len()
    }

    /// Returns the seed that determined every random choice.
    pub fn seed(&self) -> u64 {
        self.params.seed
    }

    /// Returns the parameters that the embedding was fitted with.
    pub fn params(&self) -> &UmapParams {
        &self.params
    }

    /// Returns the parameters a and b of the curve 1 / (1 + a d^(2b)), which are fitted to
    /// `min_dist` and `spread`.
    pub fn a_b(&self) -> (f64, f64) {
        (self.curve.a, self.curve.b)
    }
}

impl fmt::Debug for Umap {
    /// Omits the rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Umap")
            .field("params", &self.params)
            .field("n_features", &self.n_features)
            .field("n_distinct", &self.n_distinct())
            .finish_non_exhaustive()
    }
}
