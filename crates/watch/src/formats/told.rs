//! An alert as the formats of other products read it: from its own documented JSON, as it lies in the outbox.

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use honeyguide::incident::ChangeKind;
use honeyguide::wording::{of_them, printable};
use serde::Deserialize;

use super::severity::Severity;
use crate::gap::Gap;

/// The number of names of a kind, and of reasons, that a summary names.
const SUMMARY_NAMES: usize = 3;

/// An alert.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    pub id: String,
    pub kind: ChangeKind,
    pub revision: u64,
    pub time: DateTime<Utc>,
    pub model: Option<String>,
    pub times_are_dates: Option<bool>,
    #[serde(default)]
    pub simulated: bool,
    pub incident: Incident,
    /// The times in which events of the incident may have been lost.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// What the formats take of an incident.
#[derive(Debug, Deserialize)]
pub(crate) struct Incident {
    pub id: String,
    pub previous: Option<String>,
    pub host: Option<String>,
    pub score: f64,
    pub first: Option<f64>,
    pub last: Option<f64>,
    pub events: u64,
    pub n_processes: u64,
    pub started_by: Option<String>,
    pub processes: Vec<Process>,
    pub users: Names,
    pub new_programs: Names,
    pub paths: Names,
    pub addresses: Names,
    pub reasons: Vec<Reason>,
}

/// A process with anomalous events, or one that it descends from.
#[derive(Debug, Deserialize)]
pub(crate) struct Process {
    pub depth: usize,
    pub process: i64,
    pub programs: Vec<String>,
    pub events: u64,
}

/// Names, most events first.
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub most: Vec<Name>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Name {
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    pub feature: String,
    pub text: String,
    pub events: u64,
}

impl Names {
    /// Returns the first `limit` names.
    pub fn first(&self, limit: usize) -> Vec<&str> {
        let names = self.most.iter().take(limit);
        names.map(|name| name.name.as_str()).collect()
    }

    /// Returns those of the names that are addresses of the Internet Protocol.
    pub fn internet(&self) -> Vec<IpAddr> {
        let names = self.most.iter();
        names.filter_map(|name| name.name.parse().ok()).collect()
    }
}

impl Process {
    /// Returns the program that the process ran last.
    pub fn program(&self) -> Option<&str> {
        self.programs.last().map(String::as_str)
    }
}

impl Incident {
    /// Returns the process with the most events, the first of equals, and its parent, as far as the incident has them.
    pub fn main_process(&self) -> Option<(&Process, Option<&Process>)> {
        let most = self.processes.iter().map(|process| process.events).max()?;
        let at = self
            .processes
            .iter()
            .position(|process| process.events == most)?;
        let main = &self.processes[at];
        // Each process is listed after its parent.
        let above = self.processes[..at].iter().rev();
        let parent = above
            .take_while(|process| process.depth + 1 >= main.depth)
            .find(|process| process.depth + 1 == main.depth);
        Some((main, parent))
    }
}

impl Told {
    pub fn severity(&self) -> Severity {
        Severity::of(self.incident.score)
    }

    /// Returns the time of the incident's first event, if its times are dates.
    pub fn first(&self) -> Option<DateTime<Utc>> {
        self.date(self.incident.first)
    }

    /// Returns the time of the incident's last event, if its times are dates.
    pub fn last(&self) -> Option<DateTime<Utc>> {
        self.date(self.incident.last)
    }

    fn date(&self, seconds: Option<f64>) -> Option<DateTime<Utc>> {
        let seconds = seconds.filter(|_| self.times_are_dates == Some(true))?;
        DateTime::from_timestamp_millis((seconds * 1000.0).floor() as i64)
    }

    /// Returns the alert in a few words: what happened to which incident where.
    pub fn title(&self) -> String {
        let mark = if self.simulated { "simulated: " } else { "" };
        let host = match &self.incident.host {
            Some(host) => format!(" on {}", printable(host)),
            None => String::new(),
        };
        let (id, kind) = (&self.incident.id, self.kind.name());
        format!("{mark}incident {id}{host} {kind}")
    }

    /// Returns the alert in one sentence: its title, its size, and its strongest reasons. Characters that act on a terminal
    /// are escaped.
    pub fn summary(&self) -> String {
        let events = of_them(self.incident.events, "anomalous event", "anomalous events");
        let score = self.incident.score;
        let reasons: Vec<Cow<'_, str>> = self.reasons(SUMMARY_NAMES).collect();
        let reasons = match reasons.is_empty() {
            true => String::new(),
            false => format!(": {}", reasons.join("; ")),
        };
        let gaps = self
            .lost()
            .map_or_else(String::new, |lost| format!("; {lost}"));
        format!(
            "{}: score {score:.2}, {events}{reasons}{gaps}",
            self.title()
        )
    }

