//! Files in the Arrow IPC file format: their columns and their batches.

mod checks;
mod footer;
mod lz4;
mod shared;

use std::io::{Read, Seek, SeekFrom};

use datafusion::arrow::buffer::{Buffer, MutableBuffer};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::Block;
use datafusion::arrow::ipc::reader::FileDecoder;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as EngineResult;
use datafusion::error::DataFusionError;

use super::file::DataFile;
use super::seekable::Seekable;
use super::wide::Wide;
use crate::caught::caught;
use crate::error::{Error, Result};
use footer::Footer;

/// Returns the schema of a file.
///
/// # Errors
/// Fails when the file cannot be read, or is not an Arrow IPC file.
pub(super) fn schema(file: &DataFile) -> Result<SchemaRef> {
    let mut input = Seekable::open(file)?;
    let footer = Footer::read(&mut input, file.bytes);
    let footer = footer.map_err(|why| input.failure.or(|| damaged(file, &why)))?;
    Ok(footer.schema)
}

/// Reads a whole file, to find out whether it can be read.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn check(file: &DataFile) -> Result<()> {
    let mut reader = Reader::open(file, None)?;
    while let Some(batch) = reader.next() {
        batch.map_err(|why| reader.failed(file, &why))?;
    }
    Ok(())
}

fn damaged(file: &DataFile, why: &str) -> Error {
    Error::data(format!(
        "{}: not a readable Arrow IPC file: {why}",
        file.path.display()
    ))
    .hint(
        "the file was cut off, or is a stream without a footer: write it again in the file format",
    )
}

/// A reader of batches. What a file says of lengths and places is checked before the decoder sees it.
struct Reader {
    input: Seekable,
    decoder: FileDecoder,
    batches: Vec<Block>,
    /// The index of the next batch.
    next: usize,
}

impl Reader {
    fn open(file: &DataFile, wanted: Option<&[usize]>) -> Result<Self> {
        let mut input = Seekable::open(file)?;
        let failure = input.failure.clone();
        let failed = |why: String| failure.or(|| damaged(file, &why));
        let footer = Footer::read(&mut input, file.bytes).map_err(failed)?;
        let mut decoder = FileDecoder::new(footer.schema, footer.version);
        if let Some(wanted) = wanted {
            decoder = decoder.with_projection(wanted.to_vec());
        }
        for (index, block) in footer.dictionaries.iter().enumerate() {
            let read = read_block(&mut input, block).and_then(|block_bytes| {
                let read = caught(|| decoder.read_dictionary(block, &block_bytes));
                read?.map_err(|error| error.to_string())
            });
            read.map_err(|why| failed(format!("dictionary {}: {why}", index + 1)))?;
        }
        Ok(Self {
            input,
            decoder,
            batches: footer.batches,
            next: 0,
        })
    }

    /// Returns why a batch could not be read.
    fn failed(&self, file: &DataFile, why: &str) -> Error {
        self.input.failure.or(|| damaged(file, why))
    }

    fn next(&mut self) -> Option<std::result::Result<RecordBatch, String>> {
        while let Some(block) = self.batches.get(self.next) {
            self.next += 1;
            let read = read_block(&mut self.input, block).and_then(|bytes| {
                let read = caught(|| self.decoder.read_record_batch(block, &bytes));
                read?.map_err(|error| error.to_string())
            });
            match read {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(Ok(batch)),
                Err(why) => {
                    let batch = self.next;
                    self.next = self.batches.len();
                    return Some(Err(format!("batch {batch}: {why}")));
                }
            }
        }
        None
    }
}

/// Reads a message with its body, and checks what the message says of the body.
fn read_block(input: &mut Seekable, block: &Block) -> std::result::Result<Buffer, String> {
    let (metadata, body) = footer::lengths(block)?;
    let mut bytes = MutableBuffer::from_len_zeroed(metadata + body);
    let place = SeekFrom::Start(block.offset().unsigned_abs());
    let read = input
        .seek(place)
        .and_then(|_| input.read_exact(&mut bytes[..]));
    read.map_err(|error| error.to_string())?;
    checks::check_message(&bytes[..metadata], &bytes[metadata..])?;
    Ok(bytes.into())
}

/// Those batches of a file whose share of all batches lies within a range of its bytes.
pub(super) struct BatchReader {
    file: DataFile,
    reader: Reader,
    left: usize,
    /// The most rows of the batches that are made of these.
    batch_rows: usize,
}

impl BatchReader {
    /// Reads the columns with the indices `wanted`.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn open(
        file: DataFile,
        range: Option<(u64, u64)>,
        wanted: &[usize],
        batch_rows: usize,
    ) -> Result<Self> {
        let mut reader = Reader::open(&file, Some(wanted))?;
        let batches = reader.batches.len();
        let (start, end) = range.unwrap_or((0, file.bytes));
        let [first, last] = [start, end].map(|byte| share(batches, byte, file.bytes));
        reader.next = first;
        Ok(Self {
            left: last.saturating_sub(first),
            file,
            reader,
            batch_rows,
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
            Ok(batch) => {
                let checked = Wide::check(shared::longest(&batch), self.batch_rows);
                Some(match checked {
                    Ok(()) => Ok(batch),
                    Err(wide) => Err(DataFusionError::External(Box::new(wide))),
                })
            }
            Err(why) => {
                self.left = 0;
                Some(Err(self.reader.failed(&self.file, &why).into()))
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
