//! Explanations of scores: what each feature contributes to an event's score, and how its value compares with the
//! training events, in words.

mod facts;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use learn::iforest::{ExplainError, Explanation};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::features::{EncodingData, RowKey, row_key};
use crate::model::Model;
use crate::recipe::Recipe;
use crate::recipe::layout::FeatureInputs;
use facts::{Fact, ShownValue, describe_category, describe_number, describe_sighting, part};

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
    /// The share of the training events that have the value, among those with the values that it is given; of a number
    /// among many, the share of those that lie as far from the middle. `None` if the model does not know it.
    pub share: Option<f64>,
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
    model: Held<'a>,
    known: HashMap<RowKey, Explanation>,
}

/// A feature's contribution to the score of an event, and the facts about its value.
struct Finding {
    feature: usize,
    contribution: f64,
    facts: Vec<Fact>,
}

impl Finding {
    /// Joins the facts to a text. The least share of them is that of the reason.
    fn into_reason(self, recipe: &Recipe) -> Reason {
        let texts: Vec<&str> = self.facts.iter().map(|fact| fact.text.as_str()).collect();
        let shares = self.facts.iter().filter_map(|fact| fact.share);
        Reason {
            feature: recipe.features[self.feature].name.clone(),
            contribution: self.contribution,
            text: texts.join("; "),
            share: shares.min_by(f64::total_cmp),
        }
    }
}

/// The number of reasons that are given for an anomaly.
pub const REASONS: usize = 3;
/// The greatest number of contributions that are remembered: feature rows × features.
const REMEMBERED: usize = 1 << 18;

/// A model that is borrowed or shared.
enum Held<'a> {
    Borrowed(&'a Model),
    Shared(Arc<Model>),
}

impl Deref for Held<'_> {
    type Target = Model;

    fn deref(&self) -> &Model {
        match self {
            Self::Borrowed(model) => model,
            Self::Shared(model) => model,
        }
    }
}

impl Attribution<'static> {
    /// Returns an explainer that shares the model, and remembers no feature rows yet.
    pub fn shared(model: &Arc<Model>) -> Self {
        Self {
            model: Held::Shared(Arc::clone(model)),
            known: HashMap::new(),
        }
    }
}

impl<'a> Attribution<'a> {
    /// Returns an explainer that remembers no feature rows yet.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model: Held::Borrowed(model),
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
        let mut stated: Vec<Fact> = Vec::new();
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
    fn describe(&self, index: usize, event: &ExplainedEvent) -> Vec<Fact> {
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
            (FeatureInputs::Own(input), _) if !self.training.is_described() => {
                vec![Fact::plain(self.shown_value(index, *input, event).own)]
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
