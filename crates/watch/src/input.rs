//! Reading inputs: one thread for each, which cuts what it reads into records.

use std::io::{self, Read};
use std::path::Path;

use honeyguide::{Error, Format};

use crate::queue::{Queue, Sent};
use crate::records::Records;

/// The number of bytes that are read at once.
pub(crate) const READ_BYTES: usize = 1 << 18;

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
