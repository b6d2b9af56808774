//! Batches whose texts take so much memory that they should have fewer rows.

use std::fmt;

/// The most bytes of a column of a batch whose rows share values: all may have the longest of them, which is rarely so.
const MAX_SHARED_BYTES: usize = 64 << 20;
/// The length up to which texts fit any batch.
const SHORT_BYTES: usize = MAX_SHARED_BYTES / crate::engine::BATCH_ROWS;
/// The most bytes of the rows that operators gather into a batch. Ordinary rows are far smaller.
const MAX_GATHERED_BYTES: usize = 8 << 20;
/// The same on a node of a cluster, whose batches keep their number of rows: what has more is refused.
const MAX_GATHERED_BYTES_OF_A_NODE: usize = 64 << 20;
/// The bytes of a batch of longer rows. A sort that merges needs the memory of several batches.
const LONG_ROWS_BYTES: usize = 512 << 10;

/// The finding that batches should have fewer rows. It passes through the engine as an error, and the scan is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide {
    /// The number of rows of smaller batches.
    pub batch_rows: usize,
}

impl Wide {
    /// Returns whether texts within `bytes` bytes can be long enough to matter.
    pub fn is_worth_a_look(bytes: usize) -> bool {
        bytes > SHORT_BYTES
    }

    /// Checks that batches of `batch_rows` rows can all have a text of `longest` bytes.
    ///
    /// # Errors
    /// Fails with a smaller number of rows.
    pub fn check(longest: usize, batch_rows: usize) -> Result<(), Self> {
        Self::check_rows(longest, batch_rows, MAX_SHARED_BYTES)
    }

    /// Checks that a batch of `batch_rows` rows of `row_bytes` bytes has at most `most` bytes.
    ///
    /// # Errors
    /// Fails with a smaller number of rows.
    fn check_rows(row_bytes: usize, batch_rows: usize, most: usize) -> Result<(), Self> {
        let batch_rows = batch_rows.max(1);
        let fitting = (most / row_bytes.max(1)).clamp(1, batch_rows);
        match fitting < batch_rows {
            true => Err(Self {
                batch_rows: fitting,
            }),
            false => Ok(()),
        }
    }
}

/// The rows that operators gather into a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathered {
    batch_rows: usize,
    most: usize,
    rows: usize,
    bytes: usize,
}

impl Gathered {
    /// Returns none, of batches of `batch_rows` rows.
    pub fn new(batch_rows: usize) -> Self {
        Self {
            batch_rows,
            most: MAX_GATHERED_BYTES,
            rows: 0,
            bytes: 0,
        }
    }

    /// Returns none, on a node of a cluster, whose batches cannot be made smaller.
    pub fn on_a_node() -> Self {
        Self {
            most: MAX_GATHERED_BYTES_OF_A_NODE,
            ..Self::new(crate::engine::BATCH_ROWS)
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Fails when they are so long that batches should have fewer of them.
    pub fn add(&mut self, rows: usize, bytes: usize) -> Result<(), Wide> {
        self.rows += rows;
        self.bytes += bytes;
        if self.bytes > self.most {
            let row_bytes = self.bytes / (self.rows + 1);
            Wide::check_rows(row_bytes, self.batch_rows, LONG_ROWS_BYTES)?;
        }
        if self.rows >= self.batch_rows {
            (self.rows, self.bytes) = (0, 0);
        }
        Ok(())
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "texts that are too long for batches of more than {} rows",
            self.batch_rows
        )
    }
}

impl std::error::Error for Wide {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::BATCH_ROWS;

    #[test]
    fn a_few_long_rows_among_short_ones_change_nothing() {
        let mut gathered = Gathered::new(100);
        for _ in 0..1000 {
            assert_eq!(gathered.add(1, 4 << 20), Ok(()));
            assert_eq!(gathered.add(99, 99), Ok(()));
        }
        let mut gathered = Gathered::new(100);
        assert_eq!(gathered.add(2, 8 << 20), Ok(()));
        assert_eq!(gathered.add(2, 8 << 20), Err(Wide { batch_rows: 1 }));
        let mut gathered = Gathered::on_a_node();
        assert_eq!(gathered.add(2, 64 << 20), Ok(()));
        assert_eq!(gathered.add(2, 64 << 20), Err(Wide { batch_rows: 1 }));
    }

    #[test]
    fn longer_texts_have_fewer_rows() {
        assert_eq!(Wide::check(100, BATCH_ROWS), Ok(()));
        assert_eq!(Wide::check(SHORT_BYTES, BATCH_ROWS), Ok(()));
        assert_eq!(
            Wide::check(1 << 20, BATCH_ROWS),
            Err(Wide { batch_rows: 64 })
        );
        assert_eq!(Wide::check(1 << 20, 64), Ok(()));
        assert_eq!(Wide::check(1 << 30, 64), Err(Wide { batch_rows: 1 }));
        assert_eq!(Wide::check(1 << 30, 1), Ok(()));
    }
}
