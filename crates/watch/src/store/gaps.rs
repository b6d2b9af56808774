//! Gaps as rows of the store.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use crate::gap::{Gap, JOINED_SECONDS, MAX_NAMED_GAPS};

/// Adds a gap of events, or lets one that has just ended go on.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn add(connection: &Connection, gap: &Gap) -> rusqlite::Result<()> {
    let values = params![gap.input, gap.start, gap.end, gap.cause, JOINED_SECONDS];
    let grown = connection
        .prepare(
            "UPDATE gap SET end = max(end, ?3) WHERE lost = 'events' AND cause = ?4
             AND number = (SELECT max(number) FROM gap WHERE input = ?1)
             AND unixepoch(?2) - unixepoch(end) <= ?5 AND start <= ?2",
        )?
        .execute(values)?;
    if grown == 0 {
        connection
            .prepare("INSERT INTO gap (input, start, end, cause) VALUES (?1, ?2, ?3, ?4)")?
            .execute(&values[..4])?;
    }
    Ok(())
}

/// Returns all gaps in the order in which they were added.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Gap>> {
    read(
        connection,
        "SELECT input, start, end, cause FROM gap ORDER BY number",
        &[],
    )
}

/// Returns the newest gaps that an incident of the store overlaps, at most [`MAX_NAMED_GAPS`], the oldest first.
///
/// # Errors
/// Fails when the store cannot be read.
pub(crate) fn of_incident(connection: &Connection, incident: &str) -> rusqlite::Result<Vec<Gap>> {
    let mut newest = read(
        connection,
        "SELECT input, start, end, cause FROM incident_gap WHERE incident = ? ORDER BY number DESC LIMIT ?",
        &[&incident, &MAX_NAMED_GAPS],
    )?;
    newest.reverse();
    Ok(newest)
}

fn read(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<Vec<Gap>> {
    let mut query = connection.prepare(sql)?;
    let gap = |row: &Row| {
        Ok(Gap {
            input: row.get(0)?,
            start: row.get(1)?,
            end: row.get(2)?,
            cause: row.get(3)?,
        })
    };
    query.query_map(values, gap)?.collect()
}

#[cfg(test)]
mod tests {
    use honeyguide::incident::{ChangeKind, QUIET_SECONDS};

    use super::super::samples::{change, empty, incident, moment};
    use super::super::{StoreLimits, moment};
    use super::*;
    use crate::alert::About;

    /// The second of 2026-10-01T12:00:00Z.
    const NOON: f64 = 1_790_856_000.0;

    fn gap(start: &str, end: &str) -> Gap {
        let time = |time: &str| format!("2026-10-01T{time}.000Z");
        Gap {
            input: "-".to_owned(),
            start: time(start),
            end: time(end),
            cause: "c".to_owned(),
        }
    }

    /// Stores an incident from noon to five past twelve at `stored`.
    fn store(connection: &mut Connection, kind: ChangeKind, times_are_dates: bool, stored: &str) {
        let about = About {
            times_are_dates: Some(times_are_dates),
            ..About::default()
        };
        let changes = [change(kind, incident("i", 1.0, (NOON, NOON + 300.0)))];
        let stored = format!("2026-10-01T{stored}Z");
        let moment = moment(&stored, &about, &changes);
        let transaction = connection.transaction().expect("a transaction");
        moment::write(&transaction, &moment, &StoreLimits::default(), false).expect("room");
        transaction.commit().expect("room");
    }

    /// Returns whether an incident from noon on has each of some gaps.
    fn has(connection: &Connection, gaps: &[(&str, &str)]) -> Vec<bool> {
        let found = |(start, end): &(&str, &str)| {
            let gap = gap(start, end);
            connection.execute("DELETE FROM gap", []).expect("room");
            add(connection, &gap).expect("room");
            let found = of_incident(connection, "i").expect("a table");
            assert!(found.iter().all(|found| *found == gap));
            !found.is_empty()
        };
        gaps.iter().map(found).collect()
    }

    #[test]
    fn an_incident_has_the_gaps_from_its_first_event_until_it_must_have_ended() {
        assert!(
            (QUIET_SECONDS - 900.0).abs() < f64::EPSILON,
            "as in the view"
        );
        let mut connection = empty();
        // Its events are older than the store.
        store(&mut connection, ChangeKind::Closed, true, "20:00:00");
        let gaps = [
            ("11:00:00", "11:59:59"),
            ("11:00:00", "12:00:00"),
            ("12:01:00", "12:02:00"),
            ("12:20:00", "13:00:00"),
            ("12:20:01", "13:00:00"),
            ("11:00:00", "21:00:00"),
        ];
        assert_eq!(
            has(&connection, &gaps),
            [false, true, true, true, false, true]
        );
    }

    #[test]
    fn where_times_are_no_dates_the_times_of_the_store_count() {
        let mut connection = empty();
        store(&mut connection, ChangeKind::Opened, false, "15:00:00");
        let gaps = [
            ("12:00:00", "12:01:00"),
            ("14:59:00", "15:00:00"),
            ("23:00:00", "23:01:00"),
        ];
        assert_eq!(has(&connection, &gaps), [false, true, true]);
        store(&mut connection, ChangeKind::Closed, false, "16:00:00");
        let gaps = [("15:59:00", "16:01:00"), ("16:01:00", "16:02:00")];
        assert_eq!(has(&connection, &gaps), [true, false]);
    }

    #[test]
    fn gaps_that_follow_one_another_for_the_same_cause_are_one() {
        let connection = empty();
        for (start, end) in [
            ("12:00:00", "12:00:01"),
            ("12:00:02", "12:00:03"),
            ("12:00:09", "12:00:10"),
        ] {
            add(&connection, &gap(start, end)).expect("room");
        }
        let other = Gap {
            cause: "another".to_owned(),
            ..gap("12:00:10", "12:00:11")
        };
        add(&connection, &other).expect("room");
        let expected = [
            gap("12:00:00", "12:00:03"),
            gap("12:00:09", "12:00:10"),
            other,
        ];
        assert_eq!(all(&connection).expect("a table"), expected);
    }

    #[test]
    fn an_alert_names_the_newest_gaps_of_its_incident() {
        let mut connection = empty();
        connection
            .execute(
                "INSERT INTO receiver VALUES ('r', 0, 0, 0, NULL, NULL, NULL)",
                [],
            )
            .expect("room");
        let minute =
            |minute: u32| gap(&format!("12:{minute:02}:00"), &format!("12:{minute:02}:01"));
        (0..12).for_each(|at| add(&connection, &minute(at)).expect("room"));
        store(&mut connection, ChangeKind::Opened, true, "12:20:00");
        let alert = connection.query_row("SELECT alert FROM alert", [], |row| row.get(0));
        let alert: String = alert.expect("an alert");
        let alert: serde_json::Value = serde_json::from_str(&alert).expect("JSON");
        let newest: Vec<Gap> = (2..12).map(minute).collect();
        assert_eq!(alert["gaps"], serde_json::to_value(newest).expect("JSON"));
    }

    #[test]
    fn alerts_that_were_lost_are_no_gaps_of_incidents() {
        let mut connection = empty();
        store(&mut connection, ChangeKind::Opened, true, "12:00:00");
        assert_eq!(has(&connection, &[("12:00:00", "12:01:00")]), [true]);
        connection
            .execute("UPDATE gap SET lost = 'alerts'", [])
            .expect("room");
        assert!(of_incident(&connection, "i").expect("a table").is_empty());
    }
}
