//! The contents of the report's template: every figure in words.

use askama::Template;
use honeyguide::drift::{Closeness, Drift, FeatureDrift};
use honeyguide::evaluate::{LabelEvaluation, Verdicts};
use honeyguide::log::Log;
use honeyguide::report::Report;
use honeyguide::score::Anomaly;
use honeyguide::wording::{
    count, defined, duration, of_them, percent, percent_of, printable, shortened,
};
use honeyguide::{Feature, Result, redacted};

use super::Origin;
use super::curves::{charts, score_bins};
use super::incident_chart::incident_chart;
use super::incidents::IncidentList;
use super::lead::lead;
use super::live::Live;
use crate::chart::{Chart, clip};
use crate::page::Frame;
use crate::words::{host_name, no_hosts, no_time, per_day};

/// The number of columns that are shown of an event that has none of the known ones.
const MAX_COLUMNS: usize = 8;
/// The number of values that are named of those that training did not have.
const UNSEEN_VALUES: usize = 3;
/// The number of attacks that are listed.
const ATTACKS: usize = 50;
/// The number of rows in the table of thresholds.
const THRESHOLD_ROWS: usize = 20;

/// The report's template.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct ReportPage<'a> {
    frame: Frame,
    charts: Vec<Chart>,
    simulated: bool,
    report: &'a Report,
    log: &'a Log,
    unseen_categories: String,
    lead: Vec<String>,
    tiles: Vec<Tile>,
    labels: Vec<LabelView<'a>>,
    scores: Vec<ScoreTable>,
    incidents: IncidentList,
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
    /// The number and share of events labelled 1.
    positives: String,
    detectors: Vec<[String; 8]>,
    /// True and false positives, false and true negatives.
    counts: [String; 4],
    /// The same counts as shares of the events with the same label.
    shares: [String; 4],
    /// The cells of the confusion matrix, by row.
    confusion: [[ConfusionCell; 2]; 2],
    /// The number of events labelled 1 and of those labelled 0.
    of_class: [String; 2],
    thresholds: Vec<[String; 6]>,
    /// How many incidents hold no labelled event, and how many attacks were found.
    incidents: Vec<String>,
    attacks: Vec<[String; 6]>,
}

/// A cell of a confusion matrix.
struct ConfusionCell {
    /// The identifier of its count in the page's script.
    id: &'static str,
    name: &'static str,
    /// The position of its count in [`LabelView::counts`].
    part: usize,
    /// The name of its share of the row.
    rate: &'static str,
    is_right: bool,
    /// The share of the row, from 0 to 1.
    share: f64,
}

/// The table of a histogram.
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
    incidents: String,
    incidents_per_host_day: String,
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
    incidents: String,
    incidents_per_day: String,
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
    /// Words the figures of a report.
    pub fn new(report: &'a Report, origin: Origin<'a>) -> Result<Self> {
        let live = Live::new(report);
        let mut charts = charts(report);
        charts.extend(incident_chart(report, origin.source.log()));
        let evaluation = &report.evaluation;
        let labels = evaluation.labels.iter().enumerate();
        Ok(Self {
            frame: Frame::new(&charts, Some(&live))?,
            simulated: origin.source.is_simulated(),
            unseen_categories: count(report.unseen_categories),
            lead: lead(report, origin.model, origin.source.log()),
            tiles: tiles(report),
            labels: labels
                .map(|(index, label)| LabelView::new(report, index, label))
                .collect(),
            scores: score_tables(report),
            incidents: IncidentList::new(report, origin.source.log()),
            slider: Slider::new(report),
            hosts: hosts(report),
            anomalies: anomalies(report, origin.source.log()),
            drift: drift_rows(&report.drift),
            quantiles: quantiles(&report.drift),
            drift_verdict: printable(&report.drift.verdict).into_owned(),
            facts: facts(report, origin),
            features: origin.model.recipe().features.iter().map(feature).collect(),
            charts,
            report,
            log: origin.source.log(),
        })
    }

    /// Returns the chart called `id`, where the data has one.
    fn chart(&self, id: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.id == id)
    }

    fn has_days(&self) -> bool {
        self.report.places.clock.is_some()
    }

    fn no_time(&self) -> String {
        no_time(self.log)
    }

    fn no_hosts(&self) -> String {
        no_hosts(self.log)
    }
}

