//! Counting what became of the lines of JSON: how many could not be read, and which of Tracee's events BETH has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::place::{LineStart, Origin};
use crate::error::{Error, Result};
use crate::log::Dialect;

/// The most bad lines that are shown.
const SHOWN: usize = 3;
/// One bad line in this many is tolerated; more of them mean that something else is wrong.
const TOLERATED: u64 = 100;
/// The number of bad lines that is tolerated however few good lines there are.
const ALWAYS_TOLERATED: u64 = 10;
/// The most keys that are kept of those that are no columns.
const MAX_LATE_KEYS: usize = 100;
/// The number of characters that are kept of such a key.
const MAX_KEY_CHARS: usize = 64;

/// The counts of the lines of JSON that the last scan read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// The number of lines that hold an event.
    pub events: u64,
    /// The number of lines that could not be read and were left out.
    pub bad_lines: u64,
    /// The first bad lines: where each of them is, and what is wrong with it.
    pub first_bad_lines: Vec<String>,
    /// The dialect of the lines; `None` for any objects.
    #[serde(skip)]
    pub dialect: Option<Dialect>,
    /// The number of lines that hold objects of another kind than the events of the dialect, and were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_lines: u64,
    /// The first such lines: where each of them is, and what it lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_other_lines: Vec<String>,
    /// The keys that are no columns, because the lines from which the columns were inferred do not have them. They are
    /// sorted, and at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late_keys: Vec<String>,
    /// The counts of Tracee's events; `None` if the lines are not Tracee's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracee: Option<TraceeEvents>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The keys of objects that are no columns, at most [`MAX_LATE_KEYS`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LateKeys(BTreeSet<String>);

impl LateKeys {
    /// Adds a key. When there are too many, the last one in alphabetical order is dropped.
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

/// The counts of Tracee's events by how they map to events of BETH.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TraceeEvents {
    /// The number of events whose name BETH has too.
    pub mapped: u64,
    /// The number of events that were given the name of a similar event of BETH.
    pub aliased: u64,
    /// The number of events that BETH does not have; they keep their names.
    pub unknown: u64,
}

/// The counts of the last scan of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScanCounts {
    /// The counts of the lines of JSON; `None` if no line was read.
    pub intake: Option<Intake>,
    /// The number of values of `args` that could not be read. The SQL function `arg` returned null for them.
    pub malformed_args: u64,
    /// The texts that are not all characters; `None` if there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ReplacedTexts>,
    /// What is to be said of columns that were read as another type than the first records suggested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The texts with bytes that are not UTF-8, or with halves of surrogate pairs. Each such part was read as U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplacedTexts {
    /// The number of texts. Of JSON, those of columns that were not read are not counted.
    pub values: u64,
    /// Where the first of them is.
    pub first: String,
}

/// The counts of one attempt at a scan, which its threads share. A piece of a text that is read again replaces what was
/// counted before.
#[derive(Debug, Default)]
pub(crate) struct ScanLog {
    /// The pieces by the name of their text and their first byte.
    pieces: Mutex<BTreeMap<(PathBuf, u64), (Origin, Piece)>>,
    malformed_args: Arc<AtomicU64>,
    /// Whether numbers of CSV are read where nobody searches the text for what they lose.
    loses_in_silence: AtomicBool,
}

/// The counts of one piece of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    /// The number of lines that hold an event.
    pub events: u64,
    /// The number of lines that could not be read.
    pub bad_lines: u64,
    /// The first bad lines, and what is wrong with each.
    first: Vec<(LineStart, String)>,
    /// The number of lines that hold objects of another kind.
    pub other_lines: u64,
    /// The first such lines, and what each lacks.
    first_others: Vec<(LineStart, String)>,
    pub dialect: Option<Dialect>,
    pub tracee: Option<TraceeEvents>,
    pub late_keys: LateKeys,
    /// The number of texts that had parts which are no characters, and where the first is.
    replaced: Option<(u64, LineStart)>,
}

impl Piece {
    /// Counts texts, of the line or record that begins at `start`, with parts that were replaced.
    pub fn add_replaced(&mut self, start: LineStart, texts: u64) {
        if texts > 0 {
            self.replaced.get_or_insert((0, start)).0 += texts;
        }
    }

    /// Counts the line that begins at `start` as bad.
    pub fn add_bad(&mut self, start: LineStart, why: String) {
        self.bad_lines += 1;
        if self.first.len() < SHOWN {
            self.first.push((start, why));
        }
    }
}

impl Piece {
    /// Counts the line that begins at `start` as one of another kind.
    pub fn add_other(&mut self, start: LineStart, why: String) {
        self.other_lines += 1;
        if self.first_others.len() < SHOWN {
            self.first_others.push((start, why));
        }
    }
}

