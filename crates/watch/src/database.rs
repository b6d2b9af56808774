//! What everything that reads or writes the database file shares.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use honeyguide::{Error, Result};
use rusqlite::{Connection, OpenFlags};

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

/// Returns the error of a database.
pub(crate) fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    Error::data(format!("{path}: the store: {error}"))
        .hint("is the disk full, the file damaged, or no store of honeyguide watch?")
}

/// Returns a time as it is stored.
pub(crate) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
