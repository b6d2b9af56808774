//! A quick way to read lines whose keys come in the order of the line before.
//!
//! Most programs write all lines in one form. There is nothing to search in such a line: each key is compared with the one
//! that is expected, and what is simple among the values is read in place. A parser reads the other values, and any line
//! that is not as expected. What this way takes, the parser reads alike: a fuzz target and a test compare them.

use memchr::memchr2_iter;
use serde::de::{DeserializeSeed, IgnoredAny};

use super::cell::{Cell, CellSeed, Value};
use super::field::Field;

/// The most digits of a whole number of which every one fits a 64-bit integer.
const MAX_DIGITS: usize = 18;
/// A value with more brackets than this may be nested more deeply than the parser allows within a line.
const MAX_BRACKETS: usize = 64;
/// The bytes of a text that are looked at together.
const BLOCK: usize = 16;

/// A key of the last line.
pub(super) struct KnownKey {
    pub name: String,
    /// The index of its field; `None` if nothing reads its values.
    pub field: Option<usize>,
    /// The key with its quotes, if it is written without escapes.
    written: Option<Box<[u8]>>,
}

impl KnownKey {
    pub fn new(name: &str, field: Option<usize>) -> Self {
        let is_plain = plain_length(name.as_bytes()) == name.len();
        Self {
            written: is_plain.then(|| format!("\"{name}\"").into_bytes().into()),
            name: name.to_owned(),
            field,
        }
    }
}

/// Reads a line whose keys are the first ones of `order`, or all of them. Returns whether it did. If not, some values may
/// be in the cells.
pub(super) fn read(line: &[u8], order: &[KnownKey], fields: &[Field], cells: &mut [Cell]) -> bool {
    let mut line = Line { bytes: line, at: 0 };
    line.object(order, fields, cells).is_some()
}

/// A line that is read up to `at`. Methods return `None` where it is not of the simple kind.
struct Line<'l> {
    bytes: &'l [u8],
    at: usize,
}

impl<'l> Line<'l> {
    fn object(&mut self, order: &[KnownKey], fields: &[Field], cells: &mut [Cell]) -> Option<()> {
        self.skip_spaces();
        self.expect(b'{')?;
        for key in order {
            self.skip_spaces();
            let written = key.written.as_deref()?;
            self.rest().starts_with(written).then_some(())?;
            self.at += written.len();
            self.skip_spaces();
            self.expect(b':')?;
            self.skip_spaces();
            match key.field {
                Some(index) => self.value(&fields[index], &mut cells[index])?,
                None => self.skip_value()?,
            }
            self.skip_spaces();
            match self.next()? {
                b',' => {}
                b'}' => {
                    self.skip_spaces();
                    return self.rest().is_empty().then_some(());
                }
                _ => return None,
            }
        }
        None
    }

    fn rest(&self) -> &'l [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Reads a value into a cell.
    fn value(&mut self, field: &Field, cell: &mut Cell) -> Option<()> {
        let start = self.at;
        match self.simple() {
            Some(Simple::Text(text)) => cell.set_text(std::str::from_utf8(text).ok()?),
            Some(Simple::Other(value)) => cell.value = value,
            None => {
                self.at = start;
                let value = self.parse(CellSeed {
                    cell,
                    member: field.member,
                    notation: field.notation,
                })?;
                let brackets = memchr2_iter(b'[', b'{', value).take(MAX_BRACKETS);
                return (brackets.count() < MAX_BRACKETS).then_some(());
            }
        }
        Some(())
    }

    /// Skips a value, which has to be well-formed all the same.
    fn skip_value(&mut self) -> Option<()> {
        let start = self.at;
        if self.simple().is_none() {
            self.at = start;
            self.parse(std::marker::PhantomData::<IgnoredAny>)?;
        }
        Some(())
    }

    /// Lets the parser read a value. Returns its text.
    fn parse(&mut self, seed: impl DeserializeSeed<'l>) -> Option<&'l [u8]> {
        let mut parser = serde_json::Deserializer::from_slice(self.rest());
        seed.deserialize(&mut parser).ok()?;
        let length = parser.into_iter::<IgnoredAny>().byte_offset();
        let value = &self.rest()[..length];
        self.at += length;
        Some(value)
    }

    /// Reads a value that is written in a simple way: a text without escapes, a number of few digits, or a word.
    fn simple(&mut self) -> Option<Simple<'l>> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                let text = &self.rest()[..plain_length(self.rest())];
                self.at += text.len();
                self.expect(b'"')?;
                Some(Simple::Text(text))
            }
            b'-' | b'0'..=b'9' => self.number().map(Simple::Other),
            b't' => self.word("true", Value::Boolean(true)),
            b'f' => self.word("false", Value::Boolean(false)),
            b'n' => self.word("null", Value::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Simple<'l>> {
        let is_there = self.rest().starts_with(word.as_bytes());
        self.at += word.len();
        is_there.then_some(Simple::Other(value))
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let whole = self.digits()?;
        if whole.count > 1 && whole.first == b'0' {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            let written = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
            let number = written.parse().ok()?;
            let is_over = !matches!(self.peek(), Some(b'e' | b'E'));
            return is_over.then_some(Value::Number(number));
        }
        let number = i64::try_from(whole.number).ok()?;
        let number = if is_negative { -number } else { number };
        // A negative zero is no whole number, and a number with an exponent may be none.
        let is_other = is_negative && number == 0 || matches!(self.peek(), Some(b'e' | b'E'));
        (!is_other).then_some(Value::Integer(number))
    }

    /// Reads at least one and at most [`MAX_DIGITS`] digits.
    fn digits(&mut self) -> Option<Digits> {
        let digits = self.rest().iter().take(MAX_DIGITS + 1);
        let (mut number, mut count) = (0, 0);
        for digit in digits.take_while(|byte| byte.is_ascii_digit()) {
            number = 10 * number + u64::from(digit - b'0');
            count += 1;
        }
        let first = self.peek()?;
        self.at += count;
        (1..=MAX_DIGITS).contains(&count).then_some(Digits {
            number,
            count,
            first,
        })
    }
}

enum Simple<'l> {
    Text(&'l [u8]),
    Other(Value),
}

struct Digits {
    number: u64,
    count: usize,
    first: u8,
}

/// Returns the number of bytes before the first one that ends a text, begins an escape, or is not allowed in a text.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < b' ');
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // Without a branch for each byte, the compiler compares a whole block at once.
    let has_special = |block: &[u8; BLOCK]| {
        block
            .iter()
            .fold(false, |any, byte| any | is_special(*byte))
    };
    let plain = blocks.iter().position(has_special).unwrap_or(blocks.len()) * BLOCK;
    let rest = &bytes[plain..];
    let end = rest.iter().position(|byte| is_special(*byte));
    plain + end.unwrap_or(rest.len())
}
