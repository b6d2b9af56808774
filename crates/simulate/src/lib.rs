//! Simulated kernel-call logs: a small fleet of hosts at work, and a break-in on one of them.
//!
//! The simulation is for trying things out: its files have the columns and text formats of the BETH
//! data set (Highnam, Arulkumaran, Hanif and Jennings, "BETH Dataset: Real Cybersecurity Data for
//! Anomaly Detection Research", CAMLIS 2021), and its events come from scenarios, so that processes
//! have parents, files are closed after they are opened, and times make sense. It is not that data
//! set, and a figure measured on it says nothing of real hosts.
//!
//! | split | hosts | what happens |
//! |---|---|---|
//! | training, 66.9 % of the events | 8 | ordinary days |
//! | validation, 16.55 % | 4 others | ordinary days, with some jobs the training hosts do not have |
//! | testing, the rest | 1 other | an ordinary day with a break-in: about 84 % of events `evil`, 90 % `sus` |
//!
//! Ordinary days have some events with `sus` too (under 1 %): the odd things of BETH's own benign
//! hosts, such as a crash handler or the service manager of an administrator's login. The shares hold
//! from about 100,000 events on. Below, a single login is a large part of the test split, and below
//! 30,000 the intruder is logged in when the recording begins.
//!
//! A file holds its hosts one after the other, and within a host time strictly increases; so do
//! BETH's, except for their occasional disorder within a few milliseconds. More events mean a longer
//! recording: more jobs, visitors and sessions. Memory does not grow with it.
//!
//! The same seed gives the same bytes on any machine.

#![warn(missing_docs)]

mod agenda;
mod attack;
mod call;
mod files;
mod fleet;
mod host;
mod part;
mod process;
mod programs;
mod random;
mod remote;
mod scheduled;
mod services;
mod sockets;
mod tasks;
mod text;
mod tools;
mod workloads;

#[cfg(test)]
mod checks;

use std::io;

/// Events of all three splits, unless the caller says otherwise.
pub const DEFAULT_EVENTS: u64 = 150_000;
/// The fewest events a simulation can have: with fewer the break-in would not fit into its split.
pub const LEAST_EVENTS: u64 = 1_000;
/// The most events a simulation can have, which is about two terabytes of text.
pub const MOST_EVENTS: u64 = 10_000_000_000;

/// Why a simulation cannot be set up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SimulateError {
    /// Too few events for the scenario to show.
    #[error("a simulation of {events} events is too short: it needs at least {LEAST_EVENTS}")]
    TooFewEvents {
        /// What was asked for.
        events: u64,
    },
    /// More events than the counters of the scenario are made for.
    #[error("a simulation of {events} events is too long: it may have at most {MOST_EVENTS}")]
    TooManyEvents {
        /// What was asked for.
        events: u64,
    },
}

/// One of BETH's three files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Benign hosts to learn from.
    Training,
    /// Other benign hosts, to choose a threshold on.
    Validation,
    /// A host that is broken into.
    Testing,
}

impl Split {
    /// All splits, in the order they are used.
    pub const ALL: [Split; 3] = [Split::Training, Split::Validation, Split::Testing];

    /// The file's name in the BETH data set.
    pub fn file_name(self) -> &'static str {
        match self {
            Split::Training => "labelled_training_data.csv",
            Split::Validation => "labelled_validation_data.csv",
            Split::Testing => "labelled_testing_data.csv",
        }
    }
}

/// What a written split holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows below the header.
    pub events: u64,
    /// Hosts that the events come from.
    pub hosts: u64,
    /// Events with `sus` = 1.
    pub sus: u64,
    /// Events with `evil` = 1; all of them have `sus` = 1.
    pub evil: u64,
    /// Processes that lived at some time, those of the boot included.
    pub processes: u64,
}

/// A simulation: how many events it has, and the seed it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulation {
    events: u64,
    seed: u64,
}

impl Simulation {
    /// A simulation of `events` events over the three splits.
    ///
    /// # Errors
    /// If `events` is not between [`LEAST_EVENTS`] and [`MOST_EVENTS`].
    pub fn new(events: u64, seed: u64) -> Result<Self, SimulateError> {
        match events {
            ..LEAST_EVENTS => Err(SimulateError::TooFewEvents { events }),
            LEAST_EVENTS..=MOST_EVENTS => Ok(Self { events, seed }),
            _ => Err(SimulateError::TooManyEvents { events }),
        }
    }

    /// Events of one split, in the proportions of BETH's; the three add up to those of the simulation.
    pub fn split_events(&self, split: Split) -> u64 {
        let training = self.events * 6_690 / 10_000;
        let validation = self.events * 1_655 / 10_000;
        match split {
            Split::Training => training,
            Split::Validation => validation,
            Split::Testing => self.events - training - validation,
        }
    }

    /// Writes one split as CSV with its header. The splits do not depend on each other, so each may be
    /// written by a thread of its own.
    ///
    /// ```
    /// # use simulate::{Simulation, Split};
    /// let mut csv = Vec::new();
    /// let summary = Simulation::new(10_000, 7)?.write_split(Split::Testing, &mut csv)?;
    /// assert_eq!(summary.events, 1_655);
    /// assert!(csv.starts_with(b"timestamp,processId,threadId,"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first error of `out`; what it was given until then is incomplete.
    pub fn write_split(&self, split: Split, out: &mut impl io::Write) -> io::Result<Summary> {
        let mut rows = text::Rows::new(out);
        let summary = fleet::run(split, self.seed, self.split_events(split), &mut rows);
        rows.finish()?;
        Ok(summary)
    }
}
