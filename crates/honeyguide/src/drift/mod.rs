//! Drift: a comparison of data with the data that a model was trained on, by every feature and by the scores.

mod closeness;
mod feature;
mod reference;
mod scores;
mod tally;

use learn::chance::SIGNIFICANCE;
use serde::Serialize;

pub use closeness::Closeness;
pub use feature::{CellShift, FeatureDrift, Unseen};
pub use scores::{QuantileShift, ScoreDrift};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Model, Threshold};
use crate::naming::command;
use crate::source::{Source, no_events};
use crate::wording::{count, of_them, percent};
use tally::Tally;

/// The population stability index from which on a distribution has shifted somewhat (Siddiqi 2006, "Credit Risk
/// Scorecards", p. 137). The index itself is Kullback's symmetric divergence.
pub const PSI_SOME: f64 = 0.1;
/// The population stability index from which on a distribution has shifted a lot (ibid.).
pub const PSI_FAR: f64 = 0.25;
/// The difference between data and the data that a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The name of the model's recipe.
    pub recipe: String,
    /// The number of events that the model was trained on.
    pub training_events: u64,
    /// The number of events that were compared with them.
    pub events: u64,
    /// The model's threshold.
    pub threshold: Threshold,
    /// The drift of the scores.
    pub scores: ScoreDrift,
    /// The drift of each feature, in the model's order.
    pub features: Vec<FeatureDrift>,
    /// The probability at or below which the difference of one feature, or of the scores, is more than chance:
    /// [`SIGNIFICANCE`] divided by the number of features and scores, so that data without any change is called other than
    /// close in at most one of a hundred comparisons.
    pub significance: f64,
    /// The verdict: that on the feature that shifted most, or on the scores if they shifted more.
    pub closeness: Closeness,
    /// The result in one or two sentences.
    pub verdict: String,
}

/// Compares `source` with the training profile of `model`, in one pass.
///
/// # Errors
/// Fails when the model was imported without training events, and when the data lacks the recipe's columns, cannot be read
/// or has no rows.
pub async fn drift(engine: &Engine, model: &Model, source: &mut Source) -> Result<Drift> {
    if !model.training().is_described() {
        let message = "the model was imported without its training events, and there is nothing to compare with";
        return Err(Error::usage(message).hint(format!(
            "import the forest again with the events that it was fitted with: {} FOREST DATA",
            command("import")
        )));
    }
    let mut tally = Tally::of(engine, model, source).await?;
    if tally.events == 0 {
        return Err(no_events(source));
    }
    let significance = SIGNIFICANCE / (model.recipe().features.len() + 1) as f64;
    let verdict = |p_value: f64, beyond_chance: f64| {
        if p_value <= significance {
            Closeness::of(beyond_chance, PSI_SOME, PSI_FAR)
        } else {
            Closeness::Close
        }
    };
    let (scores, features) = (tally.scores(verdict), tally.features(verdict));
    let closeness = features.iter().map(|feature| feature.closeness);
    let closeness = closeness.fold(scores.closeness, Closeness::max);
    let mut drift = Drift {
        recipe: model.recipe().name.clone(),
        training_events: model.training().events,
        events: tally.events,
        threshold: model.threshold().clone(),
        scores,
        features,
        significance,
        closeness,
        verdict: String::new(),
    };
    drift.verdict = drift.sentence();
    Ok(drift)
}

impl Drift {
    /// Returns the verdict, after a warning if chance hides all but great shifts, and before one if the profile does.
    fn sentence(&self) -> String {
        let by_chance = self.features.iter().map(|feature| feature.psi_by_chance);
        let by_chance = by_chance.fold(self.scores.psi_by_chance, f64::max);
        let mut sentences = Vec::new();
        if self.closeness == Closeness::Close && by_chance >= PSI_SOME {
            sentences.push(format!(
                "This rests on {} and {}, from which chance alone makes a population stability index of up to {by_chance:.2}: \
                 only a greater shift stands out.",
                of_them(self.events, "event", "events"),
                of_them(self.training_events, "training event", "training events"),
            ));
        }
        sentences.push(self.judgement());
        sentences.extend(self.features.iter().filter_map(|feature| {
            let share = percent(feature.coarsest?);
            Some(format!(
                "The model's profile holds {share} of the training events in one range of {}, within which no shift is seen: \
                 train the model again to see it.",
                feature.name
            ))
        }));
        sentences.join(" ")
    }

    /// Returns what the figures mean, whatever the number of events.
    fn judgement(&self) -> String {
        let scores = &self.scores;
        let far = self.closeness;
        let flagged = format!(
            "{} of the events ({} of {}) are above the threshold, which flags {} {}",
            percent(scores.above_threshold),
            count(scores.flagged),
            count(self.events),
            percent(scores.expected_above_threshold),
            scores.expected_of
        );
        match self.closeness {
            Closeness::Far | Closeness::SomeWay => {
                format!("The data is {far}: {}. {flagged}.", self.most_shifted())
            }
            Closeness::Close if scores.flags_more => format!(
                "The data is {far}, yet {flagged}. This is more than chance explains, so the flagged events are worth a look."
            ),
            Closeness::Close => format!("The data is {far}: {flagged}."),
        }
    }

    /// Returns the index of the scores, and that of the feature that shifted most.
    fn most_shifted(&self) -> String {
        let scores = format!(
            "the scores have a population stability index of {:.2} (a shift is large from {PSI_FAR} on)",
            self.scores.psi
        );
        let shifted = self.features.iter();
        let shifted = shifted.filter(|feature| feature.closeness > Closeness::Close);
        match shifted.max_by(|left, right| left.psi.total_cmp(&right.psi)) {
            Some(feature) => {
                format!(
                    "{scores}, feature {} one of {:.2}",
                    feature.name, feature.psi
                )
            }
            None => scores,
        }
    }
}
