//! The charts of a report: curves against labels, the distribution of the scores, and alerts by day and host.

use honeyguide::evaluate::{Baseline, LabelEvaluation, Verdicts};
use honeyguide::report::Report;
use honeyguide::wording::{defined, printable};
use plotly::common::{DashType, HoverInfo, Line, LineShape, Marker, MarkerSymbol, Mode};
use plotly::layout::{AxisRange, AxisType, BarMode};
use plotly::{Bar, HeatMap, Layout, Scatter, Trace};
use serde_json::{Value, json};

use crate::axes;
use crate::axes::axis;
use crate::chart::{Chart, SERIES, clip, label, rounded, sequential};
use crate::words::host_name;

/// The number of bars of a histogram.
const BINS: usize = 60;
const SOFT_SERIES: [&str; 2] = ["--series-1-soft", "--series-2-soft"];
const ROC_HOVER: &str =
    "threshold %{customdata:.4f}<br>recall %{y:.4~p}, false-positive rate %{x:.4~p}";
const PR_HOVER: &str = "threshold %{customdata:.4f}<br>precision %{y:.4~p}, recall %{x:.4~p}";

/// Draws all charts of a report.
pub fn charts(report: &Report) -> Vec<Chart> {
    let mut charts = Vec::new();
    if report
        .evaluation
        .labels
        .iter()
        .any(|label| label.roc_auc.is_some())
    {
        charts.extend([roc(report), precision_recall(report)]);
    }
    match report.evaluation.labels.len() {
        0 => charts.push(histogram(report, "scores", None)),
        _ => {
            let ids = ["scores", "scores-2"];
            let each = ids.into_iter().zip(0..report.evaluation.labels.len());
            charts.extend(each.map(|(id, index)| histogram(report, id, Some(index))));
        }
    }
    if report.places.days.len() > 1 {
        charts.push(by_day(report));
        if report.places.hosts.len() > 1 {
            charts.push(by_host_and_day(report));
        }
    }
    charts
}

fn with_both_classes(report: &Report) -> impl Iterator<Item = (usize, &LabelEvaluation)> {
    let labels = report.evaluation.labels.iter().enumerate();
    labels.filter(|(_, label)| label.roc_auc.is_some())
}

fn roc(report: &Report) -> Chart {
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let mut markers = serde_json::Map::new();
    for (index, evaluation) in with_both_classes(report) {
        let (positives, negatives) = (evaluation.positives, evaluation.negatives);
        let points = report.thresholds(index).into_iter().map(|above| {
            let x = share(above.false_positives, negatives);
            (x, share(above.true_positives, positives), above.threshold)
        });
        let name = format!(
            "{}, AUROC {}",
            label(&evaluation.label),
            defined(evaluation.roc_auc)
        );
        let points = points.collect();
        traces.push(curve(&name, index, points, LineShape::Linear, ROC_HOVER));
    }
    for (index, evaluation) in with_both_classes(report) {
        markers.insert(traces.len().to_string(), json!(index));
        let at = |verdicts: &Verdicts| (verdicts.false_positive_rate, verdicts.recall);
        traces.push(marker(
            evaluation,
            index,
            at(&evaluation.verdicts),
            "this threshold",
        ));
        traces.extend(rule_marker(evaluation, index, at));
    }
    traces.push(baseline("a coin toss", vec![0.0, 1.0], vec![0.0, 1.0]));
    let layout = Layout::new()
        .hover_distance(60)
        .x_axis(axis("false-positive rate").range(AxisRange::new(-0.01, 1.01)))
        .y_axis(axis("recall").range(AxisRange::new(-0.01, 1.02)));
    let alt = format!(
        "Each point of a curve is a threshold; the filled circle is the chosen one. The further a curve reaches to the upper \
         left, the better scores part labelled events from the rest. The dotted diagonal is chance{}.",
        rule_in_words(report)
    );
    live(
        Chart::new("roc", "ROC curve", alt, layout, traces),
        "roc",
        markers,
    )
}

/// Says what marks the baseline rule, after a comma; empty where there is none.
fn rule_in_words(report: &Report) -> String {
    let rule = report.evaluation.labels.first().and_then(rule_of);
    rule.map_or_else(String::new, |rule| {
        format!(", the hollow diamond the rule {}", printable(&rule.name))
    })
}

/// Returns the rule that is the second baseline, after flagging everything.
fn rule_of(evaluation: &LabelEvaluation) -> Option<&Baseline> {
    evaluation.baselines.get(1)
}

