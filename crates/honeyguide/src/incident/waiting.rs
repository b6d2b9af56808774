//! Scored events that wait until those before them have come, so that they are folded in the order of host and time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use serde::{Deserialize, Serialize};

use super::arriving::ScoredEvents;
use super::kept;
use super::query::{HOST, IncidentQuery, SECONDS};
use crate::error::{Error, Result};

/// Events that wait, and the times of their hosts.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The time in seconds for which an event waits for earlier ones, in the time of the events.
    watermark: f64,
    hosts: HashMap<Option<Arc<str>>, HostTimes>,
    batches: BTreeMap<u64, Batch>,
    next_batch: u64,
    events: Vec<Event>,
    /// The number of events that came after later ones had been folded.
    pub late: u64,
}

/// The times of a host's events.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct HostTimes {
    /// The time of the latest event.
    #[serde(with = "kept::time")]
    latest: f64,
    /// All events before this time were folded.
    #[serde(with = "kept::time")]
    folded: f64,
    /// When the last event came, by the clock of the caller.
    #[serde(skip)]
    came: f64,
}

/// Which events need not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Release {
    /// Those after which one of their host has come that is later by the watermark.
    Due,
    /// These, and all of hosts of which nothing has come since a time of the caller's clock.
    SilentSince(f64),
    /// All.
    All,
}

impl Release {
    /// Returns whether all events of a host are released.
    fn is_of_all(self, host: &HostTimes) -> bool {
        match self {
            Self::Due => false,
            Self::SilentSince(time) => host.came <= time,
            Self::All => true,
        }
    }
}

/// A batch of which some events wait.
#[derive(Debug)]
struct Batch {
    query: Arc<IncidentQuery>,
    rows: RecordBatch,
    keys: Rows,
    /// The number of events that wait.
    waiting: usize,
}

/// An event that waits.
#[derive(Debug, Clone)]
struct Event {
    host: Option<Arc<str>>,
    time: Option<f64>,
    batch: u64,
    row: usize,
}

/// Events of one query in the order in which they are folded.
#[derive(Debug)]
pub(super) struct Released {
    pub query: Arc<IncidentQuery>,
    pub rows: RecordBatch,
}

impl Waiting {
    pub fn new(watermark: f64) -> Self {
        Self {
            watermark,
            hosts: HashMap::new(),
            batches: BTreeMap::new(),
            next_batch: 0,
            events: Vec::new(),
            late: 0,
        }
    }

    /// Returns the number of events that wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns the time up to which the events of a host are known.
    pub fn latest(&self, host: Option<&str>) -> Option<f64> {
        let times = self.hosts.get(&host.map(Arc::from));
        times
            .map(|times| times.latest)
            .filter(|latest| latest.is_finite())
    }

    /// Returns the times of all hosts: that of the latest event, and the time before which all were folded.
    pub fn times(&self) -> impl Iterator<Item = (&Option<Arc<str>>, &HostTimes)> {
        self.hosts.iter()
    }

    /// Takes the times of hosts, before any event is added.
    pub fn set_times(&mut self, times: impl IntoIterator<Item = (Option<String>, HostTimes)>) {
        let times = times.into_iter();
        let times = times.map(|(host, times)| (host.map(Arc::from), times));
        self.hosts = times.collect();
    }

    /// Returns the rows of the events of a query that wait, in the order in which they came.
    pub fn rows_of(&self, query: &Arc<IncidentQuery>) -> Result<Vec<Released>> {
        let is_of = |event: &&Event| Arc::ptr_eq(&self.batches[&event.batch].query, query);
        let mut events: Vec<Event> = self.events.iter().filter(is_of).cloned().collect();
        events.sort_unstable_by_key(|event| (event.batch, event.row));
        self.interleaved(&events)
    }

    /// Forgets the times of a host.
    pub fn forget(&mut self, host: Option<&str>) {
        self.hosts.remove(&host.map(Arc::from));
    }

