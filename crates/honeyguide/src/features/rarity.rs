//! Rarity: −ln P(value | given), estimated from the counts of the training events.
//!
//! Let n(g) be the number of training events with the given values g, n(v, g) the number of those with the value v, and
//! D the number of distinct values. Then P(v | g) = (n(v, g) + α) / (n(g) + α (D + 1)). This is additive smoothing
//! (Lidstone 1920) in which one further value stands for all values that were never seen. The given values are the
//! context of the value. A context that was never seen, such as a new program, has no information about values. Then
//! the first of the given values is dropped, then the next, until the context was seen (backing off, as Katz 1987 does
//! for n-grams).

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The parameter α of the smoothing.
const SMOOTHING: f64 = 1.0;
/// The maximum number of combinations of a value and its given values that are counted.
pub(crate) const MAX_COUNTED: usize = 1 << 20;
/// The maximum number of combinations that a model keeps. The rarest combinations beyond it count as never seen.
const MAX_KEPT: usize = 1 << 16;
/// The maximum length of a text that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The greatest count of a combination whose events say more about chance than about the combination.
const FEW: usize = 8;

/// The id of a null.
pub(crate) const NULL_ID: u32 = 0;
/// The id of a text that occurs in no kept combination.
pub(crate) const UNSEEN_ID: u32 = u32::MAX;

/// A combination: the ids of a value and of its given values, 32 bits each, with the value in the lowest bits.
pub(crate) type Key = u128;

/// Packs ids into a key, the first into the lowest bits.
pub(crate) fn key(ids: impl DoubleEndedIterator<Item = u32>) -> Key {
    ids.rev().fold(0, |key, id| key << 32 | Key::from(id))
}

/// Returns the ids in a key of `parts` ids.
pub(crate) fn unpack(key: Key, parts: usize) -> impl Iterator<Item = u32> {
    (0..parts).map(move |part| (key >> (32 * part)) as u32)
}

/// Returns the id of a text's code. Codes are counted from 0, and NaN stands for a null.
pub(crate) fn id_of_code(code: f64) -> u32 {
    if code.is_nan() {
        NULL_ID
    } else {
        code as u32 + 1
    }
}

/// Returns the given values of a key as a key.
fn context(key: Key) -> Key {
    key >> 32
}

/// The number of training events with each combination.
pub(crate) type RarityCounts = HashMap<Key, u64, RandomState>;

