//! Training and calibration of models.

use std::sync::Arc;

use learn::Matrix;
use learn::iforest::{
    Contamination, FitError, IsolationForest, IsolationForestParams, MaxFeatures, MaxSamples,
    Novelty,
};
use sha2::{Digest, Sha256};

use crate::distil::distil;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{Distilled, Encoder};
use crate::groups::Keys;
use crate::leave_one_out;
use crate::model::{Distribution, Model, Threshold, ThresholdMethod, Training, profile};
use crate::naming::parameter;
use crate::recipe::Recipe;
use crate::scored::{Order, ScoredCounts};
use crate::source::{Source, no_events};
use crate::tail::Tail;
use crate::wording::hex;

/// The parameters of training. Those that scikit-learn's `IsolationForest` has too have the same names, meanings and
/// defaults. It has no `novelty`; its forests are [`Novelty::Plain`].
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// The number of trees.
    pub n_estimators: usize,
    /// The number or share of events that each tree is grown on; `None` for the recipe's number.
    pub max_samples: Option<MaxSamples>,
    /// The number or share of features that each tree uses.
    pub max_features: MaxFeatures,
    /// Whether events are drawn for a tree with replacement.
    pub bootstrap: bool,
    /// Whether events score higher the farther they lie outside of the training events.
    pub novelty: Novelty,
    /// The way in which the threshold is set.
    pub threshold: ThresholdPolicy,
    /// The seed of every random choice.
    pub seed: u64,
    /// The columns whose features are left out.
    pub exclude: Vec<String>,
}

/// The share of a held-out host's events that the default threshold may flag.
pub const FALSE_POSITIVE_RATE: f64 = 0.001;

/// The policy by which training sets the threshold of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdPolicy {
    /// By hosts that are held out in turn, where the events come from [`MIN_HOSTS`](crate::MIN_HOSTS) hosts or more;
    /// else by contamination `auto`. [`Model::threshold`] says which it was.
    HeldOutHostsOrAuto {
        /// The largest share of a held-out host's events that may be flagged, in the mean of the hosts.
        false_positive_rate: f64,
    },
    /// By hosts that are held out in turn. Training fails where there are fewer than [`MIN_HOSTS`](crate::MIN_HOSTS).
    HeldOutHosts {
        /// The largest share of a held-out host's events that may be flagged, in the mean of the hosts.
        false_positive_rate: f64,
    },
    /// By the scores of the training events, as scikit-learn does.
    Contamination(Contamination),
}

impl Default for ThresholdPolicy {
    fn default() -> Self {
        Self::HeldOutHostsOrAuto {
            false_positive_rate: FALSE_POSITIVE_RATE,
        }
    }
}

impl ThresholdPolicy {
    /// Returns the share of a held-out host's events that may be flagged, where hosts are to be held out.
    fn held_out_rate(self) -> Option<f64> {
        match self {
            Self::HeldOutHostsOrAuto {
                false_positive_rate,
            }
            | Self::HeldOutHosts {
                false_positive_rate,
            } => Some(false_positive_rate),
            Self::Contamination(_) => None,
        }
    }

    fn contamination(self) -> Contamination {
        match self {
            Self::Contamination(contamination) => contamination,
            Self::HeldOutHostsOrAuto { .. } | Self::HeldOutHosts { .. } => Contamination::Auto,
        }
    }
}

/// A recipe's `max_samples` is capped at one event in so many: a tree that draws most events takes the rare for usual,
/// and has no place left for what is new (Liu et al. 2008, section 4, on swamping and masking).
const EVENTS_PER_SAMPLE: u64 = 32;
/// The number of events below which a recipe's `max_samples` is not reduced: scikit-learn's default.
const FEWEST_SAMPLES: usize = 256;

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_samples: None,
            max_features: MaxFeatures::Fraction(1.0),
            bootstrap: false,
            novelty: Novelty::Range,
            threshold: ThresholdPolicy::default(),
            seed: 0,
            exclude: Vec::new(),
        }
    }
}

