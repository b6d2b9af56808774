//! A description of the features of a recipe or a model on some data, computed from the distinct rows and their counts.

use learn::describe::{CoMoments, Running};
use serde::Serialize;

use super::by_label::GroupCounts;
use super::{Correlations, MAX_CORRELATED, NumericSummary, TOP_VALUES, ValueCount};
use crate::distil::distil;
use crate::engine::Engine;
use crate::error::Result;
use crate::feature_source::FeatureSource;
use crate::features::{Distilled, Encoder, EncodingData};
use crate::recipe::{Feature, Kind, Recipe};
use crate::source::{Source, no_events};

/// What stands for the categories that the training events of a model did not have.
const NEVER_SEEN: &str = "(never seen in training)";

/// A description of the features of a recipe or a model on some data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureInspection {
    /// The recipe's name.
    pub recipe: String,
    /// Whether the features have the constants of a model: means, categories and rarities of its training data. If not,
    /// these were learnt from this data.
    pub of_model: bool,
    /// The number of events that were read.
    pub events: u64,
    /// The number of distinct rows of the recipe's inputs among these events.
    pub distinct_rows: u64,
    /// Whether the figures come from a sample of the distinct rows. If so, counts are only meaningful relative to each
    /// other.
    pub sampled: bool,
    /// The summary of each feature, with the values that the model's forest gets, or one that is trained on this data.
    pub features: Vec<FeatureSummary>,
    /// Pearson's correlations of the numeric features over the events.
    pub correlations: Correlations,
}

/// The summary of one feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureSummary {
    /// The feature's name.
    pub name: String,
    /// Whether the feature is numeric or categorical.
    pub kind: Kind,
    /// The number of events without a value.
    pub missing: f64,
    /// The number of distinct values.
    pub distinct: u64,
    /// The statistics of a numeric feature that has values.
    pub numeric: Option<NumericSummary>,
    /// The most frequent values, most frequent first. A number is followed by its meaning if the recipe gives one.
    pub top: Vec<ValueCount>,
}

/// The features of some data held against its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledFeatures {
    /// Pearson's correlations of the numeric features and the labels over the events.
    pub correlations: Correlations,
    /// The events by label in the groups of each feature, in the order of the features.
    pub groups: Vec<GroupCounts>,
}

/// Describes the features of a recipe or a model on `source`, in one pass.
///
/// # Errors
/// Fails when the data lacks a column that the recipe needs, cannot be read or has no rows.
pub async fn features(
    engine: &Engine,
    source: &mut Source,
    features: impl Into<FeatureSource<'_>>,
) -> Result<FeatureInspection> {
    let features = features.into();
    let recipe = features.resolve(engine, source)?;
    let plan = recipe.plan(engine, source)?;
    let distilled = distil(engine, source, &recipe, &plan, None, 0).await?;
    if distilled.events == 0 {
        return Err(no_events(source));
    }
    let encodings = features.encodings(&recipe, &distilled)?;
    let described = describe(&recipe, encodings.into_owned(), &distilled)?;
    Ok(FeatureInspection {
        of_model: features.model().is_some(),
        ..described
    })
}

/// Holds the features of a recipe or a model, which `inspection` describes, against `labels`, in one pass.
///
/// # Errors
/// Fails when a label is not a column of numbers, and when the data cannot be read.
pub(crate) async fn by_label(
    engine: &Engine,
    source: &mut Source,
    features: FeatureSource<'_>,
    inspection: &FeatureInspection,
    labels: &[String],
) -> Result<LabelledFeatures> {
    let mut labelled = features.resolve(engine, source)?;
    let n_features = labelled.features.len();
    let is_new = |label: &&String| labelled.features.iter().all(|other| other.name != **label);
    let added: Vec<Feature> = labels
        .iter()
        .filter(is_new)
        .map(|label| Feature::of_column(label))
        .collect();
    labelled.features.extend(added);
    let plan = labelled.plan(engine, source)?;
    let distilled = distil(engine, source, &labelled, &plan, None, 0).await?;
    let encodings = match features {
        FeatureSource::Recipe(_) => Encoder::fit(&labelled, &distilled)?,
        FeatureSource::Model(model) => {
            let added = labelled.features.len() - n_features;
            let of_labels = std::iter::repeat_n(EncodingData::Number {}, added);
            model.encodings.iter().cloned().chain(of_labels).collect()
        }
    };
    let values = Values::new(&labelled, encodings, &distilled)?;
    let position = |label: &String| {
        labelled
            .features
            .iter()
            .position(|other| other.name == *label)
    };
    let of_labels: Vec<&[f64]> = labels
        .iter()
        .filter_map(position)
        .map(|feature| values.columns[feature].as_slice())
        .collect();
    let described = inspection.features.iter().enumerate().take(n_features);
    let groups = described.map(|(index, summary)| values.groups(index, summary, &of_labels));
    let groups = groups.collect();
    let features: Vec<FeatureSummary> = (0..labelled.features.len())
        .map(|index| values.summary(&labelled.features[index], index))
        .collect();
    Ok(LabelledFeatures {
        correlations: correlations(&features, &values),
        groups,
    })
}

/// The values of features in the distinct rows of some data.
struct Values {
    columns: Vec<Vec<f64>>,
    /// The number of events of each row.
    weights: Vec<f64>,
    encodings: Vec<EncodingData>,
}

