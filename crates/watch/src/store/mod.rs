//! The store: incidents, alerts that were not delivered, the ledger, gaps and the state of the watch in one SQLite file.
//!
//! Everything that a moment of the watch changes is one transaction. A watch that was killed therefore goes on from one
//! moment: the events after it are read again, and nothing of them is in the store. `docs/formats/store.md` describes the
//! tables.

mod budget;
mod earlier;
mod events;
mod gaps;
mod kept;
mod ledger_rows;
mod moment;
mod retention;
#[cfg(test)]
pub(crate) mod samples;
mod schema;
mod stored;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;
use honeyguide::{Error, Result};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, TransactionBehavior};
use serde_json::value::RawValue;

use crate::database::{BUSY, Fault, failed, readable};
use crate::gap::Gap;
use crate::outbox::{self, Batch, Deliveries, FILE_RECEIVER, Notice, Syslog, Webhook};
pub(crate) use earlier::Earlier;
pub use events::StoredEvent;
pub(crate) use moment::{Moment, StoredIncident, StoredInput, Written};
pub use retention::Keep;
use retention::LastLook;
pub use stored::{Stored, StoredRow};

/// The number of alerts that are written to a file at once.
const WRITTEN_AT_ONCE: u64 = 100;

/// A store that a watch writes.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    limits: StoreLimits,
    last_look: LastLook,
    /// Kept locked, so that no other watch writes the store.
    _lock: File,
}

/// The bounds of what a store keeps, and of how much alerts tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// The greatest number of incidents of a day that alerts tell of. A day is one of UTC.
    pub incidents_per_day: u64,
    /// Which incidents are kept.
    pub keep: Keep,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            incidents_per_day: 25,
            keep: Keep {
                days: 365,
                bytes: 4 << 30,
            },
        }
    }
}

impl Store {
    /// Opens the store at `path` to write it, or creates it.
    ///
    /// # Errors
    /// Fails when the file is no store or one of a later release, when another watch writes it, and when it cannot be
    /// written.
    pub fn open(path: &Path, limits: StoreLimits) -> Result<Self> {
        let is_there = path.metadata().is_ok_and(|file| file.len() > 0);
        if is_there {
            schema::check(&readable(path)?, path)?;
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
        let mut connection = Connection::open(path).map_err(|error| failed(path, &error))?;
        schema::prepare(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            limits,
            last_look: LastLook::new(Instant::now(), Utc::now()),
            _lock: file,
        })
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
            stored::stored(&transaction, limit)
        };
        read().map_err(|error| failed(path, &error))
    }

    /// Returns what an earlier run left; `None` if there was none.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub(crate) fn earlier(&self) -> Result<Option<Earlier>> {
        let earlier = earlier::earlier(&self.connection);
        earlier.map_err(|error| failed(&self.path, &error))
    }

    /// Writes a moment, as one transaction.
    ///
    /// # Errors
    /// Fails when the store cannot be written. It is then as it was.
    pub(crate) fn write(&mut self, moment: &Moment) -> std::result::Result<Written, Fault> {
        let looks_at_age = self.last_look.is_due(Instant::now(), moment.time);
        let mut write = || {
            let begin = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(begin)?;
            let written = moment::write(&transaction, moment, &self.limits, looks_at_age)?;
            transaction.commit()?;
            Ok(written)
        };
        write().map_err(|error| Fault::new(&self.path, &error))
    }

    /// Adds a gap of events.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn add_gap(&self, gap: &Gap) -> std::result::Result<(), Fault> {
        gaps::add(&self.connection, gap).map_err(|error| Fault::new(&self.path, &error))
    }

    /// Forgets the events of an input that wait for earlier ones. The gap says so.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn forget_waiting(&self, gap: &Gap) -> Result<()> {
        let forgotten = kept::forget_waiting(&self.connection, &gap.input);
        let added = forgotten.and_then(|()| gaps::add(&self.connection, gap));
        added.map_err(|error| failed(&self.path, &error))
    }

    /// Returns the first alerts that the file of alerts does not have; `None` if it has all.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub(crate) fn undelivered(&self) -> std::result::Result<Option<Batch>, Fault> {
        let alerts = outbox::next(&self.connection, FILE_RECEIVER, WRITTEN_AT_ONCE);
        alerts.map_err(|error| Fault::new(&self.path, &error))
    }

    /// Notes that the file of alerts has these.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn delivered(&self, batch: &Batch) -> std::result::Result<(), Fault> {
        let noted = outbox::delivered(&self.connection, FILE_RECEIVER, batch);
        noted.map_err(|error| Fault::new(&self.path, &error))
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
    let waits = connection.busy_timeout(BUSY);
    waits.map_err(|error| failed(path, &error))?;
    schema::newest(connection, path)
}

/// Returns the JSON in a column.
fn json(row: &Row, column: usize) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

#[cfg(test)]
mod tests {
    use honeyguide::ErrorKind;
    use honeyguide::incident::{Kept, KeptPart, LiveIncidents};

    use super::*;

