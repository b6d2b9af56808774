//! The rows that a model has scored, so that it scores a row once.
//!
//! Most kernel calls repeat others. The codes of a row's inputs, a few small integers, find its features and its score in
//! a table; only a new row is encoded and goes through the forest. A table holds a bounded number of rows. It belongs to
//! one thread at a time, and outlives the batches of a scan. The scores are those of the forest, whatever the table holds.

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::error::Result;
use crate::features::CodedInputs;

/// The maximum number of rows in a table. A table that is full begins anew.
const MAX_ROWS: usize = 1 << 16;

/// The maximum number of 32-bit words of the codes and the features of a table's rows: 16 MiB.
const MAX_WORDS: usize = 1 << 22;

/// The maximum number of slots that are probed for a row. Ordinary rows need far fewer.
const MAX_PROBES: usize = 32;

/// The number of slots of an empty table.
const FIRST_SLOTS: usize = 1 << 12;

/// The maximum number of batches that a table is not used for after batches of new rows.
const MAX_PAUSE: u32 = 63;

/// The features and the scores of the rows of a batch.
#[derive(Debug, Clone)]
pub(crate) struct ScoredRows {
    /// For each row of the batch, its position in what follows.
    pub positions: Vec<u32>,
    /// The scores of the different rows.
    pub scores: Vec<f64>,
    /// The features of the different rows, as the forest gets them: rows × features, row-major.
    pub features: Vec<f64>,
}

impl ScoredRows {
    /// Takes the features and the scores of rows none of which are merged.
    pub fn separate(features: Vec<f64>, scores: Vec<f64>) -> Self {
        Self {
            positions: (0..scores.len() as u32).collect(),
            scores,
            features,
        }
    }
}

/// The tables of a model, one for each thread that scores at the same time.
#[derive(Debug, Default)]
pub(crate) struct KnownRows(Mutex<Vec<Table>>);

impl KnownRows {
    /// Returns the `n_features` features and the scores of rows. `score` computes both for new rows, given their codes.
    ///
    /// # Errors
    /// Fails when `score` fails.
    pub fn scored(
        &self,
        rows: &CodedInputs,
        n_features: usize,
        score: impl FnOnce(&CodedInputs) -> Result<(Vec<f64>, Vec<f64>)>,
    ) -> Result<ScoredRows> {
        let mut table = self.tables().pop().unwrap_or_default();
        // A table is dropped if scoring fails, because it then has rows without scores.
        let scored = table.scored(rows, n_features, score)?;
        self.tables().push(table);
        Ok(scored)
    }

