//! The outputs of a query's rows: a preview for people, text for programs, or a file.

use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::csv::Writer as CsvWriter;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonFormat, Writer as JsonWriter, WriterBuilder};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use tempfile::SpooledTempFile;

use crate::error::{Error, Result};
use crate::naming::parameter;
use crate::output::{TableFormat, TableWriter, without_formulas};

/// A receiver of a result's rows.
pub(super) trait Rows {
    /// Takes the next rows.
    ///
    /// # Errors
    /// Fails when the rows cannot be written.
    fn push(&mut self, batch: &RecordBatch) -> Result<()>;
}

/// The columns and the rows of a result, in memory.
impl Rows for (SchemaRef, Vec<RecordBatch>) {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.1.push(batch.clone());
        Ok(())
    }
}

/// The first rows of a result as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Whether each column holds numbers.
    pub is_number: Vec<bool>,
    /// The first rows, at most as many as were asked for; a null is `None`.
    pub rows: Vec<Vec<Option<String>>>,
    /// The number of rows in the whole result.
    pub total: u64,
    /// The number of rows that were asked for.
    pub limit: usize,
}

impl Preview {
    pub(super) fn new(schema: &Schema, limit: usize) -> Self {
        let fields = schema.fields();
        Self {
            columns: fields.iter().map(|field| field.name().clone()).collect(),
            is_number: fields
                .iter()
                .map(|field| field.data_type().is_numeric())
                .collect(),
            limit,
            ..Self::default()
        }
    }
}

impl Rows for Preview {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.total += batch.num_rows() as u64;
        let wanted = batch.num_rows().min(self.limit - self.rows.len());
        if wanted == 0 {
            return Ok(());
        }
        let failed = |error: ArrowError| Error::internal(format!("a row as text: {error}"));
        let options = FormatOptions::default();
        let formatters = batch.columns().iter();
        let formatters: Vec<_> = formatters
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<std::result::Result<_, _>>()
            .map_err(failed)?;
        for row in 0..wanted {
            let cells = batch.columns().iter().zip(&formatters);
            let cells = cells.map(|(column, formatter)| {
                (!column.is_null(row)).then(|| formatter.value(row).to_string())
            });
            self.rows.push(cells.collect());
        }
        Ok(())
    }
}

/// A text format for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Comma-separated values with a header line.
    Csv,
    /// The same, with an apostrophe before texts that a spreadsheet would run as formulas.
    SafeCsv,
    /// One JSON array with an object per line. Nulls are written.
    Json,
}

/// A writer of rows as text to a temporary file.
pub(super) enum TextWriter {
    /// CSV, and whether its cells are made safe for spreadsheets.
    Csv(Box<CsvWriter<BufWriter<SpooledTempFile>>>, bool),
    Json(Box<JsonWriter<BufWriter<SpooledTempFile>, JsonLines>>),
}

impl TextWriter {
    /// Starts a text of rows of `schema`.
    ///
    /// # Errors
    /// Fails when two columns have the same name, and when the format cannot hold a column.
    pub fn new(format: TextFormat, schema: &SchemaRef, file: SpooledTempFile) -> Result<Self> {
        check_names(schema)?;
        let file = BufWriter::new(file);
        match format {
            TextFormat::Csv | TextFormat::SafeCsv => {
                check_flat(schema)?;
                let is_safe = format == TextFormat::SafeCsv;
                let mut writer = Self::Csv(Box::new(CsvWriter::new(file)), is_safe);
                // An empty batch writes the header of a result without rows.
                writer.push(&RecordBatch::new_empty(Arc::clone(schema)))?;
                Ok(writer)
            }
            TextFormat::Json => {
                let builder = WriterBuilder::new().with_explicit_nulls(true);
                Ok(Self::Json(Box::new(builder.build(file))))
            }
        }
    }

    /// Completes the text. Returns the file, positioned at its start.
    ///
    /// # Errors
    /// Fails when the temporary file cannot be written.
    pub fn finish(self) -> Result<SpooledTempFile> {
        let mut file = match self {
            Self::Csv(writer, _) => writer.into_inner(),
            Self::Json(mut writer) => {
                writer.finish().map_err(write_error)?;
                writer.into_inner()
            }
        };
        let rewound = file.flush().and_then(|()| file.rewind());
        rewound.map_err(temporary_error)?;
        file.into_inner()
            .map_err(|error| temporary_error(error.into_error()))
    }
}

impl Rows for TextWriter {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv(writer, false) => writer.write(batch),
            Self::Csv(writer, true) => {
                without_formulas(batch).and_then(|batch| writer.write(&batch))
            }
            Self::Json(writer) => writer.write(batch),
        }
        .map_err(write_error)
    }
}

/// The format of a JSON array with one line per row.
#[derive(Debug, Default)]
pub(super) struct JsonLines;

impl JsonFormat for JsonLines {
    fn start_stream<W: Write>(&self, writer: &mut W) -> std::result::Result<(), ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: Write>(
        &self,
        writer: &mut W,
        is_first_row: bool,
    ) -> std::result::Result<(), ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, writer: &mut W) -> std::result::Result<(), ArrowError> {
        Ok(writer.write_all(b"\n]\n")?)
    }
}

/// A file and the number of rows that were written to it.
impl Rows for (TableWriter, u64) {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.1 += batch.num_rows() as u64;
        self.0.write(batch)
    }
}

/// Refuses a schema that a file of this format cannot hold.
///
/// # Errors
/// Fails when two columns have the same name, and when the format cannot hold a column.
pub(super) fn check_file_columns(format: TableFormat, schema: &Schema) -> Result<()> {
    check_names(schema)?;
    match format {
        TableFormat::Csv => check_flat(schema),
        _ => Ok(()),
    }
}

/// Refuses two columns of the same name, since readers of the output find columns by their names.
fn check_names(schema: &Schema) -> Result<()> {
    for (index, field) in schema.fields().iter().enumerate() {
        let mut before = schema.fields()[..index].iter();
        if before.any(|other| other.name() == field.name()) {
            return Err(Error::usage(format!(
                "the answer has two columns called `{}`",
                field.name()
            ))
            .hint("give one of them another name with AS"));
        }
    }
    Ok(())
}

/// Refuses nested columns, which CSV cannot hold.
fn check_flat(schema: &Schema) -> Result<()> {
    let nested = schema
        .fields()
        .iter()
        .find(|field| match field.data_type() {
            DataType::Dictionary(_, value) => value.is_nested(),
            other => other.is_nested(),
        });
    match nested {
        None => Ok(()),
        Some(field) => Err(Error::usage(format!(
            "column `{}` of the answer is a {}, which CSV cannot hold",
            field.name(),
            field.data_type()
        ))
        .hint(format!(
            "use {} or {} FILE.parquet, or make it text with array_to_string",
            parameter("json"),
            parameter("out")
        ))),
    }
}

fn write_error(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => temporary_error(error),
        other => Error::usage(format!("the answer cannot be written: {other}"))
            .hint("make the column text in the query: CAST(… AS VARCHAR)"),
    }
}

fn temporary_error(error: io::Error) -> Error {
    Error::io("keep the answer in", Path::new("a temporary file"), error)
}
