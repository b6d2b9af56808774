//! Uniform manifold approximation and projection: rows of many columns as points of a map
//! (McInnes, Healy & Melville 2018, arXiv:1802.03426). Names, parameters and defaults are umap-learn's.
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
//! - **Weights.** A distinct row is one point, whatever its weight. UMAP supposes that rows lie evenly on
//!   a manifold and measures distances at each row by the reach of its neighbourhood, so that local
//!   density cancels; how often a row occurs is nothing but density. Were copies counted as neighbours, a
//!   row with more copies than neighbours would know of no other row, and the map would fall apart into
//!   clumps of copies. A row of weight 0 does not take part; it is placed as a new row would be.
//! - **Order.** Rows are sorted before anything else, so their order leaves no trace. Equal rows get
//!   equal places.
//! - **Missing values** have no distance; they are an error that names the first one.
//! - **Randomness.** Every random number is a function of the seed and of what it is for. The embedding
//!   is the same to the bit on any number of threads.
//! - **New rows** are placed one by one: the result depends on the row and the model alone.

mod curve;
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

/// Why an embedding cannot be fitted. Every message names the allowed range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UmapError {
    /// A whole-number parameter out of its range.
    #[error("{name} must be from {min} to {max}, got {value}")]
    Count {
        /// The parameter.
        name: &'static str,
        /// The value given.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// A parameter out of its range.
    #[error("{name} must be from {min} to {max}, got {value}")]
    Number {
        /// The parameter.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The least allowed.
        min: f64,
        /// The greatest allowed.
        max: f64,
    },
    /// A missing value.
    #[error("row {row}, column {column}: the value is missing; an embedding needs every value")]
    Missing {
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        column: usize,
    },
    /// Nothing to embed.
    #[error("nothing to embed: {rows} rows, none with a weight above 0; at least 1 is needed")]
    NoRows {
        /// Number of rows.
        rows: usize,
    },
    /// Too many rows.
    #[error("at most {max} rows are embedded, got {rows}; merge equal rows or sample")]
    Rows {
        /// Number of rows.
        rows: usize,
        /// The greatest allowed.
        max: usize,
    },
}

/// A fitted embedding, and what it takes to place new rows in it.
///
/// Work is spread over rayon's current thread pool and gives the same bits on any number of threads.
#[derive(Clone)]
pub struct Umap {
    params: UmapParams,
    n_features: usize,
    curve: Curve,
    space: Space,
    index: Index,
    /// Of all neighbours' distances.
    mean_distance: f64,
    distinct_embedding: Vec<f32>,
    embedding: Vec<f32>,
    new_row_kernel: Kernel,
}

/// Both directions of an edge pull its ends, which see it once each; together they can meet halfway.
const BOTH_ENDS: Pull = Pull {
    times: 2.0,
    reach: 0.5,
};
/// Of the edge of a new row, the row moves only.
const NEW_END: Pull = Pull {
    times: 1.0,
    reach: 1.0,
};
/// The side of the square in which rows start, as in umap-learn.
const START_SIDE: f64 = 10.0;
/// How far rows are moved at random from where they start, so that none coincide.
const START_NOISE: f64 = 1e-3;
/// The stream of random numbers for that.
const NOISE_STREAM: u64 = 1 << 33;

impl UmapParams {
    /// Fits an embedding of the distinct rows of `matrix`.
    ///
    /// # Errors
    /// When a parameter is out of its range, a value is missing, or no row has a weight above 0.
    pub fn fit(&self, matrix: &Matrix) -> Result<Umap, UmapError> {
        self.check()?;
        check_rows(matrix)?;
        let n_features = matrix.n_features();
        let takes = |row: usize| matrix.weights()[row] > 0.0;
        let distinct = DistinctRows::of(n_features, matrix.values(), takes);
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
        let curve = Curve::fit(self.min_dist, self.spread);
        let kernel = |pull| {
            let (strength, pushes) = (self.repulsion_strength, self.negative_sample_rate);
            Kernel::new(curve, strength, pull, pushes)
        };
        let descent = Descent {
            kernel: kernel(BOTH_ENDS),
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
            new_row_kernel: kernel(NEW_END),
        };
        umap.embedding = umap.place_given(matrix, &distinct);
        Ok(umap)
    }

    /// Where rows are before the first epoch.
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
    /// Coordinates of the given rows, of which those without weight count as new.
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

    /// Row-major coordinates of the rows that the embedding was fitted on, in their order,
    /// [`n_components`](Self::n_components) for each row.
    pub fn embedding(&self) -> &[f32] {
        &self.embedding
    }

    /// Dimensions of the embedding.
    pub fn n_components(&self) -> usize {
        self.params.n_components
    }

    /// Columns of the rows.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Number of distinct rows of weight above 0.
    pub fn n_distinct(&self) -> usize {
        self.index.len()
    }

    /// The parameters of the fit.
    pub fn params(&self) -> &UmapParams {
        &self.params
    }

    /// The parameters a and b of the curve 1 / (1 + a d^(2b)), fitted to `min_dist` and `spread`.
    pub fn a_b(&self) -> (f64, f64) {
        (self.curve.a, self.curve.b)
    }
}

impl fmt::Debug for Umap {
    /// Without the rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Umap")
            .field("params", &self.params)
            .field("n_features", &self.n_features)
            .field("n_distinct", &self.n_distinct())
            .finish_non_exhaustive()
    }
}
