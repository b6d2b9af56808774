//! An incident that is still open: what its events have added so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kept;
use super::processes::{Job, Lineage, Process, ProcessId, Processes};
use super::{
    COMMON_SHARE, ColumnValue, Incident, IncidentProcess, IncidentReason, LISTED_NAMES,
    LISTED_REASONS, LONGEST_SECONDS, MAX_NAMES, MAX_PROCESSES, MAX_REASONS, MAX_ROWS, NameCount,
    Names, QUIET_SECONDS,
};
use crate::event::Event;
use crate::explain::Reason;
use crate::features::RowKey;
use crate::wording::hex;

/// The number of programs of a process that are listed.
const MAX_PROGRAMS: usize = 8;

/// What an anomalous event adds to its incident.
pub(super) struct Anomalous<'a> {
    pub score: f64,
    /// The evidence of the event's feature row.
    pub evidence: f64,
    pub row: &'a RowKey,
    pub reasons: &'a [Reason],
    pub user: Option<&'a str>,
    /// The program, if training never saw it.
    pub new_program: Option<&'a str>,
    pub path: Option<&'a str>,
    pub address: Option<&'a str>,
    /// Makes the event with its identifying columns.
    pub event: &'a dyn Fn() -> Event,
}

impl Anomalous<'static> {
    /// Returns an event of which only the score matters, because incidents are counted and not described.
    pub fn counted(score: f64) -> Self {
        static NO_ROW: RowKey = RowKey::new();
        Self {
            score,
            evidence: 0.0,
            row: &NO_ROW,
            reasons: &[],
            user: None,
            new_program: None,
            path: None,
            address: None,
            event: &|| Event::new(Vec::new(), Arc::default()),
        }
    }
}

/// What an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Subject {
    Process(ProcessId),
    /// A job, whose processes are others each time.
    Job(Job),
    Values(#[serde(with = "kept::shared_list")] Arc<[ColumnValue]>),
}

/// An incident that is still open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    incident: Begun,
    last_added: u64,
    #[serde(with = "kept::pairs")]
    rows: HashMap<RowKey, f64>,
    /// The processes of the incident, in the order in which they appeared.
    members: Vec<Member>,
    #[serde(with = "kept::pairs")]
    member_of: HashMap<ProcessId, usize>,
    users: Tally,
    new_programs: Tally,
    paths: Tally,
    addresses: Tally,
    /// What is known of each reason, by its text.
    reasons: HashMap<String, ReasonSum>,
}

/// What is known of an open incident before all else is counted.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    id: String,
    previous: Option<String>,
    host: Option<String>,
    by: Vec<ColumnValue>,
    first: Option<f64>,
    last: Option<f64>,
    events: u64,
    n_processes: u64,
    started_by: Option<String>,
    #[serde(with = "kept::event")]
    event: Event,
    #[serde(with = "kept::time")]
    highest_score: f64,
}

/// A reason of an open incident.
#[derive(Debug, Serialize, Deserialize)]
struct ReasonSum {
    feature: String,
    /// The sum of the contributions.
    contribution: f64,
    events: u64,
    /// Whether many training events have the value too.
    is_common: bool,
}

/// A process of an open incident.
#[derive(Debug, Serialize, Deserialize)]
struct Member {
    number: i64,
    /// The position of the parent among the members.
    parent: Option<usize>,
    #[serde(with = "kept::shared_texts")]
    programs: Vec<Arc<str>>,
    events: u64,
}

/// Names with their counts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tally(HashMap<String, u64>);

impl Open {
    /// Opens an incident with its first event.
    pub fn new(
        host: Option<&str>,
        time: Option<f64>,
        subject: &Subject,
        number: Option<i64>,
        previous: Option<String>,
    ) -> Self {
        let by = match subject {
            Subject::Process(_) | Subject::Job(_) => Vec::new(),
            Subject::Values(values) => values.to_vec(),
        };
        let incident = Begun {
            id: id(host, time, number, &by, previous.as_deref()),
            previous,
            host: host.map(str::to_owned),
            by,
            first: time,
            last: time,
            events: 0,
            n_processes: 0,
            started_by: None,
            event: Event::new(Vec::new(), Arc::default()),
            highest_score: f64::NEG_INFINITY,
        };
        Self {
            incident,
            last_added: 0,
            rows: HashMap::new(),
            members: Vec::new(),
            member_of: HashMap::new(),
            users: Tally::default(),
            new_programs: Tally::default(),
            paths: Tally::default(),
            addresses: Tally::default(),
            reasons: HashMap::new(),
        }
    }

