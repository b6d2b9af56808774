//! A glance at an `args` text that is written exactly as BETH writes it.
//!
//! The text is a list of dicts with the keys `name`, `type` and `value` in this order, one space behind every comma and
//! colon, quotes around names and types that are single, and no backslash anywhere. A text then ends at the next quote,
//! and the positions of all single quotes are found with vector instructions, without reading what is between them. All
//! else is left to the parser in [`arg`](super::arg), which gives the same answer for these texts too.

use memchr::memchr;

use super::literal::{Reader, Value};
use super::quotes::{BLOCK, Quotes, quotes};

/// The maximum length of a text in bytes.
const MAX_BYTES: usize = 8 * BLOCK;

/// Returns the value of the first argument called `name` that has one, as [`argument`](super::arg::argument) does, or
/// `None` if the text is written in another way than BETH's.
pub(super) fn glance<'a>(args: &'a str, name: &str) -> Option<Option<&'a str>> {
    let glance = Glance::new(args)?;
    let mut found = None;
    let mut at = 1;
    loop {
        let value = glance.argument(&mut at, name)?;
        found = found.or(value);
        let rest = args.as_bytes().get(at..)?;
        match rest {
            b"]" => return Some(found),
            [b',', b' ', ..] => at += 2,
            _ => return None,
        }
    }
}

/// A text and the positions of its quotes.
struct Glance<'a> {
    text: &'a str,
    /// One bit per byte.
    quotes: [u64; MAX_BYTES / BLOCK],
}

impl<'a> Glance<'a> {
    /// Finds the quotes of a text that is a list. Returns `None` if it has a backslash.
    #[inline]
    fn new(text: &'a str) -> Option<Self> {
        if text.len() > MAX_BYTES || !text.starts_with('[') {
            return None;
        }
        let mut found = [0; MAX_BYTES / BLOCK];
        let bytes = text.as_bytes();
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let mut is_odd = false;
        for (place, block) in found.iter_mut().zip(blocks) {
            let Quotes {
                single,
                has_backslash,
            } = quotes(block);
            *place = single;
            is_odd |= has_backslash;
        }
        if !rest.is_empty() {
            // The block that ends with the text, of which only the rest is new.
            let Quotes {
                single,
                has_backslash,
            } = match bytes.last_chunk::<BLOCK>() {
                Some(block) => quotes(block),
                None => {
                    let mut block = [0; BLOCK];
                    block[BLOCK - bytes.len()..].copy_from_slice(bytes);
                    quotes(&block)
                }
            };
            *found.get_mut(blocks.len())? = single >> (BLOCK - rest.len());
            is_odd |= has_backslash;
        }
        (!is_odd).then_some(Self {
            text,
            quotes: found,
        })
    }

    /// Returns the position of the first quote at or after `from`.
    #[inline(always)]
    fn quote(&self, from: usize) -> Option<usize> {
        let mut block = from / BLOCK;
        let mut bits = *self.quotes.get(block)? >> (from % BLOCK);
        let mut start = from;
        while bits == 0 {
            block += 1;
            start = block * BLOCK;
            bits = *self.quotes.get(block)?;
        }
        Some(start + bits.trailing_zeros() as usize)
    }

    /// Reads `text` at `at`, and returns the position behind it.
    #[inline(always)]
    fn expect<const N: usize>(&self, at: usize, text: &[u8; N]) -> Option<usize> {
        let found = self.text.as_bytes().get(at..)?.first_chunk::<N>()?;
        (found == text).then_some(at + N)
    }

    /// Reads the dict at `at`. Returns its value unless that is null or the argument has another name than `name`.
    #[inline(always)]
    fn argument(&self, at: &mut usize, name: &str) -> Option<Option<&'a str>> {
        let start = self.expect(*at, b"{'name': '")?;
        let end = self.quote(start)?;
        let is_named = self.text.as_bytes()[start..end] == *name.as_bytes();
        let start = self.expect(end, b"', 'type': '")?;
        let end = self.quote(start)?;
        let start = self.expect(end, b"', 'value': ")?;
        let bytes = self.text.as_bytes();
        let (value, end) = match bytes.get(start)? {
            b'\'' => {
                let end = self.quote(start + 1)?;
                (is_named.then(|| &self.text[start + 1..end]), end + 1)
            }
            b'0'..=b'9' | b'-' => {
                let digits = start + 1;
                let length = bytes[digits..]
                    .iter()
                    .position(|byte| !byte.is_ascii_digit())?;
                let end = digits + length;
                if bytes[end] != b'}' || (bytes[start] == b'-' && length == 0) {
                    return None;
                }
                (is_named.then(|| &self.text[start..end]), end)
            }
            b'"' => {
                let end = start + 1 + memchr(b'"', &bytes[start + 1..])?;
                (is_named.then(|| &self.text[start + 1..end]), end + 1)
            }
            b'[' | b'(' | b'{' => return None,
            _ => {
                let mut reader = Reader::new(&self.text[start..]);
                let value = reader.value(2).ok()?;
                let end = self.text.len() - reader.rest().len();
                match value {
                    Value::Written(text) => (is_named.then_some(text), end),
                    Value::Null => (None, end),
                    Value::Text(_) => return None,
                }
            }
        };
        *at = self.expect(end, b"}")?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &str = "[{'name': 'dirfd', 'type': 'int', 'value': -100}, {'name': 'pathname', 'type': 'const char*', \
        'value': '/etc/ld.so.cache'}, {'name': 'flags', 'type': 'int', 'value': 'O_RDONLY|O_CLOEXEC'}]";

    #[test]
    fn texts_as_in_beth_need_no_more_than_a_glance() {
        let read = |name| glance(OPENED, name);
        assert_eq!(read("pathname"), Some(Some("/etc/ld.so.cache")));
        assert_eq!(read("dirfd"), Some(Some("-100")));
        assert_eq!(read("int"), Some(None));
        let connected = "[{'name': 'addr', 'type': 'void*', 'value': \"{'sa_family': 'AF_UNIX'}\"}, \
            {'name': 'fd', 'type': 'int', 'value': None}]";
        assert_eq!(
            glance(connected, "addr"),
            Some(Some("{'sa_family': 'AF_UNIX'}"))
        );
        assert_eq!(glance(connected, "sa_family"), Some(None));
        assert_eq!(glance(connected, "fd"), Some(None));
    }

    #[test]
    fn other_texts_are_left_to_the_parser() {
        let long = OPENED.replace("/etc", &"/etc".repeat(MAX_BYTES));
        let others = [
            "",
            "[]",
            "()",
            "null",
            &OPENED[..OPENED.len() - 1],
            &OPENED.replace("flags", r"fl\x61gs"),
            &OPENED.replace("-100", "[1]"),
            &OPENED.replace("-100", "-"),
            &OPENED.replace("', 'type'", "','type'"),
            &format!("{OPENED} "),
            &long,
        ];
        for text in others {
            assert_eq!(glance(text, "pathname"), None, "{text}");
        }
    }
}
