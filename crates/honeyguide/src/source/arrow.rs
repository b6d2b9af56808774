//! Files in the Arrow IPC file format: their columns and their batches.

use std::fmt::Display;
use std::io::BufReader;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as EngineResult;

use super::file::{DataFile, ReadSeek};
use crate::error::{Error, Result};

type Reader = FileReader<BufReader<Box<dyn ReadSeek>>>;

/// Returns the schema of a file.
///
/// # Errors
/// Fails when the file cannot be read, or is not an Arrow IPC file.
pub(super) fn schema(file: &DataFile) -> Result<SchemaRef> {
    Ok(open(file, None)?.schema())
}

/// Reads a whole file, to find out whether it can be read.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn check(file: &DataFile) -> Result<()> {
    for batch in open(file, None)? {
        batch.map_err(|error| damaged(file, &error))?;
    }
    Ok(())
}

fn open(file: &DataFile, wanted: Option<Vec<usize>>) -> Result<Reader> {
    let input = BufReader::new(file.open()?);
    FileReader::try_new(input, wanted).map_err(|error| damaged(file, &error))
}

fn damaged(file: &DataFile, error: &dyn Display) -> Error {
    Error::data(format!(
        "{}: not a readable Arrow IPC file: {error}",
        file.path.display()
    ))
    .hint(
        "the file was cut off, or is a stream without a footer: write it again in the file format",
    )
}

/// Those batches of a file whose share of all batches lies within a range of its bytes.
pub(super) struct BatchReader {
    file: DataFile,
    reader: Reader,
    left: usize,
}

impl BatchReader {
    /// Reads the columns with the indices `wanted`.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn open(file: DataFile, range: Option<(u64, u64)>, wanted: &[usize]) -> Result<Self> {
        let mut reader = open(&file, Some(wanted.to_vec()))?;
        let batches = reader.num_batches();
        let (start, end) = range.unwrap_or((0, file.bytes));
        let [first, last] = [start, end].map(|byte| share(batches, byte, file.bytes));
        if first < last {
            reader
                .set_index(first)
                .map_err(|error| damaged(&file, &error))?;
        }
        Ok(Self {
            left: last - first,
            file,
            reader,
        })
    }
}

/// Returns how many of `batches` batches belong to the first `byte` of `bytes` bytes.
fn share(batches: usize, byte: u64, bytes: u64) -> usize {
    let share = batches as u128 * u128::from(byte.min(bytes)) / u128::from(bytes.max(1));
    usize::try_from(share).unwrap_or(batches)
}

impl Iterator for BatchReader {
    type Item = EngineResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match self.reader.next()? {
            Ok(batch) => Some(Ok(batch)),
            Err(error) => {
                self.left = 0;
                Some(Err(damaged(&self.file, &error).into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_follow_each_other_share_all_batches() {
        let cuts = [0, 1, 499, 500, 731, 1000];
        for batches in [0, 1, 2, 7, 5000] {
            let shares: usize = cuts
                .windows(2)
                .map(|cut| share(batches, cut[1], 1000) - share(batches, cut[0], 1000))
                .sum();
            assert_eq!(shares, batches);
        }
    }
}
