//! The queue between the threads that read inputs and the one that scores. It is bounded by bytes: when it is full, the
//! readers wait, and with them whoever writes to a pipe.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use honeyguide::Error;

use crate::position::Position;

/// The number of bytes from which on a queue is full.
pub const QUEUE_BYTES: usize = 32 << 20;
/// The least time between two gaps of an input that are recorded because its records were refused.
const GAP_PAUSE: Duration = Duration::from_secs(1);
/// The cause of such a gap.
const REFUSED: &str = "records were refused because the queue was full";

/// The cause of a gap in the events of a sensor.
const LOST: &str = "the sensor lost events because its ring buffer was full";

/// The numbers of records since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub received: u64,
    /// Those that wait.
    pub waiting: u64,
    /// Those that were refused because the queue was full.
    pub refused: u64,
    /// Those that were lost before they came.
    pub lost: u64,
}

/// Whole records of one input.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// The number of the input.
    pub input: usize,
    pub bytes: Vec<u8>,
    /// Where each record begins and ends, without the end of its line.
    pub records: Vec<(usize, usize)>,
    /// The place in a followed file after the records.
    pub position: Option<Position>,
    /// When the records came into the queue.
    pub arrived: Option<Instant>,
}

/// What an input sends.
#[derive(Debug)]
pub(crate) enum Sent {
    Records(Chunk),
    /// The file of the input with this number was begun anew.
    /// Reading goes on at the place, if it is known.
    Restart(usize, Restart, Option<Position>),
    /// Events of the input with this number may have been lost since the watch ended, for this reason.
    Gap(usize, &'static str),
    /// The input, which has this number, is over, or cannot be read any more.
    End(usize, Result<(), Error>),
}

/// How a file was begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// It was renamed, and there is another one.
    Renamed,
    /// It was emptied, or written anew.
    Emptied,
}

/// What became of records that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// The queue was full.
    Full,
    /// The watch ends.
    Closed,
}

/// What a queue gives.
#[derive(Debug)]
pub(crate) enum Taken {
    Sent(Sent),
    /// Nothing came in time.
    Nothing,
    /// All inputs are over, and everything was taken.
    Over,
}

/// A queue of records, bounded by their bytes.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    /// Wakes the reader of the queue.
    filled: Condvar,
    /// Wakes those who write to it.
    emptied: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State {
    sent: VecDeque<Sent>,
    bytes: usize,
    /// The number of records that wait.
    waiting: u64,
    /// The number of records that came.
    received: u64,
    /// The number of them that were refused because the queue was full.
    refused: u64,
    /// The number of events that were lost before they came. They are among those that came.
    lost: u64,
    /// When a gap was last recorded because records of an input were refused, by the number of the input.
    last_gaps: BTreeMap<usize, Instant>,
    /// The number of inputs that are not over.
    open: usize,
    is_closed: bool,
}

