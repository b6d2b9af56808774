//! Models made of isolation forests that scikit-learn or the Python package has grown.

mod categories;

use std::path::Path;
use std::sync::Arc;

use learn::ColumnKind;
use learn::iforest::{Contamination, ForestData, IsolationForest};
use serde::Deserialize;
use serde::de::IgnoredAny;

use categories::{Categories, Listed};

use crate::distil::distil;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{Distilled, Encoder, EncodingData};
use crate::model::{
    Distribution, FeatureProfile, Imported, MAX_MODEL_BYTES, Model, Threshold, ThresholdMethod,
    Training, profile,
};
use crate::naming::{command, parameter};
use crate::recipe::{Feature, Kind, MAX_FEATURES, Nulls, Recipe};
use crate::source::{Source, no_events};
use crate::storage::{StorageOptions, document, redacted};
use crate::train::{fingerprint, scores_of};

/// The greatest difference between a score of honeyguide and one of scikit-learn, which comes from rounding. An offset is
/// often the score of many events, which scikit-learn does not flag: this much is added, so that honeyguide does not
/// flag them either.
const ROUNDING: f64 = 1e-12;

/// The names of the libraries that forests are imported from.
const SCIKIT_LEARN: &str = "scikit-learn";
const HONEYGUIDE: &str = "honeyguide";

/// A forest that was exported from scikit-learn, or saved by the Python package, as `docs/formats/forest.md` describes
/// it.
#[derive(Debug, Clone)]
pub struct ForestExport {
    forest: IsolationForest,
    /// The categories of each column, without any for a column of numbers.
    categories: Vec<Option<Categories>>,
    feature_names: Option<Vec<String>>,
    origin: Imported,
}

/// The file of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportFile {
    /// The release of scikit-learn.
    #[serde(default)]
    scikit_learn: Option<String>,
    /// The release of the Python package.
    #[serde(default)]
    honeyguide: Option<String>,
    /// The categories of each column, in the order of their codes. The Python package writes them if there are any.
    #[serde(default)]
    categories: Option<Listed>,
    /// The names of the columns that the forest was fitted with, if they had any.
    #[serde(default)]
    feature_names: Option<Vec<String>>,
    forest: ForestData,
}

/// The field that tells an export from the bare data of a forest.
#[derive(Deserialize)]
struct Peek {
    #[serde(default)]
    forest: Option<IgnoredAny>,
}

impl ForestExport {
    /// Reads the export at a path or a URL. Object stores are opened with the settings `storage`.
    ///
    /// # Errors
    /// Fails when the file cannot be read, and when it is not a valid forest.
    pub fn load_with(place: &Path, storage: &StorageOptions) -> Result<Self> {
        let Some(found) = document::read(place, MAX_MODEL_BYTES, storage)? else {
            let shown = redacted(&place.to_string_lossy());
            return Err(Error::usage(format!("{shown}: no such forest file")).hint(HOW_TO_EXPORT));
        };
        Self::from_json(&found.text).map_err(|error| {
            let message = format!("{}: {}", found.shown.display(), error.text());
            Error::data(message).hint(HOW_TO_EXPORT)
        })
    }

    /// Reads an export from its text: the data of a forest, or an object with the data and where they come from.
    ///
    /// # Errors
    /// Fails when the text is not a valid forest.
    pub fn from_json(text: &str) -> Result<Self> {
        let broken =
            |error: serde_json::Error| Error::data(format!("not an exported forest: {error}"));
        let peek: Peek = serde_json::from_str(text).map_err(broken)?;
        let file = match peek.forest {
            Some(_) => serde_json::from_str(text),
            None => serde_json::from_str(text).map(|forest| ExportFile {
                scikit_learn: None,
                honeyguide: None,
                categories: None,
                feature_names: None,
                forest,
            }),
        };
        let ExportFile {
            scikit_learn,
            honeyguide,
            categories,
            feature_names,
            forest,
        } = file.map_err(broken)?;
        let forest = IsolationForest::try_from(forest)
            .map_err(|error| Error::data(format!("not an exported forest: {error}")))?;
        let n_features = forest.n_features();
        if let Some(names) = &feature_names
            && names.len() != n_features
        {
            return Err(Error::data(format!(
                "the forest has {n_features} features and {} feature_names",
                names.len()
            )));
        }
        if n_features > MAX_FEATURES {
            return Err(Error::data(format!(
                "the forest has {n_features} features; the limit is {MAX_FEATURES}"
            )));
        }
        let (forest, categories) =
            categories::ordered(forest, categories, feature_names.as_deref())?;
        Ok(Self {
            forest,
            categories,
            feature_names,
            origin: match honeyguide {
                Some(version) => Imported {
                    from: HONEYGUIDE.to_owned(),
                    version: Some(version),
                },
                None => Imported {
                    from: SCIKIT_LEARN.to_owned(),
                    version: scikit_learn,
                },
            },
        })
    }

