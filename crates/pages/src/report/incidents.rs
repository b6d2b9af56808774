//! The incidents of a report in words, and their process trees.

use honeyguide::incident::{Incident, Incidents, Names};
use honeyguide::log::Log;
use honeyguide::report::Report;
use honeyguide::wording::{count, duration, moment, of_them, printable};

use super::tree::{Tree, tree};
use crate::chart::clip;

/// The number of incidents that are listed.
pub(super) const LISTED: usize = 25;
/// The number of incidents whose details are open at first.
const OPEN: usize = 1;
/// The number of names of a kind that are shown of an incident.
const NAMES: usize = 8;
/// The number of names and of reasons in a row of the table.
const SHORT: usize = 3;
/// The number of reasons that are shown of an incident.
const REASONS: usize = 6;

/// The incidents of a report.
pub(super) struct IncidentList {
    /// How many there are, in a sentence.
    pub sentence: String,
    /// What the times count from, in a sentence; empty without times.
    pub origin: String,
    pub rows: Vec<IncidentView>,
    pub has_hosts: bool,
    pub has_times: bool,
    pub has_processes: bool,
    pub has_labels: bool,
    /// Whether an incident has a program that training never saw.
    pub has_new_programs: bool,
}

/// An incident in words.
pub(super) struct IncidentView {
    pub number: usize,
    pub is_open: bool,
    pub score: String,
    pub host: String,
    pub first: String,
    pub lasting: String,
    pub events: String,
    pub processes: String,
    pub labels: String,
    pub new_programs: String,
    /// The strongest reasons, as they are in the table.
    pub reasons: Vec<String>,
    /// The title of the details.
    pub title: String,
    /// Names and values of the details.
    pub facts: Vec<(&'static str, String)>,
    /// The reasons, each with its number of events.
    pub all_reasons: Vec<String>,
    /// The program that started the session, which is not in the tree; empty if none is known.
    pub started_by: String,
    pub tree: Tree,
}

impl IncidentList {
    /// Words the incidents of a report.
    pub fn new(report: &Report, log: &Log) -> Self {
        let found = &report.incidents.found;
        let listed = found.incidents.iter().take(LISTED).enumerate();
        let rows: Vec<IncidentView> = listed
            .map(|(index, incident)| IncidentView::new(report, index, incident))
            .collect();
        let any = |has: fn(&Incident) -> bool| found.incidents.iter().any(has);
        Self {
            sentence: sentence(found, rows.len()),
            origin: match (found.times_are_dates, log.time_origin()) {
                (Some(false), Some(origin)) => format!("Times count from {origin}."),
                (Some(false), None) => "Times are those of the data's own clock.".to_owned(),
                (Some(true), _) => "Times are in UTC.".to_owned(),
                (None, _) => String::new(),
            },
            has_hosts: report.places.n_hosts.is_some(),
            has_times: any(|incident| incident.first.is_some()),
            has_processes: any(|incident| incident.n_processes > 0),
            has_labels: !report.evaluation.labels.is_empty(),
            has_new_programs: any(|incident| incident.new_programs.distinct > 0),
            rows,
        }
    }
}

fn sentence(found: &Incidents, listed: usize) -> String {
    let events = of_them(found.anomalous, "anomalous event", "anomalous events");
    let belong = if found.anomalous == 1 {
        "belongs"
    } else {
        "belong"
    };
    let incidents = of_them(found.found, "incident", "incidents");
    let shown = match found.found > listed as u64 {
        true => format!(" The {listed} with the highest scores are listed."),
        false => String::new(),
    };
    format!("{events} {belong} to {incidents}.{shown}")
}

impl IncidentView {
    fn new(report: &Report, index: usize, incident: &Incident) -> Self {
        let is_date = report.incidents.found.times_are_dates.unwrap_or(false);
        let host = match &incident.host {
            Some(host) => printable(&clip(host)).into_owned(),
            None => "–".to_owned(),
        };
        let processes = match incident.n_processes {
            0 => "–".to_owned(),
            some => count(some),
        };
        let short = incident.reasons.iter().take(SHORT);
        let reasons = incident.reasons.iter().take(REASONS);
        Self {
            number: index + 1,
            is_open: index < OPEN,
            score: format!("{:.2}", incident.score),
            first: at(incident.first, is_date),
            lasting: lasting(incident),
            events: count(incident.events),
            processes,
            labels: labels(report, index),
            new_programs: names(&incident.new_programs, SHORT),
            reasons: short
                .map(|reason| printable(&clip_reason(&reason.text)).into_owned())
                .collect(),
            title: title(incident, index + 1, &host),
            facts: facts(incident, is_date),
            all_reasons: reasons
                .map(|reason| {
                    let events = of_them(reason.events, "event", "events");
                    format!("{} ({events})", printable(&clip_reason(&reason.text)))
                })
                .collect(),
            started_by: match &incident.started_by {
                Some(program) => printable(&clip(program)).into_owned(),
                None => String::new(),
            },
            tree: tree(&incident.processes),
            host,
        }
    }
}

/// Cuts a reason, which is longer than a name.
fn clip_reason(text: &str) -> String {
    crate::chart::cut(text, 300)
}

fn at(time: Option<f64>, is_date: bool) -> String {
    time.map_or_else(|| "–".to_owned(), |time| moment(time, is_date))
}

/// Writes how long an incident lasts.
fn lasting(incident: &Incident) -> String {
    let span = incident.last.zip(incident.first);
    span.map_or_else(|| "–".to_owned(), |(last, first)| duration(last - first))
}

/// Returns the labels that an incident's events have.
fn labels(report: &Report, index: usize) -> String {
    let held = &report.incidents.held[index];
    let names = report.evaluation.labels.iter().zip(held);
    let names = names.filter(|(_, held)| **held);
    let names: Vec<String> = names
        .map(|(label, _)| printable(&clip(&label.label)).into_owned())
        .collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn title(incident: &Incident, number: usize, host: &str) -> String {
    let on = match &incident.host {
        Some(_) => format!(" on {host}"),
        None => String::new(),
    };
    let processes = match incident.n_processes {
        0 => String::new(),
        some => format!(" of {}", of_them(some, "process", "processes")),
    };
    let events = of_them(incident.events, "anomalous event", "anomalous events");
    format!(
        "{number}. Score {:.2}{on}: {events}{processes}",
        incident.score
    )
}

fn facts(incident: &Incident, is_date: bool) -> Vec<(&'static str, String)> {
    let mut facts = vec![("incident", incident.id.clone())];
    if let Some(previous) = &incident.previous {
        facts.push(("continues incident", previous.clone()));
    }
    if incident.first.is_some() {
        facts.push(("from", at(incident.first, is_date)));
        facts.push(("to", at(incident.last, is_date)));
    }
    facts.push(("distinct feature rows", count(incident.distinct_rows)));
    for value in &incident.by {
        let shown = value.value.as_deref().unwrap_or("no value");
        let shown = format!("{} = {}", clip(&value.column), clip(shown));
        facts.push(("grouped by", printable(&shown).into_owned()));
    }
    let kinds = [
        ("users", &incident.users),
        ("programs never seen in training", &incident.new_programs),
        ("addresses", &incident.addresses),
        ("paths", &incident.paths),
    ];
    for (name, kind) in kinds {
        if !kind.most.is_empty() {
            facts.push((name, names(kind, NAMES)));
        }
    }
    facts
}

/// Lists at most `most` names, and says how many there are more.
fn names(names: &Names, most: usize) -> String {
    let shown = names.most.iter().take(most);
    let mut texts: Vec<String> = shown
        .map(|one| printable(&clip(&one.name)).into_owned())
        .collect();
    match names.distinct - texts.len() as u64 {
        0 => {}
        more => texts.push(format!("{} more", count(more))),
    }
    texts.join(", ")
}
