//! The watcher: it takes records from the queue, has them scored in small batches, and reports what changes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use honeyguide::incident::{Change, LiveCounts, LiveEvents, LiveIncidents, LiveOptions};
use honeyguide::{Engine, Error, ErrorKind, MAX_RECORD_BYTES, Model, ReadOptions, Result, Unread};
use serde::Serialize;

use crate::ledger::{BadRecord, BadRecords, Dropped, Ledger};
use crate::queue::{Chunk, Queue, Restart, Sent, Taken};

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
    /// Why the columns could not be learnt.
    fault: Option<Error>,
}

impl Input {
    /// Returns whether the records that are held have values: lines of JSON do, and those after the header of CSV.
    fn has_values(&self) -> bool {
        let first = self.held.first().map(|record| record.trim_ascii_start());
        self.held.len() > 1 || first.is_some_and(|first| first.starts_with(b"{"))
    }
}

/// A watch of some inputs with one model.
pub struct Watcher<'a> {
    engine: &'a Engine,
    model: &'a Model,
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
}

impl<'a> Watcher<'a> {
    /// Returns a watch of inputs of these names.
    #[must_use]
    pub fn new(
        engine: &'a Engine,
        model: &'a Model,
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
            fault: None,
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
            engine,
            model,
            settings,
        }
    }

    /// Takes what comes through `queue` until all inputs are over or `stop` becomes true, and gives all changes to
    /// `report`, with whether the times of events are dates.
    ///
    /// # Errors
    /// Fails when an input cannot be read, when its records lack a column of the model's recipe, when no record of any
    /// input could be read, and as `report` does.
    pub fn run(
        mut self,
        queue: &Queue,
        stop: &AtomicBool,
        mut report: impl FnMut(&[Change], Option<bool>) -> Result<()>,
    ) -> Result<Summary> {
        let mut last_report = Instant::now();
        let end = loop {
            if stop.load(Ordering::Relaxed) {
                break End::Stopped;
            }
            match queue.take(BATCH_TIME / 2) {
                Taken::Sent(sent) => self.take(sent)?,
                Taken::Nothing => {}
                Taken::Over => break End::InputsOver,
            }
            self.score_due()?;
            if last_report.elapsed() >= BATCH_TIME {
                self.end_waiting()?;
                let changes = self.incidents.changes(self.now());
                report(&changes, self.times_are_dates())?;
                last_report = Instant::now();
                debug_assert!(self.ledger(queue).is_balanced());
            }
        };
        queue.close();
        self.finish(queue, end)?;
        let changes = self.incidents.finish(self.now())?;
        report(&changes, self.times_are_dates())?;
        let summary = self.summary(queue, end);
        let read_nothing = self.inputs.iter().all(|input| input.events.is_none());
        let faults = self.inputs.into_iter().filter_map(|input| input.fault);
        match faults.last() {
            Some(fault) if read_nothing => Err(fault),
            _ => Ok(summary),
        }
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
        let (received, queued) = queue.counts();
        let inputs = self.inputs.iter();
        let inside = inputs.map(|input| input.held.len() as u64 + input.unscored);
        Ledger {
            in_flight: queued + inside.sum::<u64>(),
            scored: self.scored,
            malformed: self.malformed,
            dropped: self.dropped,
            received,
        }
    }

    fn take(&mut self, sent: Sent) -> Result<()> {
        match sent {
            Sent::Records(chunk) => self.take_records(&chunk),
            Sent::Restart(at, restart) => {
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

    /// Reads records, or holds them until there are enough to learn the columns from.
    fn take_records(&mut self, chunk: &Chunk) -> Result<()> {
        let now = Instant::now();
        self.last_record = now;
        let at = chunk.input;
        for (start, end) in &chunk.records {
            let record = &chunk.bytes[*start..*end];
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
        Ok(())
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
        let named = (input.name.as_path(), first.as_slice());
        let Settings { read, live, .. } = &self.settings;
        match LiveEvents::open(self.engine, self.model, named, read, live) {
            Ok(events) => input.events = Some(events),
            Err(error) if error.kind() == ErrorKind::Data => {
                for record in &held {
                    self.refuse(at, record, error.message().into_owned());
                }
                self.inputs[at].fault = Some(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        held.iter().try_for_each(|record| self.read(at, record))
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
        self.incidents.add(&scored, now)
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
