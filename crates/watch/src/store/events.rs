//! The events of incidents as rows of the store: of each incident the first, the highest and the newest.

use std::collections::{BTreeMap, BTreeSet};

use honeyguide::incident::{FIRST_EVENTS, HIGHEST_EVENTS, IncidentEvent, NEWEST_EVENTS};
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde_json::value::RawValue;

use super::json;

/// An event of an incident of a store.
#[derive(Debug, Serialize)]
pub struct StoredEvent {
    /// The number of the event among the anomalous events of its host.
    pub number: u64,
    /// Its time in seconds; `None` for events without times.
    pub time: Option<f64>,
    /// Its anomaly score.
    pub score: f64,
    /// The event, with its identifying columns.
    pub event: Box<RawValue>,
}

/// Adds new events of incidents, moves those of merged ones, and removes what is kept no longer.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn write(
    transaction: &Transaction,
    merged: &[(String, String)],
    new: &BTreeMap<String, Vec<IncidentEvent>>,
) -> rusqlite::Result<()> {
    let mut changed: BTreeSet<&str> = BTreeSet::new();
    let mut move_all = transaction.prepare("UPDATE event SET incident = ?2 WHERE incident = ?1")?;
    for (from, into) in merged {
        if move_all.execute([from, into])? > 0 {
            changed.insert(into);
        }
    }
    let mut add = transaction.prepare("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?)")?;
    for (incident, events) in new {
        for event in events {
            let text = serde_json::to_string(&event.event);
            let text =
                text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            add.execute(params![
                incident,
                event.number,
                event.time,
                event.score,
                text
            ])?;
        }
        changed.insert(incident);
    }
    let mut bound = transaction.prepare(
        "DELETE FROM event WHERE incident = ?1
         AND number NOT IN (SELECT number FROM event WHERE incident = ?1 ORDER BY number LIMIT ?2)
         AND number NOT IN (SELECT number FROM event WHERE incident = ?1 ORDER BY score DESC, number LIMIT ?3)
         AND number NOT IN (SELECT number FROM event WHERE incident = ?1 ORDER BY number DESC LIMIT ?4)",
    )?;
    for incident in changed {
        bound.execute(params![
            incident,
            FIRST_EVENTS as u64,
            HIGHEST_EVENTS as u64,
            NEWEST_EVENTS as u64
        ])?;
    }
    Ok(())
}

/// Returns the events of an incident that are kept, the first ones first.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn of_incident(
    connection: &Connection,
    incident: &str,
) -> rusqlite::Result<Vec<StoredEvent>> {
    let mut query = connection.prepare(
        "SELECT number, time, score, event FROM event WHERE incident = ? ORDER BY number",
    )?;
    let events = query.query_map([incident], |row| {
        Ok(StoredEvent {
            number: row.get(0)?,
            time: row.get(1)?,
            score: row.get(2)?,
            event: json(row, 3)?,
        })
    })?;
    events.collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{empty, incident_event};
    use super::*;

    fn numbers(connection: &Connection, incident: &str) -> Vec<u64> {
        let events = of_incident(connection, incident).expect("a table");
        events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn moments_leave_the_first_the_highest_and_the_newest_events_of_all_of_them() {
        let mut connection = empty();
        // The highest score is that of number 55.
        let all: Vec<IncidentEvent> = (1..=100)
            .map(|number| incident_event(number, -(number as f64 - 55.0).abs()))
            .collect();
        for moment in all.chunks(7) {
            let transaction = connection.transaction().expect("a transaction");
            let mut new: BTreeMap<String, Vec<IncidentEvent>> = BTreeMap::new();
            for event in moment {
                // Until number 60, every second event is of an incident that is merged later.
                let is_other = event.number % 2 == 0 && event.number <= 60;
                let incident = if is_other { "other" } else { "one" };
                new.entry(incident.to_owned())
                    .or_default()
                    .push(event.clone());
            }
            write(&transaction, &[], &new).expect("room");
            transaction.commit().expect("room");
        }
        let transaction = connection.transaction().expect("a transaction");
        let merged = [("other".to_owned(), "one".to_owned())];
        write(&transaction, &merged, &BTreeMap::new()).expect("room");
        transaction.commit().expect("room");
        let expected: Vec<u64> = (1..=10).chain(50..=59).chain(91..=100).collect();
        assert_eq!(numbers(&connection, "one"), expected);
        assert!(numbers(&connection, "other").is_empty());
        let events = of_incident(&connection, "one").expect("a table");
        assert_eq!(events[0].event.get(), "{\"value\":1}");
        assert_eq!(events[0].time, Some(1.0));
    }
}
