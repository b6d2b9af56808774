//! Why an event has its score: what each feature contributes, and what was normal in training, in words.

use std::collections::{BTreeMap, HashMap};

use learn::iforest::Explanation;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::features::{EncodingData, RowKey, Sighting, row_key};
use crate::model::{Distribution, FeatureProfile, Model};
use crate::recipe::layout::FeatureInputs;
use crate::recipe::{Feature, Recipe};

/// What a feature has to do with an event's score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The feature.
    pub feature: String,
    /// What it adds to the event's normalised path length, compared with the mean of the training events: its exact
    /// Shapley value (Lundberg et al. 2020, path-dependent TreeSHAP). Negative values make the event more anomalous.
    pub contribution: f64,
    /// The event's value and what is normal, in words.
    pub text: String,
}

/// Why an event has its score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventExplanation {
    /// −log2 of the score: the mean path length over c(max_samples). `base` plus the sum of all contributions.
    pub normalised_path_length: f64,
    /// Its mean over the events that the trees were grown on.
    pub base: f64,
    /// One per feature, the one that speaks most for an anomaly first.
    pub reasons: Vec<Reason>,
}

/// An event as explanations need it.
pub(crate) struct ExplainedEvent<'a> {
    /// As the forest sees it.
    pub features: &'a [f64],
    /// The recipe's inputs as text; a null is `None`.
    pub inputs: &'a [Option<String>],
    /// The event's columns and values.
    pub columns: &'a [(String, Option<String>)],
}

/// Contributions of many events, of which most have been met before.
pub(crate) struct Attribution<'a> {
    model: &'a Model,
    known: HashMap<RowKey, Explanation>,
}

/// What a feature has to say of an event, fact by fact.
struct Finding {
    feature: usize,
    contribution: f64,
    facts: Vec<String>,
}

impl Finding {
    fn into_reason(self, recipe: &Recipe) -> Reason {
        Reason {
            feature: recipe.features[self.feature].name.clone(),
            contribution: self.contribution,
            text: self.facts.join("; "),
        }
    }
}

/// How many reasons an anomaly is given.
pub(crate) const REASONS: usize = 3;
/// Most contributions that are remembered: feature rows × features.
const REMEMBERED: usize = 1 << 18;

impl<'a> Attribution<'a> {
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            known: HashMap::new(),
        }
    }

    /// The first `count` reasons that speak for an anomaly.
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

impl Model {
    /// Explains one event by all features.
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

    /// Returns what each feature of a row, as the forest sees it, contributes to its score.
    ///
    /// # Errors
    /// Fails when the forest has extended splits, which cannot be explained.
    pub(crate) fn attribute(&self, features: &[f64]) -> Result<Explanation> {
        let explained = self.forest.explain(features);
        explained.map_err(|error| Error::usage(format!("this model cannot say why: {error}")))
    }

    /// The first `count` reasons that speak for an anomaly and say something new.
    fn reasons(
        &self,
        event: &ExplainedEvent,
        explained: &Explanation,
        count: usize,
    ) -> Vec<Reason> {
        let mut said: Vec<String> = Vec::new();
        let speaking = self
            .findings(event, explained)
            .take_while(|finding| finding.contribution < 0.0);
        let news = speaking.filter_map(|mut finding| {
            finding.facts.retain(|fact| !said.contains(fact));
            said.extend(finding.facts.iter().cloned());
            (!finding.facts.is_empty()).then(|| finding.into_reason(&self.recipe))
        });
        news.take(count).collect()
    }

    /// The strongest features for an anomaly first.
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

    fn describe(&self, index: usize, event: &ExplainedEvent) -> Vec<String> {
        let feature = &self.recipe.features[index];
        match (&self.layout().features[index], &self.encodings[index]) {
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
                let value = event.inputs[*input]
                    .as_deref()
                    .and_then(|value| value.parse().ok());
                let columns = self.raw_values(feature, event);
                describe_number(feature, &columns, value, &self.training.profile[index])
            }
        }
    }

    /// The event's own columns that a feature's expression names, with their values.
    fn raw_values(&self, feature: &Feature, event: &ExplainedEvent) -> String {
        let named = |column: &&(String, Option<String>)| {
            feature.sql().any(|sql| names_column(sql, &column.0))
        };
        let values = event
            .columns
            .iter()
            .filter(named)
            .map(|(name, value)| part(name, value));
        let values: Vec<String> = values.collect();
        if values.is_empty() {
            feature.name.clone()
        } else {
            values.join(", ")
        }
    }
}

