//! Simulated kernel-call logs of a small fleet of hosts, one of which is broken into.
//!
//! The simulation is for trying out the tool. Its files have the columns and text formats of the BETH
//! data set (Highnam, Arulkumaran, Hanif and Jennings, "BETH Dataset: Real Cybersecurity Data for
//! Anomaly Detection Research", CAMLIS 2021). Its events follow scenarios, so processes have parents,
//! files are closed after they are opened, and times are plausible. The data is not BETH, and a
//! figure measured on it says nothing about real hosts.
//!
//! | split | hosts | scenario |
//! |---|---|---|
//! | training, 66.9 % of the events | 8 | ordinary days |
//! | validation, 16.55 % | 4 others | ordinary days, with some jobs that the training hosts do not run |
//! | testing, the rest | 1 other | an ordinary day with a break-in: about 84 % of the events are `evil`, 90 % are `sus` |
//!
//! Ordinary days have some events with `sus` = 1 too (under 1 %). They are of the kinds that BETH marks
//! on its own benign hosts, such as the events of a crash handler or of the service manager that starts
//! when an administrator logs in. The shares hold from about 100,000 events on. In smaller simulations
//! a single login is a large part of the test split, and below 30,000 events the intruder is already
//! logged in when the recording begins.
//!
//! A file holds its hosts one after the other, and time strictly increases within a host. BETH's files
//! have the same order, except for occasional disorder within a few milliseconds. More events make a
//! longer recording, with more jobs, visitors and sessions. Memory use does not grow with the number of
//! events.
//!
//! The same seed gives the same bytes on every machine.

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

/// The number of events in the three splits together, unless the caller chooses another.
pub const DEFAULT_EVENTS: u64 = 150_000;
/// The smallest number of events of a simulation. With fewer, the break-in would not fit into its split.
pub const LEAST_EVENTS: u64 = 1_000;
/// The largest number of events of a simulation, which makes about two terabytes of text.
pub const MOST_EVENTS: u64 = 10_000_000_000;

/// The reason why a simulation cannot be set up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SimulateError {
    /// There are too few events for the scenario to unfold.
    #[error("a simulation of {events} events is too short: it needs at least {LEAST_EVENTS}")]
    TooFewEvents {
        /// The number of events that was asked for.
        events: u64,
    },
    /// There are more events than the counters of the scenario are made for.
    #[error("a simulation of {events} events is too long: it may have at most {MOST_EVENTS}")]
    TooManyEvents {
        /// The number of events that was asked for.
        events: u64,
    },
}

/// One of the three files of the BETH data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Benign hosts to fit a model to.
    Training,
    /// Other benign hosts, to choose a threshold on.
    Validation,
    /// A host that is broken into.
    Testing,
}

impl Split {
    /// All splits, in the order they are used.
    pub const ALL: [Split; 3] = [Split::Training, Split::Validation, Split::Testing];

    /// Returns the name of the file in the BETH data set.
    pub fn file_name(self) -> &'static str {
        match self {
            Split::Training => "labelled_training_data.csv",
            Split::Validation => "labelled_validation_data.csv",
            Split::Testing => "labelled_testing_data.csv",
        }
    }
}

/// The counts of a written split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of events, which are the rows below the header.
    pub events: u64,
    /// The number of hosts that the events come from.
    pub hosts: u64,
    /// The number of events with `sus` = 1.
    pub sus: u64,
    /// The number of events with `evil` = 1. All of them have `sus` = 1 too.
    pub evil: u64,
    /// The number of processes that existed at some time, including those started at boot.
    pub processes: u64,
}

/// A simulation, defined by its number of events and its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulation {
    events: u64,
    seed: u64,
}

impl Simulation {
    /// Creates a simulation of `events` events in the three splits together.
    ///
    /// # Errors
    /// Returns an error if `events` is not between [`LEAST_EVENTS`] and [`MOST_EVENTS`].
    pub fn new(events: u64, seed: u64) -> Result<Self, SimulateError> {
        match events {
            ..LEAST_EVENTS => Err(SimulateError::TooFewEvents { events }),
            LEAST_EVENTS..=MOST_EVENTS => Ok(Self { events, seed }),
            _ => Err(SimulateError::TooManyEvents { events }),
        }
    }

    /// Returns the number of events of one split.
    ///
    /// The proportions are those of BETH. The three numbers add up to the events of the simulation.
    pub fn split_events(&self, split: Split) -> u64 {
        let training = self.events * 6_690 / 10_000;
        let validation = self.events * 1_655 / 10_000;
        match split {
            Split::Training => training,
            Split::Validation => validation,
            Split::Testing => self.events - training - validation,
        }
    }

    /// Writes one split as CSV with a header.
    ///
    /// The splits do not depend on each other, so each may be written by a thread of its own.
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
    /// Returns the first error of `out`. The rows written before the error are an incomplete split.
    pub fn write_split(&self, split: Split, out: &mut impl io::Write) -> io::Result<Summary> {
        let mut rows = text::Rows::new(out);
        let summary = fleet::run(split, self.seed, self.split_events(split), &mut rows);
        rows.finish()?;
        Ok(summary)
    }
}