    /// Returns the number of the host's anomalous event that was added last.
    pub fn last_added(&self) -> u64 {
        self.last_added
    }

    /// Returns the id of the incident.
    pub fn id(&self) -> &str {
        &self.incident.id
    }

    /// Returns the number of its events.
    pub fn events(&self) -> u64 {
        self.incident.events
    }

    /// Returns whether the incident is over at `time`.
    pub fn is_over(&self, time: Option<f64>) -> bool {
        let passed = |since: Option<f64>| time.zip(since).map_or(0.0, |(now, then)| now - then);
        passed(self.incident.last) > QUIET_SECONDS || passed(self.incident.first) > LONGEST_SECONDS
    }

    /// Adds an event, which is the host's anomalous event of this number.
    pub fn add(&mut self, time: Option<f64>, number: u64, event: &Anomalous) {
        self.last_added = number;
        let incident = &mut self.incident;
        incident.events += 1;
        // Late events of a stream come after others.
        incident.first = earlier(incident.first, time);
        incident.last = later(incident.last, time);
        if event.score > incident.highest_score {
            incident.highest_score = event.score;
            incident.event = (event.event)();
        }
        if self.rows.len() < MAX_ROWS && !self.rows.contains_key(event.row) {
            self.rows.insert(event.row.clone(), event.evidence);
        }
        self.users.add(event.user);
        self.new_programs.add(event.new_program);
        self.paths.add(event.path);
        self.addresses.add(event.address);
        for reason in event.reasons {
            self.add_reason(reason);
        }
    }

    fn add_reason(&mut self, reason: &Reason) {
        if let Some(sum) = self.reasons.get_mut(&reason.text) {
            sum.contribution += reason.contribution;
            sum.events += 1;
        } else if self.reasons.len() < MAX_REASONS {
            let first = ReasonSum {
                feature: reason.feature.clone(),
                contribution: reason.contribution,
                events: 1,
                is_common: reason.share.is_some_and(|share| share >= COMMON_SHARE),
            };
            self.reasons.insert(reason.text.clone(), first);
        }
    }

    /// Adds an event's process, and the processes that it descends from up to the root of its session.
    pub fn add_process(&mut self, processes: &Processes, family: &Lineage, program: Option<&str>) {
        let Some(member) = self.add_family(processes, family) else {
            return;
        };
        let member = &mut self.members[member];
        if member.events == 0 {
            member.programs.clear();
            self.incident.n_processes += 1;
        }
        member.events += 1;
        if let Some(program) = program {
            member.add_program(program.into());
        }
    }

    /// Adds a process and those that it descends from up to the root of its session. Returns the position of the process
    /// among the members; `None` if there are too many.
    pub fn add_family(&mut self, processes: &Processes, family: &Lineage) -> Option<usize> {
        let Lineage { path, root, .. } = family;
        if self.incident.started_by.is_none() {
            self.incident.started_by = processes.starter(*root).map(str::to_owned);
        }
        let to_root = path.iter().position(|id| id == root).unwrap_or(0);
        let mut parent = None;
        for id in path[..=to_root].iter().rev() {
            parent = Some(self.member(*id, parent, processes.get(*id))?);
        }
        parent
    }

    /// Returns the position of a process among the members, to which it is added unless there are too many.
    fn member(
        &mut self,
        id: ProcessId,
        parent: Option<usize>,
        process: Option<&Process>,
    ) -> Option<usize> {
        if let Some(member) = self.member_of.get(&id).copied() {
            // The parent may become known later.
            if self.members[member].parent.is_none()
                && let Some(parent) = parent.filter(|parent| !self.descends(*parent, member))
            {
                self.members[member].parent = Some(parent);
            }
            return Some(member);
        }
        if self.members.len() >= MAX_PROCESSES {
            return None;
        }
        self.members.push(Member {
            number: process?.number,
            parent,
            programs: process?.program.iter().cloned().collect(),
            events: 0,
        });
        self.member_of.insert(id, self.members.len() - 1);
        Some(self.members.len() - 1)
    }

