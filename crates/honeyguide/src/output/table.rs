//! Tables that are written batch by batch, in the format of their destination.

use std::path::{Path, PathBuf};

use datafusion::arrow::csv::Writer as CsvWriter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::FileWriter as IpcWriter;
use datafusion::arrow::json::writer::{
    LineDelimited, LineDelimitedWriter, WriterBuilder as JsonWriterBuilder,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;

use super::cells::without_formulas;
use super::destination::Destination;
use super::format::TableFormat;
use super::pending::PendingFile;
use crate::error::{Error, Result};

/// A table that is written batch by batch.
pub(crate) struct TableWriter {
    writer: FormatWriter,
    path: PathBuf,
}

/// The writer of a format.
enum FormatWriter {
    /// CSV, and whether its cells are made safe for spreadsheets.
    Csv(Box<CsvWriter<PendingFile>>, bool),
    Parquet(Box<ArrowWriter<PendingFile>>),
    Arrow(Box<IpcWriter<PendingFile>>),
    Json(Box<LineDelimitedWriter<PendingFile>>),
}

impl TableWriter {
    /// Begins a table with the columns of `schema` at `to`.
    ///
    /// # Errors
    /// Fails when the format is unknown or the file cannot be created.
    pub fn create(to: impl Into<Destination>, schema: SchemaRef) -> Result<Self> {
        let to = to.into();
        let (path, format) = (to.path().to_owned(), to.format()?);
        let csv_safe = to.is_csv_safe();
        let writer = FormatWriter::new(format, csv_safe, PendingFile::create(to)?, schema);
        Ok(Self {
            writer: writer.map_err(|error| write_error(&path, &error))?,
            path,
        })
    }

    /// Writes the rows of a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.writer.write(batch);
        written.map_err(|error| write_error(&self.path, &error))
    }

    /// Writes out the rows that the writer still holds, so that its memory does not grow with the table. Only Parquet's
    /// holds any, in groups that become smaller.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.writer {
            FormatWriter::Parquet(writer) => writer.flush().map_err(DataFusionError::from),
            FormatWriter::Csv(..) | FormatWriter::Arrow(_) | FormatWriter::Json(_) => Ok(()),
        };
        flushed.map_err(|error| write_error(&self.path, &error))
    }

    /// Adds a text to the metadata of the file, if its format has such.
    pub fn describe(&mut self, key: &str, text: &str) {
        match &mut self.writer {
            FormatWriter::Parquet(writer) => {
                let text = Some(text.to_owned());
                writer.append_key_value_metadata(KeyValue::new(key.to_owned(), text));
            }
            FormatWriter::Arrow(writer) => writer.write_metadata(key, text),
            FormatWriter::Csv(..) | FormatWriter::Json(_) => {}
        }
    }

    /// Completes the table, which replaces an older file.
    pub fn finish(self) -> Result<()> {
        let file = self.writer.into_file();
        file.map_err(|error| write_error(&self.path, &error))?
            .finish()
    }
}

impl FormatWriter {
    fn new(
        format: TableFormat,
        csv_safe: bool,
        file: PendingFile,
        schema: SchemaRef,
    ) -> EngineResult<Self> {
        Ok(match format {
            TableFormat::Csv => {
                let mut writer = Self::Csv(Box::new(CsvWriter::new(file)), csv_safe);
                // An empty batch writes the header, which a table without rows must have too.
                writer.write(&RecordBatch::new_empty(schema))?;
                writer
            }
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()));
                let writer = ArrowWriter::try_new(file, schema, Some(properties.build()))?;
                Self::Parquet(Box::new(writer))
            }
            TableFormat::Arrow => Self::Arrow(Box::new(IpcWriter::try_new(file, &schema)?)),
            TableFormat::Json => {
                // Explicit nulls make every line name every column.
                let builder = JsonWriterBuilder::new().with_explicit_nulls(true);
                Self::Json(Box::new(builder.build::<_, LineDelimited>(file)))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> EngineResult<()> {
        match self {
            Self::Csv(writer, false) => writer.write(batch)?,
            Self::Csv(writer, true) => writer.write(&without_formulas(batch)?)?,
            Self::Parquet(writer) => writer.write(batch)?,
            Self::Arrow(writer) => writer.write(batch)?,
            Self::Json(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Writes what the format has at its end, and returns the file.
    fn into_file(self) -> EngineResult<PendingFile> {
        Ok(match self {
            Self::Csv(writer, _) => writer.into_inner(),
            Self::Parquet(writer) => writer.into_inner()?,
            Self::Arrow(writer) => writer.into_inner()?,
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        })
    }
}

/// Converts an error of a writer. Prefers honeyguide's own error or the operating system's error among its sources.
fn write_error(path: &Path, error: &DataFusionError) -> Error {
    if let Some(own) = Error::own(error) {
        return own;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            let copy = io
                .raw_os_error()
                .map_or_else(|| io.kind().into(), std::io::Error::from_raw_os_error);
            return Error::io("write", path, copy);
        }
        cause = current.source();
    }
    Error::data(format!("cannot write {}: {error}", path.display()))
}
