//! Inferring the columns of JSON: those of its first lines, or Tracee's.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Layout;
use super::lenient;
use super::lines::Lines;
use super::row::Field;
use crate::error::{Error, Result};
use crate::log::{Log, tracee};
use crate::source::file::DataFile;
use crate::source::found::FoundColumn;
use crate::source::place::Origin;
use crate::source::seen::{Missing, Seen};
use crate::source::text::INFERENCE_RECORDS;

/// The most bytes of a stream that are kept while its columns are inferred.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// The columns and the kind of a text's lines, as its first lines show them.
pub(in crate::source) struct FoundLines {
    pub columns: Vec<FoundColumn>,
    pub layout: Layout,
}

/// Infers the columns of a JSON file from its first lines. They also tell whether the lines are Tracee's, where
/// `is_tracee` does not.
///
/// # Errors
/// Fails when the file cannot be read, and when none of its first lines is an object.
pub(in crate::source) fn columns(
    file: &DataFile,
    is_tracee: Option<bool>,
    missing: &Missing,
) -> Result<FoundLines> {
    let mut lines = Lines::new(file.read()?);
    let objects = first_objects(&mut lines, &Origin::File(file.clone()))?;
    Ok(FoundLines::of(&objects, is_tracee, missing))
}

/// Infers the columns of a stream as [`columns`] does for a file. Returns with them the whole stream, as it was before.
///
/// # Errors
/// Fails as [`columns`] does.
pub(in crate::source) fn columns_of_stream(
    input: Box<dyn Read + Send>,
    origin: &Origin,
    is_tracee: Option<bool>,
    missing: &Missing,
) -> Result<(FoundLines, Box<dyn Read + Send>)> {
    let mut kept = Kept {
        input,
        bytes: Vec::new(),
    };
    let objects = first_objects(&mut Lines::new(&mut kept), origin)?;
    let whole = Cursor::new(kept.bytes).chain(kept.input);
    Ok((
        FoundLines::of(&objects, is_tracee, missing),
        Box::new(whole),
    ))
}

/// An input that keeps what is read from it, and seems to end where it would have to keep too much.
struct Kept {
    input: Box<dyn Read + Send>,
    bytes: Vec<u8>,
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let room = buffer.len().min(MAX_KEPT_BYTES - self.bytes.len());
        let read = self.input.read(&mut buffer[..room])?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl FoundLines {
    fn of(objects: &[Object], is_tracee: Option<bool>, missing: &Missing) -> Self {
        let mut each = objects.iter().map(Object::values);
        let is_tracee =
            is_tracee.unwrap_or_else(|| each.any(|object| tracee::is_event(|key| object.get(key))));
        if !is_tracee {
            return Self {
                columns: plain_columns(objects, missing),
                layout: Layout::Plain,
            };
        }
        let mut each = objects.iter().map(Object::values);
        let is_later = each.any(|object| tracee::is_later(|key| object.get(key)));
        let columns = tracee::columns(is_later);
        Self {
            columns: columns
                .map(|(name, data_type)| FoundColumn::stored(*name, data_type.clone()))
                .collect(),
            layout: if is_later {
                Layout::TraceeNanoseconds
            } else {
                Layout::TraceeSeconds
            },
        }
    }
}

/// Returns where the values of `column` are in a line of `log`.
pub(super) fn field(column: &str, layout: Layout, log: &Log) -> Field {
    let member = layout.is_tracee().then(|| tracee::member(column));
    Field {
        key: column.to_owned(),
        member: member.flatten(),
        notation: log.notation(column),
    }
}

/// The keys and values of an object in their order. A repeated key comes as often as it is in the text.
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// Returns the values by their keys, the last one of a repeated key.
    fn values(&self) -> HashMap<&str, Value> {
        let each = self.0.iter();
        each.filter_map(|(key, value)| {
            Some((key.as_str(), serde_json::from_str(value.get()).ok()?))
        })
        .collect()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads an object with its keys in their order.
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

/// Returns the objects in the first lines: at most [`INFERENCE_RECORDS`] objects, in at most twice as many lines.
///
/// # Errors
/// Fails when the text cannot be read, and when there is no object.
fn first_objects(lines: &mut Lines<impl Read>, origin: &Origin) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    let mut first_fault = None;
    for number in 1..=2 * INFERENCE_RECORDS as u64 {
        let line = lines
            .next()
            .map_err(|error| origin.read_error(number, error))?;
        let Some(line) = line else {
            break;
        };
        let bytes = line.bytes.unwrap_or(b"too long");
        if bytes.is_empty() {
            continue;
        }
        match lenient::parse(bytes) {
            Some(object) => objects.push(object),
            None => {
                first_fault.get_or_insert((number, bytes.first() == Some(&b'[')));
            }
        }
        if objects.len() == INFERENCE_RECORDS {
            break;
        }
    }
    match first_fault {
        Some((line, is_list)) if objects.is_empty() => Err(no_objects(origin, line, is_list)),
        None if objects.is_empty() => Err(Error::data(format!(
            "{}: the {} is empty",
            origin.path().display(),
            origin.kind()
        ))
        .hint("newline-delimited JSON has one object per line")),
        _ => Ok(objects),
    }
}

fn no_objects(origin: &Origin, line: u64, is_list: bool) -> Error {
    let error = Error::data(format!(
        "{}: line {line}: not a JSON object, and none of the next lines is one",
        origin.path().display()
    ));
    error.hint(if is_list {
        "this is a list: write one object per line, as in jq -c '.[]' FILE"
    } else {
        "newline-delimited JSON has one object per line; jq -c . FILE writes it so"
    })
}

fn plain_columns(objects: &[Object], missing: &Missing) -> Vec<FoundColumn> {
    let mut columns: Vec<(&str, Seen)> = Vec::new();
    let mut positions = HashMap::new();
    for (key, value) in objects.iter().flat_map(|object| &object.0) {
        let position = *positions.entry(key.as_str()).or_insert_with(|| {
            columns.push((key, Seen::default()));
            columns.len() - 1
        });
        add(&mut columns[position].1, Some(value), missing);
    }
    columns
        .into_iter()
        .map(|(name, seen)| FoundColumn::of_text(name, seen))
        .collect()
}

/// Adds a value of JSON to those of its column; a key that is not there is a missing value.
pub(in crate::source) fn add(seen: &mut Seen, value: Option<&RawValue>, missing: &Missing) {
    let text = value.map_or("null", RawValue::get);
    match text.as_bytes().first() {
        Some(b'n') => {}
        Some(b't' | b'f') => seen.add_boolean(),
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => seen.add_json_text(&text, missing),
            Err(_) => seen.add_other(),
        },
        Some(b'[' | b'{') => seen.add_other(),
        _ => seen.add_number(text),
    }
}
