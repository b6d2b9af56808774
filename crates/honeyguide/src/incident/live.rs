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
use super::kept::{self, Kept, KeptBatch, KeptChanges, KeptPart, Parts};
use super::open::Open;
use super::query::{HOST, IncidentQuery};
use super::recent::Recent;
use super::scan::Fold;
use super::tracked::Tracked;
use super::waiting::{BatchChange, HostTimes, Release, Released, Waiting};
use super::{Incident, IncidentEvent};
use crate::error::{Error, Result};

/// The time in seconds for which an event waits for earlier ones by default.
pub const WATERMARK: f64 = 2.0;
/// The greatest number of hosts whose incidents are followed at once. When there are more, those of which nothing was seen
/// for longest are forgotten, and their incidents end.
pub const MAX_LIVE_HOSTS: usize = 4096;
/// The greatest number of processes of all hosts that are remembered. Beyond it hosts are forgotten as above.
pub const MAX_LIVE_PROCESSES: usize = 1 << 20;
/// The greatest number of incidents of all hosts that are open at once. Beyond it hosts are forgotten as above.
pub const MAX_LIVE_INCIDENTS: usize = 1 << 16;
/// The time in seconds between two updates of an incident.
pub const UPDATE_SECONDS: f64 = 60.0;

/// The incidents of events that arrive one by one.
pub struct LiveIncidents {
    waiting: Waiting<IncidentQuery>,
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
    reported: Tracked<String, Reported>,
    /// When the last event of each host came.
    seen: HashMap<Option<String>, f64>,
    counts: LiveCounts,
    numbers: Numbers,
}

/// The numbers by which a store knows hosts, if there is one.
#[derive(Debug)]
struct Numbers {
    known: HashMap<Option<String>, u64>,
    next: u64,
    /// The numbers of hosts that were forgotten and are not taken yet.
    forgotten: Vec<u64>,
    /// Whether all that was kept is to be forgotten.
    is_anew: bool,
}

impl Numbers {
    fn new() -> Self {
        Self {
            known: HashMap::new(),
            next: 1,
            forgotten: Vec::new(),
            is_anew: false,
        }
    }

    /// Returns the number of a host, whose name is one of `parts` if it is new.
    fn of(&mut self, host: Option<&str>, changes: &mut KeptChanges) -> Result<u64> {
        let host = host.map(str::to_owned);
        if let Some(number) = self.known.get(&host) {
            return Ok(*number);
        }
        let mut parts = Parts {
            host: self.next,
            parts: &mut changes.parts,
        };
        parts.set(KeptPart::Name, &(), Some(&host))?;
        self.known.insert(host, self.next);
        self.next += 1;
        Ok(self.next - 1)
    }

    fn forget(&mut self, host: &Option<String>) {
        self.forgotten.extend(self.known.remove(host));
    }

    fn forget_all(&mut self) {
        self.known.clear();
        self.is_anew = true;
    }
}

/// What is kept of all hosts together.
#[derive(Default, Serialize, Deserialize)]
struct Counts {
    late: u64,
    #[serde(default)]
    early: u64,
    next_host: u64,
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
    /// The number of events that waited for earlier ones for a shorter time, because too many waited.
    #[serde(default)]
    pub early: u64,
    /// The number of incidents that were opened.
    pub opened: u64,
    /// The number of hosts that were forgotten because there were too many.
    pub forgotten_hosts: u64,
    /// How often the clock of a host went back by more than [`QUIET_SECONDS`](super::QUIET_SECONDS), so that its incidents ended.
    #[serde(default)]
    pub clock_jumps: u64,
}

