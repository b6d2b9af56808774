//! Texts: how often which occurs.

use std::collections::HashMap;

use super::KeyCounts;
use super::counts::hash_bytes;
use super::recent::{Recent, Slot};

/// Bytes of texts that are kept.
const MAX_BYTES: usize = 1 << 20;
/// Longest part of a text that is kept, in bytes.
const MAX_TEXT: usize = 256;

/// Counts of texts. Texts are told apart by a 64-bit hash, so that two of n share one with a probability of n²/2^65:
/// 3·10⁻⁸ of a million. Of the most frequent ones the beginning is kept.
#[derive(Debug, Clone, Default)]
pub struct TextCounts {
    recent: Recent<String>,
    table: Table,
}

#[derive(Debug, Clone)]
struct Table {
    keys: KeyCounts,
    texts: HashMap<u64, Box<str>>,
    bytes: usize,
    /// Texts that were met less often are not kept.
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
    /// Counts a text once more.
    pub fn push(&mut self, text: &str) {
        self.add(text, 1);
    }

    /// Counts a text `times` times more, at least once.
    pub fn add(&mut self, text: &str, times: u64) {
        let key = hash_bytes(text.as_bytes());
        let table = &mut self.table;
        let enter = |kept: &mut String| {
            kept.clear();
            kept.push_str(&text[..text.floor_char_boundary(MAX_TEXT)]);
        };
        self.recent.add(key, times, |slot| table.take(slot), enter);
    }

    /// How many single texts are held; a few more may be on their way.
    pub fn held(&self) -> usize {
        self.table.keys.len()
    }

    fn settle(&mut self) {
        let table = &mut self.table;
        self.recent.settle(|slot| table.take(slot));
    }

    /// The counts by hash.
    pub fn keys(&mut self) -> &KeyCounts {
        self.settle();
        &self.table.keys
    }

    /// Holds at most `keep` counts.
    pub fn cut(&mut self, keep: usize) {
        self.settle();
        self.table.keys.cut(keep);
    }

    /// The `number` most frequent texts with their counts, as far as they are kept; of equal counts in their order.
    pub fn top(&mut self, number: usize) -> Vec<(&str, u64)> {
        self.settle();
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
    fn take(&mut self, slot: &Slot<String>) {
        let count = self.keys.add(slot.key, slot.times);
        // Looking once for each power of two is often enough: a text becomes frequent at one of them.
        let passes_a_power = count.leading_zeros() < (count - slot.times).leading_zeros();
        if count >= self.frequent && passes_a_power {
            self.keep(slot.key, &slot.with);
        }
    }

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
            // Comes first when there is no room for it any more.
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
