//! The scan that scores events, orders them by host and time, and folds them to incidents.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};

use super::assigned::{Assigned, Assigning};
use super::evidence::evidence;
use super::fold::{About, Outcome};
use super::hosts::Hosts;
use super::in_order;
use super::judge::{IncidentFigures, Judge, Judged};
use super::open::Anomalous;
use super::processes::SeenProcess;
use super::query::{
    ADDRESS, DESCRIBED, ENDS, HOST, IncidentQuery, PARENT, PATH, PROCESS, PROGRAM, SCORES, SECONDS,
    USER,
};
use super::recent::Recent;
use super::{ColumnValue, Incident, IncidentEvent, IncidentOptions, Incidents};
use crate::cells::{texts, value};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::explain::{Attribution, ExplainedEvent, REASONS, Reason};
use crate::features::row_key;
use crate::groups::Keys;
use crate::labels::{class_of, label_key};
use crate::model::Model;
use crate::naming::{command, parameter};
use crate::scan::{NumberedRows, Scan};
use crate::scorer::Scores;
use crate::source::{Source, no_events};
use crate::wording::of_them;

/// The number of events whose reasons are remembered.
const REMEMBERED: usize = 1 << 15;

/// Finds the incidents of `source`: the anomalous events of each host that belong together.
///
/// # Errors
/// Fails when the data lacks the recipe's columns or one of the columns of `options.by`, has no rows, or cannot be read,
/// and when the limit is out of range.
pub async fn incidents(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    options: &IncidentOptions,
) -> Result<Incidents> {
    let judged = judge_incidents(engine, model, source, options, &[]).await?;
    Ok(judged.found)
}

/// Finds the incidents of `source`, and judges them against each of `labels`.
///
/// # Errors
/// Fails as [`incidents`] does, and when the data lacks a label, or has one that is neither 0 nor 1.
pub(crate) async fn judge_incidents(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    options: &IncidentOptions,
    labels: &[String],
) -> Result<JudgedIncidents> {
    options.check()?;
    found(engine, model, source, options, labels, None).await
}

/// Finds the incident with the id `id` among those that [`incidents`] finds, whatever their scores.
///
/// # Errors
/// Fails as [`incidents`] does, and when no incident has this id.
pub async fn find_incident(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    id: &str,
    by: &[String],
) -> Result<Incidents> {
    let options = IncidentOptions {
        limit: 1,
        by: by.to_vec(),
    };
    let judged = found(engine, model, source, &options, &[], Some(id)).await?;
    let found = judged.found;
    if found.incidents.is_empty() {
        let n_found = of_them(found.found, "incident", "incidents");
        let why = format!(
            "{} {id}: none of the {n_found} has this id",
            parameter("incident")
        );
        return Err(Error::usage(why).hint(format!(
            "{} lists them; an id is that of the same model, the same data and the same {}",
            command("incidents"),
            parameter("incident_by")
        )));
    }
    Ok(found)
}

/// Finds incidents: those with the highest scores, or the one with the id `wanted`. All are judged against
/// `labels`.
async fn found(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    options: &IncidentOptions,
    labels: &[String],
    wanted: Option<&str>,
) -> Result<JudgedIncidents> {
    let mut keys = Keys::default();
    for label in labels {
        keys.add(label_key(source, label)?);
    }
    let plan = model.recipe().plan(engine, source)?;
    let clock = Clock::of(engine, source).await?;
    let query = IncidentQuery::new(engine, model, source, &plan, clock.as_ref(), options)?;
    let query = Arc::new(query.with_labels(&keys));
    let scan = Scan::new(engine, "finding incidents")
        .columns(&query.needed)
        .features(model.recipe(), &plan)
        .keys(&keys);
    let listed = Listed::new(options.limit, wanted);
    let start = || Ok(Fold::listing(&query, listed.clone()).judging(labels));
    let step = |fold: &mut Fold, batch: &RecordBatch| {
        fold.push(batch)?;
        fold.take_merged();
        Ok(())
    };
    let numbered = |fold: &mut Fold, rows: NumberedRows| step(fold, &rows.batch);
    let found = match in_order::fold(&scan, source, &query, start, numbered).await? {
        Some(found) => found,
        None => {
            let select = |table| query.sort(query.select(table)?);
            scan.fold(source, start, select, step).await?
        }
    };
    let mut judged = found.finish();
    if judged.found.events == 0 {
        return Err(no_events(source));
    }
    judged.found.times_are_dates = clock.map(|clock| clock.is_date);
    Ok(judged)
}

