//! Scores of rows, and what follows from them.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::distinct::{find_distinct, rows_repeat};
use super::packed::PackedForest;
use super::simd::Instructions;
use super::tree::{Tree, average_path_length, summable};
use super::walk::Walk;
use super::{InputPrecision, IsolationForest, is_unseen};
use crate::real;

/// Why rows cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// The values do not fill whole rows.
    #[error("{values} values do not fill rows of {n_features} features")]
    RaggedRows {
        /// Number of values given.
        values: usize,
        /// Columns of the forest.
        n_features: usize,
    },
    /// The output does not have one place per row.
    #[error("{rows} rows need an output of {rows} values, got {outputs}")]
    OutputLength {
        /// Number of rows given.
        rows: usize,
        /// Length of the output.
        outputs: usize,
    },
}

/// Rows per task of the thread pool.
const ROWS_PER_TASK: usize = 2048;

/// Rows per task where few rows are distinct, many because every task finds them anew.
const REPEATING_ROWS_PER_TASK: usize = 1 << 16;

/// Rows that go through each tree together where the forest is not packed, while its nodes are in the fastest cache.
const ROWS_TOGETHER: usize = 256;

/// Rows that outweigh packing the forest.
const ROWS_WORTH_PACKING: usize = 64;

/// The forest in the forms that score many rows, each made when it is first needed. What they hold follows from
/// the trees: they are never copied, and make no two forests differ.
#[derive(Debug, Default)]
pub(super) struct Packings {
    complete: OnceLock<Option<PackedForest>>,
    with_missing: OnceLock<Option<PackedForest>>,
    walks: OnceLock<Option<Vec<Walk>>>,
}

impl Packings {
    fn get(&self, trees: &[Tree], with_missing: bool) -> Option<&PackedForest> {
        let packing = if with_missing {
            &self.with_missing
        } else {
            &self.complete
        };
        packing
            .get_or_init(|| PackedForest::new(trees, with_missing).filter(PackedForest::pays_off))
            .as_ref()
    }

    /// `None` where a tree has other splits than thresholds.
    fn walks(&self, trees: &[Tree]) -> Option<&[Walk]> {
        let walks = || trees.iter().map(Walk::new).collect();
        self.walks.get_or_init(walks).as_deref()
    }
}

impl Clone for Packings {
    fn clone(&self) -> Self {
        Packings::default()
    }
}

impl PartialEq for Packings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl IsolationForest {
    /// Anomaly scores in (0, 1], higher being more anomalous: 2^(−E\[h\] / c(max_samples)), where
    /// E\[h\] is the row's mean path length (Liu et al. 2008, equation 2).
    ///
    /// # Errors
    /// When the values do not fill whole rows.
    pub fn scores(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let mut out = vec![0.0; rows.len() / self.n_features];
        self.scores_into(rows, &mut out)?;
        Ok(out)
    }

    /// As [`scores`](Self::scores), into `out`, which has one place per row.
    ///
    /// # Errors
    /// When the values do not fill whole rows or `out` has another length.
    pub fn scores_into(&self, rows: &[f64], out: &mut [f64]) -> Result<(), ScoreError> {
        self.check_rows(rows, out.len())?;
        self.figures_into(rows, out, self.score());
        Ok(())
    }

    /// The anomaly score of one row.
    ///
    /// # Errors
    /// When the row has another number of values than the forest has columns.
    pub fn score_one(&self, row: &[f64]) -> Result<f64, ScoreError> {
        self.check_rows(row, 1)?;
        let mut length = [0.0];
        self.path_lengths_of(row, false, &mut length);
        Ok(self.score()(length[0]))
    }

