//! Isolation forests (Liu, Ting & Zhou 2008, "Isolation Forest").
//!
//! An isolation forest is an ensemble of random trees. Each tree isolates its training events by
//! random splits, and events that few splits isolate are anomalous. Parameter names, defaults and
//! results follow scikit-learn's `IsolationForest`.
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
//! - **Weights.** A row of weight `w` stands for `w` equal events. It gives the same forest, bit
//!   for bit, as `w` copies of the row in the same place. Weights that are not whole numbers are
//!   relative frequencies: events are drawn with replacement, in proportion to the weights.
//! - **Splits.** A column is drawn uniformly from those that vary in the node, then a threshold
//!   uniformly between the column's minimum and maximum in the node. Rows with `value <= threshold`
//!   go left.
//! - **Categories.** The categories present in the node are split into two random non-empty groups.
//!   A category that was absent from the node, or from all training events, follows the branch with
//!   *fewer* training events, so that unseen categories are isolated early.
//! - **Missing values** follow the branch that received *more* of the node's training events, in
//!   training and in scoring. A column that is constant apart from missing values is not split.
//! - **Hyperplanes.** With an extension level of `k` > 0, a split on a numeric column becomes a
//!   hyperplane over that column and up to `k` further numeric columns that vary in the node. A row
//!   that lacks one of the values follows the branch with more training events. One side of a
//!   hyperplane can be empty, as in Hariri et al. (2019).
//! - **Novelty.** A split is drawn from the range of the training events in the node. A plain forest therefore
//!   takes an event beyond all of them for the nearest one inside. With [`Novelty::Range`] its path is shorter the
//!   farther it lies outside. The trees are the same; the path lengths are defined at the top of `novelty.rs`.
//! - **Randomness.** Tree `t` takes its random numbers from stream `t` of the seed and from nothing
//!   else.

mod checked;
mod data;
mod explain;
mod first_cuts;
mod grow;
mod novelty;
mod packed;
mod params;
mod perfect;
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
    MaxSamples, Novelty,
};
pub use score::ScoreError;
pub use tree::average_path_length;

use std::fmt;

use rayon::prelude::*;

use crate::matrix::{ColumnKind, Matrix};
use crate::monitor;
use crate::rng::Rng;
use crate::stats;
use grow::Fit;
use sample::Sampler;
use score::Packings;
use tree::{PathLengths, Tree};

/// The reason why a forest cannot be fitted. Every message states the allowed range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The number of trees is out of range.
    #[error("n_estimators must be from 1 to {max}, got {value}")]
    Estimators {
        /// The number of trees requested.
        value: usize,
        /// The maximum allowed.
        max: usize,
    },
    /// The number of columns is out of range.
    #[error("a forest takes from 1 to {max} features, got {value}")]
    Features {
        /// The number of columns of the matrix.
        value: usize,
        /// The maximum allowed.
        max: usize,
    },
    /// The extension level is out of range.
    #[error("extension_level must be from 0 to {max} (the number of features − 1), got {value}")]
    ExtensionLevel {
        /// The extension level requested.
        value: usize,
        /// The maximum allowed.
        max: usize,
    },
    /// The novelty of hyperplanes is not defined.
    #[error(
        "novelty `range` requires extension_level 0, got {level}: a hyperplane has no range in any \
         column"
    )]
    NoveltyExtended {
        /// The extension level requested.
        level: usize,
    },
    /// The number of events per tree, given as a count, is 0.
    #[error("max_samples as a count must be at least 1, got {value}")]
    SampleCount {
        /// The count requested.
        value: usize,
    },
    /// The number of events per tree, given as a fraction, is out of range.
    #[error("max_samples as a fraction must be above 0 and at most 1, got {value}")]
    SampleFraction {
        /// The fraction requested.
        value: f64,
    },
    /// The number of events per tree is too large for this matrix.
    #[error("max_samples comes to {value} events per tree, more than the limit of {max}")]
    SampleSize {
        /// The number of events per tree that `max_samples` amounts to.
        value: u64,
        /// The maximum allowed.
        max: u64,
    },
    /// The number of columns per tree, given as a count, is out of range.
    #[error(
        "max_features as a count must be from 1 to {max} (the number of features), got {value}"
    )]
    FeatureCount {
        /// The count requested.
        value: usize,
        /// The maximum allowed, which is the number of columns.
        max: usize,
    },
    /// The number of columns per tree, given as a fraction, is out of range.
    #[error("max_features as a fraction must be above 0 and at most 1, got {value}")]
    FeatureFraction {
        /// The fraction requested.
        value: f64,
    },
    /// The expected fraction of anomalous training events is out of range.
    #[error("contamination must be above 0 and at most 0.5, got {value}")]
    Contamination {
        /// The fraction requested.
        value: f64,
    },
    /// The number of column kinds differs from the number of columns.
    #[error("{kinds} column kinds for {n_features} features: give one for each, or none")]
    ColumnKinds {
        /// The number of column kinds given.
        kinds: usize,
        /// The number of columns of the matrix.
        n_features: usize,
    },
    /// A value of a categorical column is not a category code.
    #[error(
        "row {row}, column {column}: {value} is not a category; codes are whole numbers from 0 to \
         {cardinality} − 1 (a missing value is NaN)"
    )]
    Category {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The value found.
        value: f64,
        /// The number of categories of the column.
        cardinality: u32,
    },
    /// The matrix has no row with a positive weight.
    #[error(
        "no event to learn from: {rows} rows, none with a weight above 0; at least 1 is needed"
    )]
    NoEvents {
        /// The number of rows of the matrix.
        rows: usize,
    },
    /// The matrix has too many rows.
    #[error("a forest is fitted on at most {max} rows, got {rows}; merge equal rows or sample")]
    Rows {
        /// The number of rows of the matrix.
        rows: usize,
        /// The maximum allowed.
        max: usize,
    },
    /// The matrix given to [`IsolationForest::grow`] has another number of columns than the forest.
    #[error("the forest has {expected} features, but the matrix has {actual}")]
    GrowFeatures {
        /// The number of columns of the forest.
        expected: usize,
        /// The number of columns of the matrix.
        actual: usize,
    },
    /// The forest to be grown compares 32-bit inputs, because it was imported from scikit-learn.
    #[error("the forest was imported with 32-bit inputs, so no trees can be added to it")]
    GrowImported,
    /// The matrix given to [`IsolationForest::grow`] leads to another number of events per tree.
    #[error(
        "the forest's trees draw {expected} events each; from this matrix they would draw {actual}"
    )]
    GrowSampleSize {
        /// The number of events per tree of the forest.
        expected: u64,
        /// The number of events per tree that the matrix leads to.
        actual: u64,
    },
}

