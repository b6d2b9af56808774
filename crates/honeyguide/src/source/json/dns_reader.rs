//! Objects of Suricata and of Zeek, read into the cells of the columns of a log of DNS.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::cell::{Cell, Literal, Value};
use super::field::Field;
use crate::log::dns_messages::{self, Message, Object};
use crate::log::{Dialect, Notation};
use crate::source::intake::LateKeys;

/// A reader of objects. Its cells are those of the columns that are wanted.
pub(super) struct DnsReader {
    dialect: Dialect,
    wanted: Vec<(String, Notation)>,
    cells: Vec<Cell>,
    /// All columns of the text.
    columns: HashSet<String>,
    late: LateKeys,
    /// Why the last object is no message, if it is none.
    other: Option<String>,
}

impl DnsReader {
    /// Returns a reader of the values of `fields`. The text has the columns `columns`.
    pub fn new(dialect: Dialect, fields: &[Field], columns: HashSet<String>) -> Self {
        let wanted = fields.iter();
        let wanted = wanted.map(|field| (field.key.clone(), field.notation));
        Self {
            dialect,
            wanted: wanted.collect(),
            cells: fields.iter().map(|_| Cell::default()).collect(),
            columns,
            late: LateKeys::default(),
            other: None,
        }
    }

    /// Reads the object of a line.
    pub fn read(&mut self, object: &Object) {
        let message = match Message::of(self.dialect, object) {
            Ok(message) => message,
            Err(why) => {
                self.other = Some(why);
                return;
            }
        };
        self.other = None;
        for cell in &mut self.cells {
            cell.value = Value::Null;
        }
        for ((column, _), cell) in self.wanted.iter().zip(&mut self.cells) {
            message.fill(column, cell);
        }
        for (name, value) in dns_messages::further(self.dialect, object) {
            if let Some(at) = self.wanted.iter().position(|(wanted, _)| *wanted == name) {
                set(&mut self.cells[at], value, self.wanted[at].1);
            } else if !self.columns.contains(&name) {
                self.late.add(&name);
            }
        }
    }

    /// Returns the values of the last object.
    ///
    /// # Errors
    /// Fails with the reason why that object is no message.
    pub fn cells(&mut self) -> Result<&mut [Cell], String> {
        match self.other.take() {
            Some(why) => Err(why),
            None => Ok(&mut self.cells),
        }
    }

    /// Takes the keys that were met and are no columns.
    pub fn take_late_keys(&mut self) -> LateKeys {
        std::mem::take(&mut self.late)
    }
}

impl Message {
    /// Sets the cell of a column of the log; that of any other column stays as it is.
    fn fill(&self, column: &str, cell: &mut Cell) {
        match column {
            "Timestamp" => set_text(cell, self.time.as_deref()),
            "SourceIP" => set_text(cell, self.source.as_deref()),
            "DestinationIP" => set_text(cell, self.destination.as_deref()),
            "SensorId" => set_text(cell, self.host.as_deref()),
            "DnsQuery" => set_text(cell, self.names.first().map(String::as_str)),
            "DnsQueryNames" if self.names.is_empty() => {}
            "DnsQueryNames" => cell.set_text(&self.names.join(", ")),
            "DnsQueryClass" => set_list(cell, &self.classes),
            "DnsQueryType" => set_list(cell, &self.types),
            "DnsAnswer" => set_list(cell, &self.answers),
            "DnsAnswerTTL" => set_list(cell, &self.ttls),
            "NumberOfAnswers" => cell.value = Value::Integer(self.answers.len() as i64),
            "DnsResponseCode" => set_number(cell, self.response_code),
            "DnsOpCode" => set_number(cell, self.op_code),
            _ => {}
        }
    }
}

fn set_text(cell: &mut Cell, text: Option<&str>) {
    if let Some(text) = text {
        cell.set_text(text);
    }
}

fn set_number(cell: &mut Cell, number: Option<i64>) {
    if let Some(number) = number {
        cell.value = Value::Integer(number);
    }
}

/// Sets a list of texts as BETH writes it. An empty one is a missing value there.
fn set_list(cell: &mut Cell, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    cell.set_text("[");
    let mut list = Literal {
        out: &mut cell.text,
        notation: Notation::Python,
    };
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            list.out.push_str(", ");
        }
        list.quoted(text);
    }
    cell.text.push(']');
}

/// Sets any value of JSON. A list or an object becomes text.
pub(super) fn set(cell: &mut Cell, value: &Json, notation: Notation) {
    match value {
        Json::Null => cell.value = Value::Null,
        Json::Bool(boolean) => cell.value = Value::Boolean(*boolean),
        Json::Number(number) => {
            cell.value = if let Some(integer) = number.as_i64() {
                Value::Integer(integer)
            } else if let Some(integer) = number.as_u64() {
                Value::Unsigned(integer)
            } else {
                number.as_f64().map_or(Value::Null, Value::Number)
            }
        }
        Json::String(text) => cell.set_text(text),
        Json::Array(_) | Json::Object(_) => {
            cell.set_text("");
            let out = &mut cell.text;
            // A value that was parsed is valid, and writing to a string cannot fail.
            let _ = serde::de::DeserializeSeed::deserialize(Literal { out, notation }, value);
        }
    }
}
