//! The watcher: it takes records from the queue, has them scored in small batches, and reports what changes.

mod gaps;
mod input;
mod report;
mod saving;
mod scoring;
mod summary;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use honeyguide::incident::{Change, ChangeKind, LiveCounts, LiveEvents, LiveOptions};
use honeyguide::{Engine, Model, ReadOptions, Result};

use crate::alert::{About, Alert};
use crate::database::text;
use crate::gap::Gap;
use crate::input::InputKind;
use crate::ledger::Ledger;
use crate::models::Models;
use crate::position::Position;
use crate::queue::{Queue, Sent, Taken};
use crate::status::Status;
use crate::store::Store;
use gaps::Gaps;
use input::{BATCH_TIME, Input};
pub use report::Report;
use saving::{Patience, Saving};
use scoring::{Scoring, fingerprint};
pub use summary::{End, InputSummary, Restarts, Summary};

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
    /// Whether the data is simulated.
    pub is_simulated: bool,
}

/// A watch of some inputs with one model.
pub struct Watcher {
    inputs: Vec<Input>,
    scoring: Scoring,
    saving: Option<Saving>,
    models: Arc<Models>,
    gaps: Gaps,
    /// When changes were told last.
    told: DateTime<Utc>,
}

impl Watcher {
    /// Returns a watch of inputs with these names and of these kinds.
    #[must_use]
    pub fn new(
        engine: Engine,
        model: Model,
        inputs: impl IntoIterator<Item = (PathBuf, InputKind)>,
        settings: Settings,
    ) -> Self {
        let inputs = inputs
            .into_iter()
            .map(|(name, kind)| Input::new(name, kind));
        Self {
            inputs: inputs.collect(),
            scoring: Scoring::new(engine, model, settings),
            saving: None,
            models: Arc::default(),
            gaps: Gaps::default(),
            told: Utc::now(),
        }
    }

