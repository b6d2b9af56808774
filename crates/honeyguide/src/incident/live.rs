//! Incidents of events that arrive one by one: the fold of the batch commands, and what changes with every step of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use super::arriving::{LiveEvents, ScoredEvents};
use super::fold::{HostFold, Outcome};
use super::hosts::Hosts;
use super::query::{HOST, IncidentQuery};
use super::recent::Recent;
use super::scan::Fold;
use super::waiting::{HostTimes, Release, Released, Waiting};
use super::{Incident, IncidentEvent};
use crate::error::{Error, Result};

/// The time in seconds for which an event waits for earlier ones by default.
pub const WATERMARK: f64 = 2.0;
/// The greatest number of hosts whose incidents are followed at once. When there are more, those of which nothing was seen
/// for longest are forgotten, and their incidents end.
pub const MAX_LIVE_HOSTS: usize = 4096;
/// The greatest number of processes of all hosts that are remembered. Beyond it hosts are forgotten as above.
pub const MAX_LIVE_PROCESSES: usize = 1 << 20;
/// The time in seconds between two updates of an incident.
pub const UPDATE_SECONDS: f64 = 60.0;

/// The incidents of events that arrive one by one.
pub struct LiveIncidents {
    waiting: Waiting,
    folds: Vec<(Arc<IncidentQuery>, Fold)>,
    hosts: Option<Hosts>,
    /// Incidents that have ended and are not reported yet.
    ended: Vec<Incident>,
    /// Incidents that became parts of others and are not reported yet, each with the id of that one.
    merged: Vec<(Incident, String)>,
    /// The ids of both since the last call of [`take_merged`](Self::take_merged).
    merged_ids: Vec<(String, String)>,
    /// The events that came lately, if they are kept.
    recent: Option<Recent>,
    /// Whether an incident has opened or ended since the last call of [`changes`](Self::changes).
    has_news: bool,
    reported: HashMap<String, Reported>,
    /// When the last event of each host came.
    seen: HashMap<Option<String>, f64>,
    counts: LiveCounts,
    /// The number of events of each open incident when it was last given out by [`grown`](Self::grown).
    given: HashMap<String, u64>,
}

/// The state of live incidents, from which they go on later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptIncidents {
    /// The processes, the open incidents and the counts, as JSON of this release.
    pub state: String,
    /// The events of each input that wait for earlier ones, as a stream of Arrow IPC; `None` if there are none.
    pub waiting: Vec<Option<Vec<u8>>>,
}

/// What is kept as JSON.
#[derive(Serialize, Deserialize)]
struct State<F> {
    hosts: Vec<F>,
    times: Vec<(Option<String>, HostTimes)>,
    late: u64,
    reported: HashMap<String, Reported>,
    counts: LiveCounts,
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCounts {
    /// The number of events that were folded.
    pub folded: u64,
    /// The number of anomalous events among them, each of which is in one incident.
    pub anomalous: u64,
    /// The number of events that came after later ones of their host had been folded. They are in incidents all the same.
    pub late: u64,
    /// The number of incidents that were opened.
    pub opened: u64,
    /// The number of hosts that were forgotten because there were too many.
    pub forgotten_hosts: u64,
}

/// What is known of an incident that was reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reported {
    revision: u64,
    events: u64,
    /// When it was reported last.
    #[serde(skip)]
    at: f64,
    is_closed: bool,
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Its first events came.
    Opened,
    /// More events came.
    Updated,
    /// It is over, or a part of another one.
    Closed,
}

impl ChangeKind {
    /// Returns the name of the kind, as in an alert.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }
}

/// An incident that has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happened to it.
    pub kind: ChangeKind,
    /// The number of the change, from 1 for each incident.
    pub revision: u64,
    /// The incident as it is now.
    pub incident: Incident,
    /// The id of the incident that goes on with the events, if the two turned out to belong together.
    pub merged_into: Option<String>,
}

impl LiveIncidents {
    /// Returns the incidents of no events yet. An event waits for earlier ones of its host until one comes that is
    /// `watermark` seconds later.
    #[must_use]
    pub fn new(watermark: f64) -> Self {
        Self {
            waiting: Waiting::new(watermark),
            folds: Vec::new(),
            hosts: Some(Hosts::at_once()),
            ended: Vec::new(),
            merged: Vec::new(),
            merged_ids: Vec::new(),
            recent: None,
            has_news: false,
            reported: HashMap::new(),
            seen: HashMap::new(),
            counts: LiveCounts::default(),
            given: HashMap::new(),
        }
    }

