//! What a watch has done, as it says at its end.

use serde::Serialize;

use crate::gap::Gap;
use crate::ledger::{BadRecord, Ledger};

/// How a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All inputs were over.
    InputsOver,
    /// It was asked to end.
    Stopped,
}

/// What a watch has done.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// The number of records by what became of them.
    pub ledger: Ledger,
    /// The number of anomalous events.
    pub anomalous: u64,
    /// The number of events that came after later ones of their host had been folded.
    pub late: u64,
    /// The number of events that waited for earlier ones for a shorter time, because too many waited.
    pub early: u64,
    /// The number of values of `args` that could not be read. They were taken as null.
    pub malformed_args: u64,
    /// The number of incidents that were opened.
    pub incidents: u64,
    /// The number of incidents of the day, also of earlier runs, that alerts do not tell of.
    pub beyond_budget: u64,
    /// The number of hosts that were forgotten because there were too many.
    pub forgotten_hosts: u64,
    /// How often the clock of a host went back, so that its incidents ended.
    pub clock_jumps: u64,
    /// The newest times in which events may have been lost, the oldest first.
    pub gaps: Vec<Gap>,
    /// The inputs.
    pub inputs: Vec<InputSummary>,
    /// The newest records that could not be read.
    pub bad_records: Vec<BadRecord>,
    /// Why the recipe could not use the first of the events that it could not use.
    pub first_unusable: Option<String>,
}

/// What a watch knows of an input.
#[derive(Debug, Clone, Serialize)]
pub struct InputSummary {
    /// The name of the input.
    pub name: String,
    /// What its records are, such as `a log of kernel calls`; `None` if none could be read.
    pub log: Option<String>,
    /// The number of records that came. A header of CSV counts as one.
    pub records: u64,
    /// How often its file was begun anew, if it is followed.
    pub restarts: Restarts,
}

/// How often a file was begun anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Restarts {
    /// It was renamed, and another one had its name.
    pub renamed: u64,
    /// It was emptied, or written anew.
    pub emptied: u64,
}
