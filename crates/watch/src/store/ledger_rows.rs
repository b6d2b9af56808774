//! The ledger as rows of the store.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::ledger::{Dropped, Ledger};

/// Writes the ledger and the number of anomalous events.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn write_ledger(
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
        ("lost", dropped.lost),
        ("in_flight", in_flight),
        ("anomalous", anomalous),
    ] {
        set.execute(params![name, records])?;
    }
    Ok(())
}

/// Returns a number of the ledger.
pub(super) fn records(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT records FROM ledger WHERE name = ?";
    connection.query_row(sql, [name], |row| row.get(0))
}

/// Reads the ledger.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn read_ledger(connection: &Connection) -> rusqlite::Result<Ledger> {
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
            lost: records("lost").optional()?.unwrap_or(0),
        },
        in_flight: records("in_flight")?,
    })
}