    /// Adds events that came at `now`, a time in seconds of a clock that never goes back.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn add(&mut self, events: &ScoredEvents, now: f64) -> Result<()> {
        self.waiting.add(events, now)?;
        let released = self.waiting.release(Release::Due)?;
        self.fold(released, now)
    }

    /// Folds the events of hosts of which nothing has come for `seconds`. No earlier one is expected of them.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn end_silences(&mut self, now: f64, seconds: f64) -> Result<()> {
        let silent = Release::SilentSince(now - seconds);
        let released = self.waiting.release(silent)?;
        self.fold(released, now)
    }

    /// Folds the events that still wait for earlier ones.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn wait_no_longer(&mut self, now: f64) -> Result<()> {
        let released = self.waiting.release(Release::All)?;
        self.fold(released, now)
    }

    /// Returns the number of events that wait for earlier ones.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the number of incidents that are open.
    #[must_use]
    pub fn open_incidents(&self) -> usize {
        let reported = self.reported.values();
        reported.filter(|reported| !reported.is_closed).count()
    }

    /// Returns what became of the events so far.
    #[must_use]
    pub fn counts(&self) -> LiveCounts {
        LiveCounts {
            late: self.waiting.late,
            ..self.counts
        }
    }

    /// Returns whether an incident has opened or ended, also as a part of another, since the last call of
    /// [`changes`](Self::changes).
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Returns what has changed by `now`. An incident that gets more events is updated at most once in [`UPDATE_SECONDS`].
    /// A host of which no event comes is taken to go on in its time, so that its incidents end.
    pub fn changes(&mut self, now: f64) -> Vec<Change> {
        self.has_news = false;
        let mut changes = Vec::new();
        let Some(hosts) = self.hosts.take() else {
            return changes;
        };
        for fold in hosts.iter() {
            let seen = self.seen.get(&fold.host().map(str::to_owned));
            let silent = seen.map_or(0.0, |seen| now - seen);
            let time = self.waiting.latest(fold.host());
            let time = time.map(|time| time + silent.max(0.0));
            self.changes_of(fold, time, now, &mut changes);
        }
        self.hosts = Some(hosts);
        for (incident, into) in std::mem::take(&mut self.merged) {
            self.merged_ids.push((incident.id.clone(), into.clone()));
            // Nobody was told of the others.
            if let Some(known) = self.reported.remove(&incident.id) {
                changes.push(Change {
                    kind: ChangeKind::Closed,
                    revision: known.revision + 1,
                    incident,
                    merged_into: Some(into),
                });
            }
        }
        for incident in std::mem::take(&mut self.ended) {
            let id = incident.id.clone();
            self.close(incident, now, &mut changes);
            self.reported.remove(&id);
        }
        changes
    }

    /// Ends all incidents, since there are no more events, and returns what has changed.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn finish(&mut self, now: f64) -> Result<Vec<Change>> {
        self.wait_no_longer(now)?;
        let mut changes = self.changes(now);
        let mut ended = Vec::new();
        if let Some(hosts) = &mut self.hosts {
            hosts.finish(&mut |outcome| push_ended(&mut ended, outcome));
        }
        for incident in ended {
            self.close(incident, now, &mut changes);
        }
        self.reported.clear();
        self.waiting.set_times([]);
        Ok(changes)
    }

    /// Returns the revision at which an incident was reported last, and whether it was closed; 0 if it was not.
    #[must_use]
    pub fn reported(&self, id: &str) -> (u64, bool) {
        let known = self.reported.get(id);
        known.map_or((0, false), |known| (known.revision, known.is_closed))
    }

    /// Keeps events of incidents from now on, for [`take_events`](Self::take_events).
    pub fn keep_events(&mut self) {
        self.recent.get_or_insert_default();
    }

    /// Takes the events since the last call by the ids of their incidents, if they are kept: of each incident the first, the
    /// highest and the newest of them, at most [`MAX_KEPT_EVENTS`](super::MAX_KEPT_EVENTS).
    pub fn take_events(&mut self) -> BTreeMap<String, Vec<IncidentEvent>> {
        self.recent.as_mut().map(Recent::take).unwrap_or_default()
    }

    /// Takes the ids of the incidents that became parts of others since the last call, each with the id of that one, in the
    /// order in which they did.
    pub fn take_merged(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.merged_ids)
    }

    /// Returns the incidents that are open and have got events since the last call.
    pub fn grown(&mut self) -> Vec<Incident> {
        let mut grown = Vec::new();
        let mut given = HashMap::new();
        for fold in self.hosts.iter().flat_map(Hosts::iter) {
            for open in fold.open_incidents() {
                if self.given.get(open.id()) != Some(&open.events()) {
                    grown.push(open.incident());
                }
                given.insert(open.id().to_owned(), open.events());
            }
        }
        self.given = given;
        grown
    }

    /// Returns the state, from which [`restored`](Self::restored) goes on. `inputs` are the events of all inputs. What has
    /// ended must have been reported by [`changes`](Self::changes).
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn keep(&self, inputs: &[Option<&LiveEvents>]) -> Result<KeptIncidents> {
        let waiting = inputs.iter().map(|events| {
            let rows = events.map_or(Ok(Vec::new()), |events| {
                self.waiting.rows_of(events.query())
            })?;
            let rows = rows.into_iter().next();
            rows.map(|released| to_ipc(&released.rows)).transpose()
        });
        let times = self.waiting.times();
        let times = times.map(|(host, times)| (host.as_deref().map(str::to_owned), *times));
        let state = State {
            hosts: self.hosts.iter().flat_map(Hosts::iter).collect(),
            times: times.collect(),
            late: self.waiting.late,
            reported: self.reported.clone(),
            counts: self.counts,
        };
        let state = serde_json::to_string(&state);
        Ok(KeptIncidents {
            state: state.map_err(|error| Error::internal(format!("live incidents: {error}")))?,
            waiting: waiting.collect::<Result<_>>()?,
        })
    }

    /// Returns the incidents that were kept at `now`. `inputs` are the events of the same inputs.
    ///
    /// # Errors
    /// Fails when what was kept is damaged, or another model reads other columns.
    pub fn restored(
        watermark: f64,
        kept: &KeptIncidents,
        inputs: &[Option<&LiveEvents>],
        now: f64,
    ) -> Result<Self> {
        let state: State<HostFold> = serde_json::from_str(&kept.state)
            .map_err(|error| Error::data(format!("the state of live incidents: {error}")))?;
        let mut live = Self::new(watermark);
        live.seen = state
            .hosts
            .iter()
            .map(|fold| (fold.host().map(str::to_owned), now))
            .collect();
        live.hosts = Some(Hosts::kept(state.hosts));
        live.waiting.set_times(state.times);
        for (waiting, events) in kept.waiting.iter().zip(inputs) {
            let (Some(waiting), Some(events)) = (waiting, events) else {
                continue;
            };
            live.waiting
                .add(&events.scored_before(from_ipc(waiting)?)?, now)?;
        }
        live.waiting.late = state.late;
        live.counts = state.counts;
        live.reported = state.reported;
        live.reported.values_mut().for_each(|known| known.at = now);
        Ok(live)
    }

    /// Folds events in their order.
    fn fold(&mut self, released: Vec<Released>, now: f64) -> Result<()> {
        for Released { query, rows } in released {
            let known = self
                .folds
                .iter()
                .position(|(of, _)| Arc::ptr_eq(of, &query));
            let at = known.unwrap_or_else(|| {
                // Queries of models that were replaced are no longer used.
                self.folds.retain(|(of, _)| Arc::strong_count(of) > 2);
                let fold = Fold::new(&query, usize::MAX, Hosts::at_once());
                self.folds.push((Arc::clone(&query), fold));
                self.folds.len() - 1
            });
            let fold = &mut self.folds[at].1;
            if let Some(hosts) = self.hosts.take() {
                fold.hosts = hosts;
            }
            fold.recent = self.recent.take();
            let pushed = fold.push(&rows);
            self.recent = fold.recent.take();
            self.ended.extend(fold.take_ended());
            self.merged.extend(fold.take_merged());
            self.has_news |= fold.take_opened() > 0;
            self.counts.folded += rows.num_rows() as u64;
            self.counts.anomalous += fold.take_anomalous();
            let hosts = rows.column(HOST).as_string::<i32>();
            let mut last = None;
            for host in hosts
                .iter()
                .filter(|host| last.replace(*host) != Some(*host))
            {
                self.seen.insert(host.map(str::to_owned), now);
            }
            self.hosts = Some(std::mem::replace(&mut fold.hosts, Hosts::at_once()));
            pushed?;
        }
        self.has_news |= !self.ended.is_empty() || !self.merged.is_empty();
        self.forget_hosts();
        Ok(())
    }

    /// Forgets the hosts of which nothing was seen for longest, if there are too many.
    fn forget_hosts(&mut self) {
        let Some(hosts) = &mut self.hosts else { return };
        let mut known: usize = hosts.iter().count();
        let mut processes: usize = hosts.iter().map(HostFold::n_processes).sum();
        let too_many = |known, processes| {
            known > 1 && (known > MAX_LIVE_HOSTS || processes > MAX_LIVE_PROCESSES)
        };
        if !too_many(known, processes) {
            return;
        }
        let mut oldest: Vec<_> = self
            .seen
            .iter()
            .map(|(host, seen)| (*seen, host.clone()))
            .collect();
        oldest.sort_unstable_by(|left, right| {
            left.0
                .total_cmp(&right.0)
                .then_with(|| left.1.cmp(&right.1))
        });
        for (_, host) in oldest {
            if !too_many(known, processes) {
                break;
            }
            let fold = hosts.get(host.as_deref());
            processes -= fold.map_or(0, HostFold::n_processes);
            known -= usize::from(fold.is_some());
            let ended = &mut self.ended;
            hosts.end(host.as_deref(), &mut |outcome| push_ended(ended, outcome));
            self.waiting.forget(host.as_deref());
            self.seen.remove(&host);
            self.counts.forgotten_hosts += 1;
        }
    }

    /// Adds what has changed of the open incidents of a host whose time is `time`.
    fn changes_of(
        &mut self,
        fold: &HostFold,
        time: Option<f64>,
        now: f64,
        changes: &mut Vec<Change>,
    ) {
        for open in fold.open_incidents() {
            let is_over = open.is_over(time);
            match self.reported.get_mut(open.id()) {
                None => {
                    self.open(open.incident(), now, changes);
                    if is_over {
                        self.close(open.incident(), now, changes);
                    }
                }
                Some(known) if is_over && !known.is_closed => {
                    self.close(open.incident(), now, changes);
                }
                Some(known) if known.events < open.events() && now - known.at >= UPDATE_SECONDS => {
                    known.revision += 1;
                    (known.events, known.at) = (open.events(), now);
                    // Delayed events can join an incident that a silence seemed to end.
                    known.is_closed = false;
                    changes.push(Change {
                        kind: ChangeKind::Updated,
                        revision: known.revision,
                        incident: open.incident(),
                        merged_into: None,
                    });
                }
                Some(_) => {}
            }
        }
    }

    /// Adds that an incident was opened.
    fn open(&mut self, incident: Incident, now: f64, changes: &mut Vec<Change>) {
        self.counts.opened += 1;
        let reported = Reported {
            revision: 1,
            events: incident.events,
            at: now,
            is_closed: false,
        };
        self.reported.insert(incident.id.clone(), reported);
        changes.push(Change {
            kind: ChangeKind::Opened,
            revision: 1,
            incident,
            merged_into: None,
        });
    }

    /// Adds that an incident is over, unless that was reported and no event came since.
    fn close(&mut self, incident: Incident, now: f64, changes: &mut Vec<Change>) {
        if !self.reported.contains_key(&incident.id) {
            self.open(incident.clone(), now, changes);
        }
        let Some(known) = self.reported.get_mut(&incident.id) else {
            return;
        };
        if known.is_closed && known.events == incident.events {
            return;
        }
        known.revision += 1;
        (known.events, known.at, known.is_closed) = (incident.events, now, true);
        changes.push(Change {
            kind: ChangeKind::Closed,
            revision: known.revision,
            incident,
            merged_into: None,
        });
    }
}

/// Adds an incident that has ended.
fn push_ended(ended: &mut Vec<Incident>, outcome: Outcome) {
    if let Outcome::Ended { incident, .. } = outcome {
        ended.push(incident);
    }
}

fn to_ipc(rows: &RecordBatch) -> Result<Vec<u8>> {
    let failed = |error: ArrowError| Error::internal(format!("waiting events: {error}"));
    let mut writer = StreamWriter::try_new(Vec::new(), rows.schema_ref()).map_err(failed)?;
    writer.write(rows).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn from_ipc(bytes: &[u8]) -> Result<RecordBatch> {
    let failed = |error: ArrowError| Error::data(format!("waiting events: {error}"));
    let mut reader = StreamReader::try_new(bytes, None).map_err(failed)?;
    let batch = reader.next().transpose().map_err(failed)?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(reader.schema())))
}