/// Incidents that were judged against labels.
pub(crate) struct JudgedIncidents {
    pub found: Incidents,
    /// Whether each listed incident holds an event with each label.
    pub held: Vec<Vec<bool>>,
    /// The figures against each label.
    pub figures: Vec<IncidentFigures>,
}

/// Returns the number of the incidents that [`incidents`] finds, and to which of them each anomalous event belongs, by the
/// event's number in the data.
///
/// # Errors
/// Fails as [`incidents`] does, and when the temporary folder has no space.
pub(crate) async fn assign(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    by: &[String],
) -> Result<(u64, Assigned)> {
    let options = IncidentOptions {
        limit: 1,
        by: by.to_vec(),
    };
    let plan = model.recipe().plan(engine, source)?;
    let clock = Clock::of(engine, source).await?;
    let query = IncidentQuery::new(engine, model, source, &plan, clock.as_ref(), &options)?;
    let query = Arc::new(query);
    let scan = Scan::new(engine, "finding incidents")
        .columns(&query.needed)
        .features(model.recipe(), &plan);
    let listed = Listed::new(options.limit, None);
    let start = || Ok((Fold::listing(&query, listed.clone()), Assigning::new()));
    let step = |(fold, assigning): &mut (Fold, Assigning), rows: NumberedRows| {
        let numbers = rows.numbers;
        let mut assign = |row: usize, id: &str| assigning.add(numbers.value(row), id);
        fold.push_all(&rows.batch, &mut assign)?;
        let merged = fold.take_merged();
        let mut merged = merged.iter();
        merged.try_for_each(|(incident, into)| assigning.merge(&incident.id, into))
    };
    let folded = match in_order::fold(&scan, source, &query, start, step).await? {
        Some(folded) => folded,
        None => {
            let (select, sort) = (|table| query.select(table), |rows| query.sort(rows));
            scan.fold_numbered(source, start, select, sort, step)
                .await?
        }
    };
    let (fold, assigning) = folded;
    let found = fold.finish().found.found;
    Ok((found, assigning.finish()?))
}

/// The incidents so far.
pub(super) struct Fold {
    query: Arc<IncidentQuery>,
    attribution: Attribution<'static>,
    /// The reasons of anomalous events by the texts of the columns that features read, and of the inputs.
    reasons: HashMap<Vec<Option<String>>, Arc<[Reason]>>,
    pub hosts: Hosts,
    listed: Listed,
    /// The names of the labels, and what compares incidents with them.
    labels: Vec<String>,
    judge: Judge,
    events: u64,
    anomalous: u64,
    /// The number of incidents that were opened.
    opened: u64,
    /// The incidents that became parts of others, each with the id of that one.
    merged: Vec<(Incident, String)>,
    /// The events that came lately, if they are kept.
    pub recent: Option<Recent>,
}

/// What is told of the row of an anomalous event: the id of its incident.
type Joined<'a> = dyn FnMut(usize, &str) -> Result<()> + 'a;

impl in_order::Folds for Fold {
    fn hosts(&mut self) -> &mut Hosts {
        &mut self.hosts
    }
}

impl in_order::Folds for (Fold, Assigning) {
    fn hosts(&mut self) -> &mut Hosts {
        &mut self.0.hosts
    }
}

/// The incidents with the highest scores, and the number of all.
#[derive(Clone)]
struct Listed {
    limit: usize,
    /// The id of the only incident that is listed.
    wanted: Option<String>,
    found: u64,
    /// The incidents, each with the labels that its events have, one bit for each.
    incidents: Vec<(Incident, u64)>,
}

impl Fold {
    /// Returns a fold of no events yet, which lists the `limit` incidents with the highest scores.
    pub fn new(query: &Arc<IncidentQuery>, limit: usize, hosts: Hosts) -> Self {
        Self {
            hosts,
            ..Self::listing(query, Listed::new(limit, None))
        }
    }

    /// Returns a fold of no events yet, which come in the order of their hosts.
    fn listing(query: &Arc<IncidentQuery>, listed: Listed) -> Self {
        Self {
            attribution: Attribution::shared(&query.model),
            query: Arc::clone(query),
            reasons: HashMap::new(),
            hosts: Hosts::one_by_one(),
            listed,
            labels: Vec::new(),
            judge: Judge::new(0),
            events: 0,
            anomalous: 0,
            opened: 0,
            merged: Vec::new(),
            recent: None,
        }
    }

