//! The watcher: it takes records from the queue, has them scored in small batches, and reports what changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use honeyguide::incident::{
    Change, ChangeKind, KeptIncidents, LiveCounts, LiveEvents, LiveIncidents, LiveOptions,
};
use honeyguide::{
    Engine, Error, ErrorKind, MAX_RECORD_BYTES, Model, ReadOptions, Result, Unread, are_csv,
};
use serde::Serialize;

use crate::database::text;
use crate::ledger::{BadRecord, BadRecords, Dropped, Ledger};
use crate::models::Models;
use crate::position::Position;
use crate::queue::{Chunk, Queue, Restart, Sent, Taken};
use crate::status::Status;
use crate::store::{About, Earlier, Gap, Moment, Store, StoredIncident, StoredInput};

/// The longest time for which an event waits to be scored.
const BATCH_TIME: Duration = Duration::from_millis(100);
/// The number of records from which the columns of an input are learnt.
const LEARNT_RECORDS: usize = 1000;
/// The number of bytes of records after which the columns are learnt all the same.
const LEARNT_BYTES: usize = 16 << 20;
/// The time after the first record of an input after which the columns are learnt all the same.
const LEARNT_TIME: Duration = Duration::from_secs(1);
/// The time that is spent, after a stop, on records that were received before it.
const LAST_WORK: Duration = Duration::from_millis(500);

/// The least time between two moments that are stored.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The time between two such moments is this many times what it takes to store one.
const PAUSE_PER_WORK: u32 = 20;

/// The options of a watch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How records are read.
    pub read: ReadOptions,
    /// The host of events that do not name one, and what tells incidents apart.
    pub live: LiveOptions,
    /// The time in seconds for which an event waits for earlier ones.
    pub watermark: f64,
}

/// How a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All inputs were over.
    InputsOver,
    /// It was asked to end.
    Stopped,
}

/// What a watch has done.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// The number of records by what became of them.
    pub ledger: Ledger,
    /// The number of anomalous events.
    pub anomalous: u64,
    /// The number of events that came after later ones of their host had been folded.
    pub late: u64,
    /// The number of values of `args` that could not be read. They were taken as null.
    pub malformed_args: u64,
    /// The number of incidents that were opened.
    pub incidents: u64,
    /// The number of hosts that were forgotten because there were too many.
    pub forgotten_hosts: u64,
    /// The inputs.
    pub inputs: Vec<InputSummary>,
    /// The newest records that could not be read.
    pub bad_records: Vec<BadRecord>,
    /// Why the recipe could not use the first of the events that it could not use.
    pub first_unusable: Option<String>,
}

/// What a watch knows of an input.
#[derive(Debug, Clone, Serialize)]
pub struct InputSummary {
    /// The name of the input.
    pub name: String,
    /// What its records are, such as `a log of kernel calls`; `None` if none could be read.
    pub log: Option<String>,
    /// The number of records that came. A header of CSV counts as one.
    pub records: u64,
    /// How often its file was begun anew, if it is followed.
    pub restarts: Restarts,
}

/// How often a file was begun anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Restarts {
    /// It was renamed, and another one had its name.
    pub renamed: u64,
    /// It was emptied, or written anew.
    pub emptied: u64,
}

/// An input.
struct Input {
    name: PathBuf,
    records: u64,
    restarts: Restarts,
    /// Records that came before the columns were learnt.
    held: Vec<Vec<u8>>,
    held_bytes: usize,
    held_since: Option<Instant>,
    events: Option<LiveEvents>,
    /// The number of events that were read and are not scored.
    unscored: u64,
    unscored_since: Option<Instant>,
    /// When the first of the records came that are held or not scored.
    arrived: Option<Instant>,
    /// Why the columns could not be learnt.
    fault: Option<Error>,
    /// The records from which the columns were learnt, until they are stored.
    first: Option<Vec<u8>>,
    /// The place in a followed file up to which records were read, and the one from which a later run goes on.
    read_to: Option<Position>,
    position: Option<Position>,
}

