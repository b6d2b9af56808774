//! The state of the watch as rows of the store: parts of the state by their keys, and events that wait.

use honeyguide::Error;
use honeyguide::incident::{KeptBatch, KeptChanges, KeptKey, KeptPart, kept_parts};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

const SET: &str = "INSERT INTO kept VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (host, part, key) DO UPDATE SET value = ?4";

/// Writes what has changed of the state. `inputs` are the names of the inputs.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn write<'a>(
    transaction: &Transaction,
    changes: &KeptChanges,
    inputs: impl Iterator<Item = &'a str>,
) -> rusqlite::Result<()> {
    if changes.is_anew {
        transaction.execute_batch("DELETE FROM kept; DELETE FROM waiting;")?;
    }
    let mut forget = transaction.prepare("DELETE FROM kept WHERE host = ?")?;
    for host in &changes.forgotten {
        forget.execute([host])?;
    }
    let mut set = transaction.prepare(SET)?;
    let mut remove =
        transaction.prepare("DELETE FROM kept WHERE host = ? AND part = ? AND key = ?")?;
    for (KeptKey { host, part, key }, value) in &changes.parts {
        match value {
            Some(value) => set.execute(params![host, part.name(), key, value])?,
            None => remove.execute(params![host, part.name(), key])?,
        };
    }
    let names: Vec<&str> = inputs.collect();
    let mut add = transaction.prepare("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)")?;
    for batch in &changes.waiting {
        add.execute(params![batch.number, names.get(batch.input), batch.rows])?;
    }
    let mut over = transaction.prepare("DELETE FROM waiting WHERE number = ?")?;
    for number in &changes.over {
        over.execute([number])?;
    }
    Ok(())
}

/// Reads the parts of the state.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn parts(connection: &Connection) -> rusqlite::Result<Vec<(KeptKey, String)>> {
    let mut query = connection.prepare("SELECT host, part, key, value FROM kept")?;
    let parts = query.query_map([], |row| {
        let name: String = row.get(1)?;
        let part = KeptPart::named(&name).ok_or_else(|| {
            let why = Error::data(format!("the state has a part `{name}`"));
            rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(why))
        })?;
        let (host, key) = (row.get(0)?, row.get(2)?);
        Ok((KeptKey { host, part, key }, row.get(3)?))
    })?;
    parts.collect()
}

/// Reads the events that wait, each batch with the name of its input.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<(String, KeptBatch)>> {
    let mut query =
        connection.prepare("SELECT input, number, rows FROM waiting ORDER BY number")?;
    let batches = query.query_map([], |row| {
        let batch = KeptBatch {
            input: 0,
            number: row.get(1)?,
            rows: row.get(2)?,
        };
        Ok((row.get(0)?, batch))
    })?;
    batches.collect()
}

/// Takes over the state of a store of version 2, which is one document.
///
/// # Errors
/// Fails when the store cannot be written, or the document is damaged.
pub(super) fn take_over(transaction: &Transaction) -> rusqlite::Result<()> {
    let document = transaction.query_row("SELECT incidents FROM state", [], |row| row.get(0));
    let Some(document): Option<String> = document.optional()? else {
        return Ok(());
    };
    let parts = kept_parts(&document)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut set = transaction.prepare(SET)?;
    for (KeptKey { host, part, key }, value) in parts {
        set.execute(params![host, part.name(), key, value])?;
    }
    Ok(())
}

/// Removes the events of an input that wait.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn forget_waiting(connection: &Connection, input: &str) -> rusqlite::Result<()> {
    let mut remove = connection.prepare("DELETE FROM waiting WHERE input = ?")?;
    remove.execute([input]).map(drop)
}
