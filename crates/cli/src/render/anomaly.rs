//! Anomalous events and their reasons on a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use honeyguide::log::Log;
use honeyguide::score::{Anomaly, Explained};

use super::{TextTable, count, heading, printable, shortened};

/// The number of columns that are shown of an event of which it is not known what identifies it.
const MAX_COLUMNS: usize = 8;
/// The length of the longest value that is shown of an event in full.
const MAX_VALUE_CHARACTERS: usize = 300;

/// Prints the most anomalous events of a log, and below them the reasons for each.
pub fn print_anomalies(anomalies: &[Anomaly], log: &Log, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = anomalies.first() else {
        return Ok(());
    };
    let names: Vec<&str> = first.event.iter().map(|(name, _)| name).collect();
    let columns = log.shown(&names, MAX_COLUMNS);
    let names: Vec<_> = columns.iter().map(|column| printable(column)).collect();
    let header: Vec<&str> = ["", "row", "score", "alike"]
        .into_iter()
        .chain(names.iter().map(AsRef::as_ref))
        .collect();
    let mut events = TextTable::new(header, 0..4);
    for (number, anomaly) in (1..).zip(anomalies) {
        let below = if anomaly.anomalous { "" } else { " (below)" };
        let score = format!("{:.3}{below}", anomaly.score);
        // Rows are written without separators, since `explain --row` takes them.
        let row = anomaly.row_in_data.to_string();
        let cells = [number.to_string(), row, score, count(anomaly.events_alike)].into_iter();
        events.add_row(cells.chain(columns.iter().map(|column| value(anomaly, column))));
    }
    writeln!(out, "{events}")?;
    if anomalies.iter().all(|anomaly| anomaly.reasons.is_empty()) {
        return Ok(());
    }
    writeln!(out, "\n{}", heading("Why"))?;
    for (number, anomaly) in (1..).zip(anomalies) {
        let reasons: Vec<_> = anomaly
            .reasons
            .iter()
            .map(|reason| printable(&reason.text).into_owned())
            .collect();
        writeln!(out, "{number:>4}  {}", reasons.join("\n      "))?;
    }
    Ok(())
}

/// Returns the beginning of a long value, with an ellipsis and the number of characters that are left out.
fn beginning(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(MAX_VALUE_CHARACTERS) {
        None => Cow::Borrowed(value),
        Some((end, _)) => {
            let more = value[end..].chars().count() as u64;
            let (shown, more) = (&value[..end], count(more));
            Cow::Owned(format!(
                "{shown}… ({more} more characters; --json has all of them)"
            ))
        }
    }
}

fn value(anomaly: &Anomaly, column: &str) -> String {
    let value = anomaly.event.get(column).unwrap_or("-");
    printable(&shortened(value)).into_owned()
}

/// Prints one event in full, and what every feature contributes to its score.
pub fn print_explained(explained: &Explained, out: &mut dyn Write) -> io::Result<()> {
    let Explained {
        anomaly,
        normalised_path_length,
        base,
        selected,
    } = explained;
    writeln!(
        out,
        "{} row {}",
        heading(&printable(&anomaly.file.display().to_string())),
        count(anomaly.row)
    )?;
    if *selected > 1 {
        writeln!(
            out,
            "the first of {} events that are selected",
            count(*selected)
        )?;
    }
    for (name, value) in anomaly.event.iter() {
        let text = beginning(value.unwrap_or("-"));
        writeln!(out, "  {:<16} {}", printable(name), printable(&text))?;
    }
    let verdict = if anomaly.anomalous {
        "above the threshold: anomalous"
    } else {
        "not above the threshold"
    };
    writeln!(
        out,
        "\n{} {:.4}, {verdict}",
        heading("score"),
        anomaly.score
    )?;
    let header = ["contribution", "feature", "this event, and what is normal"];
    let mut features = TextTable::new(header, [0]);
    for reason in &anomaly.reasons {
        let contribution = format!("{:+.4}", reason.contribution);
        features.add_row([
            contribution,
            printable(&reason.feature).into_owned(),
            printable(&reason.text).into_owned(),
        ]);
    }
    writeln!(out, "{features}")?;
    let sum: f64 = anomaly
        .reasons
        .iter()
        .map(|reason| reason.contribution)
        .sum();
    writeln!(
        out,
        "\nThe contributions add up to {sum:+.4}: the event's normalised path length is {normalised_path_length:.4}, the mean in training {base:.4}.\n\
         Negative contributions make it more anomalous. score = 2^−{normalised_path_length:.4} = {:.4}",
        anomaly.score
    )
}
