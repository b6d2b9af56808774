//! What became of the records, in numbers.

use crate::ledger::{BadRecord, BadRecords, Dropped, Ledger};
use crate::queue::{Counts, Queue};

/// The numbers of records and events by what became of them, over all runs with the same store.
#[derive(Default)]
pub(super) struct Tally {
    /// The number of records that earlier runs received and did not leave in flight.
    received_before: u64,
    pub scored: u64,
    malformed: u64,
    pub dropped: Dropped,
    pub anomalous: u64,
    /// The number of values of `args` that could not be read.
    pub malformed_args: u64,
    bad: BadRecords,
    /// Why the recipe could not use the first of the events that it could not use.
    pub first_unusable: Option<String>,
}

impl Tally {
    /// Returns the numbers of an earlier run. What was in flight at its end is received again, or lost.
    pub fn going_on(earlier: Ledger, anomalous: u64) -> Self {
        let Ledger {
            received,
            scored,
            malformed,
            dropped,
            in_flight,
        } = earlier;
        Self {
            received_before: received - in_flight,
            scored,
            malformed,
            dropped,
            anomalous,
            ..Self::default()
        }
    }

    /// Counts the record number `record` of an input, which cannot be read, and keeps it.
    pub fn refuse(&mut self, input: &str, record: u64, why: String, bytes: &[u8]) {
        self.malformed += 1;
        self.bad.add(input, record, why, bytes);
    }

    /// Returns the newest records that could not be read.
    pub fn bad_records(&self) -> Vec<BadRecord> {
        self.bad.kept()
    }

    /// Returns these records if one was added since the last call.
    pub fn take_bad_records(&mut self) -> Option<Vec<BadRecord>> {
        self.bad.take_new()
    }

    /// Returns the ledger. `inside` is the number of records that were taken from the queue and are not scored.
    pub fn ledger(&self, queue: &Queue, inside: u64) -> Ledger {
        let Counts {
            received,
            waiting,
            refused,
            lost,
        } = queue.counts();
        Ledger {
            in_flight: waiting + inside,
            scored: self.scored,
            malformed: self.malformed,
            dropped: Dropped {
                refused: self.dropped.refused + refused,
                lost: self.dropped.lost + lost,
                ..self.dropped
            },
            received: self.received_before + received,
        }
    }
}
