//! Where in a file something is, for messages.

use std::io::{BufRead, BufReader, Read};

use super::file::DataFile;
use crate::error::Result;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 17;

/// Returns the number of the line that begins at `offset` of a file's text, counted from 1.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn line_number(file: &DataFile, offset: u64) -> Result<u64> {
    let mut before = BufReader::with_capacity(BUFFER_BYTES, file.read()?.take(offset));
    let mut ends = 0;
    loop {
        let buffer = before.fill_buf().map_err(|error| file.failed(error))?;
        if buffer.is_empty() {
            return Ok(ends + 1);
        }
        ends += buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let read = buffer.len();
        before.consume(read);
    }
}
