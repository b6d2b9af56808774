//! Cutting bytes into whole records.

use honeyguide::{MAX_RECORD_BYTES, are_csv, record_end, text_start};

use crate::queue::Chunk;

/// The number of bytes after which a field of CSV that goes on over lines is taken for one whose quote was never closed.
/// Only its first line is then lost.
const MAX_QUOTED_BYTES: usize = 64 << 10;

/// The bytes of an input that are no whole record yet.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// Whether the records are CSV; `None` before the first bytes that tell.
    is_csv: Option<bool>,
    /// Whether the rest of a record that is too long is being left out.
    skips: bool,
}

impl Records {
    /// Returns a cutter of records, which are CSV or not if `is_csv` says so, and what their first bytes tell otherwise.
    pub fn new(is_csv: Option<bool>) -> Self {
        Self {
            is_csv,
            ..Self::default()
        }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that are no whole record yet; `None` within a record that is left out.
    pub fn pending(&self) -> Option<u64> {
        (!self.skips).then_some(self.bytes.len() as u64)
    }

    /// Takes the whole records of input `input`, if there is one. At the end of the input, the rest is one too.
    pub fn take(&mut self, input: usize, is_end: bool) -> Option<Chunk> {
        if self.is_csv.is_none() {
            // What says nothing is not held, however much of it there is.
            let start = text_start(&self.bytes).unwrap_or(self.bytes.len());
            self.bytes.drain(..start);
            self.is_csv = are_csv(&self.bytes);
        }
        // At the end, a few bytes that might have begun a header are lines as well.
        let is_csv = match self.is_csv {
            None if !is_end || self.bytes.trim_ascii().is_empty() => return None,
            is_csv => is_csv.unwrap_or(true),
        };
        let mut records = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            // A file that was emptied under its writer begins with zeros.
            if self.bytes[at] == 0 && !self.skips {
                at += 1;
                continue;
            }
            let rest = &self.bytes[at..];
            let line = || memchr::memchr(b'\n', rest);
            if self.skips {
                self.skips = line().is_none();
                at += line().map_or(rest.len(), |end| end + 1);
            } else if let Some(end) = record_end(rest, is_csv) {
                records.push((at, at + end - 1));
                at += end;
            } else if let Some(end) = line().filter(|_| rest.len() > MAX_QUOTED_BYTES) {
                records.push((at, at + end));
                at += end + 1;
            } else if rest.len() > MAX_RECORD_BYTES {
                records.push((at, self.bytes.len()));
                at = self.bytes.len();
                self.skips = true;
            } else {
                break;
            }
        }
        if is_end && at < self.bytes.len() {
            records.push((at, self.bytes.len()));
            at = self.bytes.len();
        }
        if at == 0 {
            return None;
        }
        records.retain(|(start, end)| !self.bytes[*start..*end].trim_ascii().is_empty());
        let rest = self.bytes.split_off(at);
        Some(Chunk {
            input,
            bytes: std::mem::replace(&mut self.bytes, rest),
            records,
            position: None,
            arrived: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text that comes in pieces of `size` bytes.
    fn records(text: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut records = Records::new(None);
        let mut found = Vec::new();
        let mut taken = |chunk: Option<Chunk>| {
            for (start, end) in chunk.iter().flat_map(|chunk| &chunk.records) {
                let bytes = chunk.as_ref().map(|chunk| &chunk.bytes[*start..*end]);
                found.extend(bytes.map(<[u8]>::to_vec));
            }
        };
        for piece in text.chunks(size) {
            records.add(piece);
            taken(records.take(0, false));
        }
        taken(records.take(0, true));
        found
    }

    #[test]
    fn records_do_not_depend_on_how_they_come() {
        let csv = b"a,b\n1,\"x\ny\"\n\n2,\"it\"\"s\"\n3,5\" wide\n4,last";
        let expected = ["a,b", "1,\"x\ny\"", "2,\"it\"\"s\"", "3,5\" wide", "4,last"];
        let json = b"\n{\"a\":\"\\\"\"}\n{}\n";
        for size in 1..csv.len() {
            let found = records(csv, size);
            assert_eq!(
                found,
                expected.map(|record| record.as_bytes().to_vec()),
                "{size}"
            );
            assert_eq!(records(json, size).len(), 2, "{size}");
        }
    }

    #[test]
    fn quotes_mean_nothing_in_the_lines_of_zeek() {
        let text = b"#separator \\x09\n#fields\ta\n\"open\t,\"\nlast\n";
        let expected = ["#separator \\x09", "#fields\ta", "\"open\t,\"", "last"];
        let csv = b"#sepal,\"b\nc\"\n1,2\n";
        for size in 1..text.len() {
            let expected = expected.map(|record| record.as_bytes().to_vec());
            assert_eq!(records(text, size), expected, "{size}");
            assert_eq!(records(csv, size).len(), 2, "{size}");
            // What ends before it tells what it is.
            assert_eq!(records(b"#sep", size), [b"#sep"]);
            assert_eq!(records(b"\n \n", size).len(), 0);
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_one_line() {
        let mut text = b"a,b\n1,\"open\n".to_vec();
        (0..20_000).for_each(|n| text.extend(format!("{n},x\n").bytes()));
        let found = records(&text, 4096);
        assert_eq!(found.len(), 20_002);
        assert_eq!(found[1], b"1,\"open");
    }

    #[test]
    fn nothing_is_held_of_what_comes_before_the_first_text() {
        let mut records = Records::new(None);
        for start in [&b"\xEF\xBB\xBF"[..], b"\n  \r\n", b"\0\0\0\0", b"\t"] {
            for _ in 0..1000 {
                records.add(start);
                assert!(records.take(0, false).is_none());
                assert_eq!(records.pending(), Some(0));
            }
        }
        records.add(b"{\"a\":1}\n");
        let chunk = records.take(0, false).expect("a record");
        let (start, end) = chunk.records[0];
        assert_eq!(&chunk.bytes[start..end], b"{\"a\":1}");
    }

    #[test]
    fn a_record_that_is_too_long_is_one_record() {
        let mut text = b"{\"a\":1}\n{\"b\":\"".to_vec();
        text.resize(text.len() + 2 * MAX_RECORD_BYTES, b'x');
        text.extend(b"\"}\n{\"c\":1}\n");
        let found = records(&text, 1 << 18);
        assert_eq!(found.len(), 3);
        assert!(found[1].len() > MAX_RECORD_BYTES);
        assert_eq!(found[2], b"{\"c\":1}");
    }
}
