//! What a store holds, for people and other programs.

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;
use serde_json::value::RawValue;

use super::events::{self, StoredEvent};
use super::ledger_rows::read_ledger;
use super::{gaps, json};
use crate::gap::Gap;
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
    /// The number of incidents that were removed because of their age or the size of the store.
    pub removed: u64,
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
    /// Whether alerts tell of it. Those beyond the budget of a day are in the digest of the day.
    pub told: bool,
    /// The newest times in which events of it may have been lost.
    pub gaps: Vec<Gap>,
    /// The first, the highest and the newest of its events.
    pub events: Vec<StoredEvent>,
    /// The incident.
    pub incident: Box<RawValue>,
}

/// Reads a store at one moment of the watch, with the `limit` incidents of the highest scores.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn stored(transaction: &Transaction, limit: usize) -> rusqlite::Result<Stored> {
    let state = transaction.query_row("SELECT saved, removed FROM state", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    let (saved, removed): (Option<String>, u64) = state.optional()?.unwrap_or_default();
    let mut query = transaction.prepare(
        "SELECT state, revision, opened, changed, model, times_are_dates, simulated, incident, told, id FROM incident
         ORDER BY score DESC, id LIMIT ?",
    )?;
    let incidents = query.query_map([limit], |row| {
        let id: String = row.get(9)?;
        Ok(StoredRow {
            state: row.get(0)?,
            revision: row.get(1)?,
            opened: row.get(2)?,
            changed: row.get(3)?,
            model: row.get(4)?,
            times_are_dates: row.get(5)?,
            simulated: row.get(6)?,
            told: row.get(8)?,
            gaps: gaps::of_incident(transaction, &id)?,
            events: events::of_incident(transaction, &id)?,
            incident: json(row, 7)?,
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
        gaps: gaps::all(transaction)?,
        saved,
        removed,
    })
}
