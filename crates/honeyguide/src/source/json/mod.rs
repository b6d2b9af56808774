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
mod scan;
mod schema;
mod structured;
mod tracee_cells;

use crate::log::tracee::Form;

pub(super) use decoder::{JsonDecoder, Refusal};
pub(super) use pick::for_each_value;
pub(super) use reader::BatchReader;
pub(super) use scan::JsonScan;
pub(super) use schema::{add, columns, columns_of_stream};

/// The kind of a text's lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Any objects.
    #[default]
    Plain,
    /// Events of Tracee.
    Tracee(Form),
}

impl Layout {
    /// Returns whether the lines are Tracee's.
    pub fn is_tracee(self) -> bool {
        self != Self::Plain
    }

    /// Returns the form of Tracee's events; `None` for any other objects.
    fn form(self) -> Option<Form> {
        match self {
            Self::Plain => None,
            Self::Tracee(form) => Some(form),
        }
    }
}
