//! The store: incidents, alerts that were not delivered, the ledger, gaps and the state of the watch in one SQLite file.
//!
//! Everything that a moment of the watch changes is one transaction. A watch that was killed therefore goes on from one
//! moment: the events after it are read again, and nothing of them is in the store. `docs/formats/store.md` describes the
//! tables.

mod earlier;
mod gap;
mod ledger_rows;
mod moment;
mod schema;
mod stored;

use std::fs::File;
use std::path::{Path, PathBuf};

use honeyguide::{Error, Result};
use rusqlite::Connection;

use crate::database::{BUSY, failed, readable};
use crate::outbox::{self, Alert, Deliveries, FILE_RECEIVER, Notice, Syslog, Webhook};
pub(crate) use earlier::Earlier;
pub use gap::Gap;
pub(crate) use moment::{About, Moment, StoredIncident, StoredInput};
use schema::check;
pub use stored::{Stored, StoredRow};

/// The number of alerts that are written to a file at once.
const WRITTEN_AT_ONCE: u64 = 100;

/// A store that a watch writes.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Kept locked, so that no other watch writes the store.
    _lock: File,
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
        schema::prepare(&store.connection, path)?;
        Ok(store)
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
    pub(crate) fn write(&mut self, moment: &Moment) -> Result<()> {
        let path = self.path.clone();
        let mut write = || {
            let transaction = self.connection.transaction()?;
            moment::write(&transaction, moment)?;
            transaction.commit()
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Adds gaps.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub(crate) fn add_gaps(&self, gaps: &[Gap]) -> Result<()> {
        let mut gaps = gaps.iter();
        gaps.try_for_each(|one| gap::add(&self.connection, one))
            .map_err(|error| failed(&self.path, &error))
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
