//! Scores of rows, path lengths and decisions.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::first_cuts::{FirstCuts, Survivals};
use super::packed::PackedForest;
use super::simd::Instructions;
use super::tree::{Tree, average_path_length, summable};
use super::walk::Walk;
use super::{InputPrecision, IsolationForest, is_unseen};
use crate::distinct::{find_distinct, rows_repeat};
use crate::{monitor, real};

/// The reason why rows cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// The values do not fill whole rows.
    #[error("{values} values do not fill rows of {n_features} features")]
    RaggedRows {
        /// The number of values given.
        values: usize,
        /// The number of columns of the forest.
        n_features: usize,
    },
    /// The output does not have one element per row.
    #[error("{rows} rows need an output of {rows} values, got {outputs}")]
    OutputLength {
        /// The number of rows given.
        rows: usize,
        /// The length of the output given.
        outputs: usize,
    },
}

/// The number of rows per task of the thread pool.
const ROWS_PER_TASK: usize = 2048;

/// The number of rows per task when few rows are distinct. It is large because every task searches
/// for distinct rows anew.
const REPEATING_ROWS_PER_TASK: usize = 1 << 16;

/// The number of rows that go through each tree together when the forest is not packed, while the
/// nodes of the tree are in the fastest cache.
const ROWS_TOGETHER: usize = 256;

/// The number of rows from which on packing the forest pays off.
const ROWS_WORTH_PACKING: usize = 64;

/// The forest in the forms used for scoring many rows, each created on first use. They are derived
/// from the trees: clones do not copy them, and comparisons ignore them.
#[derive(Debug, Default)]
pub(super) struct Packings {
    complete: OnceLock<Option<PackedForest>>,
    with_missing: OnceLock<Option<PackedForest>>,
    walks: OnceLock<Option<Walks>>,
}

/// The trees prepared for walking.
#[derive(Debug)]
pub(super) struct Walks {
    trees: Vec<Walk>,
    first_cuts: Option<FirstCuts>,
}

impl Packings {
    /// Returns the forest packed for rows with or without missing values; `None` when it cannot be
    /// packed or packing does not pay off.
    fn get(&self, forest: &IsolationForest, with_missing: bool) -> Option<&PackedForest> {
        let packing = if with_missing {
            &self.with_missing
        } else {
            &self.complete
        };
        packing
            .get_or_init(|| {
                PackedForest::new(&forest.trees, forest.n_features, with_missing)
                    .filter(PackedForest::pays_off)
            })
            .as_ref()
    }

    /// Returns the trees prepared for walking; `None` when a tree has splits other than thresholds.
    fn walks(&self, trees: &[Tree], n_features: usize) -> Option<&Walks> {
        let walks = || {
            Some(Walks {
                trees: trees.iter().map(Walk::new).collect::<Option<_>>()?,
                first_cuts: FirstCuts::of(trees, n_features),
            })
        };
        self.walks.get_or_init(walks).as_ref()
    }
}