impl Values {
    fn new(recipe: &Recipe, encodings: Vec<EncodingData>, distilled: &Distilled) -> Result<Self> {
        let encoder = Encoder::new(recipe, &encodings)?;
        let matrix = encoder.encode_distilled(&distilled.inputs, &distilled.texts)?;
        let rows = || 0..matrix.n_rows();
        let columns = (0..matrix.n_features())
            .map(|column| rows().map(|row| matrix.row(row)[column]).collect());
        Ok(Self {
            columns: columns.collect(),
            weights: matrix.weights().to_vec(),
            encodings,
        })
    }

    fn summary(&self, feature: &Feature, index: usize) -> FeatureSummary {
        summary(
            feature,
            self.categories(index),
            &self.columns[index],
            &self.weights,
        )
    }

    fn categories(&self, index: usize) -> Option<&[String]> {
        match &self.encodings[index] {
            EncodingData::Categories(categories) => Some(categories.as_slice()),
            _ => None,
        }
    }

    /// Counts the events of a feature by label. `labels` are the values of the labels.
    fn groups(&self, index: usize, summary: &FeatureSummary, labels: &[&[f64]]) -> GroupCounts {
        let bins = summary
            .numeric
            .as_ref()
            .map(NumericSummary::shown_histogram);
        let n_groups = bins.map_or(summary.top.len(), |bins| bins.counts.len());
        let group = |value: f64| match (bins, self.categories(index)) {
            (Some(bins), _) => bins.bin_of(value),
            (None, Some(categories)) => {
                let name = categories.get(value as usize);
                let name = name.map_or(NEVER_SEEN, String::as_str);
                summary.top.iter().position(|top| top.value == name)
            }
            (None, None) => None,
        };
        let mut counts = GroupCounts::new(n_groups, labels.len());
        for (row, value) in self.columns[index].iter().enumerate() {
            if let Some(group) = group(*value) {
                let is_labelled = labels.iter().map(|label| label[row] == 1.0);
                counts.add(group, self.weights[row], is_labelled);
            }
        }
        counts
    }
}

fn describe(
    recipe: &Recipe,
    encodings: Vec<EncodingData>,
    distilled: &Distilled,
) -> Result<FeatureInspection> {
    let values = Values::new(recipe, encodings, distilled)?;
    let features = recipe.features.iter().enumerate();
    let features: Vec<FeatureSummary> = features
        .map(|(index, feature)| values.summary(feature, index))
        .collect();
    Ok(FeatureInspection {
        recipe: recipe.name.clone(),
        of_model: false,
        events: distilled.events,
        distinct_rows: distilled.distinct_rows,
        sampled: distilled.sampled,
        correlations: correlations(&features, &values),
        features,
    })
}

fn summary(
    feature: &Feature,
    categories: Option<&[String]>,
    column: &[f64],
    weights: &[f64],
) -> FeatureSummary {
    let mut cells: Vec<(f64, f64)> = column
        .iter()
        .copied()
        .zip(weights.iter().copied())
        .collect();
    cells.sort_by(|left, right| left.0.total_cmp(&right.0));
    cells.dedup_by(|next, kept| {
        let is_same = next.0.to_bits() == kept.0.to_bits();
        if is_same {
            kept.1 += next.1;
        }
        is_same
    });
    let missing = cells
        .pop_if(|cell| cell.0.is_nan())
        .map_or(0.0, |cell| cell.1);
    let numeric = match feature.kind {
        Kind::Numeric => NumericSummary::new(&cells, &Running::of_weighted(&cells), 0, true),
        Kind::Categorical => None,
    };
    let distinct = cells.len() as u64;
    let text = |value: f64| match categories {
        Some(categories) => match categories.get(value as usize) {
            Some(category) => category.clone(),
            None => NEVER_SEEN.to_owned(),
        },
        None => meaning(feature, value),
    };
    cells.sort_by(|left, right| right.1.total_cmp(&left.1));
    let top = cells
        .iter()
        .take(TOP_VALUES)
        .map(|(value, count)| ValueCount {
            value: text(*value),
            count: *count as u64,
        });
    FeatureSummary {
        name: feature.name.clone(),
        kind: feature.kind,
        missing,
        distinct,
        numeric,
        top: top.collect(),
    }
}

/// Returns a number as text, with its meaning in brackets if the recipe gives one.
fn meaning(feature: &Feature, value: f64) -> String {
    let number = value.to_string();
    match feature.values.get(&number) {
        Some(meaning) => format!("{number} ({meaning})"),
        None => number,
    }
}

fn correlations(features: &[FeatureSummary], values: &Values) -> Correlations {
    let numeric = features
        .iter()
        .zip(&values.columns)
        .filter(|(feature, _)| feature.kind == Kind::Numeric);
    let (features, columns): (Vec<&FeatureSummary>, Vec<&[f64]>) = numeric
        .map(|(feature, column)| (feature, column.as_slice()))
        .take(MAX_CORRELATED)
        .unzip();
    let mut moments = CoMoments::new(columns.len());
    moments.push_weighted(&columns, &values.weights);
    let is_constant: Vec<bool> = features
        .iter()
        .map(|feature| feature.distinct < 2)
        .collect();
    let names = features
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    let all: f64 = values.weights.iter().sum();
    let present: Vec<f64> = features
        .iter()
        .map(|feature| all - feature.missing)
        .collect();
    Correlations::new(names, &moments, &is_constant, &present)
}