    /// Returns where others see what the watch is doing.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.scoring.status)
    }

    /// Returns where a model is offered that is to replace that of the watch.
    #[must_use]
    pub fn models(&self) -> Arc<Models> {
        Arc::clone(&self.models)
    }

    /// Keeps the state of the watch in `store`, and goes on from what an earlier run has left there. Returns the place of
    /// each input from which it is to be followed, if it was followed before. A gap says what came to the other inputs while
    /// no watch was running.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, or another model reads other columns.
    pub fn keep_in(&mut self, store: Store) -> Result<Vec<Option<Position>>> {
        let (inputs, scoring) = (&mut self.inputs, &mut self.scoring);
        inputs.iter_mut().for_each(|input| input.is_stored = true);
        let (saving, positions) = Saving::begin(store, inputs, scoring)?;
        self.saving = Some(saving);
        Ok(positions)
    }

    /// Takes what comes through `queue` until all inputs are over or `stop` becomes true, and tells `report` all changes.
    /// With a store, incidents stay open after a stop.
    ///
    /// # Errors
    /// Fails when an input cannot be read, when its records lack a column of the model's recipe, when no record of any
    /// input could be read, when the store cannot be written, and as `report` does.
    pub fn run(
        self,
        queue: &Queue,
        stop: &AtomicBool,
        report: &mut impl Report,
    ) -> Result<Summary> {
        let watched = self.watch(queue, stop, report);
        // Readers end with the queue, also if the watch failed.
        queue.close();
        watched
    }

    fn watch(
        mut self,
        queue: &Queue,
        stop: &AtomicBool,
        report: &mut impl Report,
    ) -> Result<Summary> {
        let (mut last_report, mut last_look) = (Instant::now(), Instant::now());
        let end = loop {
            self.publish(queue);
            if stop.load(Ordering::Relaxed) {
                break End::Stopped;
            }
            match queue.take(BATCH_TIME / 2) {
                Taken::Sent(sent) => self.take(sent, stop, report)?,
                Taken::Nothing => {}
                Taken::Over => break End::InputsOver,
            }
            for input in &mut self.inputs {
                input.score_due(&mut self.scoring)?;
            }
            if let Some(model) = self.models.take() {
                self.replace_model(model, report)?;
            }
            if last_look.elapsed() >= BATCH_TIME {
                self.end_waiting(queue)?;
                last_look = Instant::now();
            }
            let has_news = self.scoring.incidents.has_news();
            let pause = self.saving.as_ref().map(|saving| saving.pause(has_news));
            if last_report.elapsed() >= pause.unwrap_or(BATCH_TIME) {
                self.tell(queue, (stop, report), None)?;
                last_report = Instant::now();
                debug_assert!(self.ledger(queue).is_balanced());
            }
        };
        queue.close();
        self.finish(queue, (stop, report), end)?;
        let last = match end == End::Stopped && self.saving.is_some() {
            true => None,
            false => Some(self.scoring.incidents.finish(self.scoring.now())?),
        };
        self.tell(queue, (stop, report), last)?;
        let summary = self.summary(queue, end);
        let read_nothing = self.inputs.iter().all(|input| input.events().is_none());
        let faults = self.inputs.into_iter().filter_map(Input::into_fault);
        match faults.last() {
            Some(fault) if read_nothing => Err(fault),
            _ => Ok(summary),
        }
    }

    /// Lets another model score the events from now on. One that cannot be read, or reads columns that an input does not have,
    /// does not take the place of the one before.
    fn replace_model(&mut self, offered: Result<Model>, report: &mut impl Report) -> Result<()> {
        let replaced = offered.and_then(|model| {
            let inputs = self.inputs.iter();
            let reopened = inputs.map(|input| input.reopened(&model, &self.scoring));
            Ok((
                reopened.collect::<Result<Vec<Option<LiveEvents>>>>()?,
                model,
            ))
        });
        let (events, model) = match replaced {
            Ok(replaced) => replaced,
            Err(error) => {
                report.model(Err(&error));
                return Ok(());
            }
        };
        let new = fingerprint(&model);
        if new.is_some() && new == self.scoring.fingerprint() {
            return Ok(());
        }
        self.score()?;
        // What waits would be scored by a model whose columns are no longer known.
        let now = self.scoring.now();
        self.scoring.incidents.wait_no_longer(now)?;
        for (input, events) in self.inputs.iter_mut().zip(events) {
            input.replace_events(events);
        }
        self.scoring.status.lock().model = new;
        report.model(Ok(&model));
        self.scoring.model = model;
        Ok(())
    }

    /// Scores all events that were read.
    fn score(&mut self) -> Result<()> {
        let mut inputs = self.inputs.iter_mut();
        inputs.try_for_each(|input| input.score(&mut self.scoring))
    }

    /// Tells what has changed, or `last`, and saves the state if there is a store.
    fn tell(
        &mut self,
        queue: &Queue,
        (stop, report): (&AtomicBool, &mut impl Report),
        last: Option<Vec<Change>>,
    ) -> Result<()> {
        let begun = Instant::now();
        if self.saving.is_some() {
            // What was taken from the queue is in the incidents, so that it is not read again.
            self.score()?;
        }
        let now = self.scoring.now();
        let changes = last.unwrap_or_else(|| self.scoring.incidents.changes(now));
        let mut status = self.scoring.status.lock();
        for change in &changes {
            status.note(&change.incident, change.kind != ChangeKind::Closed);
        }
        drop(status);
        let about = self.about();
        let ledger = self.ledger(queue);
        self.told = Utc::now();
        let Some(saving) = &mut self.saving else {
            self.scoring.incidents.take_merged();
            let gaps = &mut self.gaps;
            let gaps = gaps.of_changes(&changes, about.times_are_dates, self.told);
            return tell_at_once(&about, (&changes, &gaps), self.told, report);
        };
        let (inputs, scoring) = (&mut self.inputs, &mut self.scoring);
        let status = Arc::clone(&scoring.status);
        let mut patience = Patience {
            status: &status,
            stop,
            report,
        };
        saving.save(inputs, scoring, (ledger, &about), &changes, &mut patience)?;
        patience.report.show(&changes, about.times_are_dates)?;
        saving.deliver(&mut patience, begun)
    }

    /// Returns what all alerts of this moment share.
    fn about(&self) -> About {
        let events = self.inputs.iter().filter_map(Input::events);
        About {
            model: self.scoring.fingerprint(),
            times_are_dates: events.filter_map(LiveEvents::times_are_dates).next(),
            is_simulated: self.scoring.settings.is_simulated,
        }
    }

    /// Returns the number of records by what became of them.
    fn ledger(&self, queue: &Queue) -> Ledger {
        let inside = self.inputs.iter().map(Input::in_flight).sum();
        self.scoring.tally.ledger(queue, inside)
    }

    /// Lets others see what the watch is doing.
    fn publish(&self, queue: &Queue) {
        let scoring = &self.scoring;
        let LiveCounts {
            late,
            early,
            opened,
            forgotten_hosts,
            clock_jumps,
            ..
        } = scoring.incidents.counts();
        let (queue_bytes, first) = queue.waiting();
        let inside = self.inputs.iter().filter_map(Input::arrived);
        let mut status = scoring.status.lock();
        status.ledger = self.ledger(queue);
        status.anomalous = scoring.tally.anomalous;
        (status.late, status.early, status.clock_jumps) = (late, early, clock_jumps);
        (status.opened, status.forgotten_hosts) = (opened, forgotten_hosts);
        status.queue_bytes = queue_bytes;
        status.oldest = inside.chain(first).min();
        if status.model.is_none() {
            status.model = scoring.fingerprint();
        }
        status.sign = Some(Instant::now());
    }

    fn take(&mut self, sent: Sent, stop: &AtomicBool, report: &mut impl Report) -> Result<()> {
        let (inputs, scoring) = (&mut self.inputs, &mut self.scoring);
        match sent {
            Sent::Records(chunk) => inputs[chunk.input].take(&chunk, scoring),
            Sent::Gap(at, cause) => self.add_gap(at, cause, (stop, report)),
            Sent::Restart(at, restart, position) => {
                inputs[at].restart(restart, position);
                Ok(())
            }
            Sent::End(at, ended) => {
                inputs[at].learn(scoring)?;
                ended
            }
        }
    }

    /// Adds a gap of an input since the state was stored last, or else since changes were told, and says so.
    fn add_gap(
        &mut self,
        at: usize,
        cause: &str,
        (stop, report): (&AtomicBool, &mut impl Report),
    ) -> Result<()> {
        let input = self.inputs[at].shown();
        let saved = self.saving.as_ref().map(Saving::last);
        let times = (saved.unwrap_or(self.told), Utc::now());
        let status = &self.scoring.status;
        if self.gaps.add(&input, cause, times) {
            report.warn(&format!("{input}: events may be missing: {cause}"));
            status.lock().gaps.clone_from(self.gaps.found());
        }
        let Some(saving) = &self.saving else {
            return Ok(());
        };
        let mut patience = Patience {
            status,
            stop,
            report,
        };
        saving.add_gap(&gap(&input, cause, times), &mut patience)
    }

    /// Lets the events of hosts of which nothing has come for the time of the watermark wait no longer for earlier ones. Among
    /// what is queued nothing is of this time, but a file that is replayed has its hosts in any order: there, all must be read.
    fn end_waiting(&mut self, queue: &Queue) -> Result<()> {
        if self.scoring.incidents.waiting() == 0 {
            return Ok(());
        }
        let (queued, first) = queue.waiting();
        let is_replay = self
            .inputs
            .iter()
            .all(|input| input.kind == InputKind::File);
        if is_replay && queued > 0 {
            return Ok(());
        }
        self.score()?;
        let held = self.inputs.iter().filter_map(Input::arrived);
        let behind = held.chain(first).map(|arrived| arrived.elapsed()).max();
        let scoring = &mut self.scoring;
        let watermark = scoring.settings.watermark;
        let silence = watermark + behind.unwrap_or_default().as_secs_f64();
        scoring.incidents.end_silences(scoring.now(), silence)
    }

    /// Scores what was received. After a stop, only for a while.
    fn finish(
        &mut self,
        queue: &Queue,
        (stop, report): (&AtomicBool, &mut impl Report),
        end: End,
    ) -> Result<()> {
        let until = Instant::now() + LAST_WORK;
        while let Taken::Sent(sent) = queue.take(Duration::ZERO) {
            match sent {
                Sent::Records(chunk) if end == End::Stopped && Instant::now() >= until => {
                    self.scoring.tally.dropped.stopped += chunk.records.len() as u64;
                }
                sent => self.take(sent, stop, report)?,
            }
        }
        for input in &mut self.inputs {
            input.learn(&mut self.scoring)?;
            input.score(&mut self.scoring)?;
        }
        Ok(())
    }

    fn summary(&self, queue: &Queue, end: End) -> Summary {
        let tally = &self.scoring.tally;
        let LiveCounts {
            late,
            early,
            opened,
            forgotten_hosts,
            clock_jumps,
            ..
        } = self.scoring.incidents.counts();
        Summary {
            end,
            ledger: self.ledger(queue),
            anomalous: tally.anomalous,
            late,
            early,
            malformed_args: tally.malformed_args,
            incidents: opened,
            beyond_budget: self.scoring.status.lock().beyond_budget,
            forgotten_hosts,
            clock_jumps,
            gaps: self.gaps.newest(),
            inputs: self.inputs.iter().map(Input::summary).collect(),
            bad_records: tally.bad_records(),
            first_unusable: tally.first_unusable.clone(),
        }
    }
}

/// Returns a gap of an input.
fn gap(input: &str, cause: &str, (start, end): (DateTime<Utc>, DateTime<Utc>)) -> Gap {
    Gap {
        input: input.to_owned(),
        start: text(start),
        end: text(end),
        cause: cause.to_owned(),
    }
}

/// Shows changes, and writes alerts of all of them, each with its gaps.
fn tell_at_once(
    about: &About,
    (changes, gaps): (&[Change], &[Vec<Gap>]),
    time: DateTime<Utc>,
    report: &mut impl Report,
) -> Result<()> {
    report.show(changes, about.times_are_dates)?;
    if !report.has_file() {
        return Ok(());
    }
    let alerts = changes.iter().zip(gaps);
    let alerts = alerts.map(|(change, gaps)| about.alert(change, gaps, time));
    let alerts: Vec<Alert> = alerts.collect::<Result<_>>()?;
    let alerts: Vec<&str> = alerts.iter().map(|alert| alert.json.as_str()).collect();
    report.write(&alerts)
}
