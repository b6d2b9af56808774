//! The parameters of an isolation forest and the checks of their ranges.

use serde::{Deserialize, Serialize};

use super::FitError;
use crate::chance::count_of_share;
use crate::matrix::{ColumnKind, Matrix, Weighting};

/// The maximum number of trees of a forest.
pub const MAX_ESTIMATORS: usize = 100_000;
/// The maximum number of columns of a forest.
pub const MAX_FEATURES: usize = 1 << 20;
/// The maximum number of events that one tree draws, which bounds the memory of a fit.
pub const MAX_SAMPLES: u64 = 1 << 24;

/// The number of events that each tree draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MaxSamples {
    /// Each tree draws `min(256, number of events)` events.
    Auto,
    /// Each tree draws this many events, or all events when there are fewer.
    Count(usize),
    /// Each tree draws this fraction of the events, in (0, 1], rounded down but at least one event.
    Fraction(f64),
}

/// The number of columns that each tree may split on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MaxFeatures {
    /// Each tree uses this many columns, from 1 to the number of columns.
    Count(usize),
    /// Each tree uses this fraction of the columns, in (0, 1], rounded down but at least one
    /// column.
    Fraction(f64),
}

/// The rule that sets the threshold between normal and anomalous scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Contamination {
    /// The threshold of the original paper: a score above 0.5 is anomalous.
    Auto,
    /// The expected fraction of anomalous training events, in (0, 0.5]; the threshold is the
    /// corresponding quantile of the training scores.
    Fraction(f64),
}

/// The path length of an event that lies outside of what a tree was grown on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Novelty {
    /// The event has the path length of the nearest event inside, as in scikit-learn.
    #[default]
    Plain,
    /// The path length is shorter the farther the event lies outside of the ranges on its way and of the tree's sample.
    /// It is the expectation over the splits that would have set the event apart.
    Range,
}

impl Novelty {
    fn is_plain(&self) -> bool {
        *self == Novelty::Plain
    }
}

/// The parameters of an isolation forest, with scikit-learn's names, meanings and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolationForestParams {
    pub(super) n_estimators: usize,
    pub(super) max_samples: MaxSamples,
    pub(super) max_features: MaxFeatures,
    pub(super) bootstrap: bool,
    pub(super) contamination: Contamination,
    pub(super) extension_level: usize,
    /// Files of plain forests do not name it, and neither do those of releases that had no other form.
    #[serde(default, skip_serializing_if = "Novelty::is_plain")]
    pub(super) novelty: Novelty,
    pub(super) seed: u64,
    /// One kind per column; empty when every column is numeric.
    pub(super) column_kinds: Vec<ColumnKind>,
}

impl Default for IsolationForestParams {
    fn default() -> Self {
        IsolationForestParams {
            n_estimators: 100,
            max_samples: MaxSamples::Auto,
            max_features: MaxFeatures::Fraction(1.0),
            bootstrap: false,
            contamination: Contamination::Auto,
            extension_level: 0,
            novelty: Novelty::Plain,
            seed: 0,
            column_kinds: Vec::new(),
        }
    }
}

impl IsolationForestParams {
    /// Returns scikit-learn's defaults with seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of trees, from 1 to [`MAX_ESTIMATORS`].
    pub fn n_estimators(mut self, n_estimators: usize) -> Self {
        self.n_estimators = n_estimators;
        self
    }

    /// Sets the number of events that each tree draws.
    pub fn max_samples(mut self, max_samples: MaxSamples) -> Self {
        self.max_samples = max_samples;
        self
    }

    /// Sets the number of columns that each tree may split on. They are drawn anew for each tree.
    pub fn max_features(mut self, max_features: MaxFeatures) -> Self {
        self.max_features = max_features;
        self
    }

    /// Sets whether trees draw their events with replacement.
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    /// Sets the rule for the threshold between normal and anomalous scores.
    pub fn contamination(mut self, contamination: Contamination) -> Self {
        self.contamination = contamination;
        self
    }

    /// Sets the extension level (Hariri, Carrasco Kind & Brunner 2019), from 0 to the number of
    /// columns − 1. Level 0 splits on single columns; level `k` splits on hyperplanes over up to
    /// `k + 1` columns.
    pub fn extension_level(mut self, extension_level: usize) -> Self {
        self.extension_level = extension_level;
        self
    }

