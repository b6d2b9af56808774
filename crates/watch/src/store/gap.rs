//! Times in which events may have been lost.

use rusqlite::{Connection, params};
use serde::Serialize;

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

/// Adds a gap.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn add(connection: &Connection, gap: &Gap) -> rusqlite::Result<()> {
    let values = params![gap.input, gap.start, gap.end, gap.cause];
    connection
        .prepare("INSERT INTO gap (input, start, end, cause) VALUES (?, ?, ?, ?)")?
        .execute(values)?;
    Ok(())
}

/// Returns all gaps in the order in which they were added.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Gap>> {
    let mut query =
        connection.prepare("SELECT input, start, end, cause FROM gap ORDER BY number")?;
    let gaps = query.query_map([], |row| {
        Ok(Gap {
            input: row.get(0)?,
            start: row.get(1)?,
            end: row.get(2)?,
            cause: row.get(3)?,
        })
    })?;
    gaps.collect()
}
