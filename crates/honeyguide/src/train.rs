//! From events to a model.

use std::collections::VecDeque;
use std::sync::Arc;

use learn::iforest::{Contamination, IsolationForestParams, MaxFeatures, MaxSamples};
use sha2::{Digest, Sha256};

use crate::distil::{Distilled, distil};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::Encoder;
use crate::model::{Distribution, Model, Threshold, ThresholdMethod, Training, profile};
use crate::recipe::Recipe;
use crate::scored::{Order, ScoredCounts};
use crate::source::Source;

/// What `train` can be asked for, with scikit-learn's names, meaning and defaults.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Number of trees.
    pub n_estimators: usize,
    /// Events that each tree draws.
    pub max_samples: MaxSamples,
    /// Columns that each tree sees.
    pub max_features: MaxFeatures,
    /// Whether a tree may draw an event twice.
    pub bootstrap: bool,
    /// Where the threshold lies.
    pub contamination: Contamination,
    /// Of every random choice.
    pub seed: u64,
    /// Columns whose features are left out.
    pub exclude: Vec<String>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_samples: MaxSamples::Auto,
            max_features: MaxFeatures::Fraction(1.0),
            bootstrap: false,
            contamination: Contamination::Auto,
            seed: 0,
            exclude: Vec::new(),
        }
    }
}

impl TrainOptions {
    fn forest_params(&self) -> IsolationForestParams {
        IsolationForestParams::new()
            .n_estimators(self.n_estimators)
            .max_samples(self.max_samples)
            .max_features(self.max_features)
            .bootstrap(self.bootstrap)
            .contamination(self.contamination)
            .seed(self.seed)
    }
}

/// Trains a model on `source`: one scan, then a forest on the distinct feature rows. The same events, recipe and
/// parameters give the same model, however the events are spread over files and threads.
///
/// # Errors
/// The recipe does not fit the data, the data cannot be read or is empty, a parameter is out of range.
pub async fn train(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    options: &TrainOptions,
) -> Result<Model> {
    let recipe = recipe.resolve(engine, source, &options.exclude)?;
    let plan = recipe.plan(engine, source)?;
    let distilled = distil(engine, source, &recipe, &plan, options.seed).await?;
    if distilled.events == 0 {
        return Err(no_events(source));
    }
    fit(recipe, &distilled, options)
}

/// There is nothing to learn from or to judge.
pub(crate) fn no_events(source: &Source) -> Error {
    let files: Vec<_> = source
        .files()
        .map(|file| file.path.display().to_string())
        .collect();
    Error::data(format!("{}: a header but no rows", files.join(", ")))
        .hint("is this the right file?")
}

/// The model of distilled training events.
pub(crate) fn fit(recipe: Recipe, distilled: &Distilled, options: &TrainOptions) -> Result<Model> {
    let encodings = Encoder::fit(&recipe, distilled)?;
    let encoder = Encoder::new(&recipe, &encodings)?;
    let mut matrix = encoder.encode_training(distilled)?;
    let profile = profile(&recipe, &encodings, distilled, &matrix);
    let fingerprint = fingerprint(distilled);
    let sampled_rows = distilled.sampled.then(|| distilled.inputs.n_rows() as u64);
    matrix.sort_rows();
    let params = options.forest_params().column_kinds(encoder.column_kinds());
    let forest = params
        .fit(&matrix)
        .map_err(|error| Error::usage(error.to_string()))?;
    let scores = forest
        .scores(matrix.values())
        .map_err(|error| Error::internal(error.to_string()))?;
    let threshold = Threshold {
        value: -forest.offset(),
        method: match options.contamination {
            Contamination::Auto => ThresholdMethod::Auto {},
            Contamination::Fraction(fraction) => ThresholdMethod::Contamination { fraction },
        },
    };
    let scores = Distribution::of_numbers(
        scores
            .into_iter()
            .zip(matrix.weights().iter().copied())
            .collect(),
    );
    let training = Training {
        events: distilled.events,
        distinct_rows: distilled.distinct_rows,
        sampled_rows,
        fingerprint,
        profile,
        scores,
    };
    Ok(Model {
        recipe,
        encodings,
        encoder,
        forest,
        threshold,
        training,
    })
}

