//! The outbox: alerts wait in the store until every receiver has them.
//!
//! An alert is added by the transaction that stores what it tells of. Each receiver has its own place in the order of the
//! alerts, which moves when it has taken one. So an alert goes out at least once whenever a watch is killed, and a receiver
//! that does not answer holds up no other. What does not fit is a gap.

mod deliver;
#[cfg(test)]
mod faults;
mod open;
mod receivers;
mod syslog;
mod webhook;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::alert::Alert;
use crate::database::text;

pub(crate) use deliver::named;
pub use deliver::{Deliveries, Notice, Undelivered};
pub use receivers::Waiting;
pub(crate) use receivers::waiting;
pub use syslog::{Syslog, SyslogAddress};
pub use webhook::Webhook;

/// The greatest number of alerts that wait.
pub const MAX_WAITING: u64 = 10_000;
/// The greatest number of bytes of the alerts that wait.
pub const MAX_WAITING_BYTES: u64 = 256 << 20;
/// The name of the receiver that is the watch itself, which writes alerts to a file.
pub(crate) const FILE_RECEIVER: &str = "file of alerts";
/// The cause of a gap of alerts for which there was no room.
const NO_ROOM: &str = "more alerts waited than the outbox can hold, and the oldest were dropped";
/// The cause of a gap of alerts for a receiver that is not one any more.
const NOT_NAMED: &str = "alerts waited for a receiver that a later watch did not name";

/// The tables of the outbox in the first version of the store. Later versions change them by steps of their own.
pub(crate) const TABLES: &str = "
CREATE TABLE alert (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    time TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    alert TEXT NOT NULL
) STRICT;
CREATE TABLE receiver (
    name TEXT PRIMARY KEY,
    delivered INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    gap INTEGER,
    failing_since TEXT,
    failure TEXT
) STRICT;
";

/// Alerts that wait for a receiver.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The first ones, at least one.
    pub alerts: Vec<Alert>,
    /// The number of the last of them in the order of all alerts.
    last: i64,
}

/// Returns whether somebody receives alerts.
///
/// # Errors
/// Fails when the store cannot be read.
pub(crate) fn has_receivers(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT EXISTS (SELECT * FROM receiver)")?
        .query_row([], |row| row.get(0))
}

/// Adds alerts. If there are too many, the oldest are dropped, and a gap of each receiver
/// that did not have them says so.
///
/// # Errors
/// Fails when the store cannot be written.
pub(crate) fn add(
    transaction: &Transaction,
    alerts: &[Alert],
    time: DateTime<Utc>,
) -> rusqlite::Result<()> {
    if alerts.is_empty() {
        return Ok(());
    }
    let mut add =
        transaction.prepare("INSERT INTO alert (id, time, bytes, alert) VALUES (?, ?, ?, ?)")?;
    for Alert { id, json } in alerts {
        add.execute(params![id, text(time), json.len() as u64, json])?;
    }
    bound(transaction, MAX_WAITING, MAX_WAITING_BYTES)
}

/// Drops the oldest alerts, so that at most `most` of at most `bytes` bytes are left.
fn bound(transaction: &Transaction, most: u64, bytes: u64) -> rusqlite::Result<()> {
    // The newest alert that has too many, or too many bytes, from it on.
    let dropped = transaction
        .prepare(
            "SELECT number FROM (
                 SELECT number, count(*) OVER newer AS alerts, sum(bytes) OVER newer AS bytes FROM alert
                 WINDOW newer AS (ORDER BY number DESC)
             ) WHERE alerts > ? OR bytes > ? ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![most, bytes], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(dropped) = dropped else {
        return Ok(());
    };
    for name in names(transaction)? {
        lose(transaction, &name, dropped, NO_ROOM)?;
    }
    clean(transaction)
}