    /// Returns in which times events may have been lost, in words; `None` if there are none.
    pub fn lost(&self) -> Option<String> {
        let (first, last) = (self.gaps.first()?, self.gaps.last()?);
        let (start, end) = (&first.start, &last.end);
        let gaps = of_them(self.gaps.len() as u64, "gap", "gaps");
        Some(format!(
            "events may be missing: {gaps} from {start} to {end}"
        ))
    }

    /// Returns the strongest reasons in words.
    pub fn reasons(&self, limit: usize) -> impl Iterator<Item = Cow<'_, str>> {
        let reasons = self.incident.reasons.iter().take(limit);
        reasons.map(|reason| printable(&reason.text))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An alert with all that formats read. `text` stands wherever an alert has a text of the data.
    pub(crate) fn alert_with(text: &str) -> Value {
        let names = json!({ "distinct": 2, "most": [{ "name": text, "events": 3 }, { "name": "198.51.100.7", "events": 1 }] });
        json!({
            "format": "honeyguide-alert", "version": 1, "id": "9f2c4b1a7d3e5f60:2", "kind": "updated", "revision": 2,
            "time": "2026-10-01T12:00:05.120Z", "model": "5f".repeat(32), "times_are_dates": true,
            "incident": {
                "id": "9f2c4b1a7d3e5f60", "previous": null, "host": text, "score": 41.724, "first": 1_790_856_000.25,
                "last": 1_790_856_004.5, "events": 212, "distinct_rows": 9, "n_processes": 2, "started_by": "sshd",
                "processes": [
                    { "depth": 0, "process": 77, "programs": ["bash"], "events": 0 },
                    { "depth": 1, "process": 80, "programs": ["ls"], "events": 3 },
                    { "depth": 1, "process": 99, "programs": ["wget", text], "events": 9 },
                ],
                "by": [], "users": names, "new_programs": names, "paths": names, "addresses": names,
                "reasons": [
                    { "feature": "event_of_program", "text": text, "contribution": -3.5, "events": 200 },
                    { "feature": "argsNum", "text": "argsNum = 9, rare", "contribution": -1.0, "events": 12 },
                ],
                "event": { "timestamp": 1.0 }, "highest_score": 0.71,
            },
        })
    }

    /// Returns the id and the JSON of an alert of an incident.
    pub(crate) fn told_alert(incident: &str, revision: u64) -> (String, String) {
        let mut alert = alert();
        let id = format!("{incident}:{revision}");
        alert["id"] = id.as_str().into();
        alert["revision"] = revision.into();
        alert["incident"]["id"] = incident.into();
        (id, alert.to_string())
    }

    /// An alert with harmless texts.
    pub(crate) fn alert() -> Value {
        alert_with("web-1")
    }

    pub(crate) fn told(alert: &Value) -> Told {
        serde_json::from_value(alert.clone()).expect("an alert")
    }

    #[test]
    fn the_main_process_has_the_most_events_and_the_nearest_process_above_it_is_its_parent() {
        let told = told(&alert());
        let (main, parent) = told.incident.main_process().expect("a process");
        assert_eq!((main.process, main.program()), (99, Some("web-1")));
        assert_eq!(parent.map(|parent| parent.process), Some(77));
    }

    #[test]
    fn a_summary_says_what_where_and_why() {
        assert_eq!(
            told(&alert()).summary(),
            "incident 9f2c4b1a7d3e5f60 on web-1 updated: score 41.72, 212 anomalous events: web-1; argsNum = 9, rare"
        );
        let mut alert = alert_with("a\u{1b}[31m\nb");
        alert["simulated"] = true.into();
        alert["incident"]["reasons"] = json!([]);
        let summary = told(&alert).summary();
        assert!(summary.starts_with("simulated: incident"), "{summary}");
        assert!(
            summary.chars().all(|character| !character.is_control()),
            "{summary}"
        );
    }

    #[test]
    fn a_summary_says_that_events_may_be_missing() {
        let mut alert = alert();
        let gap = |minute: u32| {
            let time = |second: u32| format!("2026-10-01T12:{minute:02}:{second:02}.000Z");
            json!({ "input": "-", "start": time(1), "end": time(9), "cause": "no watch was running" })
        };
        alert["gaps"] = json!([gap(0), gap(5)]);
        let summary = told(&alert).summary();
        let said = "; events may be missing: 2 gaps from 2026-10-01T12:00:01.000Z to 2026-10-01T12:05:09.000Z";
        assert!(summary.ends_with(said), "{summary}");
    }

    #[test]
    fn only_dates_become_times() {
        let mut alert = alert();
        assert_eq!(
            told(&alert).first().map(|time| time.timestamp_millis()),
            Some(1_790_856_000_250)
        );
        alert["times_are_dates"] = false.into();
        assert_eq!(told(&alert).first(), None);
    }
}
