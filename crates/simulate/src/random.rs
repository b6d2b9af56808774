//! Seeded random draws.
//!
//! They use integers only, because the last bit of a logarithm or a power may differ between machines.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers that depends only on a seed and the number of the stream.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Creates a stream. Each pair of `seed` and `stream` has a key of its own, so streams do not overlap.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Draws 32 uniform bits.
    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Draws uniformly from `0..n` by multiplication and shift. The bias is below n / 2³². `n` must not be 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        debug_assert!(n > 0, "the range to draw from is empty");
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    /// Draws uniformly from `low..high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low)
    }

    /// Returns true with probability 1 / n.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// Draws one of `items` uniformly. `items` must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// Draws uniformly from `base / 2 .. base * 3 / 2`. Times between repeated events have the mean `base`
    /// and vary, so that events do not become synchronized.
    pub(super) fn around(&mut self, base: u64) -> u64 {
        let share = u64::from(self.bits() >> 16);
        base / 2 + ((base * share) >> 16)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn draws_stay_in_range_and_cover_it() {
        let mut random = Random::new(1, 2);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[random.below(7) as usize] += 1;
            let wait = random.around(1_000);
            assert!((500..1_500).contains(&wait), "{wait}");
        }
        assert!(seen.iter().all(|&n| (850..1_150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, stream| Random::new(seed, stream).bits();
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }
}
