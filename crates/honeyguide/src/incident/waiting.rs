//! Scored events that wait until those before them have come, so that they are folded in the order of host and time.
//!
//! What a batch costs grows with its events and with those that it releases, not with those that wait or with the hosts
//! that are known: each host has a timeline of its events, and hosts whose events wait are in the order in which they were
//! seen.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, AsArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{interleave_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{Float64Type, SchemaRef};
use datafusion::arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};

use super::QUIET_SECONDS;
use super::kept;
use super::query::{HOST, SECONDS};
use super::timeline::{Event, Timeline};
use crate::error::{Error, Result};

/// The greatest number of bytes of events that wait. Beyond it the earlier half of the events of each host waits no longer.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// A host whose events are earlier than those before by so many seconds, for so many events, has another clock than before.
const JUMP_SECONDS: f64 = QUIET_SECONDS;
const JUMPED_EVENTS: u32 = 100;
/// The number of rows that may be held for events that wait no longer, beside as many as wait.
const HELD_ROWS: usize = 1 << 14;

/// A host; `None` for events without one.
type Host = Option<Arc<str>>;

/// Events that wait, and the times of their hosts. `Q` is what has read events: rows of the same query are folded together.
#[derive(Debug)]
pub(super) struct Waiting<Q> {
    /// The time in seconds for which an event waits for earlier ones, in the time of the events.
    watermark: f64,
    /// The bytes that may wait, and the rows that may be held beside those that wait.
    limit: usize,
    held: usize,
    hosts: HashMap<Host, Known>,
    /// The hosts whose events wait, in the order in which the last event of each came.
    by_arrival: BTreeMap<u64, Host>,
    next_arrival: u64,
    batches: BTreeMap<u64, Batch<Q>>,
    next_batch: u64,
    /// The different columns of batches. Events with the same columns can be compared.
    layouts: Vec<SchemaRef>,
    /// What the events of the last batches need: hosts that may have events to release, and events without a time.
    touched: Vec<Host>,
    timeless: Vec<Ready>,
    /// The hosts whose clocks went back.
    jumped: Vec<Host>,
    /// The number of events that wait.
    waiting: usize,
    /// The rows and the bytes of the batches.
    rows: usize,
    bytes: usize,
    /// What a store does not know yet, if there is one.
    unstored: Option<Unstored>,
    /// The number of events that came after later ones had been folded.
    pub late: u64,
    /// The number of events that waited for a shorter time because too many waited.
    pub early: u64,
}

/// What has changed since it was last taken.
#[derive(Debug, Default)]
struct Unstored {
    hosts: Vec<Host>,
    /// The batches of which no event waits any longer.
    over: Vec<u64>,
}

/// What is known of a host.
#[derive(Debug)]
struct Known {
    times: HostTimes,
    /// When the last event came, by the clock of the caller, and its place among the arrivals.
    came: f64,
    arrival: u64,
    /// The number of the last events that were all much earlier than those before.
    behind: u32,
    /// Whether the host is among those that were touched, and among those that are not stored.
    is_touched: bool,
    is_unstored: bool,
    events: Timeline,
}

/// The times of a host's events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct HostTimes {
    /// The time of the latest event.
    #[serde(with = "kept::time")]
    latest: f64,
    /// All events before this time were folded.
    #[serde(with = "kept::time")]
    folded: f64,
    /// All events of batches with lower numbers were folded.
    #[serde(default)]
    folded_batches: u64,
}

impl HostTimes {
    /// Returns whether an event of a batch that was kept still waits.
    fn awaits(&self, time: f64, batch: u64) -> bool {
        time >= self.folded && batch >= self.folded_batches
    }
}

/// Which events need not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Release {
    /// Those after which one of their host has come that is later by the watermark.
    Due,
    /// Those of hosts of which nothing has come since a time of the caller's clock.
    SilentSince(f64),
    /// All.
    All,
}

/// A batch of which some events wait.
#[derive(Debug)]
struct Batch<Q> {
    query: Arc<Q>,
    rows: RecordBatch,
    /// The number of its layout.
    layout: usize,
    bytes: usize,
    /// The number of events that wait.
    waiting: usize,
    is_stored: bool,
}

