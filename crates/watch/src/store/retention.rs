//! Retention: which incidents a store keeps. Open ones always; of the others those that changed last, within bounds of age and
//! size. An incident that somebody has confirmed is removed after all others, and never because of its age.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, Transaction, params};

use crate::database::text;

/// The number of incidents that are removed at once.
const REMOVED_AT_ONCE: u64 = 500;
/// The greatest number of times that as many are removed in one transaction.
const TIMES: usize = 20;
/// The time after which the age of incidents is looked at again. A clock that goes on evenly for so long is right.
const LOOK_PAUSE: Duration = Duration::from_secs(600);
/// The greatest difference between the clock and the time that has passed, within that time.
const CLOCK_ERROR: TimeDelta = TimeDelta::seconds(60);

/// The bounds of what a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The age in days beyond which incidents that have ended are removed.
    pub days: u32,
    /// The size in bytes beyond which the oldest incidents that have ended are removed.
    pub bytes: u64,
}

/// When the age of incidents was looked at last.
#[derive(Debug)]
pub(super) struct LastLook {
    passed: Instant,
    clock: DateTime<Utc>,
}

impl LastLook {
    pub fn new(passed: Instant, clock: DateTime<Utc>) -> Self {
        Self { passed, clock }
    }

    /// Returns whether the age is to be looked at again. A clock that has jumped since the last look is trusted only when it has
    /// gone on evenly until the next one: otherwise a wrong clock would remove everything.
    pub fn is_due(&mut self, passed: Instant, clock: DateTime<Utc>) -> bool {
        let since = passed.saturating_duration_since(self.passed);
        if since < LOOK_PAUSE {
            return false;
        }
        let expected = TimeDelta::from_std(since).map(|since| self.clock + since);
        let is_even = expected.is_ok_and(|expected| (clock - expected).abs() <= CLOCK_ERROR);
        *self = Self::new(passed, clock);
        is_even
    }
}

/// Removes what is older than `days` days at `time`: incidents that have ended, gaps and counts of days. Returns the number of
/// incidents that were removed.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn by_age(
    transaction: &Transaction,
    days: u32,
    time: DateTime<Utc>,
) -> rusqlite::Result<u64> {
    let Some(oldest) = time.checked_sub_signed(TimeDelta::days(days.into())) else {
        return Ok(0);
    };
    let oldest = text(oldest);
    transaction.execute(
        "DELETE FROM gap WHERE end < ? AND number NOT IN (SELECT gap FROM receiver WHERE gap IS NOT NULL)",
        [&oldest],
    )?;
    transaction.execute(
        "DELETE FROM day WHERE day < substr(?, 1, 10) AND beyond <= digested",
        [&oldest],
    )?;
    let mut removed = 0;
    for _ in 0..TIMES {
        let now = remove(
            transaction,
            "state = 'closed' AND verdict IS NOT 'confirmed' AND changed < ?",
            &oldest,
        )?;
        removed += now;
        if now < REMOVED_AT_ONCE {
            break;
        }
    }
    Ok(removed)
}

/// Removes the oldest incidents that have ended until the store holds at most `bytes`. Returns their number.
///
/// # Errors
/// Fails when the store cannot be written.
pub(super) fn by_size(transaction: &Transaction, bytes: u64) -> rusqlite::Result<u64> {
    let mut removed = 0;
    for _ in 0..TIMES {
        if size(transaction)? <= bytes {
            break;
        }
        let now = remove(transaction, "state = 'closed' AND ?1 = ?1", "")?;
        removed += now;
        if now == 0 {
            break;
        }
    }
    Ok(removed)
}

/// Removes the oldest incidents of which `condition` holds, and their events. Confirmed ones come last.
fn remove(transaction: &Transaction, condition: &str, value: &str) -> rusqlite::Result<u64> {
    let sql = format!(
        "DELETE FROM incident WHERE id IN (
             SELECT id FROM incident WHERE {condition} ORDER BY verdict IS 'confirmed', changed, id LIMIT ?2
         ) RETURNING id"
    );
    let mut removed = transaction.prepare(&sql)?;
    let removed = removed.query_map(params![value, REMOVED_AT_ONCE], |row| row.get(0))?;
    let removed: Vec<String> = removed.collect::<rusqlite::Result<_>>()?;
    let mut events = transaction.prepare("DELETE FROM event WHERE incident = ?")?;
    for id in &removed {
        events.execute([id])?;
    }
    Ok(removed.len() as u64)
}

/// Returns the number of bytes of the pages that a store uses. Its file also has pages that are free.
///
/// # Errors
/// Fails when the store cannot be read.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

#[cfg(test)]
mod tests {
    use honeyguide::incident::ChangeKind;

    use super::super::samples::{change, empty, incident, incident_event, moment};
    use super::super::{StoreLimits, moment};
    use super::*;
    use crate::alert::About;

