//! The tables of a store and their version.

use std::path::Path;

use honeyguide::{Error, Result};
use rusqlite::Connection;

use crate::database::{BUSY, failed};
use crate::outbox;

/// What `PRAGMA application_id` says of a store: "hgst".
const APPLICATION: i64 = 0x6867_7374;
/// The version of the tables.
const VERSION: i64 = 1;

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

/// Creates the tables, or checks those that are there.
///
/// # Errors
/// Fails when the file is no store or one of a later release, and when it cannot be written.
pub(super) fn prepare(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| failed(path, &error);
    connection.busy_timeout(BUSY).map_err(failed)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if tables > 0 {
        check(connection, path)?;
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

/// Checks that a file is a store of this release or an earlier one.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<()> {
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
