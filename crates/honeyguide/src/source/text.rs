//! CSV files: their records, their header, and the types of their columns as the first records show them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::column::check_count;
use super::encoding::{utf_16_error, without_mark};
use super::file::DataFile;
use super::format::Compression;
use super::found::FoundColumn;
use super::seen::{Missing, Seen};
use crate::error::{Error, Result};

/// The number of records from which the types of columns are inferred.
pub(super) const INFERENCE_RECORDS: usize = 1000;
/// The separators of tables that are not comma-separated.
const OTHER_SEPARATORS: [char; 3] = [';', '\t', '|'];
/// The length of the longest record that is read, in bytes.
pub(super) const MAX_RECORD_BYTES: u64 = 4 << 20;
/// The longest header line that is read, in bytes.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The records of a CSV file one by one, the header first, in bounded memory.
pub(super) struct Records {
    reader: csv::Reader<Bounded<Box<dyn Read + Send>>>,
}

impl Records {
    pub fn open(file: &DataFile) -> Result<Self> {
        let bounded = Bounded {
            inner: file.read()?,
            left: MAX_RECORD_BYTES,
        };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bounded);
        Ok(Self { reader })
    }

    /// Reads the next record of `file`. Returns whether there was one.
    ///
    /// # Errors
    /// Fails when the file cannot be read, and when the record is longer than [`MAX_RECORD_BYTES`].
    pub fn read_of(&mut self, file: &DataFile, record: &mut csv::ByteRecord) -> Result<bool> {
        let line = self.position().line();
        self.read(record)
            .map_err(|error| read_error(&file.path, line, error))
    }

    /// Reads the next record. Returns whether there was one.
    ///
    /// # Errors
    /// Fails when the file cannot be read, and when the record is longer than [`MAX_RECORD_BYTES`].
    pub fn read(&mut self, record: &mut csv::ByteRecord) -> std::result::Result<bool, csv::Error> {
        self.reader.get_mut().left = MAX_RECORD_BYTES;
        self.reader.read_byte_record(record)
    }

    /// Returns the position after the last record.
    pub fn position(&self) -> &csv::Position {
        self.reader.position()
    }

    /// Returns the bytes after those that were read for the last record.
    pub fn rest(&mut self) -> &mut impl Read {
        &mut self.reader.get_mut().inner
    }
}

/// An input that fails when more than `left` bytes are read.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(std::io::Error::new(
                ErrorKind::FileTooLarge,
                "a record without an end",
            ));
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Returns the columns of a file of CSV and its number of rows. Names come from the header, and types from the first
/// records. The number of rows is estimated from the size of the file and the mean size of these records; it is unknown
/// where the file is compressed.
///
/// # Errors
/// Fails when the file cannot be read, and when its first line is not a header.
pub(super) fn columns(
    file: &DataFile,
    missing: &Missing,
) -> Result<(Vec<FoundColumn>, Option<u64>)> {
    let names = header(file)?;
    check_count(&file.path, names.len())?;
    let first = FirstRecords::read(file, names.len(), missing)?;
    let rows = (file.format.compression() == Compression::None).then(|| first.estimate(file.bytes));
    let found = names.into_iter().zip(first.seen);
    let columns = found.map(|(name, seen)| FoundColumn::of_text(name, seen));
    Ok((columns.collect(), rows))
}

/// Returns the line on which row `row` begins, where the header is row 0.
pub(super) fn line_of_row(file: &DataFile, row: u64) -> Option<u64> {
    let mut records = Records::open(file).ok()?;
    let mut record = csv::ByteRecord::new();
    for _ in 0..=row {
        if !records.read(&mut record).ok()? {
            return None;
        }
    }
    record.position().map(csv::Position::line)
}

/// Returns the names in the header line.
///
/// # Errors
/// Fails when the file cannot be read, and when its first line is not a header of distinct names.
pub(super) fn header(file: &DataFile) -> Result<Vec<String>> {
    names(&file.path, file.read()?)
}

