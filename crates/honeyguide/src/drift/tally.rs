//! The pass over the data, in which each distinct row is scored once and counted with its number of events.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;

use super::Closeness;
use super::feature::{FeatureDrift, FeatureTally};
use super::scores::{ScoreDrift, ScoreTally};
use crate::engine::Engine;
use crate::error::Result;
use crate::features::EncodingData;
use crate::groups::{KeyedCounts, Keys, count_distinct};
use crate::model::Model;
use crate::recipe::layout::FeatureInputs;
use crate::scan::Scan;
use crate::scorer::Scores;
use crate::source::Source;

/// The counts of events in the cells of a model's training profile.
pub(super) struct Tally<'a> {
    pub events: u64,
    model: &'a Model,
    scores: ScoreTally,
    features: Vec<FeatureTally<'a>>,
}

impl<'a> Tally<'a> {
    /// Counts the events of `source`, in one pass.
    ///
    /// # Errors
    /// Fails when the data lacks the recipe's columns or cannot be read.
    pub async fn of(engine: &Engine, model: &'a Model, source: &mut Source) -> Result<Self> {
        let recipe = model.recipe();
        let plan = recipe.plan(engine, source)?;
        let keys = Keys::default();
        let scan = Scan::new(engine, "comparing").features(recipe, &plan);
        let query = |table| count_distinct(table, &plan, &keys);
        let start = || Ok(Self::new(model));
        scan.fold(source, start, query, Self::push).await
    }

    fn new(model: &'a Model) -> Self {
        let rarer = model.encodings.iter().map(|encoding| match encoding {
            EncodingData::Rarity(data) => Some(data.optimism()),
            _ => None,
        });
        let rarer: Vec<Option<f64>> = rarer.collect();
        let features = model.training().profile.iter().zip(&rarer);
        let features = features.map(|(profile, rarer)| FeatureTally::new(profile, *rarer));
        Self {
            events: 0,
            model,
            scores: ScoreTally::new(model, rarer.iter().flatten().sum()),
            features: features.collect(),
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let (inputs, counts) = batch.columns().split_at(batch.num_columns() - 1);
        let counts = KeyedCounts::new(counts)?;
        let scores = Scores::of_inputs(self.model, inputs.to_vec())?;
        for row in 0..scores.len() {
            let events = counts.count(row);
            self.events += events;
            self.scores.push(scores.values()[row], events);
            self.push_features(inputs, row, scores.features(row), events);
        }
        Ok(())
    }

    fn push_features(&mut self, inputs: &[ArrayRef], row: usize, encoded: &[f64], events: u64) {
        let layout = self.model.layout();
        for (index, (tally, of)) in self.features.iter_mut().zip(&layout.features).enumerate() {
            match of {
                FeatureInputs::Own(input) => {
                    let value = raw(&inputs[*input], row).unwrap_or(encoded[index]);
                    let text = || text(&inputs[*input], row).unwrap_or_else(|| "missing".into());
                    tally.push(value, events, None, text);
                }
                FeatureInputs::Rarity(of) => {
                    let texts: Vec<Option<String>> =
                        inputs.iter().map(|array| text(array, row)).collect();
                    let sighting = self.model.encoder.sighting(index, &texts);
                    let is_unseen = sighting.count == 0 || sighting.dropped > 0;
                    let combination = || {
                        let parts: Vec<&str> = of
                            .iter()
                            .map(|input| texts[*input].as_deref().unwrap_or("null"))
                            .collect();
                        parts.join(" · ")
                    };
                    tally.push(encoded[index], events, Some(is_unseen), combination);
                }
            }
        }
    }

    /// Returns the drift of the scores. `verdict` takes a probability and an index.
    pub fn scores(&mut self, verdict: impl Fn(f64, f64) -> Closeness) -> ScoreDrift {
        let scale = self.scale();
        self.scores.finish(scale, verdict)
    }

    /// Returns the drift of each feature. `verdict` takes a probability and an index.
    pub fn features(&mut self, verdict: impl Fn(f64, f64) -> Closeness) -> Vec<FeatureDrift> {
        let scale = self.scale();
        let features = self.features.iter_mut().zip(&self.model.encodings);
        let described = features.map(|(feature, encoding)| {
            let categories = match encoding {
                EncodingData::Categories(categories) => Some(categories.as_slice()),
                _ => None,
            };
            feature.finish(categories, scale, &verdict)
        });
        described.collect()
    }

    /// Returns what the counts of the training profile are multiplied with to be counts of independent events: 1, unless
    /// the rows are a sample, whose counts are relative.
    fn scale(&self) -> f64 {
        let training = self.model.training();
        let total: f64 = training.scores.cell_counts().iter().sum();
        match training.sampled_rows {
            Some(rows) if total > 0.0 => rows as f64 / total,
            _ => 1.0,
        }
    }
}

/// Returns the number that the recipe's expression gives, before any transform. A missing one is NaN. Returns `None` if
/// the expression gives text.
fn raw(array: &ArrayRef, row: usize) -> Option<f64> {
    let numbers = array.as_primitive_opt::<Float64Type>()?;
    let value = numbers.is_valid(row).then(|| numbers.value(row));
    // Adding zero makes −0 and 0 one value.
    Some(value.unwrap_or(f64::NAN) + 0.0)
}

/// Returns the value as text, or `None` if it is null.
fn text(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    match array.as_string_opt::<i32>() {
        Some(texts) => Some(texts.value(row).to_owned()),
        None => raw(array, row).map(|number| number.to_string()),
    }
}
