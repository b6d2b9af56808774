//! Which columns a JSON file has: those of its first lines, or Tracee's.

use datafusion::arrow::datatypes::DataType;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Layout;
use super::lines::Lines;
use super::row::Field;
use crate::error::{Error, Result};
use crate::log::{Log, tracee};
use crate::source::file::DataFile;
use crate::source::found::{FoundColumn, Readable};
use crate::source::text::{INFERENCE_RECORDS, read_error};

/// The columns of a JSON file and what its lines are. Whether they are Tracee's is found out where `is_tracee` does not say.
///
/// # Errors
/// The file cannot be read, or none of its first lines is an object.
pub(in crate::source) fn columns(
    file: &DataFile,
    is_tracee: Option<bool>,
) -> Result<(Vec<FoundColumn>, Layout)> {
    let objects = first_objects(file)?;
    let is_tracee = is_tracee.unwrap_or_else(|| {
        objects
            .iter()
            .any(|object| tracee::is_event(|key| object.get(key)))
    });
    if !is_tracee {
        return Ok((plain_columns(&objects), Layout::Plain));
    }
    let is_later = objects
        .iter()
        .any(|object| tracee::is_later(|key| object.get(key)));
    let layout = if is_later {
        Layout::TraceeNanoseconds
    } else {
        Layout::TraceeSeconds
    };
    let columns = tracee::columns(is_later);
    Ok((
        columns
            .map(|(name, data_type)| FoundColumn::stored(*name, data_type.clone()))
            .collect(),
        layout,
    ))
}

/// Where the values of `column` are in a line of `log`.
pub(super) fn field(column: &str, layout: Layout, log: &Log) -> Field {
    let member = layout.is_tracee().then(|| tracee::member(column));
    Field {
        key: column.to_owned(),
        member: member.flatten(),
        notation: log.notation(column),
    }
}

/// An object's keys and values in their order; of a repeated key, every one.
struct Object(Vec<(String, Value)>);

impl Object {
    fn get(&self, key: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(own, _)| own == key);
        found.next_back().map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Object;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Object, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Object(entries))
    }
}

/// The first lines that are objects.
fn first_objects(file: &DataFile) -> Result<Vec<Object>> {
    let mut lines = Lines::new(file.read()?);
    let mut objects = Vec::new();
    let mut first_fault = None;
    for number in 1..=2 * INFERENCE_RECORDS as u64 {
        let line = lines
            .next()
            .map_err(|error| read_error(&file.path, number, error.into()))?;
        let Some(line) = line else {
            break;
        };
        let bytes = line.bytes.unwrap_or(b"too long");
        if bytes.is_empty() {
            continue;
        }
        match serde_json::from_slice(bytes) {
            Ok(object) => objects.push(object),
            Err(_) => {
                first_fault.get_or_insert((number, bytes.first() == Some(&b'[')));
            }
        }
        if objects.len() == INFERENCE_RECORDS {
            break;
        }
    }
    match first_fault {
        Some((line, is_list)) if objects.is_empty() => Err(no_objects(file, line, is_list)),
        None if objects.is_empty() => Err(Error::data(format!(
            "{}: the file is empty",
            file.path.display()
        ))
        .hint("newline-delimited JSON has one object per line")),
        _ => Ok(objects),
    }
}

fn no_objects(file: &DataFile, line: u64, is_list: bool) -> Error {
    let error = Error::data(format!(
        "{}: line {line}: not a JSON object, and none of the next lines is one",
        file.path.display()
    ));
    error.hint(if is_list {
        "this is a list: write one object per line, as in jq -c '.[]' FILE"
    } else {
        "newline-delimited JSON has one object per line; jq -c . FILE writes it so"
    })
}

fn plain_columns(objects: &[Object]) -> Vec<FoundColumn> {
    let mut columns: Vec<(&str, Seen)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for (key, value) in objects.iter().flat_map(|object| &object.0) {
        let position = *positions.entry(key.as_str()).or_insert_with(|| {
            columns.push((key, Seen::default()));
            columns.len() - 1
        });
        columns[position].1.add(value);
    }
    columns
        .into_iter()
        .map(|(name, seen)| FoundColumn::inferred(name, seen.data_type(), seen.readable))
        .collect()
}

/// Which kinds of values a key had.
#[derive(Default)]
struct Seen {
    integers: bool,
    numbers: bool,
    booleans: bool,
    others: bool,
    /// As what they can be read in a column of another type, where an empty text is a null; none where there is no value.
    readable: Option<Readable>,
}

impl Seen {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.booleans = true,
            Value::Number(number) if number.is_i64() => self.integers = true,
            Value::Number(_) => self.numbers = true,
            _ => self.others = true,
        }
        if let Some(readable) = readable(value) {
            self.readable = Some(readable.or(self.readable.unwrap_or_default()));
        }
    }

    fn data_type(&self) -> DataType {
        match (self.others, self.booleans, self.numbers, self.integers) {
            (false, false, true, _) => DataType::Float64,
            (false, false, false, true) => DataType::Int64,
            (false, true, false, false) => DataType::Boolean,
            _ => DataType::Utf8,
        }
    }
}

fn readable(value: &Value) -> Option<Readable> {
    let none = Readable::default();
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Readable {
            booleans: true,
            ..none
        }),
        Value::Number(number) => Some(Readable {
            integers: number.is_i64(),
            numbers: true,
            ..none
        }),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Readable::of(text)),
        Value::Array(_) | Value::Object(_) => Some(none),
    }
}