/// Returns true and false positives, false and true negatives.
fn parts(verdicts: &Verdicts) -> [u64; 4] {
    [
        verdicts.true_positives,
        verdicts.false_positives,
        verdicts.false_negatives,
        verdicts.true_negatives,
    ]
}

fn rate(share: Option<f64>) -> String {
    share.map_or_else(|| "undefined".to_owned(), percent)
}

fn tiles(report: &Report) -> Vec<Tile> {
    let evaluation = &report.evaluation;
    let tile = |name: &str, value: String, note: String| Tile {
        name: name.to_owned(),
        value,
        note,
    };
    let host_days: u64 = report.places.hosts.iter().map(|host| host.days).sum();
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
    let incidents = report.incidents.found.found;
    let note = match host_days {
        0 => String::new(),
        days => format!("{} per host and day", per_day(incidents, days)),
    };
    tiles.push(tile("Incidents", count(incidents), note));
    if let Some(alerts) = &report.alerts {
        let note = match host_days {
            0 => String::new(),
            days => format!("{} per host and day", per_day(alerts.count, days)),
        };
        tiles.push(tile("Alerts", count(alerts.count), note));
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
    fn new(report: &Report, index: usize, evaluation: &'a LabelEvaluation) -> Self {
        let own = format!("honeyguide, {}", printable(&report.evaluation.recipe));
        let scores = [
            defined(evaluation.roc_auc),
            defined(evaluation.average_precision),
        ];
        let none = || ["–".to_owned(), "–".to_owned()];
        let baselines = evaluation.baselines.iter();
        let baselines = baselines.map(|other| detector(&other.name, none(), &other.verdicts));
        let own = [detector(&own, scores, &evaluation.verdicts)];
        let (positives, negatives) = (evaluation.positives, evaluation.negatives);
        let parts = parts(&evaluation.verdicts);
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
            shares: std::array::from_fn(|part| percent_or_undefined(parts[part], wholes[part])),
            confusion: confusion(parts, wholes),
            of_class: [positives, negatives].map(count),
            detectors: own.into_iter().chain(baselines).collect(),
            thresholds: thresholds(report, index, evaluation),
            incidents: against_incidents(evaluation),
            attacks: attacks(report, evaluation),
            evaluation,
        }
    }
}

/// Says how many incidents hold no labelled event, and how many attacks were found.
fn against_incidents(evaluation: &LabelEvaluation) -> Vec<String> {
    let Some(figures) = &evaluation.incidents else {
        return Vec::new();
    };
    let name = printable(&evaluation.label);
    let hold = if figures.unlabelled == 1 {
        "holds"
    } else {
        "hold"
    };
    let of = of_them(figures.incidents, "incident", "incidents");
    let unlabelled = format!(
        "{} of {of} {hold} no event with {name} = 1",
        count(figures.unlabelled)
    );
    let unlabelled = match figures.unlabelled_rate {
        Some(rate) if rate.is_of_too_short_a_time() => format!(
            "{unlabelled}. The events span {}, too short a time for a rate per host and day.",
            duration(rate.host_days * 86_400.0)
        ),
        Some(rate) => format!(
            "{unlabelled}: {:.2} per host and day of recorded time (95 % interval from {:.2} to {:.2}; the recorded time of \
             all hosts together is {:.2} days).",
            rate.per_host_day, rate.low, rate.high, rate.host_days
        ),
        None => format!("{unlabelled}."),
    };
    let found = format!(
        "{} of {} found.",
        count(figures.n_found),
        of_them(figures.n_attacks, "attack was", "attacks were")
    );
    match figures.n_attacks {
        0 => vec![unlabelled],
        _ => vec![unlabelled, found],
    }
}