impl TrainOptions {
    fn forest_params(&self, recipe: &Recipe, events: u64) -> IsolationForestParams {
        let of_recipe = || {
            recipe.max_samples.map_or(MaxSamples::Auto, |most| {
                let share = usize::try_from(events / EVENTS_PER_SAMPLE).unwrap_or(most);
                MaxSamples::Count(most.min(share.max(FEWEST_SAMPLES)))
            })
        };
        IsolationForestParams::new()
            .n_estimators(self.n_estimators)
            .max_samples(self.max_samples.unwrap_or_else(of_recipe))
            .max_features(self.max_features)
            .bootstrap(self.bootstrap)
            .novelty(self.novelty)
            .contamination(self.threshold.contamination())
            .seed(self.seed)
    }
}

/// Trains a model on `source`: scans the data once, then grows a forest on the distinct feature rows. The same events,
/// recipe and parameters give the same model, however the events are distributed over files and threads.
///
/// # Errors
/// Fails when the recipe does not fit the data, when the data cannot be read or has no rows, and when a parameter is
/// out of range.
pub async fn train(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    options: &TrainOptions,
) -> Result<Model> {
    let rate = options.threshold.held_out_rate();
    rate.map_or(Ok(()), check_rate)?;
    let recipe = recipe.resolve(engine, source, &options.exclude)?;
    let plan = recipe.plan(engine, source)?;
    let host = rate.and_then(|_| source.host());
    let host = host.map(|column| column.name.clone());
    let distilled = distil(
        engine,
        source,
        &recipe,
        &plan,
        host.as_deref(),
        options.seed,
    )
    .await?;
    if distilled.events == 0 {
        return Err(no_events(source));
    }
    fit(recipe, distilled, options, || no_hosts(source))
}

/// Returns the error for parameters that the forest refuses for this data, with the names of the command's options.
fn unfit(error: &FitError) -> Error {
    match error {
        FitError::FeatureCount { value, max } => Error::usage(format!(
            "{} {value}: with this data a tree can see from 1 to {max} features",
            parameter("max_features")
        ))
        .hint("a number with a point is a fraction: 1.0 is all features"),
        FitError::SampleSize { value, max } => Error::usage(format!(
            "{}: a tree would draw {value} events of this data; the limit is {max}",
            parameter("max_samples")
        ))
        .hint("ask for a smaller fraction, or for a count"),
        other => Error::usage(other.to_string()),
    }
}

/// Trains a model on the distinct rows of the training events. `no_hosts` makes the error for events of which no host
/// can be held out although the policy demands it.
///
/// # Errors
/// Fails when a parameter does not fit the events.
pub(crate) fn fit(
    recipe: Recipe,
    distilled: Distilled,
    options: &TrainOptions,
    no_hosts: impl FnOnce() -> Error,
) -> Result<Model> {
    let params = options.forest_params(&recipe, distilled.events);
    let held_out = match options.threshold.held_out_rate() {
        Some(rate) => leave_one_out::threshold(&recipe, &distilled, &params, rate)?,
        None => None,
    };
    let must_hold_out = matches!(options.threshold, ThresholdPolicy::HeldOutHosts { .. });
    if must_hold_out && held_out.is_none() {
        return Err(no_hosts());
    }
    let encodings = Encoder::fit(&recipe, &distilled)?;
    let encoder = Encoder::new(&recipe, &encodings)?;
    let mut matrix = encoder.encode_distilled(&distilled.inputs, &distilled.texts)?;
    let profile = profile(&recipe, &encodings, &distilled, &matrix);
    let fingerprint = fingerprint(&distilled);
    let (events, distinct_rows) = (distilled.events, distilled.distinct_rows);
    let sampled_rows = distilled.sampled.then(|| distilled.inputs.n_rows() as u64);
    // The inputs take as much memory as the matrix and are no longer needed.
    drop(distilled);
    matrix.sort_rows();
    let forest = params
        .column_kinds(encoder.column_kinds())
        .fit(&matrix)
        .map_err(|error| unfit(&error))?;
    let contamination = options.threshold.contamination();
    let threshold = held_out.unwrap_or_else(|| by_contamination(&forest, contamination));
    let training = Training {
        events,
        distinct_rows,
        sampled_rows,
        imported: None,
        fingerprint,
        profile,
        scores: scores_of(&forest, &matrix)?,
    };
    Ok(Model {
        recipe,
        encodings,
        encoder,
        forest: Arc::new(forest),
        threshold,
        training,
        origin: None,
    })
}

