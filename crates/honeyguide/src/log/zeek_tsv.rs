//! Zeek's own format of logs, as objects of JSON: the same as Zeek writes if it is told to write JSON.
//!
//! A log is lines of values, of which lines that begin with `#` say how they are written: the separators, the texts that
//! stand for no value and for an empty one, and the name and the type of each field. See
//! <https://docs.zeek.org/en/master/log-formats.html>. A file that was rotated ends in `#close`. Files that were joined have
//! further headers, each of which holds for the lines after it.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use memchr::memmem;
use serde_json::{Number, Value};

use super::dns_messages::Object;

/// What the first line of a header begins with.
const START: &[u8] = b"#separator ";
/// The most fields of a line.
const MAX_FIELDS: usize = 4096;
/// The number of characters of a name that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// A reader of lines. It knows the header that was read last.
#[derive(Debug, Clone, Default)]
pub(crate) struct TsvReader {
    separator: Vec<u8>,
    set_separator: Vec<u8>,
    empty: Vec<u8>,
    unset: Vec<u8>,
    /// The name of the log, such as `dns`.
    path: Option<String>,
    names: Vec<String>,
    types: Vec<FieldType>,
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FieldType {
    scalar: Scalar,
    is_list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Boolean,
    Whole,
    Number,
    Text,
}

/// Returns whether a text that begins with `start` is in this format; `None` if more bytes are needed to tell.
pub(crate) fn is_tsv(start: &[u8]) -> Option<bool> {
    match start.len() < START.len() && START.starts_with(start) {
        true => None,
        false => Some(start.starts_with(START)),
    }
}

impl TsvReader {
    /// Reads a line without its end. Returns `None` for a line of a header.
    ///
    /// # Errors
    /// Fails with the reason why the line has no values.
    pub fn read(&mut self, line: &[u8]) -> Result<Option<Object>, String> {
        if line.starts_with(b"#") {
            self.read_header(line);
            return Ok(None);
        }
        self.check()?;
        let values = split(line, &self.separator);
        let found = values.clone().count();
        if found != self.names.len() {
            let expected = self.names.len();
            return Err(format!(
                "the number of values is {found}, and that of the fields in the header is {expected}"
            ));
        }
        let fields = self.names.iter().zip(&self.types).zip(values);
        let present = fields.filter(|(_, value)| *value != self.unset);
        let object =
            present.map(|((name, of_type), value)| (name.clone(), self.value(*of_type, value)));
        Ok(Some(object.collect()))
    }

    /// Checks that the header says what the lines after it hold.
    ///
    /// # Errors
    /// Fails with the reason why it does not.
    pub fn check(&self) -> Result<(), String> {
        let (names, types) = (self.names.len(), self.types.len());
        if names == 0 {
            return Err("there is no line `#fields` before it".into());
        }
        if names != types {
            return Err(format!(
                "the header has another number of fields than of types: {names} in `#fields`, {types} in `#types`"
            ));
        }
        if names > MAX_FIELDS {
            return Err(format!(
                "the header has {names} fields; the limit is {MAX_FIELDS}"
            ));
        }
        let mut known = HashSet::new();
        match self.names.iter().find(|name| !known.insert(*name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "the header has two fields called `{name:.SHOWN_CHARACTERS$}`"
            )),
        }
    }

    /// Returns whether the last header is complete: its last line is that of the types.
    pub fn is_complete(&self) -> bool {
        !self.types.is_empty()
    }

    /// Returns the name of the log, such as `dns`, if the header says it.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Returns the names of the fields with the types of their values. A list is text.
    pub fn fields(&self) -> impl Iterator<Item = (&str, DataType)> {
        let types = self.types.iter().map(|of_type| match of_type.scalar {
            _ if of_type.is_list => DataType::Utf8,
            Scalar::Boolean => DataType::Boolean,
            Scalar::Whole => DataType::Int64,
            Scalar::Number => DataType::Float64,
            Scalar::Text => DataType::Utf8,
        });
        self.names.iter().map(String::as_str).zip(types)
    }

