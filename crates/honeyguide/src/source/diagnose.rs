//! Finding out why a scan failed. The files are read again, record by record, until one is found that the engine cannot have
//! read.

use std::collections::BTreeSet;
use std::str;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use memchr::memchr;

use super::column::Column;
use super::file::DataFile;
use super::format::{Compression, Format};
use super::notes::{self, in_shell};
use super::number::Numbers;
use super::seen::{Missing, TIME};
use super::text::{self, INFERENCE_RECORDS, Records};
use super::values::{Cell, Misfit, Unfit, expected};
use super::wide::Wide;
use super::{Source, arrow, late, parquet, typed};
use crate::error::{Error, Result, cause_of};
use crate::naming::parameter;
use crate::wording::of_them;

/// The most characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// A way of reading the data with which a scan that failed can succeed.
pub(super) enum Remedy {
    /// Read columns whose first values suggested another type as these.
    Widen(Vec<Widened>),
    /// Expect values of CSV that are written in an unusual way.
    OddValues,
    /// Expect line breaks inside quoted values.
    LineBreaks,
    /// Read batches of at most this number of rows, because some texts are long.
    SmallBatches(usize),
}

/// A column, and the type that holds all of its values.
pub(super) struct Widened {
    pub column: String,
    pub data_type: DataType,
    /// What is to be said of the new type.
    pub note: Option<String>,
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
    if let Some(Wide { batch_rows }) = cause_of(error) {
        return Ok(Some(Remedy::SmallBatches(*batch_rows)));
    }
    let own = Error::own(error).or_else(|| source.contents.failure(&error.to_string()));
    if let Some(own) = own.as_ref().filter(|own| !own.is_type_fault()) {
        return Err(own.again());
    }
    if let Some(misfit) = Misfit::of(error) {
        return widened(source, needed, &misfit.column).map(Some);
    }
    let mut line_breaks = false;
    for file in source.contents.files() {
        match file.file.format {
            Format::Parquet => parquet::check(&file.file)?,
            Format::Arrow => arrow::check(&file.file)?,
            // The reader of these formats reports itself which line it cannot read.
            Format::Json(_) | Format::Dialect(..) => {}
            Format::Csv(_) => {
                let columns: Vec<_> = source.read_columns(file);
                let scan = TextScan {
                    source,
                    missing: source.missing(),
                    reads_odd_values: source.reads_odd_values(),
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

enum Finding {
    Remedy(Remedy),
    Sound { line_breaks: bool },
}

/// A file of CSV, and what the scan expected of it.
struct TextScan<'a> {
    source: &'a Source,
    missing: &'a Missing,
    /// Whether the scan expected values that are written in an unusual way.
    reads_odd_values: bool,
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
                let at_end = !records.read_of(self.file, &mut csv::ByteRecord::new())?;
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
            "{place}: line {line}: {}, but the header names {}",
            of_them(found as u64, "field", "fields"),
            of_them(expected as u64, "column", "columns")
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
                if self.reads_odd_values {
                    continue;
                }
                return Ok(Some(Remedy::OddValues));
            };
            if value.is_empty() || !self.needed.contains(&column.name) || self.missing.has(value) {
                continue;
            }
            let mut cell = Cell::default();
            cell.set_text(value);
            match cell.check(column) {
                Ok(()) if self.reads_odd_values || column.data_type == DataType::Utf8 => {}
                Ok(()) if is_plain(value, column) => {}
                Ok(()) => return Ok(Some(Remedy::OddValues)),
                Err(Unfit::Narrow) => {
                    return widened(self.source, self.needed, &column.name).map(Some);
                }
                Err(Unfit::Kind) => return Err(self.wrong_type(&place(), value, column, row)),
            }
        }
        Ok(None)
    }

    fn wrong_type(&self, place: &str, value: &str, column: &Column, row: usize) -> Error {
        let shown: String = value
            .chars()
            .take(SHOWN_CHARACTERS)
            .flat_map(char::escape_debug)
            .collect();
        let (what, limits) = match column.data_type {
            DataType::Int64 if column.inferred => ("a number", String::new()),
            DataType::Int64 => (
                "a whole number",
                format!(" from {} to {}", i64::MIN, i64::MAX),
            ),
            _ => (expected(&column.data_type), String::new()),
        };
        let error = Error::data(format!("{place}: expected {what}{limits}, found `{shown}`"));
        let missing = format!(
            "if `{shown}` stands for a missing value, read the data with {} {}",
            parameter("null"),
            in_shell(&shown)
        );
        if !column.inferred {
            return error.hint(format!("correct or remove this record; {missing}"));
        }
        let others = if row > INFERENCE_RECORDS {
            "all or most of the"
        } else {
            "most of the"
        };
        error.hint(format!(
            "{others} first {INFERENCE_RECORDS} records with a value there hold {what}: correct this record (an empty field is a null), \
             or leave the column out; {missing}"
        ))
    }
}

/// Returns whether the engine's reader reads `value`, which the type of `column` can hold.
fn is_plain(value: &str, column: &Column) -> bool {
    let is_whole = column.data_type == DataType::Int64;
    value.trim().len() == value.len() && (!is_whole || value.parse::<i64>().is_ok())
}

/// Returns how to read `column`, one of whose values its type cannot hold: as the narrowest type that holds the numbers
/// of all files. Numbers are never widened to text: a feature would silently disappear. Times are, because no feature
/// reads them as numbers. Where fractions are to blame that may be in any column of doubles, all of those that are `needed`
/// are looked at.
///
/// # Errors
/// Fails when a file cannot be read.
fn widened(source: &Source, needed: &BTreeSet<String>, column: &str) -> Result<Remedy> {
    let found = source.columns().iter().find(|own| own.name == column);
    if found.is_some_and(|column| column.data_type == TIME) {
        let note = format!(
            "{} read as text, because some values are no times",
            notes::listed([column].into_iter())
        );
        return Ok(Remedy::Widen(vec![Widened {
            column: column.to_owned(),
            data_type: DataType::Utf8,
            note: Some(note),
        }]));
    }
    let mut names = vec![column.to_owned()];
    if source.met_long_fractions() {
        let doubles = source.columns().iter().filter(|own| {
            own.inferred && own.data_type == DataType::Float64 && needed.contains(&own.name)
        });
        names.extend(
            doubles
                .map(|own| own.name.clone())
                .filter(|name| name != column),
        );
    }
    let numbers = numbers_of(source, &names)?;
    let widened = names.into_iter().zip(numbers).map(|(column, numbers)| {
        let data_type = match numbers.data_type() {
            DataType::Utf8 => DataType::Float64,
            exact => exact,
        };
        let loses_digits = numbers.lose_digits_as(&data_type);
        let listed = notes::listed([column.as_str()].into_iter());
        Widened {
            note: loses_digits.then(|| notes::lost_digits(&listed)),
            column,
            data_type,
        }
    });
    Ok(Remedy::Widen(widened.collect()))
}

/// Returns what the values of each of some columns of text ask of a type, in all files that have it.
fn numbers_of(source: &Source, columns: &[String]) -> Result<Vec<Numbers>> {
    let mut numbers = vec![Numbers::default(); columns.len()];
    for file in source.contents.files() {
        if !file.file.format.is_text() {
            continue;
        }
        let inside = &file.columns[..file.n_inside];
        let has = |name: &&String| inside.iter().any(|own| own.name == **name);
        let names: Vec<String> = columns.iter().filter(has).cloned().collect();
        let seen = late::all_values(file, &names, source.missing())?;
        for (name, seen) in names.iter().zip(seen) {
            for (_, all) in columns
                .iter()
                .zip(&mut numbers)
                .filter(|(own, _)| *own == name)
            {
                *all = all.and(seen.numbers());
            }
        }
    }
    Ok(numbers)
}
