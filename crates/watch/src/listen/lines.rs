//! Lines over TCP and Unix sockets: one thread for each connection. A full queue makes senders wait.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use honeyguide::Format;

use super::pause;
use crate::input::is_csv;
use crate::queue::{Queue, Sent};
use crate::records::Records;

/// The greatest number of connections of a listener. Further ones wait until one of them ends.
pub const MAX_CONNECTIONS: usize = 256;
/// The greatest number of bytes of records that are not whole yet, of all connections of a listener. A connection that would
/// go beyond it ends.
pub const MAX_UNFINISHED_BYTES: usize = 64 << 20;
/// The number of bytes that are read at once.
const READ_BYTES: usize = 1 << 14;
/// The time after which a connection looks whether the watch ends.
const LOOK_TIME: Duration = Duration::from_millis(250);

/// Something that others connect to.
pub(super) trait Listens {
    type Stream: Read + Send + 'static;

    /// Takes the next connection.
    ///
    /// # Errors
    /// Fails when there is none, and when the system does.
    fn next(&self) -> io::Result<Self::Stream>;
}

impl Listens for TcpListener {
    type Stream = TcpStream;

    fn next(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK_TIME))?;
        Ok(stream)
    }
}

impl Listens for UnixListener {
    type Stream = UnixStream;

    fn next(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.accept()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK_TIME))?;
        Ok(stream)
    }
}

/// What the connections of a listener share.
#[derive(Debug, Default)]
struct Shared {
    connections: AtomicUsize,
    unfinished: AtomicUsize,
}

/// Takes connections until `queue` is closed.
pub(super) fn serve(
    listener: &impl Listens,
    queue: &Arc<Queue>,
    input: usize,
    format: Option<Format>,
) {
    let shared = Arc::new(Shared::default());
    while !queue.is_closed() {
        if shared.connections.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            pause();
            continue;
        }
        // The system may be short of descriptors for a while.
        let Ok(stream) = listener.next() else {
            pause();
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let (queue, shared) = (Arc::clone(queue), Arc::clone(&shared));
        thread::spawn(move || {
            read(stream, &queue, input, format, &shared.unfinished);
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Reads a connection to its end. `unfinished` counts the bytes of all connections that are no whole record yet.
fn read(
    mut stream: impl Read,
    queue: &Queue,
    input: usize,
    format: Option<Format>,
    unfinished: &AtomicUsize,
) {
    let mut records = Records::new(is_csv(format));
    let mut buffer = vec![0; READ_BYTES];
    let mut counted = 0;
    let mut recount = |now: usize| {
        unfinished.fetch_add(now, Ordering::Relaxed);
        unfinished.fetch_sub(std::mem::replace(&mut counted, now), Ordering::Relaxed);
        unfinished.load(Ordering::Relaxed) <= MAX_UNFINISHED_BYTES
    };
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => records.add(&buffer[..read]),
            Err(error) if is_passing(&error) && !queue.is_closed() => continue,
            Err(_) => break,
        }
        let is_open = match records.take(input, false) {
            Some(chunk) => queue.send(Sent::Records(chunk)),
            None => true,
        };
        let has_room = recount(records.pending().unwrap_or(0) as usize);
        if !is_open || !has_room {
            break;
        }
    }
    recount(0);
    // What was cut off is a record too, so that it is counted.
    if let Some(chunk) = records.take(input, true) {
        queue.send(Sent::Records(chunk));
    }
}

/// Returns whether the next attempt to read may succeed.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
