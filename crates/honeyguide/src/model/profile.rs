//! The profile of the training data, which is small enough to be stored in the model.

use learn::Matrix;
use learn::chance::without_rounding;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::{Distilled, EncodingData};
use crate::recipe::Recipe;
use crate::recipe::layout::{FeatureInputs, Layout};

/// The maximum number of distinct values that are listed one by one.
const MAX_VALUES: usize = 64;
/// The number of equal shares into which the values of a feature with more distinct values are divided. A value that
/// has such a share of the events, or a greater one, has a range of its own.
const SHARES: usize = 20;
/// The maximum number of ranges: one that ends at each share, and one more for each value that has such a share.
const MAX_RANGES: usize = 2 * SHARES;

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
#[serde(from = "Stored", rename_all = "lowercase")]
pub enum Distribution {
    /// Every value with its count, by ascending value.
    Values(Vec<(f64, f64)>),
    /// The count of each category, in the order of the encoding's list.
    Categories(Vec<f64>),
    /// Ranges of values between quantiles, ascending and apart from each other.
    Ranges(Vec<ValueRange>),
}

/// The training events whose values lie in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64, f64)", into = "(f64, f64, f64)")]
pub struct ValueRange {
    /// The least value of an event.
    pub low: f64,
    /// The greatest value of an event.
    pub high: f64,
    /// The number of events.
    pub count: f64,
}

impl From<(f64, f64, f64)> for ValueRange {
    fn from((low, high, count): (f64, f64, f64)) -> Self {
        Self { low, high, count }
    }
}

impl From<ValueRange> for (f64, f64, f64) {
    fn from(range: ValueRange) -> Self {
        (range.low, range.high, range.count)
    }
}

/// A distribution as a model file holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Stored {
    Values(Vec<(f64, f64)>),
    Categories(Vec<f64>),
    Ranges(Vec<ValueRange>),
    /// The form of version 1: `counts[i]` events are in (`edges[i]`, `edges[i + 1]`], where the first bin includes its
    /// lower edge.
    Bins {
        edges: Vec<f64>,
        counts: Vec<f64>,
    },
}

impl From<Stored> for Distribution {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Values(values) => Self::Values(values),
            Stored::Categories(counts) => Self::Categories(counts),
            Stored::Ranges(ranges) => Self::Ranges(ranges),
            Stored::Bins { edges, counts } if edges.len() == counts.len() + 1 => {
                let bins = edges.windows(2).zip(counts).enumerate();
                let ranges = bins.map(|(index, (bin, count))| ValueRange {
                    low: if index == 0 { bin[0] } else { bin[0].next_up() },
                    high: bin[1],
                    count,
                });
                Self::Ranges(ranges.collect())
            }
            // The check of the profile refuses this.
            Stored::Bins { .. } => Self::Ranges(Vec::new()),
        }
    }
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
            // The codes of categories are those of the encoding, which can have more categories than the events.
            let mut column = match (inputs, encoding) {
                (FeatureInputs::Rarity(_), _) | (_, EncodingData::Categories(_)) => {
                    weighted_column(encoded, index)
                }
                (FeatureInputs::Own(input), _) => weighted_column(&distilled.inputs, *input),
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
            (Self::Ranges(ranges), None) => {
                !ranges.is_empty()
                    && ranges.len() <= MAX_RANGES
                    && ranges.iter().all(|range| is_count(range.count))
                    && ranges.iter().all(|range| range.low <= range.high)
                    && is_ascending(ranges.iter().map(|range| range.low))
                    && ranges.windows(2).all(|pair| pair[0].high < pair[1].low)
                    && ranges.iter().all(|range| range.high.is_finite())
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
            Self::Ranges(ranges(&column))
        }
    }

    /// Returns the distribution of category codes, given as pairs of a code and a weight. A category that is not in the
    /// encoding's list is not counted: its code is the list's length.
    fn of_codes(column: &[(f64, f64)], cardinality: usize) -> Self {
        let mut counts = vec![0.0; cardinality];
        for &(code, weight) in column {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += weight;
            }
        }
        Self::Categories(counts)
    }

    /// Returns the number of cells.
    pub(crate) fn n_cells(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Categories(counts) => counts.len(),
            Self::Ranges(ranges) => ranges.len(),
        }
    }

    /// Returns the number of training events in each cell.
    pub(crate) fn cell_counts(&self) -> Vec<f64> {
        match self {
            Self::Values(values) => values.iter().map(|value| value.1).collect(),
            Self::Categories(counts) => counts.clone(),
            Self::Ranges(ranges) => ranges.iter().map(|range| range.count).collect(),
        }
    }

    /// Returns whether a range is one value that has so many events that others are apart from it.
    pub(crate) fn is_heavy(&self, range: &ValueRange) -> bool {
        range.low == range.high && range.count * SHARES as f64 >= self.cell_counts().iter().sum()
    }

    /// Returns the lowest value at or below which the share `q` of the training events lies. In a range, events are
    /// taken to be spread evenly. Returns `None` without events and for categories.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let counts = self.cell_counts();
        let rank = without_rounding(q * counts.iter().sum::<f64>());
        let mut before = 0.0;
        let reached = counts.iter().position(|count| {
            before += count;
            before >= rank && *count > 0.0
        });
        // The sum of counts that are no whole numbers can end below the rank of the last event.
        let reached = reached.or(counts.iter().rposition(|count| *count > 0.0))?;
        match self {
            Self::Values(values) => Some(values[reached].0),
            Self::Categories(_) => None,
            Self::Ranges(ranges) => {
                let ValueRange { low, high, count } = ranges[reached];
                let within = (rank - (before - count)).max(1.0).min(count);
                let share = if count > 1.0 {
                    (within - 1.0) / (count - 1.0)
                } else {
                    1.0
                };
                Some(low * (1.0 - share) + high * share)
            }
        }
    }
}

