//! A reader of Python and JSON literals that checks values without building them.
//!
//! One grammar covers both: the union of the outputs of Python's `repr` and of JSON writers, in which a comma may
//! follow the last element. Quoted text is only searched for its end; its escapes are decoded when the text is needed.

use std::borrow::Cow;

use super::escape::unescape;

/// The maximum depth of nested containers, including the outermost list and its dicts.
pub(crate) const MAX_DEPTH: usize = 64;

/// The error of a text that is not a valid literal. Such texts are counted and not shown, so it has no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The result of reading a literal.
pub(crate) type Read<T> = Result<T, Malformed>;

/// The value of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `None` or `null`.
    Null,
    /// A quoted text.
    Text(Quoted<'a>),
    /// A number or a container as it is written, or a boolean as `true` or `false`.
    Written(&'a str),
}

impl Value<'_> {
    /// Returns whether this is a text that is equal to `text`.
    pub(super) fn is_text(self, text: &str) -> Read<bool> {
        match self {
            Value::Text(quoted) => Ok(quoted.decoded()? == text),
            _ => Ok(false),
        }
    }

    /// Checks the escapes of a text. Those in a container are part of what is written.
    #[inline]
    pub(super) fn check_escapes(self) -> Read<()> {
        match self {
            Value::Text(quoted) if quoted.has_escapes => quoted.decoded().map(drop),
            _ => Ok(()),
        }
    }
}

/// The text between two quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    /// The text with its escapes.
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// Returns the text with its escapes decoded.
    #[inline]
    pub(super) fn decoded(self) -> Read<Cow<'a, str>> {
        match self.has_escapes {
            true => unescape(self.raw).map(Cow::Owned).ok_or(Malformed),
            false => Ok(Cow::Borrowed(self.raw)),
        }
    }
}

/// A reader of a text. Whenever one of its methods returns, its position is the first byte of a character.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    /// The position in the text, in bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the text that is not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space and returns the next byte without reading it. Returns `None` at the end.
    #[inline]
    pub(super) fn token(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Reads the next byte that is not white space, which must be `byte`.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Read<()> {
        if self.token() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads an opening bracket, elements separated by commas, and the bracket `close`.
    #[inline]
    pub(super) fn sequence(
        &mut self,
        close: u8,
        mut element: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        self.at += 1;
        loop {
            if self.token() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            element(self)?;
            match self.token() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {}
                _ => return Err(Malformed),
            }
        }
    }

    /// Reads a key and its value, which are inside `depth` containers.
    #[inline]
    pub(super) fn entry(&mut self, depth: usize) -> Read<(Value<'a>, Value<'a>)> {
        let key = self.value(depth)?;
        self.expect(b':')?;
        Ok((key, self.value(depth)?))
    }

    /// Reads a value that is inside `depth` containers.
    #[inline]
    pub(super) fn value(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.token().ok_or(Malformed)? {
            quote @ (b'\'' | b'"') => self.quoted(quote).map(Value::Text),
            b'[' | b'(' | b'{' => self.container(depth).map(Value::Written),
            _ => self.word(),
        }
    }

    /// Reads a list, a tuple or a dict that is inside `depth` containers.
    fn container(&mut self, depth: usize) -> Read<&'a str> {
        if depth >= MAX_DEPTH {
            return Err(Malformed);
        }
        let start = self.at;
        let open = self.text.as_bytes()[start];
        let close = closing(open).ok_or(Malformed)?;
        self.sequence(close, |reader| match open {
            b'{' => reader.entry(depth + 1).map(drop),
            _ => reader.value(depth + 1).map(drop),
        })?;
        Ok(&self.text[start..self.at])
    }

    /// Reads a text that starts and ends with `quote`.
    #[inline]
    fn quoted(&mut self, quote: u8) -> Read<Quoted<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        let mut has_escapes = false;
        loop {
            end = find_either(bytes, end, quote, b'\\').ok_or(Malformed)?;
            if bytes[end] == quote {
                break;
            }
            has_escapes = true;
            end += 2;
        }
        self.at = end + 1;
        let raw = &self.text[start..end];
        Ok(Quoted { raw, has_escapes })
    }

    /// Reads a value without quotes and brackets: a number, a boolean, or null.
    fn word(&mut self) -> Read<Value<'a>> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-'))
            .unwrap_or(rest.len());
        let word = &self.text[self.at..self.at + length];
        self.at += length;
        match word {
            "None" | "null" => Ok(Value::Null),
            "True" | "true" => Ok(Value::Written("true")),
            "False" | "false" => Ok(Value::Written("false")),
            _ if is_number(word) => Ok(Value::Written(word)),
            _ => Err(Malformed),
        }
    }
}

