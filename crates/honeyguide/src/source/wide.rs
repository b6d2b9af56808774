//! Batches whose texts take so much memory that they should have fewer rows.

use std::fmt;

/// The most bytes of one column of a batch. Batches of ordinary rows are far smaller.
const MAX_COLUMN_BYTES: usize = 64 << 20;
/// The length up to which texts fit any batch.
const SHORT_BYTES: usize = MAX_COLUMN_BYTES / crate::engine::BATCH_ROWS;

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

    /// Returns whether a batch of `bytes` bytes is too large.
    pub fn is_too_much(bytes: usize) -> bool {
        bytes > MAX_COLUMN_BYTES
    }

    /// Checks that batches of `batch_rows` rows can all have a text of `longest` bytes.
    ///
    /// # Errors
    /// Fails with a smaller number of rows.
    pub fn check(longest: usize, batch_rows: usize) -> Result<(), Self> {
        let batch_rows = batch_rows.max(1);
        let fitting = (MAX_COLUMN_BYTES / longest.max(1)).clamp(1, batch_rows);
        match fitting < batch_rows {
            true => Err(Self {
                batch_rows: fitting,
            }),
            false => Ok(()),
        }
    }
}

/// The rows that operators gather into a batch.
#[derive(Debug)]
pub(super) struct Gathered {
    batch_rows: usize,
    rows: usize,
    bytes: usize,
}

impl Gathered {
    /// Returns none, of batches of `batch_rows` rows.
    pub fn new(batch_rows: usize) -> Self {
        Self {
            batch_rows,
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Fails when they are so long that batches should have fewer of them.
    pub fn add(&mut self, rows: usize, bytes: usize) -> Result<(), Wide> {
        self.rows += rows;
        self.bytes += bytes;
        if Wide::is_too_much(self.bytes) {
            Wide::check(self.bytes / (self.rows + 1), self.batch_rows)?;
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
            assert_eq!(gathered.add(1, 32 << 20), Ok(()));
            assert_eq!(gathered.add(99, 99), Ok(()));
        }
        let mut gathered = Gathered::new(100);
        assert_eq!(gathered.add(2, 64 << 20), Ok(()));
        assert_eq!(gathered.add(2, 64 << 20), Err(Wide { batch_rows: 2 }));
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
