//! Label leakage: features that are computed from a label. A model with such a feature is told the answer, so figures
//! against that label say nothing about other data.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::features::EncodingData;
use crate::labels::label_key;
use crate::log::{LabelName, label_name};
use crate::model::{Distribution, Model};
use crate::naming::{command, parameter};
use crate::recipe::columns::column_of_expression;
use crate::recipe::layout::{FeatureInputs, Layout};
use crate::source::Source;

/// The greatest number of values that a label has.
const CLASSES: usize = 2;

/// A column that looks like a label, and that features of a model read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PossibleLabel {
    /// The column's name.
    pub column: String,
    /// The names of the features that read it.
    pub features: Vec<String>,
}

/// Returns the columns that features of `model` read and that look like labels, in the order of the features.
///
/// A column looks like a label if its name is one of a label, such as `label`, `is_attack`, `class` or `y`, and if it
/// had at most two values in training. The values of a column are known where a feature or a part of a rarity is the
/// column itself. A column that is only part of an expression looks like a label if its name hardly means anything
/// else, as `is_attack` does and `y` does not.
#[must_use]
pub fn possible_labels(model: &Model) -> Vec<PossibleLabel> {
    let mut found: Vec<PossibleLabel> = Vec::new();
    let inputs = model.layout().inputs.iter().enumerate();
    for (index, input) in inputs {
        for column in &input.columns {
            let Some(name) = label_name(column) else {
                continue;
            };
            let looks_so = match column_of_expression(&input.sql) {
                Some(_) => model.classes_of_input(index) <= CLASSES,
                None => name == LabelName::Clear,
            };
            if looks_so && found.iter().all(|label| label.column != *column) {
                found.push(PossibleLabel {
                    column: column.clone(),
                    features: features_reading(model, column),
                });
            }
        }
    }
    found
}

/// Refuses labels of `source` from which features of the model are computed.
///
/// # Errors
/// Fails when a column in `labels` is missing or cannot be a label, and when a feature reads it, directly or in an
/// expression.
pub(crate) fn refuse_leaked_labels(
    model: &Model,
    source: &Source,
    labels: &[String],
) -> Result<()> {
    for label in labels {
        // That a column is no label says more than that a feature reads it.
        label_key(source, label)?;
        let features = features_reading(model, label);
        if features.is_empty() {
            continue;
        }
        let named: Vec<String> = features.iter().map(|name| format!("`{name}`")).collect();
        let (noun, verb) = match features.len() {
            1 => ("feature", "is"),
            _ => ("features", "are"),
        };
        return Err(Error::usage(format!(
            "{} {label}: the model's {noun} {} {verb} computed from this label, so figures against it would say \
             nothing about data without labels",
            parameter("label"),
            named.join(", "),
        ))
        .hint(format!(
            "train the model without the label ({} with {} {label}), or name another label",
            command("train"),
            parameter("exclude")
        )));
    }
    Ok(())
}

/// Returns the names of the features that read a column.
fn features_reading(model: &Model, column: &str) -> Vec<String> {
    let layout: &Layout = model.layout();
    let reads = |input: &usize| {
        layout.inputs[*input]
            .columns
            .iter()
            .any(|name| name == column)
    };
    let features = model.recipe().features.iter().zip(&layout.features);
    let reading = features.filter(|(_, inputs)| match inputs {
        FeatureInputs::Own(input) => reads(input),
        FeatureInputs::Rarity(inputs) => inputs.iter().any(reads),
    });
    reading.map(|(feature, _)| feature.name.clone()).collect()
}

impl Model {
    /// Returns the number of distinct values that an input had in training, besides missing ones. If there were many,
    /// the number is a lower bound above [`CLASSES`].
    fn classes_of_input(&self, input: usize) -> usize {
        let features = self.layout().features.iter().enumerate();
        let counts = features.filter_map(|(feature, inputs)| match inputs {
            FeatureInputs::Own(own) if *own == input => {
                // A model that was imported has no profile.
                let profile = self.training.profile.get(feature)?;
                Some(match &profile.distribution {
                    Distribution::Values(values) => values.len(),
                    Distribution::Categories(counts) => counts.len(),
                    Distribution::Ranges(_) => usize::MAX,
                })
            }
            FeatureInputs::Rarity(parts) => {
                let part = parts.iter().position(|part| *part == input)?;
                let EncodingData::Rarity(data) = &self.encodings[feature] else {
                    return None;
                };
                Some(data.texts[part].iter().flatten().count())
            }
            FeatureInputs::Own(_) => None,
        });
        counts.max().unwrap_or(usize::MAX)
    }
}