    /// Judges incidents against labels, which are the last columns of the query.
    fn judging(self, labels: &[String]) -> Self {
        Self {
            labels: labels.to_vec(),
            judge: Judge::new(labels.len()),
            ..self
        }
    }

    /// Takes a batch of the query.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.push_all(batch, &mut |_, _| Ok(()))
    }

    /// Takes a batch of the query. `joined` is given the row of each anomalous event and the id of its incident.
    fn push_all(&mut self, batch: &RecordBatch, joined: &mut Joined) -> Result<()> {
        let described = Described::new(&self.query, batch)?;
        let columns = EventColumns::new(batch, self.query.first_label());
        let mut row_of_anomalous = 0;
        for row in 0..batch.num_rows() {
            let is_anomalous = described.is_anomalous.value(row);
            let event = match is_anomalous {
                true => {
                    row_of_anomalous += 1;
                    Some(row_of_anomalous - 1)
                }
                false => None,
            };
            self.see(&columns, row, &described, event, joined)?;
        }
        self.events += batch.num_rows() as u64;
        self.anomalous += row_of_anomalous as u64;
        Ok(())
    }

    /// Takes one event. `anomalous` is its row among the anomalous events of the batch.
    fn see(
        &mut self,
        columns: &EventColumns,
        row: usize,
        described: &Described,
        anomalous: Option<usize>,
        joined: &mut Joined,
    ) -> Result<()> {
        let host = value(columns.host, row);
        let reasons = match anomalous {
            Some(row) => self.reasons(described, row)?,
            None => Arc::default(),
        };
        let about = match self.query.has_processes {
            true => columns.process(row),
            false => About::Values(match anomalous {
                Some(row) => described.values(&self.query, row, &reasons)?,
                None => Arc::default(),
            }),
        };
        let time = columns.time(row);
        let labels = columns.classes(&self.labels, row)?;
        let (listed, judge, merged) = (&mut self.listed, &mut self.judge, &mut self.merged);
        let mut recent = self.recent.as_mut();
        judge.turn_to(host);
        let mut told = |outcome| match outcome {
            Outcome::Ended { incident, .. } => {
                let held = judge.end(&incident.id);
                listed.push(incident, held);
            }
            Outcome::Merged { incident, into, .. } => {
                judge.merge(&incident.id, &into);
                if let Some(recent) = &mut recent {
                    recent.merge(&incident.id, &into);
                }
                merged.push((incident, into));
            }
        };
        let mut judged = Judged {
            host,
            time,
            labels: &labels,
            incident: None,
        };
        let fold = self.hosts.of(host, self.query.lineages, &mut told);
        let Some(at) = anomalous else {
            fold.see(time, &about, None, &mut told);
            judge.see(&judged);
            return Ok(());
        };
        let event = || described.event(&self.query, at);
        let row_key = row_key(described.scores.features(at));
        let score = described.scores.values()[at];
        let anomalous = Anomalous {
            score,
            evidence: evidence(score, self.query.model.threshold()),
            row: &row_key,
            reasons: &reasons,
            user: described.text(USER, at),
            new_program: described.new_program(&self.query, at)?,
            path: described.text(PATH, at),
            address: described.text(ADDRESS, at),
            event: &event,
        };
        let (number, opened) = (fold.n_anomalous() + 1, fold.opened());
        judged.incident = fold.see(time, &about, Some(&anomalous), &mut told);
        judge.see(&judged);
        if let (Some(recent), Some(incident)) = (&mut self.recent, judged.incident) {
            let event = IncidentEvent {
                number,
                time,
                score,
                event: event(),
            };
            recent.add(incident, event);
        }
        let taken = match judged.incident {
            Some(id) => joined(row, id),
            None => Ok(()),
        };
        self.opened += fold.opened() - opened;
        taken
    }

    /// Returns the reasons of an anomalous event; none if the model cannot be explained.
    pub fn reasons(&mut self, described: &Described, row: usize) -> Result<Arc<[Reason]>> {
        let key = texts(&described.read, row)?;
        if let Some(known) = self.reasons.get(&key) {
            return Ok(Arc::clone(known));
        }
        let mut columns = texts(&described.columns[DESCRIBED..], row)?;
        let inputs = columns.split_off(self.query.described.len());
        let names = self.query.described.iter().cloned();
        let columns: Vec<_> = names.zip(columns).collect();
        let event = ExplainedEvent {
            features: described.scores.features(row),
            inputs: &inputs,
            columns: &columns,
        };
        let reasons = self.attribution.strongest(&event, REASONS);
        let reasons: Arc<[Reason]> = reasons.unwrap_or_default().into();
        if self.reasons.len() >= REMEMBERED {
            self.reasons.clear();
        }
        self.reasons.insert(key, Arc::clone(&reasons));
        Ok(reasons)
    }

    /// Takes the incidents that have ended.
    pub fn take_ended(&mut self) -> Vec<Incident> {
        let ended = std::mem::take(&mut self.listed.incidents);
        ended.into_iter().map(|(incident, _)| incident).collect()
    }

    /// Takes the incidents that became parts of others, each with the id of that one.
    pub fn take_merged(&mut self) -> Vec<(Incident, String)> {
        std::mem::take(&mut self.merged)
    }

    /// Takes the number of incidents that were opened since the last call.
    pub fn take_opened(&mut self) -> u64 {
        std::mem::take(&mut self.opened)
    }

    /// Takes the number of anomalous events since the last call.
    pub fn take_anomalous(&mut self) -> u64 {
        std::mem::take(&mut self.anomalous)
    }

    fn finish(mut self) -> JudgedIncidents {
        let (listed, judge) = (&mut self.listed, &mut self.judge);
        self.hosts.finish(&mut |outcome| {
            if let Outcome::Ended { incident, .. } = outcome {
                let held = judge.end(&incident.id);
                listed.push(incident, held);
            }
        });
        let found = self.listed.found;
        let (incidents, held): (Vec<_>, Vec<_>) = self.listed.finish().into_iter().unzip();
        let labels = 0..self.labels.len();
        let held = held
            .into_iter()
            .map(|held: u64| labels.clone().map(|label| held >> label & 1 == 1).collect());
        JudgedIncidents {
            held: held.collect(),
            found: Incidents {
                events: self.events,
                anomalous: self.anomalous,
                found,
                times_are_dates: None,
                incidents,
            },
            figures: self.judge.finish(),
        }
    }
}

