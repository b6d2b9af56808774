//! What a watch is doing at the moment, for those who look on from other threads: pages of metrics, terminals and systemd.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use honeyguide::incident::Incident;
use honeyguide::prometheus::Histogram;

use crate::ledger::Ledger;
use crate::store::Written;

/// The time without a sign after which a watch counts as stuck.
pub const STUCK: Duration = Duration::from_secs(30);

/// The bounds of latencies, in seconds.
const BOUNDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// What a watch is doing.
#[derive(Debug, Default)]
pub struct Status(Mutex<Now>);

/// What a watch is doing at a moment.
#[derive(Debug, Clone, Default)]
pub struct Now {
    /// The number of records by what became of them.
    pub ledger: Ledger,
    /// The number of anomalous events.
    pub anomalous: u64,
    /// The number of events that came after later ones of their host had been folded.
    pub late: u64,
    /// The number of events that waited for earlier ones for a shorter time, because too many waited.
    pub early: u64,
    /// How often the clock of a host went back, so that its incidents ended.
    pub clock_jumps: u64,
    /// The number of times in which events may have been lost, by the name of the input.
    pub gaps: BTreeMap<String, u64>,
    /// The number of incidents that were opened.
    pub opened: u64,
    /// The number of hosts that were forgotten because there were too many.
    pub forgotten_hosts: u64,
    /// The number of bytes of records that wait in the queue.
    pub queue_bytes: u64,
    /// When the first of the events came that are not scored.
    pub oldest: Option<Instant>,
    /// The incidents that are open, by their ids, as they were reported last.
    pub open: BTreeMap<String, OpenIncident>,
    /// The times in seconds from the arrival of events to their scores.
    pub latency: Latency,
    /// The SHA-256 of the model file; `None` if the model comes from no file.
    pub model: Option<String>,
    /// Why the store cannot be written, if it cannot.
    pub store_failure: Option<StoreFailure>,
    /// The number of incidents of the day that are beyond the budget of alerts.
    pub beyond_budget: u64,
    /// The number of incidents that were removed from the store.
    pub removed_incidents: u64,
    /// The number of bytes that the store uses; `None` if there is none.
    pub store_bytes: Option<u64>,
    /// When the watch gave the last sign.
    pub sign: Option<Instant>,
}

/// A store that cannot be written at the moment.
#[derive(Debug, Clone)]
pub struct StoreFailure {
    /// Since when.
    pub since: Instant,
    /// Why.
    pub why: String,
}

/// What is shown of an incident that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIncident {
    /// The host; `None` for events without one.
    pub host: Option<String>,
    /// The score.
    pub score: f64,
    /// The number of anomalous events.
    pub events: u64,
    /// The strongest reason.
    pub reason: Option<String>,
}

/// The times from the arrival of events to their scores.
#[derive(Debug, Clone)]
pub struct Latency(pub(crate) Histogram<{ BOUNDS.len() }>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(BOUNDS))
    }
}

impl Status {
    /// Returns what the watch is doing.
    #[must_use]
    pub fn now(&self) -> Now {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// Returns whether the watch has given a sign lately.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.sign.is_some_and(|sign| sign.elapsed() < STUCK)
    }

    /// Returns for how long the first of the events that are not scored has waited.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.oldest
            .map_or(Duration::ZERO, |oldest| oldest.elapsed())
    }

    /// Notes what a store says after a moment.
    pub(crate) fn note_store(&mut self, written: Written) {
        let Written {
            beyond_budget,
            removed,
            bytes,
        } = written;
        (self.beyond_budget, self.removed_incidents) = (beyond_budget, removed);
        self.store_bytes = Some(bytes);
    }

    /// Notes an incident that is open, or has ended.
    pub(crate) fn note(&mut self, incident: &Incident, is_open: bool) {
        if !is_open {
            self.open.remove(&incident.id);
            return;
        }
        let open = OpenIncident {
            host: incident.host.clone(),
            score: incident.score,
            events: incident.events,
            reason: incident.reasons.first().map(|reason| reason.text.clone()),
        };
        self.open.insert(incident.id.clone(), open);
    }
}
