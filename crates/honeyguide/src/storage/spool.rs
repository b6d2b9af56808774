//! A temporary copy of what can be read only once, while a job may need it twice.

use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;

use tempfile::{NamedTempFile, TempPath};
use tokio::sync::mpsc;

use super::waiting::{threads, wait};
use crate::error::{Error, Result};

/// What a copy of data may hold.
pub(crate) const MAX_SPOOLED_BYTES: u64 = 64 << 30;

/// Pieces in which an input is read, and how many may wait to be written.
const PIECE_BYTES: u64 = 1 << 18;
const PIECES_AHEAD: usize = 4;

/// A copy on its way.
pub(crate) struct Spool {
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

    /// Copies all of the input that `open` opens. It is read on a thread of its own where [`wait`] can wait for that: a
    /// pipe may be silent for ever, and whoever is asked to end then must not stand before it.
    ///
    /// # Errors
    /// It cannot be read or written, or is too long; or the wait was ended.
    pub fn copy(mut self, open: fn() -> Box<dyn Read>) -> Result<TempPath> {
        if threads().is_none() {
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

/// Reads to the end, or until nobody wants more.
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
