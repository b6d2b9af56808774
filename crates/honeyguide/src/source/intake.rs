//! What became of the lines of JSON files: how many could not be read, and which of Tracee's events BETH has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::file::DataFile;
use super::place::line_number;
use crate::error::{Error, Result};

/// How many bad lines are shown.
const SHOWN: usize = 3;
/// One bad line in this many is borne; more of them mean that something else is wrong.
const TOLERATED: u64 = 100;
/// How many keys that are no columns are kept, and how much of each.
const MAX_LATE_KEYS: usize = 100;
const MAX_KEY_CHARS: usize = 64;
/// So many bad lines are borne however few the good ones are.
const ALWAYS_TOLERATED: u64 = 10;

/// What became of the lines of JSON files in the last scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// Lines that hold an event.
    pub events: u64,
    /// Lines that could not be read, and were left out.
    pub bad_lines: u64,
    /// The first of these, with their places and what is wrong.
    pub first_bad_lines: Vec<String>,
    /// Keys that no line had from which the columns were learnt: they are no columns. Sorted, at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late_keys: Vec<String>,
    /// Where the lines are Tracee's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracee: Option<TraceeEvents>,
}

/// Keys of objects that are no columns, as many as there is room for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LateKeys(BTreeSet<String>);

impl LateKeys {
    /// Takes a key; of too many, those that come first in the alphabet stay.
    pub fn add(&mut self, key: &str) {
        if self.0.contains(key) {
            return;
        }
        self.0.insert(key.chars().take(MAX_KEY_CHARS).collect());
        if self.0.len() > MAX_LATE_KEYS {
            self.0.pop_last();
        }
    }
}

/// How Tracee's events were taken for BETH's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TraceeEvents {
    /// BETH has an event of this name.
    pub mapped: u64,
    /// BETH has its cousin, under whose name the event goes.
    pub aliased: u64,
    /// BETH does not have it; it keeps its name.
    pub unknown: u64,
}

/// What the last scan of a source counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScanCounts {
    /// What became of the lines of JSON files; `None` where no line was read.
    pub intake: Option<Intake>,
    /// How many values of `args` could not be read. The SQL function `arg` gave null for them.
    pub malformed_args: u64,
}

/// The counts of one attempt at a scan, which its threads share. A piece of a file that is read again replaces what it
/// came to before.
#[derive(Debug, Default)]
pub(crate) struct ScanLog {
    pieces: Mutex<BTreeMap<(PathBuf, u64), Piece>>,
    malformed_args: Arc<AtomicU64>,
}

/// What one piece of a file came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    pub events: u64,
    pub bad_lines: u64,
    /// The first bad lines: where they begin in the text, and what is wrong.
    pub first: Vec<(u64, String)>,
    pub tracee: Option<TraceeEvents>,
    pub late_keys: LateKeys,
}

impl Piece {
    /// A line that begins at `offset` of the text is bad.
    pub fn add_bad(&mut self, offset: u64, why: String) {
        self.bad_lines += 1;
        if self.first.len() < SHOWN {
            self.first.push((offset, why));
        }
    }
}

/// What is wrong with one line, and where it is.
pub(super) fn bad_line(file: &DataFile, offset: u64, why: &str) -> Error {
    let line = line_number(file, offset).map_or("?".into(), |line| line.to_string());
    Error::data(format!("{}: line {line}: {why}", file.path.display()))
}

impl ScanLog {
    /// Returns the counter of values of `args` that could not be read.
    pub fn malformed_args(&self) -> &Arc<AtomicU64> {
        &self.malformed_args
    }

    /// Returns the counts so far, of lines in `files`.
    pub fn counts<'a>(&self, files: impl Iterator<Item = &'a DataFile>) -> ScanCounts {
        ScanCounts {
            intake: self.summary(files),
            malformed_args: self.malformed_args.load(Ordering::Relaxed),
        }
    }

    /// The piece of `file` that begins at `start` was read.
    pub fn record(&self, file: &DataFile, start: u64, piece: Piece) {
        self.pieces().insert((file.path.clone(), start), piece);
    }

    /// All pieces of `files` together; none where no line was read.
    fn summary<'a>(&self, files: impl Iterator<Item = &'a DataFile>) -> Option<Intake> {
        let pieces = self.pieces().clone();
        let mut intake = Intake::default();
        let mut late_keys = LateKeys::default();
        for file in files {
            let of_file = pieces.iter().filter(|((path, _), _)| *path == file.path);
            for (_, piece) in of_file {
                intake.add(file, piece);
                piece.late_keys.0.iter().for_each(|key| late_keys.add(key));
            }
        }
        intake.late_keys = late_keys.0.into_iter().collect();
        (intake.events + intake.bad_lines > 0).then_some(intake)
    }

    fn pieces(&self) -> MutexGuard<'_, BTreeMap<(PathBuf, u64), Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    fn add(&mut self, file: &DataFile, piece: &Piece) {
        self.events += piece.events;
        self.bad_lines += piece.bad_lines;
        let room = SHOWN - self.first_bad_lines.len();
        let shown = piece.first.iter().take(room);
        self.first_bad_lines
            .extend(shown.map(|(offset, why)| bad_line(file, *offset, why).to_string()));
        if let Some(TraceeEvents {
            mapped,
            aliased,
            unknown,
        }) = piece.tracee
        {
            let all = self.tracee.get_or_insert_default();
            all.mapped += mapped;
            all.aliased += aliased;
            all.unknown += unknown;
        }
    }

    /// # Errors
    /// So many lines are bad that the others are not to be trusted.
    pub(super) fn check(&self) -> Result<()> {
        let lines = self.events + self.bad_lines;
        if self.bad_lines <= ALWAYS_TOLERATED || self.bad_lines * TOLERATED <= lines {
            return Ok(());
        }
        Err(Error::data(format!(
            "{} of {lines} lines cannot be read; at most one in {TOLERATED} is left out. The first is {}",
            self.bad_lines,
            self.first_bad_lines.join("; then ")
        ))
        .hint("is this newline-delimited JSON, and are its columns what its first lines promise?"))
    }
}