/// A fitted rarity in the form of the model file. Its parts are the value and then the given values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RarityData {
    /// The sorted texts of each part. A null is a value like any other.
    pub texts: Vec<Vec<Option<String>>>,
    /// The combinations in ascending order, each as the positions of its parts' texts.
    pub keys: Vec<u32>,
    /// The number of training events with each combination.
    pub counts: Vec<u64>,
    /// The number of rarer combinations that were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RarityData {
    /// Keeps the most frequent combinations. `texts[part][id - 1]` is the text of an id above [`NULL_ID`].
    pub fn new(counts: &RarityCounts, texts: &[&[String]]) -> Self {
        let text =
            |part: usize, id: u32| (id != NULL_ID).then(|| texts[part][id as usize - 1].clone());
        let mut kept: Vec<(Key, u64)> = counts.iter().map(|(key, count)| (*key, *count)).collect();
        let all = kept.len();
        let length = |part: usize, id: u32| {
            if id == NULL_ID {
                0
            } else {
                texts[part][id as usize - 1].len()
            }
        };
        kept.retain(|(key, _)| {
            (0..)
                .zip(unpack(*key, texts.len()))
                .all(|(part, id)| length(part, id) <= MAX_TEXT_BYTES)
        });
        kept.sort_unstable_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
        kept.truncate(MAX_KEPT);
        let dropped = (all - kept.len()) as u64;
        kept.sort_unstable();
        let mut data = Self {
            texts: Vec::new(),
            keys: Vec::new(),
            counts: Vec::new(),
            dropped,
        };
        let mut positions: Vec<HashMap<u32, u32>> = Vec::new();
        for part in 0..texts.len() {
            let mut ids: Vec<u32> = kept
                .iter()
                .filter_map(|(key, _)| unpack(*key, texts.len()).nth(part))
                .collect();
            ids.sort_unstable();
            ids.dedup();
            data.texts
                .push(ids.iter().map(|id| text(part, *id)).collect());
            positions.push(
                (0..)
                    .zip(ids)
                    .map(|(position, id)| (id, position))
                    .collect(),
            );
        }
        for (combination, count) in kept {
            data.keys.extend(
                unpack(combination, texts.len())
                    .zip(&positions)
                    .map(|(id, position)| position[&id]),
            );
            data.counts.push(count);
        }
        data
    }

    /// Returns the greatest share of new events by which they can be expected to be rarer than the training events, although
    /// nothing changed. Each training event has counted itself, so that a new event like one with the count c was seen c − 1
    /// times: the events with a count of 1 stand for new ones with a count of 0 (Good 1953, "The population frequencies of
    /// species and the estimation of population parameters"). In each context the distributions are apart by at most the
    /// events of one count.
    pub fn optimism(&self) -> f64 {
        let parts = self.texts.len().max(1);
        let mut contexts: HashMap<&[u32], [u64; FEW]> = HashMap::new();
        for (key, count) in self.keys.chunks(parts).zip(&self.counts) {
            if let Some(index) = usize::try_from(*count)
                .ok()
                .and_then(|count| count.checked_sub(1))
                && index < FEW
            {
                contexts.entry(&key[1..]).or_default()[index] += count;
            }
        }
        let most = |by_count: &[u64; FEW]| by_count.iter().copied().max().unwrap_or(0);
        let rarer = contexts.values().map(most).sum::<u64>() + self.dropped;
        let all = self.counts.iter().sum::<u64>() + self.dropped;
        rarer as f64 / all.max(1) as f64
    }

    /// Checks the data of a model file for a rarity of `parts` parts.
    ///
    /// # Errors
    /// Fails when sizes do not match or exceed their limits, or when counts, texts or positions are invalid.
    pub fn check(&self, feature: &str, parts: usize) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::data(format!(
                "the rarity table of feature `{feature}` {why}"
            )))
        };
        if self.texts.len() != parts
            || self.counts.len() > MAX_KEPT
            || self.keys.len() != parts * self.counts.len()
        {
            return refuse("has an invalid size");
        }
        let total = self
            .counts
            .iter()
            .try_fold(0_u64, |total, count| total.checked_add(*count));
        if self.counts.contains(&0) || total.is_none_or(|total| total > 1 << 53) {
            return refuse("has invalid counts");
        }
        for texts in &self.texts {
            let too_long = texts
                .iter()
                .flatten()
                .any(|text| text.len() > MAX_TEXT_BYTES);
            if too_long || texts.len() > MAX_KEPT || !texts.is_sorted_by(|left, right| left < right)
            {
                return refuse("has texts that are too long, too many or not sorted");
            }
        }
        let in_range = self.keys.chunks(parts).all(|key| {
            key.iter()
                .zip(&self.texts)
                .all(|(id, texts)| (*id as usize) < texts.len())
        });
        if in_range {
            Ok(())
        } else {
            refuse("refers to a text that it does not contain")
        }
    }
}

/// A fitted rarity, prepared for look-ups.
#[derive(Debug, Clone)]
pub(crate) struct RarityTable {
    /// The counts with all given values, then without the first of them, and so on until none is left.
    levels: Vec<Level>,
}

/// The counts of a rarity with some of its given values.
#[derive(Debug, Clone)]
struct Level {
    /// The number of distinct values.
    n_values: usize,
    combinations: HashMap<Key, Combination, RandomState>,
    /// The number of training events with each context.
    contexts: RarityCounts,
}

/// A combination that was seen in training.
#[derive(Debug, Clone, Copy)]
struct Combination {
    /// The number of training events.
    count: u64,
    rarity: f64,
}

/// The numbers of training events from which a rarity is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The number of events with the value and the context.
    pub count: u64,
    /// The number of events with the context.
    pub of: u64,
    /// The number of given values that were dropped because the longer context was never seen.
    pub dropped: usize,
}

impl RarityTable {
    /// Creates the table from the counts of combinations of a value and `given` given values.
    pub fn new(counts: &RarityCounts, given: usize) -> Self {
        let mut values: Vec<u32> = counts
            .keys()
            .map(|combination| *combination as u32)
            .collect();
        values.sort_unstable();
        values.dedup();
        let levels = (0..=given).map(|dropped| {
            let mut of_level = RarityCounts::default();
            for (combination, count) in counts {
                *of_level
                    .entry(without_first_given(*combination, dropped))
                    .or_default() += count;
            }
            Level::new(of_level, values.len())
        });
        Self {
            levels: levels.collect(),
        }
    }

    /// Returns the rarity of a combination, −ln P(value | given).
    pub fn rarity(&self, key: Key) -> f64 {
        if let Some(seen) = self.levels[0].combinations.get(&key) {
            return seen.rarity;
        }
        let sighting = self.sighting(key);
        surprise(
            sighting.count,
            sighting.of,
            self.levels[sighting.dropped].n_values,
        )
    }

