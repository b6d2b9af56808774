//! The conversion of columns of literals to lists: addresses to numbers, arguments to structs of name, type and value,
//! texts to texts.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder, StructBuilder, UInt64Builder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

use super::literal::{Malformed, Read, Reader, Value, closing};
use crate::error::{Error, Result};
use crate::log::ListKind;

/// The keys of an argument, which are the fields of its struct.
const KEYS: [&str; 3] = ["name", "type", "value"];

/// A converter of the texts of some columns to lists.
#[derive(Debug, Clone)]
pub(crate) struct ListParser {
    /// The schema of the converted batches.
    schema: SchemaRef,
    /// The positions and kinds of the converted columns.
    columns: Vec<(usize, ListKind)>,
    /// The number of malformed texts so far.
    malformed: u64,
}

impl ListParser {
    /// Returns the positions and kinds of those columns of `lists` that hold text.
    pub fn columns(schema: &Schema, lists: &[(&str, ListKind)]) -> Vec<(usize, ListKind)> {
        let fields = schema.fields().iter().enumerate();
        let columns = fields.filter_map(|(index, field)| {
            let (_, kind) = lists.iter().find(|(name, _)| name == field.name())?;
            field.data_type().is_string().then_some((index, *kind))
        });
        columns.collect()
    }

    /// Creates a converter of batches with this schema, in which the columns `lists` hold lists as text.
    pub fn new(schema: &Schema, lists: &[(&str, ListKind)]) -> Self {
        let columns = Self::columns(schema, lists);
        let fields = schema.fields().iter().enumerate().map(|(index, field)| {
            let list = columns.iter().find(|(column, _)| *column == index);
            list.map_or(field.as_ref().clone(), |(_, kind)| {
                Field::new(field.name(), data_type(*kind), true)
            })
        });
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns,
            malformed: 0,
        }
    }

    /// Returns the schema of the converted batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the number of texts that were malformed and became null.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Converts the texts of a batch to lists.
    pub fn parse(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let failed = |error| Error::internal(format!("lists: {error}"));
        let mut columns = batch.columns().to_vec();
        for (index, kind) in &self.columns {
            let texts = cast(&columns[*index], &DataType::Utf8).map_err(failed)?;
            let (lists, malformed) = parse(*kind, &texts);
            columns[*index] = lists;
            self.malformed += malformed;
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)
    }
}

/// Returns the field of a list's items.
fn item(kind: ListKind) -> Field {
    let item = match kind {
        ListKind::Addresses => DataType::UInt64,
        ListKind::Arguments => DataType::Struct(argument_fields()),
        ListKind::Texts => DataType::Utf8,
    };
    Field::new("item", item, true)
}

fn data_type(kind: ListKind) -> DataType {
    DataType::List(Arc::new(item(kind)))
}

/// Converts texts to lists, and returns the lists and the number of malformed texts.
fn parse(kind: ListKind, texts: &ArrayRef) -> (ArrayRef, u64) {
    let texts = texts.as_string::<i32>();
    let mut malformed = 0;
    let mut parsed = |row: usize| texts.is_valid(row).then(|| texts.value(row));
    let rows = (0..texts.len()).map(&mut parsed);
    match kind {
        ListKind::Addresses => {
            let mut lists = ListBuilder::new(UInt64Builder::new()).with_field(item(kind));
            for text in rows {
                let list = known(text.map(addresses), &mut malformed);
                lists
                    .values()
                    .append_slice(list.as_deref().unwrap_or_default());
                lists.append(list.is_some());
            }
            (Arc::new(lists.finish()), malformed)
        }
        ListKind::Arguments => {
            let structs = StructBuilder::from_fields(argument_fields(), texts.len());
            let mut lists = ListBuilder::new(structs).with_field(item(kind));
            for text in rows {
                let list = known(text.map(arguments), &mut malformed);
                for argument in list.iter().flatten() {
                    append_argument(lists.values(), argument);
                }
                lists.append(list.is_some());
            }
            (Arc::new(lists.finish()), malformed)
        }
        ListKind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item(kind));
            for text in rows {
                let list = known(text.map(texts_of), &mut malformed);
                for text in list.iter().flatten() {
                    lists.values().append_option(text.as_deref());
                }
                lists.append(list.is_some());
            }
            (Arc::new(lists.finish()), malformed)
        }
    }
}

