//! Parameters: what can be asked for, and the checks that make it safe to fit.

use serde::{Deserialize, Serialize};

use super::FitError;
use crate::matrix::{ColumnKind, Matrix, Weighting};

/// The most trees that a forest can have.
pub const MAX_ESTIMATORS: usize = 100_000;
/// The most columns that a forest can have.
pub const MAX_FEATURES: usize = 1 << 20;
/// The most events that one tree can draw, which bounds the memory of a fit.
pub const MAX_SAMPLES: u64 = 1 << 24;

/// How many events each tree draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MaxSamples {
    /// `min(256, number of events)`.
    Auto,
    /// This many, or all events when there are fewer.
    Count(usize),
    /// This share of the events, rounded down, but at least one; in (0, 1].
    Fraction(f64),
}

/// How many columns each tree sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MaxFeatures {
    /// This many, from 1 to the number of columns.
    Count(usize),
    /// This share of the columns, rounded down, but at least one; in (0, 1].
    Fraction(f64),
}

/// Where the threshold between normal and anomalous comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Contamination {
    /// The original paper's: a score above 0.5 is anomalous.
    Auto,
    /// The share of the training events that is to be anomalous; in (0, 0.5].
    Fraction(f64),
}

/// Parameters of an isolation forest, with scikit-learn's names, meaning and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolationForestParams {
    pub(super) n_estimators: usize,
    pub(super) max_samples: MaxSamples,
    pub(super) max_features: MaxFeatures,
    pub(super) bootstrap: bool,
    pub(super) contamination: Contamination,
    pub(super) extension_level: usize,
    pub(super) seed: u64,
    /// Empty when every column is numeric.
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
            seed: 0,
            column_kinds: Vec::new(),
        }
    }
}

impl IsolationForestParams {
    /// scikit-learn's defaults, and seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of trees, from 1 to [`MAX_ESTIMATORS`].
    pub fn n_estimators(mut self, n_estimators: usize) -> Self {
        self.n_estimators = n_estimators;
        self
    }

    /// How many events each tree draws.
    pub fn max_samples(mut self, max_samples: MaxSamples) -> Self {
        self.max_samples = max_samples;
        self
    }

    /// How many columns each tree sees, drawn anew for each tree.
    pub fn max_features(mut self, max_features: MaxFeatures) -> Self {
        self.max_features = max_features;
        self
    }

    /// Whether trees draw their events with replacement.
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    /// Where the threshold between normal and anomalous comes from.
    pub fn contamination(mut self, contamination: Contamination) -> Self {
        self.contamination = contamination;
        self
    }

    /// Extension level (Hariri, Carrasco Kind & Brunner 2019), from 0 to the number of columns − 1:
    /// 0 splits on one column; `k` splits on hyperplanes of up to `k + 1` columns.
    pub fn extension_level(mut self, extension_level: usize) -> Self {
        self.extension_level = extension_level;
        self
    }

    /// The seed that every random choice follows from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// One kind per column; none at all means that every column is numeric.
    pub fn column_kinds(mut self, column_kinds: Vec<ColumnKind>) -> Self {
        self.column_kinds = column_kinds;
        self
    }

    /// Checks what can be checked without data: everything that depends on the number of columns.
    pub(super) fn check(&self, n_features: usize) -> Result<(), FitError> {
        range(self.n_estimators, 1, MAX_ESTIMATORS)
            .map_err(|(value, max)| FitError::Estimators { value, max })?;
        range(n_features, 1, MAX_FEATURES)
            .map_err(|(value, max)| FitError::Features { value, max })?;
        range(self.extension_level, 0, n_features - 1)
            .map_err(|(value, max)| FitError::ExtensionLevel { value, max })?;
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

    /// The number of events each tree draws from this matrix.
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
            MaxSamples::Fraction(share) => ((share * n_events as f64) as u64).max(1),
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

    /// The number of columns each tree sees.
    pub(super) fn features_per_tree(&self, n_features: usize) -> usize {
        match self.max_features {
            MaxFeatures::Count(count) => count,
            MaxFeatures::Fraction(share) => ((share * n_features as f64) as usize).max(1),
        }
    }

    /// The kind of a column.
    pub(super) fn kind(&self, column: usize) -> ColumnKind {
        self.column_kinds
            .get(column)
            .copied()
            .unwrap_or(ColumnKind::Numeric)
    }
}

/// The value and the upper limit, when the value is out of range.
fn range(value: usize, min: usize, max: usize) -> Result<(), (usize, usize)> {
    if value < min || value > max {
        Err((value, max))
    } else {
        Ok(())
    }
}