/// Sets the threshold to the lowest that flags at most `rate` of the events of `source`, which are held to be benign.
///
/// # Errors
/// `rate` is not within 0 and 1; the data lacks the recipe's columns, cannot be read or is empty.
pub async fn calibrate(
    engine: &Engine,
    model: &mut Model,
    source: &mut Source,
    rate: f64,
) -> Result<()> {
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::usage(format!(
            "a false-positive rate of {rate}: it must be at least 0 and below 1"
        )));
    }
    let shared = Arc::new(model.clone());
    let counts = ScoredCounts {
        model: &shared,
        keys: &[],
        order: Order::Ascending,
    };
    let tail = counts
        .fold(
            engine,
            source,
            || Tail::new(rate),
            |tail, group| Ok(tail.push(group.score, group.events)),
        )
        .await?;
    model.threshold = tail.threshold(rate).ok_or_else(|| no_events(source))?;
    Ok(())
}

/// The upper tail of scores that come in ascending order: all that can still hold the threshold.
struct Tail {
    rate: f64,
    groups: VecDeque<(f64, u64)>,
    in_tail: u64,
    events: u64,
}

impl Tail {
    fn new(rate: f64) -> Self {
        Self {
            rate,
            groups: VecDeque::new(),
            in_tail: 0,
            events: 0,
        }
    }

    /// How many of the events seen so far may lie above the threshold; it never falls.
    fn allowed(&self) -> u64 {
        (self.rate * self.events as f64).floor() as u64
    }

    fn push(&mut self, score: f64, events: u64) {
        self.groups.push_back((score, events));
        self.in_tail += events;
        self.events += events;
        // The threshold is the highest score whose own events no longer fit above it, so one group more than fits stays.
        while let Some(&(_, lowest)) = self.groups.front()
            && self.in_tail - lowest > self.allowed()
        {
            self.in_tail -= lowest;
            self.groups.pop_front();
        }
    }

    /// `None` when there were no events.
    fn threshold(&self, nominal_rate: f64) -> Option<Threshold> {
        let &(value, lowest) = self.groups.front()?;
        let flagged = self.in_tail - lowest;
        let realised_rate = flagged as f64 / self.events as f64;
        Some(Threshold {
            value,
            method: ThresholdMethod::Calibrated {
                nominal_rate,
                realised_rate,
                events: self.events,
            },
        })
    }
}

/// SHA-256 of the distinct rows with their counts; little-endian bits, so that it is the same on every machine.
fn fingerprint(distilled: &Distilled) -> String {
    let mut hash = Sha256::new();
    hash.update(distilled.events.to_le_bytes());
    hash.update(distilled.distinct_rows.to_le_bytes());
    for (index, texts) in distilled.texts.iter().enumerate() {
        for text in texts {
            hash.update((index as u64).to_le_bytes());
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    for numbers in [distilled.inputs.values(), distilled.inputs.weights()] {
        for number in numbers {
            hash.update(number.to_bits().to_le_bytes());
        }
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_holds_the_lowest_threshold_for_the_rate() {
        let groups = [(0.1, 50), (0.2, 40), (0.3, 7), (0.4, 2), (0.5, 1)];
        for (rate, value, flagged) in [
            (0.0, 0.5, 0),
            (0.01, 0.4, 1),
            (0.029, 0.4, 1),
            (0.03, 0.3, 3),
            (0.5, 0.1, 50),
            (0.99, 0.1, 50),
        ] {
            let mut tail = Tail::new(rate);
            groups
                .iter()
                .for_each(|&(score, events)| tail.push(score, events));
            let threshold = tail.threshold(rate).unwrap();
            let realised_rate = f64::from(flagged) / 100.0;
            assert_eq!(threshold.value, value, "at rate {rate}");
            assert_eq!(
                threshold.method,
                ThresholdMethod::Calibrated {
                    nominal_rate: rate,
                    realised_rate,
                    events: 100
                }
            );
        }
        assert_eq!(Tail::new(0.1).threshold(0.1), None);
    }
}
