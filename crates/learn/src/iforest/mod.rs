//! Isolation forests (Liu, Ting & Zhou 2008, "Isolation Forest").
//!
//! A forest of random trees isolates each training event by random splits; events that are isolated
//! by few splits are anomalous. Names, parameters and results are scikit-learn's.
//!
//! ```
//! use learn::iforest::IsolationForestParams;
//! use learn::Matrix;
//!
//! let values: Vec<f64> = (0..256).map(|i| f64::from(i % 16)).chain([1000.0]).collect();
//! let matrix = Matrix::unweighted(1, values).unwrap();
//! let forest = IsolationForestParams::new().seed(7).fit(&matrix).unwrap();
//! let scores = forest.scores(&[8.0, 1000.0]).unwrap();
//! assert!(scores[0] < 0.5 && scores[1] > 0.7);
//! ```
//!
//! # Rules
//! - **Weights.** A row of weight `w` is the row `w` times, and gives the same forest to the bit as
//!   the repeated rows would in the same order. Weights that are not whole numbers are relative
//!   frequencies: events are drawn with replacement in proportion to them.
//! - **Splits.** A column that varies in the node is drawn uniformly, then a threshold uniformly
//!   between its least and greatest value there; `value <= threshold` goes left.
//! - **Categories.** The categories present in the node are split into two random non-empty groups.
//!   A category that the node did not see, or that no training event had, follows the branch with
//!   *fewer* training events: what was never seen is isolated soon.
//! - **Missing values** follow the branch that got *more* of the node's training events, in training
//!   and in scoring. A column that is constant apart from missing values is not split.
//! - **Planes.** With an extension level above 0 a split on a numeric column becomes a hyperplane
//!   over it and up to that many further numeric columns that vary in the node; a row that lacks one
//!   of the values follows the larger branch. One side of a plane can be empty, as in the paper.
//! - **Randomness.** Tree `t` draws from stream `t` of the seed and from nothing else.

mod checked;
mod data;
mod distinct;
mod explain;
mod grow;
mod packed;
mod params;
mod quadrature;
mod sample;
mod score;
mod shapley;
mod simd;
mod tree;
mod walk;

pub use checked::{InvalidForest, TreeDefect};
pub use data::{FORMAT_VERSION, ForestData, InputPrecision, PlaneData, TreeData};
pub use explain::{ExplainError, Explanation};
pub use params::{
    Contamination, IsolationForestParams, MAX_ESTIMATORS, MAX_FEATURES, MAX_SAMPLES, MaxFeatures,
    MaxSamples,
};
pub use score::ScoreError;
pub use tree::average_path_length;

use std::fmt;

use rayon::prelude::*;

use crate::matrix::{ColumnKind, Matrix};
use crate::rng::Rng;
use crate::stats;
use grow::Fit;
use sample::Sampler;
use score::Packings;
use tree::{PathLengths, Tree};

