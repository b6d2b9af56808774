//! Re-batching of rows into pieces of equal length.

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};

/// The number of rows in a piece, the same as in a batch of the engine, so that most batches pass unchanged.
const PIECE_ROWS: usize = 4096;

/// The rows that wait for a piece to be full.
///
/// A sum of floats depends on how the rows are divided into batches, and that depends on the division of the work. So
/// batches are cut and joined into pieces of [`PIECE_ROWS`] rows, of which only the last may be shorter.
#[derive(Default)]
pub(super) struct Pieces {
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl Pieces {
    /// Adds the next rows, and calls `take` with every piece that is full.
    ///
    /// # Errors
    /// Fails when `take` fails.
    pub fn push(
        &mut self,
        batch: &RecordBatch,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = (PIECE_ROWS - self.rows).min(batch.num_rows() - from);
            self.waiting.push(batch.slice(from, rows));
            self.rows += rows;
            from += rows;
            if self.rows == PIECE_ROWS {
                self.emit(&mut take)?;
            }
        }
        Ok(())
    }

    /// Calls `take` with the last rows, if there are any.
    ///
    /// # Errors
    /// Fails when `take` fails.
    pub fn finish(mut self, mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.emit(&mut take)
    }

    fn emit(&mut self, take: &mut impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.rows = 0;
        if let [whole] = waiting.as_slice() {
            return take(whole);
        }
        let failed = |error: ArrowError| Error::internal(format!("joining batches: {error}"));
        take(&concat_batches(&waiting[0].schema(), &waiting).map_err(failed)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, UInt64Array};
    use datafusion::arrow::datatypes::UInt64Type;

    use super::*;

    #[test]
    fn pieces_do_not_depend_on_batches() {
        for lengths in [
            vec![10_000],
            vec![1, 4095, 4096, 1808],
            vec![3; 3333],
            vec![0, 10_000],
        ] {
            let (mut pieces, mut found, mut next) = (Pieces::default(), Vec::new(), 0);
            let mut take = |piece: &RecordBatch| {
                let numbers = piece.column(0).as_primitive::<UInt64Type>();
                found.push((numbers.value(0), piece.num_rows()));
                Ok(())
            };
            for length in &lengths {
                let column: ArrayRef = Arc::new(UInt64Array::from_iter_values(next..next + length));
                next += length;
                let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
                pieces.push(&batch, &mut take).unwrap();
            }
            pieces.finish(&mut take).unwrap();
            let last = next as usize - 8192;
            assert_eq!(
                found,
                [(0, 4096), (4096, 4096), (8192, last)],
                "{lengths:?}"
            );
        }
    }
}