/// The columns of every event of a batch.
pub(super) struct EventColumns<'a> {
    host: &'a ArrayRef,
    seconds: &'a Float64Array,
    ends: &'a BooleanArray,
    number: &'a Int64Array,
    parent: &'a Int64Array,
    program: &'a ArrayRef,
    labels: Vec<&'a Int64Array>,
}

impl<'a> EventColumns<'a> {
    /// Takes the columns of a batch, of which those from `first_label` on are labels.
    pub fn new(batch: &'a RecordBatch, first_label: usize) -> Self {
        let labels = batch.columns()[first_label..].iter();
        Self {
            labels: labels.map(|label| label.as_primitive()).collect(),
            host: batch.column(HOST),
            seconds: batch.column(SECONDS).as_primitive::<Float64Type>(),
            ends: batch.column(ENDS).as_boolean(),
            number: batch.column(PROCESS).as_primitive::<Int64Type>(),
            parent: batch.column(PARENT).as_primitive::<Int64Type>(),
            program: batch.column(PROGRAM),
        }
    }

    /// Returns whether each label of an event is 1.
    ///
    /// # Errors
    /// Fails when a label is neither 0 nor 1.
    fn classes(&self, labels: &[String], row: usize) -> Result<Vec<bool>> {
        let classes = labels.iter().enumerate();
        classes
            .map(|(place, label)| class_of(label, self.label(place, row)))
            .collect()
    }

    /// Returns the value of a label of an event.
    pub fn label(&self, label: usize, row: usize) -> Option<i64> {
        let column = self.labels[label];
        column.is_valid(row).then(|| column.value(row))
    }

    /// Returns the time of an event, in seconds.
    pub fn time(&self, row: usize) -> Option<f64> {
        let seconds = self.seconds;
        seconds.is_valid(row).then(|| seconds.value(row))
    }

    /// Returns what an event says of its process. An event without one belongs to the process 0.
    pub fn process(&self, row: usize) -> About<'a> {
        let number = |column: &Int64Array| column.is_valid(row).then(|| column.value(row));
        About::Process(SeenProcess {
            number: number(self.number).unwrap_or(0),
            parent: number(self.parent),
            program: value(self.program, row),
            ends: self.ends.is_valid(row) && self.ends.value(row),
        })
    }
}

