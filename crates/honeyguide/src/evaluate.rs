//! Evaluation of a model's scores and verdicts on labelled data, compared with baselines that need no model.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::cast;
use learn::chance::Share;
use learn::metrics::{Confusion, RocAccumulator};
use serde::Serialize;

use crate::clock::TimeColumn;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::groups::{Key, KeyId, KeyValues, Keys};
use crate::incident::{IncidentFigures, IncidentOptions, Incidents, judge_incidents};
use crate::labels::{class_of, label_key, labels};
use crate::leakage::refuse_leaked_labels;
use crate::log::BaselineRule;
use crate::model::{Model, Threshold, ThresholdMethod, is_beyond_chance};
use crate::scored::{Order, ScoredCounts, ScoredGroup};
use crate::source::{Source, no_events};

/// The name of the baseline that flags every event.
const EVERYTHING_NAME: &str = "flag everything";

/// The results of a model on labelled data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The name of the model's recipe.
    pub recipe: String,
    /// The number of events that were evaluated.
    pub events: u64,
    /// The number of events above the threshold.
    pub anomalous: u64,
    /// The threshold above which an event was anomalous.
    pub threshold: Threshold,
    /// The results against each label.
    pub labels: Vec<LabelEvaluation>,
}

/// The results against one label. An undefined figure is `None`, such as the AUROC if all events have the same class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelEvaluation {
    /// The name of the label's column.
    pub label: String,
    /// The number of events labelled 1.
    pub positives: u64,
    /// The number of events labelled 0.
    pub negatives: u64,
    /// The area under the ROC curve of the scores.
    pub roc_auc: Option<f64>,
    /// The average precision of the scores.
    pub average_precision: Option<f64>,
    /// The counts and rates of the verdicts at the threshold.
    pub verdicts: Verdicts,
    /// The false-positive rate on events labelled 0, and the rate that the threshold was set for; `None` if it was not
    /// set for a rate.
    pub false_positive_rates: Option<Rates>,
    /// The results of the baselines.
    pub baselines: Vec<Baseline>,
    /// The figures of the incidents; `None` where they were not judged, as for data that can be read only once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<IncidentFigures>,
}

/// A false-positive rate: the one that was asked for, and the one on the data that was evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rates {
    /// The rate that the threshold was set for, from 0 to 1.
    pub nominal: f64,
    /// The rate on the data that was evaluated, from 0 to 1.
    pub realised: f64,
    /// The number of events with the label 0 that were flagged.
    pub flagged: u64,
    /// The number of events with the label 0.
    pub events: u64,
    /// Whether one rate is more than twice the other, and the realised rate differs by more than chance from that on the
    /// events that the threshold was set on.
    pub far_apart: bool,
    /// A sentence if the events that the threshold was set on are too few for the nominal rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
}

impl Rates {
    /// Compares the share of the events with the label 0 that are flagged with the rate that a threshold was set for.
    /// Returns `None` if it was set for none, or if there are no such events.
    fn new(method: &ThresholdMethod, now: Share) -> Option<Self> {
        let nominal = method.nominal_rate()?;
        let realised = now.rate();
        let is_far = realised > 2.0 * nominal || nominal > 2.0 * realised;
        (now.whole > 0).then(|| Self {
            nominal,
            realised,
            flagged: now.part,
            events: now.whole,
            far_apart: is_far && is_beyond_chance(now, &method.set_on()),
            unresolved: method.unresolved(),
        })
    }
}

/// A detector that needs no model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// The detector's rule, as its name.
    pub name: String,
    /// The counts and rates of the detector's verdicts.
    pub verdicts: Verdicts,
}

/// Counts and rates of hard verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdicts {
    /// The number of events labelled 1 that were flagged.
    pub true_positives: u64,
    /// The number of events labelled 0 that were flagged.
    pub false_positives: u64,
    /// The number of events labelled 0 that were not flagged.
    pub true_negatives: u64,
    /// The number of events labelled 1 that were not flagged.
    pub false_negatives: u64,
    /// The share of flagged events that are labelled 1.
    pub precision: Option<f64>,
    /// The share of events labelled 1 that were flagged.
    pub recall: Option<f64>,
    /// The share of events labelled 0 that were flagged.
    pub false_positive_rate: Option<f64>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// The area under the ROC curve if the verdicts are taken as scores: the mean of recall and specificity.
    pub roc_auc: Option<f64>,
}

