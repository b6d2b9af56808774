//! Simulated logs of kernel calls and of DNS of a small fleet of hosts, one of which is broken into.
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
//! A simulation of a fleet is long and quiet instead. It has a training and a test file, each with so many hosts that
//! record so many hours, 6,000 to 13,000 events an hour and host. On ordinary days people log in, jobs run, packages are
//! upgraded, releases are deployed, data is backed up, and now and then somebody tries a program that the host never ran
//! before. Three hosts of the test file are broken into, each in its own way:
//!
//! | host | break-in | labelled events |
//! |---|---|---|
//! | one with a web server | commands through the web server, then a shell that connects back | about 1,800, in half an hour |
//! | another | the break-in of the table above, whose scanner connects to other hosts for two hours | more than 80,000, until the end of the recording |
//! | another | a stolen key of the administrator: files are read, packed and sent out | about 4,000, in an hour |
//!
//! In a fleet, events of ordinary days are never labelled. From three hours on, the quiet
//! break-ins end within the recording.
//!
//! Beside the kernel calls of a split, its hosts can write the lookups of names that their processes make, in the columns
//! of BETH's DNS files. The recording of each host begins on 2026-03-02 at midnight UTC. Ordinary hosts look up agents,
//! mirrors, time servers, the names of strangers, and now and then what nobody asked for before; every fourth host is a
//! mail server, of which only the lookups are recorded. An intruder looks up where tools come from, a control server and a
//! mining pool (after the web server), generated names (beside the scanner), and names that carry data out in queries for
//! TXT (beside the archives). Lookups have the labels of the process that asks.
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
mod break_in;
mod call;
mod exfiltration;
mod files;
mod fleet;
mod host;
mod lookups;
mod names;
mod operations;
mod part;
mod process;
mod programs;
mod random;
mod remote;
mod resolver;
mod scheduled;
mod services;
mod sockets;
mod tasks;
mod text;
mod tools;
mod web_shell;
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

/// The largest number of hours that the hosts of a fleet record.
pub const MOST_HOURS: u64 = 8_784;
/// The smallest number of hosts of a fleet: each break-in has a host of its own.
pub const LEAST_HOSTS: u64 = 3;
/// The largest number of hosts of a fleet.
pub const MOST_HOSTS: u64 = 1_000;

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
    /// A fleet cannot record so many hours.
    #[error("a fleet cannot record {hours} hours: it records from 1 to {MOST_HOURS}")]
    Hours {
        /// The number of hours that was asked for.
        hours: u64,
    },
    /// A fleet cannot have so many hosts.
    #[error("a fleet of {hosts} hosts: it has from {LEAST_HOSTS} to {MOST_HOSTS}")]
    Hosts {
        /// The number of hosts that was asked for.
        hosts: u64,
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

    /// Returns the name of the file with lookups of names beside that of kernel calls. It ends as those of BETH do.
    pub fn lookups_file_name(self) -> &'static str {
        match self {
            Split::Training => "labelled_training_data-dns.csv",
            Split::Validation => "labelled_validation_data-dns.csv",
            Split::Testing => "labelled_testing_data-dns.csv",
        }
    }

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

/// The counts of the lookups of a written split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupSummary {
    /// The number of messages, which are the rows below the header: queries and their responses.
    pub messages: u64,
    /// The number of messages with `sus` = 1.
    pub sus: u64,
    /// The number of messages with `evil` = 1. All of them have `sus` = 1 too.
    pub evil: u64,
}

/// A simulation, defined by its size and its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulation {
    size: Size,
    seed: u64,
}

/// The size of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// The number of events of all splits together.
    Events(u64),
    /// The number of hosts of each split, and the hours that they record.
    Fleet { hours: u64, hosts: u64 },
}

impl Simulation {
    /// Creates a simulation of `events` events in the three splits together.
    ///
    /// # Errors
    /// Returns an error if `events` is not between [`LEAST_EVENTS`] and [`MOST_EVENTS`].
    pub fn new(events: u64, seed: u64) -> Result<Self, SimulateError> {
        match events {
            ..LEAST_EVENTS => Err(SimulateError::TooFewEvents { events }),
            LEAST_EVENTS..=MOST_EVENTS => Ok(Self {
                size: Size::Events(events),
                seed,
            }),
            _ => Err(SimulateError::TooManyEvents { events }),
        }
    }

    /// Creates a simulation of a fleet, of which `hosts` hosts for training and `hosts` others for testing record `hours`
    /// hours each.
    ///
    /// # Errors
    /// Returns an error if `hours` is not between 1 and [`MOST_HOURS`], or `hosts` not between [`LEAST_HOSTS`] and
    /// [`MOST_HOSTS`].
    pub fn of_fleet(hours: u64, hosts: u64, seed: u64) -> Result<Self, SimulateError> {
        if !(1..=MOST_HOURS).contains(&hours) {
            return Err(SimulateError::Hours { hours });
        }
        if !(LEAST_HOSTS..=MOST_HOSTS).contains(&hosts) {
            return Err(SimulateError::Hosts { hosts });
        }
        let size = Size::Fleet { hours, hosts };
        Ok(Self { size, seed })
    }

    /// Returns the splits of the simulation, in the order in which they are used.
    pub fn splits(&self) -> &'static [Split] {
        match self.size {
            Size::Events(_) => &Split::ALL,
            Size::Fleet { .. } => &[Split::Training, Split::Testing],
        }
    }

    /// Returns the number of events of one split, or `None` for a fleet, which records hours and not events.
    ///
    /// The proportions are those of BETH. The three numbers add up to the events of the simulation.
    pub fn split_events(&self, split: Split) -> Option<u64> {
        let Size::Events(events) = self.size else {
            return None;
        };
        let training = events * 6_690 / 10_000;
        let validation = events * 1_655 / 10_000;
        Some(match split {
            Split::Training => training,
            Split::Validation => validation,
            Split::Testing => events - training - validation,
        })
    }

    /// Returns the hosts of a split.
    fn parts(&self, split: Split) -> Vec<part::Part> {
        match self.size {
            Size::Fleet { hours, hosts } => fleet::parts_of_hours(split, hours, hosts),
            Size::Events(_) => fleet::parts(split, self.split_events(split).unwrap_or(0)),
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
        let (summary, _) = fleet::run(&self.parts(split), self.seed, &mut rows);
        rows.finish()?;
        Ok(summary)
    }

    /// Writes one split as [`write_split`](Self::write_split) does, and the lookups of names of the same hosts as CSV with
    /// a header. The split has the same bytes.
    ///
    /// # Errors
    /// Returns the first error of `calls`, or that of `lookups`. The rows written before the error are incomplete.
    pub fn write_split_with_lookups(
        &self,
        split: Split,
        calls: &mut impl io::Write,
        lookups: &mut impl io::Write,
    ) -> io::Result<(Summary, LookupSummary)> {
        let mut rows = text::Rows::new(calls).with_lookups(lookups);
        let summaries = fleet::run(&self.parts(split), self.seed, &mut rows);
        rows.finish()?;
        Ok(summaries)
    }
}
