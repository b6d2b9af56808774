//! Reproduction of the published BETH experiment: the recipe `beth-paper`, a contamination of 0.05, one forest per
//! seed, and results against `sus` averaged over the seeds (Highnam et al. 2021, section 4 and Table 3).

use std::collections::HashMap;

use datafusion::arrow::record_batch::RecordBatch;
use learn::iforest::{Contamination, Novelty};
use learn::metrics::ScoreCounts;
use serde::Serialize;

use crate::distil::distil;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{Distilled, RowKey, row_key};
use crate::groups::{KeyId, KeyedCounts, Keys, count_distinct};
use crate::labels::{class_of, label_key, labels};
use crate::model::Model;
use crate::naming::parameter;
use crate::recipe::builtin;
use crate::scan::Scan;
use crate::source::{Source, no_events};
use crate::train::{Parts, ThresholdPolicy, TrainOptions, fit};

/// The name of the experiment's recipe.
pub const RECIPE: &str = "beth-paper";
/// The greatest number of forests.
pub const MAX_SEEDS: u64 = 1000;
/// The contamination of the experiment.
pub const CONTAMINATION: f64 = 0.05;
/// Table 3 of the paper: detectors and their AUROC on the test split against `sus`, computed from hard labels averaged
/// over five seeds.
pub const TABLE_3: [(&str, f64); 4] = [
    ("robust covariance", 0.519),
    ("one-class SVM", 0.605),
    ("isolation forest", 0.850),
    ("VAE + DoSE (SVM)", 0.698),
];

/// The results of the experiment on the splits other than the training split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reproduction {
    /// The number of forests, one per seed.
    pub seeds: u64,
    /// The number of events that each forest was trained on.
    pub training_events: u64,
    /// The results on each split, in the order in which the splits were given.
    pub splits: Vec<SplitResult>,
}

/// The results on one split, and the split's distance from the training data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitResult {
    /// The name of the split.
    pub split: String,
    /// The number of events in the split.
    pub events: u64,
    /// The results against each label.
    pub labels: Vec<LabelResult>,
    /// The share of events whose feature row no training event has, from 0 to 1.
    pub unseen: f64,
    /// The total variation distance between the distributions of feature rows in the split and in the training data,
    /// from 0 to 1: the share of events that would have to change to make the distributions equal.
    pub total_variation: f64,
}

/// The AUROC against one label. It is `None` if all events have the same class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelResult {
    /// The name of the label's column.
    pub label: String,
    /// The number of events labelled 1.
    pub positives: u64,
    /// The AUROC of the hard labels (0 or 1 at the threshold) averaged over the seeds, which is the paper's protocol.
    pub roc_auc_hard: Option<f64>,
    /// The AUROC of the scores averaged over the seeds.
    pub roc_auc_scores: Option<f64>,
}

/// Trains `seeds` forests on `training` and evaluates their averages on each of `splits`.
///
/// # Errors
/// Fails when `seeds` is not from 1 to [`MAX_SEEDS`], and when the data lacks a column that the recipe needs, has
/// neither label, cannot be read or has no rows.
pub async fn reproduce(
    engine: &Engine,
    training: &mut Source,
    splits: &mut [(String, Source)],
    seeds: u64,
) -> Result<Reproduction> {
    if !(1..=MAX_SEEDS).contains(&seeds) {
        return Err(Error::usage(format!(
            "{} {seeds}: there must be 1 to {MAX_SEEDS}",
            parameter("seeds")
        )));
    }
    let recipe =
        builtin(RECIPE).ok_or_else(|| Error::internal("the paper's recipe is not built in"))?;
    let plan = recipe.plan(engine, training)?;
    let distilled = distil(engine, training, &recipe, &plan, None, 0).await?;
    if distilled.events == 0 {
        return Err(no_events(training));
    }
    let ensemble = Ensemble::train(&recipe, &distilled, seeds)?;
    let mut results = Vec::with_capacity(splits.len());
    for (split, source) in splits {
        results.push(ensemble.judge(engine, split, source).await?);
    }
    Ok(Reproduction {
        seeds,
        training_events: distilled.events,
        splits: results,
    })
}

/// The models of all seeds, and the distribution of feature rows in the training data.
struct Ensemble {
    models: Vec<Model>,
    /// The share of the training events with each feature row.
    training_shares: HashMap<RowKey, f64>,
}

impl Ensemble {
    fn train(recipe: &crate::Recipe, distilled: &Distilled, seeds: u64) -> Result<Self> {
        let options = |seed| TrainOptions {
            seed,
            novelty: Some(Novelty::Plain),
            threshold: ThresholdPolicy::Contamination(Contamination::Fraction(CONTAMINATION)),
            ..Default::default()
        };
        let models = (0..seeds).map(|seed| {
            let parts = Parts::Events;
            fit(
                recipe.clone(),
                distilled.clone(),
                &parts,
                &options(seed),
                None,
            )
        });
        let total = distilled.inputs.total_weight();
        let rows = (0..distilled.inputs.n_rows())
            .map(|row| (distilled.inputs.row(row), distilled.inputs.weights()[row]));
        let training_shares = rows
            .map(|(row, weight)| (row_key(row), weight / total))
            .collect();
        Ok(Self {
            models: models.collect::<Result<_>>()?,
            training_shares,
        })
    }

