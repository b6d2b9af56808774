//! The incidents of events by the events' numbers in the data, in bounded memory.
//!
//! Incidents are found in the order of host and time, and are written beside the events in the order of the data. Between
//! the two, pairs of an event's number and its incident are sorted: in memory, or in runs in a temporary file.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The number of pairs of a run, which are in memory until there are more.
const RUN: usize = 1 << 20;
/// The number of pairs of a run that are read at once.
const PIECE: usize = 1 << 12;
/// The number of bytes of a pair in a file.
const PAIR_BYTES: usize = 16;

/// The number of an event and its incident.
type Pair = (u64, u64);

/// The incidents of events, in the order in which they were found.
pub(crate) struct Assigning {
    pairs: Vec<Pair>,
    /// The number of pairs of a run.
    run: usize,
    spilled: Option<Spilled>,
    /// The incidents that became parts of others.
    merged: HashMap<u64, u64>,
}

/// Sorted runs in a temporary file: `run` pairs each.
struct Spilled {
    file: BufWriter<File>,
    runs: u64,
}

impl Assigning {
    pub fn new() -> Self {
        Self::with_runs(RUN)
    }

    fn with_runs(run: usize) -> Self {
        Self {
            pairs: Vec::new(),
            run,
            spilled: None,
            merged: HashMap::new(),
        }
    }

    /// Adds the event with the number `event`, which belongs to the incident with the id `incident`.
    ///
    /// # Errors
    /// Fails when the temporary folder has no space.
    pub fn add(&mut self, event: u64, incident: &str) -> Result<()> {
        self.pairs.push((event, number_of(incident)?));
        if self.pairs.len() == self.run {
            self.spill().map_err(failed)?;
        }
        Ok(())
    }

    /// Takes that the incident with the id `incident` is a part of the one with the id `into`.
    ///
    /// # Errors
    /// Fails when one of them is no id, which is a defect.
    pub fn merge(&mut self, incident: &str, into: &str) -> Result<()> {
        self.merged.insert(number_of(incident)?, number_of(into)?);
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.pairs.sort_unstable();
        if self.spilled.is_none() {
            let file = BufWriter::new(tempfile::tempfile()?);
            self.spilled = Some(Spilled { file, runs: 0 });
        }
        if let Some(spilled) = &mut self.spilled {
            for (event, incident) in self.pairs.drain(..) {
                spilled.file.write_all(&event.to_le_bytes())?;
                spilled.file.write_all(&incident.to_le_bytes())?;
            }
            spilled.runs += 1;
        }
        Ok(())
    }

    /// Returns the incidents in the order of the events' numbers.
    ///
    /// # Errors
    /// Fails when the temporary folder has no space.
    pub fn finish(mut self) -> Result<Assigned> {
        self.pairs.sort_unstable();
        self.pairs.shrink_to_fit();
        let file = match self.spilled {
            Some(Spilled { file, runs }) => {
                let file = file
                    .into_inner()
                    .map_err(|error| failed(error.into_error()));
                Some((Arc::new(file?), runs))
            }
            None => None,
        };
        Ok(Assigned {
            pairs: self.pairs.into(),
            run: self.run as u64,
            file,
            merged: Arc::new(latest(&self.merged)),
        })
    }
}

/// The incidents of events. They can be read as often as needed.
pub(crate) struct Assigned {
    /// The pairs that were not spilled, sorted.
    pairs: Arc<[Pair]>,
    /// The number of pairs of a spilled run.
    run: u64,
    /// The file of the runs, and their number.
    file: Option<(Arc<File>, u64)>,
    /// The incidents that became parts of others, each with the one that goes on.
    merged: Arc<HashMap<u64, u64>>,
}

impl Assigned {
    /// Returns a reader at the first event.
    ///
    /// # Errors
    /// Fails when the temporary file cannot be read.
    pub fn read(&self) -> Result<AssignedReader> {
        let mut runs = vec![Run {
            piece: Vec::new(),
            place: 0,
            rest: Rest::Memory(Arc::clone(&self.pairs)),
        }];
        if let Some((file, n_runs)) = &self.file {
            runs.extend((0..*n_runs).map(|run| Run {
                piece: Vec::new(),
                place: 0,
                rest: Rest::File {
                    file: Arc::clone(file),
                    next: run * self.run,
                    end: (run + 1) * self.run,
                },
            }));
        }
        let mut reader = AssignedReader {
            runs,
            heads: BinaryHeap::new(),
            merged: Arc::clone(&self.merged),
        };
        for run in 0..reader.runs.len() {
            reader.advance(run)?;
        }
        Ok(reader)
    }
}

/// A reader of the incidents of events in the order of the events' numbers.
pub(crate) struct AssignedReader {
    runs: Vec<Run>,
    /// The least pair of each run that has one left.
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
    merged: Arc<HashMap<u64, u64>>,
}

/// A sorted run.
struct Run {
    /// Pairs that were read from the file, up to `place` used.
    piece: Vec<Pair>,
    place: usize,
    rest: Rest,
}