/// What is known of an incident that was reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
            reported: Tracked::default(),
            seen: HashMap::new(),
            counts: LiveCounts::default(),
            numbers: Numbers::new(),
        }
    }

    /// Adds events that came at `now`, a time in seconds of a clock that never goes back.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn add(&mut self, events: &ScoredEvents, now: f64) -> Result<()> {
        self.waiting.add(&events.query, &events.rows, now)?;
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
        let reported = self.reported.iter();
        reported.filter(|(_, known)| !known.is_closed).count()
    }

    /// Returns what became of the events so far.
    #[must_use]
    pub fn counts(&self) -> LiveCounts {
        LiveCounts {
            late: self.waiting.late,
            early: self.waiting.early,
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
        for fold in hosts.iter().filter(|fold| fold.has_open_incidents()) {
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
        self.waiting.forget_all();
        self.seen.clear();
        self.numbers.forget_all();
        Ok(changes)
    }

    /// Returns the revision at which an incident was reported last, and whether it was closed; 0 if it was not.
    #[must_use]
    pub fn reported(&self, id: &str) -> (u64, bool) {
        let known = self.reported.get(id);
        known.map_or((0, false), |known| (known.revision, known.is_closed))
    }

    /// Notes from now on what is to be stored: events of incidents for [`take_events`](Self::take_events), incidents for
    /// [`take_grown`](Self::take_grown), and the state for [`take_changes`](Self::take_changes).
    pub fn track(&mut self) {
        self.recent.get_or_insert_default();
        self.waiting.track();
        self.reported.track();
        if let Some(hosts) = &mut self.hosts {
            hosts.track();
        }
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

    /// Takes the incidents that are open and have changed since the last call, if that is noted.
    pub fn take_grown(&mut self) -> Vec<Incident> {
        let hosts = self.hosts.iter_mut().flat_map(Hosts::iter_mut);
        let grown = hosts.flat_map(HostFold::take_grown);
        grown.map(Open::incident).collect()
    }

    /// Takes what has changed of the state since the last call, if that is noted. `inputs` are the events of all inputs. What
    /// has ended must have been reported by [`changes`](Self::changes). A store that takes all changes has what
    /// [`restored`](Self::restored) goes on from.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn take_changes(&mut self, inputs: &[Option<&LiveEvents>]) -> Result<KeptChanges> {
        let mut changes = KeptChanges {
            is_anew: std::mem::take(&mut self.numbers.is_anew),
            forgotten: std::mem::take(&mut self.numbers.forgotten),
            ..KeptChanges::default()
        };
        for (host, times) in self.waiting.take_times() {
            let host = self.numbers.of(host.as_deref(), &mut changes)?;
            let parts = &mut changes.parts;
            Parts { host, parts }.set(KeptPart::Times, &(), Some(&times))?;
        }
        for fold in self.hosts.iter_mut().flat_map(Hosts::iter_mut) {
            if fold.has_changed() {
                let host = self.numbers.of(fold.host(), &mut changes)?;
                let parts = &mut changes.parts;
                fold.take_changes(&mut Parts { host, parts })?;
            }
        }
        let counts = Counts {
            late: self.waiting.late,
            early: self.waiting.early,
            next_host: self.numbers.next,
            counts: self.counts,
        };
        let mut parts = Parts {
            host: 0,
            parts: &mut changes.parts,
        };
        parts.set(KeptPart::Counts, &(), Some(&counts))?;
        let reported = &mut self.reported;
        reported.take_changes(|id, known| parts.set(KeptPart::Reported, id, known))?;
        self.waiting.take_batches(|change| {
            match change {
                BatchChange::IsOver(number) => changes.over.push(number),
                BatchChange::Waits(number, query, rows) => {
                    let mut inputs = inputs.iter();
                    let is_of = |events: &&LiveEvents| Arc::ptr_eq(events.query(), query);
                    let input = inputs.position(|events| events.as_ref().is_some_and(is_of));
                    let input = input.ok_or_else(|| {
                        Error::internal("events wait that no input has read".to_owned())
                    })?;
                    let rows = to_ipc(rows)?;
                    changes.waiting.push(KeptBatch {
                        input,
                        number,
                        rows,
                    });
                }
            }
            Ok(())
        })?;
        Ok(changes)
    }

    /// Returns the incidents that were kept at `now`, and notes what is to be stored. `inputs` are the events of the same
    /// inputs.
    ///
    /// # Errors
    /// Fails when what was kept is damaged, or another model reads other columns.
    pub fn restored(
        watermark: f64,
        kept: Kept,
        inputs: &[Option<&LiveEvents>],
        now: f64,
    ) -> Result<Self> {
        let mut live = Self::new(watermark);
        let names = names(&kept)?;
        let mut folds: HashMap<u64, HostFold> = HashMap::new();
        for (key, value) in &kept.parts {
            let host = names.get(&key.host);
            match (key.part, host) {
                (KeptPart::Counts, _) => {
                    let counts: Counts = kept::read(value)?;
                    (live.waiting.late, live.waiting.early) = (counts.late, counts.early);
                    (live.counts, live.numbers.next) = (counts.counts, counts.next_host);
                }
                (KeptPart::Reported, _) => {
                    let known = Reported {
                        at: now,
                        ..kept::read(value)?
                    };
                    live.reported.insert(kept::read(&key.key)?, known);
                }
                (KeptPart::Name, _) | (_, None) => {}
                (KeptPart::Times, Some(host)) => {
                    let times: HostTimes = kept::read(value)?;
                    live.waiting.restore_times(host.as_deref(), times, now);
                }
                (part, Some(host)) => {
                    let fold = folds.entry(key.host);
                    let fold = fold.or_insert_with(|| HostFold::empty(host.clone()));
                    fold.restore(part, &key.key, value)?;
                }
            }
        }
        let folds: Vec<HostFold> = folds.into_values().collect();
        let seen = folds
            .iter()
            .map(|fold| (fold.host().map(str::to_owned), now));
        live.seen = seen.collect();
        live.hosts = Some(Hosts::kept(folds));
        live.numbers.known = names
            .into_iter()
            .map(|(number, host)| (host, number))
            .collect();
        live.track();
        let mut waiting = kept.waiting;
        waiting.sort_unstable_by_key(|batch| batch.number);
        for batch in waiting {
            if let Some(Some(events)) = inputs.get(batch.input) {
                let scored = events.scored_before(from_ipc(&batch.rows)?)?;
                let (query, rows) = (&scored.query, &scored.rows);
                live.waiting.restore(batch.number, query, rows, now)?;
            }
        }
        Ok(live)
    }

    /// Folds events in their order.
    fn fold(&mut self, released: Vec<Released<IncidentQuery>>, now: f64) -> Result<()> {
        self.fold_rows(released, now)?;
        for host in self.waiting.take_jumped() {
            // What was remembered of the host is of another time.
            self.forget_host(host.as_deref(), now)?;
            self.counts.clock_jumps += 1;
        }
        self.forget_hosts(now)
    }

    fn fold_rows(&mut self, released: Vec<Released<IncidentQuery>>, now: f64) -> Result<()> {
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
        Ok(())
    }

    /// Forgets the hosts of which nothing was seen for longest, if there are too many. Their events wait no longer.
    fn forget_hosts(&mut self, now: f64) -> Result<()> {
        if !self.size().is_too_large() {
            return Ok(());
        }
        let seen = self.seen.iter();
        let mut oldest: Vec<_> = seen.map(|(host, seen)| (*seen, host.clone())).collect();
        oldest.sort_unstable_by(|left, right| {
            let order = left.0.total_cmp(&right.0);
            order.then_with(|| left.1.cmp(&right.1))
        });
        let mut size = self.size();
        for (_, host) in oldest {
            if !size.is_too_large() {
                break;
            }
            let fold = self
                .hosts
                .as_ref()
                .and_then(|hosts| hosts.get(host.as_deref()));
            size.remove(fold);
            self.forget_host(host.as_deref(), now)?;
            self.counts.forgotten_hosts += 1;
        }
        Ok(())
    }

    /// Forgets a host. Its events wait no longer, and its incidents end.
    fn forget_host(&mut self, host: Option<&str>, now: f64) -> Result<()> {
        let waiting = self.waiting.release_host(host)?;
        self.fold_rows(waiting, now)?;
        let ended = &mut self.ended;
        if let Some(hosts) = &mut self.hosts {
            hosts.end(host, &mut |outcome| push_ended(ended, outcome));
        }
        self.has_news |= !self.ended.is_empty();
        let host = host.map(str::to_owned);
        self.waiting.forget(host.as_deref());
        self.numbers.forget(&host);
        self.seen.remove(&host);
        Ok(())
    }

    /// Returns how much is remembered.
    fn size(&self) -> Size {
        let mut size = Size::default();
        for fold in self.hosts.iter().flat_map(Hosts::iter) {
            size.hosts += 1;
            size.processes += fold.n_processes();
            size.incidents += fold.open_incidents().len();
        }
        size
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
            match self.reported.get(open.id()) {
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
                    self.update(open, now, changes);
                }
                Some(_) => {}
            }
        }
    }

    /// Adds that an incident has more events.
    fn update(&mut self, open: &Open, now: f64, changes: &mut Vec<Change>) {
        let Some(known) = self.reported.get_mut(&open.id().to_owned()) else {
            return;
        };
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
        match self.reported.get(&incident.id) {
            None => self.open(incident.clone(), now, changes),
            Some(known) if known.is_closed && known.events == incident.events => return,
            Some(_) => {}
        }
        let Some(known) = self.reported.get_mut(&incident.id) else {
            return;
        };
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

/// How much is remembered of all hosts together.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    hosts: usize,
    processes: usize,
    incidents: usize,
}

impl Size {
    /// Returns whether it is more than is remembered of several hosts.
    fn is_too_large(self) -> bool {
        let Self {
            hosts,
            processes,
            incidents,
        } = self;
        let is_beyond = hosts > MAX_LIVE_HOSTS
            || processes > MAX_LIVE_PROCESSES
            || incidents > MAX_LIVE_INCIDENTS;
        hosts > 1 && is_beyond
    }

    /// Takes a host away.
    fn remove(&mut self, fold: Option<&HostFold>) {
        if let Some(fold) = fold {
            self.hosts -= 1;
            self.processes -= fold.n_processes();
            self.incidents -= fold.open_incidents().len();
        }
    }
}

/// Returns the names of the hosts that were kept, by their numbers.
fn names(kept: &Kept) -> Result<HashMap<u64, Option<String>>> {
    let parts = kept.parts.iter();
    let names = parts.filter(|(key, _)| key.part == KeptPart::Name);
    names
        .map(|(key, name)| Ok((key.host, kept::read(name)?)))
        .collect()
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
