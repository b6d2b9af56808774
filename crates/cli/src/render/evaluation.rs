//! An evaluation on a terminal.

use std::io::{self, Write};

use honeyguide::evaluate::{Evaluation, LabelEvaluation, Rates, Verdicts};
use honeyguide::incident::{Attack, IncidentFigures};
use honeyguide::wording::duration;

use super::{TextTable, count, defined, heading, of_them, percent, percent_of, printable};

/// Prints an evaluation: the number of anomalous events and the threshold, then for every label the figures of scores
/// and verdicts and those of the baselines.
pub fn print_evaluation(evaluation: &Evaluation, out: &mut dyn Write) -> io::Result<()> {
    print_anomalous(evaluation.anomalous, evaluation.events, out)?;
    writeln!(out, "threshold {}", evaluation.threshold)?;
    for label in &evaluation.labels {
        print_label(label, &evaluation.recipe, out)?;
    }
    Ok(())
}

/// Prints how many events are above the threshold.
pub fn print_anomalous(anomalous: u64, events: u64, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} of {} anomalous ({}).",
        count(anomalous),
        of_them(events, "event is", "events are"),
        percent_of(anomalous, events)
    )
}

fn print_label(label: &LabelEvaluation, recipe: &str, out: &mut dyn Write) -> io::Result<()> {
    let events = label.positives + label.negatives;
    let share = percent_of(label.positives, events);
    let name = printable(&label.label);
    writeln!(
        out,
        "\n{}: {} of {} ({share})",
        heading(&name),
        count(label.positives),
        of_them(events, "event", "events")
    )?;
    if label.roc_auc.is_none() {
        let class = u8::from(label.positives > 0);
        writeln!(
            out,
            "Every event has {name} = {class}: with only one class, AUROC is undefined."
        )?;
    }
    let header = [
        "detector",
        "AUROC of scores",
        "average precision",
        "AUROC of verdicts",
        "precision",
        "recall",
        "false-positive rate",
        "F1",
    ];
    let numbers = 1..header.len();
    let mut figures = TextTable::new(header, numbers);
    figures.add_row(row(
        &format!("honeyguide, {}", printable(recipe)),
        [defined(label.roc_auc), defined(label.average_precision)],
        &label.verdicts,
    ));
    for baseline in &label.baselines {
        figures.add_row(row(
            &baseline.name,
            ["-".into(), "-".into()],
            &baseline.verdicts,
        ));
    }
    writeln!(out, "{figures}\n")?;
    writeln!(out, "{}", confusion_matrix(&label.verdicts, &name))?;
    let rates = label.false_positive_rates.as_ref();
    rates.map_or(Ok(()), |rates| print_rates(rates, &name, out))?;
    let incidents = label.incidents.as_ref();
    incidents.map_or(Ok(()), |incidents| print_incidents(incidents, &name, out))
}

/// The largest number of attacks that are printed.
const PRINTED_ATTACKS: usize = 20;

/// Prints how many incidents hold no labelled event, and how early each attack was found.
fn print_incidents(figures: &IncidentFigures, label: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "\nIncidents: {} of {} hold no event with {label} = 1",
        count(figures.unlabelled),
        count(figures.incidents)
    )?;
    match figures.unlabelled_rate {
        Some(rate) if rate.is_of_too_short_a_time() => writeln!(
            out,
            ". The events span {}, too short a time for a rate per host and day.",
            duration(rate.host_days * 86_400.0)
        )?,
        Some(rate) => writeln!(
            out,
            ", {:.2} per host and day ({:.2} to {:.2} at 95 %, in {:.2} host days).",
            rate.per_host_day, rate.low, rate.high, rate.host_days
        )?,
        None => writeln!(out, ".")?,
    }
    if figures.n_attacks == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "{} of {} found:",
        count(figures.n_found),
        of_them(figures.n_attacks, "attack is", "attacks are")
    )?;
    let header = [
        "attacked host",
        "events",
        "anomalous",
        "found after",
        "of the events",
        "incident",
    ];
    let mut table = TextTable::new(header, 1..5);
    for attack in figures.attacks.iter().take(PRINTED_ATTACKS) {
        table.add_row(attack_row(attack));
    }
    writeln!(out, "{table}")?;
    match figures.n_attacks.saturating_sub(PRINTED_ATTACKS as u64) {
        0 => Ok(()),
        more => writeln!(out, "and {}", of_them(more, "more attack", "more attacks")),
    }
}

fn attack_row(attack: &Attack) -> Vec<String> {
    let host = attack.host.as_deref();
    let host = host.map_or("-".to_owned(), |host| printable(host).into_owned());
    let found = attack.found.as_ref();
    let none = || "-".to_owned();
    vec![
        host,
        count(attack.events),
        count(attack.anomalous),
        found.map_or_else(
            || "not found".to_owned(),
            |found| {
                found
                    .seconds
                    .map_or_else(none, |seconds| format!("{seconds:.1} s"))
            },
        ),
        found.map_or_else(none, |found| percent_of(found.events_before, attack.events)),
        found.map_or_else(none, |found| found.incident.clone()),
    ]
}

fn print_rates(rates: &Rates, label: &str, out: &mut dyn Write) -> io::Result<()> {
    let (nominal, realised) = (percent(rates.nominal), percent(rates.realised));
    write!(
        out,
        "False-positive rate: {realised} of the events with {label} = 0 ({} of {}), where the threshold was set for {nominal}",
        count(rates.flagged),
        count(rates.events)
    )?;
    match (rates.far_apart, rates.realised > rates.nominal) {
        (true, true) => writeln!(
            out,
            ":\nmore than twice as much, and more than chance explains."
        )?,
        (true, false) => writeln!(out, ":\nless than half, and less than chance explains.")?,
        (false, _) if rates.realised > 2.0 * rates.nominal => {
            writeln!(out, ":\nmore than twice as much, which chance can explain.")?;
        }
        (false, _) => writeln!(out, ".")?,
    }
    match &rates.unresolved {
        Some(sentence) => writeln!(out, "The threshold was set on too few events: {sentence}"),
        None => Ok(()),
    }
}

fn row(detector: &str, of_scores: [String; 2], verdicts: &Verdicts) -> Vec<String> {
    let rate = |share: Option<f64>| share.map_or_else(|| "undefined".to_owned(), percent);
    let Verdicts {
        precision,
        recall,
        false_positive_rate,
        f1,
        roc_auc,
        ..
    } = *verdicts;
    let of_verdicts = [
        defined(roc_auc),
        rate(precision),
        rate(recall),
        rate(false_positive_rate),
        defined(f1),
    ];
    [detector.to_owned()]
        .into_iter()
        .chain(of_scores)
        .chain(of_verdicts)
        .collect()
}

fn confusion_matrix(verdicts: &Verdicts, label: &str) -> TextTable {
    let Verdicts {
        true_positives,
        false_positives,
        true_negatives,
        false_negatives,
        ..
    } = *verdicts;
    let cell =
        |part: u64, rest: u64| format!("{} ({})", count(part), percent_of(part, part + rest));
    let mut matrix = TextTable::new(["", "flagged", "not flagged"], 1..3);
    matrix.add_row([
        format!("{label} = 1"),
        cell(true_positives, false_negatives),
        cell(false_negatives, true_positives),
    ]);
    matrix.add_row([
        format!("{label} = 0"),
        cell(false_positives, true_negatives),
        cell(true_negatives, false_positives),
    ]);
    matrix
}