fn argument_fields() -> Fields {
    let fields = KEYS.map(|key| Field::new(key, DataType::Utf8, true));
    Fields::from(fields.to_vec())
}

/// Returns whether values of this type are lists of a call's arguments.
pub(super) fn are_arguments(data_type: &DataType) -> bool {
    let (DataType::List(item) | DataType::LargeList(item)) = data_type else {
        return false;
    };
    let DataType::Struct(fields) = item.data_type() else {
        return false;
    };
    fields.len() == KEYS.len()
        && fields
            .iter()
            .zip(KEYS)
            .all(|(field, key)| field.name() == key)
}

/// Returns whether values of this type are lists of texts.
pub(super) fn are_texts(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => item.data_type().is_string(),
        _ => false,
    }
}

/// Returns lists of texts of any text type as those of `Utf8`.
pub(super) fn as_texts(lists: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    cast(lists, &data_type(ListKind::Texts))
}

/// Returns the item that `index` counts from 0 of a list that is written as text; `None` if it has none. A text that is
/// no list is the first item itself, unless it is blank.
pub(super) fn item_of_text(text: &str, index: usize) -> Option<Cow<'_, str>> {
    match text.trim_start().bytes().next()? {
        b'[' | b'(' => texts_of(text).ok()??.into_iter().nth(index)?,
        _ => (index == 0).then_some(Cow::Borrowed(text)),
    }
}

/// Returns the result of `arg` for lists of arguments: the value of the first argument with the name that has one.
pub(crate) fn named_arguments(
    lists: &ArrayRef,
    names: &ArrayRef,
) -> std::result::Result<ArrayRef, ArrowError> {
    let lists = cast(lists, &data_type(ListKind::Arguments))?;
    let lists = lists.as_list::<i32>();
    let wanted = cast(names, &DataType::Utf8)?;
    let wanted = wanted.as_string::<i32>();
    let arguments = lists.values().as_struct();
    let [names, _, values] = [0, 1, 2].map(|field| arguments.column(field).as_string::<i32>());
    let offsets = lists.value_offsets();
    let found = (0..lists.len()).map(|row| {
        if lists.is_null(row) || wanted.is_null(row) {
            return None;
        }
        let mut range = offsets[row] as usize..offsets[row + 1] as usize;
        let is_named = |at: usize| names.is_valid(at) && names.value(at) == wanted.value(row);
        let at = range.find(|at| is_named(*at) && values.is_valid(*at))?;
        Some(values.value(at))
    });
    Ok(Arc::new(found.collect::<StringArray>()))
}

/// Returns a list that was read, or counts a malformed text.
fn known<T>(read: Option<Read<Option<T>>>, malformed: &mut u64) -> Option<T> {
    read?.unwrap_or_else(|Malformed| {
        *malformed += 1;
        None
    })
}

/// The values of an argument's [`KEYS`].
type Argument<'a> = [Option<Cow<'a, str>>; KEYS.len()];

/// Appends an argument as a struct.
fn append_argument(structs: &mut StructBuilder, argument: &Argument) {
    for (index, value) in argument.iter().enumerate() {
        let field = structs.field_builder::<StringBuilder>(index);
        let field = field.expect("every field of an argument is text");
        field.append_option(value.as_deref());
    }
    structs.append(true);
}

/// Reads a list of addresses, or `None` for null.
fn addresses(text: &str) -> Read<Option<Vec<u64>>> {
    let mut list = Vec::new();
    let found = elements(text, |reader| {
        let Value::Written(number) = reader.value(1)? else {
            return Err(Malformed);
        };
        let address = match number.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => number.parse(),
        };
        list.push(address.map_err(|_| Malformed)?);
        Ok(())
    })?;
    Ok(found.then_some(list))
}

/// Reads a list of arguments, or `None` for null.
fn arguments(text: &str) -> Read<Option<Vec<Argument<'_>>>> {
    let mut list = Vec::new();
    let found = elements(text, |reader| {
        list.push(argument(reader)?);
        Ok(())
    })?;
    Ok(found.then_some(list))
}

