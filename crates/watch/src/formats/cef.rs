//! Alerts in ArcSight's Common Event Format, version 0.

use std::fmt::Write as _;

use honeyguide::wording::printable;

use super::day::Day;
use super::severity::Severity;
use super::told::Told;
use super::{PRODUCT, VERSION, cut};

/// The greatest number of bytes of a value that comes from data.
const VALUE_BYTES: usize = 1023;
/// The number of names of a kind in a value.
const NAMES: usize = 5;

/// Returns an alert as one line without an end.
pub(super) fn line(told: &Told) -> String {
    let incident = &told.incident;
    let kind = told.kind.name();
    let mut line = Line::new(&format!("incident-{kind}"), &told.title(), told.severity());
    let mut add = |key: &str, value: &str| line.add(key, value);
    add("externalId", &told.id);
    add("rt", &told.time.timestamp_millis().to_string());
    for (key, time) in [("start", told.first()), ("end", told.last())] {
        if let Some(time) = time {
            add(key, &time.timestamp_millis().to_string());
        }
    }
    add("cnt", &incident.events.to_string());
    if let Some(host) = &incident.host {
        add("dhost", host);
    }
    if let Some(user) = incident.users.most.first() {
        match user.name.parse::<u32>() {
            Ok(_) => add("duid", &user.name),
            Err(_) => add("duser", &user.name),
        }
    }
    if let Some((process, _)) = incident.main_process() {
        add("dpid", &process.process.to_string());
        if let Some(program) = process.program() {
            add("dproc", program);
        }
    }
    add("cfp1Label", "score");
    add("cfp1", &format!("{:.4}", incident.score));
    if !told.gaps.is_empty() {
        add("cn1Label", "gaps");
        add("cn1", &told.gaps.len().to_string());
    }
    let addresses = incident.addresses.first(NAMES).join(", ");
    let reasons: Vec<_> = told.reasons(2).collect();
    let labelled = [
        ("cs1", "incident", incident.id.as_str()),
        ("cs2", "reason", reasons.first().map_or("", AsRef::as_ref)),
        (
            "cs3",
            "second reason",
            reasons.get(1).map_or("", AsRef::as_ref),
        ),
        ("cs4", "addresses", &addresses),
        ("cs5", "data", if told.simulated { "simulated" } else { "" }),
    ];
    for (key, label, value) in labelled
        .into_iter()
        .filter(|(_, _, value)| !value.is_empty())
    {
        add(&format!("{key}Label"), label);
        add(key, value);
    }
    line.0
}

/// Returns the alert of a day as one line without an end.
pub(super) fn digest(day: &Day) -> String {
    let mut line = Line::new(Day::KIND, &day.title(), day.severity());
    let (begins, ends) = day.span();
    let named: Vec<String> = day.named(NAMES).collect();
    line.add("externalId", &day.id);
    line.add("rt", &day.time.timestamp_millis().to_string());
    line.add("start", &begins.timestamp_millis().to_string());
    line.add("end", &ends.timestamp_millis().to_string());
    line.add("cnt", &day.digest.beyond.to_string());
    line.add("msg", &day.summary());
    line.add("cs1Label", "incidents");
    line.add("cs1", &named.join("; "));
    if day.simulated {
        line.add("cs5Label", "data");
        line.add("cs5", "simulated");
    }
    line.0
}

/// A line with its header, to which values are added.
struct Line(String);

impl Line {
    fn new(kind: &str, title: &str, severity: Severity) -> Self {
        let (title, severity) = (header(title), severity.cef());
        Self(format!(
            "CEF:0|{PRODUCT}|{PRODUCT}|{VERSION}|{kind}|{title}|{severity}|"
        ))
    }

    /// Adds a value to the extension.
    fn add(&mut self, key: &str, value: &str) {
        let space = if self.0.ends_with('|') { "" } else { " " };
        let value = extension(cut(value, VALUE_BYTES));
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "{space}{key}={value}");
    }
}

/// Returns a text as a field of the header.
fn header(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// Returns a text as a value of the extension.
fn extension(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('=', "\\=")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, alert_with, told};
    use super::*;

    /// Reads a line as a receiver does: the fields of the header, and the pairs of the extension.
    fn read(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
        let mut fields = vec![String::new()];
        let mut characters = line.chars();
        while fields.len() < 8
            && let Some(character) = characters.next()
        {
            match character {
                '\\' => fields
                    .last_mut()
                    .expect("one")
                    .push(characters.next().expect("escaped")),
                '|' => fields.push(String::new()),
                other => fields.last_mut().expect("one").push(other),
            }
        }
        fields.pop();
        let mut pairs: Vec<(String, String)> = Vec::new();
        let (mut text, mut key) = (String::new(), String::new());
        while let Some(character) = characters.next() {
            match character {
                '\\' => text.push(characters.next().expect("escaped")),
                '=' => {
                    let (before, name) = text.rsplit_once(' ').unwrap_or(("", &text));
                    pairs.push((
                        std::mem::replace(&mut key, name.to_owned()),
                        before.to_owned(),
                    ));
                    text = String::new();
                }
                other => text.push(other),
            }
        }
        pairs.push((key, text));
        (fields, pairs.into_iter().skip(1).collect())
    }

    #[test]
    fn a_receiver_reads_the_values_that_were_sent() {
        let (header, values) = read(&line(&told(&alert())));
        let (version, kind) = (VERSION, "incident-updated");
        let title = "incident 9f2c4b1a7d3e5f60 on web-1 updated";
        assert_eq!(
            header,
            [
                "CEF:0",
                "honeyguide",
                "honeyguide",
                version,
                kind,
                title,
                "6"
            ]
        );
        assert_eq!(values["externalId"], "9f2c4b1a7d3e5f60:2");
        assert_eq!(values["start"], "1790856000250");
        assert_eq!(values["dpid"], "99");
        assert_eq!(
            (values["cs4Label"].as_str(), values["cs4"].as_str()),
            ("addresses", "web-1, 198.51.100.7")
        );
        assert_eq!(values.get("cs5"), None);
    }

    #[test]
    fn no_text_of_the_data_forges_a_field() {
        let hostile = "a|b=c\\|d\\=e dhost=evil\nCEF:0|x\r\u{2028}";
        let line = line(&told(&alert_with(hostile)));
        assert_eq!(line.lines().count(), 1, "{line}");
        let (header, values) = read(&line);
        assert_eq!(header.len(), 7, "{line}");
        // What cannot be printed is escaped with a backslash, as in every message.
        let shown = printable(hostile).into_owned();
        assert_eq!(
            header[5],
            format!("incident 9f2c4b1a7d3e5f60 on {shown} updated")
        );
        for key in ["dhost", "duser", "dproc", "cs2"] {
            assert_eq!(values[key], shown, "{key}");
        }
    }

    #[test]
    fn the_digest_of_a_day_is_read_as_it_was_sent() {
        let (header, values) = read(&digest(&day(&digest_with("a|b=c"))));
        assert_eq!(header[4..], ["digest", "digest of 2026-10-01", "6"]);
        assert_eq!(values["cnt"], "1017");
        assert!(values["cs1"].starts_with("9f2c4b1a7d3e5f60 on a|b=c, score"));
    }

    #[test]
    fn long_values_are_cut() {
        let line = line(&told(&alert_with(&"é=".repeat(5000))));
        let (_, values) = read(&line);
        assert!(
            values["dhost"].len() <= VALUE_BYTES,
            "{}",
            values["dhost"].len()
        );
    }
}