/// A fitted isolation forest.
///
/// Methods that take rows expect a row-major slice of [`n_features`](Self::n_features) values per
/// row. NaN is a missing value; infinities compare like other numbers. The work runs on rayon's
/// current thread pool and gives the same bits for any number of threads.
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
    /// Fits a forest on the rows of `matrix`.
    ///
    /// # Errors
    /// Returns an error when a parameter is out of its range, no row has a positive weight, the
    /// matrix has more than 2³² − 1 rows, or a categorical column holds a value that is neither one
    /// of its codes nor NaN.
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
    /// Fits `n_more` further trees on `matrix` and recomputes the threshold. On the matrix that the
    /// forest was fitted on, the result equals a forest fitted with all its trees at once.
    ///
    /// # Errors
    /// Returns an error under the conditions of [`IsolationForestParams::fit`], when the matrix has
    /// another number of columns or leads to another number of events per tree, and when the forest
    /// takes 32-bit inputs. The forest is then unchanged.
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
        monitor::begin("trees", streams.len());
        self.trees.par_extend(streams.into_par_iter().map(|stream| {
            monitor::check();
            let mut rng = Rng::new(params.seed, stream as u64);
            let sample = sampler.draw(&mut rng);
            let tree = fit.grow_tree(sample, &mut rng);
            monitor::step(1);
            tree
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
        self.map_path_lengths(matrix.values(), &mut samples, |length| -score(length));
        // The checks before fitting refuse a matrix without weight, so the quantile exists.
        stats::quantile(&samples, matrix.weights(), share).unwrap_or(-0.5)
    }

    /// Returns the number of columns of the rows that the forest takes.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Returns the seed that determines every random choice.
    pub fn seed(&self) -> u64 {
        self.params.seed
    }

    /// Returns the number of trees.
    pub fn n_estimators(&self) -> usize {
        self.trees.len()
    }

    /// Returns the form of path lengths of events that lie outside of what a tree was grown on.
    pub fn novelty(&self) -> Novelty {
        self.params.novelty
    }

    /// Returns the number of events that each tree drew, scikit-learn's `max_samples_`.
    pub fn max_samples(&self) -> u64 {
        self.sample_size
    }

    /// Returns the precision to which inputs are rounded before they are compared with thresholds.
    pub fn input_precision(&self) -> InputPrecision {
        self.input
    }

    /// Returns the kind of each column, in column order.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        match self.params.column_kinds.as_slice() {
            [] => vec![ColumnKind::Numeric; self.n_features],
            kinds => kinds.to_vec(),
        }
    }

    /// Returns the parameters that the forest was fitted with.
    pub fn params(&self) -> &IsolationForestParams {
        &self.params
    }

    /// Returns the contamination by which the fit set the threshold.
    pub fn contamination(&self) -> Contamination {
        self.params.contamination
    }

    /// Returns scikit-learn's `offset_`. Rows whose score is strictly above `-offset` are
    /// anomalous.
    pub fn offset(&self) -> f64 {
        self.offset
    }
}

impl fmt::Debug for IsolationForest {
    /// Omits the trees, which hold tens of thousands of nodes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolationForest")
            .field("params", &self.params)
            .field("n_features", &self.n_features)
            .field("max_samples", &self.sample_size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Returns ⌈log₂ n⌉ for a sample of n events: the average height of a tree that isolates them, at
/// which growing stops.
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

/// Checks that row numbers fit 32 bits and that categorical columns hold category codes or NaN.
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
