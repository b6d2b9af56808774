//! The model: a recipe, its fitted constants, a forest, a threshold, and what the training data looked like.

mod file;
mod profile;
mod threshold;

use datafusion::arrow::array::ArrayRef;
use learn::iforest::IsolationForest;
use serde::{Deserialize, Serialize};

pub use file::MAX_MODEL_BYTES;
pub(crate) use profile::profile;
pub use profile::{Distribution, FeatureProfile};
pub use threshold::{HostRate, Threshold, ThresholdMethod};

use crate::error::{Error, Result};
use crate::features::{Encoder, EncodingData};
use crate::recipe::Recipe;
use crate::recipe::layout::{InputKind, Layout};

/// Everything that scoring needs, and what explains where it comes from.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) recipe: Recipe,
    pub(crate) encodings: Vec<EncodingData>,
    pub(crate) encoder: Encoder,
    pub(crate) forest: IsolationForest,
    pub(crate) threshold: Threshold,
    pub(crate) training: Training,
    /// None once the model is no longer what the file holds.
    pub(crate) origin: Option<ModelOrigin>,
}

/// The file that a model was read from. It is no part of the model: the same file elsewhere holds the same model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOrigin {
    /// An absolute path, or a URL without what may be secret in it.
    pub uri: String,
    /// SHA-256 of the file's bytes, in hexadecimal digits.
    pub sha256: String,
}

/// What a model was trained on. It tells apart data, not files: the same rows in other files give the same values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// How many events were read.
    pub events: u64,
    /// How many distinct rows of the recipe's inputs they had.
    pub distinct_rows: u64,
    /// How many of these the forest was fitted to, where there were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_rows: Option<u64>,
    /// SHA-256 of the sorted distinct rows of inputs with their texts and counts.
    pub fingerprint: String,
    /// One per feature, before any transform.
    pub profile: Vec<FeatureProfile>,
    /// The scores of the training events.
    pub scores: Distribution,
}

impl Model {
    /// What the features are. Every numeric column is listed.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Above which score an event is anomalous, and why.
    pub fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    /// What the model was trained on.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// The forest.
    pub fn forest(&self) -> &IsolationForest {
        &self.forest
    }

    /// Which file the model was read from; none where it was made or changed since.
    pub fn origin(&self) -> Option<&ModelOrigin> {
        self.origin.as_ref()
    }

    /// The recipe's input columns, which are the first among `arrays`, as the rows that the forest sees, row-major.
    pub(crate) fn encode(&self, arrays: &[ArrayRef]) -> Result<Vec<f64>> {
        self.encoder.encode(arrays)
    }

    /// Which inputs the features are made of.
    pub(crate) fn layout(&self) -> &Layout {
        self.encoder.layout()
    }

    /// How many values of encoded rows are categories that were not seen in training.
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

    /// Anomaly scores of encoded rows.
    pub(crate) fn scores_of_encoded(&self, rows: &[f64]) -> Result<Vec<f64>> {
        self.forest
            .scores(rows)
            .map_err(|error| Error::internal(format!("scoring: {error}")))
    }
}
