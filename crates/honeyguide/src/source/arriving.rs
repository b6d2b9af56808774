//! Records that arrive one by one, as lines of JSON or of Zeek's own format or as records of CSV, and become batches of rows.
//!
//! The first records tell the format and the columns, as they do for a file. What comes later does not change them: a
//! record that the columns cannot take is refused, and the others go on.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use csv_core::ReadRecordResult;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use memchr::memchr2;

use super::batches::Batches;
use super::column::{Column, schema_of};
use super::contents::Contents;
use super::encoding::without_mark;
use super::found::FoundColumn;
use super::json::{self, JsonDecoder, JsonScan, Layout, Refusal};
use super::place::Origin;
use super::seen::{Missing, Seen};
use super::text::{self, INFERENCE_RECORDS};
use super::values::{Builder, Cell, Value, expected};
use super::{Format, ReadOptions, Source, typed};
use crate::error::{Error, Result};
use crate::log::zeek_tsv::{TsvReader, is_tsv};
use crate::log::{Dialect, Log};
use crate::wording::of_them;

/// The length of the longest record that is read, in bytes.
pub const MAX_RECORD_BYTES: usize = text::MAX_RECORD_BYTES as usize;

/// The number of bytes of records of CSV after which their rows become a batch.
const BATCH_BYTES: usize = 8 << 20;

/// The format and the columns of records that arrive one by one.
#[derive(Debug, Clone)]
pub(crate) struct RecordFormat {
    kind: Kind,
    columns: Vec<Column>,
    missing: Arc<Missing>,
    log: Log,
    /// The column of the host and the name of the host of events that do not name one.
    host: Option<(String, String)>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// CSV, with the header and the number of its fields.
    Csv { header: Vec<u8>, fields: usize },
    /// Lines, with the header that holds for the next one, if they have headers.
    Lines {
        layout: Layout,
        header: Option<TsvReader>,
    },
}

/// The reason why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The record cannot be read, for this reason.
    Malformed(String),
    /// The record is no event, such as an object of another kind or a header.
    NoEvent(String),
}

/// Decodes records and collects their rows.
pub(crate) struct RecordDecoder {
    decoder: Decoder,
    schema: SchemaRef,
    /// The place of the host's column, and the name of hosts that events do not name.
    host: Option<(usize, String)>,
}

enum Decoder {
    Csv(Box<CsvDecoder>),
    Json(Box<JsonDecoder>),
}

impl RecordFormat {
    /// Learns the format from the first records of the input called `name`, and returns with it a source without rows that
    /// has their columns. `host` is the host of events that do not name one.
    ///
    /// # Errors
    /// Fails when the records are neither CSV nor JSON, when none of them can be read, and when a column of `options` is
    /// not there.
    pub fn learn(
        name: &Path,
        first: &[u8],
        options: &ReadOptions,
        host: Option<&str>,
    ) -> Result<(Self, Source)> {
        let missing = Arc::new(Missing::new(&options.null));
        let (kind, found) = match options.format.unwrap_or_else(|| Format::sniff(first)) {
            Format::Csv(_) => csv_columns(name, first, &missing)?,
            format @ (Format::Json(_) | Format::Dialect(..)) => {
                let dialect = options.format.map(|_| format.dialect());
                columns_of_lines(name, first, dialect, &missing)?
            }
            Format::Parquet | Format::Arrow => {
                let name = name.display();
                return Err(Error::usage(format!(
                    "{name}: Parquet and Arrow files do not grow by records"
                ))
                .hint("only CSV and lines of JSON can be read while they are written"));
            }
        };
        let (mut columns, log) = typed(found);
        for column in &mut columns {
            // Text takes any value that may come later.
            if column.data_type == DataType::Null {
                column.data_type = DataType::Utf8;
            }
        }
        let host = match (host, log.host()) {
            (Some(host), Some(column)) => Some((column.to_owned(), host.to_owned())),
            _ => None,
        };
        if let Some((column, _)) = &host
            && !columns.iter().any(|known| known.name == *column)
        {
            columns.push(Column::fixed(column, DataType::Utf8));
        }
        let none = Batches::new(name.to_owned(), columns.clone(), [])?;
        let source = Source::new(
            Contents::Batches(none),
            columns.clone(),
            log.clone(),
            options,
        )?;
        let format = Self {
            kind,
            columns,
            missing,
            log,
            host,
        };
        Ok((format, source))
    }