    /// Mean path length E\[h\] of each row over the trees, in splits.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn mean_path_lengths(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let mut out = vec![0.0; rows.len() / self.n_features];
        self.check_rows(rows, out.len())?;
        self.figures_into(rows, &mut out, |length| length);
        Ok(out)
    }

    /// scikit-learn's `score_samples`: the negative of [`scores`](Self::scores).
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn score_samples(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        Ok(self.scores(rows)?.into_iter().map(|score| -score).collect())
    }

    /// scikit-learn's `decision_function`: `score_samples` − `offset`, negative for anomalies.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn decision_function(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        Ok(self
            .scores(rows)?
            .into_iter()
            .map(|score| -score - self.offset)
            .collect())
    }

    /// scikit-learn's `predict`: −1 for rows whose `decision_function` is below 0, else 1.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn predict(&self, rows: &[f64]) -> Result<Vec<i8>, ScoreError> {
        let decisions = self.decision_function(rows)?;
        Ok(decisions
            .into_iter()
            .map(|decision| if decision < 0.0 { -1 } else { 1 })
            .collect())
    }

    /// For each column, how many of the rows hold a category that was not known in training.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn count_unseen(&self, rows: &[f64]) -> Result<Vec<u64>, ScoreError> {
        self.check_rows(rows, rows.len() / self.n_features)?;
        let mut counts = vec![0; self.n_features];
        for row in rows.chunks_exact(self.n_features) {
            for (column, &value) in row.iter().enumerate() {
                counts[column] += u64::from(is_unseen(self.params.kind(column), value));
            }
        }
        Ok(counts)
    }

    pub(super) fn check_rows(&self, rows: &[f64], outputs: usize) -> Result<(), ScoreError> {
        let (values, n_features) = (rows.len(), self.n_features);
        if !values.is_multiple_of(n_features) {
            return Err(ScoreError::RaggedRows { values, n_features });
        }
        if values / n_features != outputs {
            return Err(ScoreError::OutputLength {
                rows: values / n_features,
                outputs,
            });
        }
        Ok(())
    }

    /// For each row a figure that follows from its mean path length.
    pub(super) fn figures_into(
        &self,
        rows: &[f64],
        out: &mut [f64],
        figure: impl Fn(f64) -> f64 + Sync,
    ) {
        let repeat = rows_repeat(rows, self.n_features);
        let rows_per_task = if repeat {
            REPEATING_ROWS_PER_TASK
        } else {
            ROWS_PER_TASK
        };
        let pack = out.len() >= ROWS_WORTH_PACKING;
        let figures_of = |rows: &[f64], out: &mut [f64]| {
            self.path_lengths_of(rows, pack, out);
            out.iter_mut().for_each(|length| *length = figure(*length));
        };
        let task = |(rows, out): (&[f64], &mut [f64])| {
            let distinct = if repeat {
                find_distinct(rows, self.n_features, out)
            } else {
                None
            };
            let Some(distinct) = distinct else {
                return figures_of(rows, out);
            };
            let mut figures = vec![0.0; distinct.len() / self.n_features];
            figures_of(&distinct, &mut figures);
            out.iter_mut()
                .for_each(|number| *number = figures[*number as usize]);
        };
        if out.len() <= rows_per_task {
            task((rows, out));
        } else {
            let tasks = rows.par_chunks(rows_per_task * self.n_features);
            tasks.zip(out.par_chunks_mut(rows_per_task)).for_each(task);
        }
    }

    /// The mean path length of each row, on this thread.
    fn path_lengths_of(&self, rows: &[f64], pack: bool, out: &mut [f64]) {
        let missing = pack && rows.iter().any(|value| value.is_nan());
        let packing = if pack {
            self.packings.get(&self.trees, missing)
        } else {
            None
        };
        match packing {
            Some(packed) => {
                let instructions = Instructions::best();
                packed.path_length_sums(rows, self.n_features, self.input, instructions, out);
            }
            None => self.path_length_sums(rows, pack, out),
        }
        out.iter_mut()
            .for_each(|sum| *sum /= self.trees.len() as f64);
    }

    /// For each row the sum of path lengths over the trees, which are added in tree order to fix the
    /// rounding.
    fn path_length_sums(&self, rows: &[f64], many: bool, out: &mut [f64]) {
        let rounded: Vec<f64>;
        let rows = match self.input {
            InputPrecision::F64 => rows,
            InputPrecision::F32 => {
                rounded = rows.iter().map(|&value| self.input.round(value)).collect();
                &rounded
            }
        };
        out.fill(0.0);
        let walks = if many {
            self.packings.walks(&self.trees)
        } else {
            None
        };
        let together = rows.chunks(ROWS_TOGETHER * self.n_features);
        for (rows, sums) in together.zip(out.chunks_mut(ROWS_TOGETHER)) {
            match walks {
                Some(walks) => walks
                    .iter()
                    .for_each(|walk| walk.add_path_lengths(rows, self.n_features, sums)),
                None => self.add_path_lengths(rows, sums),
            }
        }
    }

    fn add_path_lengths(&self, rows: &[f64], sums: &mut [f64]) {
        for tree in &self.trees {
            for (row, sum) in rows.chunks_exact(self.n_features).zip(&mut *sums) {
                *sum += tree.path_length(row);
            }
        }
    }

    /// The score of a mean path length.
    pub(super) fn score(&self) -> impl Fn(f64) -> f64 + Sync + use<> {
        let normalised = self.normalised();
        move |mean_path_length| real::exp2(-normalised(mean_path_length))
    }

    /// A mean path length over c(max_samples); 1 where that is 0, as in scikit-learn.
    pub(super) fn normalised(&self) -> impl Fn(f64) -> f64 + Sync + use<> {
        let normal = summable(average_path_length(self.sample_size));
        move |length| if normal == 0.0 { 1.0 } else { length / normal }
    }
}
