//! The budget of a day: of how many incidents alerts tell. Beyond it incidents are stored as all others, and one alert, the
//! digest of the day, says how many there were.
//!
//! A day is one of UTC, by the clock of this machine at the time at which an incident opens. Of an incident that is within the
//! budget, alerts tell until it ends, whatever comes after it. All decisions are part of the transaction that stores what they
//! are about, so that a kill changes none of them.

use chrono::{DateTime, Utc};
use honeyguide::incident::{Change, ChangeKind};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::alert::{About, Alert, Beyond, Digest};

/// The number of incidents that a digest names.
const NAMED: u64 = 10;

/// Returns the day of a time.
fn day(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d").to_string()
}

/// Returns whether alerts tell of a change, whose incident is stored. At most `limit` incidents of a day are told of.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn tells(
    transaction: &Transaction,
    change: &Change,
    limit: u64,
    time: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let id = &change.incident.id;
    if change.kind == ChangeKind::Opened {
        return open(transaction, id, limit, &day(time));
    }
    let told: Option<bool> = transaction
        .prepare("SELECT told FROM incident WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let is_told = told.unwrap_or(true);
    if let Some(into) = change.merged_into.as_deref().filter(|_| is_told) {
        inherit(transaction, into)?;
    }
    Ok(is_told)
}

/// Takes a new incident into the budget of a day if there is room.
fn open(
    transaction: &Transaction,
    incident: &str,
    limit: u64,
    day: &str,
) -> rusqlite::Result<bool> {
    let told: Option<u64> = transaction
        .prepare("SELECT told FROM day WHERE day = ?")?
        .query_row([day], |row| row.get(0))
        .optional()?;
    let has_room = told.unwrap_or(0) < limit;
    transaction
        .prepare(
            "INSERT INTO day VALUES (?1, ?2, NOT ?2, 0, 0)
             ON CONFLICT (day) DO UPDATE SET told = told + ?2, beyond = beyond + NOT ?2",
        )?
        .execute(params![day, has_room])?;
    if !has_room {
        transaction
            .prepare("UPDATE incident SET told = 0 WHERE id = ?")?
            .execute([incident])?;
    }
    Ok(has_room)
}

/// Lets alerts tell of an incident that goes on with one that they told of.
fn inherit(transaction: &Transaction, incident: &str) -> rusqlite::Result<()> {
    let inherited = transaction
        .prepare("UPDATE incident SET told = 1 WHERE id = ? AND told = 0")?
        .execute([incident])?;
    if inherited > 0 {
        transaction
            .prepare(
                "UPDATE day SET told = told + 1, beyond = beyond - 1 WHERE digests = 0 AND beyond > 0
                 AND day = (SELECT substr(opened, 1, 10) FROM incident WHERE id = ?)",
            )?
            .execute([incident])?;
    }
    Ok(())
}

/// Makes the digests of the days that are over, each once. Where the clock went back to such a day, and more incidents came, its
/// digest is made again with the next revision.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn digests(
    transaction: &Transaction,
    about: &About,
    limit: u64,
    time: DateTime<Utc>,
) -> rusqlite::Result<Vec<Alert>> {
    let mut over = transaction.prepare(
        "UPDATE day SET digests = digests + 1, digested = beyond WHERE day < ? AND beyond > digested
         RETURNING day, told, beyond, digests",
    )?;
    let over = over.query_map([day(time)], |row| {
        let digest = Digest {
            day: row.get(0)?,
            incidents_per_day: limit,
            told: row.get(1)?,
            beyond: row.get(2)?,
            highest: Vec::new(),
        };
        Ok((digest, row.get(3)?))
    })?;
    let mut over: Vec<(Digest, u64)> = over.collect::<rusqlite::Result<_>>()?;
    over.sort_unstable_by(|one, other| one.0.day.cmp(&other.0.day));
    let alerts = over.into_iter().map(|(mut digest, revision)| {
        digest.highest = highest(transaction, &digest.day)?;
        about
            .digest(&digest, revision, time)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    });
    alerts.collect()
}