    /// Returns whether a member is another one, or descends from it.
    fn descends(&self, member: usize, from: usize) -> bool {
        let mut line = std::iter::successors(Some(member), |member| self.members[*member].parent);
        line.any(|member| member == from)
    }

    /// Takes over the events of another incident, in an order that is the same for the same incidents.
    pub fn take_over(&mut self, other: Self) {
        let (incident, begun) = (&mut self.incident, other.incident);
        self.last_added = self.last_added.max(other.last_added);
        incident.previous = incident.previous.take().or(begun.previous);
        incident.first = earlier(incident.first, begun.first);
        incident.last = later(incident.last, begun.last);
        incident.events += begun.events;
        incident.started_by = incident.started_by.take().or(begun.started_by);
        if begun.highest_score > incident.highest_score {
            incident.highest_score = begun.highest_score;
            incident.event = begun.event;
        }
        for (row, evidence) in in_order_of_keys(other.rows) {
            if self.rows.len() < MAX_ROWS {
                self.rows.entry(row).or_insert(evidence);
            }
        }
        self.take_members(other.members, &other.member_of);
        self.users.take_over(other.users);
        self.new_programs.take_over(other.new_programs);
        self.paths.take_over(other.paths);
        self.addresses.take_over(other.addresses);
        for (text, sum) in in_order_of_keys(other.reasons) {
            if let Some(known) = self.reasons.get_mut(&text) {
                known.contribution += sum.contribution;
                known.events += sum.events;
            } else if self.reasons.len() < MAX_REASONS {
                self.reasons.insert(text, sum);
            }
        }
    }

    /// Takes over the processes of another incident. Each comes after its parent, unless the parent was found later.
    fn take_members(&mut self, members: Vec<Member>, member_of: &HashMap<ProcessId, usize>) {
        let mut ids: Vec<(usize, ProcessId)> =
            member_of.iter().map(|(id, at)| (*at, *id)).collect();
        ids.sort_unstable();
        let parents: Vec<Option<usize>> = members.iter().map(|member| member.parent).collect();
        let mut places: Vec<Option<usize>> = Vec::with_capacity(members.len());
        for (mut member, (_, id)) in members.into_iter().zip(&ids) {
            let known = self.member_of.get(id).copied();
            if let Some(place) = known {
                self.members[place].take_over(member);
            } else if self.members.len() < MAX_PROCESSES {
                member.parent = None;
                self.members.push(member);
                self.member_of.insert(*id, self.members.len() - 1);
            }
            places.push(self.member_of.get(id).copied());
        }
        for (place, parent) in places.iter().zip(parents) {
            let parent = parent.and_then(|parent| places[parent]);
            if let Some((place, parent)) = place.zip(parent)
                && self.members[place].parent.is_none()
                && !self.descends(parent, place)
            {
                self.members[place].parent = Some(parent);
            }
        }
        let with_events = self.members.iter().filter(|member| member.events > 0);
        self.incident.n_processes = with_events.count() as u64;
    }

    /// Returns the incident as far as its events are known.
    pub fn incident(&self) -> Incident {
        // Sums of floats depend on the order of their terms, and a map has none.
        let mut evidence: Vec<f64> = self.rows.values().copied().collect();
        evidence.sort_unstable_by(f64::total_cmp);
        let begun = &self.incident;
        Incident {
            id: begun.id.clone(),
            previous: begun.previous.clone(),
            host: begun.host.clone(),
            score: evidence.iter().sum::<f64>() + 0.0,
            first: begun.first,
            last: begun.last,
            events: begun.events,
            distinct_rows: evidence.len() as u64,
            n_processes: begun.n_processes,
            started_by: begun.started_by.clone(),
            processes: tree(&self.members),
            by: begun.by.clone(),
            users: self.users.names(),
            new_programs: self.new_programs.names(),
            paths: self.paths.names(),
            addresses: self.addresses.names(),
            reasons: listed_reasons(&self.reasons),
            event: begun.event.clone(),
            highest_score: begun.highest_score,
        }
    }
}

impl Member {
    fn add_program(&mut self, program: Arc<str>) {
        if self.programs.len() < MAX_PROGRAMS && !self.programs.contains(&program) {
            self.programs.push(program);
        }
    }