    /// Reads a line of a header. Lines that say nothing of the values, such as `#open`, have no effect.
    fn read_header(&mut self, line: &[u8]) {
        if let Some(separator) = line.strip_prefix(START) {
            // It is the only line in which a space comes after the name.
            *self = Self {
                separator: unescaped(separator),
                set_separator: b",".to_vec(),
                empty: b"(empty)".to_vec(),
                unset: b"-".to_vec(),
                ..Self::default()
            };
            return;
        }
        let mut parts = split(line, &self.separator);
        let name = parts.next().unwrap_or_default();
        let texts = || parts.clone().map(text);
        let value = || unescaped(parts.clone().next().unwrap_or_default());
        match name {
            b"#set_separator" => self.set_separator = value(),
            b"#empty_field" => self.empty = value(),
            b"#unset_field" => self.unset = value(),
            b"#path" => self.path = texts().next(),
            b"#fields" => self.names = texts().collect(),
            b"#types" => self.types = parts.map(FieldType::of).collect(),
            _ => {}
        }
    }

    /// Returns the value of a field that is set.
    fn value(&self, of_type: FieldType, value: &[u8]) -> Value {
        if !of_type.is_list {
            return self.scalar(of_type.scalar, value);
        }
        if value == self.empty {
            return Value::Array(Vec::new());
        }
        let items = split(value, &self.set_separator).map(|item| match item == self.unset {
            true => Value::Null,
            false => self.scalar(of_type.scalar, item),
        });
        Value::Array(items.collect())
    }

    /// Returns a single value. What is not of its type stays text, which the column of the value then refuses.
    fn scalar(&self, scalar: Scalar, value: &[u8]) -> Value {
        if value == self.empty {
            return Value::String(String::new());
        }
        let text = text(value);
        let number = match scalar {
            Scalar::Boolean if text == "T" => return Value::Bool(true),
            Scalar::Boolean if text == "F" => return Value::Bool(false),
            Scalar::Boolean | Scalar::Text => None,
            Scalar::Whole => {
                let signed = text.parse::<i64>().ok().map(Number::from);
                signed.or_else(|| text.parse::<u64>().ok().map(Number::from))
            }
            Scalar::Number => text.parse::<f64>().ok().and_then(Number::from_f64),
        };
        number.map_or(Value::String(text), Value::Number)
    }
}

impl FieldType {
    /// Returns the type that a header calls `name`, such as `vector[interval]`.
    fn of(name: &[u8]) -> Self {
        let inner = [&b"set["[..], b"vector[", b"table["].into_iter();
        let mut inner =
            inner.filter_map(|list| name.strip_prefix(list).and_then(|of| of.strip_suffix(b"]")));
        let item = inner.next();
        let scalar = match item.unwrap_or(name) {
            b"bool" => Scalar::Boolean,
            b"count" | b"int" | b"port" | b"counter" => Scalar::Whole,
            b"time" | b"interval" | b"double" => Scalar::Number,
            _ => Scalar::Text,
        };
        Self {
            scalar,
            is_list: item.is_some(),
        }
    }
}

/// Returns the pieces of `text` between separators. Without a separator all of it is one piece.
fn split<'t>(text: &'t [u8], separator: &[u8]) -> impl Iterator<Item = &'t [u8]> + Clone + use<'t> {
    let ends: Vec<usize> = match separator {
        [] => Vec::new(),
        [one] => memchr::memchr_iter(*one, text).collect(),
        several => memmem::find_iter(text, several).collect(),
    };
    let length = separator.len();
    let mut start = 0;
    ends.into_iter().chain([text.len()]).map(move |end| {
        let piece = &text[start..end];
        start = (end + length).min(text.len());
        piece
    })
}

/// Returns the bytes that a value stands for: `\x09` is a byte, and `\\` a backslash.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let (byte, next) = match rest {
            [b'\\', b'x', high, low, next @ ..] if is_hex(*high) && is_hex(*low) => {
                (16 * hex(*high) + hex(*low), next)
            }
            [b'\\', b'\\', next @ ..] => (b'\\', next),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = next;
    }
    bytes
}

fn is_hex(digit: u8) -> bool {
    digit.is_ascii_hexdigit()
}

fn hex(digit: u8) -> u8 {
    char::from(digit)
        .to_digit(16)
        .map_or(0, |digit| digit as u8)
}

