//! The alerts of the incidents that are open, again: for receivers that forget what they are not told of.

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::alert::{Alert, OpenStored};

/// The greatest number of open incidents that are told of again: those with the highest scores.
const MAX_OPEN: u64 = 1000;

/// Returns the last alert of each open incident that alerts tell of, with what is known at `time`.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn alerts(connection: &Connection, time: DateTime<Utc>) -> rusqlite::Result<Vec<Alert>> {
    let failed = |column, error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    let mut query = connection.prepare(
        "SELECT id, revision, times_are_dates, model, simulated, incident FROM incident
         WHERE state = 'open' AND told = 1 AND revision > 0 ORDER BY score DESC, id LIMIT ?",
    )?;
    let alerts = query.query_map([MAX_OPEN], |row| {
        let incident = RawValue::from_string(row.get(5)?);
        let open = OpenStored {
            id: row.get(0)?,
            revision: row.get(1)?,
            times_are_dates: row.get(2)?,
            model: row.get(3)?,
            is_simulated: row.get(4)?,
            incident: incident.map_err(|error| failed(5, error.into()))?,
        };
        open.alert(time).map_err(|error| failed(5, Box::new(error)))
    })?;
    alerts.collect()
}
