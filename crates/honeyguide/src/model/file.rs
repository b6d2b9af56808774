//! The model file: versioned JSON, described in `docs/formats/model.md`. Whatever a file holds, reading it is safe.

use std::io::Write;
use std::path::Path;

use learn::iforest::{ForestData, IsolationForest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Model, ModelOrigin, Threshold, Training};
use crate::error::{Error, Result};
use crate::features::{Encoder, EncodingData};
use crate::naming::command;
use crate::output::{Destination, PendingFile};
use crate::recipe::Recipe;
use crate::storage::{StorageOptions, document, redacted};
use crate::wording::hex;

/// Largest model file that is read.
pub const MAX_MODEL_BYTES: u64 = 256 << 20;
/// What the field `format` says.
const FORMAT: &str = "honeyguide-model";
/// The version this release writes, and the newest that it reads.
const VERSION: u32 = 1;

/// Enough of a file to know whether this release can read the rest.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
    honeyguide: String,
}

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
    /// The file cannot be read, is no model file, is of a newer version, or does not hold together.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_with(path, &StorageOptions::default())
    }

    /// Reads the model file at a path or a URL, and remembers where that was.
    ///
    /// # Errors
    /// As for [`Model::load`]; a server or a store does not give it.
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

    /// Reads a model from the text of a model file.
    pub fn from_json(text: &str) -> Result<Self> {
        if !text.trim_start().starts_with('{') {
            return Err(
                Error::data("not a honeyguide model: no JSON object").hint(format!(
                    "the model comes first, then the data; {} makes a model",
                    command("train")
                )),
            );
        }
        let header: Header = serde_json::from_str(text).map_err(|error| broken(&error))?;
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
            return Err(Error::data("version 0 of the format was never written"));
        }
        let file: ModelFile = serde_json::from_str(text).map_err(|error| broken(&error))?;
        file.into_model()
    }

    /// Writes the model to `to`, whole or not at all.
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
            version: VERSION,
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
            return Err(Error::data("its recipe does not list its features"));
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
            forest,
            threshold,
            training,
            origin: None,
        })
    }
}

fn broken(error: &serde_json::Error) -> Error {
    Error::data(format!("not a honeyguide model: {error}"))
}