impl ScanLog {
    /// Notes that numbers of CSV are read where nobody searches the text for what they lose.
    pub fn note_silence(&self) {
        self.loses_in_silence.store(true, Ordering::Relaxed);
    }

    /// Returns whether that was noted.
    pub fn loses_in_silence(&self) -> bool {
        self.loses_in_silence.load(Ordering::Relaxed)
    }

    /// Returns the counter of values of `args` that could not be read.
    pub fn malformed_args(&self) -> &Arc<AtomicU64> {
        &self.malformed_args
    }

    /// Returns the counts so far of the texts called `names`, in this order.
    pub fn counts<'a>(&self, names: impl Iterator<Item = &'a Path>) -> ScanCounts {
        let names: Vec<&Path> = names.collect();
        ScanCounts {
            intake: self.summary(names.iter().copied()),
            malformed_args: self.malformed_args.load(Ordering::Relaxed),
            replaced: self.replaced(&names),
            notes: Vec::new(),
        }
    }

    /// Returns how many texts had parts that were replaced.
    fn replaced(&self, names: &[&Path]) -> Option<ReplacedTexts> {
        let pieces = self.pieces().clone();
        let mut all: Option<ReplacedTexts> = None;
        for name in names {
            let of_text = pieces.iter().filter(|((path, _), _)| path == name);
            for (_, (origin, piece)) in of_text {
                let Some((values, start)) = piece.replaced else {
                    continue;
                };
                let all = all.get_or_insert_with(|| ReplacedTexts {
                    values: 0,
                    first: origin.place(start),
                });
                all.values += values;
            }
        }
        all
    }

    /// Records the counts of the piece of `origin` that begins at byte `start`.
    pub fn record(&self, origin: &Origin, start: u64, piece: Piece) {
        let key = (origin.path().to_owned(), start);
        self.pieces().insert(key, (origin.clone(), piece));
    }

    /// Returns the sum of all pieces, or `None` where no line was read.
    fn summary<'a>(&self, names: impl Iterator<Item = &'a Path>) -> Option<Intake> {
        let pieces = self.pieces().clone();
        let mut intake = Intake::default();
        let mut late_keys = LateKeys::default();
        for name in names {
            let of_text = pieces.iter().filter(|((path, _), _)| path == name);
            for (_, (origin, piece)) in of_text {
                intake.add(origin, piece);
                piece.late_keys.0.iter().for_each(|key| late_keys.add(key));
            }
        }
        intake.late_keys = late_keys.0.into_iter().collect();
        (intake.events + intake.bad_lines + intake.other_lines > 0).then_some(intake)
    }

    fn pieces(&self) -> MutexGuard<'_, BTreeMap<(PathBuf, u64), (Origin, Piece)>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    fn add(&mut self, origin: &Origin, piece: &Piece) {
        self.events += piece.events;
        self.bad_lines += piece.bad_lines;
        self.other_lines += piece.other_lines;
        self.dialect = self.dialect.or(piece.dialect);
        for (all, first) in [
            (&mut self.first_bad_lines, &piece.first),
            (&mut self.first_other_lines, &piece.first_others),
        ] {
            let shown = first.iter().take(SHOWN - all.len());
            all.extend(shown.map(|(start, why)| origin.line_error(*start, why).to_string()));
        }
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

    /// Checks that most lines could be read, and that most of them are events.
    ///
    /// # Errors
    /// Fails when more lines are bad than is tolerated, or more are of another kind than events.
    pub(super) fn check(&self) -> Result<()> {
        let dialect = self.dialect.filter(|dialect| dialect.needs_most_lines());
        if let Some(dialect) = dialect.filter(|_| self.other_lines > self.events) {
            return Err(Error::data(format!(
                "{} of {} lines are not {}. The first is {}",
                self.other_lines,
                self.other_lines + self.events,
                dialect.events(),
                self.first_other_lines.join("; then ")
            ))
            .hint("lines of other kinds are left out, but most must be events: separate the two"));
        }
        let lines = self.events + self.bad_lines;
        if self.bad_lines <= ALWAYS_TOLERATED || self.bad_lines * TOLERATED <= lines {
            return Ok(());
        }
        Err(Error::data(format!(
            "{} of {lines} lines cannot be read; at most one in {TOLERATED} is left out. The first is {}",
            self.bad_lines,
            self.first_bad_lines.join("; then ")
        ))
        .hint("is this newline-delimited JSON, and do later lines have the columns and types of the first ones?"))
    }
}
