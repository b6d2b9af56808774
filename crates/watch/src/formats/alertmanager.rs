//! Alerts for Alertmanager, as `POST /api/v2/alerts` takes them.

use chrono::Duration;
use honeyguide::incident::{ChangeKind, QUIET_SECONDS};
use serde_json::{Value, json};

use super::day::Day;
use super::told::Told;
use super::{PRODUCT, date};

/// The number of reasons that are annotations.
const REASONS: usize = 3;
/// For how long after its alert an open incident stays active: until it must have been updated or closed, and two minutes
/// for the way.
const ACTIVE_SECONDS: i64 = QUIET_SECONDS as i64 + 120;

/// Returns a list of one alert. Its labels, which are its identity, are the same in all alerts of an incident. It ends when
/// the incident does, and by itself when nothing more is heard of it.
pub(super) fn document(told: &Told) -> Value {
    let incident = &told.incident;
    let mut labels = json!({
        "alertname": "HoneyguideIncident",
        "source": PRODUCT,
        "incident": incident.id,
    });
    if let Some(host) = &incident.host {
        labels["host"] = host.as_str().into();
    }
    if told.simulated {
        labels["simulated"] = "true".into();
    }
    let mut annotations = json!({
        "summary": told.summary(),
        "id": told.id,
        "kind": told.kind.name(),
        "severity": told.severity().name(),
        "score": format!("{:.2}", incident.score),
        "events": incident.events.to_string(),
    });
    for (number, reason) in (1..).zip(told.reasons(REASONS)) {
        annotations[format!("reason_{number}")] = reason.into_owned().into();
    }
    if let Some(lost) = told.lost() {
        annotations["gaps"] = lost.into();
    }
    let ends = match told.kind {
        ChangeKind::Closed => told.time,
        ChangeKind::Opened | ChangeKind::Updated => told.time + Duration::seconds(ACTIVE_SECONDS),
    };
    // Events of a clock that is ahead must not begin after the end.
    let starts = told.first().unwrap_or(told.time).min(told.time);
    json!([{
        "labels": labels,
        "annotations": annotations,
        "startsAt": date(starts),
        "endsAt": date(ends),
    }])
}

/// Returns a list of the alert of a day, which is active for a day.
pub(super) fn digest(day: &Day) -> Value {
    let mut labels = json!({
        "alertname": "HoneyguideDigest",
        "source": PRODUCT,
        "day": day.digest.day,
    });
    if day.simulated {
        labels["simulated"] = "true".into();
    }
    json!([{
        "labels": labels,
        "annotations": {
            "summary": day.summary(),
            "id": day.id,
            "kind": Day::KIND,
            "severity": day.severity().name(),
            "told": day.digest.told.to_string(),
            "beyond": day.digest.beyond.to_string(),
        },
        "startsAt": date(day.time),
        "endsAt": date(day.time + Duration::days(1)),
    }])
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, told};
    use super::*;

    #[test]
    fn labels_stay_the_same_while_an_incident_grows() {
        let mut alert = alert();
        let updated = document(&told(&alert));
        alert["kind"] = "closed".into();
        alert["revision"] = 3.into();
        alert["incident"]["score"] = 4000.0.into();
        let closed = document(&told(&alert));
        assert_eq!(updated[0]["labels"], closed[0]["labels"]);
        assert_ne!(updated[0]["annotations"], closed[0]["annotations"]);
        let time = |value: &Value| {
            DateTime::parse_from_rfc3339(value.as_str().expect("a time")).expect("a time")
        };
        let digest = digest(&day(&digest_with("web-1")));
        assert_eq!(digest[0]["annotations"]["beyond"], "1017");
        for alert in [&updated[0], &closed[0], &digest[0]] {
            assert!(time(&alert["startsAt"]) < time(&alert["endsAt"]));
            for map in ["labels", "annotations"] {
                let values = alert[map].as_object().expect("a map").values();
                assert!(values.into_iter().all(Value::is_string), "{alert}");
            }
        }
        assert_eq!(closed[0]["endsAt"], "2026-10-01T12:00:05.120Z");
        assert_eq!(updated[0]["endsAt"], "2026-10-01T12:17:05.120Z");
    }

    #[test]
    fn an_incident_with_a_clock_that_is_ahead_begins_before_it_ends() {
        let mut alert = alert();
        alert["kind"] = "closed".into();
        alert["incident"]["first"] = 4_000_000_000.0.into();
        let document = document(&told(&alert));
        assert_eq!(document[0]["startsAt"], document[0]["endsAt"]);
    }
}
