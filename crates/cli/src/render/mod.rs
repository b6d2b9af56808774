//! How results look on a terminal.

mod evaluation;
mod numbers;
mod text;

use comfy_table::{ContentArrangement, Table, presets};
use honeyguide::event;
use honeyguide::score::Anomaly;

pub use evaluation::print_evaluation;
pub use numbers::{count, defined, percent, percent_of};
pub use text::{heading, printable, printable_lines};

/// Width of tables where there is no terminal to ask.
const DEFAULT_WIDTH: u16 = 120;

/// An empty table that fits the terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let (_, width) = console::Term::stdout()
        .size_checked()
        .unwrap_or((0, DEFAULT_WIDTH));
    table.set_width(width);
    table.set_header(header);
    table
}

/// The most anomalous events, each with the columns that say what it was.
pub fn anomaly_table(anomalies: &[Anomaly]) -> Table {
    let known = |name: &&str| {
        anomalies
            .first()
            .is_some_and(|first| first.event.iter().any(|(column, _)| column == name))
    };
    let mut columns: Vec<&str> = event::IDENTIFYING.into_iter().filter(known).collect();
    if columns.is_empty() {
        columns = anomalies
            .first()
            .iter()
            .flat_map(|first| &first.event)
            .map(|(name, _)| name.as_str())
            .take(8)
            .collect();
    }
    let header = ["score", "alike"]
        .into_iter()
        .chain(columns.iter().copied())
        .collect::<Vec<_>>();
    let mut table = table(&header);
    for anomaly in anomalies {
        let value = |column: &&str| {
            let value = anomaly
                .event
                .iter()
                .find(|(name, _)| name == column)
                .and_then(|(_, value)| value.as_deref());
            printable(value.unwrap_or("-")).into_owned()
        };
        let mark = if anomaly.anomalous { "" } else { " (below)" };
        let score = format!("{:.3}{mark}", anomaly.score);
        table.add_row(
            [score, count(anomaly.events_alike)]
                .into_iter()
                .chain(columns.iter().map(value)),
        );
    }
    table
}
