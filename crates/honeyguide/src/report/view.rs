//! What the report's template shows: every figure in words.

use askama::Template;

use super::chart::{Chart, clip};
use super::judgement::Findings;
use super::live::Live;
use super::page::Frame;
use super::words::{host_name, per_day};
use crate::drift::{Closeness, Drift, FeatureDrift, PSI_FAR, PSI_SOME};
use crate::error::Result;
use crate::evaluate::{LabelEvaluation, Verdicts};
use crate::log::Log;
use crate::recipe::Feature;
use crate::score::Anomaly;
use crate::storage::redacted;
use crate::wording::{count, defined, of_them, percent, percent_of, printable};

/// Columns that are shown of an event that has none of the known ones.
const MAX_COLUMNS: usize = 8;
/// Values that are named of those that training did not have.
const UNSEEN_VALUES: usize = 3;
/// Rows of the table of thresholds.
const THRESHOLD_ROWS: usize = 20;

/// The report's template.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct ReportPage<'a> {
    frame: Frame,
    charts: Vec<Chart>,
    simulated: bool,
    findings: &'a Findings<'a>,
    unseen_categories: String,
    lead: Vec<String>,
    tiles: Vec<Tile>,
    labels: Vec<LabelView<'a>>,
    scores: Vec<ScoreTable>,
    slider: Slider,
    hosts: Vec<HostView>,
    anomalies: Vec<AnomalyView>,
    drift: Vec<DriftRow>,
    quantiles: Vec<[String; 3]>,
    drift_verdict: String,
    facts: Vec<(&'static str, String)>,
    features: Vec<(String, String)>,
}

struct Tile {
    name: String,
    value: String,
    note: String,
}

struct LabelView<'a> {
    index: usize,
    name: String,
    evaluation: &'a LabelEvaluation,
    /// How many events are labelled 1.
    positives: String,
    detectors: Vec<[String; 8]>,
    /// True and false positives, false and true negatives.
    counts: [String; 4],
    /// The same as shares of the events with their label.
    shares: [String; 4],
    thresholds: Vec<[String; 6]>,
}

/// A histogram as a table.
struct ScoreTable {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

struct Slider {
    steps: usize,
    value: usize,
    alert_definition: Option<String>,
    alerts: String,
    flagged: String,
    flagged_share: String,
    flagged_per_host_day: String,
    alerts_per_host_day: String,
    resolution: String,
}

struct HostView {
    name: String,
    events: String,
    days: String,
    flagged: String,
    flagged_per_day: String,
    alerts: String,
    alerts_per_day: String,
}

struct AnomalyView {
    score: String,
    alike: String,
    is_anomalous: bool,
    columns: Vec<(String, String)>,
    reasons: Vec<String>,
    place: String,
}

impl<'a> ReportPage<'a> {
    pub fn new(findings: &'a Findings<'a>, alerts: u64) -> Result<Self> {
        let live = Live::new(findings);
        let charts = findings.charts();
        let evaluation = &findings.evaluation;
        let labels = evaluation.labels.iter().enumerate();
        Ok(Self {
            frame: Frame::new(&charts, Some(&live))?,
            simulated: findings.source.is_simulated(),
            unseen_categories: count(findings.unseen_categories),
            lead: findings.lead(alerts),
            tiles: tiles(findings, alerts),
            labels: labels
                .map(|(index, label)| LabelView::new(findings, index, label))
                .collect(),
            scores: score_tables(findings),
            slider: Slider::new(findings, alerts),
            hosts: hosts(findings, &live),
            anomalies: anomalies(findings),
            drift: drift_rows(&findings.drift),
            quantiles: quantiles(&findings.drift),
            drift_verdict: printable(&findings.drift.verdict).into_owned(),
            facts: facts(findings),
            features: findings
                .model
                .recipe()
                .features
                .iter()
                .map(feature)
                .collect(),
            charts,
            findings,
        })
    }

    /// The chart called `id`, where the data has one.
    fn chart(&self, id: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.id == id)
    }

    fn has_days(&self) -> bool {
        self.findings.places.clock.is_some()
    }
}

