//! A weighted random sample of rows in bounded memory that does not depend on the order of the
//! rows.
//!
//! The method is priority sampling (Duffield, Lund & Thorup 2007, "Priority sampling for estimation
//! of arbitrary subset sums", J. ACM 54(6)). A row of weight w gets the priority w/u with u uniform
//! in (0, 1], and the k rows of highest priority are kept. With τ the (k+1)-th highest priority,
//! max(w, τ) is an unbiased estimate of the weight that a kept row represents. Here u is derived
//! from a hash of the row, so that it is a property of the row.

use crate::mix::splitmix;

/// The result of sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The values of the kept rows, row-major. The rows are in the order in which they were pushed
    /// if all were kept, and otherwise in no particular order.
    pub values: Vec<f64>,
    /// One weight per kept row: the row's own weight if all rows were kept, and otherwise max(w,
    /// τ)/τ, rounded, so that the lightest rows have weight 1.
    pub weights: Vec<f64>,
    /// The number of rows that were pushed.
    pub rows_pushed: u64,
    /// Whether rows were left out.
    pub is_sampled: bool,
}

/// The reciprocal of the fraction of the budget by which the collected rows may exceed the budget
/// before the rows of lowest priority are removed.
const ROWS_PER_SPARE: usize = 8;

/// A sampler that holds only slightly more than `budget` rows.
#[derive(Debug, Clone)]
pub struct PrioritySampler {
    n_features: usize,
    budget: usize,
    values: Vec<f64>,
    weights: Vec<f64>,
    priorities: Vec<f64>,
    /// A lower bound: more rows than the budget are known to have at least this priority.
    floor: f64,
    rows_pushed: u64,
}

impl PrioritySampler {
    /// Creates a sampler of rows of `n_features` values that keeps up to `budget` rows. A budget of
    /// 0 counts as 1.
    pub fn new(n_features: usize, budget: usize) -> Self {
        let budget = budget.max(1);
        Self {
            n_features,
            budget,
            values: Vec::new(),
            weights: Vec::new(),
            priorities: Vec::new(),
            floor: 0.0,
            rows_pushed: 0,
        }
    }

    /// Adds a row of positive weight. Every distinct row must be pushed only once. `hash` is a
    /// well-mixed hash of the row's content.
    ///
    /// # Panics
    /// Panics when `row` does not have `n_features` values.
    pub fn push(&mut self, row: &[f64], weight: f64, hash: u64) {
        assert_eq!(
            row.len(),
            self.n_features,
            "a row has one value per feature"
        );
        self.rows_pushed += 1;
        let uniform = ((hash >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let priority = weight / uniform;
        if priority < self.floor {
            return;
        }
        self.values.extend_from_slice(row);
        self.weights.push(weight);
        self.priorities.push(priority);
        if self.weights.len() > self.budget + self.budget / ROWS_PER_SPARE + 1 {
            self.prune(self.budget + 1);
        }
    }

    /// Returns whether more rows were pushed than the sample can keep.
    pub fn is_sampled(&self) -> bool {
        self.rows_pushed > self.budget as u64
    }

    /// Ends the sampling and returns the kept rows with their weights.
    pub fn finish(mut self) -> Sample {
        let is_sampled = self.is_sampled();
        if is_sampled {
            self.prune(self.budget + 1);
            let tau = self.floor;
            self.prune(self.budget);
            for weight in &mut self.weights {
                *weight = (weight.max(tau) / tau).round();
            }
        }
        Sample {
            values: self.values,
            weights: self.weights,
            rows_pushed: self.rows_pushed,
            is_sampled,
        }
    }

    /// Keeps the `keep` rows of highest priority. At least as many rows must be held.
    fn prune(&mut self, keep: usize) {
        let mut order: Vec<usize> = (0..self.weights.len()).collect();
        let (_, &mut last, _) = order.select_nth_unstable_by(keep - 1, |&a, &b| {
            self.priorities[b].total_cmp(&self.priorities[a])
        });
        self.floor = self.priorities[last];
        order.truncate(keep);
        order.sort_unstable();
        for (to, &from) in order.iter().enumerate() {
            self.weights[to] = self.weights[from];
            self.priorities[to] = self.priorities[from];
            self.values.copy_within(
                from * self.n_features..(from + 1) * self.n_features,
                to * self.n_features,
            );
        }
        self.weights.truncate(keep);
        self.priorities.truncate(keep);
        self.values.truncate(keep * self.n_features);
    }
}

/// A 64-bit hash that is built up word by word and is the same on every machine and in every
/// release. It only spreads rows evenly, so it is not suited to hash tables with untrusted keys.
#[derive(Debug, Clone, Copy)]
pub struct StableHash(u64);

impl StableHash {
    /// Creates the hash of an empty sequence for a seed.
    pub fn new(seed: u64) -> Self {
        Self(splitmix(seed ^ 0x9E37_79B9_7F4A_7C15))
    }

    /// Appends a word to the hashed sequence.
    #[must_use]
    pub fn word(self, word: u64) -> Self {
        Self(splitmix(self.0.rotate_left(23) ^ word))
    }

    /// Appends bytes and their number to the hashed sequence.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        words.fold(self, Self::word).word(bytes.len() as u64)
    }

    /// Returns the hash.
    pub fn finish(self) -> u64 {
        splitmix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(
        rows: impl Iterator<Item = u64>,
        budget: usize,
        weight: impl Fn(u64) -> f64,
    ) -> Sample {
        let mut sampler = PrioritySampler::new(1, budget);
        for row in rows {
            sampler.push(
                &[row as f64],
                weight(row),
                StableHash::new(7).word(row).finish(),
            );
        }
        sampler.finish()
    }

    fn sorted(sample: &Sample) -> Vec<(u64, u64)> {
        let mut rows: Vec<_> = sample
            .values
            .iter()
            .zip(&sample.weights)
            .map(|(v, w)| (*v as u64, *w as u64))
            .collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn within_the_budget_everything_is_kept_as_it_is() {
        let all = sample(0..100, 100, |row| row as f64 + 1.0);
        assert!(!all.is_sampled);
        assert_eq!(
            sorted(&all),
            (0..100).map(|row| (row, row + 1)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let weight = |row: u64| if row.is_multiple_of(100) { 500.0 } else { 1.0 };
        let forwards = sample(0..10_000, 300, weight);
        assert_eq!(
            sorted(&forwards),
            sorted(&sample((0..10_000).rev(), 300, weight))
        );
        assert_eq!(
            (
                forwards.weights.len(),
                forwards.rows_pushed,
                forwards.is_sampled
            ),
            (300, 10_000, true)
        );
    }

    #[test]
    fn a_heavy_row_stays_and_weighs_its_share() {
        let weight = |row: u64| if row == 0 { 100_000.0 } else { 1.0 };
        let kept = sample(0..100_001, 1000, weight);
        let heavy = sorted(&kept)[0];
        let total: f64 = kept.weights.iter().sum();
        assert_eq!(heavy.0, 0);
        assert!(
            (heavy.1 as f64 / total - 0.5).abs() < 0.03,
            "half of the weight, found {heavy:?} of {total}"
        );
    }
}
