//! The report: how a model judges some events, what another threshold would change, and which events to look at.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::alerts::{AlertCells, AlertRule};
use super::page::Page;
use super::places::Places;
use super::steps::Steps;
use super::view::ReportPage;
use crate::distil::Key;
use crate::drift::{Drift, drift};
use crate::engine::Engine;
use crate::error::Result;
use crate::evaluate::{Evaluation, Tally, rule_key};
use crate::labels::{class_of, label_key, labels};
use crate::model::Model;
use crate::score::{Anomaly, most_anomalous};
use crate::scored::{Order, ScoredCounts};
use crate::source::{Source, no_events};

/// How many of the most anomalous events a report shows.
const SHOWN: usize = 25;

/// Where a page comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The model's file.
    pub model: &'a Path,
    /// The command that makes the page, as a person would type it, without secrets.
    pub command: &'a str,
}

/// A report and the figures in it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The figures at the model's threshold; no labels where the data has none.
    pub evaluation: Evaluation,
    /// How many alerts the anomalous events are; `None` where nothing groups them.
    pub alerts: Option<u64>,
    /// What an alert is.
    pub alert_definition: Option<String>,
    /// The page.
    #[serde(skip)]
    pub page: Page,
}

/// All that a report says.
pub(super) struct Findings<'a> {
    pub model: &'a Model,
    pub origin: Origin<'a>,
    pub source: &'a Source,
    pub places: Places,
    pub evaluation: Evaluation,
    pub labels: Vec<String>,
    pub steps: Steps,
    pub alert_rule: Option<AlertRule>,
    pub alerts: AlertCells,
    pub anomalies: Vec<Anomaly>,
    pub drift: Drift,
    pub unseen_categories: u64,
}

/// Judges `source` by `model` and makes a page of it. Labels are `label`, or those of the data's log that it has; without
/// any the page has no figures that need them.
///
/// # Errors
/// The data has no events, lacks the recipe's columns or `label`, has labels that are neither 0 nor 1, or cannot be read.
pub async fn report(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    label: Option<&str>,
    origin: Origin<'_>,
) -> Result<Report> {
    let labels = present_labels(source, label)?;
    let places = Places::find(engine, source).await?;
    if places.events == 0 {
        return Err(no_events(source));
    }
    let shared = Arc::new(model.clone());
    let (evaluation, steps) = judge(engine, &shared, source, &labels, &places).await?;
    let alert_rule = AlertRule::new(source, &places);
    let alerts = match &alert_rule {
        Some(rule) => rule.count(engine, &shared, source, &steps).await?,
        None => AlertCells::new(),
    };
    let (summary, anomalies) = most_anomalous(engine, model, source, SHOWN, false).await?;
    let drift = drift(engine, model, source).await?;
    let findings = Findings {
        model,
        origin,
        source,
        places,
        evaluation,
        labels,
        steps,
        alert_rule,
        alerts,
        anomalies,
        drift,
        unseen_categories: summary.unseen_categories,
    };
    findings.finish()
}

/// The labels to judge against; none where the data has none and none was named.
fn present_labels(source: &Source, label: Option<&str>) -> Result<Vec<String>> {
    let mut own = source.log().labels().iter();
    let has_any = own.any(|label| source.has_column(label));
    if label.is_none() && !has_any {
        return Ok(Vec::new());
    }
    labels(source, label)
}

/// The figures against labels, and what lies above each score, in one scan.
async fn judge(
    engine: &Engine,
    model: &Arc<Model>,
    source: &mut Source,
    labels: &[String],
    places: &Places,
) -> Result<(Evaluation, Steps)> {
    let mut keys = labels
        .iter()
        .map(|name| label_key(source, name))
        .collect::<Result<Vec<Key>>>()?;
    let rule = rule_key(source);
    let rule_name = rule.as_ref().map(|(rule, _)| rule.to_string());
    keys.extend(rule.map(|(_, key)| key));
    keys.push(places.key());
    let counts = ScoredCounts {
        model,
        keys: &keys,
        order: Order::Descending,
    };
    let threshold = model.threshold();
    let start = || (Tally::new(labels, threshold), Steps::new(threshold.value));
    let (tally, steps) = counts
        .fold(engine, source, start, |(tally, steps), group| {
            let classes = labels
                .iter()
                .zip(group.keys)
                .map(|(label, key)| class_of(label, *key))
                .collect::<Result<Vec<bool>>>()?;
            let place = group.keys.last().copied().flatten().unwrap_or(0);
            let place = u32::try_from(place).unwrap_or(0);
            steps.push(group.score, group.events, &classes, place);
            tally.push(group)
        })
        .await?;
    let recipe = model.recipe().name.clone();
    Ok((tally.finish(recipe, rule_name.as_deref()), steps))
}

impl Findings<'_> {
    fn finish(self) -> Result<Report> {
        let above = self.steps.above_threshold();
        let alerts = self
            .alerts
            .iter()
            .filter(|((step, _), _)| *step < above)
            .map(|(_, alerts)| alerts)
            .sum();
        let page = ReportPage::new(&self, alerts)?;
        Ok(Report {
            page: Page::render(&page)?,
            alerts: self.alert_rule.is_some().then_some(alerts),
            alert_definition: self.alert_rule.as_ref().map(AlertRule::definition),
            evaluation: self.evaluation,
        })
    }
}
