//! Lines that are almost JSON: what programs write into logs although JSON does not have it.
//!
//! A file name in Linux is any bytes, and programs copy it into a text. Half of a surrogate pair, and bytes that are not
//! UTF-8, become U+FFFD here, so that whoever names a file cannot make its event unreadable. `NaN`, `Infinity` and
//! `-Infinity`, which Python writes, become texts, which columns of numbers read as these numbers.

use serde::Deserialize;

/// What stands for a part of a text that is no character.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
/// The numbers that JSON does not have.
const NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Reads a line of JSON, leniently where that is necessary. Returns `None` if it is not a `T` even so.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    if let Ok(value) = serde_json::from_slice(line) {
        return Some(value);
    }
    let mut lenient = Lenient::default();
    if !lenient.read(line) {
        return None;
    }
    serde_json::from_slice(lenient.line()).ok()
}

/// A line that was made JSON. The memory is used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Lenient {
    line: Vec<u8>,
    replaced: u64,
}

impl Lenient {
    /// Makes JSON of `line` as far as possible. Returns whether it differs from `line`.
    pub fn read(&mut self, line: &[u8]) -> bool {
        self.line.clear();
        self.replaced = 0;
        let mut rest = line;
        while let Some(first) = rest.first() {
            if *first == b'"' {
                let end = text_end(rest);
                self.push_text(&rest[..end]);
                rest = &rest[end..];
            } else if let Some(number) = NUMBERS.into_iter().find(|name| rest.starts_with(name)) {
                self.line.push(b'"');
                self.line.extend_from_slice(number);
                self.line.push(b'"');
                rest = &rest[number.len()..];
            } else {
                self.line.push(*first);
                rest = &rest[1..];
            }
        }
        self.line != line
    }

    /// Returns the line.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Returns how many of its texts had parts that were replaced.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Adds a text with its quotes.
    fn push_text(&mut self, text: &[u8]) {
        let before = self.line.len();
        let mut has_replaced = false;
        for chunk in text.utf8_chunks() {
            self.line.extend_from_slice(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                self.line.extend_from_slice(REPLACEMENT);
                has_replaced = true;
            }
        }
        has_replaced |= self.replace_surrogates(before);
        self.replaced += u64::from(has_replaced);
    }

    /// Replaces the halves of surrogate pairs that stand alone in the text which begins at byte `start` of the line.
    /// Returns whether there were any.
    fn replace_surrogates(&mut self, start: usize) -> bool {
        let text = &self.line[start..];
        if !text.windows(2).any(|pair| pair == b"\\u") {
            return false;
        }
        let text = text.to_vec();
        self.line.truncate(start);
        let mut has_replaced = false;
        let mut rest = text.as_slice();
        while let [first, ..] = rest {
            let length = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
                (Some(Half::High), Some(Half::Low)) => 12,
                (Some(_), _) => {
                    self.line.extend_from_slice(REPLACEMENT);
                    has_replaced = true;
                    rest = &rest[6..];
                    continue;
                }
                // An escaped backslash does not begin another escape.
                (None, _) if *first == b'\\' => 2.min(rest.len()),
                (None, _) => 1,
            };
            self.line.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
        }
        has_replaced
    }
}

/// One half of a surrogate pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Returns which half of a surrogate pair the escape at the beginning of `text` is.
fn surrogate(text: &[u8]) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', second, third, fourth, ..] = text else {
        return None;
    };
    if !third.is_ascii_hexdigit() || !fourth.is_ascii_hexdigit() {
        return None;
    }
    match second.to_ascii_lowercase() {
        b'8' | b'9' | b'a' | b'b' => Some(Half::High),
        b'c'..=b'f' => Some(Half::Low),
        _ => None,
    }
}

/// Returns the length of the text at the beginning of `rest`, with its quotes, or of all if it does not end.
fn text_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = rest
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found;
        if rest[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> (String, u64) {
        let mut lenient = Lenient::default();
        lenient.read(line);
        let text = String::from_utf8(lenient.line().to_vec()).expect("UTF-8");
        (text, lenient.replaced())
    }

    /// Python's `json.loads` of the line, encoded as UTF-8 with `errors="replace"` for each half, gives the same texts but
    /// for the replacement character.
    #[test]
    fn what_is_no_character_is_replaced_and_counted() {
        for (line, expected, replaced) in [
            (&br#"{"a":"\udc80"}"#[..], "{\"a\":\"\u{fffd}\"}", 1),
            (br#"{"a":"\uD83D\uDE00"}"#, r#"{"a":"\uD83D\uDE00"}"#, 0),
            (
                br#"{"a":"\ud83d\ud83d\ude00"}"#,
                "{\"a\":\"\u{fffd}\\ud83d\\ude00\"}",
                1,
            ),
            (
                br#"{"a":"\ude00\ud83d"}"#,
                "{\"a\":\"\u{fffd}\u{fffd}\"}",
                1,
            ),
            (br#"{"a":"\\udc80"}"#, r#"{"a":"\\udc80"}"#, 0),
            (br#"{"a":"\\\udc80\""}"#, "{\"a\":\"\\\\\u{fffd}\\\"\"}", 1),
            (
                b"{\"caf\xe9\":\"\xe9\xff\",\"b\":1}",
                "{\"caf\u{fffd}\":\"\u{fffd}\u{fffd}\",\"b\":1}",
                2,
            ),
            (
                br#"["\ud800x",["\udfff"]]"#,
                "[\"\u{fffd}x\",[\"\u{fffd}\"]]",
                2,
            ),
        ] {
            assert_eq!(read(line), (expected.to_owned(), replaced));
        }
    }

    #[test]
    fn numbers_that_json_lacks_become_texts() {
        let line = br#"{"a":NaN,"b":-Infinity,"c":[Infinity,1],"d":"NaN"}"#;
        let expected = r#"{"a":"NaN","b":"-Infinity","c":["Infinity",1],"d":"NaN"}"#;
        assert_eq!(read(line), (expected.to_owned(), 0));
    }

    #[test]
    fn nonsense_stays_nonsense() {
        for line in [&b"\xff\xfe"[..], b"{\"a\":\"\\", b"{\"a\":\xe9}", b"\"\\u"] {
            assert_eq!(parse::<serde_json::Value>(line), None);
        }
    }
}
