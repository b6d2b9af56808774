//! An input: its records are held until its columns are learnt, then read, and scored in small batches.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use honeyguide::incident::LiveEvents;
use honeyguide::{Error, ErrorKind, MAX_RECORD_BYTES, Model, Result, Unread, are_csv};

use super::scoring::Scoring;
use super::summary::{InputSummary, Restarts};
use crate::input::InputKind;
use crate::position::Position;
use crate::queue::{Chunk, Restart};
use crate::store::StoredInput;

/// The longest time for which an event waits to be scored.
pub(super) const BATCH_TIME: Duration = Duration::from_millis(50);
/// The number of records from which the columns of an input are learnt.
const LEARNT_RECORDS: usize = 1000;
/// The number of bytes of records after which the columns are learnt all the same.
const LEARNT_BYTES: usize = 16 << 20;
/// The time after the first record of an input after which the columns are learnt all the same.
const LEARNT_TIME: Duration = Duration::from_secs(1);

/// An input.
pub(super) struct Input {
    name: PathBuf,
    pub kind: InputKind,
    records: u64,
    restarts: Restarts,
    /// Records that came before the columns were learnt.
    held: Held,
    events: Option<LiveEvents>,
    /// The number of events that were read and are not scored.
    unscored: u64,
    unscored_since: Option<Instant>,
    /// When the first of the records came that are held or not scored.
    arrived: Option<Instant>,
    /// Why the columns could not be learnt.
    fault: Option<Error>,
    /// Whether the records from which the columns were learnt are stored.
    pub is_stored: bool,
    /// These records, until they are stored.
    first: Option<Vec<u8>>,
    /// The place in a followed file up to which records were read, and the one from which a later run goes on.
    read_to: Option<Position>,
    position: Option<Position>,
}

/// Records that are held.
#[derive(Default)]
struct Held {
    records: Vec<Vec<u8>>,
    bytes: usize,
    since: Option<Instant>,
}

impl Held {
    fn add(&mut self, record: &[u8], now: Instant) {
        self.records.push(record.to_vec());
        self.bytes += record.len();
        self.since.get_or_insert(now);
    }

    /// Returns whether they are as many as the columns are learnt from.
    fn are_enough(&self) -> bool {
        self.records.len() > LEARNT_RECORDS || self.bytes > LEARNT_BYTES
    }

    /// Returns whether they were held for long enough, and have values.
    fn are_due(&self) -> bool {
        is_due(self.since, LEARNT_TIME) && self.have_values()
    }

    /// Returns whether the records have values: those after the header of CSV, and lines that do not begin as those of a header
    /// of Zeek's.
    fn have_values(&self) -> bool {
        let is_value = |record: &Vec<u8>| !record.trim_ascii_start().starts_with(b"#");
        match self.records.first().and_then(|first| are_csv(first)) {
            Some(true) => self.records.len() > 1,
            _ => self.records.iter().any(is_value),
        }
    }

    /// Returns the records as lines.
    fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.bytes + self.records.len());
        for record in &self.records {
            lines.extend_from_slice(record);
            lines.push(b'\n');
        }
        lines
    }
}

impl Input {
    pub fn new(name: PathBuf, kind: InputKind) -> Self {
        Self {
            name,
            kind,
            records: 0,
            restarts: Restarts::default(),
            held: Held::default(),
            events: None,
            unscored: 0,
            unscored_since: None,
            arrived: None,
            fault: None,
            is_stored: false,
            first: None,
            read_to: None,
            position: None,
        }
    }

    /// Returns the name under which people and the store know the input.
    pub fn shown(&self) -> String {
        self.name.display().to_string()
    }

    /// Returns the events, if the columns are known.
    pub fn events(&self) -> Option<&LiveEvents> {
        self.events.as_ref()
    }

    /// Returns the number of records that are held or not scored.
    pub fn in_flight(&self) -> u64 {
        self.held.records.len() as u64 + self.unscored
    }

    /// Returns when the first of these came.
    pub fn arrived(&self) -> Option<Instant> {
        self.arrived
    }

    /// Takes why the columns could not be learnt.
    pub fn into_fault(self) -> Option<Error> {
        self.fault
    }

    /// Goes on from what an earlier run stored. Returns the place from which a followed file is read.
    ///
    /// # Errors
    /// Fails when the model lacks a column of its recipe in what the earlier run read.
    pub fn go_on(&mut self, stored: StoredInput, scoring: &Scoring) -> Result<Option<Position>> {
        if let Some(first) = stored.first.filter(|first| !first.is_empty()) {
            self.records = stored.records;
            self.events = Some(scoring.open(&self.name, &first)?);
        }
        self.position.clone_from(&stored.position);
        Ok(stored.position)
    }

