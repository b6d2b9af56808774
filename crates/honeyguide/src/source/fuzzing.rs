//! Reading of lines of JSON without the engine, for fuzz targets.

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as EngineResult;

use super::Source;
use super::contents::Contents;
use super::json::BatchReader;
use super::streamed_table::BatchIterator;
use crate::error::{Error, Result};

impl Source {
    /// Reads the rows of a stream in batches of `batch_rows` rows, and returns all of them.
    pub(crate) fn read_stream(&mut self, batch_rows: usize) -> Result<RecordBatch> {
        let Contents::Stream(stream) = &self.contents else {
            return Err(Error::internal("not a stream"));
        };
        let batches = self.stream_part(stream).open(&self.all(), batch_rows)?;
        self.collected(vec![batches])
    }

    /// Reads the lines of the only file that begin within each of `pieces`, in batches of `batch_rows` rows, and returns
    /// all rows.
    pub(crate) fn read_pieces(
        &mut self,
        pieces: &[(u64, u64)],
        batch_rows: usize,
    ) -> Result<RecordBatch> {
        let Contents::Files(files) = &self.contents else {
            return Err(Error::internal("not a file"));
        };
        let file = &files.files[0];
        self.scan_log = std::sync::Arc::default();
        let scan = self.json_scan(file.layout, &self.columns, files.strict, &files.missing);
        let readers = pieces.iter().map(|piece| {
            let file = file.file.clone();
            let reader = BatchReader::open(&scan, file, Some(*piece), &self.all(), batch_rows)?;
            Ok(Box::new(reader) as BatchIterator)
        });
        let readers = readers.collect::<Result<_>>()?;
        self.collected(readers)
    }

    fn all(&self) -> Vec<usize> {
        (0..self.columns.len()).collect()
    }

    /// Returns the rows of `readers`, one after the other, and counts them.
    fn collected(&mut self, readers: Vec<BatchIterator>) -> Result<RecordBatch> {
        let batches: EngineResult<Vec<_>> = readers.into_iter().flatten().collect();
        let rows = batches.and_then(|batches| Ok(concat_batches(&self.schema(), &batches)?));
        let rows =
            rows.map_err(|error| Error::own(&error).unwrap_or_else(|| Error::engine(error)))?;
        self.end_scan()?;
        Ok(rows)
    }
}