impl From<Confusion> for Verdicts {
    fn from(confusion: Confusion) -> Self {
        Self {
            true_positives: confusion.tp,
            false_positives: confusion.fp,
            true_negatives: confusion.tn,
            false_negatives: confusion.fn_,
            precision: confusion.precision(),
            recall: confusion.recall(),
            false_positive_rate: confusion.false_positive_rate(),
            f1: confusion.f1(),
            roc_auc: confusion.hard_roc_auc(),
        }
    }
}

/// Evaluates `model` on `source` against `label`, or against those labels of the data's log that it has.
///
/// # Errors
/// Fails when the data has no label, when a feature of the model is computed from a label, when a label is neither 0 nor
/// 1, and when the data lacks the recipe's columns,
/// cannot be read or has no rows.
pub async fn evaluate(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    label: Option<&str>,
) -> Result<Evaluation> {
    let labels = labels(source, label)?;
    refuse_leaked_labels(model, source, &labels)?;
    let mut keys = Keys::default();
    let judged = JudgedKeys::add(&mut keys, source, &labels)?;
    let model = Arc::new(model.clone());
    let counts = ScoredCounts {
        model: &model,
        keys: &keys,
        order: Order::Descending,
    };
    let start = || Tally::new(&judged, model.threshold());
    let tally = counts.fold(engine, source, start, Tally::push).await?;
    if tally.events == 0 {
        return Err(no_events(source));
    }
    let mut evaluation = tally.finish(model.recipe().name.clone());
    // Incidents need hosts or times. In a table without them, they would be groups of rows with the same strongest reason.
    let has_incidents = source.host().is_some() || TimeColumn::of(source).is_some();
    if source.is_repeatable() && has_incidents {
        evaluation
            .judge_incidents(engine, &model, source, 1)
            .await?;
    }
    Ok(evaluation)
}

impl Evaluation {
    /// Adds the figures of the incidents of `source`, on which `model` was evaluated, to those of each label. Returns the
    /// incidents with the highest scores, at most `limit`, and which labels their events have.
    ///
    /// # Errors
    /// Fails as [`incidents`](crate::incident::incidents) does.
    pub(crate) async fn judge_incidents(
        &mut self,
        engine: &Engine,
        model: &Model,
        source: &mut Source,
        limit: usize,
    ) -> Result<(Incidents, Vec<Vec<bool>>)> {
        let labels = self.labels.iter().map(|label| label.label.clone());
        let labels: Vec<String> = labels.collect();
        let options = IncidentOptions {
            limit,
            ..IncidentOptions::default()
        };
        let judged = judge_incidents(engine, model, source, &options, &labels).await?;
        for (label, figures) in self.labels.iter_mut().zip(judged.figures) {
            label.incidents = Some(figures);
        }
        Ok((judged.found, judged.held))
    }
}

/// Returns the log's rule and the key that says whether it flags an event, if the data has its column.
fn rule_key(source: &Source) -> Option<(&'static BaselineRule, Key)> {
    let rule = source.log().baseline()?;
    let mut columns = source.columns().iter();
    let column = columns.find(|column| column.name == rule.column)?;
    let key = || Key {
        name: "__rule".into(),
        expr: cast(rule.expr(), DataType::Int64),
    };
    (column.data_type.is_numeric()).then(|| (rule, key()))
}

/// The keys that an evaluation needs, among the keys of a query.
#[derive(Debug, Clone)]
pub(crate) struct JudgedKeys {
    /// The labels, each with its key.
    labels: Vec<(String, KeyId)>,
    /// The log's rule in words and the key that says whether it flags an event, if the data has its column.
    rule: Option<(String, KeyId)>,
}

impl JudgedKeys {
    /// Adds the keys of `labels` and of the rule to `keys`.
    ///
    /// # Errors
    /// Fails when the data lacks a label, and when a label's column cannot hold 0 and 1.
    pub fn add(keys: &mut Keys, source: &Source, labels: &[String]) -> Result<Self> {
        let labels = labels
            .iter()
            .map(|label| Ok((label.clone(), keys.add(label_key(source, label)?))));
        let labels = labels.collect::<Result<_>>()?;
        let rule = rule_key(source).map(|(rule, key)| (rule.to_string(), keys.add(key)));
        Ok(Self { labels, rule })
    }

    /// Returns the class of a group by each label, in the order of the labels: true for 1, false for 0.
    ///
    /// # Errors
    /// Fails when a label is neither 0 nor 1.
    pub fn classes(&self, values: KeyValues) -> Result<Vec<bool>> {
        let classes = self.labels.iter();
        classes
            .map(|(label, key)| class_of(label, values.get(*key)))
            .collect()
    }
}