/// An event that waits no longer. Events without a time have the least one.
#[derive(Debug, Clone)]
struct Ready {
    host: Host,
    event: Event,
    has_time: bool,
}

impl Ready {
    /// Returns whether two events are of the same host.
    fn is_of_host(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn timed(host: &Host, event: Event) -> Self {
        Self {
            host: host.clone(),
            event,
            has_time: true,
        }
    }
}

/// Events of one query in the order in which they are folded.
#[derive(Debug)]
pub(super) struct Released<Q> {
    pub query: Arc<Q>,
    pub rows: RecordBatch,
}

/// A batch of which events wait, or none does any longer, for a store.
#[derive(Debug)]
pub(super) enum BatchChange<'a, Q> {
    Waits(u64, &'a Arc<Q>, &'a RecordBatch),
    IsOver(u64),
}

impl<Q> Waiting<Q> {
    pub fn new(watermark: f64) -> Self {
        Self {
            watermark,
            limit: MAX_WAITING_BYTES,
            held: HELD_ROWS,
            hosts: HashMap::new(),
            by_arrival: BTreeMap::new(),
            next_arrival: 0,
            batches: BTreeMap::new(),
            next_batch: 0,
            layouts: Vec::new(),
            touched: Vec::new(),
            timeless: Vec::new(),
            jumped: Vec::new(),
            waiting: 0,
            rows: 0,
            bytes: 0,
            unstored: None,
            late: 0,
            early: 0,
        }
    }

    /// Returns the number of events that wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Returns the time up to which the events of a host are known.
    pub fn latest(&self, host: Option<&str>) -> Option<f64> {
        let known = self.hosts.get(&host.map(Arc::from))?;
        Some(known.times.latest).filter(|latest| latest.is_finite())
    }

    /// Notes from now on what a store does not know.
    pub fn track(&mut self) {
        self.unstored.get_or_insert_default();
    }

    /// Takes the hosts whose times have changed since the last call, with their times.
    pub fn take_times(&mut self) -> Vec<(Host, HostTimes)> {
        let hosts = self.unstored.as_mut().map(|unstored| &mut unstored.hosts);
        let hosts = hosts.map(std::mem::take).unwrap_or_default();
        // Some were forgotten since.
        let times = hosts.into_iter().filter_map(|host| {
            let known = self.hosts.get_mut(&host)?;
            known.is_unstored = false;
            Some((host, known.times))
        });
        times.collect()
    }

    /// Gives `told` the batches that a store does not have yet, and the numbers of those of which no event waits any longer.
    ///
    /// # Errors
    /// Fails as `told` does, and when the engine does, which is a defect.
    pub fn take_batches(
        &mut self,
        mut told: impl FnMut(BatchChange<Q>) -> Result<()>,
    ) -> Result<()> {
        let Some(unstored) = &mut self.unstored else {
            return Ok(());
        };
        for batch in std::mem::take(&mut unstored.over) {
            told(BatchChange::IsOver(batch))?;
        }
        // The newest are at the end, and all before the first that is stored are stored as well.
        let new = self.batches.iter().rev();
        let new = new.take_while(|(_, batch)| !batch.is_stored);
        let new: Vec<u64> = new.map(|(number, _)| *number).collect();
        if new.iter().any(|number| self.batches[number].is_sparse()) {
            self.compact()?;
        }
        for number in new.into_iter().rev() {
            if let Some(batch) = self.batches.get_mut(&number) {
                told(BatchChange::Waits(number, &batch.query, &batch.rows))?;
                batch.is_stored = true;
            }
        }
        Ok(())
    }

    /// Takes the times of a host that was kept.
    pub fn restore_times(&mut self, host: Option<&str>, times: HostTimes, now: f64) {
        let host: Host = host.map(Arc::from);
        self.next_batch = self.next_batch.max(times.folded_batches);
        let known = self.hosts.entry(host).or_insert_with(|| Known::new(0, now));
        known.times = times;
    }

