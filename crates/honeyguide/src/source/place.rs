//! Places in a text, as messages name them.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::file::DataFile;
use super::text::read_error;
use crate::error::{Error, Result};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 17;

/// The file or the stream that a text comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A file, which can be read again.
    File(DataFile),
    /// A stream that messages call by this name.
    Stream(PathBuf),
}

/// The place where a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineStart {
    /// The position of its first byte in the text.
    pub offset: u64,
    /// The number of the line from 1, where all lines before it were read.
    pub number: Option<u64>,
}

impl Origin {
    /// Returns what messages call the text.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(file) => &file.path,
            Self::Stream(name) => name,
        }
    }

    /// Returns `file` or `stream`, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Stream(_) => "stream",
        }
    }

    /// Returns a data error that says `why`, with the number of the line that begins at `start`.
    pub fn line_error(&self, start: LineStart, why: &str) -> Error {
        Error::data(format!("{}: {why}", self.place(start)))
    }

    /// Returns which line begins at `start`, for messages.
    pub fn place(&self, start: LineStart) -> String {
        let number = start.number.or_else(|| match self {
            Self::File(file) => line_number(file, start.offset).ok(),
            Self::Stream(_) => None,
        });
        let line = match number {
            Some(number) => format!("line {number}"),
            None => format!("the line at byte {}", start.offset),
        };
        format!("{}: {line}", self.path().display())
    }

    /// Returns the error of reading the text near line `near`.
    pub fn read_error(&self, near: u64, error: io::Error) -> Error {
        match self {
            Self::File(file) => read_error(&file.path, near, error.into()),
            Self::Stream(name) => {
                Error::through_reader(error, |error| Error::io("read", name, error))
            }
        }
    }
}

/// Returns the number of the line that begins at `offset` of a file's text, counted from 1.
///
/// # Errors
/// Fails when the file cannot be read.
fn line_number(file: &DataFile, offset: u64) -> Result<u64> {
    let mut before = BufReader::with_capacity(BUFFER_BYTES, file.read()?.take(offset));
    let mut ends = 0;
    loop {
        let buffer = before.fill_buf().map_err(|error| file.failed(error))?;
        if buffer.is_empty() {
            return Ok(ends + 1);
        }
        ends += memchr::memchr_iter(b'\n', buffer).count() as u64;
        let read = buffer.len();
        before.consume(read);
    }
}
