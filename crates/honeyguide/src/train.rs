//! Training and calibration of models.

mod by_incidents;
mod recorded;

use std::sync::Arc;

use learn::Matrix;
use learn::iforest::{
    Contamination, IsolationForest, IsolationForestParams, MaxFeatures, MaxSamples, Novelty,
};
use sha2::{Digest, Sha256};

use self::by_incidents::Asked;
use crate::cross_validation::{self, FoldModel, HeldOut, MIN_EVENTS, MIN_HOSTS, TimeBlocks};
use crate::distil::{distil, host_key};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{Distilled, Encoder};
use crate::forest::grow;
use crate::groups::Keys;
use crate::model::{Distribution, Model, Threshold, ThresholdMethod, Training, profile};
use crate::naming::parameter;
use crate::recipe::Recipe;
use crate::recipe::plan::FeaturePlan;
use crate::scored::{Order, ScoredCounts};
use crate::source::{Source, no_events};
use crate::tail::Tail;
use crate::wording::{hex, of_them};

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
    /// Whether events score higher the farther they lie outside of the training events; `None` for what the recipe says,
    /// and [`Novelty::Range`] if it says nothing.
    pub novelty: Option<Novelty>,
    /// The way in which the threshold is set.
    pub threshold: ThresholdPolicy,
    /// The seed of every random choice.
    pub seed: u64,
    /// The columns whose features are left out.
    pub exclude: Vec<String>,
}

/// The share of held-out events that the default threshold may flag.
pub const FALSE_POSITIVE_RATE: f64 = 0.001;

/// The incidents per host and day that the default threshold may give on held-out hosts.
pub const INCIDENTS_PER_HOST_DAY: f64 = 0.25;

/// The policy by which training sets the threshold of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdPolicy {
    /// As [`Incidents`](Self::Incidents) where the incidents of three hosts or more can be counted and their recorded time
    /// allows at least one of them; else as [`HeldOutOrAuto`](Self::HeldOutOrAuto).
    IncidentsOrHeldOut {
        /// The largest number of incidents per host and day, on all hosts together.
        per_host_day: f64,
        /// The largest share of events that are held out that may be flagged.
        false_positive_rate: f64,
    },
    /// By training events that are held out in turn and scored by a model of the others. They are hosts where the events
    /// come from [`MIN_HOSTS`](crate::MIN_HOSTS) hosts or more; else blocks of time where the data has a column of times and
    /// can be read more than once; else random events. With too few events the threshold is contamination `auto`.
    /// [`Model::threshold`] says which it was.
    HeldOutOrAuto {
        /// The largest share of events that are held out that may be flagged: for hosts and blocks of time, in their mean.
        false_positive_rate: f64,
    },
    /// By training events that are held out in turn. Training fails where there are too few events.
    HeldOut {
        /// The largest share of events that are held out that may be flagged: for hosts and blocks of time, in their mean.
        false_positive_rate: f64,
    },
    /// By the incidents of training hosts that are held out in turn: the lowest threshold of which neither it nor any higher
    /// one gives more than so many incidents per host and day. Training fails where no three hosts can be held out, where
    /// the data has no times or no processes, and where it can be read only once.
    Incidents {
        /// The largest number of incidents per host and day, on all hosts together.
        per_host_day: f64,
    },
    /// By the scores of the training events, as scikit-learn does.
    Contamination(Contamination),
}

impl Default for ThresholdPolicy {
    fn default() -> Self {
        Self::IncidentsOrHeldOut {
            per_host_day: INCIDENTS_PER_HOST_DAY,
            false_positive_rate: FALSE_POSITIVE_RATE,
        }
    }
}

impl ThresholdPolicy {
    /// Returns the share of held-out events that may be flagged, where events are to be held out.
    fn held_out_rate(self) -> Option<f64> {
        match self {
            Self::IncidentsOrHeldOut {
                false_positive_rate,
                ..
            }
            | Self::HeldOutOrAuto {
                false_positive_rate,
            }
            | Self::HeldOut {
                false_positive_rate,
            } => Some(false_positive_rate),
            Self::Incidents { .. } | Self::Contamination(_) => None,
        }
    }

