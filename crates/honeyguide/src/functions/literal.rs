//! Literals of Python and JSON, told apart and checked without being built.
//!
//! One grammar reads both: the union of what `repr` and JSON writers put out, where a comma may follow the last element.
//! What is inside quotes is only searched for its end; escapes are read when the text is asked for.

use std::borrow::Cow;

use super::escape::unescape;

/// Containers inside one another that are still read, counting the outermost list and its dicts.
pub(super) const MAX_DEPTH: usize = 64;

/// A text is not what it should be. Such texts are counted and not shown, so there is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) type Read<T> = Result<T, Malformed>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Text(Quoted<'a>),
    /// A number, a boolean, or a container as it is written.
    Written(&'a str),
}

impl Value<'_> {
    /// Whether this is a text, and `text`.
    pub(super) fn is_text(self, text: &str) -> Read<bool> {
        match self {
            Value::Text(quoted) => Ok(quoted.decoded()? == text),
            _ => Ok(false),
        }
    }
}

/// What stands between two quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// The text without escapes.
    #[inline]
    pub(super) fn decoded(self) -> Read<Cow<'a, str>> {
        match self.has_escapes {
            true => unescape(self.raw).map(Cow::Owned).ok_or(Malformed),
            false => Ok(Cow::Borrowed(self.raw)),
        }
    }
}

/// A place in a text. It stands on a character's first byte whenever one of its methods returns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is still to be read.
    #[inline]
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips `bytes` of the rest, up to the start of a character.
    #[inline]
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next byte that is not white space, which stays unread; none at the end.
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

    /// Reads one byte that is not white space, which must be `byte`.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Read<()> {
        if self.token() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a bracket, elements with commas between them, and `close`.
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

    /// Reads a key and its value, which stand inside `depth` containers.
    #[inline]
    pub(super) fn entry(&mut self, depth: usize) -> Read<(Value<'a>, Value<'a>)> {
        let key = self.value(depth)?;
        self.expect(b':')?;
        Ok((key, self.value(depth)?))
    }

    /// Reads a value that stands inside `depth` containers.
    #[inline]
    pub(super) fn value(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.token().ok_or(Malformed)? {
            quote @ (b'\'' | b'"') => self.quoted(quote).map(Value::Text),
            b'[' | b'(' | b'{' => self.container(depth).map(Value::Written),
            _ => self.word(),
        }
    }

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

    /// Reads what has neither quotes nor brackets: a number, a boolean, or null.
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

/// The bracket that closes what `open` opens.
pub(super) fn closing(open: u8) -> Option<u8> {
    match open {
        b'[' => Some(b']'),
        b'(' => Some(b')'),
        b'{' => Some(b'}'),
        _ => None,
    }
}

/// Whether a word is a number as Python or JSON writes it: decimal, hexadecimal, infinite, or not a number.
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

/// The first place at or after `from` where one of two bytes stands.
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

const fn splat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// The top bit of every byte that is zero, exact up to and including the lowest of them (Warren, Hacker's Delight,
/// second edition, section 6-1).
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
    fn tells_the_kinds_apart() {
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
    fn rejects_what_is_no_literal() {
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
        fn finds_what_a_scan_finds(
            bytes in prop::collection::vec(prop_oneof![Just(b'\''), Just(b'\\'), any::<u8>()], 0..40),
            from in 0..45_usize,
        ) {
            let mut bytes_behind = bytes.iter().enumerate().skip(from);
            let found = bytes_behind.find(|(_, byte)| matches!(byte, b'\'' | b'\\'));
            prop_assert_eq!(find_either(&bytes, from, b'\'', b'\\'), found.map(|(at, _)| at));
        }
    }
}
