//! A description of a recipe's features on some data, computed from the distinct rows and their counts.

use learn::Matrix;
use learn::describe::{CoMoments, Running};
use serde::Serialize;

use super::{Correlations, MAX_CORRELATED, NumericSummary, TOP_VALUES, ValueCount};
use crate::distil::distil;
use crate::engine::Engine;
use crate::error::Result;
use crate::features::{Distilled, Encoder, EncodingData};
use crate::recipe::{Kind, Recipe};
use crate::source::{Source, no_events};

/// A description of a recipe's features on some data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureInspection {
    /// The recipe's name.
    pub recipe: String,
    /// The number of events that were read.
    pub events: u64,
    /// The number of distinct rows of the recipe's inputs among these events.
    pub distinct_rows: u64,
    /// Whether the figures come from a sample of the distinct rows. If so, counts are only meaningful relative to each
    /// other.
    pub sampled: bool,
    /// The summary of each feature, with the values that a forest trained on this data gets.
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

/// Describes the features of `recipe` on `source`, in one pass.
///
/// # Errors
/// Fails when the data lacks a column that the recipe needs, cannot be read or has no rows.
pub async fn features(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
) -> Result<FeatureInspection> {
    let recipe = recipe.resolve(engine, source, &[])?;
    let plan = recipe.plan(engine, source)?;
    let distilled = distil(engine, source, &recipe, &plan, None, 0).await?;
    if distilled.events == 0 {
        return Err(no_events(source));
    }
    describe(&recipe, &distilled)
}

fn describe(recipe: &Recipe, distilled: &Distilled) -> Result<FeatureInspection> {
    let encodings = Encoder::fit(recipe, distilled)?;
    let matrix =
        Encoder::new(recipe, &encodings)?.encode_distilled(&distilled.inputs, &distilled.texts)?;
    let columns: Vec<Vec<f64>> = (0..matrix.n_features())
        .map(|column| {
            (0..matrix.n_rows())
                .map(|row| matrix.row(row)[column])
                .collect()
        })
        .collect();
    let features: Vec<FeatureSummary> = recipe
        .features
        .iter()
        .zip(&encodings)
        .zip(&columns)
        .map(|((feature, encoding), column)| {
            let categories = match encoding {
                EncodingData::Categories(categories) => Some(categories.as_slice()),
                _ => None,
            };
            summary(feature, categories, column, &matrix)
        })
        .collect();
    Ok(FeatureInspection {
        recipe: recipe.name.clone(),
        events: distilled.events,
        distinct_rows: distilled.distinct_rows,
        sampled: distilled.sampled,
        correlations: correlations(&features, &columns, &matrix),
        features,
    })
}

fn summary(
    feature: &crate::recipe::Feature,
    categories: Option<&[String]>,
    column: &[f64],
    matrix: &Matrix,
) -> FeatureSummary {
    let mut cells: Vec<(f64, f64)> = column
        .iter()
        .copied()
        .zip(matrix.weights().iter().copied())
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
        Some(categories) => categories.get(value as usize).cloned().unwrap_or_default(),
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
fn meaning(feature: &crate::recipe::Feature, value: f64) -> String {
    let number = value.to_string();
    match feature.values.get(&number) {
        Some(meaning) => format!("{number} ({meaning})"),
        None => number,
    }
}

fn correlations(
    features: &[FeatureSummary],
    columns: &[Vec<f64>],
    matrix: &Matrix,
) -> Correlations {
    let numeric = features
        .iter()
        .zip(columns)
        .filter(|(feature, _)| feature.kind == Kind::Numeric);
    let (features, columns): (Vec<&FeatureSummary>, Vec<&[f64]>) = numeric
        .map(|(feature, column)| (feature, column.as_slice()))
        .take(MAX_CORRELATED)
        .unzip();
    let mut moments = CoMoments::new(columns.len());
    moments.push_weighted(&columns, matrix.weights());
    let is_constant: Vec<bool> = features
        .iter()
        .map(|feature| feature.distinct < 2)
        .collect();
    let names = features
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    let all: f64 = matrix.weights().iter().sum();
    let present: Vec<f64> = features
        .iter()
        .map(|feature| all - feature.missing)
        .collect();
    Correlations::new(names, &moments, &is_constant, &present)
}
