//! Incidents on a terminal.

use std::io::{self, Write};

use honeyguide::incident::{Change, ChangeKind, Incident, IncidentProcess, Incidents, Names};
use honeyguide::wording::{duration, moment};
use honeyguide_watch::StoredRow;
use serde::Deserialize;

use super::screen::line_width;
use super::{count, fitted, heading, of_them, printable, wrapped};

/// The number of processes of an incident that are shown.
const SHOWN_PROCESSES: usize = 12;
/// The number of reasons of an incident that are shown.
const SHOWN_REASONS: usize = 3;
/// The number of names of a kind that are shown.
const SHOWN_NAMES: usize = 4;

/// Prints incidents, the one with the highest score first.
pub fn print_incidents(found: &Incidents, out: &mut dyn Write) -> io::Result<()> {
    if found.incidents.is_empty() {
        return writeln!(
            out,
            "No event is above the threshold: there is no incident.\n"
        );
    }
    for (number, incident) in (1..).zip(&found.incidents) {
        print_incident(
            number,
            incident,
            found.times_are_dates.unwrap_or(false),
            out,
        )?;
    }
    let shown = found.incidents.len() as u64;
    let incidents = of_them(found.found, "incident", "incidents");
    match found.found - shown {
        0 => writeln!(out, "{incidents} found."),
        more => writeln!(
            out,
            "{incidents} found; {} with lower scores are not shown.",
            count(more)
        ),
    }
}

/// Prints an incident of a store: its first line, and its strongest reasons.
pub fn print_stored(number: usize, row: &StoredRow, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Shown {
        id: String,
        host: Option<String>,
        score: f64,
        first: Option<f64>,
        last: Option<f64>,
        events: u64,
        reasons: Vec<ShownReason>,
    }
    #[derive(Deserialize)]
    struct ShownReason {
        text: String,
    }
    let shown: Shown = serde_json::from_str(row.incident.get())?;
    let host = shown
        .host
        .map_or_else(String::new, |host| format!(" on {host}"));
    let title = format!("{number}. Incident {}{host}", shown.id);
    let (score, state) = (shown.score, &row.state);
    writeln!(
        out,
        "{}  score {score:.2}, {state}",
        heading(&printable(&title))
    )?;
    if let (Some(first), Some(last)) = (shown.first, shown.last) {
        let first_in_words = moment(first, row.times_are_dates.unwrap_or(false));
        writeln!(
            out,
            "   from {first_in_words}, for {}",
            duration(last - first)
        )?;
    }
    writeln!(
        out,
        "   {}",
        of_them(shown.events, "anomalous event", "anomalous events")
    )?;
    let room = line_width().saturating_sub(8).max(20);
    for reason in shown.reasons.iter().take(SHOWN_REASONS) {
        let text = wrapped(&printable(&reason.text), room).join("\n     ");
        writeln!(out, "   - {text}")?;
    }
    writeln!(out)
}

/// Prints what has changed of an incident on one line.
pub fn print_change(
    change: &Change,
    times_are_dates: Option<bool>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let incident = &change.incident;
    let kind = match change.kind {
        ChangeKind::Opened => "opened ",
        ChangeKind::Updated => "updated",
        ChangeKind::Closed => "closed ",
    };
    let time = incident.last.map_or_else(String::new, |last| {
        format!("{}  ", moment(last, times_are_dates.unwrap_or(false)))
    });
    let host = incident
        .host
        .as_deref()
        .map_or_else(String::new, |host| format!(" on {host}"));
    let events = of_them(incident.events, "anomalous event", "anomalous events");
    let reason = incident.reasons.first();
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", reason.text));
    let (id, score) = (&incident.id, incident.score);
    let line = format!("{time}{kind}  incident {id}{host}  score {score:.2}, {events}{reason}");
    writeln!(out, "{}", printable(&line))
}

fn print_incident(
    number: usize,
    incident: &Incident,
    times_are_dates: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let host = incident
        .host
        .as_deref()
        .map_or_else(String::new, |host| format!(" on {host}"));
    let title = format!("{number}. Incident {}{host}", incident.id);
    let score = format!("score {:.2}", incident.score);
    writeln!(out, "{}  {score}", heading(&printable(&title)))?;
    if let Some(previous) = &incident.previous {
        writeln!(out, "   continues incident {previous}")?;
    }
    if let (Some(first), Some(last)) = (incident.first, incident.last) {
        let lasting = duration(last - first);
        writeln!(
            out,
            "   from {}, for {lasting}",
            moment(first, times_are_dates)
        )?;
    }
    let events = of_them(incident.events, "anomalous event", "anomalous events");
    let rows = of_them(
        incident.distinct_rows,
        "distinct feature row",
        "distinct feature rows",
    );
    let processes = match incident.n_processes {
        0 => String::new(),
        some => format!(" of {}", of_them(some, "process", "processes")),
    };
    writeln!(out, "   {events}{processes} with {rows}")?;
    for value in &incident.by {
        let shown = value.value.as_deref().unwrap_or("no value");
        writeln!(out, "   {}: {}", printable(&value.column), printable(shown))?;
    }
    print_names("users", &incident.users, out)?;
    print_names(
        "programs never seen in training",
        &incident.new_programs,
        out,
    )?;
    print_names("addresses", &incident.addresses, out)?;
    print_names("paths", &incident.paths, out)?;
    print_reasons(incident, out)?;
    print_processes(&incident.processes, out)?;
    writeln!(out)
}

fn print_names(what: &str, names: &Names, out: &mut dyn Write) -> io::Result<()> {
    if names.most.is_empty() {
        return Ok(());
    }
    let shown = names.most.iter().take(SHOWN_NAMES);
    let mut text: Vec<_> = shown.map(|one| printable(&one.name).into_owned()).collect();
    let more = names.distinct - text.len() as u64;
    if more > 0 {
        text.push(format!("{} more", count(more)));
    }
    let line = format!("   {what}: {}", text.join(", "));
    writeln!(out, "{}", fitted(&line, line_width()))
}

fn print_reasons(incident: &Incident, out: &mut dyn Write) -> io::Result<()> {
    let room = line_width().saturating_sub(8).max(20);
    for reason in incident.reasons.iter().take(SHOWN_REASONS) {
        let events = of_them(reason.events, "event", "events");
        let text = format!("{} ({events})", printable(&reason.text));
        writeln!(out, "   - {}", wrapped(&text, room).join("\n     "))?;
    }
    Ok(())
}

fn print_processes(processes: &[IncidentProcess], out: &mut dyn Write) -> io::Result<()> {
    for process in processes.iter().take(SHOWN_PROCESSES) {
        let programs = match process.programs.as_slice() {
            [] => "a process that the log does not show".into(),
            names => printable(&names.join(" → ")).into_owned(),
        };
        let events = match process.events {
            0 => String::new(),
            some => format!("  {}", of_them(some, "event", "events")),
        };
        let indent = "  ".repeat(process.depth);
        let line = format!("     {indent}{programs} [{}]{events}", process.process);
        writeln!(out, "{}", fitted(&line, line_width()))?;
    }
    match processes.len().saturating_sub(SHOWN_PROCESSES) {
        0 => Ok(()),
        more => writeln!(out, "     and {} more processes", count(more as u64)),
    }
}