    /// Returns the format of the records that come after those which `decoder` has read.
    pub fn after(&self, decoder: &RecordDecoder) -> Self {
        let mut format = self.clone();
        if let (Kind::Lines { header, .. }, Decoder::Json(decoder)) =
            (&mut format.kind, &decoder.decoder)
        {
            *header = decoder.header().cloned();
        }
        format
    }

    /// Returns whether the records are CSV.
    pub fn is_csv(&self) -> bool {
        matches!(self.kind, Kind::Csv { .. })
    }

    /// Returns a decoder of those columns that are named in `wanted`.
    pub fn decoder(&self, wanted: &BTreeSet<String>) -> RecordDecoder {
        let all = self.columns.iter().enumerate();
        let places = all.filter(|(_, column)| wanted.contains(&column.name));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        let columns: Vec<Column> = places.iter().map(|at| self.columns[*at].clone()).collect();
        let host = self.host.as_ref().and_then(|(name, host)| {
            let is_text = |column: &&Column| column.data_type == DataType::Utf8;
            let at = columns.iter().position(|column| column.name == *name)?;
            columns.get(at).filter(is_text)?;
            Some((at, host.clone()))
        });
        let schema = schema_of(&columns);
        let decoder = match &self.kind {
            Kind::Lines { layout, header } => {
                let scan = JsonScan {
                    layout: *layout,
                    columns: self.columns.clone(),
                    strict: false,
                    missing: Arc::clone(&self.missing),
                    log: self.log.clone(),
                    counts: Arc::default(),
                };
                let mut decoder = JsonDecoder::new(&scan, &places);
                if let Some(header) = header {
                    decoder.set_header(header.clone());
                }
                Decoder::Json(Box::new(decoder))
            }
            Kind::Csv { header, fields } => Decoder::Csv(Box::new(CsvDecoder {
                reader: csv_core::Reader::new(),
                header: header.clone(),
                fields: *fields,
                columns: places
                    .into_iter()
                    .zip(columns)
                    .map(|(at, column)| {
                        let builder = Builder::new(&column.data_type);
                        (at, column, builder)
                    })
                    .collect(),
                missing: Arc::clone(&self.missing),
                output: Vec::new(),
                ends: Vec::new(),
                cells: Vec::new(),
                buffer: String::new(),
                rows: 0,
                bytes: 0,
            })),
        };
        RecordDecoder {
            decoder,
            schema,
            host,
        }
    }
}

impl RecordDecoder {
    /// Adds a record, without the end of its line, as a row. A record that is refused adds nothing.
    ///
    /// # Errors
    /// Fails with the reason why the record is no row.
    pub fn push(&mut self, record: &[u8]) -> std::result::Result<(), Unread> {
        match &mut self.decoder {
            Decoder::Csv(decoder) => decoder.push(record),
            Decoder::Json(decoder) => match decoder.push(without_return(record)) {
                Ok(_) => Ok(()),
                Err(Refusal::Header) => Err(Unread::NoEvent("a header".into())),
                Err(Refusal::Misfit(column)) => Err(Unread::Malformed(format!(
                    "`{column}`: a value of another type than the first records have there"
                ))),
                Err(Refusal::Line(why)) => Err(Unread::Malformed(why)),
                Err(Refusal::Other(why)) => Err(Unread::NoEvent(why)),
            },
        }
    }