/// Returns the bracket that closes `open`, or `None` if `open` is not an opening bracket.
pub(super) fn closing(open: u8) -> Option<u8> {
    match open {
        b'[' => Some(b']'),
        b'(' => Some(b')'),
        b'{' => Some(b'}'),
        _ => None,
    }
}

/// Returns whether a word is a number as Python or JSON writes it: decimal, hexadecimal, an infinity, or NaN.
fn is_number(word: &str) -> bool {
    let number = word.strip_prefix(['-', '+']).unwrap_or(word);
    let is_all = |text: &str, accept: fn(&u8) -> bool| {
        !text.is_empty() && text.as_bytes().iter().all(accept)
    };
    if is_all(number, u8::is_ascii_digit) || matches!(number, "inf" | "nan" | "Infinity" | "NaN") {
        return true;
    }
    if let Some(digits) = number.strip_prefix("0x") {
        return is_all(digits, u8::is_ascii_hexdigit);
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    whole.len() + fraction.len() > 0
        && is_digits(whole)
        && is_digits(fraction)
        && is_all(exponent, u8::is_ascii_digit)
}

/// Returns the position of the first of two bytes at or after `from`.
#[inline]
pub(super) fn find_either(bytes: &[u8], from: usize, one: u8, other: u8) -> Option<usize> {
    let mut at = from;
    let mut rest = bytes.get(from..)?;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let hits = zero_bytes(word ^ splat(one)) | zero_bytes(word ^ splat(other));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = after;
    }
    let tail = rest.iter().position(|&byte| byte == one || byte == other)?;
    Some(at + tail)
}

/// Returns a word whose eight bytes are all `byte`.
const fn splat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// Sets the top bit of every byte of `word` that is zero. The result is exact up to and including the lowest zero byte
/// (Warren, Hacker's Delight, second edition, section 6-1).
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(splat(0x01)) & !word & splat(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Read<Value<'_>> {
        let mut reader = Reader::new(text);
        let value = reader.value(0)?;
        match reader.token() {
            None => Ok(value),
            Some(_) => Err(Malformed),
        }
    }

    #[test]
    fn the_kinds_of_values_are_recognised() {
        let numbers = [
            "0", "-100", "1e+16", "-2.5E-3", "0x7ffc", "inf", "-nan", "NaN", ".5", "5.",
        ];
        let containers = [
            "[]",
            "[1, ['x)', (2,)]]",
            "{'sa_family': 'AF_UNIX', 1: {}}",
            "()",
        ];
        for written in numbers.into_iter().chain(containers) {
            assert_eq!(read(written), Ok(Value::Written(written)));
        }
        for (boolean, text) in [("True", "true"), ("true", "true"), ("False", "false")] {
            assert_eq!(read(boolean), Ok(Value::Written(text)));
        }
        assert_eq!(read(" None "), Ok(Value::Null));
        assert_eq!(read("null"), Ok(Value::Null));
    }

    #[test]
    fn other_texts_are_malformed() {
        let words = [
            "", "1.2.3", "e5", "1e", "0x", "0xg", "-", "--1", "+.", "nul", "é",
        ];
        let others = [
            "'a", r"'\'", "[1)", "[1 2]", "[,]", "{1}", "{1: }", "{1 2}", "]", "1]",
        ];
        for text in words.into_iter().chain(others) {
            assert_eq!(read(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let deepest = nested(MAX_DEPTH);
        assert_eq!(read(&deepest), Ok(Value::Written(&deepest)));
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(Malformed));
        assert_eq!(read(&"{1:".repeat(1_000_000)), Err(Malformed));
    }

    proptest! {
        #[test]
        fn find_either_agrees_with_a_scan(
            bytes in prop::collection::vec(prop_oneof![Just(b'\''), Just(b'\\'), any::<u8>()], 0..40),
            from in 0..45_usize,
        ) {
            let mut bytes_behind = bytes.iter().enumerate().skip(from);
            let found = bytes_behind.find(|(_, byte)| matches!(byte, b'\'' | b'\\'));
            prop_assert_eq!(find_either(&bytes, from, b'\'', b'\\'), found.map(|(at, _)| at));
        }
    }
}
