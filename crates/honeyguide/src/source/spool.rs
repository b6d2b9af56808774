//! A temporary copy of what can be read only once, while a job may need it twice.

use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result};

/// What a copy of data may hold.
pub(super) const MAX_SPOOLED_BYTES: u64 = 64 << 30;

/// A copy on its way.
pub(super) struct Spool {
    file: BufWriter<NamedTempFile>,
    bytes: u64,
    limit: u64,
    /// What is copied, as messages call it.
    of: PathBuf,
}

impl Spool {
    /// Begins a copy of `of` in the temporary folder, of at most `limit` bytes.
    ///
    /// # Errors
    /// No file can be made there.
    pub fn new(of: PathBuf, limit: u64) -> Result<Self> {
        let file = tempfile::Builder::new().prefix("honeyguide-").tempfile();
        let file = file.map_err(|error| Error::io("make a temporary copy of", &of, error))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            bytes: 0,
            limit,
            of,
        })
    }

    /// Copies all of `input`.
    ///
    /// # Errors
    /// It cannot be read or written, or is too long.
    pub fn copy(mut self, input: &mut dyn Read) -> Result<TempPath> {
        io::copy(input, &mut self).map_err(|error| self.failed(error))?;
        self.finish()
    }

    /// The copy, which goes away with its path.
    pub fn finish(self) -> Result<TempPath> {
        let of = self.of;
        let file = self.file.into_inner();
        let file = file.map_err(|error| Error::io("copy", &of, error.into_error()))?;
        Ok(file.into_temp_path())
    }

    /// An error of copying.
    pub fn failed(&self, error: io::Error) -> Error {
        if error.kind() == ErrorKind::FileTooLarge {
            let (of, limit) = (self.of.display(), self.limit);
            return Error::data(format!(
                "{of}: more than {limit} bytes, the limit of what is copied to the temporary folder"
            ));
        }
        Error::io("copy", &self.of, error)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