/// Why a forest cannot be fitted. Every message names the allowed range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Number of trees.
    #[error("n_estimators must be from 1 to {max}, got {value}")]
    Estimators {
        /// The value given.
        value: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// Number of columns.
    #[error("a forest takes from 1 to {max} features, got {value}")]
    Features {
        /// The value given.
        value: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// Extension level.
    #[error("extension_level must be from 0 to {max} (the number of features − 1), got {value}")]
    ExtensionLevel {
        /// The value given.
        value: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// Events per tree, as a count.
    #[error("max_samples as a count must be at least 1, got {value}")]
    SampleCount {
        /// The value given.
        value: usize,
    },
    /// Events per tree, as a share.
    #[error("max_samples as a fraction must be above 0 and at most 1, got {value}")]
    SampleFraction {
        /// The value given.
        value: f64,
    },
    /// Events per tree, once resolved.
    #[error("max_samples comes to {value} events per tree, more than the limit of {max}")]
    SampleSize {
        /// Events per tree.
        value: u64,
        /// The greatest allowed.
        max: u64,
    },
    /// Columns per tree, as a count.
    #[error(
        "max_features as a count must be from 1 to {max} (the number of features), got {value}"
    )]
    FeatureCount {
        /// The value given.
        value: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// Columns per tree, as a share.
    #[error("max_features as a fraction must be above 0 and at most 1, got {value}")]
    FeatureFraction {
        /// The value given.
        value: f64,
    },
    /// Share of anomalous training events.
    #[error("contamination must be above 0 and at most 0.5, got {value}")]
    Contamination {
        /// The value given.
        value: f64,
    },
    /// Kinds of columns.
    #[error("{kinds} column kinds for {n_features} features: give one for each, or none")]
    ColumnKinds {
        /// Number of kinds given.
        kinds: usize,
        /// Number of columns of the matrix.
        n_features: usize,
    },
    /// A value of a categorical column that is no code.
    #[error(
        "row {row}, column {column}: {value} is not a category; codes are whole numbers from 0 to \
         {cardinality} − 1 (a missing value is NaN)"
    )]
    Category {
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        column: usize,
        /// The value.
        value: f64,
        /// The column's number of categories.
        cardinality: u32,
    },
    /// Nothing to learn from.
    #[error(
        "no event to learn from: {rows} rows, none with a weight above 0; at least 1 is needed"
    )]
    NoEvents {
        /// Number of rows.
        rows: usize,
    },
    /// Too many rows.
    #[error("a forest is fitted on at most {max} rows, got {rows}; merge equal rows or sample")]
    Rows {
        /// Number of rows.
        rows: usize,
        /// The greatest allowed.
        max: usize,
    },
    /// Growing a forest on data that has other columns.
    #[error("the forest has {expected} features, the matrix {actual}")]
    GrowFeatures {
        /// Columns of the forest.
        expected: usize,
        /// Columns of the matrix.
        actual: usize,
    },
    /// Growing a forest whose trees were grown on 32-bit values.
    #[error("a forest that takes 32-bit inputs was grown elsewhere and cannot be grown further")]
    GrowImported,
    /// Growing a forest on data that gives trees of another size.
    #[error(
        "the forest's trees draw {expected} events each; from this matrix they would draw {actual}"
    )]
    GrowSampleSize {
        /// Events per tree of the forest.
        expected: u64,
        /// Events per tree that the matrix gives.
        actual: u64,
    },
}

/// A fitted isolation forest.
///
/// Rows to be scored are row-major slices of [`n_features`](Self::n_features) values each. NaN is a
/// missing value; infinities compare like numbers. Work is spread over rayon's current thread pool
/// and gives the same bits on any number of threads.
#[derive(Clone, PartialEq)]
pub struct IsolationForest {
    params: IsolationForestParams,
    n_features: usize,
    sample_size: u64,
    offset: f64,
    input: InputPrecision,
    trees: Vec<Tree>,
    packings: Packings,
}

impl IsolationForestParams {
    /// Fits a forest.
    ///
    /// # Errors
    /// When a parameter is out of its range, the matrix has no weight, or a categorical column holds
    /// something else than its codes.
    pub fn fit(&self, matrix: &Matrix) -> Result<IsolationForest, FitError> {
        self.check(matrix.n_features())?;
        let mut forest = IsolationForest {
            params: IsolationForestParams {
                n_estimators: 0,
                ..self.clone()
            },
            n_features: matrix.n_features(),
            sample_size: self.sample_size(matrix)?,
            offset: -0.5,
            input: InputPrecision::F64,
            trees: Vec::new(),
            packings: Packings::default(),
        };
        forest.grow(matrix, self.n_estimators)?;
        Ok(forest)
    }
}

impl IsolationForest {
    /// Adds `n_more` trees, fitted on `matrix`, and sets the threshold anew. On the matrix that the
    /// forest was fitted on, the result equals a forest fitted with all its trees at once.
    ///
    /// # Errors
    /// As [`IsolationForestParams::fit`], and when the matrix has other columns or leads to another
    /// number of events per tree. The forest is then unchanged.
    pub fn grow(&mut self, matrix: &Matrix, n_more: usize) -> Result<(), FitError> {
        let n_estimators = self.trees.len().saturating_add(n_more);
        let params = IsolationForestParams {
            n_estimators,
            ..self.params.clone()
        };
        self.check_growth(&params, matrix)?;
        let sampler = Sampler::new(matrix, self.sample_size, params.bootstrap);
        let fit = Fit {
            params: &params,
            matrix,
            height_limit: height_limit(self.sample_size),
            path_lengths: PathLengths::new(self.sample_size),
        };
        let streams = self.trees.len()..n_estimators;
        self.trees.par_extend(streams.into_par_iter().map(|stream| {
            let mut rng = Rng::new(params.seed, stream as u64);
            let sample = sampler.draw(&mut rng);
            fit.grow_tree(sample, &mut rng)
        }));
        self.params = params;
        self.packings = Packings::default();
        self.offset = self.threshold_of(matrix);
        Ok(())
    }

