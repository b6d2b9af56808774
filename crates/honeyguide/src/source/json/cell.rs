//! Reading JSON values into cells.

use std::fmt::Write as _;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::log::Notation;
pub(super) use crate::source::values::{Cell, Value};

/// Reads any value into a cell. Of an object it reads only `member`, where one is named.
pub(super) struct CellSeed<'a> {
    pub cell: &'a mut Cell,
    pub member: Option<&'static str>,
    pub notation: Notation,
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl CellSeed<'_> {
    fn set<E>(self, value: Value) -> Result<(), E> {
        self.cell.value = value;
        Ok(())
    }

    fn written<E>(self, write: impl FnOnce(Literal<'_>) -> Result<(), E>) -> Result<(), E> {
        self.cell.value = Value::Text;
        self.cell.text.clear();
        write(Literal {
            out: &mut self.cell.text,
            notation: self.notation,
        })
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Value::Null)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<(), E> {
        self.set(Value::Boolean(boolean))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<(), E> {
        self.set(Value::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<(), E> {
        self.set(match i64::try_from(integer) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Unsigned(integer),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.set(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.cell.set_text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.written(|literal| literal.visit_seq(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Some(member) = self.member else {
            return self.written(|literal| literal.visit_map(object));
        };
        self.cell.value = Value::Null;
        while let Some(is_member) = object.next_key_seed(IsKey(member))? {
            if is_member {
                object.next_value_seed(CellSeed {
                    cell: &mut *self.cell,
                    member: None,
                    notation: self.notation,
                })?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Writes a value as text while it is parsed.
pub(super) struct Literal<'a> {
    pub out: &'a mut String,
    pub notation: Notation,
}

impl Literal<'_> {
    fn inner(&mut self) -> Literal<'_> {
        Literal {
            out: self.out,
            notation: self.notation,
        }
    }

    fn words(&self, json: &'static str, python: &'static str) -> &'static str {
        match self.notation {
            Notation::Json => json,
            Notation::Python => python,
        }
    }

    /// Writes a text in quotes. Python uses single quotes, unless the text has these and no double quotes.
    pub fn quoted(&mut self, text: &str) {
        let has_single = text.contains('\'') && !text.contains('"');
        let quote = match self.notation {
            Notation::Python if !has_single => '\'',
            _ => '"',
        };
        self.out.push(quote);
        for character in text.chars() {
            self.escaped(character, quote);
        }
        self.out.push(quote);
    }

    fn escaped(&mut self, character: char, quote: char) {
        let _ = match (character, self.notation) {
            ('\\', _) => self.out.write_str("\\\\"),
            ('\n', _) => self.out.write_str("\\n"),
            ('\r', _) => self.out.write_str("\\r"),
            ('\t', _) => self.out.write_str("\\t"),
            (quoted, _) if quoted == quote => write!(self.out, "\\{quote}"),
            (control, Notation::Json) if u32::from(control) < 0x20 => {
                write!(self.out, "\\u{:04x}", u32::from(control))
            }
            (control, Notation::Python) if control.is_ascii_control() => {
                write!(self.out, "\\x{:02x}", u32::from(control))
            }
            (plain, _) => self.out.write_char(plain),
        };
    }
}

impl<'de> DeserializeSeed<'de> for Literal<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Literal<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push_str(self.words("null", "None"));
        Ok(())
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<(), E> {
        self.out.push_str(match boolean {
            true => self.words("true", "True"),
            false => self.words("false", "False"),
        });
        Ok(())
    }

    fn visit_i64<E>(self, integer: i64) -> Result<(), E> {
        let _ = write!(self.out, "{integer}");
        Ok(())
    }

    fn visit_u64<E>(self, integer: u64) -> Result<(), E> {
        let _ = write!(self.out, "{integer}");
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        let _ = write!(self.out, "{number:?}");
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.quoted(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.out.push('[');
        let start = self.out.len();
        loop {
            let end = self.out.len();
            if end > start {
                self.out.push_str(", ");
            }
            if list.next_element_seed(self.inner())?.is_none() {
                self.out.truncate(end);
                self.out.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        self.out.push('{');
        let start = self.out.len();
        loop {
            let end = self.out.len();
            if end > start {
                self.out.push_str(", ");
            }
            if object.next_key_seed(self.inner())?.is_none() {
                self.out.truncate(end);
                self.out.push('}');
                return Ok(());
            }
            self.out.push_str(": ");
            object.next_value_seed(self.inner())?;
        }
    }
}

/// Whether a key is this one.
struct IsKey(&'static str);

impl<'de> DeserializeSeed<'de> for IsKey {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey {
    type Value = bool;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(json: &str, member: Option<&'static str>, notation: Notation) -> Cell {
        let mut cell = Cell::default();
        let seed = CellSeed {
            cell: &mut cell,
            member,
            notation,
        };
        seed.deserialize(&mut serde_json::Deserializer::from_str(json))
            .unwrap();
        cell
    }

    #[test]
    fn lists_and_objects_become_literals() {
        let json = r#"[{"name":"it's","value":null,"n":-1.50,"t":true,"l":[],"big":18446744073709551615},"a\"b\n"]"#;
        let python = cell(json, None, Notation::Python).text;
        assert_eq!(
            python,
            r#"[{'name': "it's", 'value': None, 'n': -1.5, 't': True, 'l': [], 'big': 18446744073709551615}, 'a"b\n']"#
        );
        let same = cell(json, None, Notation::Json).text;
        let [read, original]: [serde_json::Value; 2] =
            [&same, json].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(read, original);
    }

    #[test]
    fn values_convert_where_nothing_is_lost() {
        let of = |json| cell(json, None, Notation::Json);
        assert_eq!(of("\"257\"").integer(), Some(Some(257)));
        assert_eq!(of("\"x\"").integer(), None);
        assert_eq!(of("0.5").integer(), None);
        assert_eq!(of("7").number(), Some(Some(7.0)));
        assert_eq!(of("null").number(), Some(None));
        assert_eq!(
            of("18446744073709551615").number(),
            Some(Some(18446744073709551615.0))
        );
        assert_eq!(of("true").boolean(), Some(Some(true)));
        let mut buffer = String::new();
        assert_eq!(of("0.25").text(&mut buffer), Some("0.25"));
    }

    #[test]
    fn a_member_is_taken_from_an_object() {
        let path = cell(r#"{"a":1,"path":"/bin/x"}"#, Some("path"), Notation::Json);
        assert_eq!((path.value, path.text.as_str()), (Value::Text, "/bin/x"));
        let none = cell("{}", Some("path"), Notation::Json);
        assert_eq!(none.value, Value::Null);
    }
}
