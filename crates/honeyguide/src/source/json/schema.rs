//! Finding the columns of lines: those that the first objects of JSON have, those of Tracee, or those of Zeek's header.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::Layout;
use super::field::Field;
use super::lenient;
use super::lines::Lines;
use crate::error::{Error, Result};
use crate::log::dns_messages::{self, Message};
use crate::log::tracee::{self, Form};
use crate::log::zeek_tsv::{TsvReader, is_tsv};
use crate::log::{Dialect, Log};
use crate::naming::parameter;
use crate::source::column::MAX_COLUMNS;
use crate::source::encoding::utf_16_error;
use crate::source::file::DataFile;
use crate::source::found::FoundColumn;
use crate::source::place::Origin;
use crate::source::seen::{Missing, Seen};
use crate::source::text::INFERENCE_RECORDS;

/// The bytes of lines after which no more are read to infer columns. Those of a stream are kept until then.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// The most lines of a header.
const MAX_HEADER_LINES: u64 = 1000;

/// The columns and the kind of a text's lines, as its first lines show them.
pub(in crate::source) struct FoundLines {
    pub columns: Vec<FoundColumn>,
    pub layout: Layout,
}

/// Finds the columns of a file from its first lines. They also tell the dialect of the lines, where `dialect` does not.
///
/// # Errors
/// Fails when the file cannot be read, and when none of its first lines is an object or a header.
pub(in crate::source) fn columns(
    file: &DataFile,
    dialect: Option<Option<Dialect>>,
    missing: &Missing,
) -> Result<FoundLines> {
    let mut lines = Lines::new(file.read()?);
    let origin = Origin::File(file.clone());
    let first = First::read(&mut lines, &origin, dialect)?;
    FoundLines::of(&first, dialect, missing, &origin)
}

/// Finds the columns of a stream as [`columns`] does for a file. Returns with them the whole stream, as it was before.
///
/// # Errors
/// Fails as [`columns`] does.
pub(in crate::source) fn columns_of_stream(
    input: Box<dyn Read + Send>,
    origin: &Origin,
    dialect: Option<Option<Dialect>>,
    missing: &Missing,
) -> Result<(FoundLines, Box<dyn Read + Send>)> {
    let mut kept = Kept {
        input,
        bytes: Vec::new(),
    };
    let first = First::read(&mut Lines::new(&mut kept), origin, dialect)?;
    let whole = Cursor::new(kept.bytes).chain(kept.input);
    let found = FoundLines::of(&first, dialect, missing, origin)?;
    Ok((found, Box::new(whole)))
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
    /// Returns what the first lines of a text say.
    ///
    /// # Errors
    /// Fails when the lines must be events of a dialect and none is one.
    fn of(
        first: &First,
        dialect: Option<Option<Dialect>>,
        missing: &Missing,
        origin: &Origin,
    ) -> Result<Self> {
        let (objects, line) = match first {
            First::Objects(objects, line) => (objects.as_slice(), *line),
            First::Header(header, line) => return Self::of_header(header, origin, *line),
        };
        let values: Vec<HashMap<&str, Value>> = objects.iter().map(Object::values).collect();
        let forms = values.iter();
        let forms = forms.filter_map(|object| Form::of(|key| object.get(key)));
        let forms: Vec<Form> = forms.collect();
        let most_are = !forms.is_empty() && 2 * forms.len() >= objects.len();
        let dialect = dialect.unwrap_or_else(|| match most_are {
            true => Some(Dialect::Tracee),
            false => dns_messages::recognise(&maps(objects)),
        });
        match dialect {
            Some(Dialect::Tracee) => {}
            Some(dialect) => return Self::of_messages(objects, dialect, missing, origin, line),
            None => {
                return Ok(Self {
                    columns: plain_columns(objects.iter().flat_map(|object| &object.0), missing),
                    layout: Layout::Plain,
                });
            }
        }
        let form = common_form(&forms).or_else(|| form_of_table(&values));
        let form = form.ok_or_else(|| no_events(&values, origin, line))?;
        let columns = form.columns();
        Ok(Self {
            columns: columns
                .map(|(name, data_type)| FoundColumn::stored(*name, data_type.clone()))
                .collect(),
            layout: Layout::Tracee(form),
        })
    }

    /// Returns the columns of a log of DNS, and those that the first messages have besides.
    ///
    /// # Errors
    /// Fails when none of the objects is a message.
    fn of_messages(
        objects: &[Object],
        dialect: Dialect,
        missing: &Missing,
        origin: &Origin,
        line: u64,
    ) -> Result<Self> {
        let objects = maps(objects);
        let messages = objects.iter().map(|object| Message::of(dialect, object));
        let messages: Vec<_> = messages.collect();
        let why = messages.iter().find_map(|message| message.as_ref().err());
        if messages.iter().all(|message| message.is_err()) {
            return Err(no_lines_of(dialect, why, origin, line));
        }
        let events = objects.iter().zip(&messages);
        let events = events.filter(|(_, message)| message.is_ok());
        // A value that was parsed can be written.
        let further: Vec<(String, Box<RawValue>)> = events
            .flat_map(|(object, _)| dns_messages::further(dialect, object))
            .filter_map(|(name, value)| Some((name, to_raw_value(value).ok()?)))
            .collect();
        let further = plain_columns(further.iter(), missing);
        Ok(Self {
            columns: own_columns().chain(further).collect(),
            layout: Layout::Dns(dialect),
        })
    }

    /// Returns the columns of a log of DNS, and the other fields of a header, which ends in line `line`.
    ///
    /// # Errors
    /// Fails when the header is that of another log, or does not say what its lines hold.
    fn of_header(header: &TsvReader, origin: &Origin, line: u64) -> Result<Self> {
        let place = origin.path().display();
        if let Err(why) = header.check() {
            return Err(Error::data(format!("{place}: line {line}: {why}")).hint(
                "a log in Zeek's own format begins with `#separator` and names its fields in `#fields` and `#types`",
            ));
        }
        let names: Vec<&str> = header.fields().map(|(name, _)| name).collect();
        if let Err(lacks) = dns_messages::check_zeek(|key| names.contains(&key)) {
            let path = header.path().unwrap_or("log without a name");
            return Err(Error::data(format!(
                "{place}: this is Zeek's {path:.40}, not its dns.log: there is no field `{lacks}`"
            ))
            .hint(
                "of Zeek's logs in its own format only dns.log is read; Zeek writes the others as JSON with \
                 LogAscii::use_json=T, and such lines are read as a table",
            ));
        }
        let further = header
            .fields()
            .filter(|(name, _)| dns_messages::is_further(Dialect::Zeek, name));
        let further = further.map(|(name, data_type)| FoundColumn::stored(name, data_type));
        Ok(Self {
            columns: own_columns().chain(further).collect(),
            layout: Layout::ZeekTsv,
        })
    }
}