    fn check_growth(
        &self,
        params: &IsolationForestParams,
        matrix: &Matrix,
    ) -> Result<(), FitError> {
        let (expected, actual) = (self.n_features, matrix.n_features());
        if expected != actual {
            return Err(FitError::GrowFeatures { expected, actual });
        }
        if self.input != InputPrecision::F64 {
            return Err(FitError::GrowImported);
        }
        params.check(self.n_features)?;
        check_rows(params, matrix)?;
        let (expected, actual) = (self.sample_size, params.sample_size(matrix)?);
        if expected != actual {
            return Err(FitError::GrowSampleSize { expected, actual });
        }
        Ok(())
    }

    fn threshold_of(&self, matrix: &Matrix) -> f64 {
        let Contamination::Fraction(share) = self.params.contamination else {
            return -0.5;
        };
        let mut samples = vec![0.0; matrix.n_rows()];
        let score = self.score();
        self.figures_into(matrix.values(), &mut samples, |length| -score(length));
        // A matrix without weight was refused, so there is a quantile.
        stats::quantile(&samples, matrix.weights(), share).unwrap_or(-0.5)
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The seed that every random choice followed from.
    pub fn seed(&self) -> u64 {
        self.params.seed
    }

    /// Number of trees.
    pub fn n_estimators(&self) -> usize {
        self.trees.len()
    }

    /// Events that each tree drew: scikit-learn's `max_samples_`.
    pub fn max_samples(&self) -> u64 {
        self.sample_size
    }

    /// The precision to which inputs are rounded before they are compared.
    pub fn input_precision(&self) -> InputPrecision {
        self.input
    }

    /// What kind each column is.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        match self.params.column_kinds.as_slice() {
            [] => vec![ColumnKind::Numeric; self.n_features],
            kinds => kinds.to_vec(),
        }
    }

    /// The parameters of the fit.
    pub fn params(&self) -> &IsolationForestParams {
        &self.params
    }

    /// scikit-learn's `offset_`: rows whose score is strictly above `-offset` are anomalous.
    pub fn offset(&self) -> f64 {
        self.offset
    }
}

impl fmt::Debug for IsolationForest {
    /// Without the trees, which would be tens of thousands of nodes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolationForest")
            .field("params", &self.params)
            .field("n_features", &self.n_features)
            .field("max_samples", &self.sample_size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// ⌈log₂ n⌉: the mean height of a tree that isolates `n` events.
fn height_limit(sample_size: u64) -> u32 {
    sample_size.next_power_of_two().trailing_zeros()
}

fn is_unseen(kind: ColumnKind, value: f64) -> bool {
    match kind {
        ColumnKind::Numeric => false,
        ColumnKind::Categorical { cardinality } => {
            let known = value >= 0.0 && value < f64::from(cardinality) && value.fract() == 0.0;
            !known && !value.is_nan()
        }
    }
}

/// Rows are numbered by 32 bits, and categorical columns hold codes.
fn check_rows(params: &IsolationForestParams, matrix: &Matrix) -> Result<(), FitError> {
    let (rows, max) = (matrix.n_rows(), u32::MAX as usize);
    if rows > max {
        return Err(FitError::Rows { rows, max });
    }
    for column in 0..matrix.n_features() {
        let ColumnKind::Categorical { cardinality } = params.kind(column) else {
            continue;
        };
        let kind = params.kind(column);
        if let Some(row) = (0..rows).find(|&row| is_unseen(kind, matrix.row(row)[column])) {
            let value = matrix.row(row)[column];
            return Err(FitError::Category {
                row,
                column,
                value,
                cardinality,
            });
        }
    }
    Ok(())
}
