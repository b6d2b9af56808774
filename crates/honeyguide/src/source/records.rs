//! The records of CSV as batches, where the engine's reader cannot read some values or would lose a part of them.

use std::sync::Arc;

use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result as EngineResult;
use datafusion::error::DataFusionError;

use super::column::{Column, schema_of};
use super::file::DataFile;
use super::intake::{Piece, ScanLog};
use super::leading_zeros::begins_with_zero;
use super::lossy::LossyNumbers;
use super::place::{LineStart, Origin};
use super::seen::Missing;
use super::text::Records;
use super::values::{Builder, Cell, Value};
use crate::error::Result;

/// A batch ends when its texts have this many bytes, however few its rows are.
const BATCH_TEXT_BYTES: usize = 8 << 20;

/// The options of reading records, and the log that counts them.
#[derive(Debug, Clone)]
pub(super) struct CsvScan {
    /// All columns of the records, with the types that they are read as.
    pub columns: Vec<Column>,
    /// The texts that stand for a missing value.
    pub missing: Arc<Missing>,
    pub counts: Arc<ScanLog>,
    /// Where files are added that have numbers with leading zeros.
    pub lossy: Arc<LossyNumbers>,
}

/// A record that does not fit the columns. A diagnosis finds it again, and what is to be done.
#[derive(Debug, thiserror::Error)]
#[error("record at byte {byte} does not fit the columns")]
struct Misfit {
    byte: u64,
}

/// Batches of some columns of a file.
pub(super) struct BatchReader {
    origin: Origin,
    file: DataFile,
    records: Records,
    n_columns: usize,
    columns: Vec<(usize, Column, Builder)>,
    missing: Arc<Missing>,
    batch_rows: usize,
    record: csv::ByteRecord,
    cell: Cell,
    buffer: String,
    piece: Piece,
    counts: Arc<ScanLog>,
    lossy: Arc<LossyNumbers>,
    has_zeros: bool,
    is_over: bool,
}

impl BatchReader {
    /// Reads the records of `file` as batches of the columns with the indices `wanted`.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn open(
        scan: &CsvScan,
        file: DataFile,
        wanted: &[usize],
        batch_rows: usize,
    ) -> Result<Self> {
        let mut record = csv::ByteRecord::new();
        let mut records = Records::open(&file)?;
        // The header.
        records.read_of(&file, &mut record)?;
        let columns = wanted.iter().map(|index| {
            let column = scan.columns[*index].clone();
            let builder = Builder::new(&column.data_type);
            (*index, column, builder)
        });
        Ok(Self {
            origin: Origin::File(file.clone()),
            columns: columns.collect(),
            n_columns: scan.columns.len(),
            missing: Arc::clone(&scan.missing),
            cell: Cell::default(),
            buffer: String::new(),
            piece: Piece::default(),
            counts: Arc::clone(&scan.counts),
            lossy: Arc::clone(&scan.lossy),
            has_zeros: false,
            is_over: false,
            file,
            records,
            record,
            batch_rows,
        })
    }

    /// Returns the next rows; there are none after the last.
    fn batch(&mut self) -> EngineResult<Option<RecordBatch>> {
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < BATCH_TEXT_BYTES {
            if !self.records.read_of(&self.file, &mut self.record)? {
                self.is_over = true;
                break;
            }
            bytes += self.push()?;
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut();
        let arrays = arrays.map(|(_, _, builder)| builder.finish()).collect();
        let columns = self.columns.iter().map(|(_, column, _)| column.clone());
        let schema = schema_of(&columns.collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(
            schema, arrays, &options,
        )?))
    }

    /// Adds the record as a row, and returns how many bytes of text it has.
    fn push(&mut self) -> EngineResult<usize> {
        let position = self.record.position();
        let byte = position.map_or(0, csv::Position::byte);
        let misfit = || DataFusionError::External(Box::new(Misfit { byte }));
        if self.record.len() != self.n_columns {
            return Err(misfit());
        }
        let invalid = self.record.iter();
        let invalid = invalid.filter(|field| std::str::from_utf8(field).is_err());
        let invalid = invalid.count() as u64;
        if invalid > 0 {
            let start = LineStart {
                offset: byte,
                number: position.map(csv::Position::line),
            };
            self.piece.add_replaced(start, invalid);
        }
        let mut bytes = 0;
        for (index, column, builder) in &mut self.columns {
            let field = self.record.get(*index).unwrap_or_default();
            let text = String::from_utf8_lossy(field);
            if text.is_empty() || self.missing.has(&text) {
                self.cell.value = Value::Null;
            } else {
                self.cell.set_text(&text);
            }
            self.cell.check(column).map_err(|_| misfit())?;
            self.has_zeros |= column.data_type.is_numeric() && begins_with_zero(&text);
            bytes += builder.append(&self.cell, &mut self.buffer);
        }
        Ok(bytes)
    }
}

impl Iterator for BatchReader {
    type Item = EngineResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.batch();
        self.is_over |= batch.is_err();
        batch.transpose()
    }
}

impl Drop for BatchReader {
    /// Records the counts, also where a query has enough rows before the end.
    fn drop(&mut self) {
        if self.has_zeros {
            self.lossy.zero_files.add(&self.file);
        }
        let piece = std::mem::take(&mut self.piece);
        self.counts.record(&self.origin, 0, piece);
    }
}
