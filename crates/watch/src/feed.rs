//! An input whose records the process makes itself, such as those of a sensor.

use std::sync::Arc;

use honeyguide::Error;

use crate::queue::{Chunk, Offered, Queue, Sent};

/// The end of an input that takes records of this process. It never waits: what a full queue has no room for is counted as
/// refused, with a gap.
#[derive(Debug)]
pub struct Feed {
    queue: Arc<Queue>,
    chunk: Chunk,
}

impl Feed {
    /// Returns the end of the input number `input`.
    #[must_use]
    pub fn new(queue: &Arc<Queue>, input: usize) -> Self {
        Self {
            queue: Arc::clone(queue),
            chunk: Chunk {
                input,
                ..Chunk::default()
            },
        }
    }

    /// Adds a record, which `write` appends to the bytes. It is on one line.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.chunk.bytes.len();
        write(&mut self.chunk.bytes);
        self.chunk.records.push((start, self.chunk.bytes.len()));
        self.chunk.bytes.push(b'\n');
    }

    /// Offers the records that were added to the queue. Returns whether it is still open.
    pub fn offer(&mut self) -> bool {
        if self.chunk.records.is_empty() {
            return !self.queue.is_closed();
        }
        let next = Chunk {
            input: self.chunk.input,
            ..Chunk::default()
        };
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.queue.offer(chunk) != Offered::Closed
    }

    /// Counts `events` that happened and were lost before they could be added, and records the gap.
    pub fn add_lost(&self, events: u64) {
        self.queue.add_lost(self.chunk.input, events);
    }

    /// Ends the input, for a reason if something went wrong.
    pub fn end(self, outcome: Result<(), Error>) {
        self.queue.send(Sent::End(self.chunk.input, outcome));
    }
}