/// Returns why no threshold can be set by held-out hosts on data like `source`, where training says so.
pub fn why_not_held_out(source: &Source) -> String {
    let column = source.log().host();
    let by = column.map_or_else(String::new, |column| format!(" by a column {column}"));
    format!("the data does not tell three hosts apart{by}, or has too many distinct rows of inputs")
}

/// Returns the error of data in which no host can be held out.
fn no_hosts(source: &Source) -> Error {
    let rate = parameter("false_positive_rate");
    Error::usage(format!(
        "{rate}: no threshold can be set by leave-one-host-out: {}",
        why_not_held_out(source)
    ))
    .hint(format!(
        "give benign events to set the threshold on: {} DATA; name the column of hosts with {}; or leave {rate} out",
        parameter("calibrate"),
        parameter("host_column")
    ))
}

/// Returns the distribution of the scores of weighted rows.
pub(crate) fn scores_of(forest: &IsolationForest, matrix: &Matrix) -> Result<Distribution> {
    let scores = forest
        .scores(matrix.values())
        .map_err(|error| Error::internal(error.to_string()))?;
    let events = matrix.weights().iter().copied();
    Ok(Distribution::of_numbers(
        scores.into_iter().zip(events).collect(),
    ))
}

/// Returns the threshold that the forest sets by its contamination.
fn by_contamination(forest: &IsolationForest, contamination: Contamination) -> Threshold {
    Threshold {
        value: -forest.offset(),
        method: match contamination {
            Contamination::Auto => ThresholdMethod::Auto {},
            Contamination::Fraction(fraction) => ThresholdMethod::Contamination { fraction },
        },
    }
}

/// Sets the threshold to the lowest that flags at most the share `rate` of the events of `source`, which should be
/// benign.
/// `rate` is then the false-positive rate.
///
/// # Errors
/// Fails when `rate` is not at least 0 and below 1, and when the data lacks the recipe's columns, cannot be read or has
/// no rows.
pub async fn calibrate(
    engine: &Engine,
    model: &mut Model,
    source: &mut Source,
    rate: f64,
) -> Result<()> {
    check_rate(rate)?;
    let shared = Arc::new(model.clone());
    let counts = ScoredCounts {
        model: &shared,
        keys: &Keys::default(),
        order: Order::Ascending,
    };
    let tail = counts
        .fold(
            engine,
            source,
            || Tail::new(rate),
            |tail, group| {
                tail.push(group.score, group.events);
                Ok(())
            },
        )
        .await?;
    let (value, realised_rate) = tail.threshold().ok_or_else(|| no_events(source))?;
    model.threshold = Threshold {
        value,
        method: ThresholdMethod::Calibrated {
            nominal_rate: rate,
            realised_rate,
            events: tail.events(),
        },
    };
    model.origin = None;
    Ok(())
}

/// Refuses a false-positive rate that is not at least 0 and below 1.
fn check_rate(rate: f64) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "a false-positive rate of {rate}: it must be at least 0 and below 1"
    )))
}

/// Returns the SHA-256 of the distinct rows with their counts. Numbers are hashed in little-endian order, so that the
/// result is the same on every machine.
pub(crate) fn fingerprint(distilled: &Distilled) -> String {
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
    hex(&hash.finalize())
}
