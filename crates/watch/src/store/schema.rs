//! The tables of a store, their version, and the way from each version to the next.

use std::path::Path;

use honeyguide::{Error, Result};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction};

use super::kept;
use crate::database::{BUSY, failed};
use crate::outbox;

/// What `PRAGMA application_id` says of a store: "hgst".
const APPLICATION: i64 = 0x6867_7374;
/// The version of the tables: the number of steps that lead to them.
const VERSION: i64 = STEPS.len() as i64;
/// The number of pages that are copied at once.
const COPIED_PAGES: i32 = 1 << 10;

/// The steps from each version to the next. A new store takes all of them, so that its tables are those of a store that was
/// migrated. A step that was released never changes.
const STEPS: [Step; 3] = [
    Step::of(&[FIRST, outbox::TABLES]),
    Step::of(&[SECOND]),
    Step {
        before: &[THIRD],
        moves: Some(kept::take_over),
        after: &[THIRD_LAST],
    },
];

/// What leads from a version to the next: SQL, then something that SQL cannot do, and SQL again.
struct Step {
    before: &'static [&'static str],
    moves: Option<fn(&Transaction) -> rusqlite::Result<()>>,
    after: &'static [&'static str],
}

impl Step {
    const fn of(before: &'static [&'static str]) -> Self {
        Self {
            before,
            moves: None,
            after: &[],
        }
    }

    fn take(&self, transaction: &Transaction) -> rusqlite::Result<()> {
        let run = |part: &&str| transaction.execute_batch(part);
        self.before.iter().try_for_each(run)?;
        self.moves.map_or(Ok(()), |moves| moves(transaction))?;
        self.after.iter().try_for_each(run)
    }
}

const FIRST: &str = "
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

/// Events of incidents, the budget of alerts, what gaps are of, verdicts, and what was removed. An incident has a gap of events
/// if both overlap, from its first event until 900 seconds after its last, which is when it ends. Where times are no dates, it
/// is the time between its first and its last change in the store.
const SECOND: &str = "
ALTER TABLE incident ADD COLUMN told INTEGER NOT NULL DEFAULT 1;
ALTER TABLE incident ADD COLUMN verdict TEXT CHECK (verdict IN ('confirmed', 'dismissed'));
CREATE INDEX incident_by_change ON incident (changed);
CREATE TABLE event (
    incident TEXT NOT NULL,
    number INTEGER NOT NULL,
    time REAL,
    score REAL NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (incident, number)
) STRICT, WITHOUT ROWID;
ALTER TABLE gap ADD COLUMN lost TEXT NOT NULL DEFAULT 'events' CHECK (lost IN ('events', 'alerts'));
UPDATE gap SET lost = 'alerts'
WHERE cause LIKE 'more alerts waited%' OR cause LIKE 'alerts waited%' OR cause LIKE 'the receiver refused%';
CREATE VIEW incident_gap AS
SELECT incident.id AS incident, gap.number, gap.input, gap.start, gap.end, gap.cause FROM incident JOIN gap
ON gap.lost = 'events'
AND gap.end >= CASE WHEN times_are_dates THEN strftime('%Y-%m-%dT%H:%M:%fZ', incident.first, 'unixepoch') ELSE opened END
AND gap.start <= CASE WHEN times_are_dates THEN strftime('%Y-%m-%dT%H:%M:%fZ', incident.last + 900, 'unixepoch')
    WHEN state = 'open' THEN '9999' ELSE changed END;
CREATE TABLE day (
    day TEXT PRIMARY KEY,
    told INTEGER NOT NULL,
    beyond INTEGER NOT NULL,
    digests INTEGER NOT NULL,
    digested INTEGER NOT NULL
) STRICT;
ALTER TABLE state ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
";

/// The state in parts, so that a moment writes those that have changed.
const THIRD: &str = "
CREATE TABLE kept (
    host INTEGER NOT NULL,
    part TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (host, part, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY,
    input TEXT NOT NULL,
    rows BLOB NOT NULL
) STRICT;
INSERT INTO waiting (input, rows) SELECT name, waiting FROM input WHERE waiting IS NOT NULL ORDER BY name;
ALTER TABLE input DROP COLUMN waiting;
";
const THIRD_LAST: &str = "ALTER TABLE state DROP COLUMN incidents;";

/// Creates the tables, or brings those that are there to the newest version.
///
/// # Errors
/// Fails when the file is no store or one of a later release, and when it cannot be written.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
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
        .and_then(|()| migrate(connection))
        .map_err(failed)
}

/// Takes all steps that the store has not taken, as one transaction.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = version(connection)?;
    let taken = usize::try_from(version).unwrap_or_default();
    if taken >= STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in &STEPS[taken..] {
        step.take(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Returns a connection that reads the tables of the newest version. If the store is older, it is a copy in a temporary file,
/// which ends with the connection.
///
/// # Errors
/// Fails when the file is no store or one of a later release, and when it cannot be read or copied.
pub(super) fn newest(connection: Connection, path: &Path) -> Result<Connection> {
    let failed = |error| failed(path, &error);
    check(&connection, path)?;
    if version(&connection).map_err(failed)? == VERSION {
        return Ok(connection);
    }
    let mut copy = Connection::open("").map_err(failed)?;
    let backup = Backup::new(&connection, &mut copy).map_err(failed)?;
    while backup.step(COPIED_PAGES).map_err(failed)? != StepResult::Done {}
    drop(backup);
    migrate(&mut copy).map_err(failed)?;
    Ok(copy)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Checks that a file is a store of this release or an earlier one.
///
/// # Errors
/// Fails when it is not, and when it cannot be read.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| failed(path, &error);
    let shown = path.display();
    let application: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(failed)?;
    if application != APPLICATION {
        return Err(Error::usage(format!(
            "{shown}: this file is no store of honeyguide watch"
        ))
        .hint("choose another name: a store is created where there is none"));
    }
    let version = version(connection).map_err(failed)?;
    if version > VERSION {
        return Err(Error::usage(format!(
            "{shown}: a store of version {version}; this release knows up to {VERSION}"
        ))
        .hint("update honeyguide"));
    }
    Ok(())
}
