//! Explanations of scores: what each feature contributes to an event's score, and how its value compares with the
//! training events, in words.

use std::collections::HashMap;

use learn::iforest::{ExplainError, Explanation};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::features::{EncodingData, RowKey, Sighting, row_key};
use crate::model::{Distribution, FeatureProfile, Model, ValueRange};
use crate::recipe::columns::column_of_expression;
use crate::recipe::layout::{FeatureInputs, Input};
use crate::recipe::{Feature, Recipe};
use crate::wording::{percent, plain_number, shortened};

/// The contribution of one feature to an event's score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The feature's name.
    pub feature: String,
    /// The contribution to the difference of the event's normalised path length from the mean of the training events:
    /// the exact Shapley value of path-dependent TreeSHAP (Lundberg et al. 2020). A negative value makes the event more
    /// anomalous.
    pub contribution: f64,
    /// The event's value and how common it was in training, in words.
    pub text: String,
}

/// The explanation of an event's score.
pub(crate) struct EventExplanation {
    /// The mean path length divided by c(max_samples), which is −log2 of the score. It is the sum of `base` and all
    /// contributions.
    pub normalised_path_length: f64,
    /// The mean normalised path length of the events that the trees were grown on.
    pub base: f64,
    /// The contribution of each feature, in ascending order: the strongest reason for an anomaly comes first.
    pub reasons: Vec<Reason>,
}

/// An event with the values that its explanation needs.
pub(crate) struct ExplainedEvent<'a> {
    /// The event's feature row, as the forest gets it.
    pub features: &'a [f64],
    /// The values of the recipe's inputs as text; a null is `None`.
    pub inputs: &'a [Option<String>],
    /// The event's columns and their values as text; a null is `None`.
    pub columns: &'a [(String, Option<String>)],
}

/// An explainer of many events, which remembers the contributions of feature rows, since most of them repeat.
pub(crate) struct Attribution<'a> {
    model: &'a Model,
    known: HashMap<RowKey, Explanation>,
}

/// A feature's contribution to the score of an event, and the facts about its value.
struct Finding {
    feature: usize,
    contribution: f64,
    facts: Vec<String>,
}

impl Finding {
    /// Joins the facts to a text.
    fn into_reason(self, recipe: &Recipe) -> Reason {
        Reason {
            feature: recipe.features[self.feature].name.clone(),
            contribution: self.contribution,
            text: self.facts.join("; "),
        }
    }
}

/// The number of reasons that are given for an anomaly.
pub const REASONS: usize = 3;
/// The greatest number of contributions that are remembered: feature rows × features.
const REMEMBERED: usize = 1 << 18;

impl<'a> Attribution<'a> {
    /// Returns an explainer that remembers no feature rows yet.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            known: HashMap::new(),
        }
    }

    /// Returns the `count` strongest reasons for an anomaly.
    ///
    /// # Errors
    /// Fails when the forest has extended splits, which cannot be explained.
    pub fn strongest(&mut self, event: &ExplainedEvent, count: usize) -> Result<Vec<Reason>> {
        let key = row_key(event.features);
        if let Some(known) = self.known.get(&key) {
            return Ok(self.model.reasons(event, known, count));
        }
        if self.known.len() * event.features.len() >= REMEMBERED {
            self.known.clear();
        }
        let explained = self.model.attribute(event.features)?;
        let reasons = self.model.reasons(event, &explained, count);
        self.known.insert(key, explained);
        Ok(reasons)
    }
}

