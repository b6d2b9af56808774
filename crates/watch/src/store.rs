//! The store: incidents, alerts that were not delivered, the ledger, gaps and the state of the watch in one SQLite file.
//!
//! Everything that a moment of the watch changes is one transaction. A watch that was killed therefore goes on from one
//! moment: the events after it are read again, and nothing of them is in the store. `docs/formats/store.md` describes the
//! tables.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use honeyguide::incident::{Incident, KeptIncidents};
use honeyguide::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::database::{BUSY, failed, readable, text};
use crate::ledger::{BadRecord, Dropped, Ledger};
use crate::outbox::{self, Alert, Deliveries, FILE_RECEIVER, Notice, Syslog, Waiting, Webhook};
use crate::position::Position;

/// What `PRAGMA application_id` says of a store: "hgst".
const APPLICATION: i64 = 0x6867_7374;
/// The version of the tables.
const VERSION: i64 = 1;

/// The number of alerts that are written to a file at once.
const WRITTEN_AT_ONCE: u64 = 100;

const TABLES: &str = "
CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    previous TEXT,
    host TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
    revision INTEGER NOT NULL,
    score REAL NOT NULL,
    first REAL,
    last REAL,
    events INTEGER NOT NULL,
    times_are_dates INTEGER,
    model TEXT,
    simulated INTEGER NOT NULL,
    opened TEXT NOT NULL,
    changed TEXT NOT NULL,
    incident TEXT NOT NULL
) STRICT;
CREATE INDEX incident_by_score ON incident (score DESC);
CREATE TABLE ledger (name TEXT PRIMARY KEY, records INTEGER NOT NULL) STRICT;
CREATE TABLE bad_record (
    number INTEGER PRIMARY KEY,
    input TEXT NOT NULL,
    record INTEGER NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE gap (
    number INTEGER PRIMARY KEY,
    input TEXT NOT NULL,
    start TEXT NOT NULL,
    end TEXT NOT NULL,
    cause TEXT NOT NULL
) STRICT;
CREATE TABLE input (
    name TEXT PRIMARY KEY,
    first BLOB NOT NULL,
    records INTEGER NOT NULL,
    device INTEGER,
    inode INTEGER,
    head BLOB,
    offset INTEGER,
    waiting BLOB
) STRICT;
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    saved TEXT NOT NULL,
    model TEXT,
    incidents TEXT NOT NULL
) STRICT;
";

/// A store that a watch writes.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Kept locked, so that no other watch writes the store.
    _lock: File,
}

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

/// A time in which events may have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The name of the input.
    pub input: String,
    /// Since when, in UTC.
    pub start: String,
    /// Until when, in UTC.
    pub end: String,
    /// Why.
    pub cause: String,
}

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

/// What a store holds of an earlier run.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub saved: DateTime<Utc>,
    pub ledger: Ledger,
    pub anomalous: u64,
    pub inputs: Vec<(String, StoredInput)>,
    pub kept: KeptIncidents,
}

