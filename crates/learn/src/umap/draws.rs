//! Random numbers that are a function of their purpose, so that threads need not share a generator.

use crate::mix::splitmix;

/// A SplitMix64 generator (Steele, Lea & Flood 2014) whose state starts from a seed and two numbers
/// that identify the purpose.
#[derive(Clone, Debug)]
pub(super) struct Draws(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Draws {
    /// Creates the generator for index `index` of stream `stream` of the seed.
    #[inline]
    pub fn new(seed: u64, stream: u64, index: u64) -> Draws {
        let state = splitmix(seed.wrapping_add(STEP)) ^ stream.wrapping_mul(0xD134_2543_DE82_EF95);
        Draws(
            splitmix(state.wrapping_add(STEP)) ^ splitmix(index.wrapping_mul(STEP).wrapping_add(1)),
        )
    }

    /// Returns the next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        splitmix(self.0)
    }

    /// Returns two numbers below `n`. The probabilities of the numbers differ by a fraction of at
    /// most n/2³².
    #[inline]
    pub fn pair_below(&mut self, n: u32) -> [u32; 2] {
        let bits = self.next_u64();
        let below = |half: u32| ((u64::from(half) * u64::from(n)) >> 32) as u32;
        [below(bits as u32), below((bits >> 32) as u32)]
    }

    /// Returns a uniformly distributed number in [−1, 1).
    pub fn signed(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_spread_evenly_over_what_they_are_for() {
        let mut counts = [0u32; 10];
        for stream in 0..100 {
            for index in 0..100 {
                for drawn in Draws::new(7, stream, index).pair_below(10) {
                    counts[drawn as usize] += 1;
                }
            }
        }
        // Each number is expected 2000 times; five standard deviations are 212.
        assert!(counts.iter().all(|n| n.abs_diff(2000) < 212), "{counts:?}");
    }
}