/// The counts over events, which come in descending order of their scores.
pub(crate) struct Tally<'a> {
    keys: &'a JudgedKeys,
    threshold: Threshold,
    events: u64,
    anomalous: u64,
    labels: Vec<LabelTally>,
}

/// The counts against one label.
struct LabelTally {
    label: String,
    ranking: RocAccumulator,
    verdicts: Confusion,
    rule: Confusion,
}

impl<'a> Tally<'a> {
    /// Returns a tally without events.
    pub fn new(keys: &'a JudgedKeys, threshold: &Threshold) -> Self {
        let labels = keys.labels.iter().map(|(label, _)| LabelTally {
            label: label.clone(),
            ranking: RocAccumulator::new(),
            verdicts: Confusion::default(),
            rule: Confusion::default(),
        });
        Self {
            threshold: threshold.clone(),
            events: 0,
            anomalous: 0,
            labels: labels.collect(),
            keys,
        }
    }

    /// Counts the events of a group.
    ///
    /// # Errors
    /// Fails when a label is neither 0 nor 1.
    pub fn push(&mut self, group: ScoredGroup) -> Result<()> {
        let is_anomalous = self.threshold.flags(group.score);
        let rule = self.keys.rule.as_ref();
        let by_rule = rule.and_then(|(_, rule)| group.keys.get(*rule)) == Some(1);
        self.events += group.events;
        self.anomalous += if is_anomalous { group.events } else { 0 };
        let classes = self.keys.classes(group.keys)?;
        for (tally, is_positive) in self.labels.iter_mut().zip(classes) {
            let (positives, negatives) = if is_positive {
                (group.events, 0)
            } else {
                (0, group.events)
            };
            tally
                .ranking
                .push_descending(group.score, positives, negatives)
                .map_err(|error| Error::internal(error.to_string()))?;
            tally.verdicts.push(is_anomalous, positives, negatives);
            tally.rule.push(by_rule, positives, negatives);
        }
        Ok(())
    }

    /// Returns the results. `recipe` is the name of the model's recipe.
    pub fn finish(self, recipe: String) -> Evaluation {
        let rule = self.keys.rule.as_ref().map(|(name, _)| name.as_str());
        let method = &self.threshold.method;
        let labels = self.labels.into_iter();
        Evaluation {
            recipe,
            events: self.events,
            anomalous: self.anomalous,
            labels: labels.map(|tally| tally.finish(method, rule)).collect(),
            threshold: self.threshold,
        }
    }
}

impl LabelTally {
    fn finish(self, method: &ThresholdMethod, rule: Option<&str>) -> LabelEvaluation {
        let ranking = self.ranking.finish();
        let negatives = Share {
            part: self.verdicts.fp,
            whole: ranking.negatives,
        };
        let mut everything = Confusion::default();
        everything.push(true, ranking.positives, ranking.negatives);
        let rule = rule.map(|name| (name, self.rule));
        let baselines = [(EVERYTHING_NAME, everything)].into_iter().chain(rule);
        LabelEvaluation {
            label: self.label,
            positives: ranking.positives,
            negatives: ranking.negatives,
            roc_auc: ranking.roc_auc,
            average_precision: ranking.average_precision,
            verdicts: self.verdicts.into(),
            false_positive_rates: Rates::new(method, negatives),
            baselines: baselines
                .map(|(name, confusion)| Baseline {
                    name: name.to_owned(),
                    verdicts: confusion.into(),
                })
                .collect(),
            incidents: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_far_apart_if_one_is_more_than_twice_the_other_and_more_than_chance() {
        // Probabilities of scipy.stats.hypergeom, twice the tail.
        for (flagged, events, far_apart) in [
            (2, 100, false),    // not more than twice
            (21, 1_000, true),  // 0.006
            (3, 100, false),    // 0.16
            (1, 40, false),     // 0.67
            (5, 1_000, false),  // not less than half
            (0, 100, false),    // 0.74
            (4, 1_000, false),  // 0.07
            (20, 10_000, true), // 5e-14
        ] {
            let method = ThresholdMethod::Calibrated {
                nominal_rate: 0.01,
                realised_rate: 0.01,
                events: 10_000,
            };
            let now = Share {
                part: flagged,
                whole: events,
            };
            let found = Rates::new(&method, now).expect("rates");
            assert_eq!(found.far_apart, far_apart, "{flagged} of {events}");
        }
        let none = Share { part: 0, whole: 0 };
        assert_eq!(Rates::new(&ThresholdMethod::Auto {}, none), None);
    }
}