    /// Returns what a later run goes on from.
    pub fn stored(&mut self) -> (String, StoredInput) {
        let stored = StoredInput {
            first: self.first.take(),
            records: self.records,
            position: self.position.clone(),
        };
        (self.shown(), stored)
    }

    /// Takes that the file was begun anew, and is read from a place.
    pub fn restart(&mut self, restart: Restart, position: Option<Position>) {
        self.position = position.or(self.position.take());
        *match restart {
            Restart::Renamed => &mut self.restarts.renamed,
            Restart::Emptied => &mut self.restarts.emptied,
        } += 1;
    }

    /// Reads records, or holds them until there are enough to learn the columns from.
    pub fn take(&mut self, chunk: &Chunk, scoring: &mut Scoring) -> Result<()> {
        let now = Instant::now();
        for (start, end) in &chunk.records {
            let record = &chunk.bytes[*start..*end];
            self.arrived = self.arrived.or(chunk.arrived);
            if self.events.is_some() {
                self.read(record, scoring)?;
                continue;
            }
            self.held.add(record, now);
            if self.held.are_enough() {
                self.learn(scoring)?;
            }
        }
        if self.in_flight() == 0 {
            self.arrived = None;
        }
        if let Some(position) = &chunk.position {
            self.read_to = Some(position.clone());
        }
        self.place();
        Ok(())
    }

    /// Moves the place from which a later run goes on behind all records that were read, unless some are held.
    fn place(&mut self) {
        if self.held.records.is_empty()
            && let Some(position) = self.read_to.take()
        {
            self.position = Some(position);
        }
    }

    /// Learns the columns from the records that are held, and reads these.
    ///
    /// # Errors
    /// Fails when the records lack a column of the model's recipe.
    pub fn learn(&mut self, scoring: &mut Scoring) -> Result<()> {
        if self.events.is_some() || self.held.records.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let first = held.lines();
        match scoring.open(&self.name, &first) {
            Ok(events) => {
                self.events = Some(events);
                self.first = self.is_stored.then_some(first);
            }
            Err(error) if error.kind() == ErrorKind::Data => {
                for record in &held.records {
                    self.refuse(record, error.message().into_owned(), scoring);
                }
                self.fault = Some(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let mut records = held.records.iter();
        records.try_for_each(|record| self.read(record, scoring))?;
        self.place();
        Ok(())
    }

    /// Reads one record of an input whose columns are known.
    fn read(&mut self, record: &[u8], scoring: &mut Scoring) -> Result<()> {
        let Some(events) = &mut self.events else {
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
                self.records += 1;
                self.unscored += 1;
                self.unscored_since.get_or_insert_with(Instant::now);
                if events.is_full() {
                    self.score(scoring)?;
                }
            }
            Err(Unread::NoEvent(_)) => {
                self.records += 1;
                scoring.tally.dropped.no_event += 1;
            }
            Err(Unread::Malformed(why)) => self.refuse(record, why, scoring),
        }
        Ok(())
    }

    /// Counts a record that cannot be read, and keeps it.
    fn refuse(&mut self, record: &[u8], why: String, scoring: &mut Scoring) {
        self.records += 1;
        let name = self.shown();
        scoring.tally.refuse(&name, self.records, why, record);
    }

    /// Learns and scores what has waited for long enough.
    pub fn score_due(&mut self, scoring: &mut Scoring) -> Result<()> {
        if self.held.are_due() {
            self.learn(scoring)?;
        }
        if is_due(self.unscored_since, BATCH_TIME) {
            self.score(scoring)?;
        }
        Ok(())
    }

    /// Scores the events that were read, and folds them.
    pub fn score(&mut self, scoring: &mut Scoring) -> Result<()> {
        let Some(events) = &mut self.events else {
            return Ok(());
        };
        self.unscored = 0;
        self.unscored_since = None;
        scoring.score(events, self.arrived.take())
    }

    /// Returns the events as `model` scores them.
    ///
    /// # Errors
    /// Fails when the records lack a column of its recipe.
    pub fn reopened(&self, model: &Model, scoring: &Scoring) -> Result<Option<LiveEvents>> {
        let events = self.events.as_ref();
        events
            .map(|events| scoring.reopen(events, model))
            .transpose()
    }

    /// Lets these events take the place of those before, which are all scored.
    pub fn replace_events(&mut self, events: Option<LiveEvents>) {
        self.events = events;
    }

    pub fn summary(&self) -> InputSummary {
        let events = self.events.as_ref();
        InputSummary {
            name: self.shown(),
            log: events.map(|events| events.log_name().to_owned()),
            records: self.records,
            restarts: self.restarts,
        }
    }
}

/// Returns whether `time` has passed since a moment.
fn is_due(since: Option<Instant>, time: Duration) -> bool {
    since.is_some_and(|since| since.elapsed() >= time)
}
