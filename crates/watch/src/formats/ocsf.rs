//! Alerts as OCSF 1.8 Detection Findings, class 2004.

use honeyguide::incident::ChangeKind;
use serde_json::{Value, json};

use super::day::Day;
use super::told::{Process, Told};
use super::{PRODUCT, VERSION};

/// The version of the schema.
const OCSF_VERSION: &str = "1.8.0";
const CATEGORY: u32 = 2;
const CLASS: u32 = 2004;
/// `analytic.type_id` of what has learnt from data.
const LEARNING: u8 = 4;
/// `status_id` of a finding that nobody has looked at, and of one whose status has no number.
const NEW: u8 = 1;
const OTHER: u8 = 99;
/// The number of processes that are evidence.
const PROCESSES: usize = 20;

/// Returns an alert as a finding.
pub(super) fn document(told: &Told) -> Value {
    let incident = &told.incident;
    let (activity, activity_name) = match told.kind {
        ChangeKind::Opened => (1, "Create"),
        ChangeKind::Updated => (2, "Update"),
        ChangeKind::Closed => (3, "Close"),
    };
    let (severity, severity_name) = told.severity().ocsf();
    let (status, status_name) = match told.kind {
        ChangeKind::Closed => (OTHER, "Ended"),
        ChangeKind::Opened | ChangeKind::Updated => (NEW, "New"),
    };
    let mut document = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Detection Finding: {activity_name}"),
        "time": told.time.timestamp_millis(),
        "message": told.summary(),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "is_alert": told.kind != ChangeKind::Closed,
        "risk_score": incident.score.round() as i64,
        "metadata": metadata(&told.id, told.revision, told.kind.name(), told.simulated),
        "finding_info": finding(told),
    });
    if let Some(host) = &incident.host {
        // The type of the device is not known.
        document["device"] = json!({ "hostname": host, "name": host, "type_id": 0 });
    }
    for (name, time) in [("start_time", told.first()), ("end_time", told.last())] {
        if let Some(time) = time {
            document[name] = time.timestamp_millis().into();
        }
    }
    let evidence = evidence(told);
    if !evidence.is_empty() {
        document["evidences"] = evidence.into();
    }
    if !incident.reasons.is_empty() {
        document["anomaly_analyses"] = json!([analysis(told)]);
    }
    document
}

/// Returns the alert of a day as a finding.
pub(super) fn digest(day: &Day) -> Value {
    let (severity, severity_name) = day.severity().ocsf();
    let (begins, ends) = day.span();
    let mut finding = about(&day.uid(), day.model.as_deref());
    finding["title"] = day.title().into();
    finding["desc"] = day.summary().into();
    json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + 1,
        "type_name": "Detection Finding: Create",
        "time": day.time.timestamp_millis(),
        "start_time": begins.timestamp_millis(),
        "end_time": ends.timestamp_millis(),
        "message": day.summary(),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": NEW,
        "status": "New",
        "is_alert": true,
        "risk_score": day.score().round() as i64,
        "metadata": metadata(&day.id, day.revision, Day::KIND, day.simulated),
        "finding_info": finding,
    })
}

fn metadata(id: &str, revision: u64, kind: &str, simulated: bool) -> Value {
    let mut metadata = json!({
        "version": OCSF_VERSION,
        "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION },
        "uid": id,
        "sequence": revision,
        "event_code": kind,
    });
    if simulated {
        metadata["labels"] = json!(["simulated"]);
    }
    metadata
}

/// Returns what is found by a model.
fn about(uid: &str, model: Option<&str>) -> Value {
    let mut finding = json!({
        "uid": uid,
        "types": ["Anomaly"],
        "analytic": { "name": "isolation forest", "type_id": LEARNING, "type": "Learning (ML/DL)" },
    });
    if let Some(model) = model {
        finding["analytic"]["uid"] = model.into();
    }
    finding
}

fn finding(told: &Told) -> Value {
    let mut finding = about(&told.incident.id, told.model.as_deref());
    finding["title"] = told.title().into();
    finding["desc"] = told.summary().into();
    finding["modified_time"] = told.time.timestamp_millis().into();
    for (name, time) in [
        ("first_seen_time", told.first()),
        ("last_seen_time", told.last()),
    ] {
        if let Some(time) = time {
            finding[name] = time.timestamp_millis().into();
        }
    }
    finding
}

/// Returns the processes with anomalous events, the users and the addresses.
fn evidence(told: &Told) -> Vec<Value> {
    let incident = &told.incident;
    let processes = incident
        .processes
        .iter()
        .filter(|process| process.events > 0);
    let processes = processes
        .take(PROCESSES)
        .map(|found| json!({ "process": process(found) }));
    let users = incident
        .users
        .most
        .iter()
        .map(|user| match user.name.parse::<u32>() {
            Ok(_) => json!({ "user": { "uid": user.name } }),
            Err(_) => json!({ "user": { "name": user.name } }),
        });
    let addresses = incident.addresses.internet().into_iter();
    let addresses = addresses.map(|address| json!({ "dst_endpoint": { "ip": address } }));
    processes.chain(users).chain(addresses).collect()
}

