//! What a store holds, for people and other programs.

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;
use serde_json::value::RawValue;

use super::gap::{self, Gap};
use super::ledger_rows::read_ledger;
use crate::ledger::Ledger;
use crate::outbox::{self, Waiting};

/// What a store holds, for people and other programs.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// When the watch wrote the store last, in UTC; `None` if it never did.
    pub saved: Option<String>,
    /// The number of records by what became of them.
    pub ledger: Ledger,
    /// The number of incidents.
    pub found: u64,
    /// The times in which events may have been lost.
    pub gaps: Vec<Gap>,
    /// The receivers of alerts, and what waits for them.
    pub receivers: Vec<Waiting>,
    /// The incidents with the highest scores, highest first.
    pub incidents: Vec<StoredRow>,
}

/// An incident of a store.
#[derive(Debug, Serialize)]
pub struct StoredRow {
    /// `open` or `closed`.
    pub state: String,
    /// The number of the last alert; 0 if there was none.
    pub revision: u64,
    /// When it was first stored, in UTC.
    pub opened: String,
    /// When it was stored last, in UTC.
    pub changed: String,
    /// The SHA-256 of the model file.
    pub model: Option<String>,
    /// Whether times count from 1970-01-01 UTC; `None` if its events have no times.
    pub times_are_dates: Option<bool>,
    /// Whether the data is simulated.
    pub simulated: bool,
    /// The incident.
    pub incident: Box<RawValue>,
}

/// Reads a store at one moment of the watch, with the `limit` incidents of the highest scores.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn stored(transaction: &Transaction, limit: usize) -> rusqlite::Result<Stored> {
    let saved = transaction.query_row("SELECT saved FROM state", [], |row| row.get(0));
    let saved: Option<String> = saved.optional()?;
    let mut query = transaction.prepare(
        "SELECT state, revision, opened, changed, model, times_are_dates, simulated, incident FROM incident
         ORDER BY score DESC, id LIMIT ?",
    )?;
    let incidents = query.query_map([limit], |row| {
        let json: String = row.get(7)?;
        let incident = RawValue::from_string(json);
        let text = rusqlite::types::Type::Text;
        Ok(StoredRow {
            state: row.get(0)?,
            revision: row.get(1)?,
            opened: row.get(2)?,
            changed: row.get(3)?,
            model: row.get(4)?,
            times_are_dates: row.get(5)?,
            simulated: row.get(6)?,
            incident: incident.map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(7, text, error.into())
            })?,
        })
    })?;
    Ok(Stored {
        ledger: match saved {
            Some(_) => read_ledger(transaction)?,
            None => Ledger::default(),
        },
        found: transaction.query_row("SELECT count(*) FROM incident", [], |row| row.get(0))?,
        incidents: incidents.collect::<rusqlite::Result<_>>()?,
        receivers: outbox::waiting(transaction)?,
        gaps: gap::all(transaction)?,
        saved,
    })
}