    /// Takes a batch that was kept, after the times of its hosts. Events that were folded before are left out.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn restore(
        &mut self,
        number: u64,
        query: &Arc<Q>,
        rows: &RecordBatch,
        now: f64,
    ) -> Result<()> {
        self.next_batch = self.next_batch.max(number + 1);
        let (names, times) = hosts_and_times(rows);
        let waits = (0..rows.num_rows()).filter(|row| {
            let host: Host = names.is_valid(*row).then(|| names.value(*row).into());
            let known = self.hosts.get(&host);
            // Events without a time never wait.
            times.is_valid(*row)
                && known.is_some_and(|known| known.times.awaits(times.value(*row), number))
        });
        let waits: Vec<u32> = waits.filter_map(|row| u32::try_from(row).ok()).collect();
        let late = self.late;
        self.add_batch(number, query, &taken(rows, waits)?, now)?;
        match self.batches.get_mut(&number) {
            Some(batch) => batch.is_stored = true,
            None => self.note_over(number),
        }
        self.late = late;
        Ok(())
    }

    /// Adds events that came at `now`.
    ///
    /// # Errors
    /// Fails when a batch has too many rows, which is a defect.
    pub fn add(&mut self, query: &Arc<Q>, rows: &RecordBatch, now: f64) -> Result<()> {
        self.next_batch += 1;
        self.add_batch(self.next_batch - 1, query, rows, now)
    }

    fn add_batch(
        &mut self,
        number: u64,
        query: &Arc<Q>,
        rows: &RecordBatch,
        now: f64,
    ) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (names, times) = hosts_and_times(rows);
        let mut waiting = 0;
        let mut from = 0;
        while from < rows.num_rows() {
            let name = names.is_valid(from).then(|| names.value(from));
            let is_other = |row: &usize| names.is_valid(*row).then(|| names.value(*row)) != name;
            let to = (from..rows.num_rows()).find(is_other);
            let to = to.unwrap_or(rows.num_rows());
            let host: Host = name.map(Arc::from);
            let events = (from..to).map(|row| {
                let place = u32::try_from(row);
                let place = place
                    .map_err(|_| Error::internal(format!("a batch of {} events", rows.num_rows())));
                Ok((place?, times.is_valid(row).then(|| times.value(row))))
            });
            let events: Vec<(u32, Option<f64>)> = events.collect::<Result<_>>()?;
            waiting += self.add_of_host(&host, &events, number, now);
            from = to;
        }
        let batch = Batch {
            query: Arc::clone(query),
            layout: self.layout(rows.schema_ref()),
            bytes: rows.get_array_memory_size(),
            waiting: rows.num_rows(),
            rows: rows.clone(),
            is_stored: false,
        };
        self.waiting += waiting;
        self.rows += rows.num_rows();
        self.bytes += batch.bytes;
        self.batches.insert(number, batch);
        Ok(())
    }

    /// Adds events of one host, rows of a batch with their times. Returns the number of those that wait.
    fn add_of_host(
        &mut self,
        host: &Host,
        events: &[(u32, Option<f64>)],
        batch: u64,
        now: f64,
    ) -> usize {
        let known = self.hosts.entry(host.clone());
        let known = known.or_insert_with(|| Known::new(batch, now));
        let mut waiting = 0;
        for (row, time) in events {
            let event = Event {
                time: time.unwrap_or(f64::NEG_INFINITY),
                batch,
                row: *row,
            };
            let Some(time) = *time else {
                let timed = Ready::timed(host, event);
                let has_time = false;
                self.timeless.push(Ready { has_time, ..timed });
                continue;
            };
            self.late += u64::from(time < known.times.folded);
            known.behind = match time < known.times.folded - JUMP_SECONDS {
                true => known.behind.saturating_add(1),
                false => 0,
            };
            known.times.latest = known.times.latest.max(time);
            known.events.push(event);
            waiting += 1;
        }
        if !known.events.is_empty() {
            self.by_arrival.remove(&known.arrival);
            (known.came, known.arrival) = (now, self.next_arrival);
            self.next_arrival += 1;
            self.by_arrival.insert(known.arrival, host.clone());
        }
        if !std::mem::replace(&mut known.is_touched, true) {
            self.touched.push(host.clone());
        }
        note_host(&mut self.unstored, known, host);
        waiting
    }

    /// Returns the events that need not wait any longer, by host and time. Events without a time do not wait.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn release(&mut self, which: Release) -> Result<Vec<Released<Q>>> {
        let mut ready = std::mem::take(&mut self.timeless);
        self.waiting += ready.len();
        let mut touched = std::mem::take(&mut self.touched);
        // So most events are in their order already.
        touched.sort_unstable();
        for host in touched {
            if let Some(known) = self.hosts.get_mut(&host) {
                known.is_touched = false;
                let horizon = known.times.latest - self.watermark;
                let has_jumped = known.behind >= JUMPED_EVENTS;
                // Without a watermark, no event waits for others.
                match self.watermark > 0.0 && !has_jumped {
                    true => self.release_before(&host, horizon, &mut ready),
                    false => self.release_all(&host, &mut ready),
                }
                if has_jumped {
                    self.jumped.push(host);
                }
            }
        }
        let until = match which {
            Release::Due => None,
            Release::SilentSince(time) => Some(time),
            Release::All => Some(f64::INFINITY),
        };
        while let Some(until) = until
            && let Some((_, host)) = self.by_arrival.first_key_value()
            && self.hosts.get(host).is_some_and(|host| host.came <= until)
        {
            let host = host.clone();
            self.release_all(&host, &mut ready);
        }
        self.keep_within_limit(&mut ready);
        self.in_order(ready)
    }

    /// Releases all events of a host.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn release_host(&mut self, host: Option<&str>) -> Result<Vec<Released<Q>>> {
        let mut ready = Vec::new();
        self.release_all(&host.map(Arc::from), &mut ready);
        self.in_order(ready)
    }

    /// Takes the hosts whose clocks went back. Their events are released, and they are to be forgotten.
    pub fn take_jumped(&mut self) -> Vec<Host> {
        std::mem::take(&mut self.jumped)
    }

    /// Forgets a host of which no event waits.
    pub fn forget(&mut self, host: Option<&str>) {
        self.hosts.remove(&host.map(Arc::from));
    }

    /// Forgets all hosts. No event waits.
    pub fn forget_all(&mut self) {
        self.hosts.clear();
    }

    /// Releases the events of a host before a time.
    fn release_before(&mut self, host: &Host, time: f64, ready: &mut Vec<Ready>) {
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        if time > known.times.folded {
            known.times.folded = time;
        }
        while let Some(event) = known.events.pop_before(known.times.folded) {
            ready.push(Ready::timed(host, event));
        }
        if known.events.is_empty() {
            self.by_arrival.remove(&known.arrival);
        }
        note_host(&mut self.unstored, known, host);
    }

    /// Releases all events of a host.
    fn release_all(&mut self, host: &Host, ready: &mut Vec<Ready>) {
        let Some(known) = self.hosts.get_mut(host) else {
            return;
        };
        known.times.folded = known.times.folded.max(known.times.latest);
        known.times.folded_batches = self.next_batch;
        let events = known.events.take();
        ready.extend(events.map(|event| Ready::timed(host, event)));
        self.by_arrival.remove(&known.arrival);
        note_host(&mut self.unstored, known, host);
    }

    /// Releases the earlier half of the events of each host if too many wait.
    fn keep_within_limit(&mut self, ready: &mut Vec<Ready>) {
        // Those that are ready are still among the rows, which become fewer when most of them wait no longer.
        let waiting = self.waiting - ready.len();
        if self.bytes <= self.limit || self.rows > 2 * waiting {
            return;
        }
        let before = ready.len();
        let hosts: Vec<Host> = self.by_arrival.values().cloned().collect();
        for host in hosts {
            let Some(known) = self.hosts.get(&host) else {
                continue;
            };
            let mut times: Vec<f64> = known.events.iter().map(|event| event.time).collect();
            times.sort_unstable_by(f64::total_cmp);
            let middle = times[times.len() / 2];
            // Events of the same time stay together.
            let until = match middle > times[0] {
                true => middle,
                false => middle.next_up(),
            };
            self.release_before(&host, until, ready);
        }
        self.early += (ready.len() - before) as u64;
    }

    /// Returns events that wait no longer in the order in which they are folded, and forgets batches of which none waits.
    fn in_order(&mut self, mut ready: Vec<Ready>) -> Result<Vec<Released<Q>>> {
        ready.sort_unstable_by(|left, right| self.order(left, right));
        self.order_ties(&mut ready)?;
        let released = self.interleaved(&ready);
        self.waiting -= ready.len();
        for Ready { event, .. } in &ready {
            let Some(batch) = self.batches.get_mut(&event.batch) else {
                continue;
            };
            batch.waiting -= 1;
            if batch.waiting == 0 {
                self.rows -= batch.rows.num_rows();
                self.bytes -= batch.bytes;
                let is_stored = batch.is_stored;
                self.batches.remove(&event.batch);
                if is_stored {
                    self.note_over(event.batch);
                }
            }
        }
        let is_large = self.rows > self.held + 2 * self.waiting || self.bytes > self.limit;
        if is_large && self.rows > 2 * self.waiting {
            self.compact()?;
        }
        released
    }

    /// Compares two events by host, time, layout and arrival.
    fn order(&self, left: &Ready, right: &Ready) -> Ordering {
        let order = match left.is_of_host(right) {
            true => Ordering::Equal,
            false => left.host.cmp(&right.host),
        };
        let order = order.then(left.event.time.total_cmp(&right.event.time));
        let layout = |ready: &Ready| match ready.has_time {
            true => self.batches[&ready.event.batch].layout,
            false => 0,
        };
        let order = order.then_with(|| layout(left).cmp(&layout(right)));
        order.then_with(|| left.event.cmp(&right.event))
    }

    /// Orders events of the same host, time and layout by their values, as the batch commands do. Events without a time keep
    /// the order in which they came.
    fn order_ties(&self, ready: &mut [Ready]) -> Result<()> {
        let layout = |ready: &Ready| self.batches[&ready.event.batch].layout;
        let are_tied = |left: &Ready, right: &Ready| {
            let is_same_time = left.event.time.total_cmp(&right.event.time) == Ordering::Equal;
            left.has_time
                && right.has_time
                && is_same_time
                && left.is_of_host(right)
                && layout(left) == layout(right)
        };
        let mut ties: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        let mut from = 0;
        for run in ready.chunk_by(are_tied) {
            if run.len() > 1 {
                let ties = ties.entry(layout(&run[0])).or_default();
                ties.push(from..from + run.len());
            }
            from += run.len();
        }
        for ties in ties.into_values() {
            self.order_by_values(ready, &ties)?;
        }
        Ok(())
    }

    /// Orders the events of each range by their values. All have the same layout.
    fn order_by_values(&self, ready: &mut [Ready], ties: &[Range<usize>]) -> Result<()> {
        let failed = |error| Error::internal(format!("the order of events: {error}"));
        let tied = ties.iter().flat_map(|range| &ready[range.clone()]);
        let tied: Vec<Ready> = tied.cloned().collect();
        let rows = self.rows_of(&tied)?;
        let fields = rows.columns().iter();
        let fields = fields.map(|column| SortField::new(column.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let keys = converter.convert_columns(rows.columns()).map_err(failed)?;
        let mut from = 0;
        for range in ties {
            let mut order: Vec<usize> = (from..from + range.len()).collect();
            // A stable sort: events with the same values keep the order of their arrival.
            order.sort_by(|one, other| keys.row(*one).cmp(&keys.row(*other)));
            for (place, at) in range.clone().zip(order) {
                ready[place] = tied[at].clone();
            }
            from += range.len();
        }
        Ok(())
    }

    /// Returns the rows of events in their order, cut where the query changes.
    fn interleaved(&self, ready: &[Ready]) -> Result<Vec<Released<Q>>> {
        let query = |ready: &Ready| &self.batches[&ready.event.batch].query;
        let runs = ready.chunk_by(|left, right| Arc::ptr_eq(query(left), query(right)));
        let runs = runs.map(|run| {
            Ok(Released {
                query: Arc::clone(query(&run[0])),
                rows: self.rows_of(run)?,
            })
        });
        runs.collect()
    }

    /// Returns the rows of events with the same layout, in their order.
    fn rows_of(&self, events: &[Ready]) -> Result<RecordBatch> {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut batches = Vec::new();
        let rows = events.iter().map(|Ready { event, .. }| {
            let place = *places.entry(event.batch).or_insert_with(|| {
                batches.push(&self.batches[&event.batch].rows);
                batches.len() - 1
            });
            (place, event.row as usize)
        });
        let rows: Vec<(usize, usize)> = rows.collect();
        let rows = interleave_record_batch(&batches, &rows);
        rows.map_err(|error| Error::internal(format!("sorted events: {error}")))
    }

    /// Leaves out the rows of events that wait no longer.
    fn compact(&mut self) -> Result<()> {
        let mut places: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let waiting = self.hosts.values().flat_map(|known| known.events.iter());
        let timeless = self.timeless.iter().map(|ready| ready.event);
        for event in waiting.copied().chain(timeless) {
            if self.batches[&event.batch].is_sparse() {
                places.entry(event.batch).or_default().push(event.row);
            }
        }
        for (number, rows) in &mut places {
            rows.sort_unstable();
            let Some(batch) = self.batches.get_mut(number) else {
                continue;
            };
            let kept = taken(&batch.rows, rows.clone())?;
            self.rows -= batch.rows.num_rows() - kept.num_rows();
            self.bytes -= batch.bytes;
            batch.bytes = kept.get_array_memory_size();
            self.bytes += batch.bytes;
            batch.rows = kept;
        }
        let moved = |event: Event| {
            let place = places.get(&event.batch);
            let place = place.and_then(|rows| rows.binary_search(&event.row).ok());
            let row = place.and_then(|place| u32::try_from(place).ok());
            Event {
                row: row.unwrap_or(event.row),
                ..event
            }
        };
        for known in self.hosts.values_mut() {
            known.events.replace_each(moved);
        }
        for ready in &mut self.timeless {
            ready.event = moved(ready.event);
        }
        Ok(())
    }

    /// Returns the number of a layout.
    fn layout(&mut self, schema: &SchemaRef) -> usize {
        let known = self.layouts.iter().position(|known| known == schema);
        known.unwrap_or_else(|| {
            self.layouts.push(Arc::clone(schema));
            self.layouts.len() - 1
        })
    }

    /// Notes that no event of a batch waits any longer.
    fn note_over(&mut self, batch: u64) {
        if let Some(unstored) = &mut self.unstored {
            unstored.over.push(batch);
        }
    }
}

impl Known {
    /// Returns a host whose first event is in the batch number `batch`.
    fn new(batch: u64, now: f64) -> Self {
        Self {
            times: HostTimes {
                latest: f64::NEG_INFINITY,
                folded: f64::NEG_INFINITY,
                folded_batches: batch,
            },
            came: now,
            // No host has this place.
            arrival: u64::MAX,
            behind: 0,
            is_touched: false,
            is_unstored: false,
            events: Timeline::default(),
        }
    }
}

impl<Q> Batch<Q> {
    /// Returns whether many of the rows are of events that wait no longer.
    fn is_sparse(&self) -> bool {
        2 * self.waiting < self.rows.num_rows()
    }
}

/// Notes that a store does not know the times of a host.
fn note_host(unstored: &mut Option<Unstored>, known: &mut Known, host: &Host) {
    if let Some(unstored) = unstored
        && !std::mem::replace(&mut known.is_unstored, true)
    {
        unstored.hosts.push(host.clone());
    }
}

/// Returns the columns of hosts and times.
fn hosts_and_times(rows: &RecordBatch) -> (&StringArray, &Float64Array) {
    let times = rows.column(SECONDS).as_primitive::<Float64Type>();
    (rows.column(HOST).as_string::<i32>(), times)
}

/// Returns rows of a batch.
fn taken(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch> {
    let taken = take_record_batch(batch, &UInt32Array::from(rows));
    taken.map_err(|error| Error::internal(format!("waiting events: {error}")))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array};

    use super::*;

    /// An event: its host, its time and a value.
    type Row = (Option<&'static str>, Option<f64>, i64);

    fn batch(rows: &[Row]) -> RecordBatch {
        let hosts: StringArray = rows.iter().map(|row| row.0).collect();
        let times: Float64Array = rows.iter().map(|row| row.1).collect();
        let values: Int64Array = rows.iter().map(|row| Some(row.2)).collect();
        let columns: [(&str, ArrayRef, bool); 3] = [
            ("host", Arc::new(hosts), true),
            ("time", Arc::new(times), true),
            ("value", Arc::new(values), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
    }

    /// The times and values of events by host, in the order in which they were released.
    #[derive(Debug, Default, PartialEq)]
    struct Found(BTreeMap<Option<String>, Vec<(Option<u64>, i64)>>);

    impl Found {
        fn add(&mut self, released: Vec<Released<u8>>) {
            for Released { rows, .. } in released {
                let (hosts, times) = hosts_and_times(&rows);
                let values = rows
                    .column(2)
                    .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
                for row in 0..rows.num_rows() {
                    let host = hosts.is_valid(row).then(|| hosts.value(row).to_owned());
                    let time = times.is_valid(row).then(|| times.value(row).to_bits());
                    self.0
                        .entry(host)
                        .or_default()
                        .push((time, values.value(row)));
                }
            }
        }

        /// What a sort of all events gives. Events without a time keep the order in which they came.
        fn sorted(rows: &[Row]) -> Self {
            let mut found = Self::default();
            for (host, time, value) in rows {
                let events = found.0.entry(host.map(str::to_owned)).or_default();
                events.push((time.map(f64::to_bits), *value));
            }
            for events in found.0.values_mut().filter(|events| events[0].0.is_some()) {
                events.sort_by(|one, other| {
                    let time = |event: &(Option<u64>, i64)| event.0.map(f64::from_bits);
                    let order = time(one).partial_cmp(&time(other)).expect("numbers");
                    order.then(one.1.cmp(&other.1))
                });
            }
            found
        }
    }

    /// Events of four hosts, one of which has no times. Times come in disorder, by less than two seconds, and repeat.
    fn rows(count: usize) -> Vec<Row> {
        let hosts = [Some("a"), Some("b"), None, Some("timeless")];
        let row = |at: usize| {
            let host = hosts[at * 7919 / 11 % 4];
            let disorder = (at * 104_729 % 17) as f64 / 10.0;
            let time = (at as f64 / 40.0 + disorder) * 10.0;
            let time = (host != Some("timeless")).then(|| time.floor() / 10.0);
            (host, time, (at * 7717 % 1009) as i64)
        };
        (0..count).map(row).collect()
    }

    /// What a store holds of events that wait.
    #[derive(Default)]
    struct Stored {
        times: BTreeMap<Host, HostTimes>,
        batches: BTreeMap<u64, (Arc<u8>, RecordBatch)>,
    }

    impl Stored {
        fn take(&mut self, waiting: &mut Waiting<u8>) {
            self.times.extend(waiting.take_times());
            let batches = &mut self.batches;
            let taken = waiting.take_batches(|change| {
                match change {
                    BatchChange::Waits(number, query, rows) => {
                        batches.insert(number, (Arc::clone(query), rows.clone()));
                    }
                    BatchChange::IsOver(number) => drop(batches.remove(&number)),
                }
                Ok(())
            });
            taken.expect("batches");
        }

        fn restored(&self) -> Waiting<u8> {
            let mut waiting = Waiting::new(2.0);
            waiting.track();
            for (host, times) in &self.times {
                waiting.restore_times(host.as_deref(), *times, 0.0);
            }
            for (number, (query, rows)) in &self.batches {
                waiting.restore(*number, query, rows, 0.0).expect("a batch");
            }
            waiting
        }
    }

    #[test]
    fn events_are_released_in_the_order_of_a_sort_whatever_the_batches_and_restarts() {
        let rows = rows(3000);
        let expected = Found::sorted(&rows);
        let queries = [Arc::new(0), Arc::new(1)];
        for (size, held, restarts) in [
            (1, 0, 0),
            (7, 40, 0),
            (50, 0, 3),
            (13, 1 << 14, 1),
            (33, 0, 1),
        ] {
            let mut waiting = Waiting::new(2.0);
            waiting.track();
            waiting.held = held;
            let (mut found, mut stored) = (Found::default(), Stored::default());
            for (number, part) in rows.chunks(size).enumerate() {
                // Two queries have the same columns.
                let query = &queries[number % 2];
                waiting
                    .add(query, &batch(part), number as f64)
                    .expect("events");
                found.add(waiting.release(Release::Due).expect("events"));
                assert!(
                    waiting.rows <= 2 * waiting.waiting + held.max(2 * size),
                    "held rows"
                );
                if number % 3 == 0 {
                    stored.take(&mut waiting);
                    assert_eq!(stored.batches.len(), waiting.batches.len());
                    if restarts > 0 && number / 3 % restarts == 0 {
                        let before = waiting.len();
                        waiting = stored.restored();
                        waiting.held = held;
                        assert_eq!(waiting.len(), before);
                    }
                }
            }
            assert!(waiting.len() > 0, "the last events wait");
            found.add(waiting.release(Release::All).expect("events"));
            assert_eq!(found, expected, "batches of {size}");
            assert_eq!((waiting.late, waiting.early), (0, 0));
            let (left, bytes) = (
                waiting.batches.len() + waiting.by_arrival.len(),
                waiting.bytes,
            );
            assert_eq!((left, bytes, waiting.rows, waiting.len()), (0, 0, 0, 0));
        }
    }

    #[test]
    fn hosts_that_fall_silent_are_released_and_others_wait() {
        let query = Arc::new(0);
        let mut waiting = Waiting::new(2.0);
        for (host, now) in [("a", 1.0), ("b", 2.0), ("a", 3.0), ("c", 4.0)] {
            let rows = batch(&[(Some(host), Some(now), 0)]);
            waiting.add(&query, &rows, now).expect("events");
            assert!(waiting.release(Release::Due).expect("events").is_empty());
        }
        let mut found = Found::default();
        found.add(waiting.release(Release::SilentSince(1.5)).expect("events"));
        assert!(found.0.is_empty());
        found.add(waiting.release(Release::SilentSince(3.0)).expect("events"));
        let released: Vec<&str> = found.0.keys().flatten().map(String::as_str).collect();
        assert_eq!((released, waiting.len()), (vec!["a", "b"], 1));
    }

    #[test]
    fn beyond_the_limit_the_earlier_events_wait_no_longer() {
        let rows = rows(3000);
        let query = Arc::new(0);
        let mut waiting = Waiting::new(1e9);
        waiting.limit = 20_000;
        let mut found = Found::default();
        let mut most = 0;
        for (number, part) in rows.chunks(20).enumerate() {
            waiting
                .add(&query, &batch(part), number as f64)
                .expect("events");
            found.add(waiting.release(Release::Due).expect("events"));
            most = most.max(waiting.bytes);
        }
        assert!(
            waiting.early > 1000 && most < 2 * waiting.limit,
            "{} {most}",
            waiting.early
        );
        found.add(waiting.release(Release::All).expect("events"));
        let count = |found: &Found| found.0.values().map(Vec::len).sum::<usize>();
        assert_eq!(count(&found), rows.len());
        // Also if all have the same time.
        let same: Vec<Row> = (0..20).map(|value| (None, Some(1.0), value)).collect();
        for _ in 0..100 {
            waiting.add(&query, &batch(&same), 0.0).expect("events");
            found.add(waiting.release(Release::Due).expect("events"));
            assert!(waiting.bytes < 2 * waiting.limit);
        }
    }

    #[test]
    fn a_clock_that_goes_back_is_told_of_after_a_hundred_events() {
        let query = Arc::new(0);
        let mut waiting = Waiting::new(2.0);
        let mut add = |time: f64| {
            let rows = batch(&[(Some("a"), Some(time), 0)]);
            waiting.add(&query, &rows, 0.0).expect("events");
            waiting.release(Release::Due).expect("events");
            waiting.take_jumped().len()
        };
        assert_eq!(add(1e9), 0);
        assert_eq!((0..99).map(|at| add(f64::from(at))).sum::<usize>(), 0);
        // One that is not so much earlier is of the same clock.
        assert_eq!(add(1e9 - JUMP_SECONDS), 0);
        assert_eq!((0..99).map(|at| add(f64::from(at))).sum::<usize>(), 0);
        assert_eq!(add(100.0), 1);
    }
}
