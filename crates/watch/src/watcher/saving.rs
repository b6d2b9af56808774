//! The store of a watch: when a moment is stored, what an earlier run left, and what happens while it cannot be written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use honeyguide::Result;
use honeyguide::incident::{Change, Kept, KeptBatch, LiveEvents, LiveIncidents};

use super::input::Input;
use super::report::Report;
use super::scoring::Scoring;
use super::tally::Tally;
use crate::alert::About;
use crate::database::{Fault, text};
use crate::gap::Gap;
use crate::ledger::Ledger;
use crate::position::Position;
use crate::status::{Status, StoreFailure};
use crate::store::{Earlier, Moment, Store, StoredIncident};

/// The least time between two moments that are stored, and where an incident has opened or ended.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
const LEAST_PAUSE_OF_NEWS: Duration = Duration::from_millis(100);
/// The time between two such moments is at least this many times what it takes to store one.
const PAUSE_PER_WORK: u32 = 20;
const PAUSE_PER_WORK_OF_NEWS: u32 = 4;
/// The time after which a store that could not be written is tried again, and between two looks whether the watch is to end.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// The cause of a gap of an input that goes on without a watch.
const NO_WATCH: &str = "no watch was running";
/// The cause of a gap of an input whose events waited.
const NOT_NAMED: &str = "events waited of an input that a later watch did not name";

/// The store of a watch.
pub(super) struct Saving {
    store: Store,
    /// When a moment was stored last, also by an earlier run.
    last: DateTime<Utc>,
    /// The time that it took.
    work: Duration,
}

/// What a watch does while its store cannot be written.
pub(super) struct Patience<'a, R> {
    pub status: &'a Status,
    pub stop: &'a AtomicBool,
    pub report: &'a mut R,
}

impl<R: Report> Patience<'_, R> {
    /// Does something with a store again and again, until it succeeds. Until then nothing is taken from the queue, so that
    /// nothing is lost, and everybody can see why.
    ///
    /// # Errors
    /// Fails when waiting does not help, and when the watch is to end.
    fn insist<T>(&mut self, mut act: impl FnMut() -> std::result::Result<T, Fault>) -> Result<T> {
        loop {
            let fault = match act() {
                Ok(done) => {
                    self.succeed();
                    return Ok(done);
                }
                Err(fault) => fault,
            };
            if !fault.may_pass {
                return Err(fault.into());
            }
            self.fail(&fault);
            let until = Instant::now() + RETRY_PAUSE;
            while Instant::now() < until {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(fault.into());
                }
                self.status.lock().sign = Some(Instant::now());
                thread::sleep(LOOK_PAUSE);
            }
        }
    }

    /// Lets everybody see that the store cannot be written.
    fn fail(&mut self, fault: &Fault) {
        let why = fault.error.message().into_owned();
        let mut status = self.status.lock();
        let is_new = status.store_failure.is_none();
        let since = status.store_failure.as_ref().map(|failure| failure.since);
        status.store_failure = Some(StoreFailure {
            since: since.unwrap_or_else(Instant::now),
            why: why.clone(),
        });
        drop(status);
        if is_new {
            self.report.warn(&format!(
                "{why}; the watch tries again, and takes no more events until it is written"
            ));
        }
    }

    fn succeed(&mut self) {
        if self.status.lock().store_failure.take().is_some() {
            self.report.warn("the store is written again");
        }
    }
}

impl Saving {
    /// Begins to keep a watch in `store`, and goes on from what an earlier run has left there. Returns the place of each
    /// input from which it is to be followed, if it was followed before.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, or another model reads other columns.
    pub fn begin(
        store: Store,
        inputs: &mut [Input],
        scoring: &mut Scoring,
    ) -> Result<(Self, Vec<Option<Position>>)> {
        let mut positions = vec![None; inputs.len()];
        let mut last = Utc::now();
        if let Some(earlier) = store.earlier()? {
            last = earlier.saved;
            positions = go_on(&store, earlier, inputs, scoring)?;
        }
        scoring.incidents.track();
        let saving = Self {
            store,
            last,
            work: Duration::ZERO,
        };
        Ok((saving, positions))
    }

    /// Returns when a moment was stored last.
    pub fn last(&self) -> DateTime<Utc> {
        self.last
    }