impl Verdicts {
    /// True and false positives, false and true negatives.
    fn parts(&self) -> [u64; 4] {
        [
            self.true_positives,
            self.false_positives,
            self.false_negatives,
            self.true_negatives,
        ]
    }
}

fn rate(share: Option<f64>) -> String {
    share.map_or_else(|| "undefined".to_owned(), percent)
}

fn tiles(findings: &Findings, alerts: u64) -> Vec<Tile> {
    let evaluation = &findings.evaluation;
    let tile = |name: &str, value: String, note: String| Tile {
        name: name.to_owned(),
        value,
        note,
    };
    let host_days: u64 = findings.places.hosts.iter().map(|host| host.days).sum();
    let mut tiles = vec![
        tile("Events scored", count(evaluation.events), String::new()),
        tile(
            "Events flagged",
            count(evaluation.anomalous),
            format!(
                "{} of all",
                percent_of(evaluation.anomalous, evaluation.events)
            ),
        ),
    ];
    if findings.alert_rule.is_some() {
        let note = match host_days {
            0 => String::new(),
            days => format!("{} per host and day", per_day(alerts, days)),
        };
        tiles.push(tile("Alerts", count(alerts), note));
    }
    for label in &evaluation.labels {
        let name = format!("AUROC of scores, {}", printable(&label.label));
        let note = match label.roc_auc {
            Some(_) => format!("average precision {}", defined(label.average_precision)),
            None => "all events have one class".to_owned(),
        };
        tiles.push(tile(&name, defined(label.roc_auc), note));
    }
    tiles
}

impl<'a> LabelView<'a> {
    fn new(findings: &Findings, index: usize, evaluation: &'a LabelEvaluation) -> Self {
        let own = format!("honeyguide, {}", printable(&findings.evaluation.recipe));
        let scores = [
            defined(evaluation.roc_auc),
            defined(evaluation.average_precision),
        ];
        let none = || ["–".to_owned(), "–".to_owned()];
        let baselines = evaluation.baselines.iter();
        let baselines = baselines.map(|other| detector(&other.name, none(), &other.verdicts));
        let own = [detector(&own, scores, &evaluation.verdicts)];
        let (positives, negatives) = (evaluation.positives, evaluation.negatives);
        let parts = evaluation.verdicts.parts();
        let wholes = [positives, negatives, positives, negatives];
        let events = positives + negatives;
        let share = percent_of(positives, events);
        Self {
            index,
            name: printable(&evaluation.label).into_owned(),
            positives: format!(
                "{} of {} ({share})",
                count(positives),
                of_them(events, "event", "events")
            ),
            counts: parts.map(count),
            shares: std::array::from_fn(|part| percent_of(parts[part], wholes[part])),
            detectors: own.into_iter().chain(baselines).collect(),
            thresholds: thresholds(findings, index, evaluation),
            evaluation,
        }
    }
}

fn detector(name: &str, of_scores: [String; 2], verdicts: &Verdicts) -> [String; 8] {
    let [roc_auc, average_precision] = of_scores;
    [
        name.to_owned(),
        roc_auc,
        average_precision,
        defined(verdicts.roc_auc),
        rate(verdicts.precision),
        rate(verdicts.recall),
        rate(verdicts.false_positive_rate),
        defined(verdicts.f1),
    ]
}

/// What some thresholds give, the model's own among them.
fn thresholds(findings: &Findings, index: usize, evaluation: &LabelEvaluation) -> Vec<[String; 6]> {
    let all = findings.above(index);
    let stride = all.len().div_ceil(THRESHOLD_ROWS).max(1);
    let start = findings.steps.above_threshold();
    let shown = all.iter().enumerate();
    let shown = shown.filter(|(position, _)| position % stride == 0 || *position == start);
    let rows = shown.map(|(position, above)| {
        let flagged = above.true_positives + above.false_positives;
        let mark = if position == start {
            "this model's"
        } else {
            ""
        };
        [
            format!("{:.4}", above.threshold),
            mark.to_owned(),
            count(flagged),
            percent_or_undefined(above.true_positives, flagged),
            percent_or_undefined(above.true_positives, evaluation.positives),
            percent_or_undefined(above.false_positives, evaluation.negatives),
        ]
    });
    rows.collect()
}