    /// Stores an incident that changed at `time`, with an event.
    fn store(connection: &mut Connection, id: &str, kind: ChangeKind, time: &str) {
        let about = About::default();
        let changes = [change(kind, incident(id, 1.0, (0.0, 1.0)))];
        let mut moment = moment(time, &about, &changes);
        moment.events = [(id.to_owned(), vec![incident_event(1, 0.5)])].into();
        let transaction = connection.transaction().expect("a transaction");
        moment::write(&transaction, &moment, &StoreLimits::default(), false).expect("room");
        transaction.commit().expect("room");
    }

    fn ids(connection: &Connection) -> Vec<String> {
        let ids = |sql| {
            let mut query = connection.prepare(sql).expect("a table");
            let ids = query.query_map([], |row| row.get(0)).expect("ids");
            ids.collect::<Result<Vec<String>, _>>().expect("ids")
        };
        let incidents = ids("SELECT id FROM incident ORDER BY id");
        assert_eq!(
            incidents,
            ids("SELECT incident FROM event ORDER BY incident")
        );
        incidents
    }

    fn confirm(connection: &Connection, id: &str) {
        connection
            .execute(
                "UPDATE incident SET verdict = 'confirmed' WHERE id = ?",
                [id],
            )
            .expect("room");
    }

    #[test]
    fn age_removes_old_incidents_that_have_ended_and_are_not_confirmed() {
        let mut connection = empty();
        let old = "2026-01-01T00:00:00Z";
        store(&mut connection, "closed", ChangeKind::Closed, old);
        store(&mut connection, "open", ChangeKind::Opened, old);
        store(&mut connection, "confirmed", ChangeKind::Closed, old);
        store(
            &mut connection,
            "new",
            ChangeKind::Closed,
            "2026-03-01T00:00:00Z",
        );
        confirm(&connection, "confirmed");
        for (start, end) in [(1, 2), (3, 4)] {
            let gap = format!(
                "INSERT INTO gap (input, start, end, cause)
                 VALUES ('-', '2026-0{start}-01T00:00:00.000Z', '2026-0{end}-01T00:00:00.000Z', 'c')"
            );
            connection.execute(&gap, []).expect("room");
        }
        let now = "2026-03-02T00:00:00Z".parse().expect("a time");
        let transaction = connection.transaction().expect("a transaction");
        assert_eq!(by_age(&transaction, 100, now).expect("room"), 0);
        assert_eq!(by_age(&transaction, 20, now).expect("room"), 1);
        transaction.commit().expect("room");
        assert_eq!(ids(&connection), ["confirmed", "new", "open"]);
        let gaps: u64 = connection
            .query_row("SELECT count(*) FROM gap", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(gaps, 1);
    }

    #[test]
    fn size_removes_the_oldest_first_confirmed_ones_last_and_open_ones_never() {
        let mut connection = empty();
        store(
            &mut connection,
            "0-open",
            ChangeKind::Opened,
            "2026-01-01T00:00:00Z",
        );
        for number in 1..=1500 {
            let id = format!("{number:04}");
            let time = format!("2026-02-01T{:02}:{:02}:00Z", number / 60, number % 60);
            let time = if number >= 1440 {
                "2026-02-02T00:00:00Z"
            } else {
                &time
            };
            store(&mut connection, &id, ChangeKind::Closed, time);
        }
        confirm(&connection, "0001");
        let bytes = size(&connection).expect("a size");
        let transaction = connection.transaction().expect("a transaction");
        assert_eq!(by_size(&transaction, bytes).expect("room"), 0);
        assert_eq!(by_size(&transaction, bytes - 1).expect("room"), 500);
        transaction.commit().expect("room");
        let left = ids(&connection);
        assert_eq!(left[..3], ["0-open", "0001", "0502"]);
        let transaction = connection.transaction().expect("a transaction");
        assert_eq!(by_size(&transaction, 1).expect("room"), 1000);
        transaction.commit().expect("room");
        assert_eq!(ids(&connection), ["0-open"]);
        assert!(size(&connection).expect("a size") < bytes);
    }

    #[test]
    fn a_clock_that_jumps_removes_nothing() {
        let passed = Instant::now();
        let clock: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut look = LastLook::new(passed, clock);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(
            !look.is_due(passed + minutes(5), clock + minutes(5)),
            "too early"
        );
        assert!(look.is_due(passed + minutes(10), clock + minutes(10)));
        let ahead = clock + TimeDelta::days(4000);
        assert!(!look.is_due(passed + minutes(20), ahead + minutes(20)));
        assert!(!look.is_due(passed + minutes(25), ahead + minutes(25)));
        // A clock that goes on from there is right.
        assert!(look.is_due(passed + minutes(30), ahead + minutes(30)));
    }
}