    /// Sets the path length of events that lie outside of what a tree was grown on. [`Novelty::Range`] requires the
    /// extension level 0.
    pub fn novelty(mut self, novelty: Novelty) -> Self {
        self.novelty = novelty;
        self
    }

    /// Sets the seed that determines every random choice.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the kind of each column. An empty list means that every column is numeric.
    pub fn column_kinds(mut self, column_kinds: Vec<ColumnKind>) -> Self {
        self.column_kinds = column_kinds;
        self
    }

    /// Checks the ranges of all parameters that do not depend on the rows of the matrix.
    pub(super) fn check(&self, n_features: usize) -> Result<(), FitError> {
        range(self.n_estimators, 1, MAX_ESTIMATORS)
            .map_err(|(value, max)| FitError::Estimators { value, max })?;
        range(n_features, 1, MAX_FEATURES)
            .map_err(|(value, max)| FitError::Features { value, max })?;
        range(self.extension_level, 0, n_features - 1)
            .map_err(|(value, max)| FitError::ExtensionLevel { value, max })?;
        if self.novelty != Novelty::Plain && self.extension_level > 0 {
            let level = self.extension_level;
            return Err(FitError::NoveltyExtended { level });
        }
        match self.max_samples {
            MaxSamples::Count(0) => return Err(FitError::SampleCount { value: 0 }),
            MaxSamples::Fraction(value) if !(value > 0.0 && value <= 1.0) => {
                return Err(FitError::SampleFraction { value });
            }
            _ => {}
        }
        match self.max_features {
            MaxFeatures::Count(value) if value == 0 || value > n_features => {
                return Err(FitError::FeatureCount {
                    value,
                    max: n_features,
                });
            }
            MaxFeatures::Fraction(value) if !(value > 0.0 && value <= 1.0) => {
                return Err(FitError::FeatureFraction { value });
            }
            _ => {}
        }
        match self.contamination {
            Contamination::Fraction(value) if !(value > 0.0 && value <= 0.5) => {
                return Err(FitError::Contamination { value });
            }
            _ => {}
        }
        if !self.column_kinds.is_empty() && self.column_kinds.len() != n_features {
            let kinds = self.column_kinds.len();
            return Err(FitError::ColumnKinds { kinds, n_features });
        }
        Ok(())
    }

    /// Returns the number of events that each tree draws from `matrix`.
    pub(super) fn sample_size(&self, matrix: &Matrix) -> Result<u64, FitError> {
        let n_events = match matrix.weighting() {
            Weighting::Unit | Weighting::Counts => matrix.total_weight() as u64,
            Weighting::Frequencies => matrix.weights().iter().filter(|w| **w > 0.0).count() as u64,
        };
        if n_events == 0 {
            return Err(FitError::NoEvents {
                rows: matrix.n_rows(),
            });
        }
        let wanted = match self.max_samples {
            MaxSamples::Auto => 256,
            MaxSamples::Count(count) => count as u64,
            MaxSamples::Fraction(share) => count_of_share(share, n_events).max(1),
        };
        let size = wanted.min(n_events);
        if size > MAX_SAMPLES {
            return Err(FitError::SampleSize {
                value: size,
                max: MAX_SAMPLES,
            });
        }
        Ok(size)
    }

    /// Returns the number of columns that each tree may split on.
    pub(super) fn features_per_tree(&self, n_features: usize) -> usize {
        match self.max_features {
            MaxFeatures::Count(count) => count,
            MaxFeatures::Fraction(share) => {
                (count_of_share(share, n_features as u64) as usize).max(1)
            }
        }
    }

    /// Returns the kind of a column.
    pub(super) fn kind(&self, column: usize) -> ColumnKind {
        self.column_kinds
            .get(column)
            .copied()
            .unwrap_or(ColumnKind::Numeric)
    }
}

/// Checks that `value` is within `min..=max`; otherwise returns the value and the maximum as the
/// error.
fn range(value: usize, min: usize, max: usize) -> Result<(), (usize, usize)> {
    if value < min || value > max {
        Err((value, max))
    } else {
        Ok(())
    }
}
