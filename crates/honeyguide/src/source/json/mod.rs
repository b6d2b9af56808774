//! Newline-delimited JSON as batches of columns: any objects, or the events of the sensor Tracee.
//!
//! A line that cannot be read is left out and counted. Lists and objects within a line become text.

mod cell;
mod decoder;
mod lenient;
mod lines;
mod pick;
mod reader;
mod row;
mod schema;
mod tracee_cells;

pub(super) use pick::for_each_value;
pub(super) use reader::{BatchReader, JsonScan};
pub(super) use schema::{add, columns, columns_of_stream};

/// The kind of a text's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Any objects.
    Plain,
    /// Events of Tracee with times in seconds, which have BETH's columns and no others.
    TraceeSeconds,
    /// Events of Tracee with times in nanoseconds, which also have the columns that came after 2021.
    TraceeNanoseconds,
}

impl Layout {
    /// Returns whether the lines are Tracee's.
    pub fn is_tracee(self) -> bool {
        self != Self::Plain
    }
}
