//! Finding out why a scan failed. The files are read again, record by record, until one is found that the engine cannot have
//! read.

use std::collections::BTreeSet;
use std::str;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use memchr::memchr;

use super::column::Column;
use super::file::{Chunks, DataFile};
use super::format::{Compression, Format};
use super::found::parses;
use super::text::{self, INFERENCE_RECORDS, Records};
use super::typed::{self, is_convertible};
use super::{Source, arrow, json};
use crate::error::{Error, Result};

/// The most characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// A way of reading the data with which a scan that failed can succeed.
pub(super) enum Remedy {
    /// Read a column whose first values suggested a narrower type as this one.
    Widen { column: String, data_type: DataType },
    /// Read the texts of a column of the log, and convert them to the log's type.
    Convert { column: String },
    /// Expect line breaks inside quoted values.
    LineBreaks,
}

/// Returns a remedy for the engine's `error`, or `None` where nothing is known of it.
///
/// # Errors
/// Fails with an error that says which record of which file is to blame, where that is found.
pub(super) fn explain(
    source: &Source,
    needed: &BTreeSet<String>,
    error: &DataFusionError,
) -> Result<Option<Remedy>> {
    let own = Error::own(error);
    if let Some(own) = own.as_ref().filter(|own| !own.is_type_fault()) {
        return Err(own.again());
    }
    if let Some(misfit) = json::misfit(error) {
        return Ok(Some(Remedy::Widen {
            column: misfit.column.clone(),
            data_type: DataType::Float64,
        }));
    }
    let mut line_breaks = false;
    for file in source.contents.files() {
        match file.file.format {
            Format::Parquet => check_parquet(&file.file)?,
            Format::Arrow => arrow::check(&file.file)?,
            // The reader of these formats reports itself which line it cannot read.
            Format::Json(_) | Format::Tracee(_) => {}
            Format::Csv(_) => {
                let columns: Vec<_> = source.read_columns(file);
                let scan = TextScan {
                    source,
                    file: &file.file,
                    columns: &columns[..file.n_inside],
                    needed,
                };
                match scan.check()? {
                    Finding::Remedy(remedy) => return Ok(Some(remedy)),
                    Finding::Sound { line_breaks: found } => line_breaks |= found,
                }
            }
        }
    }
    if own.is_some() {
        return match typed::first_misfit(source, needed) {
            Ok(Some(found)) => Err(found),
            // If the search itself fails, the first error is still the cause.
            Ok(None) | Err(_) => Ok(None),
        };
    }
    let is_new = line_breaks && !source.expects_line_breaks();
    Ok(is_new.then_some(Remedy::LineBreaks))
}

fn check_parquet(file: &DataFile) -> Result<()> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::data(format!(
            "{}: damaged Parquet file: {error}",
            file.path.display()
        ))
        .hint("copy or write the file again")
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(Chunks::of(file))
        .and_then(ParquetRecordBatchReaderBuilder::build);
    for batch in reader.map_err(|error| damaged(&error))? {
        batch.map_err(|error| damaged(&error))?;
    }
    Ok(())
}

enum Finding {
    Remedy(Remedy),
    Sound { line_breaks: bool },
}

/// A file of CSV, and what the scan expected of it.
struct TextScan<'a> {
    source: &'a Source,
    file: &'a DataFile,
    columns: &'a [Column],
    needed: &'a BTreeSet<String>,
}

