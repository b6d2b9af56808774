//! Alerts in ArcSight's Common Event Format, version 0.

use std::fmt::Write as _;

use honeyguide::wording::printable;

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
    let mut line = format!(
        "CEF:0|{PRODUCT}|{PRODUCT}|{VERSION}|incident-{kind}|{}|{}|",
        header(&told.title()),
        told.severity().cef()
    );
    let mut add = |key: &str, value: &str| {
        let space = if line.ends_with('|') { "" } else { " " };
        // Writing to a `String` cannot fail.
        let _ = write!(line, "{space}{key}={}", extension(cut(value, VALUE_BYTES)));
    };
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
    line
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