    /// Adds events that came at `now`.
    pub fn add(&mut self, scored: &ScoredEvents, now: f64) -> Result<()> {
        let rows = &scored.rows;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let failed = |error| Error::internal(format!("the order of events: {error}"));
        let fields = rows.columns().iter();
        let fields = fields.map(|column| SortField::new(column.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let keys = converter.convert_columns(rows.columns()).map_err(failed)?;
        let names = rows.column(HOST).as_string::<i32>();
        let times = rows.column(SECONDS).as_primitive::<Float64Type>();
        let mut host: Option<Arc<str>> = None;
        for row in 0..rows.num_rows() {
            let name = names.is_valid(row).then(|| names.value(row));
            if host.as_deref() != name {
                host = name.map(Arc::from);
            }
            let time = times.is_valid(row).then(|| times.value(row));
            let known = self.hosts.entry(host.clone()).or_insert(HostTimes {
                latest: f64::NEG_INFINITY,
                folded: f64::NEG_INFINITY,
                came: now,
            });
            known.came = now;
            if let Some(time) = time {
                self.late += u64::from(time < known.folded);
                known.latest = known.latest.max(time);
            }
            self.events.push(Event {
                host: host.clone(),
                time,
                batch: self.next_batch,
                row,
            });
        }
        let batch = Batch {
            query: Arc::clone(&scored.query),
            rows: rows.clone(),
            waiting: rows.num_rows(),
            keys,
        };
        self.batches.insert(self.next_batch, batch);
        self.next_batch += 1;
        Ok(())
    }

    /// Returns the events that need not wait any longer, by host and time. Events without a time do not wait.
    pub fn release(&mut self, which: Release) -> Result<Vec<Released>> {
        for times in self.hosts.values_mut() {
            let horizon = match which.is_of_all(times) {
                true => times.latest,
                false => times.latest - self.watermark,
            };
            times.folded = times.folded.max(horizon);
        }
        let (hosts, events) = (&self.hosts, std::mem::take(&mut self.events));
        let waits = |event: &Event| match (event.time, hosts.get(&event.host)) {
            (Some(time), Some(times)) => !which.is_of_all(times) && time >= times.folded,
            _ => false,
        };
        let (kept, mut released): (Vec<_>, Vec<_>) = events.into_iter().partition(waits);
        self.events = kept;
        released.sort_unstable_by(|left, right| self.order(left, right));
        let batches = self.interleaved(&released);
        for event in &released {
            if let Some(batch) = self.batches.get_mut(&event.batch) {
                batch.waiting -= 1;
            }
        }
        self.batches.retain(|_, batch| batch.waiting > 0);
        batches
    }

    /// Compares two events by host, time and values, as the batch commands do. Events without a time, and those of
    /// different formats, keep the order in which they came.
    fn order(&self, left: &Event, right: &Event) -> Ordering {
        let by_time = |event: &Event| event.time.unwrap_or(f64::NEG_INFINITY);
        let order = left.host.cmp(&right.host);
        let order = order.then_with(|| by_time(left).total_cmp(&by_time(right)));
        let arrival = (left.batch, left.row).cmp(&(right.batch, right.row));
        order.then_with(|| {
            let (one, other) = (&self.batches[&left.batch], &self.batches[&right.batch]);
            match left.time.is_some() && Arc::ptr_eq(&one.query, &other.query) {
                true => one.keys.row(left.row).cmp(&other.keys.row(right.row)),
                false => Ordering::Equal,
            }
            .then(arrival)
        })
    }

    /// Returns the rows of events in their order, cut where the query changes.
    fn interleaved(&self, events: &[Event]) -> Result<Vec<Released>> {
        let query = |event: &Event| &self.batches[&event.batch].query;
        let runs = events.chunk_by(|left, right| Arc::ptr_eq(query(left), query(right)));
        let runs = runs.map(|run| {
            let mut places: HashMap<u64, usize> = HashMap::new();
            let mut batches = Vec::new();
            let rows = run.iter().map(|event| {
                let place = *places.entry(event.batch).or_insert_with(|| {
                    batches.push(&self.batches[&event.batch].rows);
                    batches.len() - 1
                });
                (place, event.row)
            });
            let rows: Vec<(usize, usize)> = rows.collect();
            let rows = interleave_record_batch(&batches, &rows);
            Ok(Released {
                query: Arc::clone(query(&run[0])),
                rows: rows.map_err(|error| Error::internal(format!("sorted events: {error}")))?,
            })
        });
        runs.collect()
    }
}