/// Returns the columns of every log of DNS.
fn own_columns() -> impl Iterator<Item = FoundColumn> {
    let own = Log::dns().sensed_columns();
    own.map(|(name, data_type)| FoundColumn::stored(*name, data_type.clone()))
}

/// Returns objects as maps of their values.
fn maps(objects: &[Object]) -> Vec<dns_messages::Object> {
    let each = objects.iter().map(|object| {
        let entries = object.0.iter();
        let entries = entries.filter_map(|(key, value)| {
            Some((key.clone(), serde_json::from_str(value.get()).ok()?))
        });
        entries.collect()
    });
    each.collect()
}

/// Returns the form of most events, where a later one of the older forms counts for both.
fn common_form(forms: &[Form]) -> Option<Form> {
    let structured = forms
        .iter()
        .filter(|form| **form == Form::Structured)
        .count();
    if forms.is_empty() {
        None
    } else if 2 * structured >= forms.len() {
        Some(Form::Structured)
    } else if forms.contains(&Form::Later) {
        Some(Form::Later)
    } else {
        Some(Form::Of2021)
    }
}

/// Returns the form of events whose arguments are no list, such as those of a table of BETH's columns.
fn form_of_table(objects: &[HashMap<&str, Value>]) -> Option<Form> {
    let mut events = objects.iter();
    let event = events.find(|object| Form::Later.missing(|key| object.get(key)).is_empty())?;
    Some(Form::unstructured(|key| event.get(key)))
}

fn no_events(objects: &[HashMap<&str, Value>], origin: &Origin, line: u64) -> Error {
    let missing = objects
        .first()
        .map(|object| Form::Later.missing(|key| object.get(key)));
    let why = tracee::no_event(&missing.unwrap_or_default());
    no_lines_of(Dialect::Tracee, Some(&why), origin, line)
}

/// Returns the error of lines that all are no events of a dialect, for the reason `why`.
fn no_lines_of(dialect: Dialect, why: Option<&String>, origin: &Origin, line: u64) -> Error {
    let place = origin.path().display();
    let why = why.map_or("", String::as_str);
    Error::data(format!(
        "{place}: line {line}: {why}; the next lines are none either"
    ))
    .hint(format!(
        "leave out {} {dialect}, or name the format that the lines have",
        parameter("format")
    ))
}