fn precision_recall(report: &Report) -> Chart {
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let mut markers = serde_json::Map::new();
    for (index, evaluation) in with_both_classes(report) {
        let points = report.thresholds(index).into_iter().filter_map(|above| {
            let flagged = above.true_positives + above.false_positives;
            let recall = share(above.true_positives, evaluation.positives);
            (flagged > 0).then(|| {
                (
                    recall,
                    share(above.true_positives, flagged),
                    above.threshold,
                )
            })
        });
        let precision = defined(evaluation.average_precision);
        let name = format!(
            "{}, average precision {precision}",
            label(&evaluation.label)
        );
        // Average precision takes the precision at each threshold for all recalls since the threshold before, so that
        // the area below the curve is the average precision only if the curve rises first and then goes to the right.
        let mut points: Vec<(f64, f64, f64)> = points.collect();
        let first = points
            .first()
            .map(|(_, precision, threshold)| (0.0, *precision, *threshold));
        points.splice(..0, first);
        traces.push(curve(&name, index, points, LineShape::Vh, PR_HOVER));
    }
    for (index, evaluation) in with_both_classes(report) {
        markers.insert(traces.len().to_string(), json!(index));
        let at = |verdicts: &Verdicts| (verdicts.recall, verdicts.precision);
        traces.push(marker(
            evaluation,
            index,
            at(&evaluation.verdicts),
            "this threshold",
        ));
        traces.extend(rule_marker(evaluation, index, at));
        let prevalence = share(
            evaluation.positives,
            evaluation.positives + evaluation.negatives,
        );
        let name = format!("{}: flag everything", label(&evaluation.label));
        traces.push(baseline(&name, vec![0.0, 1.0], vec![prevalence; 2]));
    }
    let layout = Layout::new()
        .hover_distance(60)
        .x_axis(axis("recall").range(AxisRange::new(-0.01, 1.01)))
        .y_axis(axis("precision").range(AxisRange::new(-0.01, 1.02)));
    let alt = format!(
        "How many of the flagged events are labelled, against how many of the labelled events are flagged. The filled circle \
         is the chosen threshold, the dotted lines are what flagging everything gives{}. The area below a curve is its average \
         precision.",
        rule_in_words(report)
    );
    live(
        Chart::new(
            "precision-recall",
            "Precision–recall curve",
            alt,
            layout,
            traces,
        ),
        "pr",
        markers,
    )
}

fn histogram(report: &Report, id: &'static str, index: Option<usize>) -> Chart {
    let bins = score_bins(report, index);
    let centers: Vec<f64> = bins
        .iter()
        .map(|bin| rounded((bin.low + bin.high) / 2.0))
        .collect();
    let ranges: Vec<String> = bins
        .iter()
        .map(|bin| format!("{:.3} to {:.3}", bin.low, bin.high))
        .collect();
    let bars = |name: String, color: &'static str, counts: Vec<u64>| -> Box<dyn Trace> {
        Bar::new(centers.clone(), counts)
            .name(name)
            .hover_text_array(ranges.clone())
            .hover_template("%{y:,d} events with scores %{hovertext}")
            .marker(Marker::new().color(color))
    };
    let counts = |of: fn(&Bin) -> u64| bins.iter().map(of).collect::<Vec<u64>>();
    let soft = |color: usize, name: String, of: fn(&Bin) -> u64| {
        bars(name, SOFT_SERIES[color], counts(of))
    };
    let (traces, title) = match index.map(|index| &report.evaluation.labels[index].label) {
        None => (
            vec![soft(0, "events".into(), |bin| bin.others)],
            "Scores".into(),
        ),
        Some(name) => (
            vec![
                soft(0, format!("{} = 0", label(name)), |bin| bin.others),
                soft(1, format!("{} = 1", label(name)), |bin| bin.positives),
            ],
            format!("Scores by {}", printable(&clip(name))),
        ),
    };
    let fullest = |bin: &Bin| bin.others.max(bin.positives);
    let most = bins.iter().map(fullest).max().unwrap_or(0);
    let alt = "How many events have which score, on a logarithmic scale. Events right of the dashed line are flagged.";
    let layout = Layout::new()
        .bar_mode(BarMode::Overlay)
        .bar_gap(0.04)
        .x_axis(axis("anomaly score"))
        .y_axis(axes::log_counts("events", most as f64));
    live(
        Chart::new(id, title, alt, layout, traces),
        "histogram",
        Default::default(),
    )
}

/// Counts events by score in bars of equal width, by the label at position `index` where there is one.
pub fn score_bins(report: &Report, index: Option<usize>) -> Vec<Bin> {
    let steps = report.steps.steps();
    let (high, low) = match (steps.first(), steps.last()) {
        (Some(first), Some(last)) if first.top > last.top => (first.top, last.top),
        (Some(only), _) => (only.top + 0.005, only.top - 0.005),
        _ => (1.0, 0.0),
    };
    let width = (high - low) / BINS as f64;
    let edge = |bin: usize| low + width * bin as f64;
    let mut bins: Vec<Bin> = (0..BINS)
        .map(|bin| Bin {
            low: edge(bin),
            high: edge(bin + 1),
            positives: 0,
            others: 0,
        })
        .collect();
    for step in steps {
        let bin = &mut bins[(((step.top - low) / width) as usize).min(BINS - 1)];
        let positives = index.map_or(0, |index| step.positives[index]);
        bin.positives += positives;
        bin.others += step.events - positives;
    }
    bins
}

