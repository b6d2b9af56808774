//! Delivery: one thread for each receiver, which takes alerts out of the outbox until the watch ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Utc;
use honeyguide::Result;
use honeyguide::wording::printable;
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

use super::receivers::{Failure, Receiver, waiting};
use super::{Syslog, Webhook, delivered, failed, lose, next, open};
use crate::database::{readable, writable};

/// The time after which a receiver looks for new alerts.
const LOOK: Duration = Duration::from_millis(200);
/// The wait after a first failure. Each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait that a receiver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);
/// The time after the end within which a receiver notes what it has done, and how often this is looked at.
const LAST_NOTE: Duration = Duration::from_millis(200);
const LAST_LOOK: Duration = Duration::from_millis(5);
/// The number of times that an alert is sent to a receiver which refuses it.
const REFUSALS: u32 = 5;

/// Alerts on their way to receivers.
pub struct Deliveries {
    /// The path of the store.
    path: PathBuf,
    end: Arc<End>,
    threads: Vec<(String, JoinHandle<Left>)>,
}

/// A receiver that did not get all alerts before the watch ended.
#[derive(Debug)]
pub struct Undelivered {
    /// Its name.
    pub receiver: String,
    /// The number of alerts that wait in the store.
    pub alerts: u64,
    /// Why the last attempt failed, if one did.
    pub failure: Option<String>,
}

/// Tells people of a receiver that does not answer, and of one that does so again.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Receivers with names that no others have.
pub(crate) type Named = Vec<(String, Box<dyn Receiver>)>;

/// Gives receivers the names under which the store knows them. Those of one host have numbers.
pub(crate) fn named(webhooks: Vec<Webhook>, syslogs: Vec<Syslog>) -> Named {
    let webhooks = webhooks
        .into_iter()
        .map(|one| Box::new(one) as Box<dyn Receiver>);
    let syslogs = syslogs
        .into_iter()
        .map(|one| Box::new(one) as Box<dyn Receiver>);
    let mut named = Named::new();
    for receiver in webhooks.chain(syslogs) {
        let same = named
            .iter()
            .filter(|(_, other)| other.name() == receiver.name());
        let name = match same.count() {
            0 => receiver.name().to_owned(),
            others => format!("{} {}", receiver.name(), others + 1),
        };
        named.push((name, receiver));
    }
    named
}

/// What is left when a delivery ends: `None` if nothing is.
type Left = Option<Undelivered>;

/// The end of the watch.
#[derive(Default)]
struct End {
    /// Until when alerts are still delivered.
    until: Mutex<Option<Instant>>,
    /// Wakes the threads.
    set: Condvar,
}

