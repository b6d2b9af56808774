//! Reading inputs: one thread for each, which cuts what it reads into records.

use std::io::{self, Read};
use std::path::Path;

use honeyguide::{Error, Format};

use crate::queue::{Queue, Sent};
use crate::records::Records;

/// The number of bytes that are read at once.
pub(crate) const READ_BYTES: usize = 1 << 16;

/// How records come to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A file is read to its end, by every watch from its beginning.
    File,
    /// A file is read on as it grows. The store holds the place.
    Followed,
    /// A pipe is read to its end.
    Pipe,
    /// Others send records to an address.
    Listening,
    /// This process makes the records.
    Sensor,
}

impl InputKind {
    /// Returns whether what comes while no watch is running is lost.
    pub(crate) fn goes_on_without_a_watch(self) -> bool {
        matches!(self, Self::Pipe | Self::Listening | Self::Sensor)
    }
}

/// Reads the input number `input`, which messages call `name`, to its end, and sends its records to `queue`. Returns when
/// the input is over or the queue is closed. `format` is that of the records, if it is known.
pub fn read_stream(
    queue: &Queue,
    input: usize,
    name: &Path,
    mut stream: impl Read,
    format: Option<Format>,
) {
    let mut records = Records::new(is_csv(format));
    let mut buffer = vec![0; READ_BYTES];
    let ended = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => records.add(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break Err(Error::io("read", name, error)),
        }
        if let Some(chunk) = records.take(input, false)
            && !queue.send(Sent::Records(chunk))
        {
            return;
        }
    };
    let is_open = match records.take(input, true) {
        Some(chunk) => queue.send(Sent::Records(chunk)),
        None => true,
    };
    if is_open {
        queue.send(Sent::End(input, ended));
    }
}

/// Returns whether records of this format are CSV; `None` if the format is not known.
pub(crate) fn is_csv(format: Option<Format>) -> Option<bool> {
    format.map(|format| matches!(format, Format::Csv(_)))
}
