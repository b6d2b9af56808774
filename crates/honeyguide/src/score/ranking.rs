//! The most anomalous events of a scan.

use std::collections::{HashMap, HashSet};

use super::Anomaly;
use super::scan::{Entry, ScoredBatch};
use crate::error::Result;
use crate::explain::{Attribution, REASONS};
use crate::features::{RowKey, row_key, write_row_key};
use crate::model::Model;

/// The most anomalous distinct feature rows so far. A row's score is fixed and the score needed to enter only rises, so
/// a row that was dropped or refused never comes back, and the counts of the rows in the ranking are exact.
pub(super) struct Ranking {
    capacity: usize,
    /// The score above which a row enters.
    entry_score: f64,
    /// The rows, highest score first; of equal scores, the earlier first.
    entries: Vec<Entry>,
    /// The keys of the rows in the ranking.
    known: HashSet<RowKey>,
}

impl Ranking {
    /// Returns an empty ranking of at most `capacity` rows with scores above `entry_score`.
    pub fn new(capacity: usize, entry_score: f64) -> Self {
        Self {
            capacity,
            entry_score,
            entries: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// Ranks the events of a batch.
    ///
    /// # Errors
    /// Fails when an event has no text, which is a defect.
    pub fn push(&mut self, batch: &ScoredBatch) -> Result<()> {
        let mut counts: HashMap<RowKey, u64> = HashMap::new();
        let mut key = RowKey::new();
        for (row, score) in batch.scores.values().iter().enumerate() {
            if *score < self.entry_score || self.capacity == 0 {
                continue;
            }
            write_row_key(batch.scores.features(row), &mut key);
            if let Some(count) = counts.get_mut(&key) {
                *count += 1;
                continue;
            }
            let is_known = self.known.contains(&key);
            if is_known || *score > self.entry_score {
                counts.insert(key.clone(), 1);
            }
            if !is_known && *score > self.entry_score {
                let mut entry = batch.entry(row)?;
                entry.anomaly.events_alike = 0;
                self.insert(entry);
            }
        }
        if counts.is_empty() {
            return Ok(());
        }
        for Entry {
            anomaly, features, ..
        } in &mut self.entries
        {
            anomaly.events_alike += counts.get(&row_key(features)).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn insert(&mut self, entry: Entry) {
        let place = self
            .entries
            .partition_point(|other| other.anomaly.score >= entry.anomaly.score);
        self.known.insert(row_key(&entry.features));
        self.entries.insert(place, entry);
        for dropped in self.entries.drain(self.capacity.min(self.entries.len())..) {
            self.known.remove(&row_key(&dropped.features));
        }
        if self.entries.len() == self.capacity {
            self.entry_score = self.entries[self.capacity - 1].anomaly.score;
        }
    }

    /// Returns the events, highest score first, with the reasons that `model` gives.
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