/// Returns the incidents beyond the budget of a day with the highest scores, as far as they are stored.
fn highest(transaction: &Transaction, day: &str) -> rusqlite::Result<Vec<Beyond>> {
    let mut query = transaction.prepare(
        "SELECT id, host, score, events FROM incident WHERE told = 0 AND substr(opened, 1, 10) = ?
         ORDER BY score DESC, id LIMIT ?",
    )?;
    let highest = query.query_map(params![day, NAMED], |row| {
        Ok(Beyond {
            id: row.get(0)?,
            host: row.get(1)?,
            score: row.get(2)?,
            events: row.get(3)?,
        })
    })?;
    highest.collect()
}

/// Returns the number of incidents of the day of `time` that are beyond the budget.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn beyond(transaction: &Transaction, time: DateTime<Utc>) -> rusqlite::Result<u64> {
    let beyond = transaction
        .prepare("SELECT beyond FROM day WHERE day = ?")?
        .query_row([day(time)], |row| row.get(0))
        .optional()?;
    Ok(beyond.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use serde_json::Value;

    use super::super::samples::{change, empty, incident, moment};
    use super::super::{Keep, StoreLimits, moment};
    use super::*;

    /// A store in memory with a receiver of alerts and a budget.
    struct Told {
        connection: Connection,
        limit: u64,
    }

    impl Told {
        fn new(limit: u64) -> Self {
            let connection = empty();
            connection
                .execute(
                    "INSERT INTO receiver VALUES ('r', 0, 0, 0, NULL, NULL, NULL)",
                    [],
                )
                .expect("room");
            Self { connection, limit }
        }

        /// Stores changes, and incidents that were merged. Returns the new alerts.
        fn store(&mut self, time: &str, changes: &[Change], merged: &[(&str, &str)]) -> Vec<Value> {
            let about = About::default();
            let transaction = self.connection.transaction().expect("a transaction");
            let mut moment = moment(time, &about, changes);
            let owned = |(from, into): &(&str, &str)| ((*from).to_owned(), (*into).to_owned());
            moment.merged = merged.iter().map(owned).collect();
            let keep = Keep {
                days: 1000,
                bytes: 1 << 30,
            };
            let limits = StoreLimits {
                incidents_per_day: self.limit,
                keep,
            };
            moment::write(&transaction, &moment, &limits, false).expect("room");
            let mut query = transaction
                .prepare("DELETE FROM alert RETURNING alert")
                .expect("a table");
            let alerts = query.query_map([], |row| row.get::<_, String>(0));
            let alerts: Vec<String> = alerts
                .expect("alerts")
                .collect::<Result<_, _>>()
                .expect("alerts");
            drop(query);
            transaction.commit().expect("room");
            let mut alerts: Vec<Value> = alerts
                .iter()
                .map(|alert| serde_json::from_str(alert).expect("JSON"))
                .collect();
            alerts.sort_by_key(|alert| alert["id"].to_string());
            alerts
        }

        fn opened(&mut self, time: &str, ids: &[&str]) -> Vec<String> {
            let changes = ids.iter().map(|id| {
                let score = f64::from(u32::from_str_radix(id, 16).expect("a number"));
                change(ChangeKind::Opened, incident(id, score, (0.0, 1.0)))
            });
            let changes: Vec<Change> = changes.collect();
            ids_of(&self.store(time, &changes, &[]))
        }
    }

    fn ids_of(alerts: &[Value]) -> Vec<String> {
        let ids = alerts.iter().map(|alert| alert["id"].as_str());
        ids.map(|id| id.expect("an id").to_owned()).collect()
    }

    #[test]
    fn alerts_tell_of_the_budget_and_one_digest_of_the_rest() {
        let mut told = Told::new(2);
        assert_eq!(told.opened("2026-10-01T08:00:00Z", &["1"]), ["1:1"]);
        assert_eq!(told.opened("2026-10-01T09:00:00Z", &["2", "3"]), ["2:1"]);
        assert!(told.opened("2026-10-01T23:59:59.999Z", &["4"]).is_empty());
        // What is beyond the budget stays so, and what is within it is told of to its end.
        let closed = ["2", "4"].map(|id| change(ChangeKind::Closed, incident(id, 4.0, (0.0, 1.0))));
        let alerts = told.store("2026-10-01T23:59:59.999Z", &closed, &[]);
        assert_eq!(ids_of(&alerts), ["2:3"]);
        let next = change(ChangeKind::Opened, incident("5", 5.0, (0.0, 1.0)));
        let alerts = told.store("2026-10-02T00:00:00Z", &[next], &[]);
        assert_eq!(ids_of(&alerts), ["5:1", "digest-2026-10-01:1"]);
        let digest = &alerts[1];
        assert_eq!(
            (&digest["kind"], &digest["revision"], digest.get("incident")),
            (&"digest".into(), &1.into(), None)
        );
        let digest = &digest["digest"];
        assert_eq!(digest["day"], "2026-10-01");
        assert_eq!((&digest["told"], &digest["beyond"]), (&2.into(), &2.into()));
        let highest = digest["highest"].as_array().expect("incidents");
        let highest: Vec<&str> = highest
            .iter()
            .filter_map(|one| one["id"].as_str())
            .collect();
        assert_eq!(highest, ["4", "3"]);
        assert!(told.store("2026-10-02T00:00:01Z", &[], &[]).is_empty());
        let stored: u64 = told
            .connection
            .query_row("SELECT count(*) FROM incident", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(stored, 5);
    }

    #[test]
    fn a_day_within_the_budget_has_no_digest_and_one_without_a_watch_is_told_of_later() {
        let mut told = Told::new(1);
        told.opened("2026-10-01T08:00:00Z", &["1"]);
        assert!(told.opened("2026-10-02T08:00:00Z", &[]).is_empty());
        told.opened("2026-10-02T09:00:00Z", &["2", "3"]);
        assert_eq!(
            told.opened("2026-10-09T09:00:00Z", &["4"]),
            ["4:1", "digest-2026-10-02:1"]
        );
    }

    #[test]
    fn a_clock_that_goes_back_loses_no_incident() {
        let mut told = Told::new(0);
        assert!(told.opened("2026-10-01T08:00:00Z", &["1"]).is_empty());
        assert_eq!(
            told.opened("2026-10-02T08:00:00Z", &["2"]),
            ["digest-2026-10-01:1"]
        );
        assert!(told.opened("2026-10-01T09:00:00Z", &["3"]).is_empty());
        let alerts = told.store("2026-10-03T08:00:00Z", &[], &[]);
        assert_eq!(
            ids_of(&alerts),
            ["digest-2026-10-01:2", "digest-2026-10-02:1"]
        );
        assert_eq!(alerts[0]["digest"]["beyond"], 2);
    }

    #[test]
    fn an_incident_that_goes_on_with_one_that_was_told_of_is_told_of() {
        let mut told = Told::new(1);
        told.opened("2026-10-01T08:00:00Z", &["1", "2"]);
        let mut closed = change(ChangeKind::Closed, incident("1", 1.0, (0.0, 1.0)));
        closed.merged_into = Some("2".to_owned());
        let updated = change(ChangeKind::Updated, incident("2", 3.0, (0.0, 1.0)));
        let alerts = told.store(
            "2026-10-01T08:01:00Z",
            &[updated.clone(), closed],
            &[("1", "2")],
        );
        assert_eq!(ids_of(&alerts), ["1:3"]);
        let alerts = told.store("2026-10-01T08:02:00Z", &[updated], &[]);
        assert_eq!(ids_of(&alerts), ["2:2"]);
        assert!(
            told.opened("2026-10-02T08:00:00Z", &[]).is_empty(),
            "no digest"
        );
    }
}
