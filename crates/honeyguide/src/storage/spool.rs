//! Temporary copies of data that can be read only once, for jobs that may read it twice.

use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};
use tokio::sync::mpsc;

use super::waiting::{multi_thread_handle, wait};
use crate::error::{Error, Result};
use crate::leftover::Leftover;

/// The maximum size of a copy of data, in bytes.
pub(crate) const MAX_SPOOLED_BYTES: u64 = 64 << 30;

/// The size of a piece in which an input is read, in bytes.
const PIECE_BYTES: u64 = 1 << 18;
/// The maximum number of pieces that wait to be written.
const PIECES_AHEAD: usize = 4;

/// A temporary copy that is complete. It is deleted when it is dropped.
#[derive(Debug)]
pub(crate) struct Spooled {
    path: TempPath,
    _leftover: Leftover,
}

impl Deref for Spooled {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// A temporary copy that is being written.
pub(crate) struct Spool {
    file: BufWriter<NamedTempFile>,
    leftover: Leftover,
    /// The bytes written so far.
    bytes: u64,
    /// The maximum number of bytes.
    limit: u64,
    /// The name of the original in messages.
    of: PathBuf,
}

impl Spool {
    /// Begins a copy of `of` in the temporary folder, of at most `limit` bytes.
    ///
    /// # Errors
    /// Fails when no file can be created there.
    pub fn new(of: PathBuf, limit: u64) -> Result<Self> {
        let file = tempfile::Builder::new().prefix("honeyguide-").tempfile();
        let file = file.map_err(|error| Error::io("make a temporary copy of", &of, error))?;
        Ok(Self {
            leftover: Leftover::at(file.path()),
            file: BufWriter::with_capacity(1 << 18, file),
            bytes: 0,
            limit,
            of,
        })
    }

    /// Copies all of the input that `open` opens, and returns the copy. If [`wait`] is possible here, the
    /// input is read on a thread of its own: a pipe may block for ever, and a job that is stopped must not block with
    /// it.
    ///
    /// # Errors
    /// Fails when the input cannot be read, the copy cannot be written or exceeds its limit, or the job is stopped.
    pub fn copy(mut self, open: fn() -> Box<dyn Read>) -> Result<Spooled> {
        if multi_thread_handle().is_none() {
            io::copy(&mut open(), &mut self).map_err(|error| self.failed(error))?;
            return self.finish();
        }
        let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
        std::thread::spawn(move || send_pieces(&mut open(), &sender));
        while let Some(piece) = wait(pieces.recv())? {
            let written = piece.and_then(|piece| self.write_all(&piece));
            written.map_err(|error| self.failed(error))?;
        }
        self.finish()
    }

    /// Completes the copy.
    pub fn finish(self) -> Result<Spooled> {
        let of = self.of;
        let file = self.file.into_inner();
        let file = file.map_err(|error| Error::io("copy", &of, error.into_error()))?;
        Ok(Spooled {
            path: file.into_temp_path(),
            _leftover: self.leftover,
        })
    }

    /// Returns the error that reports a failure of copying.
    pub fn failed(&self, error: io::Error) -> Error {
        if error.kind() == ErrorKind::FileTooLarge {
            let (of, limit) = (self.of.display(), self.limit);
            return Error::data(format!(
                "{of}: more than {limit} bytes, the limit for a copy in the temporary folder"
            ));
        }
        Error::io("copy", &self.of, error)
    }
}

/// Sends `input` in pieces, until it ends or the receiver is closed.
fn send_pieces(input: &mut dyn Read, to: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut next = || {
        let mut piece = Vec::new();
        let read = Read::take(&mut *input, PIECE_BYTES).read_to_end(&mut piece);
        (!matches!(read, Ok(0))).then(|| read.map(|_| piece))
    };
    while let Some(piece) = next() {
        let is_broken = piece.is_err();
        if to.blocking_send(piece).is_err() || is_broken {
            return;
        }
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
