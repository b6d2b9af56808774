//! Leading zeros of numbers in CSV that appear after the records from which the types of columns are inferred.
//!
//! The engine reads `007` as 7. A cheap search of the text on its way to the engine tells which files have fields that look
//! so. Only those files are parsed once more, to tell which columns of numbers lost the zeros.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::DataFile;
use super::format::Format;
use super::number::Numbers;
use super::text::Records;
use crate::error::Result;

/// The most bytes of a field that can be a number: more digits than any type of numbers has.
const MAX_NUMBER_BYTES: usize = 64;

/// The files in which fields that look like numbers with leading zeros were read.
#[derive(Debug, Default)]
pub(super) struct ZeroFiles(Mutex<BTreeSet<PathBuf>>);

impl ZeroFiles {
    /// Adds a file.
    pub fn add(&self, file: &DataFile) {
        self.paths().insert(file.path.clone());
    }

    /// Returns whether a file was added.
    pub fn has(&self, file: &DataFile) -> bool {
        self.paths().contains(&file.path)
    }

    fn paths(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search for fields that look like numbers with leading zeros in a text that comes in chunks.
#[derive(Debug, Default)]
pub(super) struct ZeroSearch {
    /// The end of the text so far, which may hold a part of a field.
    end: Vec<u8>,
    is_found: bool,
}

impl ZeroSearch {
    /// Searches the next chunk; an empty one is the end of the text. Returns whether this is the chunk with which the first
    /// such field was found.
    pub fn finds_first_in(&mut self, chunk: &[u8]) -> bool {
        if self.is_found {
            return false;
        }
        self.end
            .extend(&chunk[..chunk.len().min(MAX_NUMBER_BYTES + 1)]);
        if chunk.is_empty() {
            self.end.push(b'\n');
        }
        self.is_found = has_leading_zero(&self.end) || has_leading_zero(chunk);
        let kept = chunk.len().saturating_sub(MAX_NUMBER_BYTES + 1);
        if chunk.len() > MAX_NUMBER_BYTES {
            self.end.clear();
            self.end.extend(&chunk[kept..]);
        } else {
            let kept = self.end.len().saturating_sub(MAX_NUMBER_BYTES + 1);
            self.end.drain(..kept);
        }
        self.is_found
    }
}

fn is_around_field(byte: u8) -> bool {
    matches!(byte, b',' | b'\n' | b'\r' | b'"')
}

/// Returns whether a whole field of `text` looks like a number with a leading zero. Most texts are told by a search that the
/// compiler turns into one over many bytes at once.
fn has_leading_zero(text: &[u8]) -> bool {
    let [second, third, fourth] = [1, 2, 3].map(|skipped| text.get(skipped..).unwrap_or_default());
    let windows = text.iter().zip(second).zip(third.iter().zip(fourth));
    let is_possible = windows.fold(false, |found, ((a, b), (c, d))| {
        let plain = (*b == b'0') & c.is_ascii_digit();
        let signed = ((*b == b'-') | (*b == b'+')) & (*c == b'0') & d.is_ascii_digit();
        found | (is_around_field(*a) & (plain | signed))
    });
    is_possible
        && (0..text.len()).any(|at| is_around_field(text[at]) && begins_with(&text[at + 1..]))
}

/// Returns whether `text` begins with a zero before another digit, after spaces and a sign.
pub(super) fn begins_with_zero(text: &str) -> bool {
    let text = text.trim_start();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(digits.as_bytes(), [b'0', next, ..] if next.is_ascii_digit())
}

/// Returns whether `text` begins with a number that has a leading zero, and after which a field can end.
fn begins_with(text: &[u8]) -> bool {
    let is_of_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.".contains(byte);
    let length = text.iter().take_while(is_of_number).count();
    let literal = std::str::from_utf8(&text[..length]).unwrap_or_default();
    text.get(length).copied().is_some_and(is_around_field)
        && Numbers::of(literal).is_some_and(|number| number.has_leading_zero)
}

/// Returns the first number with a leading zero in each of the columns of `file` that have one, with the column's name.
/// `columns` names those that matter; the others are `None`.
pub(super) fn first_in(
    file: &DataFile,
    mut columns: Vec<Option<&str>>,
) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    if !matches!(file.format, Format::Csv(_)) {
        return Ok(found);
    }
    let mut records = Records::open(file)?;
    let mut record = csv::ByteRecord::new();
    // The header.
    records.read_of(file, &mut record)?;
    while columns.iter().any(Option::is_some) && records.read_of(file, &mut record)? {
        for (field, column) in record.iter().zip(&mut columns) {
            let Some(name) = *column else { continue };
            let literal = std::str::from_utf8(field).unwrap_or_default().trim();
            let is_short = literal.len() <= MAX_NUMBER_BYTES;
            if is_short && Numbers::of(literal).is_some_and(|number| number.has_leading_zero) {
                found.push((name.to_owned(), literal.to_owned()));
                *column = None;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_fields_count() {
        for (text, has) in [
            ("\n007,1\n", true),
            ("a,007\r\n", true),
            ("a,-07.5,", true),
            ("a,\"0012\",", true),
            ("1,0,0\n", false),
            ("1,0.5,-0.25\n", false),
            ("1,03/10/2025,08:15:00,\n", false),
            ("2025-03-10,10.07,\n", false),
            ("1,0x07,0a\n", false),
            ("1,00:00,\n", false),
            ("1,01", false),
        ] {
            assert_eq!(has_leading_zero(text.as_bytes()), has, "{text:?}");
        }
    }

    #[test]
    fn a_field_is_found_however_the_text_is_cut() {
        let before = "1,2\n".repeat(60);
        let text = format!("{before}5,-000123.5");
        for size in 1..text.len() {
            let mut search = ZeroSearch::default();
            let chunks = text.as_bytes().chunks(size).chain([&[][..]]);
            let found = chunks.filter(|chunk| search.finds_first_in(chunk)).count();
            assert_eq!(found, 1, "chunks of {size}");
        }
    }
}