    /// Returns how often a combination was seen, with the longest part of its context that was seen.
    pub fn sighting(&self, key: Key) -> Sighting {
        let by_level = self.levels.iter().enumerate();
        let mut seen = by_level.filter_map(|(dropped, level)| {
            let key = without_first_given(key, dropped);
            let of = *level.contexts.get(&context(key))?;
            Some(Sighting {
                count: level.combinations.get(&key).map_or(0, |seen| seen.count),
                of,
                dropped,
            })
        });
        // The empty context was always seen, unless the table is empty.
        seen.next().unwrap_or(Sighting {
            count: 0,
            of: 0,
            dropped: self.levels.len() - 1,
        })
    }
}

impl Level {
    /// Creates the level from the counts of its combinations.
    fn new(counts: RarityCounts, n_values: usize) -> Self {
        let mut contexts = RarityCounts::default();
        for (combination, count) in &counts {
            *contexts.entry(context(*combination)).or_default() += count;
        }
        let combinations = counts.into_iter().map(|(combination, count)| {
            let rarity = surprise(count, contexts[&context(combination)], n_values);
            (combination, Combination { count, rarity })
        });
        Self {
            n_values,
            combinations: combinations.collect(),
            contexts,
        }
    }
}

/// Returns −ln of the smoothed share of `count` among `of` events that have `n_values` distinct values.
fn surprise(count: u64, of: u64, n_values: usize) -> f64 {
    let all = of as f64 + SMOOTHING * (n_values as f64 + 1.0);
    learn::real::ln(all / (count as f64 + SMOOTHING))
}

/// Returns a key without its first `dropped` given values.
fn without_first_given(key: Key, dropped: usize) -> Key {
    (context(key) >> (32 * dropped)) << 32 | Key::from(key as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RarityTable {
        let ids = |value, given| key([value, given].into_iter());
        RarityTable::new(
            &RarityCounts::from_iter([(ids(1, 1), 6), (ids(2, 1), 2), (ids(1, 2), 1)]),
            1,
        )
    }

    #[test]
    fn rarity_is_the_negative_logarithm_of_the_smoothed_share() {
        let rarity = |value, given| table().rarity(key([value, given].into_iter()));
        let close = |found: f64, share: f64| {
            assert!(
                (found + share.ln()).abs() < 1e-12,
                "{found} is not −ln {share}"
            )
        };
        close(rarity(1, 1), 7.0 / 11.0);
        close(rarity(2, 1), 3.0 / 11.0);
        close(rarity(2, 2), 1.0 / 4.0);
        close(rarity(9, 1), 1.0 / 11.0);
        close(rarity(1, 9), 8.0 / 12.0);
        close(rarity(9, 9), 1.0 / 12.0);
    }

    #[test]
    fn the_data_for_the_model_file_is_sorted_and_valid() {
        let counts =
            RarityCounts::from_iter([(key([1, 2].into_iter()), 6), (key([0, 1].into_iter()), 2)]);
        let (values, given) = (["open".to_owned()], ["cron".to_owned(), "sshd".to_owned()]);
        let data = RarityData::new(&counts, &[&values, &given]);
        assert!(data.check("f", 2).is_ok());
        assert_eq!(
            data.texts,
            [
                vec![None, Some("open".into())],
                vec![Some("cron".into()), Some("sshd".into())]
            ]
        );
        assert_eq!((data.keys, data.counts), (vec![0, 0, 1, 1], vec![2, 6]));
    }

    #[test]
    fn new_events_are_rarer_by_those_that_training_saw_once() {
        let ids = |value, given| key([value, given].into_iter());
        // In context 1: two values once and one value twice. In context 2: one value 90 times and one 4 times.
        let counts = [(1, 1, 1), (2, 1, 1), (3, 1, 2), (1, 2, 90), (2, 2, 4)];
        let counts = counts.map(|(value, given, count)| (ids(value, given), count));
        let texts = ["a", "b", "c"].map(str::to_owned);
        let data = RarityData::new(&RarityCounts::from_iter(counts), &[&texts, &texts]);
        assert_eq!(data.optimism(), (2.0 + 4.0) / 98.0);
    }

    #[test]
    fn the_rarest_combinations_beyond_the_limit_are_dropped() {
        let texts: Vec<String> = (0..MAX_KEPT + 2).map(|text| format!("{text:06}")).collect();
        let ids = 1..=texts.len() as u32;
        let counts = ids.map(|id| (key([id].into_iter()), if id <= 2 { 1 } else { 5 }));
        let data = RarityData::new(&counts.collect(), &[&texts]);
        assert_eq!((data.dropped, data.counts.len()), (2, MAX_KEPT));
        assert_eq!(data.texts[0][0].as_deref(), Some("000002"));
        assert!(data.check("f", 1).is_ok());
    }
}
