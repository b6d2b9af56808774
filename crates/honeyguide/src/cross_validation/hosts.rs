//! Models of the other hosts, with which the events of a host are scored one by one.

use std::collections::HashMap;

use datafusion::arrow::array::ArrayRef;
use learn::iforest::IsolationForestParams;

use super::{FoldModel, MAX_HOST_FOLDS, folds, split};
use crate::error::{Error, Result};
use crate::features::Distilled;
use crate::recipe::Recipe;
use crate::recipe::layout::Layout;

/// The greatest number of held-out events that a threshold may flag, and their greatest share.
const MAX_FLAGGED: f64 = 1_048_576.0;
const MAX_SHARE: f64 = 0.05;

/// For each training host, a model of the others.
pub(crate) struct HostModels {
    models: Vec<FoldModel>,
    /// The position of each host's model.
    model_of: HashMap<String, usize>,
    /// The lowest score above which there are not too many events.
    floor: f64,
}

impl HostModels {
    /// Learns from distilled events whose groups are hosts. More than 32 hosts are held out in 32 groups.
    pub fn fit(
        recipe: &Recipe,
        distilled: &Distilled,
        params: &IsolationForestParams,
    ) -> Result<Self> {
        let layout = Layout::new(recipe);
        let mut models = Vec::new();
        let mut scores: Vec<(f64, f64)> = Vec::new();
        let folds = folds::of_groups(distilled, MAX_HOST_FOLDS);
        for fold in &folds {
            let (own, others) = split::split(&layout, distilled, &fold.events)?;
            let model = FoldModel::fit(recipe, &others, params)?;
            scores.extend(model.scores_of(&own, &others)?);
            models.push(model);
        }
        let groups = distilled.groups.iter().enumerate();
        Ok(Self {
            model_of: groups
                .map(|(number, group)| (group.name.clone(), number % folds.len()))
                .collect(),
            models,
            floor: floor(scores),
        })
    }

    /// Returns the scores of rows of inputs of `host` by the model that does not know it.
    ///
    /// # Errors
    /// Fails when an input is infinite or has a null that the recipe refuses.
    pub fn scores(&self, host: &str, inputs: &[ArrayRef]) -> Result<Vec<f64>> {
        let model = self.model_of.get(host).map(|model| &self.models[*model]);
        // The data has changed since it was distilled.
        let model =
            model.ok_or_else(|| Error::data(format!("host {host} was not there before")))?;
        model.scores(&model.encoder.encode(inputs)?)
    }

    /// Returns the lowest score that can become the threshold: at most a twentieth of the events, and about a million of
    /// them, lie above it.
    pub fn floor(&self) -> f64 {
        self.floor
    }
}

/// Returns the lowest of the scores, each with a number of events, above which there are not too many events.
fn floor(mut scores: Vec<(f64, f64)>) -> f64 {
    scores.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let events: f64 = scores.iter().map(|(_, events)| events).sum();
    let most = (events * MAX_SHARE).min(MAX_FLAGGED);
    let mut above = 0.0;
    let mut floor = scores.first().map_or(1.0, |first| first.0);
    for equal in scores.chunk_by(|left, right| left.0 == right.0) {
        if above > most {
            break;
        }
        floor = equal[0].0;
        above += equal.iter().map(|(_, events)| events).sum::<f64>();
    }
    floor
}

#[cfg(test)]
mod tests {
    use super::floor;

    #[test]
    fn at_most_a_twentieth_of_the_events_is_above_the_floor() {
        let scores = vec![(0.9, 3.0), (0.5, 90.0), (0.7, 2.0), (0.6, 5.0)];
        assert_eq!(floor(scores), 0.6);
        assert_eq!(floor(vec![(0.5, 10.0)]), 0.5);
        assert_eq!(floor(Vec::new()), 1.0);
    }
}