impl End {
    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `time`, or until the end is set. Returns the end.
    fn wait(&self, time: Duration) -> Option<Instant> {
        let until = self.until();
        let waited = self
            .set
            .wait_timeout_while(until, time, |until| until.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Deliveries {
    /// Begins to deliver the alerts of the store at `path`, which knows the receivers by their names.
    ///
    /// # Errors
    /// Fails when the store cannot be opened.
    pub(crate) fn begin(path: &Path, receivers: Named, notice: &Notice) -> Result<Self> {
        Self::start(path, receivers, notice, FIRST_WAIT)
    }

    /// Begins one thread for each receiver.
    fn start(path: &Path, receivers: Named, notice: &Notice, first_wait: Duration) -> Result<Self> {
        let end = Arc::new(End::default());
        let mut threads = Vec::new();
        for (name, receiver) in receivers {
            let delivery = Delivery {
                connection: writable(path)?,
                end: Arc::clone(&end),
                notice: Arc::clone(notice),
                name: name.clone(),
                receiver,
                first_wait,
                told_all: None,
                failures: 0,
                failure: None,
            };
            threads.push((name, thread::spawn(move || delivery.run())));
        }
        Ok(Self {
            path: path.to_owned(),
            end,
            threads,
        })
    }

    /// Delivers for at most `time` what waits, and ends. A receiver that fails is not tried again, and one that does not
    /// answer is not waited for.
    #[must_use]
    pub fn finish(self, time: Duration) -> Vec<Undelivered> {
        let until = Instant::now() + time;
        *self.end.until() = Some(until);
        self.end.set.notify_all();
        let mut left = Vec::new();
        for (receiver, thread) in self.threads {
            while !thread.is_finished() && Instant::now() < until + LAST_NOTE {
                thread::sleep(LAST_LOOK);
            }
            let without = |why: &str| Undelivered {
                alerts: alerts_for(readable(&self.path).ok().as_ref(), &receiver),
                receiver: receiver.clone(),
                failure: Some(why.to_owned()),
            };
            left.extend(match thread.is_finished() {
                true => thread
                    .join()
                    .unwrap_or_else(|_| Some(without("a defect ended the delivery"))),
                false => Some(without("no answer in time")),
            });
        }
        left
    }
}

/// Returns the number of alerts that wait for a receiver; 0 if the store cannot be read.
fn alerts_for(connection: Option<&Connection>, receiver: &str) -> u64 {
    let receivers = connection.and_then(|connection| waiting(connection).ok());
    let mut receivers = receivers.into_iter().flatten();
    receivers
        .find(|one| one.receiver == receiver)
        .map_or(0, |one| one.alerts)
}

/// The delivery to one receiver.
struct Delivery {
    connection: Connection,
    end: Arc<End>,
    notice: Notice,
    /// The name of the receiver, which no other one has.
    name: String,
    receiver: Box<dyn Receiver>,
    first_wait: Duration,
    /// When the receiver was last told of all open incidents.
    told_all: Option<Instant>,
    /// The number of failures since the last success.
    failures: u32,
    failure: Option<String>,
}

impl Delivery {
    fn run(mut self) -> Left {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.note(Failure::new(format!("no runtime: {error}")));
                return Some(self.left());
            }
        };
        let mut wait = Duration::ZERO;
        loop {
            let until = self.end.wait(wait);
            match self.step(&runtime) {
                Ok(Some(_)) if until.is_some_and(|until| Instant::now() >= until) => break,
                Ok(Some(_)) => wait = Duration::ZERO,
                Ok(None) if until.is_some() => return None,
                Ok(None) => wait = LOOK,
                Err(_) if until.is_some() => break,
                Err(pause) => wait = pause,
            }
        }
        Some(self.left())
    }

    /// Returns what is left.
    fn left(self) -> Undelivered {
        Undelivered {
            alerts: alerts_for(Some(&self.connection), &self.name),
            receiver: self.name,
            failure: self.failure,
        }
    }

    /// Sends the next alerts. Returns how many, and `None` if there are none.
    ///
    /// # Errors
    /// Fails when they could not be sent, and returns for how long to wait.
    fn step(&mut self, runtime: &Runtime) -> std::result::Result<Option<usize>, Duration> {
        let name = self.name.clone();
        let batch = next(&self.connection, &name, self.receiver.at_once());
        let batch =
            batch.map_err(|error| self.note(Failure::new(format!("the store: {error}"))))?;
        let Some(batch) = batch else {
            self.tell_again(runtime)?;
            return Ok(None);
        };
        match self.receiver.send(&batch.alerts, runtime) {
            Ok(()) => {
                let noted = delivered(&self.connection, &name, &batch);
                noted.map_err(|error| self.note(Failure::new(format!("the store: {error}"))))?;
                self.succeed();
                Ok(Some(batch.alerts.len()))
            }
            Err(failure) if failure.is_refusal && self.failures + 1 >= REFUSALS => {
                let cause = format!("the receiver refused alerts: {}", failure.why);
                let noted = lose(&self.connection, &name, batch.last, &cause);
                self.note(failure);
                noted.map_err(|_| LONGEST_WAIT)?;
                self.failures = 0;
                Ok(Some(0))
            }
            Err(failure) => Err(self.note(failure)),
        }
    }

    /// Tells of the open incidents again if the receiver forgets them and it is time.
    ///
    /// # Errors
    /// Fails when it could not be told, and returns for how long to wait.
    fn tell_again(&mut self, runtime: &Runtime) -> std::result::Result<(), Duration> {
        let Some(pause) = self.receiver.forgets_after() else {
            return Ok(());
        };
        if self.told_all.is_some_and(|told| told.elapsed() < pause) {
            return Ok(());
        }
        let open = open::alerts(&self.connection, Utc::now());
        let open = open.map_err(|error| self.note(Failure::new(format!("the store: {error}"))))?;
        let sent = match open.is_empty() {
            true => Ok(()),
            false => self.receiver.send(&open, runtime),
        };
        match sent {
            Ok(()) => {
                self.told_all = Some(Instant::now());
                self.succeed();
                Ok(())
            }
            Err(failure) => Err(self.note(failure)),
        }
    }

    /// Notes that the receiver takes alerts.
    fn succeed(&mut self) {
        if self.failure.take().is_some() {
            (self.notice)(&format!("{} takes alerts again", self.name));
        }
        self.failures = 0;
    }

    /// Notes a failure. Returns for how long to wait.
    fn note(&mut self, failure: Failure) -> Duration {
        let why = printable(&failure.why).into_owned();
        // What cannot be written into a store that fails is in memory all the same.
        let _ = failed(&self.connection, &self.name, Utc::now(), &why);
        if self.failure.is_none() {
            (self.notice)(&format!(
                "{} did not take an alert: {why}; it is tried again",
                self.name
            ));
        }
        self.failure = Some(why);
        let wait = pause(self.first_wait, self.failures, failure.after);
        self.failures += 1;
        wait
    }
}

/// Returns the wait after a first one, a number of earlier failures and what the receiver asked for.
fn pause(first: Duration, failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(1 << failures.min(16));
    doubled
        .min(LONGEST_WAIT)
        .max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::alert::Alert;
    use crate::formats::{WebhookFormat, told_alert};
    use crate::outbox::faults::{Answer, Server};
    use crate::outbox::{TABLES, add, set_receivers};

    /// A database with receivers, whose alerts are delivered at once.
    struct Outbox {
        folder: tempfile::TempDir,
        connection: Connection,
        /// The time within which a request must be answered.
        answer_time: Duration,
        notices: Arc<Mutex<Vec<String>>>,
    }

    impl Outbox {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let connection = Connection::open(folder.path().join("store.db")).expect("a database");
            let gap = "CREATE TABLE gap (number INTEGER PRIMARY KEY, input TEXT, start TEXT, end TEXT, cause TEXT, lost TEXT);";
            let tables = format!("PRAGMA journal_mode = WAL; {TABLES}{gap}");
            connection.execute_batch(&tables).expect("tables");
            Self {
                folder,
                connection,
                answer_time: Duration::from_millis(400),
                notices: Arc::default(),
            }
        }

        /// Adds the alerts of these revisions of these incidents.
        fn fill(&mut self, alerts: &[(u32, u64)]) {
            let transaction = self.connection.transaction().expect("a transaction");
            for (incident, revision) in alerts {
                let (id, json) = told_alert(&format!("{incident:016x}"), *revision);
                add(&transaction, &[Alert { id, json }], Utc::now()).expect("room");
            }
            transaction.commit().expect("room");
        }

        fn begin(&mut self, servers: &[&Server]) -> Deliveries {
            let mut receivers = Named::new();
            for (number, server) in servers.iter().enumerate() {
                let times = (Duration::from_secs(5), self.answer_time);
                let webhook = Webhook::with_times(
                    &server.url(),
                    WebhookFormat::Honeyguide,
                    Some("sesame"),
                    times,
                );
                receivers.push((number.to_string(), Box::new(webhook.expect("a webhook"))));
            }
            self.begin_with(receivers)
        }

        fn begin_with(&mut self, receivers: Named) -> Deliveries {
            let names: Vec<String> = receivers.iter().map(|(name, _)| name.clone()).collect();
            set_receivers(&mut self.connection, &names).expect("a store");
            let notices = Arc::clone(&self.notices);
            let notice: Notice = Arc::new(move |text: &str| {
                notices.lock().expect("no panic").push(text.to_owned());
            });
            let path = self.folder.path().join("store.db");
            Deliveries::start(&path, receivers, &notice, Duration::from_millis(20))
                .expect("a store")
        }

        fn waiting(&mut self) -> Vec<u64> {
            let receivers = waiting(&self.connection).expect("a store");
            receivers.into_iter().map(|one| one.alerts).collect()
        }

        /// Waits until nothing waits any more.
        fn wait(&mut self) {
            let end = Instant::now() + Duration::from_secs(20);
            while self.waiting().iter().any(|&alerts| alerts > 0) {
                assert!(Instant::now() < end, "{:?} wait", self.waiting());
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// The ids that a server has taken, without repeats, in the order in which they first came.
    fn taken(server: &Server) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for request in server.taken() {
            let body: Value = serde_json::from_str(&request.body).expect("JSON");
            let id = body["id"].as_str().expect("an id").to_owned();
            assert_eq!(request.header("idempotency-key"), Some(id.as_str()));
            assert_eq!(request.header("authorization"), Some("Bearer sesame"));
            assert_eq!(request.header("content-type"), Some("application/json"));
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    const ALERTS: [(u32, u64); 6] = [(1, 1), (2, 1), (1, 2), (1, 3), (2, 2), (3, 1)];

    fn expected() -> Vec<String> {
        let ids = ALERTS
            .iter()
            .map(|(incident, revision)| format!("{incident:016x}:{revision}"));
        ids.collect()
    }

    #[test]
    fn every_alert_arrives_in_order_whatever_the_receiver_does() {
        let server = Server::begin(vec![
            Answer::Status(500, ""),
            Answer::Taken,
            Answer::Reset,
            Answer::Status(429, "Retry-After: 1"),
            Answer::Never,
            Answer::Taken,
            Answer::Slow(Duration::from_millis(100)),
            Answer::Lost,
            Answer::Status(503, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
            Answer::Status(404, ""),
        ]);
        let mut outbox = Outbox::new();
        let deliveries = outbox.begin(&[&server]);
        outbox.fill(&ALERTS);
        outbox.wait();
        assert!(deliveries.finish(Duration::from_secs(1)).is_empty());
        assert_eq!(taken(&server), expected());
        // The answer to one of them was lost, so that it came twice.
        assert_eq!(server.taken().len(), ALERTS.len() + 1);
        let notices = outbox.notices.lock().expect("no panic");
        assert!(notices[0].contains("status 500"), "{notices:?}");
        assert!(notices[1].contains("takes alerts again"), "{notices:?}");
        assert!(
            notices.iter().all(|notice| !notice.contains("sesame")),
            "{notices:?}"
        );
    }

    #[test]
    fn a_receiver_that_is_away_holds_up_no_other_and_catches_up() {
        let (here, away) = (Server::begin(Vec::new()), Server::refusing());
        let mut outbox = Outbox::new();
        let deliveries = outbox.begin(&[&here, &away]);
        outbox.fill(&ALERTS);
        let end = Instant::now() + Duration::from_secs(20);
        while here.taken().len() < ALERTS.len() {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(10));
        }
        let left = deliveries.finish(Duration::from_millis(100));
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].receiver.as_str(), left[0].alerts),
            ("1", ALERTS.len() as u64)
        );
        assert!(left[0].failure.is_some());
        assert_eq!(outbox.waiting(), [0, 6]);
        // A later watch with the same receivers goes on.
        let away = Server::begin(Vec::new());
        let deliveries = outbox.begin(&[&here, &away]);
        outbox.wait();
        assert!(deliveries.finish(Duration::from_secs(1)).is_empty());
        assert_eq!(taken(&away), expected());
        assert_eq!(here.taken().len(), ALERTS.len());
    }

    #[test]
    fn the_end_does_not_wait_for_a_receiver_without_an_answer() {
        let server = Server::begin(vec![Answer::Never]);
        let mut outbox = Outbox::new();
        outbox.answer_time = Duration::from_secs(30);
        let deliveries = outbox.begin(&[&server]);
        outbox.fill(&ALERTS);
        thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        let left = deliveries.finish(Duration::from_millis(100));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!((left.len(), left[0].alerts), (1, ALERTS.len() as u64));
        assert_eq!(left[0].failure.as_deref(), Some("no answer in time"));
    }

    #[test]
    fn an_alert_that_is_refused_holds_up_no_other_and_is_a_gap() {
        let refusals = (0..REFUSALS).map(|_| Answer::Status(422, ""));
        let server = Server::begin([Answer::Taken].into_iter().chain(refusals).collect());
        let mut outbox = Outbox::new();
        let deliveries = outbox.begin(&[&server]);
        outbox.fill(&ALERTS);
        outbox.wait();
        assert!(deliveries.finish(Duration::from_secs(1)).is_empty());
        let mut expected = expected();
        expected.remove(1);
        assert_eq!(taken(&server), expected);
        let gap = outbox
            .connection
            .query_row("SELECT input, cause FROM gap", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            });
        let (input, cause) = gap.expect("a gap");
        assert_eq!(input, "0");
        assert!(
            cause.contains("refused") && cause.contains("422"),
            "{cause}"
        );
    }

