//! The most anomalous events of a scan.

use std::collections::HashMap;

use super::Anomaly;
use super::scan::{Entry, ScoredBatch};
use crate::error::Result;
use crate::explain::{Attribution, REASONS};
use crate::model::Model;

/// The most anomalous distinct feature rows so far. A row's score is fixed and the bar to enter only rises, so a row
/// that left or was refused never comes back, and the counts of those that stay are exact.
pub(super) struct Ranking {
    capacity: usize,
    /// Scores up to this one do not enter.
    bar: f64,
    /// Highest first; of equal scores the earlier first.
    entries: Vec<Entry>,
}

impl Ranking {
    pub fn new(capacity: usize, bar: f64) -> Self {
        Self {
            capacity,
            bar,
            entries: Vec::new(),
        }
    }

    pub fn push(&mut self, batch: &ScoredBatch, model: &Model) -> Result<()> {
        let mut met: HashMap<Vec<u64>, u64> = HashMap::new();
        for (row, score) in batch.scores.iter().enumerate() {
            if *score < self.bar || self.capacity == 0 {
                continue;
            }
            let key = bits(batch.row(row));
            if let Some(count) = met.get_mut(&key) {
                *count += 1;
                continue;
            }
            let is_known = self
                .entries
                .iter()
                .any(|entry| bits(&entry.features) == key);
            if is_known || *score > self.bar {
                met.insert(key, 1);
            }
            if !is_known && *score > self.bar {
                let mut entry = batch.entry(row, model)?;
                entry.anomaly.events_alike = 0;
                self.insert(entry);
            }
        }
        for Entry {
            anomaly, features, ..
        } in &mut self.entries
        {
            anomaly.events_alike += met.get(&bits(features)).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn insert(&mut self, entry: Entry) {
        let place = self
            .entries
            .partition_point(|other| other.anomaly.score >= entry.anomaly.score);
        self.entries.insert(place, entry);
        self.entries.truncate(self.capacity);
        if self.entries.len() == self.capacity {
            self.bar = self.entries[self.capacity - 1].anomaly.score;
        }
    }

    pub fn finish(self, model: &Model) -> Vec<Anomaly> {
        let mut attribution = Attribution::new(model);
        let anomalies = self.entries.into_iter().map(|entry| {
            let reasons = attribution.strongest(&entry.as_explained(), REASONS);
            Anomaly {
                reasons: reasons.unwrap_or_default(),
                ..entry.anomaly
            }
        });
        anomalies.collect()
    }
}

/// A row of features as a key.
fn bits(features: &[f64]) -> Vec<u64> {
    features.iter().map(|value| value.to_bits()).collect()
}