    /// Returns the recipe with a feature for each column of the forest: the columns' names take the place of
    /// `numeric_columns`.
    ///
    /// # Errors
    /// Fails when the export has no names although the recipe needs them, when the recipe has another number of
    /// features than the forest, and when it has the forest's features in another order.
    fn resolve(&self, recipe: &Recipe) -> Result<Recipe> {
        let mut resolved = recipe.clone();
        let n_features = self.forest.n_features();
        if resolved.numeric_columns.take().is_some() {
            let Some(names) = &self.feature_names else {
                return Err(Error::usage(format!(
                    "recipe `{}` takes the columns of the data, and the export does not name the forest's columns",
                    recipe.name
                ))
                .hint(format!(
                    "export the forest with feature_names, or name a recipe with its {n_features} features: {} FILE",
                    parameter("recipe")
                )));
            };
            let listed = resolved.features.len().min(names.len());
            let columns = names.iter().enumerate().skip(listed);
            resolved
                .features
                .extend(columns.map(|(column, name)| self.feature(column, name)));
        }
        let found = resolved.features.len();
        if found != n_features {
            return Err(Error::usage(format!(
                "recipe `{}` has {found} features, the forest has {n_features}",
                recipe.name
            ))
            .hint(format!(
                "name the recipe whose features the forest was fitted with, in the same order: {} NAME|FILE",
                parameter("recipe")
            )));
        }
        self.refuse_other_order(&resolved)?;
        resolved.check()?;
        Ok(resolved)
    }

    /// Returns the feature that is a column of the forest itself. Missing values are allowed if the forest scores them as the
    /// library does that has grown it.
    fn feature(&self, column: usize, name: &str) -> Feature {
        let mut feature = Feature::of_column(name);
        if self.is_own() {
            feature.nulls = Nulls::Allow;
        }
        if let Some(categories) = &self.categories[column] {
            feature.kind = Kind::Categorical;
            // A missing number can be NaN, whose text would be one more category.
            if categories.are_numbers
                && let Some(value) = &feature.expr
            {
                feature.expr = Some(format!(
                    "CASE WHEN CAST({value} AS VARCHAR) = 'NaN' THEN NULL ELSE {value} END"
                ));
            }
        }
        feature
    }

    /// Returns whether the Python package has grown the forest.
    fn is_own(&self) -> bool {
        self.origin.from == HONEYGUIDE
    }

    /// Refuses a recipe with the forest's feature names in another order: every score would be wrong.
    fn refuse_other_order(&self, recipe: &Recipe) -> Result<()> {
        let Some(names) = &self.feature_names else {
            return Ok(());
        };
        let own = || recipe.features.iter().map(|feature| feature.name.as_str());
        let moved = own()
            .zip(names)
            .find(|(own, name)| own != name && names.iter().any(|name| name == own));
        match moved {
            None => Ok(()),
            Some((own, name)) => Err(Error::usage(format!(
                "recipe `{}` has feature `{own}` where the forest has `{name}`",
                recipe.name
            ))
            .hint(format!(
                "the recipe needs the forest's features in the forest's order: {}",
                names.join(", ")
            ))),
        }
    }

    /// Returns the threshold `given`, or the one that the library has set.
    fn threshold(&self, given: Option<f64>) -> Result<Threshold> {
        let by_hand = |value| Threshold {
            value,
            method: ThresholdMethod::Given {},
        };
        if let Some(value) = given {
            if !(0.0..=1.0).contains(&value) {
                let parameter = parameter("threshold");
                return Err(Error::usage(format!(
                    "{parameter} {value}: it must be from 0 to 1"
                )));
            }
            return Ok(by_hand(value));
        }
        let offset = -self.forest.offset();
        let rounding = if self.is_own() { 0.0 } else { ROUNDING };
        let value = (offset + rounding).min(1.0);
        Ok(match self.forest.contamination() {
            Contamination::Auto if offset == 0.5 => Threshold {
                value: offset,
                method: ThresholdMethod::Auto {},
            },
            Contamination::Auto => by_hand(value),
            Contamination::Fraction(fraction) => Threshold {
                value,
                method: ThresholdMethod::Contamination {
                    fraction,
                    realised_rate: None,
                },
            },
        })
    }
}

/// How to make a file that can be imported.
const HOW_TO_EXPORT: &str = "docs/formats/forest.md describes the file, and has the Python function that exports a forest from scikit-learn";