/// Returns what the charts by host and day count.
fn counted(report: &Report) -> &'static str {
    match report.alerts {
        Some(_) => "alerts",
        None => "events flagged",
    }
}

fn day_names(report: &Report) -> Vec<String> {
    let names = report.places.day_names();
    names.iter().map(|name| label(name)).collect()
}

fn by_day(report: &Report) -> Chart {
    let counted = counted(report);
    let names = day_names(report);
    let bars = Bar::new(names.clone(), vec![0_u64; names.len()])
        .name(counted)
        .hover_template(format!("%{{x}}: %{{y:,d}} {counted}<extra></extra>"))
        .marker(Marker::new().color(SERIES[0]));
    let layout = Layout::new()
        .show_legend(false)
        .x_axis(axis("").type_(AxisType::Category))
        .y_axis(axes::counts(counted));
    let alt = format!("The {counted} of each day at the chosen threshold, all hosts together.");
    live(
        Chart::new("days", "Day by day", alt, layout, vec![bars]),
        "days",
        Default::default(),
    )
}

fn by_host_and_day(report: &Report) -> Chart {
    let counted = counted(report);
    let hosts: Vec<String> = (0..report.places.hosts.len())
        .map(|host| label(&host_name(&report.places, host)))
        .collect();
    let days = day_names(report);
    let cells = vec![vec![0_u64; days.len()]; hosts.len()];
    let map = HeatMap::new(days, hosts, cells)
        .name(counted)
        .color_scale(sequential())
        .hover_template(format!(
            "%{{y}}, %{{x}}: %{{z:,d}} {counted}<extra></extra>"
        ));
    let layout = Layout::new()
        .x_axis(axis("").type_(AxisType::Category))
        .y_axis(axis("").type_(AxisType::Category));
    let alt = format!("The {counted} of each host on each day at the chosen threshold.");
    live(
        Chart::new(
            "host-days",
            "Host by host and day by day",
            alt,
            layout,
            vec![map],
        ),
        "host-days",
        Default::default(),
    )
}

/// The number of events with scores in (`low`, `high`]; the first bar also has the lowest score.
pub(super) struct Bin {
    pub low: f64,
    pub high: f64,
    pub positives: u64,
    pub others: u64,
}

fn live(mut chart: Chart, kind: &str, markers: serde_json::Map<String, Value>) -> Chart {
    chart.live = Some(json!({"kind": kind, "markers": markers}));
    chart
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// Draws a curve of the label at position `index` through points (x, y, threshold).
fn curve(
    name: &str,
    index: usize,
    points: Vec<(f64, f64, f64)>,
    shape: LineShape,
    hover: &'static str,
) -> Box<dyn Trace> {
    let part = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(move |point| rounded(of(point)));
    Scatter::new(part(|p| p.0).collect(), part(|p| p.1).collect())
        .name(name)
        .mode(Mode::Lines)
        .custom_data(part(|p| p.2).collect::<Vec<_>>())
        .hover_template(hover)
        .line(
            Line::new()
                .shape(shape)
                .color(SERIES[index % SERIES.len()])
                .width(2.5),
        )
}

/// Draws a mark at the figures of verdicts; a figure that is not defined has no mark.
fn marker(
    evaluation: &LabelEvaluation,
    index: usize,
    (x, y): (Option<f64>, Option<f64>),
    what: &str,
) -> Box<dyn Trace> {
    Scatter::new(vec![x], vec![y])
        .name(format!("{}: {what}", label(&evaluation.label)))
        .mode(Mode::Markers)
        .show_legend(false)
        .hover_template("%{x:.4~p}, %{y:.4~p}")
        .marker(
            Marker::new()
                .color(SERIES[index % SERIES.len()])
                .size(13)
                .line(Line::new().color("--paper").width(2.0)),
        )
}

/// Draws a mark at the figures of the log's baseline rule, if the data has its column.
fn rule_marker(
    evaluation: &LabelEvaluation,
    index: usize,
    at: impl Fn(&Verdicts) -> (Option<f64>, Option<f64>),
) -> Option<Box<dyn Trace>> {
    let rule = rule_of(evaluation)?;
    let (x, y) = at(&rule.verdicts);
    let name = format!("{}: {}", label(&evaluation.label), label(&rule.name));
    let symbol = Marker::new()
        .color(SERIES[index % SERIES.len()])
        .symbol(MarkerSymbol::DiamondOpen)
        .size(11);
    Some(
        Scatter::new(vec![x], vec![y])
            .name(name)
            .mode(Mode::Markers)
            .show_legend(false)
            .hover_template("%{x:.4~p}, %{y:.4~p}")
            .marker(symbol),
    )
}

fn baseline(name: &str, x: Vec<f64>, y: Vec<f64>) -> Box<dyn Trace> {
    Scatter::new(x, y)
        .name(name)
        .mode(Mode::Lines)
        .hover_info(HoverInfo::Skip)
        .show_legend(false)
        .line(Line::new().color("--soft").width(1.5).dash(DashType::Dot))
}
