//! Is this data what the model was trained on? Every feature and the scores held against the model's training profile.

mod closeness;
mod feature;
mod reference;
mod scores;
mod tally;

use serde::Serialize;

pub use closeness::Closeness;
pub use feature::{CellShift, FeatureDrift, Unseen};
pub use scores::{QuantileShift, ScoreDrift};

use crate::engine::Engine;
use crate::error::Result;
use crate::model::{Model, Threshold};
use crate::source::{Source, no_events};
use crate::wording::{of_them, percent};
use tally::Tally;

/// From which population stability index on a distribution has shifted somewhat (Siddiqi 2006, "Credit Risk
/// Scorecards", p. 137; the index itself is Kullback's symmetric divergence).
pub const PSI_SOME: f64 = 0.1;
/// From which on it has shifted significantly (ibid.).
pub const PSI_FAR: f64 = 0.25;
/// Below so many events the verdict says how few they are. Against a profile of 20 cells the index of N events that come
/// from the same distribution is 19 / N on average: it reaches [`PSI_SOME`] by chance alone with fewer than 190.
pub const FEW_EVENTS: u64 = 200;

/// How data differs from what a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The model's recipe.
    pub recipe: String,
    /// How many events the model was trained on.
    pub training_events: u64,
    /// How many events were held against them.
    pub events: u64,
    /// The model's threshold.
    pub threshold: Threshold,
    /// The two distributions of the scores.
    pub scores: ScoreDrift,
    /// One per feature, in the model's order.
    pub features: Vec<FeatureDrift>,
    /// By the greatest index of the features and the scores.
    pub closeness: Closeness,
    /// What all of that says, in a sentence or two.
    pub verdict: String,
}

/// Holds `source` against the training profile of `model`, in one pass.
///
/// # Errors
/// The data lacks the recipe's columns, cannot be read or has no rows.
pub async fn drift(engine: &Engine, model: &Model, source: &mut Source) -> Result<Drift> {
    let mut tally = Tally::of(engine, model, source).await?;
    if tally.events == 0 {
        return Err(no_events(source));
    }
    let (scores, features) = (tally.scores(), tally.features());
    let greatest = features
        .iter()
        .map(|feature| feature.psi)
        .fold(scores.psi, f64::max);
    let mut drift = Drift {
        recipe: model.recipe().name.clone(),
        training_events: model.training().events,
        events: tally.events,
        threshold: model.threshold().clone(),
        scores,
        features,
        closeness: Closeness::of(greatest, PSI_SOME, PSI_FAR),
        verdict: String::new(),
    };
    drift.verdict = drift.sentence();
    Ok(drift)
}

impl Drift {
    fn sentence(&self) -> String {
        if self.events >= FEW_EVENTS {
            return self.judgement();
        }
        format!(
            "This rests on {}: with fewer than {FEW_EVENTS}, chance alone can look like a shift. {}",
            of_them(self.events, "event", "events"),
            self.judgement()
        )
    }

    /// What the figures say, however many events they are of.
    fn judgement(&self) -> String {
        let ScoreDrift {
            above_threshold: now,
            expected_above_threshold: expected,
            expected_of,
            ..
        } = &self.scores;
        let (far, flagged) = (self.closeness, percent(*now));
        let flagged = format!(
            "{flagged} of the events are above the threshold, which flags {} {expected_of}",
            percent(*expected)
        );
        // One event more or less says nothing.
        let is_many = *now > 2.0 * expected + 1.0 / self.events as f64;
        match self.closeness {
            Closeness::Far | Closeness::SomeWay => {
                format!("The data is {far}: {}. {flagged}.", self.most_shifted())
            }
            Closeness::Close if is_many => format!(
                "The data is {far}, yet {flagged}: what is flagged stands out of data that is otherwise as it was, and is \
                 worth a look."
            ),
            Closeness::Close => {
                format!("The data is {far}, so that the threshold holds: {flagged}.")
            }
        }
    }

    /// The scores and the feature that shifted most, with their indices.
    fn most_shifted(&self) -> String {
        let scores = format!(
            "the scores have a population stability index of {:.2} (a shift is significant from {PSI_FAR} on)",
            self.scores.psi
        );
        let most = self
            .features
            .iter()
            .max_by(|left, right| left.psi.total_cmp(&right.psi));
        match most {
            Some(feature) if feature.psi >= PSI_SOME => {
                format!(
                    "{scores}, feature {} one of {:.2}",
                    feature.name, feature.psi
                )
            }
            _ => scores,
        }
    }
}