/// Moves a receiver behind alert number `last` without the alerts up to it, and adds a gap, or goes on with one that is open.
fn lose(connection: &Connection, name: &str, last: i64, cause: &str) -> rusqlite::Result<()> {
    let (lost, start, end): (u64, Option<String>, Option<String>) = connection
        .prepare(
            "SELECT count(*), min(time), max(time) FROM alert
             WHERE number > (SELECT delivered FROM receiver WHERE name = ?1) AND number <= ?2",
        )?
        .query_row(params![name, last], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if lost == 0 {
        return Ok(());
    }
    let grown = connection.execute(
        "UPDATE gap SET end = ?1 WHERE cause = ?2 AND number = (SELECT gap FROM receiver WHERE name = ?3)",
        params![end, cause, name],
    )?;
    if grown == 0 {
        connection.execute(
            "INSERT INTO gap (input, start, end, cause, lost) VALUES (?, ?, ?, ?, 'alerts')",
            params![name, start, end, cause],
        )?;
        connection.execute(
            "UPDATE receiver SET gap = ? WHERE name = ?",
            params![connection.last_insert_rowid(), name],
        )?;
    }
    connection
        .prepare("UPDATE receiver SET delivered = ?, lost = lost + ? WHERE name = ?")?
        .execute(params![last, lost, name])?;
    Ok(())
}

/// Deletes the alerts that every receiver has.
fn clean(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare("DELETE FROM alert WHERE number <= (SELECT min(delivered) FROM receiver)")?
        .execute([])?;
    Ok(())
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare("SELECT name FROM receiver ORDER BY name")?;
    let names = query.query_map([], |row| row.get(0))?;
    names.collect()
}

/// Makes these the receivers of alerts. A new one gets the alerts that are made from now on. What waits for one that is not
/// among them is a gap.
///
/// # Errors
/// Fails when the store cannot be written.
pub(crate) fn set_receivers(
    connection: &mut Connection,
    receivers: &[String],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for name in receivers {
        transaction.execute(
            "INSERT OR IGNORE INTO receiver (name, delivered, sent, lost)
             VALUES (?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'alert'), 0), 0, 0)",
            [name],
        )?;
    }
    for name in names(&transaction)?
        .iter()
        .filter(|name| !receivers.contains(name))
    {
        lose(&transaction, name, i64::MAX, NOT_NAMED)?;
        transaction.execute("DELETE FROM receiver WHERE name = ?", [name])?;
    }
    match receivers.is_empty() {
        true => transaction.execute("DELETE FROM alert", []).map(drop)?,
        false => clean(&transaction)?,
    }
    transaction.commit()
}

/// Returns the first alerts, at most `limit`, that a receiver does not have; `None` if it has all.
///
/// # Errors
/// Fails when the store cannot be read.
pub(crate) fn next(
    connection: &Connection,
    name: &str,
    limit: u64,
) -> rusqlite::Result<Option<Batch>> {
    let mut query = connection.prepare(
        "SELECT number, id, alert FROM alert WHERE number > (SELECT delivered FROM receiver WHERE name = ?)
         ORDER BY number LIMIT ?",
    )?;
    let waiting = query.query_map(params![name, limit], |row| {
        let alert = Alert {
            id: row.get(1)?,
            json: row.get(2)?,
        };
        Ok((row.get::<_, i64>(0)?, alert))
    })?;
    let (numbers, alerts): (Vec<i64>, Vec<Alert>) = waiting
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .unzip();
    Ok(numbers.last().map(|&last| Batch { alerts, last }))
}

/// Notes that a receiver has the alerts of a batch.
///
/// # Errors
/// Fails when the store cannot be written.
pub(crate) fn delivered(
    connection: &Connection,
    name: &str,
    batch: &Batch,
) -> rusqlite::Result<()> {
    // An overflow may have moved the receiver farther meanwhile.
    connection
        .prepare(
            "UPDATE receiver SET delivered = max(delivered, ?), sent = sent + ?, gap = NULL, failing_since = NULL,
             failure = NULL WHERE name = ?",
        )?
        .execute(params![batch.last, batch.alerts.len() as u64, name])?;
    clean(connection)
}