/// Returns the names in the header line of `input`, which messages call `path`.
///
/// # Errors
/// Fails as [`header`] does.
pub(super) fn names(path: &Path, input: impl Read) -> Result<Vec<String>> {
    let place = path.display();
    let input = input.take(MAX_HEADER_BYTES);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let found = reader
        .read_byte_record(&mut record)
        .map_err(|error| read_error(path, 1, error))?;
    if !found {
        return Err(Error::data(format!("{place}: the file is empty"))
            .hint("a CSV file begins with a header line that names its columns"));
    }
    if reader.position().byte() >= MAX_HEADER_BYTES {
        let message = format!(
            "{place}: line 1: a header of {MAX_HEADER_BYTES} bytes or more; the limit is below that"
        );
        return Err(Error::data(message).hint("is this a CSV file with a header line?"));
    }
    if let Some(error) = record
        .get(0)
        .and_then(|first| utf_16_error(&place, 1, first))
    {
        return Err(error);
    }
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    let mut known = HashSet::new();
    for (index, field) in record.iter().enumerate() {
        let field = if index == 0 {
            without_mark(field)
        } else {
            field
        };
        let name = String::from_utf8_lossy(field);
        let is_binary = matches!(name, Cow::Owned(_)) && name.contains(char::is_control);
        if is_binary || name.contains('\0') {
            return Err(Error::data(format!("{place}: line 1, column {}: the header is not text", index + 1))
                .hint("this does not look like a CSV file; if it is compressed, its name must end in .gz or .zst"));
        }
        let name = name.into_owned();
        if !known.insert(name.clone()) {
            let hint = if name.parse::<f64>().is_ok() {
                "a column is named by a number: is the header line missing?"
            } else {
                "rename one of them"
            };
            let error = Error::data(format!("{place}: line 1: two columns are named `{name}`"));
            return Err(error.hint(hint));
        }
        names.push(name);
    }
    if let [only] = names.as_slice()
        && only.contains(OTHER_SEPARATORS)
    {
        return Err(
            Error::data(format!("{place}: line 1: a single column, named `{only}`"))
                .hint("columns must be separated by commas"),
        );
    }
    Ok(names)
}

/// The columns and row lengths of a file's first records.
struct FirstRecords {
    /// The values that were seen, for each column.
    seen: Vec<Seen>,
    records: u64,
    header_bytes: u64,
    /// The bytes of the records, without the header.
    bytes: u64,
}

impl FirstRecords {
    /// # Errors
    /// Fails when the file cannot be read.
    fn read(file: &DataFile, columns: usize, missing: &Missing) -> Result<Self> {
        let mut reader = Records::open(file)?;
        let mut record = csv::ByteRecord::new();
        reader.read_of(file, &mut record)?;
        let header_bytes = reader.position().byte();
        let mut seen = vec![Seen::of_csv(); columns];
        let mut records = 0;
        while records < INFERENCE_RECORDS as u64 && reader.read_of(file, &mut record)? {
            records += 1;
            for (seen, field) in seen.iter_mut().zip(&record) {
                seen.add_field(&String::from_utf8_lossy(field), missing);
            }
        }
        Ok(Self {
            seen,
            records,
            header_bytes,
            bytes: reader.position().byte() - header_bytes,
        })
    }

    /// Returns how many rows a file of `bytes` bytes has, if the others are as long as the first.
    fn estimate(&self, bytes: u64) -> u64 {
        let all = bytes.saturating_sub(self.header_bytes);
        let rows = all.saturating_mul(self.records).checked_div(self.bytes);
        rows.unwrap_or(0)
    }
}

/// Passes the fields at `indices` of each record to `visit`, until it returns false or the file ends.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn for_each_record(
    file: &DataFile,
    indices: &[usize],
    mut visit: impl FnMut(&[Cow<'_, str>]) -> bool,
) -> Result<()> {
    let mut records = Records::open(file)?;
    let mut record = csv::ByteRecord::new();
    records.read_of(file, &mut record)?;
    while records.read_of(file, &mut record)? {
        let fields = indices.iter().map(|index| record.get(*index));
        let fields = fields.map(|field| String::from_utf8_lossy(field.unwrap_or_default()));
        if !visit(&fields.collect::<Vec<_>>()) {
            break;
        }
    }
    Ok(())
}

fn is_ours(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Error>())
}

/// Returns the error of reading a text near `line`, such as that of a compressed stream that ends too early.
pub(super) fn read_error(path: &Path, line: u64, error: csv::Error) -> Error {
    let place = path.display();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == ErrorKind::FileTooLarge => {
            Error::data(format!(
                "{place}: line {line}: a record that does not end within {MAX_RECORD_BYTES} bytes"
            ))
            .hint("a quoted field never ends, or the file is not a table: close the quote (a quote inside a quoted field is written twice)")
        }
        csv::ErrorKind::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::data(format!(
                "{place}: the compressed stream ends too early, near line {line} of its text"
            ))
            .hint("the file was cut off: copy or download it again")
        }
        csv::ErrorKind::Io(error) if is_ours(&error) => {
            Error::through_reader(error, |error| Error::io("read", path, error))
        }
        csv::ErrorKind::Io(error) if error.raw_os_error().is_none() => Error::data(format!(
            "{place}: cannot be decompressed, near line {line} of its text: {error}"
        ))
        .hint("the file is damaged, or its name has the wrong ending for its compression"),
        csv::ErrorKind::Io(error) => Error::io("read", path, error),
        other => Error::data(format!("{place}: line {line}: {other:?}")),
    }
}
