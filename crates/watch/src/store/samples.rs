//! Incidents and stores for tests.

use std::sync::Arc;

use honeyguide::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use honeyguide::event::Event;
use honeyguide::incident::{Change, ChangeKind, Incident, IncidentEvent, KeptChanges, Names};
use rusqlite::Connection;

use super::Moment;
use super::schema;
use crate::alert::About;
use crate::ledger::Ledger;

/// Returns an event with one column.
pub(crate) fn event(value: i64) -> Event {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    let batch = RecordBatch::try_from_iter([("value", column)]).expect("a batch");
    Event::from_row(&batch, 0).expect("an event")
}

/// Returns an event of an incident.
pub(crate) fn incident_event(number: u64, score: f64) -> IncidentEvent {
    IncidentEvent {
        number,
        time: Some(number as f64),
        score,
        event: event(number.cast_signed()),
    }
}

/// Returns an incident of events between two times.
pub(crate) fn incident(id: &str, score: f64, (first, last): (f64, f64)) -> Incident {
    Incident {
        id: id.to_owned(),
        previous: None,
        host: Some("web-1".to_owned()),
        score,
        first: Some(first),
        last: Some(last),
        events: 1,
        distinct_rows: 1,
        n_processes: 0,
        started_by: None,
        processes: Vec::new(),
        by: Vec::new(),
        users: Names::default(),
        new_programs: Names::default(),
        paths: Names::default(),
        addresses: Names::default(),
        reasons: Vec::new(),
        event: event(1),
        highest_score: 0.7,
    }
}

/// Returns a change of an incident.
pub(crate) fn change(kind: ChangeKind, incident: Incident) -> Change {
    Change {
        kind,
        revision: match kind {
            ChangeKind::Opened => 1,
            ChangeKind::Updated => 2,
            ChangeKind::Closed => 3,
        },
        incident,
        merged_into: None,
    }
}

/// Returns a moment with these changes.
pub(crate) fn moment<'a>(time: &str, about: &'a About, changes: &'a [Change]) -> Moment<'a> {
    Moment {
        time: time.parse().expect("a time"),
        about,
        changes,
        grown: Vec::new(),
        merged: Vec::new(),
        events: Default::default(),
        ledger: Ledger::default(),
        anomalous: 0,
        bad_records: None,
        inputs: Vec::new(),
        kept: KeptChanges::default(),
    }
}

/// Returns an empty store in memory.
pub(crate) fn empty() -> Connection {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::migrate(&mut connection).expect("tables");
    connection
}