impl Input {
    /// Returns whether the records that are held have values: those after the header of CSV, and lines that do not begin as
    /// those of a header of Zeek's.
    fn has_values(&self) -> bool {
        let is_value = |record: &Vec<u8>| !record.trim_ascii_start().starts_with(b"#");
        match self.held.first().and_then(|first| are_csv(first)) {
            Some(true) => self.held.len() > 1,
            _ => self.held.iter().any(is_value),
        }
    }
}

/// Where changes are told.
pub trait Report {
    /// Shows changes to people. `times_are_dates` says whether the times of events count from 1970-01-01 UTC.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    fn show(&mut self, changes: &[Change], times_are_dates: Option<bool>) -> Result<()>;

    /// Returns the alerts of changes, which are pairs of an id and JSON, if somebody receives alerts.
    ///
    /// # Errors
    /// Fails when a change cannot be written as JSON, which is a defect.
    fn alerts(
        &mut self,
        changes: &[Change],
        times_are_dates: Option<bool>,
    ) -> Result<Vec<(String, String)>>;

    /// Takes that events are from now on scored by another model, or why a model that was offered does not take the place of
    /// the one before.
    fn model(&mut self, model: std::result::Result<&Model, &Error>);

    /// Writes alerts to a file, if there is one.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    fn write(&mut self, alerts: &[&str]) -> Result<()>;
}

/// The store of a watch.
struct Saving {
    store: Store,
    about: About,
    /// When a moment was stored last, also by an earlier run.
    last: DateTime<Utc>,
    /// The time until it is saved again.
    pause: Duration,
}

/// A watch of some inputs with one model.
pub struct Watcher {
    engine: Engine,
    model: Model,
    settings: Settings,
    inputs: Vec<Input>,
    incidents: LiveIncidents,
    started: Instant,
    /// When the last record came.
    last_record: Instant,
    scored: u64,
    malformed: u64,
    dropped: Dropped,
    anomalous: u64,
    malformed_args: u64,
    bad: BadRecords,
    first_unusable: Option<String>,
    saving: Option<Saving>,
    /// The records that were received in earlier runs.
    received_before: u64,
    /// What others see of the watch.
    status: Arc<Status>,
    models: Arc<Models>,
}

impl Watcher {
    /// Returns a watch of inputs of these names.
    #[must_use]
    pub fn new(
        engine: Engine,
        model: Model,
        names: impl IntoIterator<Item = PathBuf>,
        settings: Settings,
    ) -> Self {
        let inputs = names.into_iter().map(|name| Input {
            name,
            records: 0,
            restarts: Restarts::default(),
            held: Vec::new(),
            held_bytes: 0,
            held_since: None,
            events: None,
            unscored: 0,
            unscored_since: None,
            arrived: None,
            fault: None,
            first: None,
            read_to: None,
            position: None,
        });
        let now = Instant::now();
        Self {
            inputs: inputs.collect(),
            incidents: LiveIncidents::new(settings.watermark),
            started: now,
            last_record: now,
            scored: 0,
            malformed: 0,
            dropped: Dropped::default(),
            anomalous: 0,
            malformed_args: 0,
            bad: BadRecords::default(),
            first_unusable: None,
            saving: None,
            received_before: 0,
            status: Arc::default(),
            models: Arc::default(),
            engine,
            model,
            settings,
        }
    }