    async fn judge(
        &self,
        engine: &Engine,
        split: &str,
        source: &mut Source,
    ) -> Result<SplitResult> {
        let recipe = self.models[0].recipe();
        let plan = recipe.plan(engine, source)?;
        let labels = labels(source, None)?;
        let mut keys = Keys::default();
        let ids = labels
            .iter()
            .map(|label| Ok((label.as_str(), keys.add(label_key(source, label)?))));
        let ids = ids.collect::<Result<Vec<_>>>()?;
        let scan = Scan::new(engine, "judging")
            .features(recipe, &plan)
            .keys(&keys);
        let query = |table| count_distinct(table, &plan, &keys);
        let push = |judgement: &mut Judgement, batch: &RecordBatch| judgement.push(self, batch);
        let start = || Ok(Judgement::new(&ids));
        let judgement = scan.fold(source, start, query, push).await?;
        if judgement.events == 0 {
            return Err(no_events(source));
        }
        judgement.finish(split, &self.training_shares)
    }
}

/// The counts over the distinct rows of a split.
struct Judgement<'a> {
    events: u64,
    labels: Vec<JudgedLabel<'a>>,
    rows: HashMap<RowKey, u64>,
}

/// One label of a split, with the number of events for each averaged hard label and each averaged score.
struct JudgedLabel<'a> {
    name: &'a str,
    key: KeyId,
    hard: ScoreCounts,
    scores: ScoreCounts,
}

impl<'a> Judgement<'a> {
    fn new(labels: &[(&'a str, KeyId)]) -> Self {
        let labels = labels.iter().map(|(name, key)| JudgedLabel {
            name,
            key: *key,
            hard: ScoreCounts::new(),
            scores: ScoreCounts::new(),
        });
        Self {
            events: 0,
            labels: labels.collect(),
            rows: HashMap::new(),
        }
    }

    fn push(&mut self, ensemble: &Ensemble, batch: &RecordBatch) -> Result<()> {
        let n_features = ensemble.models[0].recipe().features.len();
        let (features, groups) = batch.columns().split_at(n_features);
        let groups = KeyedCounts::new(groups)?;
        let values = ensemble.models[0].encode(features)?;
        let scores = ensemble
            .models
            .iter()
            .map(|model| model.scores_of_encoded(&values))
            .collect::<Result<Vec<_>>>()?;
        let seeds = ensemble.models.len() as f64;
        for (row, features) in values.chunks_exact(n_features).enumerate() {
            let events = groups.count(row);
            let of_row = || {
                ensemble
                    .models
                    .iter()
                    .zip(&scores)
                    .map(|(model, scores)| (model, scores[row]))
            };
            let hard = of_row()
                .filter(|(model, score)| model.threshold().flags(*score))
                .count() as f64
                / seeds;
            let mean = of_row().map(|(_, score)| score).sum::<f64>() / seeds;
            let keys = groups.keys(row);
            for label in &mut self.labels {
                let is_positive = class_of(label.name, keys.get(label.key))?;
                let (positives, negatives) = if is_positive {
                    (events, 0)
                } else {
                    (0, events)
                };
                label.hard.push(hard, positives, negatives);
                label.scores.push(mean, positives, negatives);
            }
            self.events += events;
            *self.rows.entry(row_key(features)).or_default() += events;
        }
        Ok(())
    }

    fn finish(self, split: &str, training_shares: &HashMap<RowKey, f64>) -> Result<SplitResult> {
        let events = self.events as f64;
        let (mut common, mut seen) = (0.0, 0);
        // The rows are sorted because the sum of floats depends on the order.
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_unstable();
        for (row, count) in rows {
            if let Some(share) = training_shares.get(&row) {
                common += share.min(count as f64 / events);
                seen += count;
            }
        }
        let labels = self.labels.into_iter().map(|label| {
            let rank = |counts: ScoreCounts| {
                counts
                    .finish()
                    .map_err(|error| Error::internal(error.to_string()))
            };
            let (hard, scores) = (rank(label.hard)?, rank(label.scores)?);
            Ok(LabelResult {
                label: label.name.to_owned(),
                positives: scores.positives,
                roc_auc_hard: hard.roc_auc,
                roc_auc_scores: scores.roc_auc,
            })
        });
        Ok(SplitResult {
            split: split.to_owned(),
            events: self.events,
            labels: labels.collect::<Result<_>>()?,
            unseen: 1.0 - seen as f64 / events,
            total_variation: 1.0 - common,
        })
    }
}
