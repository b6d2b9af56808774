//! Newline-delimited JSON as batches of columns: any objects, or the events of a program in its own form.
//!
//! A line that cannot be read is left out and counted. Lists and objects within a line become text.

mod cell;
mod decoder;
mod dns_reader;
mod lenient;
mod lines;
mod pick;
mod reader;
mod row;
mod scan;
mod schema;
mod structured;
mod tracee_cells;

use crate::log::Dialect;
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
    /// DNS messages of the program of a dialect.
    Dns(Dialect),
}

impl Layout {
    /// Returns the dialect of the lines; `None` for any objects.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Plain => None,
            Self::Tracee(_) => Some(Dialect::Tracee),
            Self::Dns(dialect) => Some(dialect),
        }
    }

    /// Returns the form of Tracee's events; `None` for any other objects.
    fn form(self) -> Option<Form> {
        match self {
            Self::Tracee(form) => Some(form),
            Self::Plain | Self::Dns(_) => None,
        }
    }
}
