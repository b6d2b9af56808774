//! The store of a watch: when a moment is stored, and what an earlier run left.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use honeyguide::Result;
use honeyguide::incident::{Change, ChangeKind, KeptIncidents, LiveEvents, LiveIncidents};

use super::input::Input;
use super::report::Report;
use super::scoring::Scoring;
use super::tally::Tally;
use crate::database::text;
use crate::ledger::Ledger;
use crate::position::Position;
use crate::store::{About, Earlier, Gap, Moment, Store, StoredIncident};

/// The least time between two moments that are stored.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The time between two such moments is this many times what it takes to store one.
const PAUSE_PER_WORK: u32 = 20;
/// The cause of a gap of an input that goes on without a watch.
const NO_WATCH: &str = "no watch was running";

/// The store of a watch.
pub(super) struct Saving {
    store: Store,
    about: About,
    /// When a moment was stored last, also by an earlier run.
    last: DateTime<Utc>,
    /// The time until one is stored again.
    pub pause: Duration,
}

impl Saving {
    /// Begins to keep a watch in `store`, and goes on from what an earlier run has left there. Returns the place of each
    /// input from which it is to be followed, if it was followed before.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, or another model reads other columns.
    pub fn begin(
        store: Store,
        is_simulated: bool,
        inputs: &mut [Input],
        scoring: &mut Scoring,
    ) -> Result<(Self, Vec<Option<Position>>)> {
        let mut positions = vec![None; inputs.len()];
        let mut last = Utc::now();
        if let Some(earlier) = store.earlier()? {
            last = earlier.saved;
            positions = go_on(&store, earlier, inputs, scoring)?;
        }
        let about = About {
            model: scoring.fingerprint(),
            times_are_dates: None,
            is_simulated,
        };
        let saving = Self {
            store,
            about,
            last,
            pause: LEAST_PAUSE,
        };
        Ok((saving, positions))
    }

    /// Adds a gap of an input since the store was written last.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn add_gap(&self, input: &Input, cause: &str) -> Result<()> {
        self.store.add_gaps(&[Gap {
            input: input.shown(),
            start: text(self.last),
            end: text(Utc::now()),
            cause: cause.to_owned(),
        }])
    }

    /// Stores a moment: the incidents that have changed, new alerts, and all from which a later run goes on.
    ///
    /// # Errors
    /// Fails when the store cannot be written.
    pub fn save(
        &mut self,
        inputs: &mut [Input],
        scoring: &mut Scoring,
        ledger: Ledger,
        changes: &[Change],
        alerts: Vec<(String, String)>,
    ) -> Result<()> {
        let grown = scoring.incidents.grown();
        let merged = scoring.incidents.take_merged();
        let kept = scoring.incidents.keep(&events_of(inputs))?;
        let changed = changes.iter().map(|change| StoredIncident {
            incident: &change.incident,
            is_closed: change.kind == ChangeKind::Closed,
            revision: change.revision,
        });
        let grown = grown.iter().map(|incident| {
            let (revision, is_closed) = scoring.incidents.reported(&incident.id);
            scoring.status.lock().note(incident, !is_closed);
            StoredIncident {
                incident,
                is_closed,
                revision,
            }
        });
        let incidents = changed.chain(grown).collect();
        self.about.model = scoring.fingerprint();
        self.about.times_are_dates = times_are_dates(inputs);
        self.last = Utc::now();
        self.store.write(&Moment {
            time: self.last,
            about: &self.about,
            bad_records: scoring.tally.take_bad_records(),
            anomalous: scoring.tally.anomalous,
            incidents,
            merged,
            alerts,
            ledger,
            inputs: inputs.iter_mut().map(Input::stored).collect(),
            kept,
        })
    }

    /// Lets `report` write the alerts that its file does not have. The work of this moment began at `begun`.
    ///
    /// # Errors
    /// Fails when the store cannot be read or written, and as `report` does.
    pub fn deliver(&mut self, report: &mut impl Report, begun: Instant) -> Result<()> {
        loop {
            let undelivered = self.store.undelivered()?;
            if undelivered.is_empty() {
                break;
            }
            let alerts = undelivered.iter().map(|alert| alert.json.as_str());
            report.write(&alerts.collect::<Vec<_>>())?;
            self.store.delivered(&undelivered)?;
        }
        self.pause = LEAST_PAUSE.max(begun.elapsed() * PAUSE_PER_WORK);
        Ok(())
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
    let mut waiting = Vec::new();
    for input in inputs.iter_mut() {
        let name = input.shown();
        let known = earlier.inputs.iter().position(|(known, _)| *known == name);
        let Some(known) = known else {
            positions.push(None);
            waiting.push(None);
            continue;
        };
        positions.push(input.go_on(earlier.inputs[known].1.clone(), scoring)?);
        waiting.push(earlier.kept.waiting[known].clone());
        if input.kind.goes_on_without_a_watch() {
            store.add_gaps(&[Gap {
                input: name,
                start: text(earlier.saved),
                end: text(Utc::now()),
                cause: NO_WATCH.to_owned(),
            }])?;
        }
    }
    let kept = KeptIncidents {
        state: earlier.kept.state,
        waiting,
    };
    let watermark = scoring.settings.watermark;
    let restored = LiveIncidents::restored(watermark, &kept, &events_of(inputs), 0.0);
    scoring.incidents = restored
        .map_err(|error| error.hint("go on with the model of the store, or begin a new store"))?;
    scoring.tally = Tally::going_on(earlier.ledger, earlier.anomalous);
    Ok(positions)
}

fn events_of(inputs: &[Input]) -> Vec<Option<&LiveEvents>> {
    inputs.iter().map(Input::events).collect()
}

/// Returns whether the times of events count from 1970-01-01 UTC.
pub(super) fn times_are_dates(inputs: &[Input]) -> Option<bool> {
    let events = inputs.iter().filter_map(Input::events);
    events.filter_map(LiveEvents::times_are_dates).next()
}