    #[test]
    fn only_redirects_that_keep_the_alert_on_its_host_are_followed() {
        let other = Server::begin(Vec::new());
        let elsewhere: &'static str = format!("Location: {}", other.url()).leak();
        let server = Server::begin(vec![
            Answer::Status(302, "Location: /new"),
            Answer::Status(307, elsewhere),
            Answer::Status(308, "Location: /new"),
        ]);
        let mut outbox = Outbox::new();
        let deliveries = outbox.begin(&[&server]);
        outbox.fill(&ALERTS[..1]);
        outbox.wait();
        assert!(deliveries.finish(Duration::from_secs(1)).is_empty());
        assert!(other.taken().is_empty());
        let taken = server.taken();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].path, "/new");
    }

    /// Adds an incident to the store.
    fn add_incident(outbox: &Outbox, id: &str, state: &str, told: bool) {
        let (_, alert) = told_alert(id, 3);
        let alert: Value = serde_json::from_str(&alert).expect("JSON");
        let incident = alert["incident"].to_string();
        let sql = "INSERT INTO incident VALUES (?, 3, 1, 'abc', 0, ?, ?, ?, 41.0)";
        let values = rusqlite::params![id, incident, state, told];
        outbox.connection.execute(sql, values).expect("room");
    }

    #[test]
    fn a_receiver_that_forgets_hears_again_of_the_incidents_that_are_open() {
        let server = Server::begin(vec![Answer::Status(500, "")]);
        let mut outbox = Outbox::new();
        let incidents =
            "CREATE TABLE incident (id TEXT, revision INTEGER, times_are_dates INTEGER, model TEXT,
                         simulated INTEGER, incident TEXT, state TEXT, told INTEGER, score REAL)";
        outbox.connection.execute_batch(incidents).expect("a table");
        for (id, state, told) in [
            ("a", "open", true),
            ("b", "closed", true),
            ("c", "open", false),
        ] {
            add_incident(&outbox, id, state, told);
        }
        let webhook = Webhook::new(&server.url(), WebhookFormat::Alertmanager, None);
        let mut webhook = webhook.expect("a webhook");
        assert_eq!(webhook.forgets_after, Some(Duration::from_secs(60)));
        webhook.forgets_after = Some(Duration::from_millis(20));
        let deliveries = outbox.begin_with(vec![("am".to_owned(), Box::new(webhook))]);
        let end = Instant::now() + Duration::from_secs(20);
        while server.taken().len() < 3 {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(10));
        }
        assert!(deliveries.finish(Duration::from_secs(1)).is_empty());
        for request in server.taken() {
            let body: Value = serde_json::from_str(&request.body).expect("JSON");
            assert_eq!(body[0]["labels"]["incident"], "a");
            assert_eq!(body[0]["annotations"]["id"], "a:3");
            assert_eq!(body[0]["annotations"]["kind"], "updated");
        }
    }

    #[test]
    fn webhooks_of_one_host_have_different_places() {
        let webhook = |path: &str| {
            let url = format!("http://127.0.0.1:1/{path}");
            Webhook::new(&url, WebhookFormat::Ecs, None).expect("a webhook")
        };
        let named = named(vec![webhook("secret"), webhook("other")], Vec::new());
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "webhook http://127.0.0.1:1 (ecs)",
            "webhook http://127.0.0.1:1 (ecs) 2",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_receivers_can_ask_for_longer_ones() {
        let seconds = |failures, asked: Option<u64>| {
            pause(FIRST_WAIT, failures, asked.map(Duration::from_secs)).as_secs()
        };
        let grown: Vec<u64> = (0..9).map(|failures| seconds(failures, None)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(seconds(u32::MAX, None), 60);
        assert_eq!(seconds(0, Some(7)), 7);
        assert_eq!(seconds(3, Some(7)), 8);
        assert_eq!(seconds(0, Some(1 << 40)), 600);
    }
}
