//! Counts of 64-bit keys whose memory can be limited.

use super::table::CountTable;
use crate::mix::fold;
use crate::real;
use crate::sampling::StableHash;

/// The number of hash bits that select a register.
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// The relative standard error of an estimated number of distinct keys: 1.04/√m for m registers
/// (Flajolet et al. 2007).
pub const DISTINCT_ERROR: f64 = 1.04 / 128.0;

/// The number of occurrences of each key.
///
/// [`cut`](Self::cut) frees memory by lossy counting (Manku & Motwani 2002, "Approximate frequency
/// counts over data streams", VLDB): it forgets keys with low counts, after which the remaining
/// counts are at most [`missed`](Self::missed) too low. From the first cut on, the number of
/// distinct keys is estimated by HyperLogLog (Flajolet, Fusy, Gandouet & Meunier 2007), which
/// observes every key.
#[derive(Debug, Clone, Default)]
pub struct KeyCounts {
    counts: CountTable,
    missed: u64,
    registers: Option<Box<[u8]>>,
}

impl KeyCounts {
    /// Adds 1 to the count of `key` and returns the new count.
    pub fn push(&mut self, key: u64) -> u64 {
        self.add(key, 1)
    }

    /// Adds `times`, at least 1, to the count of `key` and returns the new count.
    pub fn add(&mut self, key: u64, times: u64) -> u64 {
        let count = self.counts.add(key, times);
        if count == times
            && let Some(registers) = &mut self.registers
        {
            register(registers, key);
        }
        count
    }

    /// Returns the number of keys that have a count.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns whether no key has a count.
    pub fn is_empty(&self) -> bool {
        self.counts.len() == 0
    }

    /// Forgets the keys with the lowest counts, so that at most `keep` remain.
    pub fn cut(&mut self, keep: usize) {
        if self.counts.len() <= keep {
            return;
        }
        let keys = &self.counts;
        self.registers.get_or_insert_with(|| {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            keys.iter()
                .for_each(|(key, _)| register(&mut registers, key));
            registers
        });
        let mut counts: Vec<u64> = self.counts.iter().map(|(_, count)| count).collect();
        let forgotten = counts.len() - keep;
        let (_, &mut highest, _) = counts.select_nth_unstable(forgotten - 1);
        self.counts.forget(highest);
        self.missed += highest;
    }

    /// Returns an upper bound of how much too low a count can be; 0 when all counts are exact.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns whether no key was ever forgotten.
    pub fn is_complete(&self) -> bool {
        self.registers.is_none()
    }

    /// Returns the number of distinct keys that occurred. It is exact until keys are forgotten, and
    /// estimated thereafter.
    pub fn distinct(&self) -> u64 {
        match &self.registers {
            None => self.counts.len() as u64,
            Some(registers) => estimate(registers).round() as u64,
        }
    }

    /// Returns the (key, count) pairs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter()
    }

    /// Returns the `number` keys with the highest counts, in descending order of count. Of equal
    /// counts, the lower key comes first.
    pub fn top(&self, number: usize) -> Vec<(u64, u64)> {
        let mut top: Vec<(u64, u64)> = self.iter().collect();
        let order =
            |left: &(u64, u64), right: &(u64, u64)| right.1.cmp(&left.1).then(left.0.cmp(&right.0));
        if number > 0 && top.len() > number {
            top.select_nth_unstable_by(number - 1, order);
        }
        top.truncate(number);
        top.sort_unstable_by(order);
        top
    }
}

/// Hashes bytes and their number to 64 bits, with one 128-bit product per sixteen bytes. The result
/// is the same on every machine.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let mix = |hash: u64, bytes: &[u8]| {
        let (left, right) = bytes.split_at(8);
        fold(word(left) ^ hash, word(right) ^ 0xD6E8_FEB8_6659_FD93)
    };
    let whole = bytes.chunks_exact(16);
    let mut rest = [0; 16];
    rest[..whole.remainder().len()].copy_from_slice(whole.remainder());
    // Every step is combined with a non-zero constant, so that a product is 0 only by chance.
    let start = fold(
        bytes.len() as u64 ^ 0xA076_1D64_78BD_642F,
        0x9E37_79B9_7F4A_7C15,
    );
    let hash = whole.fold(start, |hash, bytes| {
        mix(hash.rotate_left(17) ^ start, bytes)
    });
    fold(mix(hash, &rest) ^ start, 0xE703_7ED1_A0B4_28DB)
}

/// Records a key: its register keeps the longest run of leading zeros.
fn register(registers: &mut [u8], key: u64) {
    let hash = StableHash::new(0).word(key).finish();
    let index = (hash >> (64 - REGISTER_BITS)) as usize;
    // A bit set below the run limits it to the remaining bits.
    let run = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() + 1;
    registers[index] = registers[index].max(run as u8);
}

/// Returns the raw HyperLogLog estimate or, when it is low and some registers are empty, the
/// linear-counting estimate (section 4 of the paper).
fn estimate(registers: &[u8]) -> f64 {
    let m = registers.len() as f64;
    let alpha = 0.7213 / (1.0 + 1.079 / m);
    let inverse = |run: &u8| 1.0 / (1u64 << run) as f64;
    let raw = alpha * m * m / registers.iter().map(inverse).sum::<f64>();
    let empty = registers.iter().filter(|run| **run == 0).count();
    if raw <= 2.5 * m && empty > 0 {
        m * real::ln(m / empty as f64)
    } else {
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_apart() {
        let mut hashes = std::collections::HashSet::new();
        let text: Vec<u8> = (0..200).collect();
        for length in 0..200 {
            assert!(hashes.insert(hash_bytes(&text[..length])));
            assert!(hashes.insert(hash_bytes(&vec![255; length + 2])));
            for bit in 0..8 * length {
                let mut flipped = text[..length].to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(hashes.insert(hash_bytes(&flipped)), "{length} {bit}");
            }
        }
    }

    #[test]
    fn counts_are_exact_until_they_are_cut() {
        let mut counts = KeyCounts::default();
        for key in [5, 5, 7, 5, 9, 9] {
            counts.push(key);
        }
        assert_eq!((counts.distinct(), counts.missed()), (3, 0));
        assert_eq!(counts.top(2), [(5, 3), (9, 2)]);
        assert_eq!(counts.push(9), 3);
        assert_eq!(counts.top(9), [(5, 3), (9, 3), (7, 1)]);
    }

    #[test]
    fn after_cuts_frequent_keys_are_still_known_and_distinct_ones_estimated() {
        let mut counts = KeyCounts::default();
        let n = 300_000;
        for index in 0..n {
            counts.push(index);
            if index % 3 == 0 {
                counts.push(u64::MAX - index % 5);
            }
            if counts.len() > 20_000 {
                counts.cut(10_000);
            }
        }
        let distinct = (n + 5) as f64;
        let error = counts.distinct() as f64 / distinct - 1.0;
        assert!(error.abs() < 4.0 * DISTINCT_ERROR, "{error}");
        for (key, count) in counts.top(5) {
            let frequent = n / 15;
            assert!(key > u64::MAX - 5);
            assert!(
                count <= frequent && frequent <= count + counts.missed(),
                "{count} + {}",
                counts.missed()
            );
        }
    }
}
