//! The profile of the training data, which is small enough to be stored in the model.

use learn::Matrix;
use learn::stats::Quantiles;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::{Distilled, EncodingData};
use crate::recipe::Recipe;
use crate::recipe::layout::{FeatureInputs, Layout};

/// The maximum number of distinct values that are listed one by one.
const MAX_VALUES: usize = 64;
/// The maximum number of quantile bins of a feature with more distinct values.
const BINS: usize = 20;

/// The values of one feature in the training events, before any transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureProfile {
    /// The feature's name.
    pub name: String,
    /// The number of events without a value.
    pub missing: f64,
    /// The distribution of the other events.
    pub distribution: Distribution,
}

/// The distribution of events over the values of a feature. If the distinct rows were sampled, the counts of events
/// are only relative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Distribution {
    /// Every value with its count, by ascending value.
    Values(Vec<(f64, f64)>),
    /// The count of each category, in the order of the encoding's list.
    Categories(Vec<f64>),
    /// Quantile bins: `counts[i]` events are in (`edges[i]`, `edges[i + 1]`]. The first bin includes its lower edge.
    Bins {
        /// The edges in ascending order.
        edges: Vec<f64>,
        /// The count of each bin, one fewer than there are edges.
        counts: Vec<f64>,
    },
}

/// Returns the profile of every feature. `encoded` has one row for each distilled row.
pub(crate) fn profile(
    recipe: &Recipe,
    encodings: &[EncodingData],
    distilled: &Distilled,
    encoded: &Matrix,
) -> Vec<FeatureProfile> {
    let layout = Layout::new(recipe);
    let features = recipe
        .features
        .iter()
        .zip(encodings)
        .zip(&layout.features)
        .enumerate();
    features
        .map(|(index, ((feature, encoding), inputs))| {
            let mut column = match inputs {
                FeatureInputs::Own(input) => weighted_column(&distilled.inputs, *input),
                FeatureInputs::Rarity(_) => weighted_column(encoded, index),
            };
            let missing = column.iter().filter(|(value, _)| value.is_nan());
            // An empty sum of floats is −0.
            let missing = missing.map(|(_, weight)| weight).sum::<f64>() + 0.0;
            column.retain(|(value, _)| !value.is_nan());
            let distribution = match encoding {
                EncodingData::Categories(categories) => {
                    Distribution::of_codes(&column, categories.len())
                }
                _ => Distribution::of_numbers(column),
            };
            FeatureProfile {
                name: feature.name.clone(),
                missing,
                distribution,
            }
        })
        .collect()
}

/// Returns the values of a column with their weights.
fn weighted_column(matrix: &Matrix, column: usize) -> Vec<(f64, f64)> {
    (0..matrix.n_rows())
        .map(|row| (matrix.row(row)[column], matrix.weights()[row]))
        .collect()
}

impl super::Training {
    /// Checks the description in a model file.
    ///
    /// # Errors
    /// Fails when it does not fit the recipe, or when counts, distributions or the fingerprint are invalid.
    pub(super) fn check(&self, recipe: &Recipe, encodings: &[EncodingData]) -> Result<()> {
        let names = self.profile.iter().map(|profile| &profile.name);
        if !names.eq(recipe.features.iter().map(|feature| &feature.name)) {
            return Err(Error::data(
                "its training profile does not name the features of its recipe",
            ));
        }
        for (profile, encoding) in self.profile.iter().zip(encodings) {
            let categories = match encoding {
                EncodingData::Categories(categories) => Some(categories.len()),
                _ => None,
            };
            if !(is_count(profile.missing) && profile.distribution.is_sound(categories)) {
                return Err(Error::data(format!(
                    "its training profile of feature `{}` is damaged",
                    profile.name
                )));
            }
        }
        if self.fingerprint.len() != 64
            || !self
                .fingerprint
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
        {
            return Err(Error::data("its fingerprint is not a SHA-256"));
        }
        if self.scores.is_sound(None) {
            Ok(())
        } else {
            Err(Error::data("its training scores are damaged"))
        }
    }
}

fn is_count(count: f64) -> bool {
    count.is_finite() && count >= 0.0
}

fn is_ascending(mut values: impl Iterator<Item = f64>) -> bool {
    let mut last = f64::NEG_INFINITY;
    values.all(|value| value.is_finite() && std::mem::replace(&mut last, value) < value)
}

impl Distribution {
    /// Returns whether the distribution is valid for this many categories, or for numbers if `categories` is `None`.
    fn is_sound(&self, categories: Option<usize>) -> bool {
        match (self, categories) {
            (Self::Categories(counts), Some(cardinality)) => {
                counts.len() == cardinality && counts.iter().copied().all(is_count)
            }
            (Self::Values(values), None) => {
                values.len() <= MAX_VALUES
                    && values.iter().all(|value| is_count(value.1))
                    && is_ascending(values.iter().map(|value| value.0))
            }
            (Self::Bins { edges, counts }, None) => {
                edges.len() == counts.len() + 1
                    && counts.len() <= BINS
                    && counts.iter().copied().all(is_count)
                    && is_ascending(edges.iter().copied())
            }
            _ => false,
        }
    }

    /// Returns the distribution of numbers, given as pairs of a value and a weight.
    pub(crate) fn of_numbers(mut column: Vec<(f64, f64)>) -> Self {
        column.sort_unstable_by(|left, right| {
            left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1))
        });
        column.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        if column.len() <= MAX_VALUES {
            // Otherwise the model would keep the memory of all rows.
            column.shrink_to_fit();
            Self::Values(column)
        } else {
            Self::bins(column)
        }
    }

    /// Returns the distribution of category codes, given as pairs of a code and a weight.
    fn of_codes(column: &[(f64, f64)], cardinality: usize) -> Self {
        let mut counts = vec![0.0; cardinality];
        for &(code, weight) in column {
            counts[code as usize] += weight;
        }
        Self::Categories(counts)
    }

    /// Returns the quantile bins of numbers, given as pairs of a value and a weight.
    fn bins(column: Vec<(f64, f64)>) -> Self {
        let column = Quantiles::new(column);
        let quantile = |bin| column.as_ref()?.at(bin as f64 / BINS as f64);
        let mut edges: Vec<f64> = (0..=BINS).filter_map(quantile).collect();
        edges.dedup();
        let mut counts = vec![0.0; edges.len().saturating_sub(1)];
        for (value, weight) in column.iter().flat_map(Quantiles::pairs) {
            let bin = edges.partition_point(|edge| edge < value).saturating_sub(1);
            counts[bin.min(edges.len() - 2)] += weight;
        }
        Self::Bins { edges, counts }
    }
}