/// Returns reasons as one text for people, or `None` if there are none.
pub(crate) fn reasons_as_text(reasons: Vec<Reason>) -> Option<String> {
    let texts: Vec<String> = reasons.into_iter().map(|reason| reason.text).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Returns the error of a forest that cannot be explained.
fn unexplainable(error: ExplainError) -> Error {
    Error::usage(format!("this model cannot be explained: {error}"))
}

impl Model {
    /// Explains one event by all features.
    ///
    /// # Errors
    /// Fails when the forest has extended splits, which cannot be explained.
    pub(crate) fn explain(&self, event: &ExplainedEvent) -> Result<EventExplanation> {
        let explained = self.attribute(event.features)?;
        Ok(EventExplanation {
            normalised_path_length: explained.normalised_path_length(),
            base: explained.base,
            reasons: self
                .findings(event, &explained)
                .map(|finding| finding.into_reason(&self.recipe))
                .collect(),
        })
    }

    /// Returns what each feature of a feature row contributes to its score.
    ///
    /// # Errors
    /// Fails when the forest has extended splits, which cannot be explained.
    pub(crate) fn attribute(&self, features: &[f64]) -> Result<Explanation> {
        self.forest.explain(features).map_err(unexplainable)
    }

    /// Returns the base of every explanation, and what each feature contributes to the score of each of the feature rows
    /// `rows`: rows × features, row-major.
    ///
    /// # Errors
    /// Fails as [`attribute`](Self::attribute) does.
    pub(crate) fn contributions(&self, rows: &[f64]) -> Result<(f64, Vec<f64>)> {
        let explained = || Ok((self.forest.base()?, self.forest.explain_rows(rows)?));
        explained().map_err(unexplainable)
    }

    /// Returns the `count` strongest reasons for an anomaly, without facts that a stronger reason has stated.
    fn reasons(
        &self,
        event: &ExplainedEvent,
        explained: &Explanation,
        count: usize,
    ) -> Vec<Reason> {
        let mut stated: Vec<String> = Vec::new();
        let strongest = self
            .findings(event, explained)
            .take_while(|finding| finding.contribution < 0.0);
        let new_facts = strongest.filter_map(|mut finding| {
            finding.facts.retain(|fact| !stated.contains(fact));
            stated.extend(finding.facts.iter().cloned());
            (!finding.facts.is_empty()).then(|| finding.into_reason(&self.recipe))
        });
        new_facts.take(count).collect()
    }

    /// Returns the contribution of each feature, the strongest for an anomaly first.
    fn findings(
        &self,
        event: &ExplainedEvent,
        explained: &Explanation,
    ) -> impl Iterator<Item = Finding> {
        let mut order: Vec<usize> = (0..explained.contributions.len()).collect();
        order.sort_by(|a, b| explained.contributions[*a].total_cmp(&explained.contributions[*b]));
        order.into_iter().map(|feature| Finding {
            feature,
            contribution: explained.contributions[feature],
            facts: self.describe(feature, event),
        })
    }

    /// Returns the facts about the value of the feature at `index`.
    fn describe(&self, index: usize, event: &ExplainedEvent) -> Vec<String> {
        let feature = &self.recipe.features[index];
        match (&self.layout().features[index], &self.encodings[index]) {
            (FeatureInputs::Own(input), _) if !self.training.is_described() => {
                vec![self.shown_value(index, *input, event).own]
            }
            (FeatureInputs::Rarity(inputs), _) => {
                let parts: Vec<String> = feature
                    .sql()
                    .zip(inputs)
                    .map(|(sql, input)| part(sql, &event.inputs[*input]))
                    .collect();
                describe_sighting(&parts, self.encoder.sighting(index, event.inputs))
            }
            (FeatureInputs::Own(input), EncodingData::Categories(categories)) => {
                let value = event.inputs[*input].as_deref();
                vec![describe_category(
                    feature,
                    value,
                    categories,
                    &self.training.profile[index],
                )]
            }
            (FeatureInputs::Own(input), _) => {
                let value = self.shown_value(index, *input, event);
                describe_number(feature, &value, &self.training.profile[index])
            }
        }
    }

    /// Returns the value of the numeric feature at `index`, whose input is `input`.
    fn shown_value(&self, index: usize, input: usize, event: &ExplainedEvent) -> ShownValue {
        let text = event.inputs[input].as_deref();
        let value = text.and_then(|value| value.parse().ok());
        let input = &self.layout().inputs[input];
        ShownValue::new(&self.recipe.features[index], input, event, value)
    }
}

/// The value of a numeric feature, and how it is written.
struct ShownValue {
    value: Option<f64>,
    /// The feature's own value with its name. Where the expression is more than a column, the values of its columns
    /// follow, since they are in other units.
    own: String,
    /// The columns and their values alone.
    columns: String,
    /// Whether the value is that of a column of true and false.
    is_flag: bool,
}

impl ShownValue {
    fn new(feature: &Feature, input: &Input, event: &ExplainedEvent, value: Option<f64>) -> Self {
        let named = event
            .columns
            .iter()
            .filter(|(name, _)| input.columns.contains(name));
        let columns: Vec<&(String, Option<String>)> = named.collect();
        let is_column = column_of_expression(&input.sql).is_some();
        let is_flag = is_column
            && columns
                .iter()
                .any(|(_, text)| matches!(text.as_deref(), Some("true" | "false")));
        let values: Vec<String> = columns
            .iter()
            .map(|(name, text)| part(name, text))
            .collect();
        let values = values.join(", ");
        let own = value.map_or_else(|| "no value".to_owned(), plain_number);
        let own = match (&columns[..], is_column) {
            ([], _) => format!("{} {own}", feature.name),
            (_, true) => values.clone(),
            (columns, false) if columns.iter().any(|(name, _)| *name == feature.name) => {
                format!("feature {} {own} (column {values})", feature.name)
            }
            (_, false) => format!("{} {own} ({values})", feature.name),
        };
        Self {
            value,
            own,
            columns: match values.is_empty() {
                true => feature.name.clone(),
                false => values,
            },
            is_flag,
        }
    }

    /// Writes another value of the feature.
    fn other(&self, value: f64) -> String {
        match (self.is_flag, value) {
            (true, 0.0) => "false".to_owned(),
            (true, 1.0) => "true".to_owned(),
            _ => plain_number(value),
        }
    }
}

/// Returns a value with the name of its column, or the value alone if it comes from another expression.
fn part(sql: &str, value: &Option<String>) -> String {
    let is_column = sql
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_');
    match (value.as_deref().map(shortened), is_column) {
        (Some(value), true) => format!("{sql} {value}"),
        (Some(value), false) => value.into_owned(),
        (None, true) => format!("no {sql}"),
        (None, false) => "no value".to_owned(),
    }
}

/// Returns the facts about a rarity. `parts` are the value and what it is given.
fn describe_sighting(parts: &[String], sighting: Sighting) -> Vec<String> {
    let (value, given) = (&parts[0], &parts[1..]);
    let Sighting { count, of, dropped } = sighting;
    let context = given[dropped.min(given.len())..].join(" with ");
    let beside = if context.is_empty() {
        String::new()
    } else {
        format!(" with {context}")
    };
    let seen = match count {
        0 => format!("{value} was never seen in training{beside}"),
        _ => format!(
            "{value}: {} of the training events{beside}",
            share(count as f64, of as f64)
        ),
    };
    if dropped == 0 {
        return vec![seen];
    }
    let unseen = format!("{} was never seen in training", given.join(" with "));
    vec![unseen, seen]
}

/// Returns how common a category is in training.
fn describe_category(
    feature: &Feature,
    value: Option<&str>,
    categories: &[String],
    profile: &FeatureProfile,
) -> String {
    let Distribution::Categories(counts) = &profile.distribution else {
        return feature.name.clone();
    };
    let total: f64 = counts.iter().sum::<f64>() + profile.missing;
    let Some(value) = value else {
        return format!(
            "no {}: {} of the training events",
            feature.name,
            share(profile.missing, total)
        );
    };
    match categories.iter().position(|category| category == value) {
        Some(code) => format!(
            "{} {value}: {} of the training events",
            feature.name,
            share(counts[code], total)
        ),
        None => format!("{} {value} was never seen in training", feature.name),
    }
}

/// Returns how common a number is in training, or where it lies among the training events.
fn describe_number(feature: &Feature, shown: &ShownValue, profile: &FeatureProfile) -> Vec<String> {
    let Some(value) = shown.value else {
        return vec![format!("{}: no value", shown.columns)];
    };
    match &profile.distribution {
        Distribution::Values(values) => {
            describe_value(feature, shown, value, values, profile.missing)
        }
        Distribution::Ranges(ranges) => {
            let place = place(value, &profile.distribution, ranges);
            vec![format!("{}: {place}", shown.own)]
        }
        Distribution::Categories(_) => vec![feature.name.clone()],
    }
}

/// Returns how common a number is in training if it had few distinct numbers, and the most common one if it is another.
/// A number with a meaning is written as that meaning.
fn describe_value(
    feature: &Feature,
    shown: &ShownValue,
    value: f64,
    values: &[(f64, f64)],
    missing: f64,
) -> Vec<String> {
    let total: f64 = values.iter().map(|(_, count)| count).sum::<f64>() + missing;
    let of_value = values
        .iter()
        .find(|(known, _)| *known == value)
        .map_or(0.0, |(_, count)| *count);
    let usual =
        values.iter().copied().fold(
            (f64::NAN, 0.0),
            |best, next| {
                if next.1 > best.1 { next } else { best }
            },
        );
    let own = match meaning(feature, value) {
        Some(meaning) => format!("{} ({meaning})", shown.columns),
        None => shown.own.clone(),
    };
    let own = format!("{own}: {} of the training events", share(of_value, total));
    if usual.0 == value {
        return vec![own];
    }
    let name = meaning(feature, usual.0).map_or_else(|| shown.other(usual.0), str::to_owned);
    vec![own, format!("{}: {name}", share(usual.1, total))]
}

/// Returns where a number lies among the training events, or how common it is if it has a range of its own.
fn place(value: f64, distribution: &Distribution, ranges: &[ValueRange]) -> String {
    let total: f64 = ranges.iter().map(|range| range.count).sum();
    let heaviest = ranges.iter().filter(|range| range.low == range.high);
    let heaviest = heaviest.max_by(|left, right| left.count.total_cmp(&right.count));
    let own = ranges
        .iter()
        .find(|range| range.low == value && range.high == value);
    if let Some(own) = own {
        return format!("{} of the training events", share(own.count, total));
    }
    let [first, low, high, last] =
        [0.0, 0.25, 0.75, 1.0].map(|q| distribution.quantile(q).unwrap_or(f64::NAN));
    let place = match value {
        value if value < first => {
            let first = plain_number(first);
            format!("below all training events, which begin at {first}")
        }
        value if value > last => {
            let last = plain_number(last);
            format!("above all training events, which end at {last}")
        }
        _ => {
            let [first, last] = [first, last].map(plain_number);
            format!("training events lie between {first} and {last}")
        }
    };
    let most = match heaviest {
        Some(range) if range.count >= total / 2.0 => {
            let most = share(range.count, total);
            format!("{most} of them are {}", plain_number(range.low))
        }
        _ => {
            let middle = middle(ranges, low, high);
            let [low, high] = [low, high].map(plain_number);
            format!("{middle} of them between {low} and {high}")
        }
    };
    format!("{place}, {most}")
}

/// Returns the share of the training events from `low` to `high`, which are quartiles, in words: it is more than half where
/// a quartile is a value that many events have.
fn middle(ranges: &[ValueRange], low: f64, high: f64) -> String {
    let total: f64 = ranges.iter().map(|range| range.count).sum();
    let inside = ranges.iter().filter(|range| {
        let is_value = range.low == range.high;
        range.high <= high && (range.low > low || is_value && range.low == low)
    });
    let inside: f64 = inside.map(|range| range.count).sum();
    if inside / total <= 0.55 {
        "half".into()
    } else {
        share(inside, total)
    }
}

/// Returns the meaning of a coded value, if the recipe gives one.
fn meaning(feature: &Feature, value: f64) -> Option<&str> {
    feature.values.get(&value.to_string()).map(String::as_str)
}

/// Returns a share in words. Only an exact 0 is "none" and only an exact 1 is "all": one event in a million is neither.
fn share(count: f64, of: f64) -> String {
    match count {
        0.0 => "none".into(),
        count if count == of => "all".into(),
        count => percent(count / of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarities_are_described_in_sentences() {
        let parts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let process = parts(&["processName scan"]);
        let event = parts(&["eventName connect", "processName scan"]);
        let sighting = |count, of, dropped| Sighting { count, of, dropped };
        assert_eq!(
            describe_sighting(&process, sighting(0, 1000, 0)),
            ["processName scan was never seen in training"]
        );
        assert_eq!(
            describe_sighting(&event, sighting(5, 1000, 0)),
            ["eventName connect: 0.50 % of the training events with processName scan"]
        );
        assert_eq!(
            describe_sighting(&event, sighting(0, 1000, 0)),
            ["eventName connect was never seen in training with processName scan"]
        );
        assert_eq!(
            describe_sighting(&event, sighting(5, 1000, 1)),
            [
                "processName scan was never seen in training",
                "eventName connect: 0.50 % of the training events"
            ]
        );
    }
}