/// Returns the text that a value stands for. Bytes that are no characters are written as in Zeek's JSON, as in `\xff`.
fn text(value: &[u8]) -> String {
    let bytes = match value.contains(&b'\\') {
        true => &unescaped(value)[..],
        false => value,
    };
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n\
        #open\t2026-03-02-08-30-00\n#fields\tts\tquery\tAA\tanswers\tTTLs\tport\n\
        #types\ttime\tstring\tbool\tvector[string]\tvector[interval]\tport\n";

    fn reader(header: &str) -> TsvReader {
        let mut reader = TsvReader::default();
        for line in header.lines() {
            assert_eq!(reader.read(line.as_bytes()), Ok(None), "{line}");
        }
        reader
    }

    fn read(reader: &mut TsvReader, line: &[u8]) -> Value {
        Value::Object(reader.read(line).unwrap().unwrap())
    }

    #[test]
    fn lines_become_the_objects_that_zeek_writes_as_json() {
        let mut reader = reader(HEADER);
        assert_eq!(reader.path(), Some("dns"));
        for (line, expected) in [
            (
                &b"1772440200.250000\twww.example.com\tT\ta.example.com,192.0.2.7\t300.000000,60.000000\t53"[..],
                json!({"ts": 1772440200.25, "query": "www.example.com", "AA": true,
                    "answers": ["a.example.com", "192.0.2.7"], "TTLs": [300.0, 60.0], "port": 53}),
            ),
            (b"-\t-\t-\t-\t-\t-", json!({})),
            (
                b"1.5\t(empty)\tF\t(empty)\t-\t53",
                json!({"ts": 1.5, "query": "", "AA": false, "answers": [], "port": 53}),
            ),
            // Texts that look like the marks, separators within texts, bytes that are no characters.
            (
                br"1.0	\x2d	F	\x28empty),-,a\x2cb,(empty)	1.0	53",
                json!({"ts": 1.0, "query": "-", "AA": false, "answers": ["(empty)", null, "a,b", ""],
                    "TTLs": [1.0], "port": 53}),
            ),
            (
                b"1.0\t\\x23\\x09\\\\x41\\xc3\\xa9\\xff\\xzz\xfe\\\t-\t-\t-\t-",
                json!({"ts": 1.0, "query": "#\t\\x41é\\xff\\xzz\\xfe\\"}),
            ),
            // What is not of the type of its field.
            (
                b"nan\tq\tyes\t\t1.0,x\t53/udp",
                json!({"ts": "nan", "query": "q", "AA": "yes", "answers": [""], "TTLs": [1.0, "x"], "port": "53/udp"}),
            ),
        ] {
            let shown = String::from_utf8_lossy(line);
            assert_eq!(read(&mut reader, line), expected, "{shown}");
        }
    }

    #[test]
    fn a_header_may_choose_everything() {
        let mut reader = reader(
            "#separator \\x7c\\x7c\n#set_separator||;\n#empty_field||\\x2e\n#unset_field||nil\n#fields||a||b\n\
            #types||set[count]||string\n",
        );
        assert_eq!(
            read(&mut reader, b"1;2||x|y"),
            json!({"a": [1, 2], "b": "x|y"})
        );
        assert_eq!(read(&mut reader, b".||nil"), json!({"a": []}));
        assert_eq!(read(&mut reader, b"nil||."), json!({"b": ""}));
    }

    #[test]
    fn a_later_header_holds_for_the_lines_after_it() {
        let mut reader = reader(HEADER);
        for line in [
            "#close\t2026-03-02-09-00-00",
            "#separator \\x20",
            "#fields query ts",
            "#types string time",
        ] {
            assert_eq!(reader.read(line.as_bytes()), Ok(None));
        }
        assert_eq!(
            read(&mut reader, b"example.com 2.5"),
            json!({"query": "example.com", "ts": 2.5})
        );
        assert_eq!(reader.path(), None);
    }

    #[test]
    fn lines_without_a_header_that_explains_them_are_refused() {
        for (header, says) in [
            ("", "no line `#fields`"),
            ("#separator \\x09", "no line `#fields`"),
            (
                "#separator \\x09\n#fields\ta\tb\n#types\tstring",
                "2 in `#fields`, 1 in `#types`",
            ),
            (
                "#separator \\x09\n#fields\ta\ta\n#types\tstring\tstring",
                "two fields called `a`",
            ),
            (
                "#separator \\x09\n#fields\ta\n#types\tstring",
                "the number of values is 2, and that of the fields in the header is 1",
            ),
        ] {
            let refused = reader(header).read(b"x\ty").unwrap_err();
            assert!(refused.contains(says), "{header}: {refused}");
        }
    }

    #[test]
    fn the_first_bytes_tell_the_format() {
        for (start, expected) in [
            (&b""[..], None),
            (b"#sep", None),
            (b"#separator", None),
            (b"#separator \\x09\n", Some(true)),
            (b"#separator,b\n", Some(false)),
            (b"#sepal,b\n", Some(false)),
            (b"a", Some(false)),
        ] {
            assert_eq!(is_tsv(start), expected, "{start:?}");
        }
    }
}
