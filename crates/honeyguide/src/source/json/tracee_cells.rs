//! An event of Tracee in BETH's terms.

use std::borrow::Cow;

use serde::Deserialize;

use super::cell::{Cell, Value};
use super::field::Field;
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

    /// Puts BETH's names, numbers and units into the cells of the event in `line`. Whether its argument `pathname` is an
    /// empty text is found out where it matters and `path_is_empty` does not say it.
    pub fn translate(
        &self,
        cells: &mut [Cell],
        line: &[u8],
        path_is_empty: Option<bool>,
    ) -> Recognised {
        for list in &self.lists {
            if cells[*list].value == Value::Null {
                cells[*list].set_text("[]");
            }
        }
        if let Some(timestamp) = self.timestamp.filter(|_| self.form == Form::Later) {
            to_seconds(&mut cells[timestamp], line);
        }
        let recognised = match cells[self.event_name].value {
            Value::Text => tracee::recognise(&cells[self.event_name].text, || {
                path_is_empty.unwrap_or_else(|| has_empty_path(line))
            }),
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

/// Turns the nanoseconds of the time in `line`, of whatever type, into seconds. A double has too few digits for them, so
/// those of the line are taken.
fn to_seconds(cell: &mut Cell, line: &[u8]) {
    let seconds = match cell.value {
        Value::Integer(nanoseconds) => Some(tracee::seconds(nanoseconds)),
        Value::Number(nanoseconds) => written_time(line, nanoseconds)
            .and_then(tracee::seconds_of_text)
            .or(Some(tracee::seconds_of_float(nanoseconds))),
        Value::Text => tracee::seconds_of_text(&cell.text),
        _ => None,
    };
    if let Some(seconds) = seconds {
        cell.value = Value::Number(seconds);
    }
}

/// Returns how `line` writes the time that is `nanoseconds`.
fn written_time(line: &[u8], nanoseconds: f64) -> Option<&str> {
    const KEY: &str = "\"timestamp\"";
    let line = std::str::from_utf8(line).ok()?;
    line.match_indices(KEY).find_map(|(at, _)| {
        let value = line[at + KEY.len()..].trim_start().strip_prefix(':')?;
        let value = value.trim_start();
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = value.bytes().take_while(is_part).count();
        let number = &value[..length];
        // The key may also be one of an object within the event.
        (number.parse() == Ok(nanoseconds)).then_some(number)
    })
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
