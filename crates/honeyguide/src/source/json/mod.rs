//! Newline-delimited JSON as batches of columns: any objects, or the events of a program in its own form. The lines of
//! Zeek's own format are read here too, as the objects that Zeek would write as JSON.
//!
//! A line that cannot be read is left out and counted. Lists and objects within a line become text.

mod cell;
mod decoder;
mod dns_reader;
mod field;
mod lenient;
mod lines;
mod pick;
mod quick;
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
    /// DNS messages of the program of a dialect, as JSON.
    Dns(Dialect),
    /// DNS messages in Zeek's own format.
    ZeekTsv,
}

impl Layout {
    /// Returns the dialect of the lines; `None` for any objects.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Plain => None,
            Self::Tracee(_) => Some(Dialect::Tracee),
            Self::Dns(dialect) => Some(dialect),
            Self::ZeekTsv => Some(Dialect::Zeek),
        }
    }

    /// Returns whether lines can be read without those before them, which a header within the text forbids.
    pub fn is_divisible(self) -> bool {
        self != Self::ZeekTsv
    }

    /// Returns whether the lines are DNS messages, which may have any further columns.
    pub fn is_of_messages(self) -> bool {
        matches!(self, Self::Dns(_) | Self::ZeekTsv)
    }

    /// Returns the form of Tracee's events; `None` for any other objects.
    fn form(self) -> Option<Form> {
        match self {
            Self::Tracee(form) => Some(form),
            Self::Plain | Self::Dns(_) | Self::ZeekTsv => None,
        }
    }
}