/// Notes that a receiver could not be reached at `time`, and why.
fn failed(
    connection: &Connection,
    name: &str,
    time: DateTime<Utc>,
    why: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare(
            "UPDATE receiver SET failing_since = coalesce(failing_since, ?), failure = ? WHERE name = ?",
        )?
        .execute(params![text(time), why, name])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store in memory with these receivers.
    fn outbox(receivers: &[&str]) -> Connection {
        let mut connection = Connection::open_in_memory().expect("memory");
        let gap = "CREATE TABLE gap (number INTEGER PRIMARY KEY, input TEXT, start TEXT, end TEXT, cause TEXT, lost TEXT);";
        connection
            .execute_batch(&format!("{TABLES}{gap}"))
            .expect("tables");
        set(&mut connection, receivers);
        connection
    }

    fn set(connection: &mut Connection, receivers: &[&str]) {
        let names: Vec<String> = receivers.iter().map(|&name| name.to_owned()).collect();
        set_receivers(connection, &names).expect("receivers");
    }

    /// Adds alerts with these numbers as ids, made at the second of their number.
    fn fill(connection: &mut Connection, ids: std::ops::Range<u32>, most: u64, bytes: u64) {
        for id in ids {
            let transaction = connection.transaction().expect("a transaction");
            let time = DateTime::from_timestamp(i64::from(id), 0).expect("a time");
            let alert = Alert {
                id: id.to_string(),
                json: "{}".to_owned(),
            };
            add(&transaction, &[alert], time).expect("room");
            bound(&transaction, most, bytes).expect("room");
            transaction.commit().expect("room");
        }
    }

    fn ids(connection: &Connection, name: &str) -> Vec<String> {
        let batch = next(connection, name, 100).expect("alerts");
        let alerts = batch.into_iter().flat_map(|batch| batch.alerts);
        alerts.map(|alert| alert.id).collect()
    }

    /// Notes that a receiver has the next alerts, at most `limit`.
    fn deliver(connection: &Connection, name: &str, limit: u64) {
        let batch = next(connection, name, limit).expect("alerts");
        delivered(connection, name, &batch.expect("some wait")).expect("room");
    }

    fn gaps(connection: &Connection) -> Vec<(String, String, String)> {
        let mut query = connection
            .prepare("SELECT input, start, end FROM gap")
            .expect("a table");
        let gaps = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        gaps.expect("gaps").collect::<Result<_, _>>().expect("gaps")
    }

    fn count(connection: &Connection) -> u64 {
        let count = connection.query_row("SELECT count(*) FROM alert", [], |row| row.get(0));
        count.expect("a count")
    }

    #[test]
    fn each_receiver_has_its_own_place_and_what_all_have_is_deleted() {
        let mut outbox = outbox(&["a", "b"]);
        fill(&mut outbox, 1..4, 100, 1000);
        deliver(&outbox, "a", 2);
        assert_eq!(ids(&outbox, "a"), ["3"]);
        assert_eq!(ids(&outbox, "b"), ["1", "2", "3"]);
        assert_eq!(count(&outbox), 3);
        deliver(&outbox, "b", 100);
        assert_eq!(count(&outbox), 1);
        deliver(&outbox, "a", 100);
        assert_eq!(count(&outbox), 0);
        // Numbers are not used again, so that no receiver is ahead of a new alert.
        fill(&mut outbox, 4..5, 100, 1000);
        assert_eq!(ids(&outbox, "a"), ["4"]);
    }

    #[test]
    fn a_new_receiver_gets_new_alerts_and_what_waits_for_an_old_one_is_a_gap() {
        let mut outbox = outbox(&["a"]);
        fill(&mut outbox, 1..3, 100, 1000);
        set(&mut outbox, &["a", "b"]);
        assert_eq!(ids(&outbox, "b"), [""; 0]);
        fill(&mut outbox, 3..4, 100, 1000);
        assert_eq!(
            (ids(&outbox, "a").len(), ids(&outbox, "b")),
            (3, vec!["3".to_owned()])
        );
        set(&mut outbox, &["b"]);
        let second = |at: u32| format!("1970-01-01T00:00:{at:02}.000Z");
        assert_eq!(gaps(&outbox), [("a".to_owned(), second(1), second(3))]);
        assert_eq!(ids(&outbox, "b"), ["3"]);
        assert_eq!(count(&outbox), 1);
        set(&mut outbox, &[]);
        assert_eq!(count(&outbox), 0);
    }

    #[test]
    fn an_overflow_drops_the_oldest_alerts_and_is_one_gap() {
        let mut outbox = outbox(&["a", "b"]);
        fill(&mut outbox, 1..4, 5, 1000);
        deliver(&outbox, "b", 100);
        fill(&mut outbox, 4..10, 5, 1000);
        assert_eq!(ids(&outbox, "a"), ["5", "6", "7", "8", "9"]);
        let second = |at: u32| format!("1970-01-01T00:00:{at:02}.000Z");
        let expected = [
            ("a".to_owned(), second(1), second(4)),
            ("b".to_owned(), second(4), second(4)),
        ];
        assert_eq!(gaps(&outbox), expected);
        let lost: Vec<u64> = ["a", "b"]
            .iter()
            .map(|name| {
                outbox.query_row("SELECT lost FROM receiver WHERE name = ?", [name], |row| {
                    row.get(0)
                })
            })
            .collect::<Result<_, _>>()
            .expect("counts");
        assert_eq!(lost, [4, 1]);
        // After a success, the next overflow is another gap.
        deliver(&outbox, "a", 1);
        fill(&mut outbox, 10..12, 5, 1000);
        assert_eq!(gaps(&outbox).iter().filter(|gap| gap.0 == "a").count(), 2);
    }

    #[test]
    fn alerts_are_bounded_by_bytes_too() {
        let mut outbox = outbox(&["a"]);
        fill(&mut outbox, 1..10, 100, 8);
        assert_eq!(ids(&outbox, "a"), ["6", "7", "8", "9"]);
    }
}
