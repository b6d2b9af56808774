//! Explanations of scores: the contribution of each column to a row's score. The algorithm is in
//! [`super::shapley`].

use rayon::prelude::*;

use super::shapley::shapley_values;
use super::simd::Instructions;
use super::tree::Rule;
use super::{IsolationForest, ScoreError};
use crate::monitor;

/// An explanation of a row's score: the contribution of each column to the row's normalised path
/// length.
///
/// The normalised path length of a row is −log₂ of its score. It equals `base` plus the sum of all
/// contributions, up to rounding. A negative contribution shortens the path and makes the row more
/// anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// One contribution (Shapley value) per column, in column order, in units of c(max_samples).
    pub contributions: Vec<f64>,
    /// The mean normalised path length of the events that the trees were grown on, in the same
    /// unit.
    pub base: f64,
}

impl Explanation {
    /// Returns `base` plus all contributions: the row's normalised path length, which is −log₂ of
    /// its score.
    pub fn normalised_path_length(&self) -> f64 {
        self.base + self.contributions.iter().sum::<f64>()
    }
}

/// The reason why a score cannot be explained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// The forest cannot score the rows.
    #[error(transparent)]
    Rows(#[from] ScoreError),
    /// The forest splits on hyperplanes, which belong to no single column.
    #[error(
        "a forest of extension level {level} splits on several columns at once, which have no \
         contributions of their own; only forests of extension level 0 explain their scores"
    )]
    Extended {
        /// The extension level of the forest.
        level: usize,
    },
}

/// The number of rows per task of the thread pool, large enough to amortise preparing the trees.
const ROWS_PER_TASK: usize = 512;

impl IsolationForest {
    /// Explains the score of one row.
    ///
    /// # Errors
    /// Returns an error when the number of values differs from the number of columns of the forest,
    /// or when the extension level of the forest is above 0.
    pub fn explain(&self, row: &[f64]) -> Result<Explanation, ExplainError> {
        self.check_rows(row, 1)?;
        Ok(Explanation {
            contributions: self.explain_rows(row)?,
            base: self.base()?,
        })
    }

    /// Returns the contributions of each column to the normalised path length of each row, as an
    /// array of the shape of `rows` (row-major). This is [`explain`](Self::explain) for many rows
    /// at once, without the base.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows, or when the extension level of the
    /// forest is above 0.
    pub fn explain_rows(&self, rows: &[f64]) -> Result<Vec<f64>, ExplainError> {
        self.check_rows(rows, rows.len() / self.n_features)?;
        self.check_axis_parallel()?;
        let mut contributions = vec![0.0; rows.len()];
        let scale = self.normalised()(1.0) / self.trees.len() as f64;
        let instructions = Instructions::best();
        let chunk = ROWS_PER_TASK * self.n_features;
        monitor::begin("rows", rows.len() / self.n_features);
        let tasks = contributions
            .par_chunks_mut(chunk)
            .zip(rows.par_chunks(chunk));
        tasks.for_each(|(out, rows)| {
            monitor::check();
            shapley_values(
                &self.trees,
                rows,
                self.n_features,
                self.input,
                instructions,
                out,
            );
            out.iter_mut().for_each(|sum| *sum *= scale);
            monitor::step(rows.len() / self.n_features);
        });
        Ok(contributions)
    }

    /// Returns the mean normalised path length of the events that the trees were grown on, which is
    /// the base of every explanation.
    ///
    /// # Errors
    /// Returns an error when the extension level of the forest is above 0.
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