    #[test]
    fn what_is_no_store_is_refused_and_nothing_is_written_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.json");
        std::fs::write(&path, "{}\n").expect("space");
        let error = Store::open(&path, StoreLimits::default()).expect_err("no store");
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let other = folder.path().join("other.db");
        let connection = Connection::open(&other).expect("a database");
        connection
            .execute_batch("CREATE TABLE t (a)")
            .expect("a table");
        let error = Store::open(&other, StoreLimits::default()).expect_err("another database");
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let names = std::fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(names.count(), 2);
    }

    /// A store that the release with version 1 wrote: an open incident, events that wait, and a gap of a pipe.
    const FIRST: &str = include_str!("../../tests/fixtures/store_1.sql");

    #[test]
    fn a_store_of_version_1_is_read_as_it_is_and_migrated_when_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch(FIRST).expect("tables");
        let gaps = "INSERT INTO gap (input, start, end, cause) VALUES
             ('-', '2026-11-27T12:09:09.000Z', '2026-11-27T12:09:10.000Z', 'no watch was running'),
             ('webhook', '2026-11-27T12:09:09.000Z', '2026-11-27T12:09:10.000Z',
              'alerts waited for a receiver that a later watch did not name')";
        connection.execute(gaps, []).expect("room");
        let waiting = "UPDATE input SET waiting = x'0102'";
        connection.execute(waiting, []).expect("room");
        drop(connection);
        let before = Store::read(&path, 10).expect("a store");
        let version = |path| -> u32 {
            let connection = readable(path).expect("a database");
            let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
            version.expect("a version")
        };
        assert_eq!(version(&path), 1, "reading changes nothing");
        assert_eq!(
            (before.found, before.ledger.received, before.gaps.len()),
            (1, 53, 3)
        );
        let row = &before.incidents[0];
        assert_eq!((row.state.as_str(), row.told), ("open", true));
        assert_eq!(
            row.gaps.len(),
            1,
            "not the gap before it, and not that of alerts"
        );
        assert_eq!(row.gaps[0].start, "2026-11-27T12:09:09.000Z");
        let store = Store::open(&path, StoreLimits::default()).expect("a store");
        let earlier = store.earlier().expect("a store").expect("an earlier run");
        assert_eq!((earlier.anomalous, earlier.inputs.len()), (15, 1));
        assert_eq!(earlier.waiting.len(), 1);
        assert_eq!(earlier.waiting[0].1.rows, [1, 2]);
        let parts = |part| {
            earlier
                .parts
                .iter()
                .filter(move |(key, _)| key.part == part)
        };
        assert_eq!(parts(KeptPart::Open).count(), 1);
        assert_eq!(
            parts(KeptPart::Name).next().map(|part| part.1.as_str()),
            Some("\"ip-10-20-1-208\"")
        );
        let kept = Kept {
            parts: earlier.parts,
            waiting: Vec::new(),
        };
        let restored = LiveIncidents::restored(2.0, kept, &[], 0.0).expect("a state");
        assert_eq!(restored.open_incidents(), 1);
        let counts = restored.counts();
        assert_eq!((counts.folded, counts.opened), (51, 1));
        drop(store);
        assert_eq!(version(&path), 3);
        let after = Store::read(&path, 10).expect("a store");
        let json = |stored: &Stored| serde_json::to_string(stored).expect("JSON");
        assert_eq!(json(&after), json(&before));
    }

    #[test]
    fn a_store_that_was_migrated_has_the_tables_of_a_new_one() {
        let mut migrated = Connection::open_in_memory().expect("memory");
        migrated.execute_batch(FIRST).expect("tables");
        schema::migrate(&mut migrated).expect("a store");
        let tables = |connection: &Connection| -> Vec<String> {
            let mut query = connection
                .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
                .expect("a table");
            let tables = query.query_map([], |row| row.get(0)).expect("tables");
            tables.collect::<rusqlite::Result<_>>().expect("tables")
        };
        assert_eq!(tables(&migrated), tables(&samples::empty()));
    }

    #[test]
    fn a_store_of_a_later_version_is_refused_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        drop(Store::open(&path, StoreLimits::default()).expect("a store"));
        let connection = Connection::open(&path).expect("a database");
        let later = connection.pragma_update(None, "user_version", 9);
        later.expect("room");
        drop(connection);
        let opened = Store::open(&path, StoreLimits::default()).map(drop);
        for refused in [opened, Store::read(&path, 1).map(drop)] {
            let error = refused.expect_err("a later version");
            assert_eq!(error.kind(), ErrorKind::Usage);
            let told = error.message();
            assert!(
                told.contains("version 9; this release knows up to 3"),
                "{told}"
            );
        }
    }

    #[test]
    fn only_one_watch_writes_a_store_and_others_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let store = Store::open(&path, StoreLimits::default()).expect("a store");
        assert!(store.earlier().expect("a store").is_none());
        let error = Store::open(&path, StoreLimits::default()).expect_err("a second watch");
        assert!(error.message().contains("another watch"), "{error}");
        let stored = Store::read(&path, 10).expect("a store");
        assert_eq!((stored.found, stored.saved), (0, None));
        drop(store);
        Store::open(&path, StoreLimits::default()).expect("a store that is free");
    }
}