    /// Returns whether the rows since the last batch are to become one, of at most `rows` rows.
    pub fn is_full(&self, rows: usize) -> bool {
        match &self.decoder {
            Decoder::Csv(decoder) => decoder.rows >= rows || decoder.bytes >= BATCH_BYTES,
            Decoder::Json(decoder) => decoder.is_full(rows),
        }
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the rows since the last batch, or `None` where there are none.
    ///
    /// # Errors
    /// Does not fail: the arrays are as long as there are rows.
    pub fn flush(&mut self) -> Result<Option<RecordBatch>> {
        let failed = |error| Error::internal(format!("a batch of records: {error}"));
        let batch = match &mut self.decoder {
            Decoder::Csv(decoder) => decoder.flush(&self.schema),
            Decoder::Json(decoder) => decoder.flush(),
        };
        let batch = batch.map_err(failed)?;
        match (batch, &self.host) {
            (Some(batch), Some((at, host))) => {
                let mut columns = batch.columns().to_vec();
                columns[*at] = filled(&columns[*at], host);
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let schema = Arc::clone(&self.schema);
                RecordBatch::try_new_with_options(schema, columns, &options)
                    .map(Some)
                    .map_err(failed)
            }
            (batch, _) => Ok(batch),
        }
    }
}

/// Returns texts with `host` in the place of nulls and empty texts.
fn filled(texts: &ArrayRef, host: &str) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let is_named = |text: &&str| !text.is_empty();
    if texts.null_count() == 0 && texts.iter().flatten().all(|text| is_named(&text)) {
        return Arc::new(texts.clone());
    }
    let filled = texts
        .iter()
        .map(|text| text.filter(is_named).or(Some(host)));
    Arc::new(filled.collect::<StringArray>())
}

/// Decodes records of CSV.
struct CsvDecoder {
    reader: csv_core::Reader,
    header: Vec<u8>,
    /// The number of fields of a record.
    fields: usize,
    /// The columns that are wanted, with their places in a record.
    columns: Vec<(usize, Column, Builder)>,
    missing: Arc<Missing>,
    output: Vec<u8>,
    ends: Vec<usize>,
    cells: Vec<Cell>,
    buffer: String,
    /// The rows since the last batch, and the bytes of their records.
    rows: usize,
    bytes: usize,
}

impl CsvDecoder {
    fn push(&mut self, record: &[u8]) -> std::result::Result<(), Unread> {
        let record = without_return(record);
        if without_mark(record) == self.header {
            return Err(Unread::NoEvent("a header".into()));
        }
        let found = self.read(record);
        if found != self.fields {
            let fields = self.fields;
            return Err(Unread::Malformed(format!(
                "{}, and the header has {fields}",
                of_them(found as u64, "field", "fields")
            )));
        }
        self.cells.resize_with(self.columns.len(), Cell::default);
        for ((at, column, _), cell) in self.columns.iter().zip(&mut self.cells) {
            let field = match at {
                // A column that the records do not have, such as that of the host.
                at if *at >= self.fields => &[],
                0 => &self.output[..self.ends[0]],
                at => &self.output[self.ends[at - 1]..self.ends[*at]],
            };
            let field = String::from_utf8_lossy(field);
            if field.is_empty() || self.missing.has(&field) {
                cell.value = Value::Null;
            } else {
                cell.set_text(&field);
            }
            cell.check(column).map_err(|_| {
                let (name, expected) = (&column.name, expected(&column.data_type));
                Unread::Malformed(format!("`{name}`: expected {expected}"))
            })?;
        }
        for ((_, _, builder), cell) in self.columns.iter_mut().zip(&self.cells) {
            builder.append(cell, &mut self.buffer);
        }
        self.rows += 1;
        self.bytes += record.len();
        Ok(())
    }

    /// Reads the fields of a record and returns their number.
    fn read(&mut self, record: &[u8]) -> usize {
        self.output
            .resize(self.output.len().max(record.len() + 2), 0);
        self.ends.resize(self.ends.len().max(self.fields + 2), 0);
        self.reader.reset();
        let (mut input, mut written, mut fields) = (record, 0, 0);
        loop {
            let (output, ends) = (&mut self.output[written..], &mut self.ends[fields..]);
            let (result, read, wrote, ended) = self.reader.read_record(input, output, ends);
            // An empty input is the end of the record.
            input = &input[read..];
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => return fields,
            }
        }
    }

    fn flush(
        &mut self,
        schema: &SchemaRef,
    ) -> std::result::Result<Option<RecordBatch>, datafusion::arrow::error::ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self
            .columns
            .iter_mut()
            .map(|(_, _, builder)| builder.finish());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays.collect(), &options).map(Some)
    }
}

