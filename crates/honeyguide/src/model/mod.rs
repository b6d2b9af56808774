//! The model: a recipe, its fitted constants, a forest, a threshold, and a profile of the training data.

mod file;
mod known;
mod profile;
mod threshold;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use learn::iforest::IsolationForest;
use serde::{Deserialize, Serialize};

pub use file::MAX_MODEL_BYTES;
pub(crate) use known::{KnownRows, ScoredRows};
pub(crate) use profile::profile;
pub use profile::{Distribution, FeatureProfile, ValueRange};
pub(crate) use threshold::is_beyond_chance;
pub use threshold::{BlockRate, HostIncidents, HostRate, Threshold, ThresholdMethod};

use crate::error::{Error, Result};
use crate::features::{Encoder, EncodingData};
use crate::recipe::Recipe;
use crate::recipe::layout::{InputKind, Layout};
use crate::whole::LARGEST_WHOLE;

/// A trained model: everything that scoring needs, and a description of the training data. Clones share the forest.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) recipe: Recipe,
    pub(crate) encodings: Vec<EncodingData>,
    pub(crate) encoder: Encoder,
    pub(crate) forest: Arc<IsolationForest>,
    pub(crate) threshold: Threshold,
    pub(crate) training: Training,
    /// The file of the model, or `None` if the model was not read from a file or has changed since.
    pub(crate) origin: Option<ModelOrigin>,
    /// The rows that were scored lately. It does not matter to any result, and must be new for another encoder or forest.
    pub(crate) known: Arc<KnownRows>,
}

/// The file that a model was read from. It is not part of the model: a copy of the file holds the same model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOrigin {
    /// An absolute path, or a URL without secrets.
    pub uri: String,
    /// The SHA-256 of the file's bytes, in hexadecimal digits.
    pub sha256: String,
}

/// A description of the training data. It depends on the rows, not on the files: the same rows in other files give the
/// same values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The number of events that were read.
    pub events: u64,
    /// The number of distinct rows of the recipe's inputs.
    pub distinct_rows: u64,
    /// The number of distinct rows that the forest was fitted to, if they are a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_rows: Option<u64>,
    /// Where the forest comes from, if honeyguide has not grown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// The SHA-256 of the sorted distinct rows of inputs with their texts and counts.
    pub fingerprint: String,
    /// The profile of each feature.
    pub profile: Vec<FeatureProfile>,
    /// The distribution of the training events' scores.
    pub scores: Distribution,
}

/// The origin of a forest that another library has grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The name of the library.
    pub from: String,
    /// The release of the library, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Writes the name and the release of the library.
impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.from)?;
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

impl Training {
    /// Returns whether anything is known of the training events. It is not for a forest that was imported without them.
    pub fn is_described(&self) -> bool {
        self.events > 0
    }
}

impl Model {
    /// Returns the recipe, in which every numeric column is listed as a feature.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Returns the threshold above which an event is anomalous.
    pub fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    /// Returns the description of the training data.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Returns the forest.
    pub fn forest(&self) -> &IsolationForest {
        &self.forest
    }

    /// Returns the file that the model was read from, or `None` if it was not read from a file or has changed since.
    pub fn origin(&self) -> Option<&ModelOrigin> {
        self.origin.as_ref()
    }

    /// Returns the names of the numeric features with training values beyond 2⁵³, of which doubles, and so the forest, cannot
    /// tell neighbours apart.
    #[must_use]
    pub fn rounded_features(&self) -> Vec<&str> {
        let features = self.recipe.features.iter().zip(&self.training.profile);
        let is_great = |value: f64| value.abs() > LARGEST_WHOLE;
        let rounded = features.filter(|(_, profile)| match &profile.distribution {
            Distribution::Values(values) => values.iter().any(|(value, _)| is_great(*value)),
            Distribution::Ranges(ranges) => ranges
                .iter()
                .any(|range| is_great(range.low) || is_great(range.high)),
            Distribution::Categories(_) => false,
        });
        rounded.map(|(feature, _)| feature.name.as_str()).collect()
    }

    /// Encodes the recipe's input columns, which are the first among `arrays`, as the forest's rows in row-major order.
    pub(crate) fn encode(&self, arrays: &[ArrayRef]) -> Result<Vec<f64>> {
        self.encoder.encode(arrays)
    }

    /// Returns the layout of the recipe's inputs.
    pub(crate) fn layout(&self) -> &Layout {
        self.encoder.layout()
    }

    /// Returns the number of values in encoded rows that are categories not seen in training.
    pub(crate) fn unseen_categories(&self, rows: &[f64]) -> Result<u64> {
        if self
            .layout()
            .inputs
            .iter()
            .all(|input| input.kind != InputKind::Category)
        {
            return Ok(0);
        }
        let counts = self.forest.count_unseen(rows);
        let counts =
            counts.map_err(|error| Error::internal(format!("counting categories: {error}")))?;
        Ok(counts.into_iter().sum())
    }

    /// Returns the features and the anomaly scores of rows, given as the recipe's input columns, which are the first among
    /// `arrays`. Each distinct row is scored once.
    ///
    /// # Errors
    /// Fails when an input is infinite or has a null that the recipe refuses.
    pub(crate) fn score_inputs(&self, arrays: &[ArrayRef]) -> Result<ScoredRows> {
        let rows = self.encoder.code(arrays)?;
        self.known.scored(&rows, self.recipe.features.len(), |new| {
            let features = self.encoder.encode_coded(new)?;
            let scores = self.scores_of_encoded(&features)?;
            Ok((features, scores))
        })
    }

    /// Returns the anomaly scores of encoded rows.
    pub(crate) fn scores_of_encoded(&self, rows: &[f64]) -> Result<Vec<f64>> {
        self.forest
            .scores(rows)
            .map_err(|error| Error::internal(format!("scoring: {error}")))
    }
}
