//! A moment of the watch: all that one transaction stores.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use honeyguide::incident::{Change, ChangeKind, Incident, IncidentEvent, KeptChanges};
use rusqlite::{Transaction, params};

use super::ledger_rows::write_ledger;
use super::{StoreLimits, budget, events, gaps, kept, retention};
use crate::alert::About;
use crate::database::text;
use crate::ledger::{BadRecord, Ledger};
use crate::outbox;
use crate::position::Position;

/// An incident as it is stored.
#[derive(Clone, Copy)]
pub(crate) struct StoredIncident<'a> {
    pub incident: &'a Incident,
    pub is_closed: bool,
    pub revision: u64,
}

impl<'a> StoredIncident<'a> {
    fn changed(change: &'a Change) -> Self {
        Self {
            incident: &change.incident,
            is_closed: change.kind == ChangeKind::Closed,
            revision: change.revision,
        }
    }
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

/// A moment of the watch.
pub(crate) struct Moment<'a> {
    pub time: DateTime<Utc>,
    pub about: &'a About,
    /// What has changed since the last moment, in the order in which it did.
    pub changes: &'a [Change],
    /// Incidents that have grown and are not among the changes.
    pub grown: Vec<StoredIncident<'a>>,
    /// The ids of the incidents that became parts of others, each with the id of that one.
    pub merged: Vec<(String, String)>,
    /// New events of incidents.
    pub events: BTreeMap<String, Vec<IncidentEvent>>,
    pub ledger: Ledger,
    pub anomalous: u64,
    /// The bad records that are kept, if one was added.
    pub bad_records: Option<Vec<BadRecord>>,
    pub inputs: Vec<(String, StoredInput)>,
    /// What has changed of the state.
    pub kept: KeptChanges,
}

/// What others want to know of a store after a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The number of incidents of the day that alerts do not tell of.
    pub beyond_budget: u64,
    /// The number of incidents that were removed so far.
    pub removed: u64,
    /// The number of bytes that the store uses.
    pub bytes: u64,
}

/// Writes a moment. Incidents are removed because of their age if it `looks_at_age`.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn write(
    transaction: &Transaction,
    moment: &Moment,
    limits: &StoreLimits,
    looks_at_age: bool,
) -> rusqlite::Result<Written> {
    write_incidents(transaction, moment)?;
    events::write(transaction, &moment.merged, &moment.events)?;
    tell(transaction, moment, limits.incidents_per_day)?;
    let mut delete = transaction.prepare("DELETE FROM incident WHERE id = ?")?;
    for (id, _) in &moment.merged {
        delete.execute([id])?;
    }
    write_ledger(transaction, &moment.ledger, moment.anomalous)?;
    write_bad_records(transaction, moment)?;
    write_inputs(transaction, moment)?;
    let inputs = moment.inputs.iter().map(|(name, _)| name.as_str());
    kept::write(transaction, &moment.kept, inputs)?;
    let mut removed = retention::by_size(transaction, limits.keep.bytes)?;
    if looks_at_age {
        removed += retention::by_age(transaction, limits.keep.days, moment.time)?;
    }
    Ok(Written {
        removed: write_state(transaction, moment, removed)?,
        beyond_budget: budget::beyond(transaction, moment.time)?,
        bytes: retention::size(transaction)?,
    })
}

/// Adds alerts of what has changed, if somebody receives alerts, as far as the budget allows.
fn tell(transaction: &Transaction, moment: &Moment, limit: u64) -> rusqlite::Result<()> {
    if !outbox::has_receivers(transaction)? {
        return Ok(());
    }
    let Moment { about, time, .. } = moment;
    let mut alerts = Vec::new();
    for change in moment.changes {
        if budget::tells(transaction, change, limit, *time)? {
            let gaps = gaps::of_incident(transaction, &change.incident.id)?;
            let alert = about.alert(change, &gaps, *time);
            alerts.push(
                alert.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?,
            );
        }
    }
    alerts.extend(budget::digests(transaction, about, limit, *time)?);
    outbox::add(transaction, &alerts, *time)
}

/// Replaces the bad records, if there are new ones.
fn write_bad_records(transaction: &Transaction, moment: &Moment) -> rusqlite::Result<()> {
    if moment.bad_records.is_some() {
        transaction.execute("DELETE FROM bad_record", [])?;
    }
    let mut add = transaction
        .prepare("INSERT INTO bad_record (input, record, reason, text) VALUES (?, ?, ?, ?)")?;
    for bad in moment.bad_records.iter().flatten() {
        add.execute(params![bad.input, bad.record, bad.reason, bad.text])?;
    }
    Ok(())
}

fn write_inputs(transaction: &Transaction, moment: &Moment) -> rusqlite::Result<()> {
    let mut add = transaction.prepare(
        "INSERT INTO input VALUES (?1, coalesce(?2, x''), ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET first = coalesce(?2, first), records = ?3, device = ?4, inode = ?5, head = ?6,
         offset = ?7",
    )?;
    for (name, input) in &moment.inputs {
        let at = input.position.as_ref();
        add.execute(params![
            name,
            input.first,
            input.records,
            at.map(|at| at.device.cast_signed()),
            at.map(|at| at.inode.cast_signed()),
            at.map(|at| at.head.as_slice()),
            at.map(|at| at.offset.cast_signed()),
        ])?;
    }
    Ok(())
}

/// Writes the state, and adds to the number of incidents that were removed, which is returned.
fn write_state(transaction: &Transaction, moment: &Moment, removed: u64) -> rusqlite::Result<u64> {
    let (time, model) = (text(moment.time), moment.about.model.as_deref());
    transaction
        .prepare(
            "INSERT INTO state (one, saved, model, removed) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (one) DO UPDATE SET saved = ?1, model = ?2, removed = removed + ?3
             RETURNING removed",
        )?
        .query_row(params![time, model, removed], |row| row.get(0))
}

/// Writes the incidents that have changed or grown.
fn write_incidents(transaction: &Transaction, moment: &Moment) -> rusqlite::Result<()> {
    let now = text(moment.time);
    let mut add = transaction.prepare(
        "INSERT INTO incident (id, previous, host, state, revision, score, first, last, events, times_are_dates, model,
             simulated, opened, changed, incident)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET state = ?4, revision = ?5, score = ?6, first = ?7, last = ?8, events = ?9,
         model = ?11, changed = ?13, incident = ?14",
    )?;
    let changed = moment.changes.iter().map(StoredIncident::changed);
    for StoredIncident {
        incident,
        is_closed,
        revision,
    } in changed.chain(moment.grown.iter().copied())
    {
        let json = serde_json::to_string(incident);
        let json = json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        add.execute(params![
            incident.id,
            incident.previous,
            incident.host,
            if is_closed { "closed" } else { "open" },
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
    Ok(())
}