fn percent_or_undefined(part: u64, whole: u64) -> String {
    rate((whole > 0).then(|| part as f64 / whole as f64))
}

fn score_tables(findings: &Findings) -> Vec<ScoreTable> {
    let of = |index: Option<usize>| {
        let bins = findings.score_bins(index);
        let filled = bins.iter().filter(|bin| bin.positives + bin.others > 0);
        let range = |low: f64, high: f64| format!("{low:.3} to {high:.3}");
        let name = index.map(|index| printable(&findings.labels[index]));
        let (title, counts) = match name {
            Some(name) => (
                format!("Scores by {name}"),
                vec![format!("{name} = 0"), format!("{name} = 1")],
            ),
            None => ("Scores".into(), vec!["events".into()]),
        };
        let rows = filled.map(|bin| {
            let mut row = vec![range(bin.low, bin.high), count(bin.others)];
            row.extend(index.map(|_| count(bin.positives)));
            row
        });
        ScoreTable {
            rows: rows.collect(),
            header: ["scores".into()].into_iter().chain(counts).collect(),
            title,
        }
    };
    match findings.labels.len() {
        0 => vec![of(None)],
        labels => (0..labels).map(|index| of(Some(index))).collect(),
    }
}

impl Slider {
    fn new(findings: &Findings, alerts: u64) -> Self {
        let steps = findings.steps.steps().len();
        let (flagged, events) = (findings.evaluation.anomalous, findings.evaluation.events);
        let host_days = findings.places.hosts.iter().map(|host| host.days).sum();
        let resolution = match findings.steps.width() {
            None => format!(
                "Every one of the {} distinct scores is a position of the slider.",
                count(steps as u64)
            ),
            Some(width) => format!(
                "Scores are taken together in {} steps of {width:.4}; the figures at each position are exact.",
                count(steps as u64)
            ),
        };
        Self {
            steps,
            value: steps - findings.steps.above_threshold(),
            alert_definition: findings.alert_rule.as_ref().map(|rule| rule.definition()),
            alerts: count(alerts),
            flagged: count(flagged),
            flagged_share: percent_of(flagged, events),
            flagged_per_host_day: per_day(flagged, host_days),
            alerts_per_host_day: per_day(alerts, host_days),
            resolution,
        }
    }
}

fn hosts(findings: &Findings, live: &Live) -> Vec<HostView> {
    let places = &findings.places;
    let counts = live.by_host().into_iter().enumerate();
    let rows = counts.map(|(index, above)| {
        let host = &places.hosts[index];
        HostView {
            name: clip(&host_name(places, index)),
            events: count(host.events),
            days: count(host.days),
            flagged: count(above.events),
            flagged_per_day: per_day(above.events, host.days),
            alerts: count(above.alerts),
            alerts_per_day: per_day(above.alerts, host.days),
        }
    });
    rows.collect()
}

fn anomalies(findings: &Findings) -> Vec<AnomalyView> {
    let log = findings.source.log();
    let anomalies = findings.anomalies.iter();
    anomalies
        .map(|anomaly| AnomalyView::new(log, anomaly))
        .collect()
}

impl AnomalyView {
    fn new(log: &Log, anomaly: &Anomaly) -> Self {
        let reasons = anomaly.reasons.iter();
        let file = anomaly.file.display().to_string();
        Self {
            score: format!("{:.3}", anomaly.score),
            alike: match anomaly.events_alike {
                1 => "no other looks like it".into(),
                alike => format!("{} look alike", count(alike)),
            },
            is_anomalous: anomaly.anomalous,
            columns: columns(log, anomaly),
            reasons: reasons
                .map(|reason| printable(&reason.text).into_owned())
                .collect(),
            place: format!("{}, row {}", printable(&file), count(anomaly.row)),
        }
    }
}

/// The columns that say what an event was, with their values.
fn columns(log: &Log, anomaly: &Anomaly) -> Vec<(String, String)> {
    let text = |text: &str| printable(&clip(text)).into_owned();
    let names: Vec<&str> = anomaly.event.iter().map(|(name, _)| name).collect();
    let shown = log.shown(&names, MAX_COLUMNS).into_iter();
    shown
        .map(|name| (text(name), text(anomaly.event.get(name).unwrap_or("–"))))
        .collect()
}