/// Makes a model of a forest that scikit-learn or the Python package has grown. `recipe` computes the forest's columns, in
/// their order. `training` holds the events that the forest was fitted with: they give the constants of rarities and
/// transforms, and what `drift` and the reasons compare events with. Without them the recipe can have plain numeric features
/// only, and categories that the forest knows. `threshold` overrides the one that the library has set.
///
/// # Errors
/// Fails when the recipe does not fit the forest or the events, when the events cannot be read, are none or have a category
/// that the forest does not know, and when the threshold is not from 0 to 1.
pub async fn import(
    engine: &Engine,
    export: &ForestExport,
    recipe: &Recipe,
    training: Option<&mut Source>,
    threshold: Option<f64>,
) -> Result<Model> {
    let threshold = export.threshold(threshold)?;
    let recipe = export.resolve(recipe)?;
    refuse_other_kinds(export, &recipe)?;
    let distilled = match training {
        Some(source) => {
            let plan = recipe.plan(engine, source)?;
            let distilled = distil(engine, source, &recipe, &plan, None, 0).await?;
            if distilled.events == 0 {
                return Err(no_events(source));
            }
            Some(distilled)
        }
        None => None,
    };
    let encodings = match &distilled {
        Some(distilled) => {
            let mut encodings = Encoder::fit(&recipe, distilled)?;
            categories::replace_found(&mut encodings, &export.categories, &recipe, distilled)?;
            encodings
        }
        None => known(export, &recipe)?,
    };
    let encoder = Encoder::new(&recipe, &encodings)?;
    let training = match distilled {
        Some(distilled) => described(export, &recipe, &encodings, &encoder, &distilled)?,
        None => undescribed(export, &recipe, &encodings),
    };
    Ok(Model {
        recipe,
        encodings,
        encoder,
        forest: Arc::new(export.forest.clone()),
        threshold,
        training,
        origin: None,
        known: Arc::default(),
    })
}

/// Refuses a recipe with a categorical feature where the forest has numbers, or with numbers where it has categories.
fn refuse_other_kinds(export: &ForestExport, recipe: &Recipe) -> Result<()> {
    let kinds = export.forest.column_kinds().into_iter();
    let mut features = recipe.features.iter().zip(kinds);
    let is_other = |(feature, kind): &(&Feature, ColumnKind)| {
        (feature.kind == Kind::Numeric) != (*kind == ColumnKind::Numeric)
    };
    let Some((feature, kind)) = features.find(is_other) else {
        return Ok(());
    };
    let message = format!(
        "recipe `{}` and the forest disagree on which features are categorical: `{}` is categorical in the {} only",
        recipe.name,
        feature.name,
        if kind == ColumnKind::Numeric {
            "recipe"
        } else {
            "forest"
        }
    );
    let hint = match kind {
        ColumnKind::Numeric => {
            "the forest splits numbers by their order: give the recipe the numbers that the forest was fitted with"
        }
        ColumnKind::Categorical { .. } => {
            "give the feature kind = \"categorical\" and the categories that the forest was fitted with"
        }
    };
    Err(Error::usage(message).hint(hint))
}

/// Returns the encodings of a recipe whose features are plain numbers, or categories that the forest knows.
///
/// # Errors
/// Fails when a feature has constants that training learns.
fn known(export: &ForestExport, recipe: &Recipe) -> Result<Vec<EncodingData>> {
    let features = recipe.features.iter().zip(&export.categories);
    let encodings = features.map(|(feature, categories)| {
        let is_plain = feature.rarity.is_none() && feature.transform.is_none();
        match categories {
            Some(categories) if is_plain => Ok(EncodingData::Categories(categories.texts.clone())),
            None if is_plain => Ok(EncodingData::Number {}),
            _ => Err(Error::usage(format!(
                "recipe `{}`, feature `{}`: its constants come from the training events",
                recipe.name, feature.name
            ))
            .hint(format!(
                "give the events that the forest was fitted with: {} FOREST DATA",
                command("import")
            ))),
        }
    });
    encodings.collect()
}

/// Returns the description of the events that the forest was fitted with.
fn described(
    export: &ForestExport,
    recipe: &Recipe,
    encodings: &[EncodingData],
    encoder: &Encoder,
    distilled: &Distilled,
) -> Result<Training> {
    let matrix = encoder.encode_distilled(&distilled.inputs, &distilled.texts)?;
    let sampled = distilled.sampled.then(|| distilled.inputs.n_rows() as u64);
    Ok(Training {
        events: distilled.events,
        distinct_rows: distilled.distinct_rows,
        sampled_rows: sampled,
        imported: Some(export.origin.clone()),
        fingerprint: fingerprint(distilled),
        profile: profile(recipe, encodings, distilled, &matrix),
        scores: scores_of(&export.forest, &matrix)?,
    })
}

/// Returns the description of training events of which nothing is known.
fn undescribed(export: &ForestExport, recipe: &Recipe, encodings: &[EncodingData]) -> Training {
    let features = recipe.features.iter().zip(encodings);
    let profile = features.map(|(feature, encoding)| FeatureProfile {
        name: feature.name.clone(),
        missing: 0.0,
        distribution: match encoding {
            EncodingData::Categories(known) => Distribution::Categories(vec![0.0; known.len()]),
            _ => Distribution::Values(Vec::new()),
        },
    });
    Training {
        events: 0,
        distinct_rows: 0,
        sampled_rows: None,
        imported: Some(export.origin.clone()),
        fingerprint: "0".repeat(64),
        profile: profile.collect(),
        scores: Distribution::Values(Vec::new()),
    }
}