    /// Returns the incidents by which the threshold is set, if it is, where `parts` can be held out.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    async fn incidents(
        self,
        engine: &Engine,
        source: &mut Source,
        parts: &Parts,
    ) -> Result<Option<Asked>> {
        match self {
            Self::Incidents { per_host_day } => Ok(Some(Asked {
                per_host_day,
                clock: None,
            })),
            Self::IncidentsOrHeldOut { per_host_day, .. } if matches!(parts, Parts::Hosts) => {
                by_incidents::asked_if_allowed(engine, source, per_host_day).await
            }
            _ => Ok(None),
        }
    }

    fn contamination(self) -> Contamination {
        match self {
            Self::Contamination(contamination) => contamination,
            Self::IncidentsOrHeldOut { .. }
            | Self::HeldOutOrAuto { .. }
            | Self::HeldOut { .. }
            | Self::Incidents { .. } => Contamination::Auto,
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
            novelty: None,
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
            .novelty(self.novelty.or(recipe.novelty).unwrap_or(Novelty::Range))
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
    if let ThresholdPolicy::Incidents { per_host_day } = options.threshold {
        by_incidents::check(source, per_host_day)?;
    }
    let recipe = recipe.resolve(engine, source, &options.exclude)?;
    let plan = recipe.plan(engine, source)?;
    let (distilled, parts) = match options.threshold {
        ThresholdPolicy::Incidents { .. } => {
            let key = source.host().map(|column| host_key(&column.name));
            let all = distil(engine, source, &recipe, &plan, key, options.seed).await?;
            (all, Parts::Hosts)
        }
        ThresholdPolicy::Contamination(_) => {
            let all = distil(engine, source, &recipe, &plan, None, options.seed).await?;
            (all, Parts::Events)
        }
        ThresholdPolicy::IncidentsOrHeldOut { .. }
        | ThresholdPolicy::HeldOutOrAuto { .. }
        | ThresholdPolicy::HeldOut { .. } => {
            distil_for_folds(engine, source, &recipe, &plan, options.seed).await?
        }
    };
    if distilled.events == 0 {
        return Err(no_events(source));
    }
    let threshold = match options.threshold.incidents(engine, source, &parts).await? {
        Some(asked) => {
            let params = options.forest_params(&recipe, distilled.events);
            let held_out = (&distilled, &params);
            Some(by_incidents::threshold(engine, source, &recipe, &plan, held_out, asked).await?)
        }
        None => None,
    };
    fit(recipe, distilled, &parts, options, threshold)
}

/// The parts of the training events that can be held out.
pub(crate) enum Parts {
    Hosts,
    Blocks(Box<TimeBlocks>),
    Events,
}

impl Parts {
    /// Returns what is held out in turn. Random events are drawn with `seed`.
    fn held_out(&self, seed: u64) -> HeldOut<'_> {
        match self {
            Self::Hosts => HeldOut::Hosts,
            Self::Blocks(blocks) => HeldOut::Blocks(blocks),
            Self::Events => HeldOut::Events(seed),
        }
    }
}

/// Distils `source` in groups that can be held out: hosts, or else blocks of time, if the data has them.
async fn distil_for_folds(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    seed: u64,
) -> Result<(Distilled, Parts)> {
    let host = source.host().map(|column| host_key(&column.name));
    let mut known = None;
    if let Some(host) = host {
        let distilled = distil(engine, source, recipe, plan, Some(host), seed).await?;
        match distilled.groups.len() {
            hosts if hosts >= MIN_HOSTS => return Ok((distilled, Parts::Hosts)),
            // There are too many pairs of a row and a host, so there are more of a row and a block.
            0 => return Ok((distilled, Parts::Events)),
            _ => known = Some(distilled),
        }
    }
    if source.is_repeatable()
        && let Some(blocks) = TimeBlocks::find(engine, source).await?
    {
        let distilled = distil(engine, source, recipe, plan, Some(blocks.key()), seed).await?;
        let parts = match distilled.groups.is_empty() {
            true => Parts::Events,
            false => Parts::Blocks(Box::new(blocks)),
        };
        return Ok((distilled, parts));
    }
    let distilled = match known {
        Some(distilled) => distilled,
        None => distil(engine, source, recipe, plan, None, seed).await?,
    };
    Ok((distilled, Parts::Events))
}

