//! Reading one line into the cells of the columns that are wanted.

use std::collections::{HashMap, HashSet};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::cell::{Cell, CellSeed, Value};
use super::field::Field;
use super::quick::{self, KnownKey};
use crate::source::intake::LateKeys;

/// A reader of lines. It remembers the order of the keys, so that lines with the same order are read faster.
pub(super) struct RowReader {
    fields: Vec<Field>,
    fields_by_key: HashMap<String, usize>,
    /// The keys of the last line.
    order: Vec<KnownKey>,
    cells: Vec<Cell>,
    strangers: Strangers,
}

/// The keys that are no columns of the text.
#[derive(Default)]
struct Strangers {
    /// The columns of the text; `None` where other keys are not to be noted.
    columns: Option<HashSet<String>>,
    met: LateKeys,
}

impl Strangers {
    fn meet(&mut self, key: &str) {
        let is_column = |columns: &HashSet<String>| columns.contains(key);
        if !self.columns.as_ref().is_none_or(is_column) {
            self.met.add(key);
        }
    }
}

impl RowReader {
    /// Returns a reader of `fields` that notes the keys which are not among `columns`.
    pub fn new(fields: Vec<Field>, columns: Option<HashSet<String>>) -> Self {
        Self {
            strangers: Strangers {
                columns,
                met: LateKeys::default(),
            },
            fields_by_key: fields
                .iter()
                .enumerate()
                .map(|(index, field)| (field.key.clone(), index))
                .collect(),
            cells: fields.iter().map(|_| Cell::default()).collect(),
            order: Vec::new(),
            fields,
        }
    }

    /// Takes the keys that were met and are no columns.
    pub fn take_late_keys(&mut self) -> LateKeys {
        std::mem::take(&mut self.strangers.met)
    }

    /// Returns the values of the last line that was read.
    pub fn cells(&mut self) -> &mut [Cell] {
        &mut self.cells
    }

    /// Reads the values of the fields in one line. A field that is not there is null; of a repeated one, the last
    /// counts.
    ///
    /// # Errors
    /// Fails when the line is not a JSON object.
    pub fn read(&mut self, line: &[u8]) -> serde_json::Result<&mut [Cell]> {
        self.clear();
        if !quick::read(line, &self.order, &self.fields, &mut self.cells) {
            self.clear();
            self.parse(line)?;
        }
        Ok(&mut self.cells)
    }

    fn clear(&mut self) {
        let cells = self.cells.iter_mut();
        cells.for_each(|cell| cell.value = Value::Null);
    }

    /// Lets the parser read the line, and remembers the order of its keys.
    fn parse(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        deserializer.deserialize_map(&mut *self)?;
        deserializer.end()
    }
}

impl<'de> Visitor<'de> for &mut RowReader {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(found) = object.next_key_seed(KeySeed {
            at,
            order: &mut self.order,
            fields_by_key: &self.fields_by_key,
            strangers: &mut self.strangers,
        })? {
            at += 1;
            match found {
                Some(index) => object.next_value_seed(CellSeed {
                    cell: &mut self.cells[index],
                    member: self.fields[index].member,
                    notation: self.fields[index].notation,
                })?,
                None => object.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// Finds the field of the key at position `at` of a line.
struct KeySeed<'a> {
    at: usize,
    order: &'a mut Vec<KnownKey>,
    fields_by_key: &'a HashMap<String, usize>,
    strangers: &'a mut Strangers,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if let Some(known) = self.order.get(self.at)
            && known.name == key
        {
            return Ok(known.field);
        }
        let field = self.fields_by_key.get(key).copied();
        if field.is_none() {
            self.strangers.meet(key);
        }
        // An object may have millions of keys.
        self.order.truncate(self.at);
        if self.at < MAX_REMEMBERED {
            self.order.push(KnownKey::new(key, field));
        }
        Ok(field)
    }
}

/// The number of keys of a line whose order is remembered.
const MAX_REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Notation;

    fn field(key: &str) -> Field {
        Field {
            key: key.into(),
            member: None,
            notation: Notation::Json,
        }
    }