fn process(process: &Process) -> Value {
    let mut value = json!({ "pid": process.process });
    if let Some(program) = process.program() {
        value["name"] = program.into();
    }
    value
}

/// Returns the reasons.
fn analysis(told: &Told) -> Value {
    let incident = &told.incident;
    let anomalies = incident.reasons.iter().map(|reason| {
        json!({
            "observation_parameter": reason.feature,
            "observation_type": "Deviation Analysis",
            "observations": [{ "value": reason.text, "count": reason.events }],
        })
    });
    let target = match &incident.host {
        Some(host) => json!({ "name": host, "type": "Host" }),
        None => json!({ "name": incident.id, "type": "Incident" }),
    };
    json!({ "analysis_targets": [target], "anomalies": anomalies.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::super::day::tests::{day, digest_with};
    use super::super::told::tests::{alert, told};
    use super::*;

    /// The attributes of the schema that findings have: their types, which of them an object must have, and the numbers that
    /// stand for names.
    const SCHEMA: &str = include_str!("../../tests/fixtures/ocsf_1.8_detection_finding.json");

    /// Asserts that a value is an object of this name.
    fn check(schema: &Value, name: &str, value: &Value, at: &str) {
        let object = &schema["objects"][name];
        assert!(object.is_object(), "{at}: no object {name}");
        let fields = value
            .as_object()
            .unwrap_or_else(|| panic!("{at} is {value}"));
        for required in object["required"].as_array().expect("a list") {
            assert!(
                fields.contains_key(required.as_str().expect("a name")),
                "{at} lacks {required}"
            );
        }
        if let Some(one_of) = object["at_least_one"].as_array() {
            let has = |name: &Value| fields.contains_key(name.as_str().expect("a name"));
            assert!(one_of.iter().any(has), "{at} has none of {one_of:?}");
        }
        for (field, value) in fields {
            let at = format!("{at}.{field}");
            let attribute = &object["attributes"][field];
            let kind = attribute["type"]
                .as_str()
                .unwrap_or_else(|| panic!("{at} is no attribute of {name}"));
            let values = match attribute["array"] == true {
                true => value
                    .as_array()
                    .unwrap_or_else(|| panic!("{at} is no list"))
                    .iter()
                    .collect(),
                false => vec![value],
            };
            for value in values {
                check_value(schema, kind, attribute, value, &at);
            }
        }
    }

    fn check_value(schema: &Value, kind: &str, attribute: &Value, value: &Value, at: &str) {
        let is_fine = match kind {
            "string" => value.is_string(),
            "integer" | "long" | "timestamp" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "ip" => value
                .as_str()
                .is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
            object => return check(schema, object, value, at),
        };
        assert!(is_fine, "{at} is {value} and no {kind}");
        if let Some(names) = attribute["enum"].as_object() {
            assert!(
                names.contains_key(&value.to_string()),
                "{at}: {value} has no name"
            );
        }
    }

    #[test]
    fn a_finding_is_one_of_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("a fixture");
        for (number, kind) in (1..).zip(["opened", "updated", "closed"]) {
            let mut alert = alert();
            alert["kind"] = kind.into();
            alert["simulated"] = true.into();
            let document = document(&told(&alert));
            check(&schema, "detection_finding", &document, "finding");
            assert_eq!(document["type_uid"], 200_400 + number);
            let activity = document["activity_id"].to_string();
            let names =
                &schema["objects"]["detection_finding"]["attributes"]["activity_id"]["enum"];
            assert_eq!(names[&activity], document["activity_name"]);
            let names =
                &schema["objects"]["detection_finding"]["attributes"]["severity_id"]["enum"];
            assert_eq!(
                names[&document["severity_id"].to_string()],
                document["severity"]
            );
            assert_eq!(document["is_alert"], kind != "closed");
        }
    }

    #[test]
    fn the_digest_of_a_day_is_a_finding_too() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("a fixture");
        let document = digest(&day(&digest_with("web-1")));
        check(&schema, "detection_finding", &document, "finding");
        assert_eq!(document["finding_info"]["uid"], "digest-2026-10-01");
        assert_eq!(document["severity"], "Medium");
    }

    #[test]
    fn an_incident_without_a_host_and_reasons_is_a_finding_too() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("a fixture");
        let mut alert = alert();
        for empty in ["processes", "reasons"] {
            alert["incident"][empty] = json!([]);
        }
        for none in ["host", "first", "last"] {
            alert["incident"][none] = Value::Null;
        }
        for names in ["users", "addresses"] {
            alert["incident"][names]["most"] = json!([]);
        }
        let document = document(&told(&alert));
        check(&schema, "detection_finding", &document, "finding");
        assert_eq!(document.get("evidences"), None);
    }
}
