//! The number of incidents at each of several thresholds, in one pass.
//!
//! Which events are anomalous changes nothing about processes and their ancestors. So one table of processes serves all
//! thresholds, and an event is given to the fold of every threshold that is below its score. Each fold is a [`HostFold`],
//! so the counts are those that finding incidents with the threshold gives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Float64Type;

use super::IncidentOptions;
use super::fold::{About, HostFold, Outcome, Placed};
use super::hosts::Hosts;
use super::open::{Anomalous, Subject};
use super::processes::{Lineage, Processes, SeenProcess};
use super::query::{HOST, IncidentQuery, SCORES};
use super::scan::{Described, EventColumns, Fold};
use crate::cells::value;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::{Key, Keys};
use crate::model::Model;
use crate::scan::Scan;
use crate::source::Source;

/// The number of incidents of a threshold by the place of their first event.
pub(crate) type IncidentsByPlace = BTreeMap<u32, u64>;

/// Counts the incidents of `source` that `model` would find at each of `thresholds`, which descend. `place` is the key of
/// the place at which an event is counted.
///
/// # Errors
/// Fails when the data lacks the recipe's columns or cannot be read.
pub(crate) async fn count_incidents(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    thresholds: &[f64],
    place: Key,
) -> Result<Vec<IncidentsByPlace>> {
    let Some(lowest) = thresholds.last() else {
        return Ok(Vec::new());
    };
    let mut lowered = model.clone();
    lowered.threshold.value = *lowest;
    let keys = Keys::from(place);
    let plan = model.recipe().plan(engine, source)?;
    let clock = Clock::of(engine, source).await?;
    let options = IncidentOptions::default();
    let query = IncidentQuery::new(engine, &lowered, source, &plan, clock.as_ref(), &options)?;
    let mut query = query.with_labels(&keys);
    if query.has_processes {
        // Processes alone tell incidents apart.
        query.of_anomalous.clear();
    }
    let query = Arc::new(query);
    let scan = Scan::new(engine, "counting incidents")
        .columns(&query.needed)
        .features(model.recipe(), &plan)
        .keys(&keys);
    let start = || Ok(Counter::new(&query, thresholds));
    let select = |table| query.sort(query.select(table)?);
    let counter = scan.fold(source, start, select, Counter::push).await?;
    Ok(counter.counts)
}

/// The state of the pass.
struct Counter<'a> {
    query: Arc<IncidentQuery>,
    thresholds: &'a [f64],
    counts: Vec<IncidentsByPlace>,
    /// Explains events, in a log without processes.
    explainer: Fold,
    /// The current host, its processes, and its incidents at each threshold.
    host: Option<Option<String>>,
    processes: Processes,
    folds: Vec<Counts>,
}

/// The incidents of the current host at one threshold.
struct Counts {
    fold: HostFold,
    /// The place of the first event of each open incident, by the incident's number.
    places: HashMap<u64, u32>,
}

/// An event above the lowest threshold.
struct Counted {
    score: f64,
    time: Option<f64>,
    subject: Subject,
    family: Option<Lineage>,
    place: u32,
}

impl<'a> Counter<'a> {
    fn new(query: &Arc<IncidentQuery>, thresholds: &'a [f64]) -> Self {
        Self {
            thresholds,
            counts: vec![IncidentsByPlace::new(); thresholds.len()],
            explainer: Fold::new(query, 1, Hosts::one_by_one()),
            host: None,
            processes: Processes::new(query.lineages),
            folds: Vec::new(),
            query: Arc::clone(query),
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let described = match self.query.has_processes {
            true => None,
            false => Some(Described::new(&self.query, batch)?),
        };
        let columns = EventColumns::new(batch, self.query.first_label());
        let scores = batch.column(SCORES).as_primitive::<Float64Type>();
        let hosts = batch.column(HOST);
        // The row of an event among those above the lowest threshold
        let mut above = 0;
        for row in 0..batch.num_rows() {
            let host = value(hosts, row);
            if self.host.as_ref().is_none_or(|of| of.as_deref() != host) {
                self.begin(host);
            }
            let score = scores.value(row);
            let is_above = self.thresholds.last().is_some_and(|last| score > *last);
            let subject = match &described {
                None => match columns.process(row) {
                    About::Process(seen) => Some(self.see(&seen, columns.time(row))),
                    About::Values(_) => None,
                },
                Some(described) if is_above => {
                    let reasons = self.explainer.reasons(described, above)?;
                    let values = described.values(&self.query, above, &reasons)?;
                    Some(Subject::Values(values))
                }
                Some(_) => None,
            };
            above += usize::from(is_above);
            if let Some(subject) = subject.filter(|_| is_above) {
                let family = match &subject {
                    Subject::Process(id) => Some(self.processes.lineage(*id)),
                    Subject::Job(_) | Subject::Values(_) => None,
                };
                self.count(&Counted {
                    score,
                    time: columns.time(row),
                    subject,
                    family,
                    place: columns
                        .label(0, row)
                        .and_then(|place| u32::try_from(place).ok())
                        .unwrap_or(0),
                });
            }
        }
        Ok(())
    }

    /// Takes what an event says of its process, and returns the process.
    fn see(&mut self, seen: &SeenProcess, time: Option<f64>) -> Subject {
        let sighting = self.processes.see(seen);
        if sighting.finds_parent {
            let family = self.processes.lineage(sighting.id);
            for (Counts { fold, places }, counts) in self.folds.iter_mut().zip(&mut self.counts) {
                let mut told = |outcome| count_outcome(places, counts, &outcome);
                fold.find_parent(time, &family, &mut told);
            }
        }
        Subject::Process(sighting.id)
    }

    fn begin(&mut self, host: Option<&str>) {
        self.host = Some(host.map(str::to_owned));
        self.processes = Processes::new(self.query.lineages);
        let counts = || Counts {
            fold: HostFold::new(None, self.query.lineages),
            places: HashMap::new(),
        };
        self.folds = self.thresholds.iter().map(|_| counts()).collect();
    }

    /// Gives an event to the folds of the thresholds below its score.
    fn count(&mut self, counted: &Counted) {
        let anomalous = Anomalous::counted(counted.score);
        let not_below = |threshold: &f64| *threshold >= counted.score;
        let first = self.thresholds.partition_point(not_below);
        for (Counts { fold, places }, counts) in self.folds[first..]
            .iter_mut()
            .zip(&mut self.counts[first..])
        {
            let before = fold.opened();
            fold.forget_members(&self.processes);
            let placed = Placed {
                subject: counted.subject.clone(),
                family: counted.family.as_ref(),
                process: None,
                program: None,
            };
            let mut told = |outcome| count_outcome(places, counts, &outcome);
            fold.add(counted.time, placed, &anomalous, &mut told);
            if fold.opened() > before {
                places.insert(fold.opened(), counted.place);
                *counts.entry(counted.place).or_default() += 1;
            }
        }
    }
}

/// Takes what became of an incident: one that is a part of another is not counted.
fn count_outcome(places: &mut HashMap<u64, u32>, counts: &mut IncidentsByPlace, outcome: &Outcome) {
    let (Outcome::Ended { number, .. } | Outcome::Merged { number, .. }) = outcome;
    let place = places.remove(number);
    if matches!(outcome, Outcome::Merged { .. })
        && let Some(place) = place
        && let Some(count) = counts.get_mut(&place)
    {
        *count -= 1;
        if *count == 0 {
            counts.remove(&place);
        }
    }
}
