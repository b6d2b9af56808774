//! Incidents on a terminal.

use std::io::{self, Write};

use honeyguide::incident::{Change, Incident, Incidents, Names};
use honeyguide::wording::{duration, moment};
use honeyguide_watch::{StoredEvent, StoredRow};
use serde::Deserialize;

use super::screen::line_width;
use super::{count, fitted, heading, of_them, printable, wrapped};

/// How much of an incident is shown.
struct Detail {
    processes: usize,
    reasons: usize,
    /// The number of names of a kind.
    names: usize,
    /// Whether long lines are truncated.
    is_cut: bool,
}

/// An incident in a list.
const LISTED: Detail = Detail {
    processes: 12,
    reasons: 3,
    names: 4,
    is_cut: true,
};
/// An incident in full.
const WHOLE: Detail = Detail {
    processes: usize::MAX,
    reasons: usize::MAX,
    names: usize::MAX,
    is_cut: false,
};

/// Prints incidents, the one with the highest score first.
pub fn print_incidents(found: &Incidents, out: &mut dyn Write) -> io::Result<()> {
    if found.incidents.is_empty() {
        return writeln!(
            out,
            "No event is above the threshold: there is no incident.\n"
        );
    }
    let times_are_dates = found.times_are_dates.unwrap_or(false);
    for (number, incident) in (1..).zip(&found.incidents) {
        write!(out, "{}", heading(&format!("{number}. ")))?;
        print_incident(incident, times_are_dates, out)?;
        writeln!(out)?;
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

/// The number of reasons of a stored incident that are shown.
const STORED_REASONS: usize = 3;
/// The number of its events that are shown.
const STORED_EVENTS: usize = 3;

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
    for reason in shown.reasons.iter().take(STORED_REASONS) {
        let text = wrapped(&printable(&reason.text), room).join("\n     ");
        writeln!(out, "   - {text}")?;
    }
    for gap in &row.gaps {
        let (start, end, input, cause) = (&gap.start, &gap.end, &gap.input, &gap.cause);
        let line = format!("   events may be missing: {start} to {end}: {input}: {cause}");
        writeln!(out, "{}", printable(&line))?;
    }
    if !row.told {
        writeln!(
            out,
            "   beyond the budget of its day: alerts do not tell of it"
        )?;
    }
    print_highest(row, out)?;
    writeln!(out)
}

/// Prints the highest of the events of a stored incident that are kept.
fn print_highest(row: &StoredRow, out: &mut dyn Write) -> io::Result<()> {
    let mut events: Vec<&StoredEvent> = row.events.iter().collect();
    events.sort_by(|one, other| other.score.total_cmp(&one.score));
    if !events.is_empty() {
        let kept = of_them(events.len() as u64, "event is", "events are");
        writeln!(out, "   {kept} kept, the highest:")?;
    }
    for event in events.iter().take(STORED_EVENTS) {
        let time = event.time.map_or_else(String::new, |time| {
            moment(time, row.times_are_dates.unwrap_or(false)) + "  "
        });
        let line = format!("     {time}{:.4}  {}", event.score, event.event.get());
        writeln!(out, "{}", fitted(&printable(&line), line_width()))?;
    }
    Ok(())
}

/// Prints what has changed of an incident on one line.
pub fn print_change(
    change: &Change,
    times_are_dates: Option<bool>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let incident = &change.incident;
    let kind = change.kind.name();
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
    let line = format!("{time}{kind:<7}  incident {id}{host}  score {score:.2}, {events}{reason}");
    writeln!(out, "{}", printable(&line))
}

/// Prints two short lines for each incident: what it is, and the programs with the strongest reason.
pub fn print_incident_lines(
    incidents: &[Incident],
    times_are_dates: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (number, incident) in (1..).zip(incidents) {
        let host = incident.host.as_deref().unwrap_or("no host");
        let host = printable(host);
        let score = incident.score;
        let title = format!("{number:>4}  {}  score {score:.2}  {host}", incident.id);
        let time =
            span(incident, times_are_dates).map_or_else(String::new, |span| format!("  {span}"));
        writeln!(out, "{}{time}  {}", heading(&title), size(incident))?;
        let line = format!("      {}", summary(incident));
        writeln!(out, "{}", fitted(&line, line_width()))?;
    }
    Ok(())
}

/// Prints an incident with all that is known of it.
pub fn print_whole_incident(
    incident: &Incident,
    times_are_dates: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    print_detail(incident, times_are_dates, &WHOLE, out)?;
    let highest = incident.highest_score;
    writeln!(
        out,
        "   the first event with the highest score, {highest:.4}:"
    )?;
    writeln!(out, "     {}", incident.event)
}

/// Returns an incident in one sentence: whose it is, its programs and its size.
pub fn sentence(incident: &Incident) -> String {
    let whose = incident.users.most.first();
    let whose = whose.map_or_else(String::new, |user| format!("user {}: ", user.name));
    let addresses = match incident.addresses.distinct {
        0 => String::new(),
        some => format!(", {}", of_them(some, "address", "addresses")),
    };
    format!(
        "{whose}{}; {}{addresses}",
        subject(incident),
        size(incident)
    )
}

/// Returns what an incident is about, and its strongest reason.
fn summary(incident: &Incident) -> String {
    let reason = incident.reasons.first();
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", reason.text));
    format!("{}{reason}", subject(incident))
}

/// Returns the programs of an incident's processes, or the values that tell it apart.
fn subject(incident: &Incident) -> String {
    if incident.by.is_empty() {
        return match incident.chain()[..] {
            [] => "processes that the log does not show".to_owned(),
            ref chain => chain.join(" → "),
        };
    }
    let by = incident.by.iter().map(|by| {
        let value = by.value.as_deref().unwrap_or("no value");
        format!("{} {value}", by.column)
    });
    by.collect::<Vec<_>>().join(", ")
}

/// Returns the numbers of events and processes.
fn size(incident: &Incident) -> String {
    let events = of_them(incident.events, "event", "events");
    match incident.n_processes {
        0 => events,
        some => format!("{events} of {}", of_them(some, "process", "processes")),
    }
}

/// Returns the time of the first event and how long it is until the last one.
fn span(incident: &Incident, times_are_dates: bool) -> Option<String> {
    let (first, last) = (incident.first?, incident.last?);
    let lasting = duration(last - first);
    Some(format!(
        "from {}, for {lasting}",
        moment(first, times_are_dates)
    ))
}

/// Prints an incident as in a list: its times, its size, names, reasons and processes, as far as they are few.
pub fn print_incident(
    incident: &Incident,
    times_are_dates: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    print_detail(incident, times_are_dates, &LISTED, out)
}

fn print_detail(
    incident: &Incident,
    times_are_dates: bool,
    detail: &Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let host = incident
        .host
        .as_deref()
        .map_or_else(String::new, |host| format!(" on {host}"));
    let title = format!("Incident {}{host}", incident.id);
    let score = format!("score {:.2}", incident.score);
    writeln!(out, "{}  {score}", heading(&printable(&title)))?;
    if let Some(previous) = &incident.previous {
        writeln!(out, "   continues incident {previous}")?;
    }
    if let Some(span) = span(incident, times_are_dates) {
        writeln!(out, "   {span}")?;
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
    for (what, names) in [
        ("users", &incident.users),
        ("programs never seen in training", &incident.new_programs),
        ("addresses", &incident.addresses),
        ("paths", &incident.paths),
    ] {
        print_names(what, names, detail, out)?;
    }
    print_reasons(incident, detail, out)?;
    print_processes(incident, detail, out)
}

fn print_names(what: &str, names: &Names, detail: &Detail, out: &mut dyn Write) -> io::Result<()> {
    if names.most.is_empty() {
        return Ok(());
    }
    let shown = names.most.iter().take(detail.names);
    let mut text: Vec<_> = shown.map(|one| printable(&one.name).into_owned()).collect();
    let more = names.distinct - text.len() as u64;
    if more > 0 {
        text.push(format!("{} more", count(more)));
    }
    print_line(&format!("   {what}: {}", text.join(", ")), detail, out)
}

fn print_line(line: &str, detail: &Detail, out: &mut dyn Write) -> io::Result<()> {
    match detail.is_cut {
        true => writeln!(out, "{}", fitted(line, line_width())),
        false => writeln!(out, "{line}"),
    }
}

fn print_reasons(incident: &Incident, detail: &Detail, out: &mut dyn Write) -> io::Result<()> {
    let room = line_width().saturating_sub(8).max(20);
    for reason in incident.reasons.iter().take(detail.reasons) {
        let events = of_them(reason.events, "event", "events");
        let text = format!("{} ({events})", printable(&reason.text));
        writeln!(out, "   - {}", wrapped(&text, room).join("\n     "))?;
    }
    Ok(())
}

fn print_processes(incident: &Incident, detail: &Detail, out: &mut dyn Write) -> io::Result<()> {
    if let Some(program) = &incident.started_by {
        print_line(&format!("     {}", printable(program)), detail, out)?;
    }
    let below = usize::from(incident.started_by.is_some());
    let processes = &incident.processes;
    for process in processes.iter().take(detail.processes) {
        let programs = match process.programs.as_slice() {
            [] => "a process that the log does not show".into(),
            names => printable(&names.join(" → ")).into_owned(),
        };
        let events = match process.events {
            0 => String::new(),
            some => format!("  {}", of_them(some, "event", "events")),
        };
        let indent = "  ".repeat(process.depth + below);
        let line = format!("     {indent}{programs} [{}]{events}", process.process);
        print_line(&line, detail, out)?;
    }
    match processes.len().saturating_sub(detail.processes) {
        0 => Ok(()),
        more => writeln!(out, "     and {} more processes", count(more as u64)),
    }
}
