//! Alerts in the shape of Falco's JSON output, which falcosidekick takes.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use super::PRODUCT;
use super::day::Day;
use super::told::Told;

/// The number of reasons that are fields.
const REASONS: usize = 3;
/// The number of names of a kind that a field lists.
const NAMES: usize = 5;

/// Returns an alert in the shape of Falco's.
pub(super) fn document(told: &Told) -> Value {
    let mut tags = vec!["anomaly", PRODUCT];
    if told.simulated {
        tags.push("simulated");
    }
    let mut document = json!({
        "output": told.summary(),
        "output_fields": fields(told),
        "priority": told.severity().priority(),
        "rule": "honeyguide incident",
        "source": PRODUCT,
        "tags": tags,
        "time": told.time.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "hostname": told.incident.host.as_deref().unwrap_or_default(),
    });
    if let Some(uuid) = uuid(&told.incident.id, told.revision) {
        document["uuid"] = uuid.into();
    }
    document
}

/// Returns the alert of a day in the shape of Falco's.
pub(super) fn digest(day: &Day) -> Value {
    let mut tags = vec!["anomaly", PRODUCT];
    if day.simulated {
        tags.push("simulated");
    }
    let mut fields = json!({
        "honeyguide.id": day.id,
        "honeyguide.kind": Day::KIND,
        "honeyguide.revision": day.revision,
        "honeyguide.day": day.digest.day,
        "honeyguide.told": day.digest.told,
        "honeyguide.beyond": day.digest.beyond,
        "honeyguide.score": day.score(),
        "honeyguide.severity": day.severity().name(),
    });
    for (number, incident) in (1..).zip(day.named(NAMES)) {
        fields[format!("honeyguide.incident.{number}")] = incident.into();
    }
    let digits = day.digest.day.format("%Y%m%d").to_string();
    json!({
        "output": day.summary(),
        "output_fields": fields,
        "priority": day.severity().priority(),
        "rule": "honeyguide digest",
        "source": PRODUCT,
        "tags": tags,
        "time": day.time.to_rfc3339_opts(SecondsFormat::Nanos, true),
        "hostname": "",
        "uuid": uuid(&format!("{digits:0>16}"), day.revision),
    })
}

fn fields(told: &Told) -> Map<String, Value> {
    let incident = &told.incident;
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    add("honeyguide.id", told.id.as_str().into());
    add("honeyguide.incident", incident.id.as_str().into());
    add("honeyguide.kind", told.kind.name().into());
    add("honeyguide.revision", told.revision.into());
    add("honeyguide.score", incident.score.into());
    add("honeyguide.severity", told.severity().name().into());
    add("honeyguide.events", incident.events.into());
    if !told.gaps.is_empty() {
        add("honeyguide.gaps", told.gaps.len().into());
    }
    if let Some((process, _)) = incident.main_process() {
        add("proc.pid", process.process.into());
        if let Some(program) = process.program() {
            add("proc.name", program.into());
        }
    }
    if let Some(user) = incident.users.most.first() {
        match user.name.parse::<u32>() {
            Ok(uid) => add("user.uid", uid.into()),
            Err(_) => add("user.name", user.name.as_str().into()),
        }
    }
    for (name, names) in [
        ("addresses", &incident.addresses),
        ("paths", &incident.paths),
    ] {
        if !names.most.is_empty() {
            add(
                &format!("honeyguide.{name}"),
                names.first(NAMES).join(", ").into(),
            );
        }
    }
    for (number, reason) in (1..).zip(incident.reasons.iter().take(REASONS)) {
        add(
            &format!("honeyguide.reason.{number}"),
            reason.text.as_str().into(),
        );
    }
    fields
}

/// Returns an alert's id in the form of a UUID of version 8 (RFC 9562), which holds the incident's 64 bits and the lower 56
/// bits of the revision; `None` if the id does not have 16 hexadecimal digits.
fn uuid(id: &str, revision: u64) -> Option<String> {
    let is_hexadecimal = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = Some(id).filter(|id| id.len() == 16 && is_hexadecimal)?;
    let revision = format!("{:014x}", revision & ((1 << 56) - 1));
    Some(format!(
        "{}-{}-8{}-8{}{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..15],
        &digits[15..],
        &revision[..2],
        &revision[2..]
    ))
}

#[cfg(test)]
mod tests {
    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, alert_with, told};
    use super::*;

    #[test]
    fn an_alert_has_the_fields_and_the_types_of_falcos_output() {
        let alert = document(&told(&alert()));
        assert_of_falco(&alert);
        assert_eq!(alert["time"], "2026-10-01T12:00:05.120000000Z");
        assert_eq!(alert["priority"], "Warning");
        assert_eq!(alert["output_fields"]["proc.pid"], 99);
        let digest = digest(&day(&digest_with("web-1")));
        assert_of_falco(&digest);
        assert_eq!(digest["output_fields"]["honeyguide.beyond"], 1017);
        assert_eq!(digest["uuid"], "00000000-2026-8100-8100-000000000001");
    }

    fn assert_of_falco(document: &Value) {
        let texts = [
            "output", "priority", "rule", "source", "time", "hostname", "uuid",
        ];
        for name in texts {
            assert!(document[name].is_string(), "{name} in {document}");
        }
        assert!(
            document["tags"]
                .as_array()
                .is_some_and(|tags| tags.iter().all(Value::is_string))
        );
        let fields = document["output_fields"].as_object().expect("fields");
        assert!(
            fields
                .values()
                .all(|value| value.is_string() || value.is_number()),
            "{fields:?}"
        );
        assert_eq!(document.as_object().map(Map::len), Some(texts.len() + 2));
    }

    #[test]
    fn ids_become_uuids_that_keep_them() {
        let made = uuid("9f2c4b1a7d3e5f60", 2);
        assert_eq!(
            made.as_deref(),
            Some("9f2c4b1a-7d3e-85f6-8000-000000000002")
        );
        assert_ne!(made, uuid("9f2c4b1a7d3e5f60", 3));
        assert_eq!(uuid("9f2c", 2), None);
        assert_eq!(uuid("+f2c4b1a7d3e5f60", 2), None);
    }

    #[test]
    fn a_user_without_a_number_is_a_name() {
        let named = document(&told(&alert_with("root")));
        assert_eq!(named["output_fields"]["user.name"], "root");
        let numbered = document(&told(&alert_with("1000")));
        assert_eq!(numbered["output_fields"]["user.uid"], 1000);
    }
}
