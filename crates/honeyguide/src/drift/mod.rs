//! Drift: a comparison of data with the data that a model was trained on, by every feature and by the scores.

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
use crate::error::{Error, Result};
use crate::model::{Model, Threshold};
use crate::naming::command;
use crate::source::{Source, no_events};
use crate::wording::{of_them, percent};
use tally::Tally;

/// The population stability index from which on a distribution has shifted somewhat (Siddiqi 2006, "Credit Risk
/// Scorecards", p. 137). The index itself is Kullback's symmetric divergence.
pub const PSI_SOME: f64 = 0.1;
/// The population stability index from which on a distribution has shifted significantly (ibid.).
pub const PSI_FAR: f64 = 0.25;
/// The number of events below which the verdict says that they are few. Against a profile of 20 cells, the index of N
/// events from the same distribution is 19 / N on average: with fewer than 190 events it reaches [`PSI_SOME`] by
/// chance.
pub const FEW_EVENTS: u64 = 200;

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
    /// The verdict on the greatest index of the features and the scores.
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
    /// Returns the verdict, after a warning if there are few events.
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

    /// Returns what the figures mean, whatever the number of events.
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
        // A difference of one event is not significant.
        let is_many = *now > 2.0 * expected + 1.0 / self.events as f64;
        match self.closeness {
            Closeness::Far | Closeness::SomeWay => {
                format!("The data is {far}: {}. {flagged}.", self.most_shifted())
            }
            Closeness::Close if is_many => format!(
                "The data is {far}, yet {flagged}: the flagged events stand out from data that has otherwise not changed, \
                 and are worth a look."
            ),
            Closeness::Close => {
                format!("The data is {far}, so that the threshold holds: {flagged}.")
            }
        }
    }

    /// Returns the index of the scores, and that of the feature that shifted most.
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
