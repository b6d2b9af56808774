//! An event of Tracee in BETH's terms.

use std::borrow::Cow;

use serde::Deserialize;

use super::cell::{Cell, Value};
use super::row::Field;
use super::{Layout, schema};
use crate::log::Log;
use crate::log::tracee::{self, Recognised};

/// The positions of the cells whose meaning differs from BETH's.
pub(super) struct TraceeCells {
    event_name: usize,
    event_id: Option<usize>,
    args_num: Option<usize>,
    timestamp: Option<usize>,
    /// The columns in which BETH writes an empty list where there is no value.
    lists: Vec<usize>,
    is_later: bool,
}

impl TraceeCells {
    /// Finds the cells of `fields`, and adds the event's name where it is not among them.
    pub fn of(fields: &mut Vec<Field>, layout: Layout, log: &Log) -> Self {
        let position =
            |fields: &[Field], name: &str| fields.iter().position(|field| field.key == name);
        let event_name = position(fields, tracee::EVENT_NAME).unwrap_or_else(|| {
            fields.push(schema::field(tracee::EVENT_NAME, layout, log));
            fields.len() - 1
        });
        let lists = log.list_columns();
        Self {
            event_name,
            event_id: position(fields, tracee::EVENT_ID),
            args_num: position(fields, tracee::ARGS_NUM),
            timestamp: position(fields, tracee::TIMESTAMP),
            lists: lists
                .iter()
                .filter_map(|(name, _)| position(fields, name))
                .collect(),
            is_later: layout == Layout::TraceeNanoseconds,
        }
    }

    /// Puts BETH's names, numbers and units into the cells of an event.
    pub fn translate(&self, cells: &mut [Cell], line: &[u8]) -> Recognised {
        for list in &self.lists {
            if cells[*list].value == Value::Null {
                cells[*list].set_text("[]");
            }
        }
        if let Some(timestamp) = self.timestamp.filter(|_| self.is_later)
            && let Value::Integer(nanoseconds) = cells[timestamp].value
        {
            cells[timestamp].value = Value::Number(tracee::seconds(nanoseconds));
        }
        let recognised = match cells[self.event_name].value {
            Value::Text => tracee::recognise(&cells[self.event_name].text, || has_empty_path(line)),
            _ => Recognised::Unknown,
        };
        let (number, args) = match recognised {
            Recognised::Mapped { id, args_num } => (Some(id), Some(args_num)),
            Recognised::Aliased { name, id, args_num } => {
                cells[self.event_name].set_text(name);
                (Some(id), Some(args_num))
            }
            Recognised::Unknown => (self.unknown_id(cells), None),
        };
        for (cell, value) in [(self.event_id, number), (self.args_num, args)] {
            if let (Some(cell), Some(value)) = (cell, value) {
                cells[cell].value = Value::Integer(value);
            }
        }
        recognised
    }

    /// Returns the number of an event that BETH does not have. In 2021 the numbers were BETH's.
    fn unknown_id(&self, cells: &[Cell]) -> Option<i64> {
        let id = cells[self.event_id.filter(|_| self.is_later)?].integer()??;
        Some(tracee::unknown_id(id))
    }
}

/// Returns whether an event's argument `pathname` is an empty text.
fn has_empty_path(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        args: Vec<Argument<'a>>,
    }
    #[derive(Deserialize)]
    struct Argument<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default)]
        value: serde_json::Value,
    }
    serde_json::from_slice::<Event>(line).is_ok_and(|event| {
        let mut arguments = event.args.iter();
        arguments.any(|argument| argument.name == "pathname" && argument.value == "")
    })
}
