//! Incidents: the anomalous events of one host that belong together.
//!
//! People act on incidents, not on events. An anomalous event joins an incident of its host if its process has an event
//! in it, or an ancestor of its process has one, or its process has the same session root: the nearest process on the
//! way up whose parent is init or a program that starts sessions, such as `sshd`. Init joins nothing. An event of a job
//! that `cron` starts again joins the incident of the job, which its programs tell from others. Two incidents are
//! merged when the parent of a process becomes known that only its children had shown. An incident ends
//! [`QUIET_SECONDS`] after its last event, or [`LONGEST_SECONDS`] after its first. An event that would have joined it
//! later opens another one, which names the incident before it.
//!
//! A log without processes groups its anomalous events by the host and by columns that the caller names, or by the
//! feature that is the strongest reason.
//!
//! # Score
//! Each distinct feature row of an incident is evidence once, however many events repeat it. Its evidence is by how much
//! its normalised path length, −log2 of its score, is shorter than that of the threshold. An incident's score is the sum
//! of its evidence, so it grows with what is different and not with what is repeated, and an event just above the
//! threshold adds next to nothing.
//!
//! # Order and memory
//! Incidents are a fold over the events of each host in the order of time; events of the same time are ordered by their
//! values. If the data has this order already, as logs mostly have, all hosts are folded at once while the data is read.
//! Otherwise the engine sorts the events, and uses temporary files where memory does not suffice. So the result depends neither on
//! threads nor on how the events are divided into files. What is remembered is bounded: 2^17 processes of a host,
//! [`MAX_ROWS`] distinct rows, [`MAX_PROCESSES`] processes, [`MAX_NAMES`] names of a kind and [`MAX_REASONS`] reasons of
//! an incident, and as many incidents as the caller asks for.

mod arriving;
mod assigned;
mod counts;
mod evidence;
mod fold;
mod held_out;
mod hosts;
mod in_order;
mod judge;
mod kept;
mod live;
mod merged;
mod open;
mod processes;
mod query;
mod recent;
mod scan;
mod table;
mod timeline;
mod tracked;
mod waiting;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::event::Event;
use crate::naming::parameter;

pub use arriving::{LIVE_BATCH_ROWS, LiveEvents, LiveOptions, ScoredEvents};
pub(crate) use assigned::{Assigned, AssignedReader};
pub(crate) use counts::{IncidentsByPlace, count_incidents};
pub(crate) use held_out::{ChosenThreshold, HeldOutScores, held_out_events};
pub use judge::{Attack, Found, IncidentFigures, IncidentRate, MAX_ATTACKS};
pub use kept::{Kept, KeptBatch, KeptChanges, KeptKey, KeptPart, kept_parts};
pub use live::{
    Change, ChangeKind, LiveCounts, LiveIncidents, MAX_LIVE_HOSTS, MAX_LIVE_INCIDENTS,
    MAX_LIVE_PROCESSES, UPDATE_SECONDS, WATERMARK,
};
pub use recent::{FIRST_EVENTS, HIGHEST_EVENTS, IncidentEvent, MAX_KEPT_EVENTS, NEWEST_EVENTS};
pub(crate) use scan::assign;
pub(crate) use scan::judge_incidents;
pub use scan::{find_incident, incidents};
pub use waiting::MAX_WAITING_BYTES;

/// An incident ends when this time passes without an anomalous event, in seconds.
pub const QUIET_SECONDS: f64 = 900.0;
/// An incident ends when this time has passed since its first event, in seconds.
pub const LONGEST_SECONDS: f64 = 86_400.0;
/// The greatest number of an incident's distinct feature rows that are evidence.
pub const MAX_ROWS: usize = 10_000;
/// The greatest number of an incident's processes that are listed.
pub const MAX_PROCESSES: usize = 1_000;
/// The greatest number of an incident's paths, and of its addresses, programs and users, that are told apart.
pub const MAX_NAMES: usize = 10_000;
/// The greatest number of an incident's reasons that are told apart.
pub const MAX_REASONS: usize = 1_000;
/// The greatest number of incidents that are listed.
pub const MAX_LISTED: usize = 100_000;
/// The share of the training events from which on a value is common: it is no reason of an incident that has others.
pub const COMMON_SHARE: f64 = 0.1;
/// The number of names of a kind that an incident lists.
const LISTED_NAMES: usize = 20;
/// The number of reasons that an incident lists.
const LISTED_REASONS: usize = 10;

/// The options of finding incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentOptions {
    /// The largest number of incidents in the list: those with the highest scores.
    pub limit: usize,
    /// Columns whose values tell incidents of a host apart, instead of its processes.
    pub by: Vec<String>,
}

