//! What everything that reads or writes the database file shares.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use honeyguide::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The time for which a reader or a writer waits for another one.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// Opens a database that is there, to write it.
///
/// # Errors
/// Fails when it cannot be opened.
pub(crate) fn writable(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let opened = connection.and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    });
    opened.map_err(|error| failed(path, &error))
}

/// Opens a database to read it.
///
/// # Errors
/// Fails when it cannot be opened.
pub(crate) fn readable(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    connection.map_err(|error| failed(path, &error))
}

/// Why a database could not be read or written.
#[derive(Debug)]
pub(crate) struct Fault {
    pub error: Error,
    /// Whether it may be over soon: another program holds the database, or the disk is full or fails.
    pub may_pass: bool,
}

impl Fault {
    pub fn new(path: &Path, error: &rusqlite::Error) -> Self {
        use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        let passing = [DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure];
        Self {
            error: failed(path, error),
            may_pass: error
                .sqlite_error_code()
                .is_some_and(|code| passing.contains(&code)),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

/// Returns the error of a database.
pub(crate) fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use ErrorCode::{
        DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, ReadOnly,
    };
    let path = path.display();
    let hint = match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => "another program holds the store: let it end",
        Some(DiskFull) => "make room on the disk",
        Some(ReadOnly) => "let the user of this process write the file and its folder",
        Some(DatabaseCorrupt) => {
            "the file is damaged: keep it, bring back a copy, or choose another name to begin a new store"
        }
        Some(NotADatabase) => "choose another name: a store is created where there is none",
        _ => "is the disk full, the file damaged, or no store of honeyguide watch?",
    };
    Error::data(format!("{path}: the store: {error}")).hint(hint)
}

/// Returns a time as it is stored.
pub(crate) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
