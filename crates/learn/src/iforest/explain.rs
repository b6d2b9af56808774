//! Why a row has its score. The algorithm is in [`super::shapley`].

use rayon::prelude::*;

use super::shapley::shapley_values;
use super::simd::Instructions;
use super::tree::Rule;
use super::{IsolationForest, ScoreError};

/// Why a row has its score: the contribution of every column to its normalised path length.
///
/// The normalised path length of a row is −log₂ of its score. `base` plus the contributions is
/// exactly it, up to rounding. A negative contribution shortens the path: it makes the row more
/// anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// One contribution per column, in units of c(max_samples).
    pub contributions: Vec<f64>,
    /// The mean normalised path length of the events that the trees were grown on.
    pub base: f64,
}

impl Explanation {
    /// `base` plus all contributions: the row's normalised path length, −log₂ of its score.
    pub fn normalised_path_length(&self) -> f64 {
        self.base + self.contributions.iter().sum::<f64>()
    }
}

/// Why a score cannot be explained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// Rows that the forest cannot score.
    #[error(transparent)]
    Rows(#[from] ScoreError),
    /// A split on a plane belongs to no single column.
    #[error(
        "a forest of extension level {level} splits on several columns at once, which have no \
         contributions of their own; only forests of extension level 0 explain their scores"
    )]
    Extended {
        /// The forest's extension level.
        level: usize,
    },
}

/// Rows per task of the thread pool, enough to outweigh preparing the trees.
const ROWS_PER_TASK: usize = 512;

impl IsolationForest {
    /// Explains the score of one row.
    ///
    /// # Errors
    /// When the row has another number of values than the forest has columns, or the forest is
    /// extended.
    pub fn explain(&self, row: &[f64]) -> Result<Explanation, ExplainError> {
        self.check_rows(row, 1)?;
        Ok(Explanation {
            contributions: self.explain_rows(row)?,
            base: self.base()?,
        })
    }

    /// The contributions of every column to the normalised path length of every row, row-major: what
    /// [`explain`](Self::explain) gives for each row, for many rows at once.
    ///
    /// # Errors
    /// As [`explain`](Self::explain).
    pub fn explain_rows(&self, rows: &[f64]) -> Result<Vec<f64>, ExplainError> {
        self.check_rows(rows, rows.len() / self.n_features)?;
        self.check_axis_parallel()?;
        let mut contributions = vec![0.0; rows.len()];
        let scale = self.normalised()(1.0) / self.trees.len() as f64;
        let instructions = Instructions::best();
        let chunk = ROWS_PER_TASK * self.n_features;
        let tasks = contributions
            .par_chunks_mut(chunk)
            .zip(rows.par_chunks(chunk));
        tasks.for_each(|(out, rows)| {
            shapley_values(
                &self.trees,
                rows,
                self.n_features,
                self.input,
                instructions,
                out,
            );
            out.iter_mut().for_each(|sum| *sum *= scale);
        });
        Ok(contributions)
    }

    /// The mean normalised path length of the events that the trees were grown on: what an
    /// explanation starts from.
    ///
    /// # Errors
    /// When the forest is extended.
    pub fn base(&self) -> Result<f64, ExplainError> {
        self.check_axis_parallel()?;
        let means = self.trees.iter().map(|tree| {
            let leaves = tree.nodes.iter().filter_map(|node| match node.rule {
                Rule::Leaf { path_length } => Some(path_length * f64::from(node.events)),
                _ => None,
            });
            leaves.sum::<f64>() / f64::from(tree.nodes[0].events)
        });
        Ok(self.normalised()(
            means.sum::<f64>() / self.trees.len() as f64,
        ))
    }

    fn check_axis_parallel(&self) -> Result<(), ExplainError> {
        match self.params.extension_level {
            0 => Ok(()),
            level => Err(ExplainError::Extended { level }),
        }
    }
}
