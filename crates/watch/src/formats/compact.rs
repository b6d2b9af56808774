//! Alerts as an object of bounded size, for syslog: many receivers cut what is longer than 8 KiB.

use honeyguide::wording::printable;
use serde_json::{Value, json};

use super::day::Day;
use super::told::{Names, Told};
use super::{cut, date};

/// The greatest number of bytes of a text.
const TEXT_BYTES: usize = 160;
/// The number of names of a kind, and of reasons.
const LISTED: usize = 3;

/// Returns an alert as an object.
pub(super) fn document(told: &Told) -> Value {
    let incident = &told.incident;
    let names =
        |names: &Names| -> Vec<String> { names.first(LISTED).into_iter().map(short).collect() };
    let reasons = incident.reasons.iter().take(LISTED);
    let reasons: Vec<String> = reasons.map(|reason| short(&reason.text)).collect();
    let mut document = json!({
        "id": told.id,
        "time": date(told.time),
        "kind": told.kind.name(),
        "revision": told.revision,
        "incident": incident.id,
        "host": incident.host.as_deref().map(short),
        "score": incident.score,
        "severity": told.severity().name(),
        "first": told.first().map(date),
        "last": told.last().map(date),
        "events": incident.events,
        "processes": incident.n_processes,
        "users": names(&incident.users),
        "new_programs": names(&incident.new_programs),
        "addresses": names(&incident.addresses),
        "paths": names(&incident.paths),
        "reasons": reasons,
        "gaps": told.gaps.len(),
        "model": told.model,
    });
    if told.simulated {
        document["simulated"] = true.into();
    }
    document
}

/// Returns the alert of a day as an object.
pub(super) fn digest(day: &Day) -> Value {
    let mut document = json!({
        "id": day.id,
        "time": date(day.time),
        "kind": Day::KIND,
        "revision": day.revision,
        "day": day.digest.day,
        "told": day.digest.told,
        "beyond": day.digest.beyond,
        "score": day.score(),
        "severity": day.severity().name(),
        "incidents": day.named(LISTED).map(|named| short(&named)).collect::<Vec<_>>(),
        "model": day.model,
    });
    if day.simulated {
        document["simulated"] = true.into();
    }
    document
}

/// Returns a text that is not too long. One that was cut ends with an ellipsis. JSON writes at most two bytes for each byte of
/// a text that can be printed.
fn short(text: &str) -> String {
    let text = printable(text);
    match cut(&text, TEXT_BYTES) {
        whole if whole.len() == text.len() => whole.to_owned(),
        start => format!("{start}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, alert_with, told};
    use super::*;

    /// What a receiver of syslog takes of an entry with its default settings.
    const RECEIVED_BYTES: usize = 8 << 10;

    #[test]
    fn every_alert_fits_into_an_entry() {
        for hostile in ["\u{1}", "\"", "\\", "é"] {
            let mut alert = alert_with(&hostile.repeat(50_000));
            for names in ["users", "new_programs", "addresses", "paths"] {
                let name = alert["incident"][names]["most"][0].clone();
                alert["incident"][names]["most"] = vec![name; 20].into();
            }
            let reason = alert["incident"]["reasons"][0].clone();
            alert["incident"]["reasons"] = vec![reason; 10].into();
            let bytes = document(&told(&alert)).to_string().len();
            assert!(bytes < RECEIVED_BYTES - 200, "{hostile:?}: {bytes}");
            let digest = digest(&day(&digest_with(&hostile.repeat(50_000))));
            let bytes = digest.to_string().len();
            assert!(bytes < RECEIVED_BYTES - 200, "{hostile:?}: {bytes}");
        }
        let short = document(&told(&self::alert()));
        assert_eq!(short["reasons"], json!(["web-1", "argsNum = 9, rare"]));
        assert_eq!(short["first"], "2026-10-01T12:00:00.250Z");
    }
}
