//! An event of Tracee in BETH's terms.

use std::borrow::Cow;

use serde::Deserialize;

use super::cell::{Cell, Value};
use super::row::Field;
use super::{Layout, schema};
use crate::log::Log;
use crate::log::tracee::{self, Form, Recognised};

/// The positions of the cells whose meaning differs from BETH's.
pub(super) struct TraceeCells {
    event_name: usize,
    event_id: Option<usize>,
    args_num: Option<usize>,
    timestamp: Option<usize>,
    /// The columns in which BETH writes an empty list where there is no value.
    lists: Vec<usize>,
    /// The cells that no event is without, with the keys of their values.
    required: Vec<(usize, &'static str)>,
    form: Form,
}

impl TraceeCells {
    /// Finds the cells of `fields` for events of `form`, and adds those that no event is without.
    pub fn of(fields: &mut Vec<Field>, form: Form, log: &Log) -> Self {
        let position =
            |fields: &[Field], name: &str| fields.iter().position(|field| field.key == name);
        let required = form.required().map(|(column, key)| {
            let known = position(fields, column);
            let at = known.unwrap_or_else(|| {
                fields.push(schema::field(column, Layout::Tracee(form), log));
                fields.len() - 1
            });
            (at, key)
        });
        let lists = log.list_columns();
        Self {
            event_name: position(fields, tracee::EVENT_NAME).unwrap_or_default(),
            event_id: position(fields, tracee::EVENT_ID),
            args_num: position(fields, tracee::ARGS_NUM),
            timestamp: position(fields, tracee::TIMESTAMP),
            lists: lists
                .iter()
                .filter_map(|(name, _)| position(fields, name))
                .collect(),
            required: required.into(),
            form,
        }
    }

    /// Returns the keys that an event has and these cells lack.
    pub fn missing(&self, cells: &[Cell]) -> Vec<&'static str> {
        let is_empty = |cell: &Cell| match cell.value {
            Value::Null => true,
            Value::Text => cell.text.trim().is_empty(),
            _ => false,
        };
        let required = self.required.iter();
        let missing = required.filter(|(at, _)| is_empty(&cells[*at]));
        missing.map(|(_, key)| *key).collect()
    }

    /// Puts BETH's names, numbers and units into the cells of an event. `has_empty_path` is asked where it matters whether
    /// its argument `pathname` is an empty text.
    pub fn translate(
        &self,
        cells: &mut [Cell],
        has_empty_path: impl FnOnce() -> bool,
    ) -> Recognised {
        for list in &self.lists {
            if cells[*list].value == Value::Null {
                cells[*list].set_text("[]");
            }
        }
        if let Some(timestamp) = self.timestamp.filter(|_| self.form == Form::Later) {
            to_seconds(&mut cells[timestamp]);
        }
        let recognised = match cells[self.event_name].value {
            Value::Text => tracee::recognise(&cells[self.event_name].text, has_empty_path),
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

    /// Returns the number of an event that BETH does not have.
    fn unknown_id(&self, cells: &[Cell]) -> Option<i64> {
        let id = cells[self.event_id?].whole()??;
        Some(tracee::unknown_id(self.form, id))
    }
}

/// Turns nanoseconds, of whatever type, into seconds.
fn to_seconds(cell: &mut Cell) {
    let seconds = match cell.value {
        Value::Integer(nanoseconds) => Some(tracee::seconds(nanoseconds)),
        Value::Number(nanoseconds) => Some(tracee::seconds_of_float(nanoseconds)),
        Value::Text => tracee::seconds_of_text(&cell.text),
        _ => None,
    };
    if let Some(seconds) = seconds {
        cell.value = Value::Number(seconds);
    }
}

/// Returns whether an event's argument `pathname` is an empty text.
pub(super) fn has_empty_path(line: &[u8]) -> bool {
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