impl TextScan<'_> {
    /// Looks for the first record that cannot have been read. Compressed text is decompressed to its end before a fault
    /// in it is reported: damage to the compressed stream explains any fault in the text.
    fn check(&self) -> Result<Finding> {
        let mut records = Records::open(self.file)?;
        let found = self.check_records(&mut records);
        if found.is_err() && self.file.format.compression() != Compression::None {
            let line = records.position().line();
            std::io::copy(records.rest(), &mut std::io::sink())
                .map_err(|error| text::read_error(&self.file.path, line, error.into()))?;
        }
        found
    }

    fn check_records(&self, records: &mut Records) -> Result<Finding> {
        let mut record = csv::ByteRecord::new();
        let mut line_breaks = false;
        for row in 0.. {
            let line = records.position().line();
            let found = records
                .read(&mut record)
                .map_err(|error| text::read_error(&self.file.path, line, error))?;
            if !found {
                break;
            }
            // The record begins after the blank lines before it.
            let line = record.position().map_or(line, csv::Position::line);
            if record.len() != self.columns.len() {
                let at_end = !records.read(&mut csv::ByteRecord::new()).unwrap_or(true);
                return Err(self.wrong_length(&record, line, at_end));
            }
            line_breaks |= memchr(b'\n', record.as_slice()).is_some();
            // The header is row 0.
            if row > 0
                && let Some(remedy) = self.check_values(&record, line, row)?
            {
                return Ok(Finding::Remedy(remedy));
            }
        }
        Ok(Finding::Sound { line_breaks })
    }

    fn wrong_length(&self, record: &csv::ByteRecord, line: u64, at_end: bool) -> Error {
        let (place, expected, found) = (self.file.path.display(), self.columns.len(), record.len());
        let name = |index: usize| self.columns.get(index).map_or("?", |column| &column.name);
        if at_end && found < expected && found > 0 {
            let last = found - 1;
            return Error::data(format!(
                "{place}: line {line}, column {found} (`{}`): the file ends inside this record: a quoted field never \
                 ends, or the file was cut off",
                name(last)
            ))
            .hint("close the quote (a quote inside a quoted field is written twice), or copy the file again");
        }
        let error = Error::data(format!(
            "{place}: line {line}: {found} fields, but the header names {expected} columns"
        ));
        let multiline = record.iter().position(|field| field.contains(&b'\n'));
        match multiline {
            Some(index) => error.hint(format!(
                "field {} goes on in the next line: close its quote (a quote inside a quoted field is written twice)",
                index + 1
            )),
            None => error.hint("a field that contains a comma or a quote must be quoted, and its quotes doubled"),
        }
    }

    fn check_values(
        &self,
        record: &csv::ByteRecord,
        line: u64,
        row: usize,
    ) -> Result<Option<Remedy>> {
        for (index, (field, column)) in record.iter().zip(self.columns).enumerate() {
            let number = index + 1;
            let place = || {
                format!(
                    "{}: line {line}, column {number} (`{}`)",
                    self.file.path.display(),
                    column.name
                )
            };
            let Ok(value) = str::from_utf8(field) else {
                return Err(Error::data(format!("{}: bytes that are not UTF-8 text", place()))
                    .hint("the file is damaged or not a text file; if it has another encoding, convert it with iconv"));
            };
            if value.is_empty() || !self.needed.contains(&column.name) {
                continue;
            }
            let logged = self.source.logged_type(column);
            let is_convertible = logged.is_some_and(|logged| is_convertible(value, logged));
            if parses(value, &column.data_type) && (logged.is_none() || is_convertible) {
                continue;
            }
            let name = || column.name.clone();
            return match widened(value, column) {
                Some(data_type) => Ok(Some(Remedy::Widen {
                    column: name(),
                    data_type,
                })),
                None if is_convertible => Ok(Some(Remedy::Convert { column: name() })),
                None => Err(self.wrong_type(
                    &place(),
                    value,
                    logged.unwrap_or(&column.data_type),
                    column.inferred,
                    row,
                )),
            };
        }
        Ok(None)
    }

    fn wrong_type(
        &self,
        place: &str,
        value: &str,
        expected: &DataType,
        is_inferred: bool,
        row: usize,
    ) -> Error {
        let shown: String = value
            .chars()
            .take(SHOWN_CHARACTERS)
            .flat_map(char::escape_debug)
            .collect();
        let (what, limits) = match expected {
            DataType::Int64 if !is_inferred => (
                "a whole number",
                format!(" from {} to {}", i64::MIN, i64::MAX),
            ),
            DataType::Boolean => ("true or false", String::new()),
            _ => ("a number", String::new()),
        };
        let error = Error::data(format!("{place}: expected {what}{limits}, found `{shown}`"));
        if !is_inferred {
            return error.hint("correct or remove this record");
        }
        let others = if row > INFERENCE_RECORDS {
            "all or most of the"
        } else {
            "most of the"
        };
        error.hint(format!(
            "{others} first {INFERENCE_RECORDS} records hold {what} there: correct this record (an empty field is a null), \
             or leave the column out"
        ))
    }
}

/// Returns a type that holds `value` and the values of the column's first records. Numbers are never widened to text: a
/// feature would silently disappear.
fn widened(value: &str, column: &Column) -> Option<DataType> {
    match column.data_type {
        DataType::Int64 if column.inferred && parses(value, &DataType::Float64) => {
            Some(DataType::Float64)
        }
        _ => None,
    }
}
