//! The sentences at the top of a report.

use honeyguide::Model;
use honeyguide::evaluate::LabelEvaluation;
use honeyguide::log::Log;
use honeyguide::report::Report;
use honeyguide::wording::{count, of_them, percent, percent_of, printable};

use crate::words::what_and_when;

/// Says what was scored, what was flagged, and how that compares with the labels.
pub fn lead(report: &Report, model: &Model, log: &Log) -> Vec<String> {
    let mut lead = vec![what_was_scored(report, model), what_was_flagged(report)];
    lead.extend(report.evaluation.labels.iter().map(against_label));
    if report.evaluation.labels.is_empty() {
        lead.push(format!(
            "The data has no label (no column {}; --label names another). So this page has no precision, recall or \
             false-positive rate.",
            log.labels_in_words()
        ));
    }
    lead
}

fn what_was_scored(report: &Report, model: &Model) -> String {
    format!(
        "{}, were scored by a model with recipe {}, which was trained on {} events.",
        what_and_when(&report.places),
        printable(&report.evaluation.recipe),
        count(model.training().events)
    )
}

fn what_was_flagged(report: &Report) -> String {
    let (flagged, events) = (report.evaluation.anomalous, report.evaluation.events);
    let threshold = report.evaluation.threshold.value;
    if flagged == 0 {
        return format!("None has a score above the threshold of {threshold:.4}.");
    }
    let (lie, belong) = match flagged {
        1 => ("lies", "It belongs"),
        _ => ("lie", "They belong"),
    };
    format!(
        "{} of them ({}) {lie} above the threshold of {threshold:.4}. {belong} to {}.",
        count(flagged),
        percent_of(flagged, events),
        of_them(report.incidents.found.found, "incident", "incidents"),
    )
}

fn against_label(label: &LabelEvaluation) -> String {
    let name = printable(&label.label);
    let (positives, negatives) = (label.positives, label.negatives);
    let verdicts = &label.verdicts;
    let Some((recall, rate)) = verdicts.recall.zip(verdicts.false_positive_rate) else {
        let class = u8::from(negatives == 0);
        let flagged = match class {
            0 => verdicts.false_positive_rate,
            _ => verdicts.recall,
        };
        return format!(
            "Every event has {name} = {class}, and {} of them are flagged. With one class there is no AUROC and no \
             curve.",
            flagged.map_or_else(|| "none".into(), percent)
        );
    };
    let found = format!(
        "Against {name}: {} of the {} with {name} = 1 are flagged, and {} of the {} others",
        percent(recall),
        of_them(positives, "event", "events"),
        percent(rate),
        count(negatives)
    );
    match &label.false_positive_rates {
        Some(rates) if rates.far_apart && rates.realised > rates.nominal => format!(
            "{found}, where the threshold was set for {}: more than twice as many, and more than chance explains.",
            percent(rates.nominal)
        ),
        Some(rates) => format!(
            "{found} (the threshold was set for {}).",
            percent(rates.nominal)
        ),
        None => format!("{found}."),
    }
}