    /// Adds a gap.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn add_gap(&self, gap: &Gap, patience: &mut Patience<impl Report>) -> Result<()> {
        patience.insist(|| self.store.add_gap(gap))
    }

    /// Stores a moment: the incidents that have changed, alerts of them, and all from which a later run goes on.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn save(
        &mut self,
        inputs: &mut [Input],
        scoring: &mut Scoring,
        (ledger, about): (Ledger, &About),
        changes: &[Change],
        patience: &mut Patience<impl Report>,
    ) -> Result<()> {
        let grown = scoring.incidents.take_grown();
        let kept = scoring.incidents.take_changes(&events_of(inputs))?;
        let merged = scoring.incidents.take_merged();
        let events = scoring.incidents.take_events();
        let grown = grown.iter().map(|incident| {
            let (revision, is_closed) = scoring.incidents.reported(&incident.id);
            scoring.status.lock().note(incident, !is_closed);
            StoredIncident {
                incident,
                is_closed,
                revision,
            }
        });
        let moment = Moment {
            time: Utc::now(),
            about,
            changes,
            grown: grown.collect(),
            merged,
            events,
            ledger,
            anomalous: scoring.tally.anomalous,
            bad_records: scoring.tally.take_bad_records(),
            inputs: inputs.iter_mut().map(Input::stored).collect(),
            kept,
        };
        let written = patience.insist(|| self.store.write(&moment))?;
        self.last = moment.time;
        scoring.status.lock().note_store(written);
        Ok(())
    }

    /// Lets the file of alerts have those that it does not have. The work of this moment began at `begun`.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, and as `report` does.
    pub fn deliver(&mut self, patience: &mut Patience<impl Report>, begun: Instant) -> Result<()> {
        while let Some(batch) = patience.insist(|| self.store.undelivered())? {
            let alerts = batch.alerts.iter().map(|alert| alert.json.as_str());
            patience.report.write(&alerts.collect::<Vec<_>>())?;
            patience.insist(|| self.store.delivered(&batch))?;
        }
        self.work = begun.elapsed();
        Ok(())
    }

    /// Returns the time until a moment is stored again. It is shorter if there are news.
    pub fn pause(&self, has_news: bool) -> Duration {
        match has_news {
            true => LEAST_PAUSE_OF_NEWS.max(self.work * PAUSE_PER_WORK_OF_NEWS),
            false => LEAST_PAUSE.max(self.work * PAUSE_PER_WORK),
        }
    }
}

/// Takes the state of an earlier run. Returns the places from which inputs are followed.
fn go_on(
    store: &Store,
    earlier: Earlier,
    inputs: &mut [Input],
    scoring: &mut Scoring,
) -> Result<Vec<Option<Position>>> {
    let mut positions = Vec::new();
    for input in inputs.iter_mut() {
        let name = input.shown();
        let known = earlier.inputs.iter().position(|(known, _)| *known == name);
        let Some(known) = known else {
            positions.push(None);
            continue;
        };
        positions.push(input.go_on(earlier.inputs[known].1.clone(), scoring)?);
        if input.kind.goes_on_without_a_watch() {
            store.add_gap(&Gap {
                input: name,
                start: text(earlier.saved),
                end: text(Utc::now()),
                cause: NO_WATCH.to_owned(),
            })?;
        }
    }
    let kept = Kept {
        waiting: waiting(store, earlier.saved, earlier.waiting, inputs)?,
        parts: earlier.parts,
    };
    let watermark = scoring.settings.watermark;
    let restored = LiveIncidents::restored(watermark, kept, &events_of(inputs), 0.0);
    scoring.incidents = restored
        .map_err(|error| error.hint("go on with the model of the store, or begin a new store"))?;
    scoring.tally = Tally::going_on(earlier.ledger, earlier.anomalous);
    Ok(positions)
}

/// Returns the events that wait with the places of their inputs. Those of an input that this run does not have are a gap.
fn waiting(
    store: &Store,
    saved: DateTime<Utc>,
    stored: Vec<(String, KeptBatch)>,
    inputs: &[Input],
) -> Result<Vec<KeptBatch>> {
    let mut waiting = Vec::new();
    for (name, batch) in stored {
        match inputs.iter().position(|input| input.shown() == name) {
            Some(input) => waiting.push(KeptBatch { input, ..batch }),
            None => store.forget_waiting(&Gap {
                input: name,
                start: text(saved),
                end: text(Utc::now()),
                cause: NOT_NAMED.to_owned(),
            })?,
        }
    }
    Ok(waiting)
}

fn events_of(inputs: &[Input]) -> Vec<Option<&LiveEvents>> {
    inputs.iter().map(Input::events).collect()
}
