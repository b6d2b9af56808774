//! The report: a model's verdicts, the effect of other thresholds, and the most anomalous events.

use std::sync::Arc;

use super::alerts::{AlertRule, Alerts};
use super::incidents::{MAX_INCIDENTS, ReportIncidents, count_at_positions};
use super::places::Places;
use super::steps::Steps;
use crate::drift::{Drift, drift};
use crate::engine::Engine;
use crate::error::Result;
use crate::evaluate::{Evaluation, JudgedKeys, Tally};
use crate::groups::Keys;
use crate::labels::labels;
use crate::leakage::refuse_leaked_labels;
use crate::model::Model;
use crate::score::{Anomaly, Listing, most_anomalous};
use crate::scored::{Order, ScoredCounts};
use crate::source::{Source, no_events};

/// The number of most anomalous events in a report.
const SHOWN: usize = 25;

/// The figures of a report on a model's verdicts.
#[derive(Debug, Clone)]
pub struct Report {
    /// The hosts and days of the events.
    pub places: Places,
    /// The figures at the model's threshold; its `labels` are empty where the data has none.
    pub evaluation: Evaluation,
    /// The events by score, label and place. The positives of a step are in the order of the evaluation's labels.
    pub steps: Steps,
    /// The alerts; `None` where the data has no columns to group events by.
    pub alerts: Option<Alerts>,
    /// The incidents, and their numbers at other thresholds.
    pub incidents: ReportIncidents,
    /// The most anomalous events, highest score first. Events with the same features are listed once.
    pub anomalies: Vec<Anomaly>,
    /// The differences from the training data.
    pub drift: Drift,
    /// The number of values of categorical features that training did not have.
    pub unseen_categories: u64,
}

/// Counts of the events above a threshold, against one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdCounts {
    /// The threshold, which the scores of the counted events exceed.
    pub threshold: f64,
    /// The counted events that are labelled 1.
    pub true_positives: u64,
    /// The counted events that are labelled 0.
    pub false_positives: u64,
}

/// Counts of one host above the model's threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// The anomalous events.
    pub events: u64,
    /// The alerts; 0 where the report has none.
    pub alerts: u64,
    /// The incidents.
    pub incidents: u64,
}

/// Evaluates `model` on `source` for a report. The labels are `label`, or those of the data's log that it has. Without labels the
/// report has no figures that need them.
///
/// # Errors
/// Fails when the data has no events, lacks the recipe's columns or `label`, when a feature of the model is computed from a
/// label, when the data has labels that are neither 0 nor 1, or cannot be
/// read.
pub async fn report(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    label: Option<&str>,
) -> Result<Report> {
    let labels = present_labels(source, label)?;
    refuse_leaked_labels(model, source, &labels)?;
    let places = Places::find(engine, source).await?;
    if places.events == 0 {
        return Err(no_events(source));
    }
    let shared = Arc::new(model.clone());
    let (mut evaluation, steps) = judge(engine, &shared, source, &labels, &places).await?;
    let (found, held) = evaluation
        .judge_incidents(engine, model, source, MAX_INCIDENTS)
        .await?;
    let counts = count_at_positions(engine, model, source, &steps, &places).await?;
    let alerts = match AlertRule::new(source, &places) {
        Some(rule) => {
            let cells = rule.count(engine, &shared, source, &steps).await?;
            Some(Alerts::new(rule.definition(), cells, &steps))
        }
        None => None,
    };
    let most = most_anomalous(engine, model, source, Listing::top(SHOWN)).await?;
    let drift = drift(engine, model, source).await?;
    Ok(Report {
        places,
        evaluation,
        steps,
        alerts,
        incidents: ReportIncidents {
            found,
            held,
            counts,
        },
        anomalies: most.anomalies,
        drift,
        unseen_categories: most.summary.unseen_categories,
    })
}

/// Returns the labels to judge against: none where the data has none and none was named.
fn present_labels(source: &Source, label: Option<&str>) -> Result<Vec<String>> {
    let mut own = source.log().labels().iter();
    let has_any = own.any(|label| source.has_column(label));
    if label.is_none() && !has_any {
        return Ok(Vec::new());
    }
    labels(source, label)
}

/// Computes the figures against labels, and the counts by score, in one scan.
async fn judge(
    engine: &Engine,
    model: &Arc<Model>,
    source: &mut Source,
    labels: &[String],
    places: &Places,
) -> Result<(Evaluation, Steps)> {
    let mut keys = Keys::default();
    let judged = JudgedKeys::add(&mut keys, source, labels)?;
    let place = keys.add(places.key());
    let counts = ScoredCounts {
        model,
        keys: &keys,
        order: Order::Descending,
    };
    let threshold = model.threshold();
    let start = || (Tally::new(&judged, threshold), Steps::new(threshold.value));
    let (tally, steps) = counts
        .fold(engine, source, start, |(tally, steps), group| {
            let classes = judged.classes(group.keys)?;
            let place = group.keys.get(place).unwrap_or(0);
            let place = u32::try_from(place).unwrap_or(0);
            steps.push(group.score, group.events, &classes, place);
            tally.push(group)
        })
        .await?;
    Ok((tally.finish(model.recipe().name.clone()), steps))
}

impl Report {
    /// Returns the counts above each step of the scores, against the label at position `label` of the evaluation. The
    /// first entry counts nothing and the last one all events, so there is one entry more than there are steps. The
    /// threshold of an entry is the highest score that it does not count, or the model's own threshold where that gives
    /// the same counts.
    ///
    /// # Panics
    /// The evaluation has no such label.
    pub fn thresholds(&self, label: usize) -> Vec<ThresholdCounts> {
        let steps = self.steps.steps();
        let mut all = Vec::with_capacity(steps.len() + 1);
        let (mut true_positives, mut false_positives) = (0, 0);
        for position in 0..=steps.len() {
            all.push(ThresholdCounts {
                threshold: self.steps.threshold(position),
                true_positives,
                false_positives,
            });
            if let Some(step) = steps.get(position) {
                true_positives += step.positives[label];
                false_positives += step.events - step.positives[label];
            }
        }
        all
    }

    /// Counts the events, alerts and incidents at the model's threshold by host, in the order of the hosts in `places`.
    pub fn by_host(&self) -> Vec<HostCounts> {
        let mut hosts = vec![HostCounts::default(); self.places.hosts.len()];
        let above = self.steps.above_threshold();
        for step in &self.steps.steps()[..above] {
            for (place, events) in &step.places {
                if let Some(host) = hosts.get_mut(self.places.host_of(*place)) {
                    host.events += events;
                }
            }
        }
        let cells = self.alerts.iter().flat_map(|alerts| &alerts.cells);
        for ((_, place), alerts) in cells.filter(|((step, _), _)| *step < above) {
            if let Some(host) = hosts.get_mut(self.places.host_of(*place)) {
                host.alerts += alerts;
            }
        }
        let own = self.incidents.counts.get(&above);
        for (place, incidents) in own.into_iter().flatten() {
            if let Some(host) = hosts.get_mut(self.places.host_of(*place)) {
                host.incidents += incidents;
            }
        }
        hosts
    }
}