/// Lists the attacks, and how early each was found.
fn attacks(report: &Report, evaluation: &LabelEvaluation) -> Vec<[String; 6]> {
    let figures = evaluation.incidents.iter();
    let attacks = figures.flat_map(|figures| &figures.attacks).take(ATTACKS);
    let listed = &report.incidents.found.incidents;
    let rows = attacks.map(|attack| {
        let host = attack
            .host
            .as_deref()
            .map_or("–".into(), |host| printable(&clip(host)).into_owned());
        let found = attack.found.as_ref();
        let none = || "–".to_owned();
        let seconds = found.and_then(|found| found.seconds);
        let number = |id: &str| listed.iter().position(|incident| incident.id == id);
        [
            host,
            count(attack.events),
            count(attack.anomalous),
            match found {
                None => "not found".to_owned(),
                Some(_) => seconds.map_or_else(none, duration),
            },
            found.map_or_else(none, |found| percent_of(found.events_before, attack.events)),
            found.map_or_else(none, |found| match number(&found.incident) {
                Some(place) => format!("{} ({})", place + 1, found.incident),
                None => found.incident.clone(),
            }),
        ]
    });
    rows.collect()
}

/// Returns the confusion matrix with a row for each class. `parts` are the counts, `wholes` the events of their classes.
fn confusion(parts: [u64; 4], wholes: [u64; 4]) -> [[ConfusionCell; 2]; 2] {
    let cell = |part: usize, id, name, rate, is_right| ConfusionCell {
        id,
        name,
        part,
        rate,
        is_right,
        share: parts[part] as f64 / wholes[part].max(1) as f64,
    };
    [
        [
            cell(0, "tp", "true positives", "recall", true),
            cell(2, "fn", "false negatives", "miss rate", false),
        ],
        [
            cell(1, "fp", "false positives", "false-positive rate", false),
            cell(3, "tn", "true negatives", "specificity", true),
        ],
    ]
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

/// Lists the figures of some thresholds, the model's own among them.
fn thresholds(report: &Report, index: usize, evaluation: &LabelEvaluation) -> Vec<[String; 6]> {
    let all = report.thresholds(index);
    let stride = all.len().div_ceil(THRESHOLD_ROWS).max(1);
    let start = report.steps.above_threshold();
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

fn score_tables(report: &Report) -> Vec<ScoreTable> {
    let of = |index: Option<usize>| {
        let bins = score_bins(report, index);
        let filled = bins.iter().filter(|bin| bin.positives + bin.others > 0);
        let range = |low: f64, high: f64| format!("{low:.3} to {high:.3}");
        let name = index.map(|index| printable(&report.evaluation.labels[index].label));
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
    match report.evaluation.labels.len() {
        0 => vec![of(None)],
        labels => (0..labels).map(|index| of(Some(index))).collect(),
    }
}

impl Slider {
    fn new(report: &Report) -> Self {
        let steps = report.steps.steps().len();
        let (flagged, events) = (report.evaluation.anomalous, report.evaluation.events);
        let host_days = report.places.hosts.iter().map(|host| host.days).sum();
        let resolution = match report.steps.width() {
            None => format!(
                "The slider has one position for each of the {} distinct scores.",
                count(steps as u64)
            ),
            Some(width) => format!(
                "The slider has {} steps of {width:.4}. The figures at each step are exact.",
                count(steps as u64)
            ),
        };
        let alerts = report.alerts.as_ref().map_or(0, |alerts| alerts.count);
        let incidents = report.incidents.found.found;
        Self {
            steps,
            value: steps - report.steps.above_threshold(),
            alert_definition: report
                .alerts
                .as_ref()
                .map(|alerts| alerts.definition.clone()),
            alerts: count(alerts),
            flagged: count(flagged),
            flagged_share: percent_of(flagged, events),
            flagged_per_host_day: per_day(flagged, host_days),
            alerts_per_host_day: per_day(alerts, host_days),
            incidents: count(incidents),
            incidents_per_host_day: per_day(incidents, host_days),
            resolution: format!("{resolution}{}", counted_positions(report)),
        }
    }
}

/// Says at how many positions of the slider incidents are counted, if not at all of them.
fn counted_positions(report: &Report) -> String {
    let (counted, all) = (
        report.incidents.counts.len(),
        report.steps.steps().len() + 1,
    );
    match counted < all {
        true => format!(
            " Incidents are counted at {} of its positions, exactly; the page names the nearest ones.",
            count(counted as u64)
        ),
        false => String::new(),
    }
}

fn hosts(report: &Report) -> Vec<HostView> {
    let places = &report.places;
    let counts = report.by_host().into_iter().enumerate();
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
            incidents: count(above.incidents),
            incidents_per_day: per_day(above.incidents, host.days),
        }
    });
    rows.collect()
}

