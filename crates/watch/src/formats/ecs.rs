//! Alerts as documents of the Elastic Common Schema, version 8.11.

use serde_json::{Value, json};

use super::day::Day;
use super::told::{Process, Told};
use super::{PRODUCT, VERSION, date};

/// The version of the schema.
const ECS_VERSION: &str = "8.11.0";

/// Returns an alert as a document.
pub(super) fn document(told: &Told) -> Value {
    let incident = &told.incident;
    let mut document = json!({
        "@timestamp": date(told.time),
        "ecs": { "version": ECS_VERSION },
        "message": told.summary(),
        "tags": match told.simulated {
            true => vec!["simulated"],
            false => Vec::new(),
        },
        "event": event(told),
        "rule": {
            "name": "honeyguide incident",
            "category": "anomaly",
            "uuid": incident.id,
        },
        "observer": { "vendor": PRODUCT, "product": PRODUCT, "version": VERSION },
        "related": {
            "hosts": incident.host.iter().collect::<Vec<_>>(),
            "ip": incident.addresses.internet(),
            "user": incident.users.first(usize::MAX),
        },
        // A name that is a proper noun never collides with a field of the schema.
        "Honeyguide": {
            "kind": told.kind.name(),
            "incident": incident.id,
            "previous": incident.previous,
            "score": incident.score,
            "severity": told.severity().name(),
            "events": incident.events,
            "gaps": told.gaps.len(),
            "reasons": incident.reasons.iter().map(|reason| &reason.text).collect::<Vec<_>>(),
            "paths": incident.paths.first(usize::MAX),
            "new_programs": incident.new_programs.first(usize::MAX),
        },
    });
    if let Some(model) = &told.model {
        document["rule"]["version"] = model.as_str().into();
    }
    if let Some(host) = &incident.host {
        document["host"] = json!({ "name": host, "hostname": host });
    }
    if let Some((main, parent)) = incident.main_process() {
        document["process"] = process(main);
        if let Some(parent) = parent {
            document["process"]["parent"] = process(parent);
        }
        if let Some(program) = &incident.started_by {
            document["process"]["entry_leader"] = json!({ "name": program });
        }
    }
    document
}

/// Returns the alert of a day as a document.
pub(super) fn digest(day: &Day) -> Value {
    let (begins, ends) = day.span();
    let mut document = json!({
        "@timestamp": date(day.time),
        "ecs": { "version": ECS_VERSION },
        "message": day.summary(),
        "tags": match day.simulated {
            true => vec!["simulated"],
            false => Vec::new(),
        },
        "event": {
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": "incidents-digest",
            "id": day.id,
            "sequence": day.revision,
            "module": PRODUCT,
            "dataset": "honeyguide.alert",
            "created": date(day.time),
            "severity": day.severity().elastic(),
            "risk_score": day.score(),
            "start": date(begins),
            "end": date(ends),
        },
        "rule": { "name": "honeyguide digest", "category": "anomaly", "uuid": day.uid() },
        "observer": { "vendor": PRODUCT, "product": PRODUCT, "version": VERSION },
        "related": { "hosts": day.hosts() },
        "Honeyguide": {
            "kind": Day::KIND,
            "day": day.digest.day,
            "told": day.digest.told,
            "beyond": day.digest.beyond,
            "severity": day.severity().name(),
            "incidents": day.digest.highest.iter().map(|one| &one.id).collect::<Vec<_>>(),
        },
    });
    if let Some(model) = &day.model {
        document["rule"]["version"] = model.as_str().into();
    }
    document
}

fn event(told: &Told) -> Value {
    let incident = &told.incident;
    let mut category = vec!["intrusion_detection"];
    if incident.n_processes > 0 {
        category.push("process");
    }
    let mut event = json!({
        "kind": "alert",
        "category": category,
        "type": ["info"],
        "action": format!("incident-{}", told.kind.name()),
        "id": told.id,
        "sequence": told.revision,
        "module": PRODUCT,
        "dataset": "honeyguide.alert",
        "created": date(told.time),
        "severity": told.severity().elastic(),
        "risk_score": incident.score,
    });
    if let Some(reason) = incident.reasons.first() {
        event["reason"] = reason.text.as_str().into();
    }
    for (name, time) in [("start", told.first()), ("end", told.last())] {
        if let Some(time) = time {
            event[name] = date(time).into();
        }
    }
    event
}

fn process(process: &Process) -> Value {
    let mut value = json!({ "pid": process.process });
    if let Some(program) = process.program() {
        value["name"] = program.into();
    }
    value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use chrono::DateTime;

    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, told};
    use super::*;

    /// The fields of the schema that alerts have, with their types and, where they are lists of allowed values, these.
    const FIELDS: &str = include_str!("../../tests/fixtures/ecs_8.11_fields.json");

    /// The leaves of a document by their names.
    fn leaves<'a>(name: &str, value: &'a Value, found: &mut BTreeMap<String, &'a Value>) {
        match value.as_object() {
            Some(fields) => {
                for (field, value) in fields {
                    let name = if name.is_empty() {
                        field.clone()
                    } else {
                        format!("{name}.{field}")
                    };
                    leaves(&name, value, found);
                }
            }
            None => {
                found.insert(name.to_owned(), value);
            }
        }
    }

    fn is_of_type(value: &Value, kind: &str) -> bool {
        let parses = |test: fn(&str) -> bool| value.as_str().is_some_and(test);
        match kind {
            "keyword" | "match_only_text" => value.is_string(),
            "long" => value.is_i64() || value.is_u64(),
            "float" => value.is_number(),
            "date" => parses(|text| DateTime::parse_from_rfc3339(text).is_ok()),
            "ip" => parses(|text| text.parse::<IpAddr>().is_ok()),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_field_is_one_of_the_schema_and_has_its_type() {
        let mut alert = alert();
        alert["simulated"] = true.into();
        let document = document(&told(&alert));
        let found = checked(&document);
        assert_eq!(found["event.start"], "2026-10-01T12:00:00.250Z");
        assert_eq!(found["related.ip"], &json!(["198.51.100.7"]));
        assert_eq!(found["process.parent.pid"], &json!(77));
        let digest = digest(&day(&digest_with("web-1")));
        let found = checked(&digest);
        assert_eq!(found["related.hosts"], &json!(["web-1"]));
        assert_eq!(found["event.end"], "2026-10-02T00:00:00.000Z");
        assert_eq!(found["Honeyguide.beyond"], &json!(1017));
    }

    /// Returns the leaves of a document, all of which are fields of the schema or in the own name.
    fn checked(document: &Value) -> BTreeMap<String, &Value> {
        let known: Value = serde_json::from_str(FIELDS).expect("a fixture");
        let mut found = BTreeMap::new();
        leaves("", document, &mut found);
        for (name, value) in &found {
            if name.starts_with("Honeyguide.") {
                continue;
            }
            let field = &known["fields"][name];
            let kind = field["type"]
                .as_str()
                .unwrap_or_else(|| panic!("{name} is no field of the schema"));
            let values = match value.as_array() {
                Some(values) => {
                    assert_eq!(field["array"], true, "{name} is one value");
                    values.iter().collect()
                }
                None => vec![*value],
            };
            for value in values {
                assert!(is_of_type(value, kind), "{name} is {value} and no {kind}");
                if let Some(allowed) = field["allowed"].as_array() {
                    assert!(allowed.contains(value), "{name}: {value} is not allowed");
                }
            }
        }
        found
    }
}
