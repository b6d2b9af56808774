//! A moment of the watch: all that one transaction stores.

use chrono::{DateTime, Utc};
use honeyguide::incident::{Incident, KeptIncidents};
use rusqlite::{Transaction, params};

use super::ledger_rows::write_ledger;
use crate::database::text;
use crate::ledger::{BadRecord, Ledger};
use crate::outbox;
use crate::position::Position;

/// An incident as it is stored.
pub(crate) struct StoredIncident<'a> {
    pub incident: &'a Incident,
    pub is_closed: bool,
    pub revision: u64,
}

/// An input as it is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredInput {
    /// The records from which its columns were learnt, if they are not stored yet.
    pub first: Option<Vec<u8>>,
    pub records: u64,
    /// The place in a followed file up to which all records are in the store.
    pub position: Option<Position>,
}

/// What all rows of a moment share.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub model: Option<String>,
    pub times_are_dates: Option<bool>,
    pub is_simulated: bool,
}

/// A moment of the watch.
pub(crate) struct Moment<'a> {
    pub time: DateTime<Utc>,
    pub about: &'a About,
    pub incidents: Vec<StoredIncident<'a>>,
    /// The ids of the incidents that became parts of others.
    pub merged: Vec<String>,
    /// New alerts: their ids and lines.
    pub alerts: Vec<(String, String)>,
    pub ledger: Ledger,
    pub anomalous: u64,
    /// The bad records that are kept, if one was added.
    pub bad_records: Option<Vec<BadRecord>>,
    pub inputs: Vec<(String, StoredInput)>,
    pub kept: KeptIncidents,
}

/// Writes a moment.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn write(transaction: &Transaction, moment: &Moment) -> rusqlite::Result<()> {
    let now = text(moment.time);
    write_incidents(transaction, moment, &now)?;
    outbox::add(transaction, &moment.alerts, moment.time)?;
    write_ledger(transaction, &moment.ledger, moment.anomalous)?;
    if moment.bad_records.is_some() {
        transaction.execute("DELETE FROM bad_record", [])?;
    }
    let mut add = transaction
        .prepare("INSERT INTO bad_record (input, record, reason, text) VALUES (?, ?, ?, ?)")?;
    for bad in moment.bad_records.iter().flatten() {
        add.execute(params![bad.input, bad.record, bad.reason, bad.text])?;
    }
    let mut add = transaction.prepare(
        "INSERT INTO input VALUES (?1, coalesce(?2, x''), ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET first = coalesce(?2, first), records = ?3, device = ?4, inode = ?5, head = ?6,
         offset = ?7, waiting = ?8",
    )?;
    for ((name, input), waiting) in moment.inputs.iter().zip(&moment.kept.waiting) {
        let at = input.position.as_ref();
        add.execute(params![
            name,
            input.first,
            input.records,
            at.map(|at| at.device.cast_signed()),
            at.map(|at| at.inode.cast_signed()),
            at.map(|at| at.head.as_slice()),
            at.map(|at| at.offset.cast_signed()),
            waiting,
        ])?;
    }
    let model = moment.about.model.as_deref();
    transaction
        .prepare("INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?)")?
        .execute(params![now, model, moment.kept.state])?;
    Ok(())
}

fn write_incidents(transaction: &Transaction, moment: &Moment, now: &str) -> rusqlite::Result<()> {
    let mut add = transaction.prepare(
        "INSERT INTO incident VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET state = ?4, revision = ?5, score = ?6, first = ?7, last = ?8, events = ?9,
         model = ?11, changed = ?13, incident = ?14",
    )?;
    for StoredIncident {
        incident,
        is_closed,
        revision,
    } in &moment.incidents
    {
        let json = serde_json::to_string(incident);
        let json = json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        add.execute(params![
            incident.id,
            incident.previous,
            incident.host,
            if *is_closed { "closed" } else { "open" },
            revision,
            incident.score,
            incident.first,
            incident.last,
            incident.events,
            moment.about.times_are_dates,
            moment.about.model,
            moment.about.is_simulated,
            now,
            json,
        ])?;
    }
    let mut delete = transaction.prepare("DELETE FROM incident WHERE id = ?")?;
    for id in &moment.merged {
        delete.execute([id])?;
    }
    Ok(())
}