fn anomalies(report: &Report, log: &Log) -> Vec<AnomalyView> {
    let anomalies = report.anomalies.iter();
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

/// Returns the columns that identify an event, with their values.
fn columns(log: &Log, anomaly: &Anomaly) -> Vec<(String, String)> {
    let text = |text: &str| printable(&clip(text)).into_owned();
    let names: Vec<&str> = anomaly.event.iter().map(|(name, _)| name).collect();
    let shown = log.shown(&names, MAX_COLUMNS).into_iter();
    shown
        .map(|name| {
            (
                text(name),
                text(&shortened(anomaly.event.get(name).unwrap_or("–"))),
            )
        })
        .collect()
}

/// The drift of a feature or of the scores.
struct DriftRow {
    name: String,
    psi: String,
    closeness: &'static str,
    unseen: String,
}

/// Lists the drift of the scores, then that of the features, largest shift first.
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
    let closeness = drift.scores.closeness;
    let scores = row("anomaly score".into(), psi, closeness, String::new());
    let mut features: Vec<&FeatureDrift> = drift.features.iter().collect();
    features.sort_by(|left, right| right.psi.total_cmp(&left.psi));
    let features = features.into_iter().map(|feature| {
        let name = printable(&clip(&feature.name)).into_owned();
        row(name, feature.psi, feature.closeness, unseen(feature))
    });
    [scores].into_iter().chain(features).collect()
}

/// Writes how many events have values that training did not have, and the most frequent of these values.
fn unseen(feature: &FeatureDrift) -> String {
    if feature.unseen.events == 0 {
        return String::new();
    }
    let values = feature.unseen.values.iter().take(UNSEEN_VALUES);
    let values: Vec<String> = values
        .map(|value| {
            format!(
                "{} ({})",
                printable(&clip(&shortened(&value.value))),
                count(value.count)
            )
        })
        .collect();
    let listed = if values.is_empty() { "" } else { ": " };
    let events = of_them(feature.unseen.events, "event", "events");
    format!("{events}{listed}{}", values.join(", "))
}

/// Lists quantiles of the scores in training and now.
fn quantiles(drift: &Drift) -> Vec<[String; 3]> {
    let score = |score: f64| format!("{score:.4}");
    let shifts = drift.scores.quantiles.iter();
    let rows = shifts.map(|shift| [percent(shift.q), score(shift.training), score(shift.now)]);
    rows.collect()
}

/// Lists where the figures come from.
fn facts(report: &Report, origin: Origin<'_>) -> Vec<(&'static str, String)> {
    let model = origin.model;
    let (training, forest) = (model.training(), model.forest());
    let files = origin.source.files().map(|file| {
        let path = file.path.display().to_string();
        format!("{} ({} bytes)", printable(&path), count(file.bytes))
    });
    let sampled = match training.sampled_rows {
        Some(rows) => format!(", of which a sample of {} was used", count(rows)),
        None => String::new(),
    };
    let imported = match &training.imported {
        Some(origin) => format!("; imported from {}", printable(&origin.to_string())),
        None => String::new(),
    };
    let trained = format!(
        "{}, {}{sampled}{imported}",
        of_them(training.events, "event", "events"),
        of_them(
            training.distinct_rows,
            "distinct row of inputs",
            "distinct rows of inputs"
        )
    );
    let files: Vec<String> = files.collect();
    vec![
        ("Command", printable(origin.command).into_owned()),
        ("Scored files", files.join("; ")),
        (
            "Model",
            printable(&redacted(&origin.model_file.to_string_lossy())).into_owned(),
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
            printable(&report.evaluation.threshold.to_string()).into_owned(),
        ),
        ("honeyguide", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// Returns the name and the definition of a feature.
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