    /// Returns where others see what the watch is doing.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Returns where a model is offered that is to replace that of the watch.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        Arc::clone(&self.models)
    }

    /// Keeps the state of the watch in `store`, and goes on from what an earlier run has left there. Returns the place of
    /// each input from which it is to be followed, if it was followed before. `streams` says which inputs are streams: what
    /// came to them while no watch was running is lost, and a gap says so.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, or another model reads other columns.
    pub fn keep_in(
        &mut self,
        store: Store,
        streams: &[bool],
        is_simulated: bool,
    ) -> Result<Vec<Option<Position>>> {
        let mut positions = vec![None; self.inputs.len()];
        let mut last = Utc::now();
        if let Some(earlier) = store.earlier()? {
            last = earlier.saved;
            positions = self.go_on(&store, earlier, streams)?;
        }
        self.saving = Some(Saving {
            about: About {
                model: self.model.origin().map(|origin| origin.sha256.clone()),
                times_are_dates: self.times_are_dates(),
                is_simulated,
            },
            last,
            pause: LEAST_PAUSE,
            store,
        });
        Ok(positions)
    }

    /// Takes the state of an earlier run.
    fn go_on(
        &mut self,
        store: &Store,
        earlier: Earlier,
        streams: &[bool],
    ) -> Result<Vec<Option<Position>>> {
        let mut positions = Vec::new();
        let mut waiting = Vec::new();
        for (at, is_stream) in streams.iter().enumerate() {
            let name = self.inputs[at].name.display().to_string();
            let known = earlier.inputs.iter().position(|(known, _)| *known == name);
            let Some(known) = known else {
                positions.push(None);
                waiting.push(None);
                continue;
            };
            let StoredInput {
                first,
                records,
                position,
            } = earlier.inputs[known].1.clone();
            if let Some(first) = first.filter(|first| !first.is_empty()) {
                self.inputs[at].records = records;
                self.inputs[at].events = Some(self.opened(at, &first)?);
            }
            if *is_stream {
                let (start, end) = (text(earlier.saved), text(Utc::now()));
                let cause = "no watch was running".to_owned();
                let input = name;
                store.add_gaps(&[Gap {
                    input,
                    start,
                    end,
                    cause,
                }])?;
            }
            positions.push(position.clone());
            self.inputs[at].position = position;
            waiting.push(earlier.kept.waiting[known].clone());
        }
        let kept = KeptIncidents {
            state: earlier.kept.state,
            waiting,
        };
        let events: Vec<_> = self
            .inputs
            .iter()
            .map(|input| input.events.as_ref())
            .collect();
        self.incidents = LiveIncidents::restored(self.settings.watermark, &kept, &events, 0.0)
            .map_err(|error| {
                error.hint("go on with the model of the store, or begin a new store")
            })?;
        let Ledger {
            received,
            scored,
            malformed,
            dropped,
            in_flight,
        } = earlier.ledger;
        self.received_before = received - in_flight;
        (self.scored, self.malformed, self.dropped) = (scored, malformed, dropped);
        self.anomalous = earlier.anomalous;
        Ok(positions)
    }

    /// Takes what comes through `queue` until all inputs are over or `stop` becomes true, and tells `report` all changes.
    /// With a store, incidents stay open after a stop.
    ///
    /// # Errors
    /// Fails when an input cannot be read, when its records lack a column of the model's recipe, when no record of any
    /// input could be read, when the store cannot be written, and as `report` does.
    pub fn run(
        mut self,
        queue: &Queue,
        stop: &AtomicBool,
        report: &mut impl Report,
    ) -> Result<Summary> {
        let mut last_report = Instant::now();
        let end = loop {
            self.publish(queue);
            if stop.load(Ordering::Relaxed) {
                break End::Stopped;
            }
            match queue.take(BATCH_TIME / 2) {
                Taken::Sent(sent) => self.take(sent)?,
                Taken::Nothing => {}
                Taken::Over => break End::InputsOver,
            }
            self.score_due()?;
            if let Some(model) = self.models.take() {
                self.replace_model(model, report)?;
            }
            let pause = self.saving.as_ref().map(|saving| saving.pause);
            if last_report.elapsed() >= pause.unwrap_or(BATCH_TIME) {
                self.end_waiting()?;
                self.tell(queue, report, None)?;
                last_report = Instant::now();
                debug_assert!(self.ledger(queue).is_balanced());
            }
        };
        queue.close();
        self.finish(queue, end)?;
        let last = match end == End::Stopped && self.saving.is_some() {
            true => None,
            false => Some(self.incidents.finish(self.now())?),
        };
        self.tell(queue, report, last)?;
        let summary = self.summary(queue, end);
        let read_nothing = self.inputs.iter().all(|input| input.events.is_none());
        let faults = self.inputs.into_iter().filter_map(|input| input.fault);
        match faults.last() {
            Some(fault) if read_nothing => Err(fault),
            _ => Ok(summary),
        }
    }

    /// Lets another model score the events from now on. One that cannot be read, or reads columns that an input does not have,
    /// does not take the place of the one before.
    fn replace_model(&mut self, offered: Result<Model>, report: &mut impl Report) -> Result<()> {
        let model = match offered {
            Ok(model) => model,
            Err(error) => {
                report.model(Err(&error));
                return Ok(());
            }
        };
        let fingerprint = |model: &Model| model.origin().map(|origin| origin.sha256.clone());
        if fingerprint(&model).is_some() && fingerprint(&model) == fingerprint(&self.model) {
            return Ok(());
        }
        let replaced = self.inputs.iter().map(|input| {
            let events = input.events.as_ref();
            events
                .map(|events| events.with_model(&self.engine, &model))
                .transpose()
        });
        let replaced: Result<Vec<Option<LiveEvents>>> = replaced.collect();
        let replaced = match replaced {
            Ok(replaced) => replaced,
            Err(error) => {
                report.model(Err(&error));
                return Ok(());
            }
        };
        for at in 0..self.inputs.len() {
            self.score(at)?;
        }
        // What waits would be scored by a model whose columns are no longer known.
        self.incidents.wait_no_longer(self.now())?;
        for (input, events) in self.inputs.iter_mut().zip(replaced) {
            input.events = events;
        }
        if let Some(saving) = &mut self.saving {
            saving.about.model = fingerprint(&model);
        }
        self.status.lock().model = fingerprint(&model);
        report.model(Ok(&model));
        self.model = model;
        Ok(())
    }

    /// Tells what has changed, or `last`, and saves the state if there is a store.
    fn tell(
        &mut self,
        queue: &Queue,
        report: &mut impl Report,
        last: Option<Vec<Change>>,
    ) -> Result<()> {
        let begun = Instant::now();
        if self.saving.is_some() {
            // What was taken from the queue is in the incidents, so that it is not read again.
            for at in 0..self.inputs.len() {
                self.score(at)?;
            }
        }
        let now = self.now();
        let changes = last.unwrap_or_else(|| self.incidents.changes(now));
        let mut status = self.status.lock();
        for change in &changes {
            status.note(&change.incident, change.kind != ChangeKind::Closed);
        }
        drop(status);
        let times_are_dates = self.times_are_dates();
        let alerts = report.alerts(&changes, times_are_dates)?;
        if self.saving.is_none() {
            self.incidents.take_merged();
            let alerts: Vec<&str> = alerts.iter().map(|(_, alert)| alert.as_str()).collect();
            report.show(&changes, times_are_dates)?;
            return report.write(&alerts);
        }
        self.save(queue, &changes, alerts)?;
        report.show(&changes, times_are_dates)?;
        let Some(saving) = &mut self.saving else {
            return Ok(());
        };
        loop {
            let undelivered = saving.store.undelivered()?;
            if undelivered.is_empty() {
                break;
            }
            let alerts: Vec<&str> = undelivered
                .iter()
                .map(|alert| alert.json.as_str())
                .collect();
            report.write(&alerts)?;
            saving.store.delivered(&undelivered)?;
        }
        saving.pause = LEAST_PAUSE.max(begun.elapsed() * PAUSE_PER_WORK);
        Ok(())
    }

    /// Saves a moment: the incidents that have changed, new alerts, and all from which a later run goes on.
    fn save(
        &mut self,
        queue: &Queue,
        changes: &[Change],
        alerts: Vec<(String, String)>,
    ) -> Result<()> {
        let grown = self.incidents.grown();
        let merged = self.incidents.take_merged();
        let ledger = self.ledger(queue);
        let times_are_dates = self.times_are_dates();
        let inputs = self.inputs.iter_mut().map(|input| {
            let stored = StoredInput {
                first: input.first.take(),
                records: input.records,
                position: input.position.clone(),
            };
            (input.name.display().to_string(), stored)
        });
        let inputs = inputs.collect();
        let events: Vec<_> = self
            .inputs
            .iter()
            .map(|input| input.events.as_ref())
            .collect();
        let kept = self.incidents.keep(&events)?;
        let changed = changes.iter().map(|change| StoredIncident {
            incident: &change.incident,
            is_closed: change.kind == ChangeKind::Closed,
            revision: change.revision,
        });
        let grown = grown.iter().map(|incident| {
            let (revision, is_closed) = self.incidents.reported(&incident.id);
            self.status.lock().note(incident, !is_closed);
            StoredIncident {
                incident,
                is_closed,
                revision,
            }
        });
        let incidents = changed.chain(grown).collect();
        let Some(saving) = &mut self.saving else {
            return Ok(());
        };
        saving.about.times_are_dates = times_are_dates;
        saving.last = Utc::now();
        saving.store.write(&Moment {
            time: saving.last,
            about: &saving.about,
            bad_records: self.bad.take_new(),
            anomalous: self.anomalous,
            incidents,
            merged,
            alerts,
            ledger,
            inputs,
            kept,
        })
    }

    /// Returns the time since the start in seconds.
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Returns whether the times of events count from 1970-01-01 UTC.
    fn times_are_dates(&self) -> Option<bool> {
        let events = self.inputs.iter().filter_map(|input| input.events.as_ref());
        events.filter_map(LiveEvents::times_are_dates).next()
    }

    /// Returns the number of records by what became of them.
    fn ledger(&self, queue: &Queue) -> Ledger {
        let (received, queued, refused) = queue.counts();
        let inputs = self.inputs.iter();
        let inside = inputs.map(|input| input.held.len() as u64 + input.unscored);
        Ledger {
            in_flight: queued + inside.sum::<u64>(),
            scored: self.scored,
            malformed: self.malformed,
            dropped: Dropped {
                refused: self.dropped.refused + refused,
                ..self.dropped
            },
            received: self.received_before + received,
        }
    }

    /// Lets others see what the watch is doing.
    fn publish(&self, queue: &Queue) {
        let LiveCounts {
            late,
            opened,
            forgotten_hosts,
            ..
        } = self.incidents.counts();
        let (queue_bytes, first) = queue.waiting();
        let inside = self.inputs.iter().filter_map(|input| input.arrived);
        let mut status = self.status.lock();
        status.ledger = self.ledger(queue);
        status.anomalous = self.anomalous;
        (status.late, status.opened, status.forgotten_hosts) = (late, opened, forgotten_hosts);
        status.queue_bytes = queue_bytes;
        status.oldest = inside.chain(first).min();
        if status.model.is_none() {
            let origin = self.model.origin();
            status.model = origin.map(|origin| origin.sha256.clone());
        }
        status.sign = Some(Instant::now());
    }

    fn take(&mut self, sent: Sent) -> Result<()> {
        match sent {
            Sent::Records(chunk) => self.take_records(&chunk),
            Sent::Gap(at, cause) => self.add_gap(at, cause),
            Sent::Restart(at, restart, position) => {
                let input = &mut self.inputs[at];
                input.position = position.or(input.position.take());
                let restarts = &mut self.inputs[at].restarts;
                *match restart {
                    Restart::Renamed => &mut restarts.renamed,
                    Restart::Emptied => &mut restarts.emptied,
                } += 1;
                Ok(())
            }
            Sent::End(at, ended) => {
                self.learn(at)?;
                ended
            }
        }
    }

    /// Adds a gap since the store was written last.
    fn add_gap(&mut self, at: usize, cause: &str) -> Result<()> {
        let Some(saving) = &self.saving else {
            return Ok(());
        };
        saving.store.add_gaps(&[Gap {
            input: self.inputs[at].name.display().to_string(),
            start: text(saving.last),
            end: text(Utc::now()),
            cause: cause.to_owned(),
        }])
    }

    /// Reads records, or holds them until there are enough to learn the columns from.
    fn take_records(&mut self, chunk: &Chunk) -> Result<()> {
        let now = Instant::now();
        self.last_record = now;
        let at = chunk.input;
        for (start, end) in &chunk.records {
            let record = &chunk.bytes[*start..*end];
            let arrived = self.inputs[at].arrived;
            self.inputs[at].arrived = arrived.or(chunk.arrived);
            if self.inputs[at].events.is_some() {
                self.read(at, record)?;
                continue;
            }
            let input = &mut self.inputs[at];
            input.held.push(record.to_vec());
            input.held_bytes += record.len();
            input.held_since.get_or_insert(now);
            if input.held.len() > LEARNT_RECORDS || input.held_bytes > LEARNT_BYTES {
                self.learn(at)?;
            }
        }
        if self.inputs[at].held.is_empty() && self.inputs[at].unscored == 0 {
            self.inputs[at].arrived = None;
        }
        if let Some(position) = &chunk.position {
            self.inputs[at].read_to = Some(position.clone());
        }
        self.place(at);
        Ok(())
    }

    /// Moves the place from which a later run goes on behind all records that were read, unless some are held.
    fn place(&mut self, at: usize) {
        let input = &mut self.inputs[at];
        if input.held.is_empty()
            && let Some(position) = input.read_to.take()
        {
            input.position = Some(position);
        }
    }

    /// Learns the columns of an input from the records that are held, and reads these.
    ///
    /// # Errors
    /// Fails when the records lack a column of the model's recipe.
    fn learn(&mut self, at: usize) -> Result<()> {
        let input = &mut self.inputs[at];
        if input.events.is_some() || input.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut input.held);
        (input.held_bytes, input.held_since) = (0, None);
        let mut first = Vec::new();
        for record in &held {
            first.extend_from_slice(record);
            first.push(b'\n');
        }
        match self.opened(at, &first) {
            Ok(events) => {
                self.inputs[at].events = Some(events);
                self.inputs[at].first = self.saving.is_some().then_some(first);
            }
            Err(error) if error.kind() == ErrorKind::Data => {
                for record in &held {
                    self.refuse(at, record, error.message().into_owned());
                }
                self.inputs[at].fault = Some(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        held.iter().try_for_each(|record| self.read(at, record))?;
        self.place(at);
        Ok(())
    }

    /// Learns the columns of an input from its first records.
    fn opened(&self, at: usize, first: &[u8]) -> Result<LiveEvents> {
        let named = (self.inputs[at].name.as_path(), first);
        let Settings { read, live, .. } = &self.settings;
        LiveEvents::open(&self.engine, &self.model, named, read, live)
    }

    /// Reads one record of an input whose columns are known.
    fn read(&mut self, at: usize, record: &[u8]) -> Result<()> {
        let input = &mut self.inputs[at];
        let Some(events) = &mut input.events else {
            return Ok(());
        };
        let pushed = match record.len() {
            length if length > MAX_RECORD_BYTES => Err(Unread::Malformed(format!(
                "longer than {MAX_RECORD_BYTES} bytes"
            ))),
            _ => events.push(record),
        };
        match pushed {
            Ok(()) => {
                input.records += 1;
                input.unscored += 1;
                input.unscored_since.get_or_insert_with(Instant::now);
                if events.is_full() {
                    self.score(at)?;
                }
            }
            Err(Unread::NoEvent(_)) => {
                input.records += 1;
                self.dropped.no_event += 1;
            }
            Err(Unread::Malformed(why)) => self.refuse(at, record, why),
        }
        Ok(())
    }

    /// Counts a record that cannot be read, and keeps it.
    fn refuse(&mut self, at: usize, record: &[u8], why: String) {
        let input = &mut self.inputs[at];
        input.records += 1;
        self.malformed += 1;
        let name = input.name.display().to_string();
        self.bad.add(&name, input.records, why, record);
    }

    /// Learns and scores what has waited for long enough.
    fn score_due(&mut self) -> Result<()> {
        let is_due =
            |since: Option<Instant>, time| since.is_some_and(|since| since.elapsed() >= time);
        for at in 0..self.inputs.len() {
            // A header alone tells nothing of the types of CSV.
            if is_due(self.inputs[at].held_since, LEARNT_TIME) && self.inputs[at].has_values() {
                self.learn(at)?;
            }
            if is_due(self.inputs[at].unscored_since, BATCH_TIME) {
                self.score(at)?;
            }
        }
        Ok(())
    }

    /// Scores the events of an input that were read, and folds them.
    fn score(&mut self, at: usize) -> Result<()> {
        let now = self.now();
        let input = &mut self.inputs[at];
        let Some(events) = &mut input.events else {
            return Ok(());
        };
        input.unscored = 0;
        input.unscored_since = None;
        let arrived = input.arrived.take();
        let Some(scored) = events.score()? else {
            return Ok(());
        };
        self.malformed_args += events.take_malformed_args();
        self.scored += scored.len() as u64;
        self.anomalous += scored.anomalous();
        if let Some((unusable, why)) = &scored.unusable {
            self.dropped.unusable += unusable;
            self.first_unusable.get_or_insert_with(|| why.clone());
        }
        self.incidents.add(&scored, now)?;
        if let Some(arrived) = arrived {
            let latency = arrived.elapsed().as_secs_f64();
            self.status
                .lock()
                .latency
                .0
                .add(latency, scored.len() as u64);
        }
        Ok(())
    }

    /// Lets events wait no longer for earlier ones if none has come for the time of the watermark.
    fn end_waiting(&mut self) -> Result<()> {
        let is_silent = self.last_record.elapsed().as_secs_f64() >= self.settings.watermark;
        let waits = self.incidents.waiting() > 0;
        let has_unscored = self.inputs.iter().any(|input| input.unscored > 0);
        if is_silent && waits && !has_unscored {
            let now = self.now();
            return self.incidents.wait_no_longer(now);
        }
        Ok(())
    }

    /// Scores what was received. After a stop, only for a while.
    fn finish(&mut self, queue: &Queue, end: End) -> Result<()> {
        let until = Instant::now() + LAST_WORK;
        while let Taken::Sent(sent) = queue.take(Duration::ZERO) {
            match sent {
                Sent::Records(chunk) if end == End::Stopped && Instant::now() >= until => {
                    self.dropped.stopped += chunk.records.len() as u64;
                }
                sent => self.take(sent)?,
            }
        }
        for at in 0..self.inputs.len() {
            self.learn(at)?;
            self.score(at)?;
        }
        Ok(())
    }

    fn summary(&self, queue: &Queue, end: End) -> Summary {
        let LiveCounts {
            late,
            opened,
            forgotten_hosts,
            ..
        } = self.incidents.counts();
        let inputs = self.inputs.iter().map(|input| InputSummary {
            name: input.name.display().to_string(),
            log: input
                .events
                .as_ref()
                .map(|events| events.log_name().to_owned()),
            records: input.records,
            restarts: input.restarts,
        });
        Summary {
            end,
            ledger: self.ledger(queue),
            anomalous: self.anomalous,
            late,
            malformed_args: self.malformed_args,
            incidents: opened,
            forgotten_hosts,
            inputs: inputs.collect(),
            bad_records: self.bad.kept(),
            first_unusable: self.first_unusable.clone(),
        }
    }
}