    fn tables(&self) -> MutexGuard<'_, Vec<Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash table with open addressing that is at most half full.
#[derive(Debug, Default)]
struct Table {
    /// The maximum number of rows.
    capacity: usize,
    /// The positions of rows plus 1; 0 marks an empty slot.
    slots: Vec<u32>,
    hashes: Vec<u64>,
    /// The codes of the rows, row-major.
    words: Vec<u32>,
    scores: Vec<f64>,
    features: Vec<f64>,
    /// The last batch that each row occurred in, and its position among the batch's different rows.
    seen: Vec<(u64, u32)>,
    batch: u64,
    /// The number of batches for which the table is not used, and of those in the pause before.
    pause: u32,
    last_pause: u32,
    hasher: RandomState,
}

/// Where the features and the score of one of a batch's different rows are.
#[derive(Clone, Copy)]
enum Place {
    /// A row of the table.
    Kept(usize),
    /// A row that the table has no room for, among those that are scored now.
    Scored(usize),
}

/// The different rows of a batch.
#[derive(Default)]
struct Different {
    places: Vec<Place>,
    /// The rows of the batch that are scored now.
    new: Vec<u32>,
    /// For each of these, whether the table keeps it.
    is_kept: Vec<bool>,
}

impl Different {
    /// Adds a row that is scored now and not kept.
    fn push_unkept(&mut self, row: usize) {
        self.places.push(Place::Scored(self.new.len()));
        self.new.push(row as u32);
        self.is_kept.push(false);
    }
}

impl Table {
    /// See [`KnownRows::scored`].
    fn scored(
        &mut self,
        rows: &CodedInputs,
        n_features: usize,
        score: impl FnOnce(&CodedInputs) -> Result<(Vec<f64>, Vec<f64>)>,
    ) -> Result<ScoredRows> {
        if self.pause > 0 {
            self.pause -= 1;
            let (features, scores) = score(rows)?;
            return Ok(ScoredRows::separate(features, scores));
        }
        self.capacity = (MAX_WORDS / (rows.n_words() + 2 * n_features)).min(MAX_ROWS);
        if self.scores.len() >= self.capacity {
            self.clear();
        }
        self.batch += 1;
        let (positions, different) = self.find(rows);
        let (features, scores) = match different.new.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => score(&rows.select(&different.new))?,
        };
        let new = features.chunks_exact(n_features).zip(&scores);
        for ((features, score), _) in new.zip(&different.is_kept).filter(|(_, kept)| **kept) {
            self.features.extend_from_slice(features);
            self.scores.push(*score);
        }
        // Where most rows are new, a table only costs time.
        let mostly_new = 2 * different.new.len() > rows.n_rows();
        self.pause = match mostly_new {
            true => (2 * self.last_pause + 1).min(MAX_PAUSE),
            false => 0,
        };
        self.last_pause = self.pause;
        let mut gathered = ScoredRows {
            positions,
            scores: Vec::with_capacity(different.places.len()),
            features: Vec::with_capacity(different.places.len() * n_features),
        };
        for place in different.places {
            let (scores, features, at) = match place {
                Place::Kept(at) => (&self.scores, &self.features, at),
                Place::Scored(at) => (&scores, &features, at),
            };
            gathered.scores.push(scores[at]);
            let row = &features[at * n_features..][..n_features];
            gathered.features.extend_from_slice(row);
        }
        Ok(gathered)
    }

    /// Finds the different rows of a batch, and adds those that are new. Returns the position of every row among the
    /// different ones.
    fn find(&mut self, rows: &CodedInputs) -> (Vec<u32>, Different) {
        let (n_words, words) = (rows.n_words(), rows.words());
        let mut different = Different::default();
        let mut positions = Vec::with_capacity(rows.n_rows());
        for (row, words) in words.chunks_exact(n_words).enumerate() {
            let next = different.places.len() as u32;
            let at = match self.number(words) {
                Some((at, is_new)) => {
                    if is_new {
                        different.new.push(row as u32);
                        different.is_kept.push(true);
                    }
                    at
                }
                None => {
                    different.push_unkept(row);
                    positions.push(next);
                    continue;
                }
            };
            if self.seen[at].0 != self.batch {
                self.seen[at] = (self.batch, next);
                different.places.push(Place::Kept(at));
            }
            positions.push(self.seen[at].1);
        }
        (positions, different)
    }

    /// Returns the number of a row with the codes `words`, and whether it was added now. Returns `None` if the table has
    /// no room for it.
    fn number(&mut self, words: &[u32]) -> Option<(usize, bool)> {
        if 2 * self.hashes.len() >= self.slots.len() {
            self.grow();
        }
        let hash = self.hasher.hash_one(words);
        let mask = self.slots.len() - 1;
        for probe in 0..MAX_PROBES {
            let slot = (hash as usize).wrapping_add(probe) & mask;
            let Some(at) = (self.slots[slot] as usize).checked_sub(1) else {
                return self.add(words, hash, slot);
            };
            if self.hashes[at] == hash && self.words[at * words.len()..][..words.len()] == *words {
                return Some((at, false));
            }
        }
        None
    }

    /// Adds a row in an empty slot.
    fn add(&mut self, words: &[u32], hash: u64, slot: usize) -> Option<(usize, bool)> {
        let at = self.hashes.len();
        if at >= self.capacity {
            return None;
        }
        self.slots[slot] = at as u32 + 1;
        self.hashes.push(hash);
        self.words.extend_from_slice(words);
        self.seen.push((0, 0));
        Some((at, true))
    }

