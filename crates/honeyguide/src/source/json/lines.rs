//! The lines of a text, or of a piece of it, one by one in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

use crate::source::text::MAX_RECORD_BYTES;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 17;

/// Lines that begin within a piece of a text.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    /// Of the text, after the last line.
    position: u64,
    end: u64,
    line: Vec<u8>,
}

/// One line without its end.
pub(super) struct Line<'a> {
    /// Where it begins in the text.
    pub offset: u64,
    /// None where it is longer than [`MAX_RECORD_BYTES`].
    pub bytes: Option<&'a [u8]>,
}

impl Lines {
    /// The lines of a whole text.
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            position: 0,
            end: u64::MAX,
            line: Vec::new(),
        }
    }

    /// The lines that begin at bytes from `start` up to `end` of a text. `input` begins one byte before `start`, so that a
    /// line that begins at `start` is told from one that began before.
    pub fn piece(input: impl Read + Send + 'static, start: u64, end: u64) -> io::Result<Self> {
        let mut lines = Self::new(Box::new(input)).until(end);
        lines.position = start - 1;
        lines.skip_line()?;
        Ok(lines)
    }

    /// Only those that begin before byte `end`.
    pub fn until(self, end: u64) -> Self {
        Self { end, ..self }
    }

    /// The next line; none after the last.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let offset = self.position;
        if offset >= self.end {
            return Ok(None);
        }
        self.line.clear();
        let mut bounded = self.input.by_ref().take(MAX_RECORD_BYTES + 1);
        let read = bounded.read_until(b'\n', &mut self.line)? as u64;
        self.position += read;
        if read == 0 {
            return Ok(None);
        }
        let is_whole = self.line.last() == Some(&b'\n');
        if !is_whole && read > MAX_RECORD_BYTES {
            self.skip_line()?;
            return Ok(Some(Line {
                offset,
                bytes: None,
            }));
        }
        let bytes = Some(self.line.trim_ascii());
        Ok(Some(Line { offset, bytes }))
    }

    /// Goes behind the next line end.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let skipped = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(skipped);
            self.position += skipped as u64;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut lines: Lines) -> Vec<(u64, Option<String>)> {
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = line
                .bytes
                .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            found.push((line.offset, text));
        }
        found
    }

    #[test]
    fn pieces_together_have_every_line_once() {
        let text = "one\r\ntwo\n\nfour\nlast";
        let whole = all(Lines::new(Box::new(text.as_bytes())));
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[4], (15, Some("last".to_owned())));
        for cut in 1..text.len() as u64 {
            let tail = Box::new(&text.as_bytes()[cut as usize - 1..]);
            let mut pieces = all(Lines::new(Box::new(text.as_bytes())).until(cut));
            pieces.extend(all(Lines::piece(tail, cut, u64::MAX).unwrap()));
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_without_being_held() {
        let long = "x".repeat(MAX_RECORD_BYTES as usize + 10);
        let text: &'static str = Box::leak(format!("a\n{long}\nb\n").into_boxed_str());
        let found = all(Lines::new(Box::new(text.as_bytes())));
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
}
