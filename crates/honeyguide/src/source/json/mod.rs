//! Newline-delimited JSON as batches of columns: any objects, or the events of the sensor Tracee.
//!
//! A line that cannot be read is left out and counted. Lists and objects within a line become text.

mod cell;
mod lines;
mod reader;
mod row;
mod schema;

pub(super) use reader::{BatchReader, JsonScan, misfit};
pub(super) use schema::columns;

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Any objects.
    Plain,
    /// Tracee's, with times in seconds: BETH's columns and no more.
    TraceeSeconds,
    /// Tracee's, with times in nanoseconds, and with what came after 2021.
    TraceeNanoseconds,
}

impl Layout {
    /// Whether the lines are Tracee's.
    pub fn is_tracee(self) -> bool {
        self != Self::Plain
    }
}