    #[test]
    fn keys_may_come_in_any_order_and_number() {
        let mut reader = RowReader::new(vec![field("a"), field("b")], None);
        for (line, expected) in [
            (
                r#"{"a":1,"x":[{}],"b":2}"#,
                [Value::Integer(1), Value::Integer(2)],
            ),
            (
                r#"{"a":3,"x":0,"b":4}"#,
                [Value::Integer(3), Value::Integer(4)],
            ),
            (r#"{"b":5,"a":6}"#, [Value::Integer(6), Value::Integer(5)]),
            (r#"{"a":7}"#, [Value::Integer(7), Value::Null]),
            (
                r#"{"x":0,"\u0062":8,"b":9}"#,
                [Value::Null, Value::Integer(9)],
            ),
            ("{}", [Value::Null, Value::Null]),
        ] {
            let cells = reader.read(line.as_bytes()).unwrap();
            assert_eq!([cells[0].value, cells[1].value], expected, "{line}");
        }
        assert_eq!(reader.take_late_keys(), LateKeys::default());
        for broken in ["", "[1]", "{\"a\":1", "{\"a\":1} x", "{\"a\":nan}"] {
            assert!(reader.read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    /// Values that are simple and values that are not, well-formed and not.
    const VALUES: [&str; 60] = [
        "0",
        "-0",
        "7",
        "-7",
        "00",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "0.5",
        "-0.5",
        "1.50",
        "-0.0",
        "1e3",
        "1E-3",
        "1.5e",
        "1.5e3",
        "123456789012345678",
        "1234567890123456789",
        "-1234567890123456789",
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740993.5",
        "9007199254740991.5",
        "1758000000.123456",
        "0.1",
        "0.30000000000000004",
        "3.14159265358979",
        "0.000000000000000001",
        "12345678.1234567890",
        "1 2",
        "true",
        "false",
        "null",
        "tru",
        "nulll",
        "truefalse",
        "\"\"",
        "\"plain\"",
        "\"a text of more than sixteen bytes\"",
        "\"é€😀\"",
        "\"quote \\\" and more\"",
        "\"\\u0041\\n\"",
        "\"\\ud800\"",
        "\"open",
        "\"a\tb\"",
        "\"fifteen bytes..\\\"",
        "[]",
        "[1, [2, {\"a\": null}]]",
        "{}",
        "{\"m\": \"x\", \"n\": 1}",
        "[",
        "[1,]",
        "{\"m\"}",
        " 5 ",
        "\t\"x\"\t",
        "",
        "nan",
        "1,",
    ];

    fn read_by(
        reader: &mut RowReader,
        read: impl FnOnce(&mut RowReader) -> bool,
    ) -> Option<Vec<String>> {
        reader.clear();
        let is_read = read(reader);
        // As text, a negative zero differs from zero.
        let cells = reader.cells.iter().map(|cell| match cell.value {
            Value::Text => format!("{:?}", cell.text),
            value => format!("{value:?}"),
        });
        is_read.then(|| cells.collect())
    }

    /// Values that are not UTF-8.
    const BYTES: [&[u8]; 3] = [
        b"\"\xff\"",
        b"\"sixteen bytes or more \xe9\"",
        b"[\"\xff\"]",
    ];

    /// Compares both ways to read `line` after a line with the same keys. Whether the quick one must read it says `is_simple`.
    fn compare(reader: &mut RowReader, line: &[u8], is_simple: bool) {
        let quick = read_by(reader, |reader| {
            let RowReader {
                order,
                fields,
                cells,
                ..
            } = reader;
            quick::read(line, order, fields, cells)
        });
        let parsed = read_by(reader, |reader| reader.parse(line).is_ok());
        if quick.is_some() || (is_simple && parsed.is_some()) {
            assert_eq!(quick, parsed, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn lines_that_are_read_quickly_are_read_as_the_parser_reads_them() {
        let member = Field {
            member: Some("m"),
            ..field("c")
        };
        let mut reader = RowReader::new(vec![field("a"), field("b"), member], None);
        let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
        let values = VALUES.into_iter().map(str::as_bytes).chain(BYTES);
        for value in values.chain([deep.as_bytes()]) {
            for keys in [["a", "x", "b", "c"], ["a", "b", "a", "c"]] {
                for at in 0..keys.len() {
                    for end in ["}", " } ", "", "}}", ",}", ",\"d\":1}"] {
                        let line = |value: &[u8], separator: &str, end: &str| {
                            let members = keys.iter().zip(["1", "\"y\"", "-2.5", "null"]);
                            let members = members.enumerate().map(|(number, (key, other))| {
                                let value = if number == at {
                                    value
                                } else {
                                    other.as_bytes()
                                };
                                [format!("\"{key}\"{separator}").as_bytes(), value].concat()
                            });
                            let members = members.collect::<Vec<_>>().join(&b", "[..]);
                            [b"{", members.as_slice(), end.as_bytes()].concat()
                        };
                        reader.parse(&line(b"0", ":", "}")).unwrap();
                        let is_simple = value != deep.as_bytes() && end.trim() == "}";
                        compare(&mut reader, &line(value, ":", end), is_simple);
                        reader.parse(&line(b"0", ":", "}")).unwrap();
                        compare(&mut reader, &line(value, " : ", end), is_simple);
                    }
                }
            }
        }
    }

    #[test]
    fn keys_that_are_no_columns_are_noted_once() {
        let columns = ["a", "unwanted"].map(str::to_owned).into();
        let mut reader = RowReader::new(vec![field("a")], Some(columns));
        for line in [
            r#"{"a":1,"unwanted":2}"#,
            r#"{"a":1,"late":2}"#,
            r#"{"late":2,"a":1,"later":{"inner":1}}"#,
        ] {
            reader.read(line.as_bytes()).unwrap();
        }
        let mut expected = LateKeys::default();
        ["late", "later"].iter().for_each(|key| expected.add(key));
        assert_eq!(reader.take_late_keys(), expected);
        assert_eq!(reader.take_late_keys(), LateKeys::default());
    }
}