/// Returns the columns of CSV as its header and the first records tell them.
fn csv_columns(name: &Path, first: &[u8], missing: &Missing) -> Result<(Kind, Vec<FoundColumn>)> {
    let names = text::names(name, Cursor::new(first))?;
    let mut seen = vec![Seen::of_csv(); names.len()];
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(first);
    let mut record = csv::ByteRecord::new();
    for _ in 0..INFERENCE_RECORDS {
        let is_read = reader.read_byte_record(&mut record);
        if !is_read.map_err(|error| text::read_error(name, 1, error))? {
            break;
        }
        for (seen, field) in seen.iter_mut().zip(&record) {
            seen.add_field(&String::from_utf8_lossy(field), missing);
        }
    }
    let first = without_mark(first);
    let end = record_end(first, true).map_or(first.len(), |end| end - 1);
    let header = first[..end].strip_suffix(b"\r").unwrap_or(&first[..end]);
    let kind = Kind::Csv {
        header: header.to_vec(),
        fields: names.len(),
    };
    let columns = names.into_iter().zip(seen);
    let columns = columns.map(|(name, seen)| FoundColumn::of_text(name, seen));
    Ok((kind, columns.collect()))
}

/// Returns the columns of lines of JSON or of Zeek's own format as the first of them tell.
fn columns_of_lines(
    name: &Path,
    first: &[u8],
    dialect: Option<Option<Dialect>>,
    missing: &Missing,
) -> Result<(Kind, Vec<FoundColumn>)> {
    let origin = Origin::Stream(name.to_owned());
    let text = Box::new(Cursor::new(first.to_vec()));
    let (found, _) = json::columns_of_stream(text, &origin, dialect, missing)?;
    let kind = Kind::Lines {
        layout: found.layout,
        header: (found.layout == Layout::ZeekTsv).then(|| header_of(first)),
    };
    Ok((kind, found.columns))
}

/// Returns the header with which `text` begins.
fn header_of(text: &[u8]) -> TsvReader {
    let mut header = TsvReader::default();
    let lines = without_mark(text).split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    for line in lines.take_while(|line| line.starts_with(b"#")) {
        // No line of a header is one of values.
        let _ = header.read(without_return(line));
    }
    header
}

/// Returns a record without the carriage return that ends it.
fn without_return(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// Returns the place of the first byte that tells something: not of white space, of a byte order mark, or of the zeros with
/// which a file begins that was emptied under its writer.
#[must_use]
pub fn text_start(start: &[u8]) -> Option<usize> {
    let is_text = |byte: &u8| !byte.is_ascii_whitespace() && !b"\0\xEF\xBB\xBF".contains(byte);
    start.iter().position(is_text)
}

/// Returns whether records that begin with `start` are CSV, in which a line end within quotes ends no record; `None` if more
/// bytes are needed to tell.
#[must_use]
pub fn are_csv(start: &[u8]) -> Option<bool> {
    match &start[text_start(start)?..] {
        [b'{', ..] => Some(false),
        text => is_tsv(text).map(|is_tsv| !is_tsv),
    }
}

/// Returns where the first record of `bytes` ends, after its line end; `None` if it does not. A line end within a quoted
/// field of CSV is no end.
pub fn record_end(bytes: &[u8], is_csv: bool) -> Option<usize> {
    if !is_csv {
        return memchr::memchr(b'\n', bytes).map(|end| end + 1);
    }
    let (mut at, mut is_quoted) = (0, false);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\n', rest)) {
        let place = at + found;
        at = place + 1;
        match (bytes[place], is_quoted) {
            (b'\n', false) => return Some(at),
            (b'\n', true) => {}
            // A quote opens a field where it begins, and closes it unless another one follows.
            (_, false) => is_quoted = place == 0 || bytes[place - 1] == b',',
            (_, true) if bytes.get(at) == Some(&b'"') => at += 1,
            (_, true) => is_quoted = false,
        }
    }
    None
}