/// The anomalous events of a batch.
pub(super) struct Described {
    /// Which events of the batch are anomalous.
    pub is_anomalous: BooleanArray,
    /// The columns of the anomalous events.
    columns: Vec<ArrayRef>,
    /// Those of them that determine reasons.
    read: Vec<ArrayRef>,
    scores: Scores,
}

impl Described {
    pub fn new(query: &IncidentQuery, batch: &RecordBatch) -> Result<Self> {
        let scores = batch.column(SCORES).as_primitive::<Float64Type>();
        let threshold = query.model.threshold();
        let is_anomalous: BooleanArray = scores
            .values()
            .iter()
            .map(|score| Some(threshold.flags(*score)))
            .collect();
        let anomalous = filter_record_batch(batch, &is_anomalous)
            .map_err(|error| Error::internal(format!("anomalous events: {error}")))?;
        let scores = anomalous
            .column(SCORES)
            .as_primitive::<Float64Type>()
            .values()
            .to_vec();
        let first_input = DESCRIBED + query.described.len();
        let columns = &anomalous.columns()[..query.first_label()];
        let inputs = columns[first_input..].to_vec();
        let read = query.read.iter().map(|place| DESCRIBED + place);
        let read = read.chain(first_input..columns.len());
        Ok(Self {
            read: read.map(|place| Arc::clone(&columns[place])).collect(),
            scores: Scores::known(&query.model, inputs, scores)?,
            is_anomalous,
            columns: columns.to_vec(),
        })
    }

    fn text(&self, column: usize, row: usize) -> Option<&str> {
        value(&self.columns[column], row)
    }

    /// Returns the columns that identify an event.
    fn event(&self, query: &IncidentQuery, row: usize) -> Event {
        let places = 0..query.identifying;
        let columns = places.map(|place| {
            let text = self.text(DESCRIBED + place, row).map(str::to_owned);
            (query.described[place].clone(), text)
        });
        let types = query.types[..query.identifying].iter().cloned();
        Event::new(columns.collect(), types.collect())
    }

    /// Returns the program of an event if training never saw it.
    fn new_program(&self, query: &IncidentQuery, row: usize) -> Result<Option<&str>> {
        let Some(feature) = query.program_feature else {
            return Ok(None);
        };
        let inputs = self.scores.inputs(row)?;
        let sighting = query.model.encoder.sighting(feature, &inputs);
        let is_new = sighting.count == 0;
        Ok(self.text(PROGRAM, row).filter(|_| is_new))
    }

    /// Returns the values that tell the incidents of an event apart: those of the named columns, or the feature that is
    /// the strongest reason.
    pub fn values(
        &self,
        query: &IncidentQuery,
        row: usize,
        reasons: &[Reason],
    ) -> Result<Arc<[ColumnValue]>> {
        if query.by.is_empty() {
            let feature = reasons.first().map(|reason| reason.feature.clone());
            return Ok([ColumnValue {
                column: "strongest reason".to_owned(),
                value: feature,
            }]
            .into());
        }
        let values = query.by.iter().map(|place| ColumnValue {
            column: query.described[*place].clone(),
            value: self.text(DESCRIBED + place, row).map(str::to_owned),
        });
        Ok(values.collect())
    }
}

impl Listed {
    fn new(limit: usize, wanted: Option<&str>) -> Self {
        Self {
            limit,
            wanted: wanted.map(str::to_owned),
            found: 0,
            incidents: Vec::new(),
        }
    }

    fn push(&mut self, incident: Incident, held: u64) {
        self.found += 1;
        if self
            .wanted
            .as_ref()
            .is_some_and(|wanted| *wanted != incident.id)
        {
            return;
        }
        self.incidents.push((incident, held));
        if self.incidents.len() >= self.limit.saturating_mul(2) {
            self.rank();
        }
    }

    fn rank(&mut self) {
        self.incidents.sort_unstable_by(|(left, _), (right, _)| {
            let higher = right.score.total_cmp(&left.score);
            higher.then_with(|| left.id.cmp(&right.id))
        });
        self.incidents.truncate(self.limit);
    }

    fn finish(mut self) -> Vec<(Incident, u64)> {
        self.rank();
        self.incidents
    }
}