impl Queue {
    /// Returns an empty queue for `inputs` inputs, which is full from `limit` bytes on.
    #[must_use]
    pub fn new(inputs: usize, limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                sent: VecDeque::new(),
                bytes: 0,
                waiting: 0,
                received: 0,
                refused: 0,
                lost: 0,
                last_gaps: BTreeMap::new(),
                open: inputs,
                is_closed: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            limit,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what an input sends, as soon as there is room. Returns whether the queue is still open.
    pub(crate) fn send(&self, mut sent: Sent) -> bool {
        let mut state = self.state();
        while state.bytes >= self.limit && !state.is_closed {
            let waited = self.emptied.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return false;
        }
        match &mut sent {
            Sent::Records(chunk) => {
                chunk.arrived = Some(Instant::now());
                state.bytes += chunk.bytes.len();
                state.waiting += chunk.records.len() as u64;
                state.received += chunk.records.len() as u64;
            }
            Sent::Restart(..) | Sent::Gap(..) => {}
            Sent::End(..) => state.open -= 1,
        }
        state.sent.push_back(sent);
        self.filled.notify_one();
        true
    }

    /// Adds records if there is room. Records that are refused because there is none are counted, and a gap says when.
    pub(crate) fn offer(&self, mut chunk: Chunk) -> Offered {
        let mut state = self.state();
        if state.is_closed {
            return Offered::Closed;
        }
        let now = Instant::now();
        let records = chunk.records.len() as u64;
        state.received += records;
        if state.bytes >= self.limit {
            state.refused += records;
            let last = state.last_gaps.get(&chunk.input);
            if last.is_none_or(|last| now - *last >= GAP_PAUSE) {
                state.last_gaps.insert(chunk.input, now);
                state.sent.push_back(Sent::Gap(chunk.input, REFUSED));
            }
            return Offered::Full;
        }
        chunk.arrived = Some(now);
        state.bytes += chunk.bytes.len();
        state.waiting += records;
        state.sent.push_back(Sent::Records(chunk));
        self.filled.notify_one();
        Offered::Taken
    }

    /// Takes what came first, and waits for at most `time` for it.
    pub(crate) fn take(&self, time: Duration) -> Taken {
        let end = Instant::now() + time;
        let mut state = self.state();
        loop {
            if let Some(sent) = state.sent.pop_front() {
                if let Sent::Records(chunk) = &sent {
                    state.bytes -= chunk.bytes.len();
                    state.waiting -= chunk.records.len() as u64;
                }
                self.emptied.notify_all();
                return Taken::Sent(sent);
            }
            if state.open == 0 || state.is_closed {
                return Taken::Over;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            let waited = self.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets nothing more in. What was sent before can still be taken.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.emptied.notify_all();
        self.filled.notify_all();
    }

    /// Returns whether nothing more is let in.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Returns the number of bytes that wait, and when the first of them came.
    pub(crate) fn waiting(&self) -> (u64, Option<Instant>) {
        let state = self.state();
        let first = state.sent.iter().find_map(|sent| match sent {
            Sent::Records(chunk) => chunk.arrived,
            _ => None,
        });
        (state.bytes as u64, first)
    }

    /// Counts events of the input number `input` that were lost before they came, and records the gap.
    pub(crate) fn add_lost(&self, input: usize, events: u64) {
        if events == 0 {
            return;
        }
        let mut state = self.state();
        state.received += events;
        state.lost += events;
        state.sent.push_back(Sent::Gap(input, LOST));
        self.filled.notify_one();
    }

    /// Returns the numbers of records.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        Counts {
            received: state.received,
            waiting: state.waiting,
            refused: state.refused,
            lost: state.lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The records that came, that wait, that were refused and that were lost.
    fn counts(queue: &Queue) -> [u64; 4] {
        let Counts {
            received,
            waiting,
            refused,
            lost,
        } = queue.counts();
        [received, waiting, refused, lost]
    }

    #[test]
    fn events_that_were_lost_are_counted_and_a_gap() {
        let queue = Queue::new(1, 100);
        queue.add_lost(0, 0);
        assert!(matches!(queue.take(Duration::ZERO), Taken::Nothing));
        queue.add_lost(0, 7);
        assert_eq!(counts(&queue), [7, 0, 0, 7]);
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Sent(Sent::Gap(0, LOST))
        ));
    }

    fn chunk(bytes: usize) -> Sent {
        Sent::Records(Chunk {
            input: 0,
            bytes: vec![b'x'; bytes],
            records: vec![(0, bytes)],
            position: None,
            arrived: None,
        })
    }

    #[test]
    fn a_full_queue_makes_its_writers_wait() {
        let queue = Arc::new(Queue::new(1, 100));
        assert!(queue.send(chunk(60)) && queue.send(chunk(60)));
        let writer = Arc::clone(&queue);
        let writer = std::thread::spawn(move || writer.send(chunk(1)));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(counts(&queue), [2, 2, 0, 0], "the third waits");
        assert!(matches!(queue.take(Duration::ZERO), Taken::Sent(_)));
        assert!(writer.join().expect("no panic"));
        assert_eq!(counts(&queue), [3, 2, 0, 0]);
        queue.close();
        assert!(!queue.send(chunk(1)));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Sent(_)));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Sent(_)));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Over));
    }

    #[test]
    fn records_that_are_offered_to_a_full_queue_are_refused_and_counted() {
        let queue = Queue::new(2, 100);
        let offer_to = |input, bytes| {
            let Sent::Records(chunk) = chunk(bytes) else {
                panic!("no records");
            };
            queue.offer(Chunk { input, ..chunk })
        };
        let offer = |bytes| offer_to(0, bytes);
        assert_eq!(offer(100), Offered::Taken);
        assert_eq!(
            [offer(1), offer(1), offer_to(1, 1), offer_to(1, 1)],
            [Offered::Full; 4]
        );
        assert_eq!(counts(&queue), [5, 1, 4, 0]);
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Sent(Sent::Records(_))
        ));
        for refused in [0, 1] {
            assert!(matches!(
                queue.take(Duration::ZERO),
                Taken::Sent(Sent::Gap(input, _)) if input == refused
            ));
        }
        assert!(
            matches!(queue.take(Duration::ZERO), Taken::Nothing),
            "one gap for both records of an input"
        );
        assert_eq!(offer(1), Offered::Taken);
        queue.close();
        assert_eq!(offer(1), Offered::Closed);
    }

    #[test]
    fn a_queue_is_over_when_all_inputs_are() {
        let queue = Queue::new(2, 100);
        queue.send(Sent::End(0, Ok(())));
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Sent(Sent::End(0, _))
        ));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Nothing));
        queue.send(Sent::End(1, Ok(())));
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Sent(Sent::End(1, _))
        ));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Over));
    }
}
