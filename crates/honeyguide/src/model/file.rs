//! The model file: versioned JSON, described in `docs/formats/model.md`. Reading is safe for any content of a file.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use learn::iforest::{ForestData, IsolationForest, Novelty};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Model, ModelOrigin, Threshold, Training};
use crate::error::{Error, Result};
use crate::features::{Encoder, EncodingData};
use crate::naming::command;
use crate::output::{Destination, PendingFile};
use crate::recipe::{NumberTexts, Recipe};
use crate::storage::{StorageOptions, document, redacted};
use crate::wording::hex;

/// The maximum size of a model file, in bytes.
pub const MAX_MODEL_BYTES: u64 = 256 << 20;
/// The value of the field `format`.
const FORMAT: &str = "honeyguide-model";
/// The version of the format that this release writes, which is also the newest that it reads.
const VERSION: u32 = 4;
/// The newest version in which the texts of numbers depend on their type.
const TYPED_TEXTS_VERSION: u32 = 3;
/// The newest version in which every forest is plain.
const PLAIN_VERSION: u32 = 1;

/// What tells the file of a forest from that of a model: both have a forest, and only a model has a format.
#[derive(Deserialize)]
struct ForestFile {
    #[serde(rename = "forest")]
    _forest: IgnoredAny,
    #[serde(default)]
    format: Option<IgnoredAny>,
}

/// The fields that tell whether this release can read the file.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
    honeyguide: String,
}

/// The content of a model file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    format: String,
    version: u32,
    honeyguide: String,
    recipe: Recipe,
    encodings: Vec<EncodingData>,
    threshold: Threshold,
    training: Training,
    forest: ForestData,
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// Fails when the file cannot be read, is not a model file, has a newer version, or is inconsistent.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_with(path, &StorageOptions::default())
    }

    /// Reads the model file at a path or a URL. Object stores are opened with the settings `storage`. The model records
    /// its origin.
    ///
    /// # Errors
    /// Fails as [`Model::load`] does, and when a server or a store refuses the file.
    pub fn load_with(place: &Path, storage: &StorageOptions) -> Result<Self> {
        let Some(found) = document::read(place, MAX_MODEL_BYTES, storage)? else {
            let shown = redacted(&place.to_string_lossy());
            return Err(Error::usage(format!("{shown}: no such model file"))
                .hint(format!("{} makes one", command("train"))));
        };
        let origin = ModelOrigin {
            uri: found.uri,
            sha256: hex(&Sha256::digest(&found.text)),
        };
        let model = Self::from_json(&found.text).map_err(|error| {
            let hint = error
                .hint_marked()
                .unwrap_or("train the model again, or copy the file again");
            let shown = found.shown.display();
            Error::data(format!("{shown}: {}", error.text())).hint(hint)
        })?;
        Ok(Self {
            origin: Some(origin),
            ..model
        })
    }

    /// Reads a model from the text of a model file. The model has no origin.
    ///
    /// # Errors
    /// Fails when the text is not a model, has a newer version, or is inconsistent.
    pub fn from_json(text: &str) -> Result<Self> {
        if !text.trim_start().starts_with('{') {
            return Err(
                Error::data("not a honeyguide model: no JSON object").hint(format!(
                    "the model comes first, then the data: {} MODEL DATA; {} makes a model",
                    command("score"),
                    command("train")
                )),
            );
        }
        let header: Header =
            serde_json::from_str(text).map_err(|error| without_header(text, &error))?;
        if header.format != FORMAT {
            return Err(Error::data(format!(
                "not a honeyguide model: its format is `{:.40}`",
                header.format
            )));
        }
        if header.version > VERSION {
            return Err(Error::data(format!(
                "written by honeyguide {:.20} in version {} of the format; this release reads up to version {VERSION}",
                header.honeyguide, header.version
            ))
            .hint("use a newer honeyguide, or train the model again with this one"));
        }
        if header.version == 0 {
            return Err(Error::data("the format has no version 0"));
        }
        let file: ModelFile = serde_json::from_str(text).map_err(|error| broken(&error))?;
        let mut model = file.into_model()?;
        if header.version <= TYPED_TEXTS_VERSION {
            model.recipe.number_texts = NumberTexts::OfType;
        }
        if header.version <= PLAIN_VERSION && model.forest.novelty() != Novelty::Plain {
            return Err(Error::data(format!(
                "its forest has novelty `range`, which version {} of the format does not have",
                header.version
            )));
        }
        Ok(model)
    }

    /// Writes the model to `to`, where it appears complete or not at all.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn save(&self, to: impl Into<Destination>) -> Result<()> {
        let mut file = PendingFile::create(to)?;
        let written = self.write_json(&mut file);
        written.map_err(|error| file.failed(error))?;
        file.finish()
    }

    /// Writes the text of a model file.
    pub fn write_json(&self, mut out: impl Write) -> std::io::Result<()> {
        let file = ModelFile {
            format: FORMAT.to_owned(),
            version: match self.recipe.number_texts {
                NumberTexts::OfValue => VERSION,
                NumberTexts::OfType => TYPED_TEXTS_VERSION,
            },
            honeyguide: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: self.recipe.clone(),
            encodings: self.encodings.clone(),
            threshold: self.threshold.clone(),
            training: self.training.clone(),
            forest: self.forest.to_data(),
        };
        serde_json::to_writer(&mut out, &file)?;
        out.write_all(b"\n")
    }
}

impl ModelFile {
    /// Checks the content and returns the model.
    fn into_model(self) -> Result<Model> {
        let Self {
            recipe,
            encodings,
            threshold,
            training,
            forest,
            ..
        } = self;
        recipe.check()?;
        if recipe.numeric_columns.is_some() {
            return Err(Error::data(
                "its recipe has numeric_columns instead of a list of all features",
            ));
        }
        let encoder = Encoder::new(&recipe, &encodings)?;
        let forest =
            IsolationForest::try_from(forest).map_err(|error| Error::data(error.to_string()))?;
        if forest.n_features() != recipe.features.len() {
            return Err(Error::data(format!(
                "its forest has {} features, its recipe {}",
                forest.n_features(),
                recipe.features.len()
            )));
        }
        if forest.column_kinds() != encoder.column_kinds() {
            return Err(Error::data(
                "its forest and its recipe disagree on which features are categorical",
            ));
        }
        if !threshold.is_sound() {
            return Err(Error::data(format!(
                "its threshold {} or a rate beside it is not within 0 and 1",
                threshold.value
            )));
        }
        training.check(&recipe, &encodings)?;
        Ok(Model {
            recipe,
            encodings,
            encoder,
            forest: Arc::new(forest),
            threshold,
            training,
            origin: None,
            known: Arc::default(),
        })
    }
}

/// Returns the error for text without the header of a model.
fn without_header(text: &str, error: &serde_json::Error) -> Error {
    let forest: Option<ForestFile> = serde_json::from_str(text).ok();
    if forest.is_none_or(|forest| forest.format.is_some()) {
        return broken(error);
    }
    let hint = format!("make a model of it: {} FOREST", command("import"));
    Error::data("a forest, not a model").hint(hint)
}

/// Returns the error for text that is not a model.
fn broken(error: &serde_json::Error) -> Error {
    Error::data(format!("not a honeyguide model: {error}"))
}
