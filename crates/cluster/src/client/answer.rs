//! Keeps the result of a job until all of it has arrived.

use std::io::{BufReader, BufWriter, Seek, SeekFrom};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::Stream;
use futures::stream;
use honeyguide::Error;
use tempfile::SpooledTempFile;

/// The number of bytes kept in memory. A larger result goes to a temporary file.
const MEMORY_BYTES: usize = 16 << 20;

/// A writer that collects the batches of a result.
pub(super) struct Collector(StreamWriter<BufWriter<SpooledTempFile>>);

impl Collector {
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let spool = BufWriter::new(SpooledTempFile::new(MEMORY_BYTES));
        Ok(Self(StreamWriter::try_new(spool, schema)?))
    }

    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    pub fn finish(mut self) -> Result<Answer> {
        self.0.finish()?;
        let spool = self.0.into_inner()?.into_inner();
        let mut spool = spool.map_err(|error| unwritable(error.into_error()))?;
        spool.seek(SeekFrom::Start(0)).map_err(unwritable)?;
        Ok(Answer(spool))
    }
}

fn unwritable(error: std::io::Error) -> DataFusionError {
    Error::refused(format!("the cluster's answer cannot be kept: {error}"))
        .hint("free space in the temporary folder, or name another one in TMPDIR")
        .into()
}

/// The complete result of a job.
pub(super) struct Answer(SpooledTempFile);

impl Answer {
    /// Returns the batches in the order in which they were written.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn batches(self) -> Result<impl Stream<Item = Result<RecordBatch>> + Send> {
        let reader = StreamReader::try_new(BufReader::new(self.0), None)?;
        Ok(stream::iter(reader.map(|batch| Ok(batch?))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn more_than_memory_holds_comes_back_in_its_order() {
        let batch = |number: i64| {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![number; 100_000]));
            RecordBatch::try_from_iter([("a", column)]).unwrap()
        };
        let mut collector = Collector::new(&batch(0).schema()).unwrap();
        for number in 0..40 {
            collector.push(&batch(number)).unwrap();
        }
        let answer = collector.finish().unwrap().batches().unwrap();
        let found: Vec<RecordBatch> = answer.try_collect().await.unwrap();
        assert_eq!(found, (0..40).map(batch).collect::<Vec<_>>());
    }
}