/// The incidents of some data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Incidents {
    /// The number of events that were scored.
    pub events: u64,
    /// The number of events above the threshold, each of which is in one incident.
    pub anomalous: u64,
    /// The number of incidents.
    pub found: u64,
    /// Whether times count from 1970-01-01 UTC; `None` if the data has no times.
    pub times_are_dates: Option<bool>,
    /// The incidents with the highest scores, highest first; of equal scores the one with the lesser id first.
    pub incidents: Vec<Incident>,
}

/// The anomalous events of one host that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Incident {
    /// The id: a hash of the host, of the first event's time and process, and of the id before. The same data gives the
    /// same id.
    pub id: String,
    /// The id of the incident that this one continues, if there is one.
    pub previous: Option<String>,
    /// The name of the host; `None` for events without one.
    pub host: Option<String>,
    /// The sum of the evidence of the distinct feature rows.
    pub score: f64,
    /// The time of the first event, in seconds.
    pub first: Option<f64>,
    /// The time of the last event, in seconds.
    pub last: Option<f64>,
    /// The number of anomalous events.
    pub events: u64,
    /// The number of distinct feature rows among them, at most [`MAX_ROWS`].
    pub distinct_rows: u64,
    /// The number of processes with anomalous events; 0 for a log without processes.
    pub n_processes: u64,
    /// The program that started the session of the processes, such as `sshd`; `None` if no such program did.
    pub started_by: Option<String>,
    /// The processes with anomalous events and what they descend from, each after its parent.
    pub processes: Vec<IncidentProcess>,
    /// The values that tell the incident apart, if it is not one of processes.
    pub by: Vec<ColumnValue>,
    /// The users on whose behalf events happened, most events first.
    pub users: Names,
    /// The programs that training never saw, most events first, if the recipe knows programs.
    pub new_programs: Names,
    /// The paths that events name, most events first.
    pub paths: Names,
    /// The network addresses that events name, most events first.
    pub addresses: Names,
    /// The reasons of all events, strongest first. Values that at least [`COMMON_SHARE`] of the training events have are
    /// left out, unless there is no other reason.
    pub reasons: Vec<IncidentReason>,
    /// The columns that identify the first event with the highest score.
    pub event: Event,
    /// The highest score of an event.
    pub highest_score: f64,
}

/// A process of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentProcess {
    /// The number of processes above it in the incident.
    pub depth: usize,
    /// The number of the process.
    pub process: i64,
    /// The programs that it ran, in the order of their first anomalous event; the last one known, if it has no
    /// anomalous event.
    pub programs: Vec<String>,
    /// The number of its anomalous events; 0 for an ancestor that has none.
    pub events: u64,
}

/// Names with the number of events of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// The number of distinct names, at most [`MAX_NAMES`].
    pub distinct: u64,
    /// The most frequent names with the number of events of each, most events first.
    pub most: Vec<NameCount>,
}

/// A name with the number of events that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameCount {
    /// The name.
    pub name: String,
    /// The number of events.
    pub events: u64,
}

/// A column and a value of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnValue {
    /// The name of the column.
    pub column: String,
    /// The value as text; `None` where it is null.
    pub value: Option<String>,
}

/// A reason of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentReason {
    /// The feature's name.
    pub feature: String,
    /// The value and how common it was in training, in words.
    pub text: String,
    /// The sum of the contributions to the scores of the events that have it. A lower sum is a stronger reason.
    pub contribution: f64,
    /// The number of events that have it.
    pub events: u64,
}

impl Incident {
    /// Returns the programs from the one that started the session down to the process with the most events, the first of
    /// equals. A program that starts itself is named once.
    pub fn chain(&self) -> Vec<&str> {
        let most = self.processes.iter().map(|process| process.events).max();
        let last = self
            .processes
            .iter()
            .position(|process| Some(process.events) == most);
        let listed = last.map_or(&[][..], |last| &self.processes[..=last]);
        // Each process is listed after its parent.
        let mut line: Vec<&IncidentProcess> = Vec::new();
        for process in listed.iter().rev() {
            if line.last().is_none_or(|below| process.depth < below.depth) {
                line.push(process);
            }
        }
        let programs = line.iter().rev().flat_map(|process| &process.programs);
        let mut chain: Vec<&str> = self.started_by.iter().map(String::as_str).collect();
        chain.extend(programs.map(String::as_str));
        chain.dedup();
        chain
    }
}

impl Default for IncidentOptions {
    fn default() -> Self {
        Self {
            limit: 100,
            by: Vec::new(),
        }
    }
}

impl IncidentOptions {
    /// Checks the limit.
    fn check(&self) -> Result<()> {
        if (1..=MAX_LISTED).contains(&self.limit) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} {} is not from 1 to {MAX_LISTED}",
            parameter("limit"),
            self.limit
        )))
    }
}
