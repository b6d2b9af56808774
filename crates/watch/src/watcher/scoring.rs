//! Scoring: from the events of an input to incidents, and the numbers of both.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use honeyguide::incident::{LiveEvents, LiveIncidents};
use honeyguide::{Engine, Model, Result};

use super::Settings;
use super::tally::Tally;
use crate::status::Status;

/// The model, and what it has found.
pub(super) struct Scoring {
    engine: Engine,
    pub model: Model,
    pub settings: Settings,
    pub incidents: LiveIncidents,
    pub tally: Tally,
    /// What others see of the watch.
    pub status: Arc<Status>,
    started: Instant,
}

impl Scoring {
    pub fn new(engine: Engine, model: Model, settings: Settings) -> Self {
        Self {
            incidents: LiveIncidents::new(settings.watermark),
            tally: Tally::default(),
            status: Arc::default(),
            started: Instant::now(),
            engine,
            model,
            settings,
        }
    }

    /// Returns the time since the start in seconds.
    pub fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Returns the SHA-256 of the model file.
    pub fn fingerprint(&self) -> Option<String> {
        fingerprint(&self.model)
    }

    /// Learns the columns of the input called `name` from its first records.
    ///
    /// # Errors
    /// Fails when the records have no known format or lack a column of the model's recipe.
    pub fn open(&self, name: &Path, first: &[u8]) -> Result<LiveEvents> {
        let Settings { read, live, .. } = &self.settings;
        LiveEvents::open(&self.engine, &self.model, (name, first), read, live)
    }

    /// Returns the same events as `model` scores them.
    ///
    /// # Errors
    /// Fails when they lack a column of its recipe.
    pub fn reopen(&self, events: &LiveEvents, model: &Model) -> Result<LiveEvents> {
        events.with_model(&self.engine, model)
    }

    /// Scores the events that were read, and folds them. The first of them came at `arrived`.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn score(&mut self, events: &mut LiveEvents, arrived: Option<Instant>) -> Result<()> {
        let now = self.now();
        let Some(scored) = events.score()? else {
            return Ok(());
        };
        let tally = &mut self.tally;
        tally.malformed_args += events.take_malformed_args();
        tally.scored += scored.len() as u64;
        tally.anomalous += scored.anomalous();
        if let Some((unusable, why)) = &scored.unusable {
            tally.dropped.unusable += unusable;
            tally.first_unusable.get_or_insert_with(|| why.clone());
        }
        self.incidents.add(&scored, now)?;
        if let Some(arrived) = arrived {
            let latency = arrived.elapsed().as_secs_f64();
            let latencies = &mut self.status.lock().latency.0;
            latencies.add(latency, scored.len() as u64);
        }
        Ok(())
    }
}

/// Returns the SHA-256 of the file of a model.
pub(super) fn fingerprint(model: &Model) -> Option<String> {
    model.origin().map(|origin| origin.sha256.clone())
}