/// A feature, or the scores, held against training.
struct DriftRow {
    name: String,
    psi: String,
    closeness: &'static str,
    unseen: String,
}

/// The scores first, then the features that shifted most.
fn drift_rows(drift: &Drift) -> Vec<DriftRow> {
    let row = |name: String, psi: f64, closeness: Closeness, unseen: String| DriftRow {
        name,
        psi: format!("{psi:.3}"),
        closeness: match closeness {
            Closeness::Close => "close",
            Closeness::SomeWay => "some way",
            Closeness::Far => "far",
        },
        unseen,
    };
    let psi = drift.scores.psi;
    let closeness = Closeness::of(psi, PSI_SOME, PSI_FAR);
    let scores = row("anomaly score".into(), psi, closeness, String::new());
    let mut features: Vec<&FeatureDrift> = drift.features.iter().collect();
    features.sort_by(|left, right| right.psi.total_cmp(&left.psi));
    let features = features.into_iter().map(|feature| {
        let name = printable(&clip(&feature.name)).into_owned();
        row(name, feature.psi, feature.closeness, unseen(feature))
    });
    [scores].into_iter().chain(features).collect()
}

/// What training did not have, with the most frequent values.
fn unseen(feature: &FeatureDrift) -> String {
    if feature.unseen.events == 0 {
        return String::new();
    }
    let values = feature.unseen.values.iter().take(UNSEEN_VALUES);
    let values: Vec<String> = values
        .map(|value| {
            format!(
                "{} ({})",
                printable(&clip(&value.value)),
                count(value.count)
            )
        })
        .collect();
    let listed = if values.is_empty() { "" } else { ": " };
    let events = of_them(feature.unseen.events, "event", "events");
    format!("{events}{listed}{}", values.join(", "))
}

/// Scores in training and now.
fn quantiles(drift: &Drift) -> Vec<[String; 3]> {
    let score = |score: f64| format!("{score:.4}");
    let shifts = drift.scores.quantiles.iter();
    let rows = shifts.map(|shift| [percent(shift.q), score(shift.training), score(shift.now)]);
    rows.collect()
}

/// Where the figures come from.
fn facts(findings: &Findings) -> Vec<(&'static str, String)> {
    let model = findings.model;
    let (training, forest) = (model.training(), model.forest());
    let files = findings.source.files().map(|file| {
        let path = file.path.display().to_string();
        format!("{} ({} bytes)", printable(&path), count(file.bytes))
    });
    let sampled = match training.sampled_rows {
        Some(rows) => format!(", of which a sample of {} was used", count(rows)),
        None => String::new(),
    };
    let trained = format!(
        "{}, {}{sampled}",
        of_them(training.events, "event", "events"),
        of_them(
            training.distinct_rows,
            "distinct row of inputs",
            "distinct rows of inputs"
        )
    );
    let files: Vec<String> = files.collect();
    vec![
        ("Command", printable(findings.origin.command).into_owned()),
        ("Scored files", files.join("; ")),
        (
            "Model",
            printable(&redacted(&findings.origin.model.to_string_lossy())).into_owned(),
        ),
        ("Recipe", printable(&model.recipe().name).into_owned()),
        ("Trained on", trained),
        (
            "Fingerprint of the training data",
            training.fingerprint.clone(),
        ),
        (
            "Forest",
            format!(
                "{} trees, seed {}",
                count(forest.n_estimators() as u64),
                forest.seed()
            ),
        ),
        (
            "Threshold",
            printable(&findings.evaluation.threshold.to_string()).into_owned(),
        ),
        ("honeyguide", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// A feature with its definition.
fn feature(feature: &Feature) -> (String, String) {
    let sql = |sql: &str| printable(sql).into_owned();
    let definition = match (&feature.expr, &feature.rarity) {
        (_, Some(rarity)) if rarity.given.is_empty() => format!("rarity of {}", sql(&rarity.of)),
        (_, Some(rarity)) => {
            format!(
                "rarity of {} given {}",
                sql(&rarity.of),
                sql(&rarity.given.join(", "))
            )
        }
        (Some(expr), None) => sql(expr),
        (None, None) => String::new(),
    };
    (printable(&feature.name).into_owned(), definition)
}
