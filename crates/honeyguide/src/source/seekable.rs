//! A file as the readers of Parquet and Arrow take it: bytes from any position. These readers turn errors into texts of
//! their own, so the failure of a reading is kept beside them: it must not be taken for damage of the file.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::reader::{ChunkReader, Length};

use super::file::{DataFile, ReadSeek};
use crate::error::{Error, Result};

/// The most bytes that are allocated before any was read.
const BUFFER_BYTES: usize = 1 << 16;

/// The last failure of the readings that share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// Returns the failure, or what `damage` says if every byte could be read.
    pub fn or(&self, damage: impl FnOnce() -> Error) -> Error {
        self.take().unwrap_or_else(damage)
    }

    /// Returns the failure, and forgets it.
    pub fn take(&self) -> Option<Error> {
        self.lock().take()
    }

    /// Keeps a failure instead of the one before.
    pub fn keep(&self, error: Error) {
        *self.lock() = Some(error);
    }

    fn passed_on(&self, error: Error) -> io::Error {
        let again = error.again();
        self.keep(error);
        io::Error::other(again)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a file.
pub(super) struct Seekable {
    input: Box<dyn ReadSeek>,
    file: DataFile,
    pub failure: Failure,
}

impl Seekable {
    /// Opens a file.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    pub fn open(file: &DataFile) -> Result<Self> {
        Ok(Self {
            input: file.open()?,
            file: file.clone(),
            failure: Failure::default(),
        })
    }

    fn kept(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => self.failure.passed_on(self.file.failed(error)),
        }
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer);
        read.map_err(|error| self.kept(error))
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let found = self.input.seek(to);
        found.map_err(|error| self.kept(error))
    }
}

/// A file from which pieces are read, each after opening it anew.
pub(super) struct Chunks {
    file: DataFile,
    pub failure: Failure,
}

impl Chunks {
    pub fn of(file: &DataFile) -> Self {
        Self {
            file: file.clone(),
            failure: Failure::default(),
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.bytes
    }
}

impl ChunkReader for Chunks {
    type T = Seekable;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let opened = Seekable::open(&self.file);
        let opened = opened.map_err(|error| self.failure.passed_on(error));
        let mut read = Seekable {
            failure: self.failure.clone(),
            ..opened.map_err(|error| ParquetError::External(Box::new(error)))?
        };
        read.seek(SeekFrom::Start(start))?;
        Ok(read)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut bytes = Vec::with_capacity(length.min(BUFFER_BYTES));
        self.get_read(start)?
            .take(length as u64)
            .read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file is shorter than it was".into()));
        }
        Ok(bytes.into())
    }
}
