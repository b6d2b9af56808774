//! The lines of a text or a piece of a text, one by one in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

use memchr::memchr;

use crate::source::encoding::without_mark;
use crate::source::place::LineStart;
use crate::source::text::MAX_RECORD_BYTES;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 17;

/// Lines that begin within a piece of a text.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    /// The place where the next line begins.
    next: LineStart,
    end: u64,
    line: Vec<u8>,
}

/// One line without its end, which is a line feed or a carriage return and a line feed.
pub(super) struct Line<'a> {
    pub start: LineStart,
    /// The bytes of the line; `None` if it is longer than [`MAX_RECORD_BYTES`].
    pub bytes: Option<&'a [u8]>,
}

impl<R: Read> Lines<R> {
    /// Returns the lines of a whole text.
    pub fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            next: LineStart {
                offset: 0,
                number: Some(1),
            },
            end: u64::MAX,
            line: Vec::new(),
        }
    }

    /// Returns the lines that begin at bytes from `start` up to `end` of a text. `input` begins one byte before
    /// `start`, so that a line that begins at `start` is told from one that began before. The numbers of these lines
    /// are unknown.
    ///
    /// # Errors
    /// Fails when `input` cannot be read.
    pub fn piece(input: R, start: u64, end: u64) -> io::Result<Self> {
        let mut lines = Self::new(input).until(end);
        lines.next = LineStart {
            offset: start - 1,
            number: None,
        };
        lines.skip_line()?;
        Ok(lines)
    }

    /// Leaves out the lines that begin at byte `end` or later.
    pub fn until(self, end: u64) -> Self {
        Self { end, ..self }
    }

    /// Reads the next line; there is none after the last.
    ///
    /// # Errors
    /// Fails when the input cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let start = self.next;
        if start.offset >= self.end {
            return Ok(None);
        }
        self.line.clear();
        let mut bounded = self.input.by_ref().take(MAX_RECORD_BYTES + 1);
        let read = bounded.read_until(b'\n', &mut self.line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.next = LineStart {
            offset: start.offset + read,
            number: start.number.map(|number| number + 1),
        };
        let is_whole = self.line.last() == Some(&b'\n');
        if !is_whole && read > MAX_RECORD_BYTES {
            self.skip_line()?;
            return Ok(Some(Line { start, bytes: None }));
        }
        let mut bytes = self.line.as_slice();
        if start.offset == 0 {
            bytes = without_mark(bytes);
        }
        bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let bytes = Some(bytes);
        Ok(Some(Line { start, bytes }))
    }

    /// Skips the bytes up to the next line end, and the line end.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = memchr(b'\n', buffer);
            let skipped = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(skipped);
            self.next.offset += skipped as u64;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut lines: Lines<impl Read>) -> Vec<(u64, Option<String>)> {
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = line
                .bytes
                .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            found.push((line.start.offset, text));
        }
        found
    }

    #[test]
    fn pieces_together_have_every_line_once() {
        let text = "one\r\ntwo\n\nfour\nlast";
        let whole = all(Lines::new(text.as_bytes()));
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[4], (15, Some("last".to_owned())));
        for cut in 1..text.len() as u64 {
            let tail = &text.as_bytes()[cut as usize - 1..];
            let mut pieces = all(Lines::new(text.as_bytes()).until(cut));
            pieces.extend(all(Lines::piece(tail, cut, u64::MAX).unwrap()));
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_without_being_held() {
        let long = "x".repeat(MAX_RECORD_BYTES as usize + 10);
        let text = format!("a\n{long}\nb\n");
        let found = all(Lines::new(text.as_bytes()));
        let expected_end = 2 + long.len() as u64 + 1;
        assert_eq!(
            found,
            [
                (0, Some("a".to_owned())),
                (2, None),
                (expected_end, Some("b".to_owned()))
            ]
        );
    }

    #[test]
    fn lines_from_the_start_have_numbers() {
        let long = "x".repeat(MAX_RECORD_BYTES as usize + 10);
        let text = format!("a\n\n{long}\nb");
        let mut lines = Lines::new(text.as_bytes());
        for expected in 1..=4 {
            let line = lines.next().unwrap().unwrap();
            assert_eq!(line.start.number, Some(expected));
        }
        let mut piece = Lines::piece(&text.as_bytes()[1..], 2, u64::MAX).unwrap();
        assert_eq!(piece.next().unwrap().unwrap().start.number, None);
    }
}
