//! The exploration describes data before a model is trained on it or applied to it: columns, features, correlations,
//! time, programs, and a map of the distinct feature rows.

mod map;
mod programs;
mod timeline;

pub use map::{MAX_POINTS, Map, MapPoint};
pub use programs::Programs;
pub use timeline::Timeline;

use super::places::Places;
use crate::engine::Engine;
use crate::error::Result;
pub use crate::feature_source::FeatureSource;
use crate::inspect::{
    FeatureInspection, GroupCounts, Inspection, LabelledFeatures, count_by_label, features,
    features_by_label, inspect,
};
use crate::labels::label_key;
use crate::recipe::Recipe;
use crate::source::Source;

/// The greatest number of columns whose events are counted by label.
pub const MAX_BY_LABEL: usize = 60;

/// The figures of an exploration of data.
#[derive(Debug, Clone, PartialEq)]
pub struct Exploration {
    /// The columns, first rows, labels and correlations.
    pub inspection: Inspection,
    /// The labels by which events are counted; every event has 0 or 1 in each.
    pub labels: Vec<String>,
    /// The number of events with 1 in each label.
    pub ones: Vec<u64>,
    /// The events by label in the groups of each of the first [`MAX_BY_LABEL`] columns; empty without labels.
    pub groups: Vec<GroupCounts>,
    /// The hosts and days of the events.
    pub places: Places,
    /// The features, where a recipe or model was given.
    pub features: Option<ExploredFeatures>,
    /// The events over time; `None` where the data does not say when they happened.
    pub timeline: Option<Timeline>,
    /// The calls by program; `None` where the data lacks one of these columns.
    pub programs: Option<Programs>,
}

/// The features of an exploration.
#[derive(Debug, Clone, PartialEq)]
pub struct ExploredFeatures {
    /// The recipe, with its features for this data.
    pub recipe: Recipe,
    /// The features and their correlations.
    pub inspection: FeatureInspection,
    /// The features held against the labels; `None` without labels.
    pub labelled: Option<LabelledFeatures>,
    /// The map of the distinct feature rows, or a sentence that says why there is none.
    pub map: std::result::Result<Map, String>,
}

/// Explores `source`, with the features of `feature_source` if there is one. Events are counted by the label columns
/// `labels`, or, if none is named, by those of the data's log that hold nothing but 0 and 1. A named label is no feature.
///
/// # Errors
/// Fails when the data has no events, lacks a column that the recipe needs or a named label, has named labels that are
/// neither 0 nor 1, or cannot be read.
pub async fn explore(
    engine: &Engine,
    source: &mut Source,
    feature_source: Option<FeatureSource<'_>>,
    labels: &[String],
) -> Result<Exploration> {
    for label in labels {
        label_key(source, label)?;
    }
    let inspection = inspect(engine, source).await?;
    let own = || own_labels(&inspection);
    let counted = if labels.is_empty() {
        own()
    } else {
        distinct(labels)
    };
    let (groups, ones) = match counted.is_empty() {
        true => Default::default(),
        false => {
            let columns = &inspection.columns[..inspection.columns.len().min(MAX_BY_LABEL)];
            count_by_label(engine, source, columns, &counted).await?
        }
    };
    let places = Places::find(engine, source).await?;
    let timeline = Timeline::read(engine, source, &places).await?;
    let programs = Programs::read(engine, source).await?;
    let features = match feature_source {
        None => None,
        Some(of) => Some(ExploredFeatures::read(engine, source, of, &counted, labels).await?),
    };
    Ok(Exploration {
        inspection,
        labels: counted,
        ones,
        groups,
        places,
        features,
        timeline,
        programs,
    })
}

/// Returns the labels of the data's log that hold nothing but 0 and 1.
fn own_labels(inspection: &Inspection) -> Vec<String> {
    let is_class = |value: &str| matches!(value, "0" | "1" | "0.0" | "1.0" | "false" | "true");
    let labels = inspection.labels.counts.iter();
    let usable = labels.filter(|label| label.values.iter().all(|value| is_class(&value.value)));
    usable.map(|label| label.label.clone()).collect()
}

/// Returns each label once, in their order.
fn distinct(labels: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for label in labels {
        if !distinct.contains(label) {
            distinct.push(label.clone());
        }
    }
    distinct
}

impl ExploredFeatures {
    /// Reads the features and their map. Features that read a column in `excluded` are left out.
    async fn read(
        engine: &Engine,
        source: &mut Source,
        feature_source: FeatureSource<'_>,
        labels: &[String],
        excluded: &[String],
    ) -> Result<Self> {
        let recipe = match feature_source {
            FeatureSource::Recipe(recipe) => recipe.resolve(engine, source, excluded)?,
            FeatureSource::Model(model) => model.recipe().clone(),
        };
        let feature_source = match feature_source {
            FeatureSource::Recipe(_) => FeatureSource::Recipe(&recipe),
            FeatureSource::Model(model) => FeatureSource::Model(model),
        };
        let inspection = features(engine, source, feature_source).await?;
        let labelled = match labels.is_empty() {
            true => None,
            false => {
                Some(features_by_label(engine, source, feature_source, &inspection, labels).await?)
            }
        };
        let rows = inspection.distinct_rows;
        let map = Map::read(engine, source, feature_source, rows, labels).await?;
        Ok(Self {
            recipe,
            inspection,
            labelled,
            map,
        })
    }
}
