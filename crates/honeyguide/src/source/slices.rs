//! Batches cut to a number of rows.

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;

/// Bytes that a batch may hold beyond those of its rows.
const SLACK_BYTES: usize = 64 << 10;

/// Batches of at most `rows` rows. Slices of longer batches are copied: a slice keeps the whole batch in memory, and
/// operators that hold batches count all of it for every slice.
pub(super) struct Slices<I> {
    batches: I,
    rows: usize,
    /// A batch that is longer than `rows`, and how many of its rows were handed out.
    rest: Option<(RecordBatch, usize)>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> Slices<I> {
    /// Cuts `batches` to `rows` rows, at least one.
    pub fn new(batches: I, rows: usize) -> Self {
        Self {
            batches,
            rows: rows.max(1),
            rest: None,
        }
    }

    fn cut(&mut self, batch: RecordBatch, start: usize) -> Result<RecordBatch> {
        let end = batch.num_rows().min(start + self.rows);
        let slice = copied(&batch, start, end);
        self.rest = (end < batch.num_rows()).then_some((batch, end));
        slice
    }
}

/// Returns whether a batch holds far more memory than its rows need.
fn is_slice(batch: &RecordBatch) -> bool {
    let each = batch.columns().iter();
    let needed = each.map(|column| column.to_data().get_slice_memory_size().ok());
    let needed: Option<usize> = needed.sum();
    needed.is_some_and(|needed| get_record_batch_memory_size(batch) > 2 * needed + SLACK_BYTES)
}

/// Returns the rows from `start` up to `end` in memory of their own.
fn copied(batch: &RecordBatch, start: usize, end: usize) -> Result<RecordBatch> {
    if batch.num_columns() == 0 {
        return Ok(batch.slice(start, end - start));
    }
    let rows = UInt64Array::from_iter_values(start as u64..end as u64);
    Ok(take_record_batch(batch, &rows)?)
}

impl<I: Iterator<Item = Result<RecordBatch>>> Iterator for Slices<I> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((batch, start)) = self.rest.take() {
            return Some(self.cut(batch, start));
        }
        Some(self.batches.next()?.and_then(|batch| {
            if batch.num_rows() <= self.rows && !is_slice(&batch) {
                return Ok(batch);
            }
            self.cut(batch, 0)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
    use datafusion::arrow::compute::concat_batches;

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let texts: StringArray = (0..rows).map(|row| Some(format!("text {row}"))).collect();
        let numbers: UInt64Array = (0..rows as u64).map(Some).collect();
        RecordBatch::try_from_iter([
            ("text", Arc::new(texts) as ArrayRef),
            ("number", Arc::new(numbers) as ArrayRef),
        ])
        .unwrap()
    }

    #[test]
    fn slices_have_all_rows_in_order_and_their_own_memory() {
        let batches = [batch(1000), batch(0), batch(7), batch(10)];
        let slices: Vec<_> = Slices::new(batches.iter().cloned().map(Ok), 10)
            .map(Result::unwrap)
            .collect();
        assert!(slices.iter().all(|slice| slice.num_rows() <= 10));
        let schema = batches[0].schema();
        let all = concat_batches(&schema, &batches).unwrap();
        assert_eq!(concat_batches(&schema, &slices).unwrap(), all);
        let first = slices[0].column(0).as_string::<i32>();
        assert!(first.values().len() < 100, "{}", first.values().len());
    }

    #[test]
    fn short_slices_of_long_batches_are_copied() {
        let long = batch(50_000);
        let short = long.slice(49_000, 1000);
        let whole = batch(1000);
        let slices: Vec<_> = Slices::new([Ok(short.clone()), Ok(whole)].into_iter(), 4096)
            .map(Result::unwrap)
            .collect();
        assert!(get_record_batch_memory_size(&short) > 1_000_000);
        for slice in &slices {
            assert_eq!(slice.num_rows(), 1000);
            assert!(get_record_batch_memory_size(slice) < 100_000);
        }
        assert_eq!(slices[0], short);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let none = batch(25).project(&[]).unwrap();
        let rows: Vec<usize> = Slices::new([Ok(none)].into_iter(), 10)
            .map(|slice| slice.unwrap().num_rows())
            .collect();
        assert_eq!(rows, [10, 10, 5]);
    }
}