impl Store {
    /// Opens the store at `path` to write it, or creates it.
    ///
    /// # Errors
    /// Fails when the file is no store or one of a later release, when another watch writes it, and when it cannot be
    /// written.
    pub fn open(path: &Path) -> Result<Self> {
        let is_there = path.metadata().is_ok_and(|file| file.len() > 0);
        if is_there {
            check(&readable(path)?, path)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let file = File::options().create(true).append(true).open(&lock);
        let file = file.map_err(|error| Error::io("open", &lock, error))?;
        if file.try_lock().is_err() {
            let path = path.display();
            return Err(
                Error::usage(format!("{path}: another watch writes this store"))
                    .hint("end that watch first, or choose another store"),
            );
        }
        let connection = Connection::open(path).map_err(|error| failed(path, &error))?;
        let store = Self {
            connection,
            path: path.to_owned(),
            _lock: file,
        };
        store.prepare()?;
        Ok(store)
    }

    /// Creates the tables, or checks those that are there.
    fn prepare(&self) -> Result<()> {
        let failed = |error| failed(&self.path, &error);
        let connection = &self.connection;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if tables > 0 {
            check(connection, &self.path)?;
        }
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .map_err(failed)?;
        if tables == 0 {
            let made = format!(
                "BEGIN; {TABLES} {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;",
                outbox::TABLES
            );
            connection.execute_batch(&made).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads a store that a watch may be writing: its ledger, its gaps, and the `limit` incidents with the highest scores.
    ///
    /// # Errors
    /// Fails when the file is no store or cannot be read.
    pub fn read(path: &Path, limit: usize) -> Result<Stored> {
        let mut connection = open_to_read(path)?;
        let mut read = || {
            // One moment of the watch.
            let transaction = connection.transaction()?;
            stored(&transaction, limit)
        };
        read().map_err(|error| failed(path, &error))
    }

    /// Returns what an earlier run left; `None` if there was none.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub(crate) fn earlier(&self) -> Result<Option<Earlier>> {
        let earlier = earlier(&self.connection);
        earlier.map_err(|error| failed(&self.path, &error))
    }

    /// Writes a moment, as one transaction.
    ///
    /// # Errors
    /// Fails when the store cannot be written. It is then as it was.
    pub(crate) fn write(&mut self, moment: &Moment) -> Result<()> {
        let path = self.path.clone();
        let mut write = || {
            let transaction = self.connection.transaction()?;
            write(&transaction, moment)?;
            transaction.commit()
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Adds gaps.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn add_gaps(&self, gaps: &[Gap]) -> Result<()> {
        for gap in gaps {
            let values = params![gap.input, gap.start, gap.end, gap.cause];
            let sql = "INSERT INTO gap (input, start, end, cause) VALUES (?, ?, ?, ?)";
            let added = self.connection.execute(sql, values);
            added.map_err(|error| failed(&self.path, &error))?;
        }
        Ok(())
    }

    /// Returns the first alerts that the file of alerts does not have.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub(crate) fn undelivered(&self) -> Result<Vec<Alert>> {
        let alerts = outbox::next(&self.connection, FILE_RECEIVER, WRITTEN_AT_ONCE);
        alerts.map_err(|error| failed(&self.path, &error))
    }

    /// Notes that the file of alerts has these.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn delivered(&self, alerts: &[Alert]) -> Result<()> {
        let Some(last) = alerts.last() else {
            return Ok(());
        };
        outbox::delivered(
            &self.connection,
            FILE_RECEIVER,
            last.number,
            alerts.len() as u64,
        )
        .map_err(|error| failed(&self.path, &error))
    }

    /// Begins to deliver the alerts of the store. Its receivers are these, and the watch itself if it `writes_file`.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn deliver_to(
        &mut self,
        writes_file: bool,
        webhooks: Vec<Webhook>,
        syslogs: Vec<Syslog>,
        notice: &Notice,
    ) -> Result<Deliveries> {
        let receivers = outbox::named(webhooks, syslogs);
        let file = writes_file.then(|| FILE_RECEIVER.to_owned());
        let names = receivers.iter().map(|(name, _)| name.clone());
        let names: Vec<String> = file.into_iter().chain(names).collect();
        let set = outbox::set_receivers(&mut self.connection, &names);
        set.map_err(|error| failed(&self.path, &error))?;
        Deliveries::begin(&self.path, receivers, notice)
    }
}

/// Opens a store that a watch may be writing, to read it.
///
/// # Errors
/// Fails when the file is no store or cannot be read.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection> {
    if !path.exists() {
        let error = std::io::ErrorKind::NotFound.into();
        return Err(Error::io("open", path, error));
    }
    let connection = readable(path)?;
    check(&connection, path)?;
    let waits = connection.busy_timeout(BUSY);
    waits.map_err(|error| failed(path, &error))?;
    Ok(connection)
}

/// Checks that a file is a store of this release or an earlier one.
fn check(connection: &Connection, path: &Path) -> Result<()> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let shown = path.display();
    let application = pragma("application_id").map_err(|error| failed(path, &error))?;
    if application != APPLICATION {
        return Err(Error::usage(format!(
            "{shown}: this file is no store of honeyguide watch"
        ))
        .hint("choose another name: a store is created where there is none"));
    }
    let version = pragma("user_version").map_err(|error| failed(path, &error))?;
    if version > VERSION {
        return Err(Error::usage(format!(
            "{shown}: a store of version {version}; this release knows up to {VERSION}"
        ))
        .hint("update honeyguide"));
    }
    Ok(())
}

