//! Rarity: −ln P(value | given), estimated from the counts of the training events.
//!
//! With n(v, g) training events of value v among the n(g) that have what is given, and D distinct values,
//! P(v | g) = (n(v, g) + α) / (n(g) + α (D + 1)): additive smoothing (Lidstone) in which one further value stands for
//! all that were never seen. A context that was never seen, such as a program that is new, says nothing of the values
//! beside it: then the first of what is given is left out, and so on (backing off, as Katz 1987 does for n-grams).

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// α of the smoothing.
const SMOOTHING: f64 = 1.0;
/// Most combinations of a value and what it is given that are counted.
pub(crate) const MAX_COUNTED: usize = 1 << 20;
/// Most combinations that a model keeps; the rarest beyond them count like what was never seen.
const MAX_KEPT: usize = 1 << 16;
/// Longest text that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The id of a null.
pub(crate) const NULL_ID: u32 = 0;
/// The id of a text that no kept combination has.
pub(crate) const UNSEEN_ID: u32 = u32::MAX;

/// The ids of a value and of what it is given, 32 bits each, the value lowest.
pub(crate) type Key = u128;

/// Packs ids into a key.
pub(crate) fn key(ids: impl DoubleEndedIterator<Item = u32>) -> Key {
    ids.rev().fold(0, |key, id| key << 32 | Key::from(id))
}

/// The ids that a key packs.
pub(crate) fn unpack(key: Key, parts: usize) -> impl Iterator<Item = u32> {
    (0..parts).map(move |part| (key >> (32 * part)) as u32)
}

/// The id of a text's code, counted from 0; NaN stands for a null.
pub(crate) fn id_of_code(code: f64) -> u32 {
    if code.is_nan() {
        NULL_ID
    } else {
        code as u32 + 1
    }
}

/// What is given, of a key.
fn context(key: Key) -> Key {
    key >> 32
}

/// How many training events had each combination.
pub(crate) type RarityCounts = HashMap<Key, u64, RandomState>;

/// A fitted rarity as the model file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RarityData {
    /// Per part (the value, then what it is given) its sorted texts; a null is a value like any other.
    pub texts: Vec<Vec<Option<String>>>,
    /// Per combination the position of each part's text, sorted.
    pub keys: Vec<u32>,
    /// Per combination how many training events had it.
    pub counts: Vec<u64>,
    /// How many rarer combinations were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RarityData {
    /// Keeps the most frequent combinations. `texts` gives for each part the texts that ids beyond [`NULL_ID`] stand for.
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

    /// Whether what a file says can be true of a rarity of `parts` parts.
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
            return refuse("does not have the size that it claims");
        }
        let total = self
            .counts
            .iter()
            .try_fold(0_u64, |total, count| total.checked_add(*count));
        if self.counts.contains(&0) || total.is_none_or(|total| total > 1 << 53) {
            return refuse("has counts that cannot be true");
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
            refuse("names a text that it does not have")
        }
    }
}

/// A fitted rarity, ready to be looked up.
#[derive(Debug, Clone)]
pub(crate) struct RarityTable {
    /// First given everything, then without the first of what is given, and so on until nothing is given.
    levels: Vec<Level>,
}

/// The counts for one choice of context.
#[derive(Debug, Clone)]
struct Level {
    n_values: usize,
    combinations: HashMap<Key, Combination, RandomState>,
    contexts: RarityCounts,
}

/// What is known of a combination that was seen.
#[derive(Debug, Clone, Copy)]
struct Combination {
    count: u64,
    rarity: f64,
}

/// How often a value was seen in training beside what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Events with the value and the context.
    pub count: u64,
    /// Events with the context.
    pub of: u64,
    /// How many of what it is given had to be left out, because together they were never seen.
    pub dropped: usize,
}

impl RarityTable {
    /// Of counted combinations of a value and `given` more parts.
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

    /// −ln P(value | given) of a combination.
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

    /// How often a combination was seen, with as much of its context as was seen at all.
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
        // Without any context only an empty table has seen nothing.
        seen.next().unwrap_or(Sighting {
            count: 0,
            of: 0,
            dropped: self.levels.len() - 1,
        })
    }
}

impl Level {
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

/// −ln of the smoothed share of `count` among `of` events, which have `n_values` values.
fn surprise(count: u64, of: u64, n_values: usize) -> f64 {
    let all = of as f64 + SMOOTHING * (n_values as f64 + 1.0);
    learn::real::ln(all / (count as f64 + SMOOTHING))
}

/// A key without the first `dropped` of what is given; the value stays.
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
    fn rarity_is_the_smoothed_surprise() {
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
    fn a_table_survives_the_model_file() {
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
    fn the_rarest_combinations_beyond_the_bound_count_like_unseen_ones() {
        let texts: Vec<String> = (0..MAX_KEPT + 2).map(|text| format!("{text:06}")).collect();
        let ids = 1..=texts.len() as u32;
        let counts = ids.map(|id| (key([id].into_iter()), if id <= 2 { 1 } else { 5 }));
        let data = RarityData::new(&counts.collect(), &[&texts]);
        assert_eq!((data.dropped, data.counts.len()), (2, MAX_KEPT));
        assert_eq!(data.texts[0][0].as_deref(), Some("000002"));
        assert!(data.check("f", 1).is_ok());
    }
}
