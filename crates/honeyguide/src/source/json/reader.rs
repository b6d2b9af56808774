//! The lines of a file, a piece of a file or a stream as batches.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as EngineResult;
use datafusion::error::DataFusionError;

use super::decoder::{JsonDecoder, Refusal};
use super::lines::{Line, Lines};
use super::scan::JsonScan;
use crate::error::Result;
use crate::naming::parameter;
use crate::source::file::DataFile;
use crate::source::intake::{Piece, ScanLog};
use crate::source::place::{LineStart, Origin};
use crate::source::text::MAX_RECORD_BYTES;
use crate::source::values::Misfit;

/// Batches of some columns of one piece of a text.
pub(in crate::source) struct BatchReader {
    origin: Origin,
    /// The first byte of the piece.
    start: u64,
    lines: Lines<Box<dyn Read + Send>>,
    decoder: JsonDecoder,
    batch_rows: usize,
    strict: bool,
    piece: Piece,
    counts: Arc<ScanLog>,
    is_over: bool,
}

impl BatchReader {
    /// Reads the lines of `file` that begin within `range`, or all, as batches of the columns with the indices
    /// `wanted`.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn open(
        scan: &JsonScan,
        file: DataFile,
        range: Option<(u64, u64)>,
        wanted: &[usize],
        batch_rows: usize,
    ) -> Result<Self> {
        let lines = match range {
            Some((start, end)) if start > 0 => {
                Lines::piece(Box::new(file.read_from(start - 1)?) as _, start, end)
                    .map_err(|error| file.failed(error))?
            }
            Some((_, end)) => Lines::new(file.read()?).until(end),
            None => Lines::new(file.read()?),
        };
        let start = range.map_or(0, |(start, _)| start);
        let origin = Origin::File(file);
        Ok(Self::new(scan, origin, (lines, start), wanted, batch_rows))
    }

    /// Reads all lines of a stream called as `origin` says.
    pub fn of_stream(
        scan: &JsonScan,
        origin: Origin,
        input: Box<dyn Read + Send>,
        wanted: &[usize],
        batch_rows: usize,
    ) -> Self {
        Self::new(scan, origin, (Lines::new(input), 0), wanted, batch_rows)
    }

    fn new(
        scan: &JsonScan,
        origin: Origin,
        (lines, start): (Lines<Box<dyn Read + Send>>, u64),
        wanted: &[usize],
        batch_rows: usize,
    ) -> Self {
        Self {
            decoder: JsonDecoder::new(scan, wanted),
            counts: Arc::clone(&scan.counts),
            strict: scan.strict,
            piece: Piece::default(),
            is_over: false,
            origin,
            start,
            lines,
            batch_rows,
        }
    }

    /// Returns the next rows; there are none after the last.
    fn batch(&mut self) -> EngineResult<Option<RecordBatch>> {
        while !self.decoder.is_full(self.batch_rows) {
            let near = 1 + self.piece.events;
            let line = self.lines.next();
            let line = line.map_err(|error| self.origin.read_error(near, error))?;
            let Some(Line { start, bytes }) = line else {
                self.is_over = true;
                break;
            };
            if bytes.is_some_and(|line| line.trim_ascii().is_empty()) {
                continue;
            }
            let too_long = || Refusal::Line(format!("longer than {MAX_RECORD_BYTES} bytes"));
            let pushed = match bytes {
                Some(line) => self.decoder.push(line),
                None => Err(too_long()),
            };
            match pushed {
                Ok(replaced) => {
                    self.piece.events += 1;
                    self.piece.add_replaced(start, replaced);
                }
                Err(Refusal::Header) => {}
                Err(Refusal::Misfit(column)) => return Err(self.misfit(column, start)),
                Err(Refusal::Line(why) | Refusal::Other(why)) if self.strict => {
                    let error = self.origin.line_error(start, &why);
                    return Err(error
                        .hint(format!(
                            "correct this line, or leave out {} to go on without it",
                            parameter("strict")
                        ))
                        .into());
                }
                Err(Refusal::Line(why)) => self.piece.add_bad(start, why),
                Err(Refusal::Other(why)) => self.piece.add_other(start, why),
            }
        }
        Ok(self.decoder.flush()?)
    }

    /// Returns the error of a value that another type holds. A file can be read again as that type.
    fn misfit(&self, column: String, start: LineStart) -> DataFusionError {
        match &self.origin {
            Origin::File(_) => DataFusionError::External(Box::new(Misfit { column })),
            Origin::Stream(_) => self
                .origin
                .line_error(
                    start,
                    &format!("`{column}`: a value of another type than the first lines have there"),
                )
                .hint(
                    "a stream cannot be read again with another type: write the lines to a file and read that",
                )
                .into(),
        }
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
        let mut piece = std::mem::take(&mut self.piece);
        piece.tracee = self.decoder.tracee_events();
        piece.dialect = self.decoder.dialect();
        piece.late_keys = self.decoder.take_late_keys();
        self.counts.record(&self.origin, self.start, piece);
    }
}