enum Rest {
    Memory(Arc<[Pair]>),
    File {
        file: Arc<File>,
        next: u64,
        end: u64,
    },
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        let pair = match &mut self.rest {
            Rest::Memory(pairs) => pairs.get(self.place).copied(),
            Rest::File { file, next, end } => {
                if self.place == self.piece.len() {
                    self.piece = read(file, next, *end)?;
                    self.place = 0;
                }
                self.piece.get(self.place).copied()
            }
        };
        self.place += usize::from(pair.is_some());
        Ok(pair)
    }
}

/// Reads pairs from a file: those from `next` on, but not beyond `end`.
fn read(file: &File, next: &mut u64, end: u64) -> io::Result<Vec<Pair>> {
    let pairs = (end - *next).min(PIECE as u64) as usize;
    let mut bytes = vec![0; pairs * PAIR_BYTES];
    file.read_exact_at(&mut bytes, *next * PAIR_BYTES as u64)?;
    *next += pairs as u64;
    let (words, _) = bytes.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let pairs = pairs.iter().map(|pair| pair.map(u64::from_le_bytes));
    Ok(pairs.map(|[event, incident]| (event, incident)).collect())
}

impl AssignedReader {
    /// Returns the id of the incident of the event with the number `event`, which must be greater than that of the call
    /// before; `None` if it belongs to none.
    ///
    /// # Errors
    /// Fails when the temporary file cannot be read.
    pub fn incident_of(&mut self, event: u64) -> Result<Option<String>> {
        match self.heads.peek() {
            Some(Reverse(((next, incident), run))) if *next == event => {
                let incident = self.merged.get(incident).unwrap_or(incident);
                let (incident, run) = (format!("{incident:016x}"), *run);
                self.heads.pop();
                self.advance(run)?;
                Ok(Some(incident))
            }
            _ => Ok(None),
        }
    }

    /// Returns whether the incidents of all events were returned. They were not if an event was passed over that belongs to
    /// one.
    pub fn is_at_end(&self) -> bool {
        self.heads.is_empty()
    }

    fn advance(&mut self, run: usize) -> Result<()> {
        if let Some(pair) = self.runs[run].next().map_err(failed)? {
            self.heads.push(Reverse((pair, run)));
        }
        Ok(())
    }
}

/// Returns the number that an incident's id writes.
fn number_of(id: &str) -> Result<u64> {
    u64::from_str_radix(id, 16).map_err(|_| Error::internal(format!("an incident's id is `{id}`")))
}

/// Returns the incidents that became parts of others, each with the one that goes on in the end.
fn latest(merged: &HashMap<u64, u64>) -> HashMap<u64, u64> {
    let last = |incident: &u64| {
        let mut line = std::iter::successors(Some(*incident), |part| merged.get(part).copied());
        line.by_ref().take(merged.len() + 1).last()
    };
    let merged = merged.keys();
    merged
        .filter_map(|incident| Some((*incident, last(incident)?)))
        .collect()
}

fn failed(error: io::Error) -> Error {
    Error::io(
        "keep incidents in",
        Path::new("the temporary folder"),
        error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_come_in_the_order_of_the_events() {
        // Every third event belongs to an incident, and they are found in another order.
        let events: Vec<u64> = (0..1000).map(|n| 3 * (n * 619 % 1000)).collect();
        for run in [1, 7, 100, 999, 1000, 1001] {
            let mut assigning = Assigning::with_runs(run);
            for event in &events {
                let incident = format!("{:016x}", event << 50 | 5);
                assigning.add(*event, &incident).expect("space");
            }
            let assigned = assigning.finish().expect("space");
            for _ in 0..2 {
                let mut reader = assigned.read().expect("a reader");
                for event in 0..3000 {
                    let incident = reader.incident_of(event).expect("an answer");
                    let expected = (event % 3 == 0).then(|| format!("{:016x}", event << 50 | 5));
                    assert_eq!(incident, expected, "runs of {run}");
                }
                assert!(reader.is_at_end());
            }
        }
    }

    #[test]
    fn events_of_merged_incidents_belong_to_the_one_that_goes_on() {
        let mut assigning = Assigning::new();
        let ids = ["000000000000000a", "000000000000000b", "000000000000000c"];
        for (event, id) in (0..).zip(ids) {
            assigning.add(event, id).expect("space");
        }
        assigning.merge(ids[2], ids[1]).expect("ids");
        assigning.merge(ids[1], ids[0]).expect("ids");
        let assigned = assigning.finish().expect("space");
        let mut reader = assigned.read().expect("a reader");
        for event in 0..3 {
            let incident = reader.incident_of(event).expect("an answer");
            assert_eq!(incident.as_deref(), Some(ids[0]));
        }
    }

    #[test]
    fn an_event_that_is_passed_over_is_noticed() {
        let mut assigning = Assigning::new();
        assigning.add(4, "00000000000000ff").expect("space");
        assert!(assigning.add(5, "no digits").is_err());
        let mut reader = assigning
            .finish()
            .and_then(|all| all.read())
            .expect("a reader");
        assert_eq!(reader.incident_of(5).expect("an answer"), None);
        assert!(!reader.is_at_end());
    }
}