/// Reads a list of texts, or `None` for null. A number is the text that it is written as.
fn texts_of(text: &str) -> Read<Option<Vec<Option<Cow<'_, str>>>>> {
    let mut list = Vec::new();
    let found = elements(text, |reader| {
        list.push(match reader.value(1)? {
            Value::Null => None,
            Value::Written(text) => Some(Cow::Borrowed(text)),
            Value::Text(text) => Some(text.decoded()?),
        });
        Ok(())
    })?;
    Ok(found.then_some(list))
}

/// Reads the dict of one argument. If it repeats a key, the last one counts, as in Python and JSON. A name that is no
/// text is none.
fn argument<'a>(reader: &mut Reader<'a>) -> Read<Argument<'a>> {
    if reader.token() != Some(b'{') {
        return Err(Malformed);
    }
    let mut argument = [const { None }; KEYS.len()];
    reader.sequence(b'}', |reader| {
        let (key, entry) = reader.entry(2)?;
        for (known, slot) in KEYS.iter().zip(&mut argument) {
            if key.is_text(known)? {
                *slot = match entry {
                    Value::Null => None,
                    Value::Written(_) if *known == KEYS[0] => None,
                    Value::Written(text) => Some(Cow::Borrowed(text)),
                    Value::Text(text) => Some(text.decoded()?),
                };
            }
        }
        Ok(())
    })?;
    Ok(argument)
}

/// Reads a list or a tuple to the end of the text. Returns whether there is a list: a blank text is an empty list, and
/// null is none.
fn elements<'a>(text: &'a str, element: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<bool> {
    let mut reader = Reader::new(text);
    let Some(first) = reader.token() else {
        return Ok(true);
    };
    let found = match closing(first) {
        Some(close) if first != b'{' => {
            reader.sequence(close, element)?;
            true
        }
        _ if reader.value(1)? == Value::Null => false,
        _ => return Err(Malformed),
    };
    match reader.token() {
        None => Ok(found),
        Some(_) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_all_64_bits() {
        for (text, expected) in [
            ("[]", Ok(Some(vec![]))),
            ("", Ok(Some(vec![]))),
            ("None", Ok(None)),
            (
                "[140159195621643, 18446744073709551615]",
                Ok(Some(vec![140_159_195_621_643, u64::MAX])),
            ),
            ("[0x7ffc, 1]", Ok(Some(vec![0x7ffc, 1]))),
            ("[-1]", Err(Malformed)),
            ("[18446744073709551616]", Err(Malformed)),
            ("['1']", Err(Malformed)),
            ("[1", Err(Malformed)),
            ("[1] 2", Err(Malformed)),
            ("17", Err(Malformed)),
        ] {
            assert_eq!(addresses(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_keep_what_is_written() {
        for (text, expected) in [
            ("[]", Ok(Some(vec![]))),
            ("", Ok(Some(vec![]))),
            ("None", Ok(None)),
            (
                r#"['a\'b', "c", 17, None]"#,
                Ok(Some(vec![Some("a'b"), Some("c"), Some("17"), None])),
            ),
            ("['a'", Err(Malformed)),
            ("a", Err(Malformed)),
        ] {
            let found = texts_of(text).map(|list| {
                let texts = list?.into_iter();
                Some(texts.map(|text| text.map(Cow::into_owned)).collect())
            });
            let expected: Read<Option<Vec<Option<&str>>>> = expected;
            let expected = expected.map(|list| {
                let texts = list?.into_iter();
                Some(
                    texts
                        .map(|text| text.map(str::to_owned))
                        .collect::<Vec<_>>(),
                )
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn arguments_keep_what_is_written() {
        let text = r#"[{'name': 'fd', 'type': 'int', 'value': 3}, {"value": null, "name": "a\tb", "other": [1]},
            {'name': 'addr', 'type': 'struct sockaddr*', 'value': {'sa_family': 'AF_UNIX'}}]"#;
        let list = arguments(text).unwrap().unwrap();
        let shown: Vec<_> = list
            .iter()
            .map(|argument| {
                argument
                    .each_ref()
                    .map(|value| value.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            shown,
            [
                ["fd", "int", "3"],
                ["a\tb", "-", "-"],
                ["addr", "struct sockaddr*", "{'sa_family': 'AF_UNIX'}"]
            ]
        );
        for text in ["[3]", "[{'name': 'fd'", "{'name': 'fd'}", "x"] {
            assert_eq!(arguments(text), Err(Malformed), "{text}");
        }
        assert_eq!(arguments("null"), Ok(None));
    }
}