fn write(transaction: &Transaction, moment: &Moment) -> rusqlite::Result<()> {
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

fn write_ledger(
    transaction: &Transaction,
    ledger: &Ledger,
    anomalous: u64,
) -> rusqlite::Result<()> {
    let Ledger {
        received,
        scored,
        malformed,
        dropped,
        in_flight,
    } = *ledger;
    let mut set = transaction.prepare("INSERT OR REPLACE INTO ledger VALUES (?, ?)")?;
    for (name, records) in [
        ("received", received),
        ("scored", scored),
        ("malformed", malformed),
        ("no_event", dropped.no_event),
        ("unusable", dropped.unusable),
        ("stopped", dropped.stopped),
        ("refused", dropped.refused),
        ("in_flight", in_flight),
        ("anomalous", anomalous),
    ] {
        set.execute(params![name, records])?;
    }
    Ok(())
}

fn earlier(connection: &Connection) -> rusqlite::Result<Option<Earlier>> {
    let state = connection.query_row("SELECT saved, incidents FROM state", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    });
    let Some((saved, state)) = state.optional()? else {
        return Ok(None);
    };
    let mut query = connection.prepare(
        "SELECT name, first, records, device, inode, head, offset, waiting FROM input ORDER BY name",
    )?;
    let mut inputs = Vec::new();
    let mut waiting = Vec::new();
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let position = match row.get::<_, Option<i64>>(6)? {
            None => None,
            Some(offset) => Some(Position {
                device: row.get::<_, i64>(3)?.cast_unsigned(),
                inode: row.get::<_, i64>(4)?.cast_unsigned(),
                head: row.get(5)?,
                offset: offset.cast_unsigned(),
            }),
        };
        let input = StoredInput {
            first: Some(row.get(1)?),
            records: row.get(2)?,
            position,
        };
        inputs.push((row.get(0)?, input));
        waiting.push(row.get(7)?);
    }
    let saved = DateTime::parse_from_rfc3339(&saved).map(|saved| saved.to_utc());
    Ok(Some(Earlier {
        saved: saved.unwrap_or(DateTime::UNIX_EPOCH),
        ledger: read_ledger(connection)?,
        anomalous: records(connection, "anomalous")?,
        kept: KeptIncidents { state, waiting },
        inputs,
    }))
}

/// Returns a number of the ledger.
fn records(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT records FROM ledger WHERE name = ?";
    connection.query_row(sql, [name], |row| row.get(0))
}

fn read_ledger(connection: &Connection) -> rusqlite::Result<Ledger> {
    let records = |name| records(connection, name);
    Ok(Ledger {
        received: records("received")?,
        scored: records("scored")?,
        malformed: records("malformed")?,
        dropped: Dropped {
            no_event: records("no_event")?,
            unusable: records("unusable")?,
            stopped: records("stopped")?,
            // Stores of earlier versions do not count them.
            refused: records("refused").optional()?.unwrap_or(0),
        },
        in_flight: records("in_flight")?,
    })
}

fn stored(transaction: &Transaction, limit: usize) -> rusqlite::Result<Stored> {
    let saved = transaction.query_row("SELECT saved FROM state", [], |row| row.get(0));
    let saved: Option<String> = saved.optional()?;
    let mut query =
        transaction.prepare("SELECT input, start, end, cause FROM gap ORDER BY number")?;
    let gaps = query.query_map([], |row| {
        Ok(Gap {
            input: row.get(0)?,
            start: row.get(1)?,
            end: row.get(2)?,
            cause: row.get(3)?,
        })
    })?;
    let gaps = gaps.collect::<rusqlite::Result<_>>()?;
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
        gaps,
        saved,
    })
}

#[cfg(test)]
mod tests {
    use honeyguide::ErrorKind;

    use super::*;

    #[test]
    fn what_is_no_store_is_refused_and_nothing_is_written_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.json");
        std::fs::write(&path, "{}\n").expect("space");
        let error = Store::open(&path).expect_err("no store");
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let other = folder.path().join("other.db");
        let connection = Connection::open(&other).expect("a database");
        connection
            .execute_batch("CREATE TABLE t (a)")
            .expect("a table");
        let error = Store::open(&other).expect_err("another database");
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let names = std::fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(names.count(), 2);
    }

    #[test]
    fn only_one_watch_writes_a_store_and_others_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let store = Store::open(&path).expect("a store");
        assert!(store.earlier().expect("a store").is_none());
        let error = Store::open(&path).expect_err("a second watch");
        assert!(error.message().contains("another watch"), "{error}");
        let stored = Store::read(&path, 10).expect("a store");
        assert_eq!((stored.found, stored.saved), (0, None));
        drop(store);
        Store::open(&path).expect("a store that is free");
    }
}
