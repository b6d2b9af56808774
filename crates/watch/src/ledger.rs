//! What became of every record: the ledger, whose two sides are equal at every moment.

use std::collections::VecDeque;

use serde::Serialize;

/// The greatest number of records that are kept of those that could not be read: the newest.
pub const MAX_BAD_RECORDS: usize = 100;
/// The greatest number of bytes that are kept of such a record.
const KEPT_BYTES: usize = 1024;

/// The number of records by what became of them. `received` is the sum of all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// The number of records that were received.
    pub received: u64,
    /// The number of events that were scored.
    pub scored: u64,
    /// The number of records that could not be read.
    pub malformed: u64,
    /// The numbers of records that were left out, by reason.
    pub dropped: Dropped,
    /// The number of records that wait to be scored.
    pub in_flight: u64,
}

/// The numbers of records that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Records that are no events: objects of another kind, and headers that are repeated.
    pub no_event: u64,
    /// Events that the model's recipe cannot use, such as those with a null that it refuses.
    pub unusable: u64,
    /// Records that were still waiting when the watch was stopped.
    pub stopped: u64,
    /// Records of requests that were refused because the queue was full. A sender that sends them again is not known to.
    pub refused: u64,
    /// Events that a sensor lost before the watch received them, because its ring buffer was full. They count as received.
    pub lost: u64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRecord {
    /// The name of the input.
    pub input: String,
    /// The number of the record in its input, from 1. A header of CSV counts.
    pub record: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The beginning of the record. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The newest records that could not be read.
#[derive(Debug, Default)]
pub(crate) struct BadRecords {
    kept: VecDeque<BadRecord>,
    /// Whether one was added since they were saved.
    has_new: bool,
}

impl Dropped {
    /// Returns the number of records that were left out for any reason.
    #[must_use]
    pub fn all(&self) -> u64 {
        let Self {
            no_event,
            unusable,
            stopped,
            refused,
            lost,
        } = *self;
        no_event + unusable + stopped + refused + lost
    }
}

impl Ledger {
    /// Returns whether every record that was received is in one of the other numbers.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.received == self.scored + self.malformed + self.dropped.all() + self.in_flight
    }
}

impl BadRecords {
    /// Keeps a record, and forgets the oldest one if there are too many.
    pub fn add(&mut self, input: &str, record: u64, reason: String, bytes: &[u8]) {
        self.has_new = true;
        if self.kept.len() == MAX_BAD_RECORDS {
            self.kept.pop_front();
        }
        let kept = &bytes[..bytes.len().min(KEPT_BYTES)];
        self.kept.push_back(BadRecord {
            input: input.to_owned(),
            text: String::from_utf8_lossy(kept).into_owned(),
            record,
            reason,
        });
    }

    /// Returns the records, the oldest first.
    pub fn kept(&self) -> Vec<BadRecord> {
        self.kept.iter().cloned().collect()
    }

    /// Returns the records if one was added since the last call.
    pub fn take_new(&mut self) -> Option<Vec<BadRecord>> {
        std::mem::take(&mut self.has_new).then(|| self.kept())
    }
}