impl Walks {
    /// Adds to each sum the path lengths of its row. `survivals` is a buffer.
    fn add_path_lengths(
        &self,
        rows: &[f64],
        n_features: usize,
        survivals: &mut Survivals,
        sums: &mut [f64],
    ) {
        if let Some(first_cuts) = &self.first_cuts {
            first_cuts.survivals(rows, survivals);
        }
        for (number, walk) in self.trees.iter().enumerate() {
            let first = self.first_cuts.as_ref().map(|_| survivals.of_tree(number));
            walk.add_path_lengths(rows, n_features, first, sums);
        }
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
    /// Returns the anomaly score of each row, in (0, 1]; higher scores are more anomalous. The
    /// score is 2^(−E\[h\] / c(max_samples)), where E\[h\] is the row's mean path length over the
    /// trees (Liu et al. 2008, equation 2).
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
    pub fn scores(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let mut out = vec![0.0; rows.len() / self.n_features];
        self.scores_into(rows, &mut out)?;
        Ok(out)
    }

    /// Writes the anomaly score of each row to `out`, which has one element per row. See
    /// [`scores`](Self::scores).
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows or `out` has another length.
    pub fn scores_into(&self, rows: &[f64], out: &mut [f64]) -> Result<(), ScoreError> {
        self.check_rows(rows, out.len())?;
        self.map_path_lengths(rows, out, self.score());
        Ok(())
    }

    /// Returns the anomaly score of one row.
    ///
    /// # Errors
    /// Returns an error when the number of values differs from the number of columns of the forest.
    pub fn score_one(&self, row: &[f64]) -> Result<f64, ScoreError> {
        self.check_rows(row, 1)?;
        let mut length = [0.0];
        self.path_lengths_of(row, false, &mut Survivals::default(), &mut length);
        Ok(self.score()(length[0]))
    }

    /// Returns the mean path length E\[h\] of each row over the trees, in splits.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
    pub fn mean_path_lengths(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        let mut out = vec![0.0; rows.len() / self.n_features];
        self.check_rows(rows, out.len())?;
        self.map_path_lengths(rows, &mut out, |length| length);
        Ok(out)
    }

    /// Returns scikit-learn's `score_samples`: the negated [`scores`](Self::scores), one per row.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
    pub fn score_samples(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        Ok(self.scores(rows)?.into_iter().map(|score| -score).collect())
    }

    /// Returns scikit-learn's `decision_function`, one value per row: `score_samples` − `offset`,
    /// which is negative for anomalies.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
    pub fn decision_function(&self, rows: &[f64]) -> Result<Vec<f64>, ScoreError> {
        Ok(self
            .scores(rows)?
            .into_iter()
            .map(|score| -score - self.offset)
            .collect())
    }

    /// Returns scikit-learn's `predict`, one value per row: −1 for rows whose `decision_function`
    /// is below 0, else 1.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
    pub fn predict(&self, rows: &[f64]) -> Result<Vec<i8>, ScoreError> {
        let decisions = self.decision_function(rows)?;
        Ok(decisions
            .into_iter()
            .map(|decision| if decision < 0.0 { -1 } else { 1 })
            .collect())
    }

    /// Returns, for each column, the number of rows whose category is outside the column's
    /// cardinality, and was therefore not known in training. It is 0 for numeric columns.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows.
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

    /// Writes to `out` the given function of each row's mean path length.
    pub(super) fn map_path_lengths(
        &self,
        rows: &[f64],
        out: &mut [f64],
        function: impl Fn(f64) -> f64 + Sync,
    ) {
        let repeat = rows_repeat(rows, self.n_features);
        let rows_per_task = if repeat {
            REPEATING_ROWS_PER_TASK
        } else {
            ROWS_PER_TASK
        };
        let pack = out.len() >= ROWS_WORTH_PACKING;
        let map_rows = |rows: &[f64], survivals: &mut Survivals, out: &mut [f64]| {
            self.path_lengths_of(rows, pack, survivals, out);
            out.iter_mut()
                .for_each(|length| *length = function(*length));
        };
        let is_shared = out.len() > rows_per_task;
        if is_shared {
            monitor::begin("rows", out.len());
        }
        let task = |survivals: &mut Survivals, rows: &[f64], out: &mut [f64]| {
            let mut numbers = Vec::new();
            let distinct = if repeat {
                numbers.resize(out.len(), 0);
                find_distinct(rows, self.n_features, &mut numbers)
            } else {
                None
            };
            let Some(distinct) = distinct else {
                return map_rows(rows, survivals, out);
            };
            let mut mapped = vec![0.0; distinct.len() / self.n_features];
            map_rows(&distinct, survivals, &mut mapped);
            for (out, number) in out.iter_mut().zip(numbers) {
                *out = mapped[usize::from(number)];
            }
        };
        if is_shared {
            let tasks = rows.par_chunks(rows_per_task * self.n_features);
            let tasks = tasks.zip(out.par_chunks_mut(rows_per_task));
            tasks.for_each_init(Survivals::default, |survivals, (rows, out)| {
                monitor::check();
                let done = out.len();
                task(survivals, rows, out);
                monitor::step(done);
            });
        } else {
            task(&mut Survivals::default(), rows, out);
        }
    }

    /// Writes the mean path length of each row to `out`, on the current thread. `survivals` is a buffer.
    fn path_lengths_of(
        &self,
        rows: &[f64],
        pack: bool,
        survivals: &mut Survivals,
        out: &mut [f64],
    ) {
        let missing = pack && rows.iter().any(|value| value.is_nan());
        let packing = if pack {
            self.packings.get(self, missing)
        } else {
            None
        };
        match packing {
            Some(packed) => {
                let instructions = Instructions::best();
                packed.path_length_sums(rows, self.input, instructions, survivals, out);
            }
            None => self.path_length_sums(rows, pack, survivals, out),
        }
        out.iter_mut()
            .for_each(|sum| *sum /= self.trees.len() as f64);
    }

    /// Writes the sum of path lengths over the trees for each row, added in tree order to fix the
    /// rounding. `survivals` is a buffer.
    fn path_length_sums(
        &self,
        rows: &[f64],
        many: bool,
        survivals: &mut Survivals,
        out: &mut [f64],
    ) {
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
            self.packings.walks(&self.trees, self.n_features)
        } else {
            None
        };
        let together = rows.chunks(ROWS_TOGETHER * self.n_features);
        for (rows, sums) in together.zip(out.chunks_mut(ROWS_TOGETHER)) {
            monitor::check();
            match walks {
                Some(walks) => walks.add_path_lengths(rows, self.n_features, survivals, sums),
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

    /// Returns the function from a mean path length to its score.
    pub(super) fn score(&self) -> impl Fn(f64) -> f64 + Sync + use<> {
        let normalised = self.normalised();
        move |mean_path_length| real::exp2(-normalised(mean_path_length))
    }

    /// Returns the function that divides a mean path length by c(max_samples). It returns 1 when
    /// c(max_samples) is 0, as in scikit-learn.
    pub(super) fn normalised(&self) -> impl Fn(f64) -> f64 + Sync + use<> {
        let normal = summable(average_path_length(self.sample_size));
        move |length| if normal == 0.0 { 1.0 } else { length / normal }
    }
}