/// Whether an expression has this identifier in it.
fn names_column(sql: &str, column: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    sql.match_indices(column).any(|(start, found)| {
        let before = sql[..start].chars().next_back();
        let after = sql[start + found.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// A value with its column's name, or alone where an expression gives it.
fn part(sql: &str, value: &Option<String>) -> String {
    let is_column = sql
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_');
    match (value, is_column) {
        (Some(value), true) => format!("{sql} {value}"),
        (Some(value), false) => value.clone(),
        (None, true) => format!("no {sql}"),
        (None, false) => "no value".to_owned(),
    }
}

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

fn describe_number(
    feature: &Feature,
    columns: &str,
    value: Option<f64>,
    profile: &FeatureProfile,
) -> Vec<String> {
    let Some(value) = value else {
        return vec![format!("{columns}: no value")];
    };
    match &profile.distribution {
        Distribution::Values(values) => {
            describe_value(feature, columns, value, values, profile.missing)
        }
        Distribution::Bins { edges, .. } => vec![format!("{columns}: {}", place(value, edges))],
        Distribution::Categories(_) => vec![feature.name.clone()],
    }
}

/// How common a number is among few different ones, and which is the most common where it is another.
fn describe_value(
    feature: &Feature,
    columns: &str,
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
    let own = format!(
        "{columns}{}: {} of the training events",
        meaning(feature, value, " "),
        share(of_value, total)
    );
    if usual.0 == value {
        return vec![own];
    }
    let mut name = meaning(feature, usual.0, "");
    if name.is_empty() {
        name = usual.0.to_string();
    }
    vec![own, format!("{}: {name}", share(usual.1, total))]
}

/// Where a number lies among the training events, of which an equal share lies between each two edges.
fn place(value: f64, edges: &[f64]) -> String {
    let last = edges.len() - 1;
    let (low, high) = (edges[last / 4], edges[last - last / 4]);
    let place = match value {
        value if value < edges[0] => {
            format!("below all training events, which begin at {}", edges[0])
        }
        value if value > edges[last] => {
            format!("above all training events, which end at {}", edges[last])
        }
        _ => format!(
            "training events lie between {} and {}",
            edges[0], edges[last]
        ),
    };
    format!("{place}, half of them between {low} and {high}")
}

/// What a coded value means, in brackets after `before`, or bare when that is empty.
fn meaning(feature: &Feature, value: f64, before: &str) -> String {
    let meanings: &BTreeMap<String, String> = &feature.values;
    match meanings.get(&value.to_string()) {
        Some(meaning) if before.is_empty() => meaning.clone(),
        Some(meaning) => format!("{before}({meaning})"),
        None => String::new(),
    }
}

/// A share in words: exact at both ends, so that one event in a million is not none.
fn share(count: f64, of: f64) -> String {
    if count == 0.0 {
        return "none".into();
    }
    if count == of {
        return "all".into();
    }
    let percent = 100.0 * count / of;
    match percent {
        p if p < 0.001 => "less than 0.001 %".into(),
        p if p < 0.1 => format!("{p:.3} %"),
        p if p <= 99.9 => format!("{p:.1} %"),
        p => format!("{:.3} %", p.min(99.999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sightings_read_like_sentences() {
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
            ["eventName connect: 0.5 % of the training events with processName scan"]
        );
        assert_eq!(
            describe_sighting(&event, sighting(0, 1000, 0)),
            ["eventName connect was never seen in training with processName scan"]
        );
        assert_eq!(
            describe_sighting(&event, sighting(5, 1000, 1)),
            [
                "processName scan was never seen in training",
                "eventName connect: 0.5 % of the training events"
            ]
        );
    }

    #[test]
    fn columns_are_found_as_whole_words() {
        assert!(names_column("CASE WHEN userId < 1000 THEN 0 END", "userId"));
        assert!(!names_column("parentProcessId", "ProcessId"));
    }
}