    /// Doubles the slots.
    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(FIRST_SLOTS);
        self.slots.clear();
        self.slots.resize(size, 0);
        for (at, hash) in self.hashes.iter().enumerate() {
            let mut slot = *hash as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = at as u32 + 1;
        }
    }

    /// Removes all rows.
    fn clear(&mut self) {
        self.slots.fill(0);
        self.hashes.clear();
        self.words.clear();
        self.scores.clear();
        self.features.clear();
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns rows of an id and a number, which are the digits of `kinds`.
    fn rows(kinds: &[u32]) -> CodedInputs<'static> {
        let numbers = [0.0, 1.0, f64::NAN, 5e-324, -1e300];
        let ids = kinds.iter().map(|kind| kind / numbers.len() as u32);
        let numbers = kinds
            .iter()
            .map(|kind| numbers[*kind as usize % numbers.len()]);
        CodedInputs::of(ids.collect(), numbers.collect())
    }

    /// Makes two features and a score of each row, from nothing but its codes.
    fn score(rows: &CodedInputs) -> Result<(Vec<f64>, Vec<f64>)> {
        let words = rows.words();
        let words = words.chunks_exact(rows.n_words());
        let features = words
            .clone()
            .flat_map(|row| [f64::from(row[0]), f64::from(row[2])]);
        let scores =
            words.map(|row| f64::from(row[0]) / 3.0 + f64::from(row[1]) + f64::from(row[2]));
        Ok((features.collect(), scores.collect()))
    }

    /// Compares what the tables give for a batch with the scores of all its rows. Returns the number of rows that were
    /// scored.
    fn check(known: &KnownRows, batch: &[u32]) -> usize {
        let rows = rows(batch);
        let mut n_scored = 0;
        let found = known.scored(&rows, 2, |new| {
            n_scored = new.n_rows();
            score(new)
        });
        let (found, (features, scores)) = (found.unwrap(), score(&rows).unwrap());
        assert_eq!(found.positions.len(), batch.len());
        for (row, at) in found.positions.iter().enumerate() {
            let at = *at as usize;
            assert_eq!(found.scores[at].to_bits(), scores[row].to_bits());
            assert_eq!(found.features[2 * at..][..2], features[2 * row..][..2]);
        }
        n_scored
    }

    #[test]
    fn a_row_is_scored_once() {
        let known = KnownRows::default();
        assert_eq!(check(&known, &[3, 4, 3, 3, 4, 5, 4, 3]), 3);
        assert_eq!(check(&known, &[5, 4, 3, 5, 9, 9, 9, 3]), 1);
        assert_eq!(check(&known, &[]), 0);
    }

    #[test]
    fn the_table_is_bounded_and_pauses_where_all_rows_are_new() {
        let known = KnownRows::default();
        let size = MAX_ROWS as u32 / 2 + 1;
        let mut n_tables = 0;
        for batch in 0..40 {
            let first = batch * size;
            check(&known, &(first..first + size).collect::<Vec<_>>());
            let tables = known.tables();
            n_tables = n_tables.max(tables.len());
            assert!(tables.iter().all(|table| table.scores.len() <= MAX_ROWS));
            assert!(
                tables
                    .iter()
                    .all(|table| table.hashes.len() == table.scores.len())
            );
        }
        assert_eq!(n_tables, 1);
        // After the pause, rows that repeat are found again.
        let repeated: Vec<u32> = (0..64).map(|row| row % 2).collect();
        let scored: Vec<usize> = (0..70).map(|_| check(&known, &repeated)).collect();
        assert_eq!(scored[69], 0);
    }

    #[test]
    fn a_failure_leaves_no_row_without_a_score() {
        let known = KnownRows::default();
        let failed = known.scored(&rows(&[1, 2]), 2, |_| Err(crate::Error::internal("no")));
        assert!(failed.is_err());
        assert_eq!(check(&known, &[1, 2]), 2);
    }

    proptest! {
        #[test]
        fn the_tables_give_what_scoring_every_row_gives(
            batches in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(0..20_u32, 0..60),
                    prop::collection::vec(any::<u32>(), 0..60),
                ],
                1..12,
            ),
        ) {
            let known = KnownRows::default();
            for batch in batches {
                check(&known, &batch);
            }
        }
    }
}