    /// Takes over what another incident knows of the same process.
    fn take_over(&mut self, other: Self) {
        if other.events == 0 {
            return;
        }
        if self.events == 0 {
            self.programs.clear();
        }
        self.events += other.events;
        other
            .programs
            .into_iter()
            .for_each(|program| self.add_program(program));
    }
}

/// Returns the entries of a map in the order of their keys.
fn in_order_of_keys<K: Ord, V>(map: HashMap<K, V>) -> BTreeMap<K, V> {
    map.into_iter().collect()
}

/// Returns the earlier one of two times, where there is one.
fn earlier(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).min_by(f64::total_cmp)
}

/// Returns the later one of two times, where there is one.
fn later(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).max_by(f64::total_cmp)
}

/// Returns the reasons that are listed, the strongest first. Common values are left out, unless all are common: then it is
/// only together that they are unusual.
fn listed_reasons(reasons: &HashMap<String, ReasonSum>) -> Vec<IncidentReason> {
    let all_are_common = reasons.values().all(|sum| sum.is_common);
    let listed = reasons
        .iter()
        .filter(|(_, sum)| all_are_common || !sum.is_common);
    let reasons = listed.map(|(text, sum)| IncidentReason {
        feature: sum.feature.clone(),
        text: text.clone(),
        contribution: sum.contribution,
        events: sum.events,
    });
    let mut reasons: Vec<IncidentReason> = reasons.collect();
    reasons.sort_unstable_by(|left, right| {
        let stronger = left.contribution.total_cmp(&right.contribution);
        stronger.then_with(|| left.text.cmp(&right.text))
    });
    reasons.truncate(LISTED_REASONS);
    reasons
}

/// Returns the members as a tree: each after its parent, children in the order in which they appeared.
fn tree(members: &[Member]) -> Vec<IncidentProcess> {
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        children.entry(member.parent).or_default().push(index);
    }
    let mut stack: Vec<(usize, usize)> = Vec::new();
    let push = |stack: &mut Vec<(usize, usize)>, parent, depth| {
        let below = children.get(&parent).into_iter().flatten().rev();
        stack.extend(below.map(|child| (*child, depth)));
    };
    push(&mut stack, None, 0);
    let mut listed = Vec::new();
    while let Some((index, depth)) = stack.pop() {
        let member = &members[index];
        listed.push(IncidentProcess {
            depth,
            process: member.number,
            programs: member
                .programs
                .iter()
                .map(|name| name.to_string())
                .collect(),
            events: member.events,
        });
        push(&mut stack, Some(index), depth + 1);
    }
    listed
}

/// Returns the id of an incident: the first 16 hexadecimal digits of a SHA-256.
fn id(
    host: Option<&str>,
    time: Option<f64>,
    number: Option<i64>,
    by: &[ColumnValue],
    previous: Option<&str>,
) -> String {
    let mut hash = Sha256::new();
    // JSON keeps the parts apart.
    let time = time.map(f64::to_bits);
    hash.update(serde_json::json!([host, time, number, by, previous]).to_string());
    hex(&hash.finalize()[..8])
}

impl Tally {
    fn add(&mut self, name: Option<&str>) {
        let Some(name) = name else { return };
        if let Some(count) = self.0.get_mut(name) {
            *count += 1;
        } else if self.0.len() < MAX_NAMES {
            self.0.insert(name.to_owned(), 1);
        }
    }

    fn take_over(&mut self, other: Self) {
        for (name, events) in in_order_of_keys(other.0) {
            if let Some(count) = self.0.get_mut(&name) {
                *count += events;
            } else if self.0.len() < MAX_NAMES {
                self.0.insert(name, events);
            }
        }
    }

    fn names(&self) -> Names {
        let distinct = self.0.len() as u64;
        let mut most: Vec<(&String, u64)> = self.0.iter().map(|(name, n)| (name, *n)).collect();
        most.sort_unstable_by(|left, right| {
            let more = right.1.cmp(&left.1);
            more.then_with(|| left.0.cmp(right.0))
        });
        most.truncate(LISTED_NAMES);
        let most = most.into_iter().map(|(name, events)| NameCount {
            name: name.clone(),
            events,
        });
        let most = most.collect();
        Names { distinct, most }
    }
}