/// Divides numbers, given as ascending values with their weights, into ranges that end where the cumulative weight
/// reaches a share. A value that has such a share by itself has a range of its own.
fn ranges(column: &[(f64, f64)]) -> Vec<ValueRange> {
    let total: f64 = column.iter().map(|(_, weight)| weight).sum();
    let share = total / SHARES as f64;
    let (mut ranges, mut open): (Vec<ValueRange>, Option<ValueRange>) = (Vec::new(), None);
    let (mut cumulative, mut ended) = (0.0, 0.0);
    for &(value, weight) in column {
        if weight >= share {
            ranges.extend(open.take());
        }
        let range = open.get_or_insert(ValueRange {
            low: value,
            high: value,
            count: 0.0,
        });
        range.high = value;
        range.count += weight;
        cumulative += weight;
        let shares = without_rounding(cumulative / share).floor();
        if weight >= share || shares > ended {
            ranges.extend(open.take());
        }
        ended = shares;
    }
    ranges.extend(open);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = f64>) -> Distribution {
        Distribution::of_numbers(values.map(|value| (value, 1.0)).collect())
    }

    fn ranges_of(distribution: &Distribution) -> &[ValueRange] {
        match distribution {
            Distribution::Ranges(ranges) => ranges,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_heavy_value_is_a_range_of_its_own() {
        // 970 zeros, and the 100 numbers from −50 to 50 but 0.
        let others = (-50..=50).filter(|number| *number != 0).map(f64::from);
        let found = of(others.chain(std::iter::repeat_n(0.0, 970)));
        let expected = [(-50.0, -1.0, 50.0), (0.0, 0.0, 970.0), (1.0, 50.0, 50.0)];
        // A share is 53.5 events, so that the 50 on each side are one range.
        assert_eq!(ranges_of(&found), expected.map(ValueRange::from));
        assert_eq!([0.25, 0.5, 0.75].map(|q| found.quantile(q)), [Some(0.0); 3]);
        assert!(found.is_sound(None));
    }

    #[test]
    fn quantiles_at_the_ends_of_ranges_are_those_of_the_events() {
        // numpy.quantile(…, method="inverted_cdf") of 1 to 1,000, and of 20 values that occur once to 20 times among
        // 1,000 others.
        let thousand = of((1..=1000).map(f64::from));
        for (q, expected) in [
            (0.05, 50.0),
            (0.25, 250.0),
            (0.5, 500.0),
            (0.95, 950.0),
            (1.0, 1000.0),
        ] {
            assert_eq!(thousand.quantile(q), Some(expected), "{q}");
        }
        assert_eq!(thousand.n_cells(), SHARES);
        let few = Distribution::Values(vec![(1.0, 3.0), (2.0, 1.0)]);
        assert_eq!(
            [0.0, 0.75, 0.76, 1.0].map(|q| few.quantile(q)),
            [1.0, 1.0, 2.0, 2.0].map(Some)
        );
        assert_eq!(Distribution::Values(vec![]).quantile(0.5), None);
    }

    #[test]
    fn bins_of_the_first_version_are_read_as_ranges() {
        let text = r#"{"bins": {"edges": [0.0, 1.0, 3.0], "counts": [10.0, 30.0]}}"#;
        let found: Distribution = serde_json::from_str(text).expect("a distribution");
        let expected = [(0.0, 1.0, 10.0), (1.0f64.next_up(), 3.0, 30.0)];
        assert_eq!(ranges_of(&found), expected.map(ValueRange::from));
        let written = serde_json::to_string(&found).expect("JSON");
        let read: Distribution = serde_json::from_str(&written).expect("a distribution");
        assert_eq!(read, found);
        let broken = r#"{"bins": {"edges": [0.0], "counts": [10.0, 30.0]}}"#;
        let broken: Distribution = serde_json::from_str(broken).expect("a distribution");
        assert!(!broken.is_sound(None));
    }
}
