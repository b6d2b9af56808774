//! Rows that can be read once: a reader of record batches, or lines of JSON from anything that can be read.

use std::fmt;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatchReader;
use datafusion::common::Result as EngineResult;

use super::ReadOptions;
use super::batches::conform;
use super::column::Column;
use super::file::decompressed;
use super::format::{Compression, Format, SNIFFED_BYTES};
use super::found::FoundColumn;
use super::json::{self, JsonScan, Layout};
use super::place::Origin;
use super::seen::Missing;
use super::slices::Slices;
use super::streamed_table::{BatchIterator, Part};
use crate::error::{Error, Result};

/// A stream of a source. Clones share it: whichever scans first reads the rows.
#[derive(Clone)]
pub(super) struct Stream {
    /// The name of the stream in messages.
    pub name: PathBuf,
    /// The rows, until a scan takes them.
    rows: Arc<Mutex<Option<Rows>>>,
    kind: Kind,
    /// The columns of batches as the reader has them.
    columns: Option<Arc<[Column]>>,
}

enum Rows {
    Batches(Box<dyn RecordBatchReader + Send>),
    Lines(Box<dyn Read + Send>),
}

/// The content of a stream.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Batches,
    Lines {
        layout: Layout,
        /// Whether a bad line ends the scan.
        strict: bool,
        /// The texts that stand for a missing value.
        missing: Arc<Missing>,
    },
}

impl Stream {
    /// Returns a stream of the batches of `reader`, whose columns are `columns`.
    pub fn of_batches(
        name: PathBuf,
        reader: impl RecordBatchReader + Send + 'static,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            columns: Some(columns.into()),
            ..Self::new(name, Rows::Batches(Box::new(reader)), Kind::Batches)
        }
    }

    /// Returns a stream of lines of JSON, which may be compressed, and the columns that its first lines have. The format of
    /// `options` says in which dialect the lines are; without it the first lines do.
    ///
    /// # Errors
    /// Fails when the format is not JSON, when the input cannot be read, and when none of its first lines is an object.
    pub fn of_lines(
        name: PathBuf,
        input: impl Read + Send + 'static,
        options: &ReadOptions,
    ) -> Result<(Self, Vec<FoundColumn>)> {
        let missing = Arc::new(Missing::new(&options.null));
        let dialect = match options.format {
            None => None,
            Some(format @ (Format::Json(_) | Format::Dialect(..))) => Some(format.dialect()),
            Some(_) => {
                let why = format!(
                    "{}: only lines of JSON are read from a stream",
                    name.display()
                );
                return Err(Error::usage(why)
                    .hint("write the data to a file, or read it into record batches"));
            }
        };
        let origin = Origin::Stream(name.clone());
        let text = text_of(input).map_err(|error| origin.read_error(1, error))?;
        let (found, whole) = json::columns_of_stream(text, &origin, dialect, &missing)?;
        let kind = Kind::Lines {
            layout: found.layout,
            strict: options.strict,
            missing,
        };
        let stream = Self::new(name, Rows::Lines(whole), kind);
        Ok((stream, found.columns))
    }

    fn new(name: PathBuf, rows: Rows, kind: Kind) -> Self {
        Self {
            rows: Arc::new(Mutex::new(Some(rows))),
            name,
            kind,
            columns: None,
        }
    }

    /// Returns the columns of batches as the reader has them; `None` for lines of text.
    pub fn columns(&self) -> Option<&[Column]> {
        self.columns.as_deref()
    }

    /// Returns what the stream consists of.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Takes the rows.
    ///
    /// # Errors
    /// Fails when they were taken before.
    fn take(&self) -> Result<Rows> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.take().ok_or_else(|| {
            let why = format!(
                "{}: the rows were read before, and a stream can be read only once",
                self.name.display()
            );
            Error::usage(why).hint(
                "collect the rows into record batches, or write them to a file, and read those",
            )
        })
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A stream as the only part of a table.
#[derive(Debug)]
pub(super) struct StreamPart {
    pub stream: Stream,
    /// The columns of the table.
    pub schema: SchemaRef,
    /// The options of reading lines, if the stream consists of lines.
    pub scan: Option<JsonScan>,
}

impl Part for StreamPart {
    fn open(&self, wanted: &[usize], batch_rows: usize) -> Result<BatchIterator> {
        match (self.stream.take()?, &self.scan) {
            (Rows::Batches(reader), _) => {
                let batches = BatchesOf {
                    name: self.stream.name.clone(),
                    schema: Arc::clone(&self.schema),
                    wanted: wanted.to_vec(),
                    reader,
                };
                Ok(Box::new(Slices::new(batches, batch_rows)))
            }
            (Rows::Lines(input), Some(scan)) => {
                let origin = Origin::Stream(self.stream.name.clone());
                let batches = json::BatchReader::of_stream(scan, origin, input, wanted, batch_rows);
                Ok(Box::new(batches))
            }
            (Rows::Lines(_), None) => Err(Error::internal(
                "a stream of lines without options for reading them",
            )),
        }
    }
}

/// Some columns of the batches of a reader.
struct BatchesOf {
    name: PathBuf,
    schema: SchemaRef,
    wanted: Vec<usize>,
    reader: Box<dyn RecordBatchReader + Send>,
}

impl Iterator for BatchesOf {
    type Item = EngineResult<datafusion::arrow::record_batch::RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        let batch = batch.map_err(|error| unreadable(&self.name, &error));
        let batch = batch.and_then(|batch| conform(&self.name, &self.schema, &batch));
        Some(match batch {
            Ok(batch) => batch.project(&self.wanted).map_err(Into::into),
            Err(error) => Err(error.into()),
        })
    }
}

fn unreadable(name: &Path, error: &dyn fmt::Display) -> Error {
    Error::data(format!(
        "{}: the next record batch cannot be read: {error}",
        name.display()
    ))
}

/// Returns the text that `input` holds, decompressed where its first bytes are those of a compressed stream.
fn text_of(mut input: impl Read + Send + 'static) -> std::io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    input
        .by_ref()
        .take(SNIFFED_BYTES as u64)
        .read_to_end(&mut start)?;
    let compression = Compression::sniff(&start);
    let whole = Cursor::new(start).chain(input);
    match compression {
        Compression::None => Ok(Box::new(whole)),
        _ => decompressed(BufReader::new(whole), compression),
    }
}