/// Trains a model on the distinct rows of the training events, of which `parts` can be held out. Its threshold is `known`, or
/// else the one of the options.
///
/// # Errors
/// Fails when a parameter does not fit the events, and when events are to be held out and there are too few.
pub(crate) fn fit(
    recipe: Recipe,
    distilled: Distilled,
    parts: &Parts,
    options: &TrainOptions,
    known: Option<Threshold>,
) -> Result<Model> {
    let params = options.forest_params(&recipe, distilled.events);
    let encodings = Encoder::fit(&recipe, &distilled)?;
    let encoder = Encoder::new(&recipe, &encodings)?;
    let mut matrix = encoder.encode_distilled(&distilled.inputs, &distilled.texts)?;
    let profile = profile(&recipe, &encodings, &distilled, &matrix);
    let fingerprint = fingerprint(&distilled);
    let (events, distinct_rows) = (distilled.events, distilled.distinct_rows);
    let sampled_rows = distilled.sampled.then(|| distilled.inputs.n_rows() as u64);
    // The inputs take as much memory as the matrix and are seldom needed any longer.
    let rate = options
        .threshold
        .held_out_rate()
        .filter(|_| known.is_none());
    let distilled = rate.map(|rate| (rate, distilled));
    matrix.sort_rows();
    let forest = grow(&params, &encoder, &matrix)?;
    let whole = FoldModel { encoder, forest };
    let held_out = match &distilled {
        Some((rate, distilled)) => {
            let parts = parts.held_out(options.seed);
            cross_validation::threshold(&recipe, distilled, parts, &params, &whole, *rate)?
        }
        None => known,
    };
    drop(distilled);
    let must_hold_out = matches!(options.threshold, ThresholdPolicy::HeldOut { .. });
    if must_hold_out && held_out.is_none() {
        return Err(too_few(events));
    }
    let FoldModel { encoder, forest } = whole;
    let contamination = options.threshold.contamination();
    let scores = weighted_scores(&forest, &matrix)?;
    let threshold = held_out.unwrap_or_else(|| by_contamination(&forest, contamination, &scores));
    let training = Training {
        events,
        distinct_rows,
        sampled_rows,
        imported: None,
        fingerprint,
        profile,
        scores: Distribution::of_numbers(scores),
    };
    Ok(Model {
        recipe,
        encodings,
        encoder,
        forest: Arc::new(forest),
        threshold,
        training,
        origin: None,
        known: Arc::default(),
    })
}

/// Returns the error of training events that are too few to hold some of them out.
fn too_few(events: u64) -> Error {
    let rate = parameter("false_positive_rate");
    Error::usage(format!(
        "{rate}: no threshold can be set by events that are held out: the data has {}, and the least number is {MIN_EVENTS}",
        of_them(events, "event", "events")
    ))
    .hint(format!(
        "give benign events to set the threshold on, with {}, or leave {rate} out",
        parameter("calibrate"),
    ))
}

/// Returns the distribution of the scores of weighted rows.
pub(crate) fn scores_of(forest: &IsolationForest, matrix: &Matrix) -> Result<Distribution> {
    Ok(Distribution::of_numbers(weighted_scores(forest, matrix)?))
}

/// Returns the score of each row with its number of events.
fn weighted_scores(forest: &IsolationForest, matrix: &Matrix) -> Result<Vec<(f64, f64)>> {
    let scores = forest
        .scores(matrix.values())
        .map_err(|error| Error::internal(error.to_string()))?;
    let events = matrix.weights().iter().copied();
    Ok(scores.into_iter().zip(events).collect())
}

/// Returns the threshold that the forest sets by its contamination. `scores` are those of the training events.
fn by_contamination(
    forest: &IsolationForest,
    contamination: Contamination,
    scores: &[(f64, f64)],
) -> Threshold {
    let value = -forest.offset();
    let method = match contamination {
        Contamination::Auto => ThresholdMethod::Auto {},
        Contamination::Fraction(fraction) => {
            let events = |is_counted: &dyn Fn(f64) -> bool| {
                let counted = scores.iter().filter(|(score, _)| is_counted(*score));
                counted.map(|(_, events)| events).sum::<f64>()
            };
            let flagged = events(&|score| score > value) / events(&|_| true);
            ThresholdMethod::Contamination {
                fraction,
                realised_rate: Some(flagged + 0.0),
            }
        }
    };
    Threshold { value, method }
}

/// What a calibration found out about its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// Whether the events are those that the model was trained on: the same number of events with each row of inputs, in
    /// whatever files. The threshold then says what the model remembers, and not how many new events it flags.
    pub on_training_events: bool,
}

/// Sets the threshold to the lowest that flags at most the share `rate` of the events of `source`, which should be benign
/// and not those of the training. `rate` is then the false-positive rate.
///
/// # Errors
/// Fails when `rate` is not at least 0 and below 1, and when the data lacks the recipe's columns, cannot be read or has
/// no rows.
pub async fn calibrate(
    engine: &Engine,
    model: &mut Model,
    source: &mut Source,
    rate: f64,
) -> Result<Calibration> {
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
    // Other events are seldom as many, so the second scan is rare.
    let as_many = tail.events() == model.training.events && source.is_repeatable();
    let on_training_events = as_many && is_training_data(engine, model, source).await?;
    Ok(Calibration { on_training_events })
}

/// Returns whether the events of `source` have the rows of inputs that the model was trained on.
async fn is_training_data(engine: &Engine, model: &Model, source: &mut Source) -> Result<bool> {
    let plan = model.recipe.plan(engine, source)?;
    let seed = model.forest.seed();
    let distilled = distil(engine, source, &model.recipe, &plan, None, seed).await?;
    Ok(fingerprint(&distilled) == model.training.fingerprint)
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
