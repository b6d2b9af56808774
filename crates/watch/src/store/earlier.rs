//! What an earlier run left, from which a watch goes on.

use chrono::{DateTime, Utc};
use honeyguide::incident::{KeptBatch, KeptKey};
use rusqlite::{Connection, OptionalExtension};

use super::kept;
use super::ledger_rows::{read_ledger, records};
use super::moment::StoredInput;
use crate::ledger::Ledger;
use crate::position::Position;

/// What a store holds of an earlier run.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub saved: DateTime<Utc>,
    pub ledger: Ledger,
    pub anomalous: u64,
    pub inputs: Vec<(String, StoredInput)>,
    /// The parts of the state.
    pub parts: Vec<(KeptKey, String)>,
    /// The events that wait, with the name of the input of each batch.
    pub waiting: Vec<(String, KeptBatch)>,
}

/// Reads what an earlier run left; `None` if there was none.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn earlier(connection: &Connection) -> rusqlite::Result<Option<Earlier>> {
    let state = connection.query_row("SELECT saved FROM state", [], |row| row.get(0));
    let Some(saved): Option<String> = state.optional()? else {
        return Ok(None);
    };
    let mut query = connection.prepare(
        "SELECT name, first, records, device, inode, head, offset FROM input ORDER BY name",
    )?;
    let mut inputs = Vec::new();
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
    }
    let saved = DateTime::parse_from_rfc3339(&saved).map(|saved| saved.to_utc());
    Ok(Some(Earlier {
        saved: saved.unwrap_or(DateTime::UNIX_EPOCH),
        ledger: read_ledger(connection)?,
        anomalous: records(connection, "anomalous")?,
        parts: kept::parts(connection)?,
        waiting: kept::waiting(connection)?,
        inputs,
    }))
}