/// Returns where the values of `column` are in a line of `log`.
pub(super) fn field(column: &str, layout: Layout, log: &Log) -> Field {
    let member = layout.form().map(|_| tracee::member(column));
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

/// What the first lines of a text hold.
enum First {
    /// Objects, and the number of the line of the first.
    Objects(Vec<Object>, u64),
    /// The header of a text in Zeek's own format, and the number of its last line.
    Header(TsvReader, u64),
}

impl First {
    /// Reads the first lines: at most [`INFERENCE_RECORDS`] objects in at most twice as many lines and some
    /// [`MAX_KEPT_BYTES`], or a header, where the lines may be Zeek's.
    ///
    /// # Errors
    /// Fails when the text cannot be read, and when there is neither an object nor a header.
    fn read(
        lines: &mut Lines<impl Read>,
        origin: &Origin,
        dialect: Option<Option<Dialect>>,
    ) -> Result<Self> {
        let may_be_header = dialect.is_none_or(|dialect| dialect == Some(Dialect::Zeek));
        let mut objects = Vec::new();
        let mut first_line = 1;
        let (mut first_fault, mut utf_16) = (None, None);
        let mut read = 0;
        for number in 1..=2 * INFERENCE_RECORDS as u64 {
            let Some(bytes) = next_line(lines, origin, number)? else {
                break;
            };
            read += bytes.len();
            let bytes = bytes.trim_ascii();
            if bytes.is_empty() {
                continue;
            }
            let is_first = objects.is_empty() && first_fault.is_none();
            if is_first && may_be_header && is_tsv(bytes) == Some(true) {
                return Self::read_header(bytes.to_vec(), lines, origin, number);
            }
            match lenient::parse(bytes) {
                Some(object) => {
                    if objects.is_empty() {
                        first_line = number;
                    }
                    objects.push(object);
                }
                None => {
                    let place = origin.path().display();
                    utf_16 = utf_16.or_else(|| utf_16_error(&place, number, bytes));
                    first_fault.get_or_insert((number, bytes.first() == Some(&b'[')));
                }
            }
            if objects.len() == INFERENCE_RECORDS || read >= MAX_KEPT_BYTES {
                break;
            }
        }
        match first_fault {
            _ if !objects.is_empty() => Ok(Self::Objects(objects, first_line)),
            // Between objects, such a line is a bad one like others.
            Some(_) if let Some(error) = utf_16 => Err(error),
            Some((line, is_list)) => Err(no_objects(origin, dialect.flatten(), line, is_list)),
            None => Err(Error::data(format!(
                "{}: the {} is empty",
                origin.path().display(),
                origin.kind()
            ))
            .hint("newline-delimited JSON has one object per line")),
        }
    }

    /// Reads a header, of which the first line is line `number`.
    fn read_header(
        first: Vec<u8>,
        lines: &mut Lines<impl Read>,
        origin: &Origin,
        mut number: u64,
    ) -> Result<Self> {
        let mut header = TsvReader::default();
        // No line of a header is one of values.
        let _ = header.read(&first);
        while !header.is_complete() && number < MAX_HEADER_LINES {
            match next_line(lines, origin, number + 1)? {
                Some(line) if line.starts_with(b"#") => {
                    let _ = header.read(line);
                }
                _ => break,
            }
            number += 1;
        }
        Ok(Self::Header(header, number))
    }
}

/// Returns the next line, which has the number `number`.
fn next_line<'l>(
    lines: &'l mut Lines<impl Read>,
    origin: &Origin,
    number: u64,
) -> Result<Option<&'l [u8]>> {
    let line = lines
        .next()
        .map_err(|error| origin.read_error(number, error))?;
    Ok(line.map(|line| line.bytes.unwrap_or(b"too long")))
}

fn no_objects(origin: &Origin, dialect: Option<Dialect>, line: u64, is_list: bool) -> Error {
    let error = Error::data(format!(
        "{}: line {line}: not a JSON object, and none of the next lines is one",
        origin.path().display()
    ));
    error.hint(match dialect {
        _ if is_list => "this is a list: write one object per line, as in jq -c '.[]' FILE",
        Some(Dialect::Zeek) => {
            "a log in Zeek's own format begins with the line `#separator`, which zeek-cut keeps with -C"
        }
        _ => "newline-delimited JSON has one object per line; jq -c . FILE writes it so",
    })
}

/// Returns the columns that keys are, in the order in which they come, with the types of their values.
fn plain_columns<'a>(
    entries: impl Iterator<Item = &'a (String, Box<RawValue>)>,
    missing: &Missing,
) -> Vec<FoundColumn> {
    let mut columns: Vec<(&str, Seen)> = Vec::new();
    let mut positions = HashMap::new();
    for (key, value) in entries {
        if columns.len() > MAX_COLUMNS {
            // They will be refused.
            break;
        }
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
