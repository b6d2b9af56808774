//! Counts of a column's texts.

use std::collections::HashMap;

use super::KeyCounts;
use super::counts::hash_bytes;
use super::recent::{Recent, Slot};

/// The maximum total length of the stored texts, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// The maximum length of a stored text, in bytes; longer texts are truncated.
const MAX_TEXT: usize = 256;

/// Returns the part of a text that is stored of it: the whole text if it has at most 256 bytes.
#[must_use]
pub fn kept(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Counts of texts. Texts are identified by a 64-bit hash. The probability that any two of n
/// distinct texts share a hash is n²/2⁶⁵, which is 3·10⁻⁸ for a million. The beginnings of the most
/// frequent texts are stored.
#[derive(Debug, Clone, Default)]
pub struct TextCounts {
    recent: Recent<String>,
    table: Table,
}

/// The counts of all texts that are not in the cache of recent ones.
#[derive(Debug, Clone)]
struct Table {
    keys: KeyCounts,
    /// The stored texts, by hash.
    texts: HashMap<u64, Box<str>>,
    /// The total length of the stored texts, in bytes.
    bytes: usize,
    /// Texts with a lower count are not stored.
    frequent: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            keys: KeyCounts::default(),
            texts: HashMap::new(),
            bytes: 0,
            frequent: 1,
        }
    }
}

impl TextCounts {
    /// Counts one occurrence of a text.
    pub fn push(&mut self, text: &str) {
        self.add(text, 1);
    }

    /// Adds `times`, at least 1, to the count of a text.
    pub fn add(&mut self, text: &str, times: u64) {
        let key = hash_bytes(text.as_bytes());
        let table = &mut self.table;
        let enter = |kept: &mut String| {
            kept.clear();
            kept.push_str(self::kept(text));
        };
        self.recent
            .add(key, times, |slot| table.add_slot(slot), enter);
    }

    /// Returns how many distinct texts have counts. A few more can be in the cache of recent texts.
    pub fn held(&self) -> usize {
        self.table.keys.len()
    }

    /// Moves the counts in the cache to the table.
    fn flush(&mut self) {
        let table = &mut self.table;
        self.recent.flush(|slot| table.add_slot(slot));
    }

    /// Returns the counts by hash.
    pub fn keys(&mut self) -> &KeyCounts {
        self.flush();
        &self.table.keys
    }

    /// Forgets the counts of the least frequent texts, so that at most `keep` remain.
    pub fn cut(&mut self, keep: usize) {
        self.flush();
        self.table.keys.cut(keep);
    }

    /// Returns the `number` most frequent stored texts with their counts. Texts with equal counts
    /// are in byte order.
    pub fn top(&mut self, number: usize) -> Vec<(&str, u64)> {
        self.flush();
        let Table { keys, texts, .. } = &self.table;
        let mut top: Vec<(&str, u64)> = keys
            .iter()
            .filter_map(|(key, count)| Some((texts.get(&key)?.as_ref(), count)))
            .collect();
        top.sort_unstable_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
        top.truncate(number);
        top
    }
}

impl Table {
    /// Adds the counts of a slot of the cache, and stores its text if it is frequent.
    fn add_slot(&mut self, slot: &Slot<String>) {
        let count = self.keys.add(slot.key, slot.times);
        // Checking only when a count passes a power of two suffices, because the limit is always a
        // power of two.
        let passes_a_power = count.leading_zeros() < (count - slot.times).leading_zeros();
        if count >= self.frequent && passes_a_power {
            self.keep(slot.key, &slot.data);
        }
    }

    /// Stores a text, and removes less frequent texts while there are too many bytes.
    fn keep(&mut self, key: u64, text: &str) {
        if self.texts.contains_key(&key) {
            return;
        }
        self.bytes += text.len();
        self.texts.insert(key, text.into());
        while self.bytes > MAX_BYTES {
            self.frequent *= 2;
            let counts: HashMap<u64, u64> = self.keys.iter().collect();
            let frequent = self.frequent;
            self.texts
                .retain(|key, _| counts.get(key).is_some_and(|count| *count >= frequent));
            self.bytes = self.texts.values().map(|text| text.len()).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_texts_are_kept_among_many_long_ones() {
        let mut counts = TextCounts::default();
        for index in 0..40_000 {
            counts.push(&format!("{index} {}", "x".repeat(300)));
            // This text first occurs when there is no room left.
            if index > 20_000 && index % 4 == 0 {
                counts.push("late but frequent");
            }
        }
        assert_eq!(counts.keys().distinct(), 40_001);
        assert_eq!(counts.top(1), [("late but frequent", 5000 - 1)]);
        assert!(counts.table.texts.len() * MAX_TEXT < 2 * MAX_BYTES);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut counts = TextCounts::default();
        counts.push(&"ß".repeat(200));
        counts.push(&format!("x{}", "ß".repeat(200)));
        let lengths: Vec<usize> = counts.top(2).iter().map(|top| top.0.len()).collect();
        assert_eq!(lengths, [255, 256]);
    }
}
