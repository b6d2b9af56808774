//! Reproducible random numbers: a fixed generator, and distributions that are defined in this
//! crate.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

use crate::real;

/// A stream of random numbers, determined by a seed and a stream number.
///
/// The generator is ChaCha with 8 rounds (Bernstein 2008). Its key is the 8 bytes of the seed in
/// little-endian order, followed by zeros. Different streams of one seed are independent.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Creates the generator at the start of stream `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Rng(generator)
    }

    /// Returns the next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a uniformly distributed number in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Returns a uniformly distributed whole number in `0..n`, without bias (Lemire 2019, "Fast
    /// random integer generation in an interval").
    ///
    /// # Panics
    /// Panics when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "n must be above 0");
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let rejected = n.wrapping_neg() % n;
            while (product as u64) < rejected {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// Returns a number from the standard normal distribution (the polar method of Marsaglia & Bray
    /// 1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = u * u + v * v;
            if square < 1.0 && square > 0.0 {
                return u * (-2.0 * real::ln(square) / square).sqrt();
            }
        }
    }

    /// Shuffles `items` into a uniformly random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Returns `k` distinct numbers of `0..n` in ascending order, where every such set is equally
    /// likely (Floyd's algorithm; Bentley & Floyd 1987, "A sample of brilliance"). Returns all of
    /// `0..n` when `k >= n`.
    pub fn distinct_below(&mut self, n: u64, k: u64) -> Vec<u64> {
        if k >= n {
            return (0..n).collect();
        }
        let mut numbers = Vec::with_capacity(k as usize);
        self.each_distinct_below(n, k, |number| numbers.push(number));
        numbers.sort_unstable();
        numbers
    }

    /// Calls `take` with each of the numbers that [`distinct_below`](Self::distinct_below) returns,
    /// in no meaningful order. Requires `k < n`.
    pub(crate) fn each_distinct_below(&mut self, n: u64, k: u64, take: impl FnMut(u64)) {
        if suits_bitmap(n, k) {
            self.floyd(n, k, &mut Bitmap::new(n), take);
        } else {
            self.floyd(n, k, &mut DrawnSet::with_room_for(k as usize), take);
        }
    }

    /// Returns the same numbers as a bitmap: number i is bit i % 64 of word i / 64. Requires
    /// `k < n`. Returns `None`, without drawing a number, when the bitmap would be too large for so
    /// few numbers.
    pub(crate) fn distinct_bits_below(&mut self, n: u64, k: u64) -> Option<Vec<u64>> {
        if !suits_bitmap(n, k) {
            return None;
        }
        let mut drawn = Bitmap::new(n);
        self.floyd(n, k, &mut drawn, |_| {});
        Some(drawn.0)
    }

    /// Draws `k` distinct numbers of `0..n` by Floyd's algorithm. The choice of `drawn` affects
    /// only the speed.
    fn floyd(&mut self, n: u64, k: u64, drawn: &mut impl Drawn, mut take: impl FnMut(u64)) {
        for last in n - k..n {
            let candidate = self.below(last + 1);
            let number = if drawn.insert(candidate) {
                candidate
            } else {
                drawn.insert(last);
                last
            };
            take(number);
        }
    }
}

/// The maximum number of bits of a bitmap; a larger one does not fit a fast cache.
const MOST_BITS: u64 = 1 << 21;
/// The maximum number of bits per drawn number. Clearing more bits takes longer than using a hash
/// table.
const BITS_PER_NUMBER: u64 = 1 << 9;

/// Returns whether a bitmap is faster than a hash table for drawing `k` numbers of `0..n`.
fn suits_bitmap(n: u64, k: u64) -> bool {
    n <= MOST_BITS && n <= BITS_PER_NUMBER * k
}

/// The set of numbers drawn so far.
trait Drawn {
    /// Adds a number and returns whether it is new.
    fn insert(&mut self, number: u64) -> bool;
}

/// A set of small numbers as a bitmap.
struct Bitmap(Vec<u64>);

impl Bitmap {
    fn new(n: u64) -> Bitmap {
        Bitmap(vec![0; n.div_ceil(64) as usize])
    }
}

impl Drawn for Bitmap {
    #[inline]
    fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

/// A hash set with open addressing that is at most half full.
struct DrawnSet {
    /// Indices into `numbers` plus 1; 0 marks an empty slot.
    slots: Vec<u32>,
    shift: u32,
    numbers: Vec<u64>,
}

impl DrawnSet {
    fn with_room_for(k: usize) -> DrawnSet {
        let capacity = (2 * k).next_power_of_two().max(2);
        DrawnSet {
            slots: vec![0; capacity],
            shift: 64 - capacity.trailing_zeros(),
            numbers: Vec::with_capacity(k),
        }
    }
}

impl Drawn for DrawnSet {
    fn insert(&mut self, number: u64) -> bool {
        // Multiplying by 2^64 / golden ratio spreads runs of numbers (Knuth, TAOCP vol. 3, 6.4).
        let mut slot = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize;
        while self.slots[slot] != 0 {
            if self.numbers[self.slots[slot] as usize - 1] == number {
                return false;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.numbers.push(number);
        self.slots[slot] = self.numbers.len() as u32;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Bitmap, DrawnSet, Rng};
    use proptest::prelude::*;

    #[test]
    fn the_stream_never_changes() {
        let first = |seed, stream| Rng::new(seed, stream).next_u64();
        // For a key and nonce of zeros this is the ChaCha8 keystream of Bernstein's definition.
        assert_eq!(
            first(0, 0).to_le_bytes(),
            [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]
        );
        assert_ne!(first(0, 0), first(0, 1));
        assert_ne!(first(0, 0), first(1, 0));
    }

    #[test]
    fn bits_and_a_table_remember_the_same() {
        for (n, k) in [(1, 1), (7, 6), (1000, 3), (70_000, 500)] {
            let (mut by_bits, mut by_table) = (Vec::new(), Vec::new());
            Rng::new(3, 0).floyd(n, k, &mut Bitmap::new(n), |number| by_bits.push(number));
            let mut table = DrawnSet::with_room_for(k as usize);
            Rng::new(3, 0).floyd(n, k, &mut table, |number| by_table.push(number));
            assert_eq!(by_bits, by_table);
            by_bits.sort_unstable();
            by_bits.dedup();
            assert_eq!(by_bits.len() as u64, k);
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut rng = Rng::new(7, 0);
        let drawn: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // The bounds are five standard errors: 5/√n and 5·√(2/n).
        assert!(
            mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023,
            "{mean} {variance}"
        );
    }

    #[test]
    fn every_set_is_equally_likely() {
        let mut rng = Rng::new(3, 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            *counts.entry(rng.distinct_below(5, 2)).or_insert(0u32) += 1;
        }
        // Each of the ten sets is expected 2000 times; five standard deviations of a count are 212.
        assert_eq!(counts.len(), 10);
        assert!(
            counts.values().all(|n| n.abs_diff(2000) < 212),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn draws_stay_in_range(seed: u64, n in 1..u64::MAX, k in 0..50u64) {
            let mut rng = Rng::new(seed, 1);
            prop_assert!(rng.below(n) < n);
            prop_assert!((0.0..1.0).contains(&rng.uniform()));
            if n > k {
                let drawn = rng.distinct_below(n, k);
                prop_assert_eq!(drawn.len() as u64, k);
                prop_assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(drawn.iter().all(|&x| x < n));
            }
            let mut items: Vec<u64> = (0..k).collect();
            rng.shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..k).collect::<Vec<_>>());
        }
    }
}
