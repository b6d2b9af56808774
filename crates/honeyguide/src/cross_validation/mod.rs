//! A threshold for new events, chosen by cross-validation.
//!
//! A part of the training events is held out in turn: everything is learnt from the others, and the events that are held
//! out are scored with it (Stone 1974, "Cross-validatory choice and assessment of statistical predictions", J. R. Stat.
//! Soc. B 36(2)). Events of one host resemble each other, and so do events that follow one another, so with parts that
//! divide a host or a moment the rates are too optimistic. The parts are therefore, by what the data has, hosts, blocks of
//! time (Bergmeir & Benítez 2012, "On the use of cross-validation for time series predictor evaluation", Inf. Sci. 191), or
//! else random events.

mod blocks;
mod folds;
mod hosts;
mod split;

use learn::Matrix;
use learn::iforest::{IsolationForest, IsolationForestParams};

pub(crate) use blocks::TimeBlocks;
pub(crate) use folds::MIN_EVENTS;
use folds::{Fold, random_folds};
pub(crate) use hosts::HostModels;

use crate::error::{Error, Result};
use crate::features::{Distilled, Encoder};
use crate::forest::grow;
use crate::model::{BlockRate, HostRate, Threshold, ThresholdMethod};
use crate::recipe::Recipe;
use crate::recipe::layout::Layout;

/// The minimum number of hosts for leave-one-host-out.
pub const MIN_HOSTS: usize = 3;
/// The share by which the mean of rates can be off by rounding: so that a mean of 0.001 is not above 0.001.
const ROUNDING: f64 = 1e-12;
/// The maximum number of folds of hosts. With more hosts, groups of hosts are held out together.
const MAX_HOST_FOLDS: usize = 32;
/// The scores of a fold's distinct rows, each with its number of events.
type FoldScores = Vec<(f64, f64)>;

/// The parts of the training events that are held out in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HeldOut<'a> {
    /// The groups of the distilled events are hosts.
    Hosts,
    /// The groups of the distilled events are these blocks of time.
    Blocks(&'a TimeBlocks),
    /// Random events, drawn with a seed.
    Events(u64),
}

/// Returns the lowest threshold for the model `whole` of all events that flags at most `rate` of the events that are held
/// out. For hosts and blocks of time, the rate is a mean over them, whatever the number of events of each, because it
/// estimates the rate on a new host or in another time. Returns `None` if there are too few events to hold some out.
/// `params` are the parameters of the forest without its column kinds.
///
/// The models of the folds give the same event slightly different scores. Where many events have the same values, a
/// threshold just above the scores that the models of the folds give them may be just below the score that `whole` gives
/// them. So the threshold also flags at most `rate` of the events as `whole` scores them.
pub(crate) fn threshold(
    recipe: &Recipe,
    distilled: &Distilled,
    held_out: HeldOut,
    params: &IsolationForestParams,
    whole: &FoldModel,
    rate: f64,
) -> Result<Option<Threshold>> {
    let is_few = distilled.inputs.total_weight() < MIN_EVENTS;
    let folds = match held_out {
        HeldOut::Hosts => folds::of_groups(distilled, MAX_HOST_FOLDS),
        HeldOut::Blocks(_) | HeldOut::Events(_) if is_few => return Ok(None),
        HeldOut::Blocks(_) => folds::of_groups(distilled, usize::MAX),
        HeldOut::Events(seed) => random_folds(&distilled.inputs, seed),
    };
    let layout = Layout::new(recipe);
    let mut scores: Vec<FoldScores> = Vec::with_capacity(folds.len());
    let mut of_whole = Vec::with_capacity(folds.len());
    for fold in &folds {
        let (own, others) = split::split(&layout, distilled, &fold.events)?;
        scores.push(FoldModel::fit(recipe, &others, params)?.scores_of(&own, &others)?);
        of_whole.push(whole.scores_of(&own, distilled)?);
    }
    if let HeldOut::Events(_) = held_out {
        scores = vec![scores.concat()];
        of_whole = vec![of_whole.concat()];
    }
    let least = lowest(&of_whole, rate, 0.0).map_or(0.0, |chosen| chosen.value);
    let chosen = lowest(&scores, rate, least);
    Ok(chosen.map(|chosen| chosen.described(held_out, &folds, rate)))
}

/// A model of all events but those of a fold, or of all events.
pub(crate) struct FoldModel {
    pub encoder: Encoder,
    pub forest: IsolationForest,
}

impl FoldModel {
    /// Learns from `others`.
    fn fit(recipe: &Recipe, others: &Distilled, params: &IsolationForestParams) -> Result<Self> {
        let encoder = Encoder::new(recipe, &Encoder::fit(recipe, others)?)?;
        let mut matrix = encoder.encode_distilled(&others.inputs, &others.texts)?;
        matrix.sort_rows();
        let forest = grow(params, &encoder, &matrix)?;
        Ok(Self { encoder, forest })
    }

    /// Returns the scores of the rows `own`, each with its number of events. `learnt` is what the model learnt from.
    fn scores_of(&self, own: &Matrix, learnt: &Distilled) -> Result<FoldScores> {
        let mut rows = self.encoder.encode_distilled(own, &learnt.texts)?;
        rows.sort_rows();
        let scores = self.scores(rows.values())?;
        Ok(scores
            .into_iter()
            .zip(rows.weights().iter().copied())
            .collect())
    }

    /// Returns the scores of encoded rows.
    fn scores(&self, rows: &[f64]) -> Result<Vec<f64>> {
        let failed = |error| Error::internal(format!("scoring the events held out: {error}"));
        self.forest.scores(rows).map_err(failed)
    }
}

/// A threshold with the number of events of each fold, and of those that it flags.
struct Chosen {
    value: f64,
    flagged: Vec<f64>,
    events: Vec<f64>,
}

/// Returns the lowest threshold from `least` on that flags at most `rate` of a fold's events, as a mean over the folds.
fn lowest(scores: &[FoldScores], rate: f64, least: f64) -> Option<Chosen> {
    let mut all: Vec<(f64, usize, f64)> = Vec::new();
    for (fold, scores) in scores.iter().enumerate() {
        all.extend(scores.iter().map(|(score, events)| (*score, fold, *events)));
    }
    all.sort_unstable_by(|left, right| {
        let by_score = right.0.total_cmp(&left.0);
        by_score
            .then(left.1.cmp(&right.1))
            .then(left.2.total_cmp(&right.2))
    });
    let lowest_score = all.last()?.0;
    let events: Vec<f64> = scores
        .iter()
        .map(|fold| fold.iter().map(|(_, events)| events).sum())
        .collect();
    let mut flagged = vec![0.0; scores.len()];
    for equal in all.chunk_by(|left, right| left.0 == right.0) {
        let value = equal[0].0;
        if value <= least {
            return Some(Chosen {
                value: least,
                flagged,
                events,
            });
        }
        let mut with_these = flagged.clone();
        for (_, fold, events) in equal {
            with_these[*fold] += events;
        }
        if mean_rate(&with_these, &events) > rate * (1.0 + ROUNDING) || value == lowest_score {
            return Some(Chosen {
                value,
                flagged,
                events,
            });
        }
        flagged = with_these;
    }
    None
}

/// Returns the mean over the folds of the share of events that are flagged.
fn mean_rate(flagged: &[f64], events: &[f64]) -> f64 {
    let rates = flagged.iter().zip(events).map(|(part, all)| part / all);
    rates.sum::<f64>() / events.len() as f64
}

impl Chosen {
    /// Returns the threshold with the rates that it has on the folds.
    fn described(self, held_out: HeldOut, folds: &[Fold], nominal_rate: f64) -> Threshold {
        let realised_rate = mean_rate(&self.flagged, &self.events);
        let rates = self.flagged.iter().zip(&self.events);
        let rates = rates.map(|(flagged, events)| (*events as u64, flagged / events));
        let method = match held_out {
            HeldOut::Hosts => ThresholdMethod::LeaveOneHostOut {
                nominal_rate,
                realised_rate,
                hosts: folds
                    .iter()
                    .zip(rates)
                    .map(|(fold, (events, realised_rate))| HostRate {
                        host: fold.name.clone(),
                        events,
                        realised_rate,
                    })
                    .collect(),
            },
            HeldOut::Blocks(blocks) => ThresholdMethod::LeaveOneBlockOut {
                nominal_rate,
                realised_rate,
                blocks: folds
                    .iter()
                    .zip(rates)
                    .map(|(fold, (events, realised_rate))| {
                        let (from, to) = blocks.range(&fold.name);
                        BlockRate {
                            from,
                            to,
                            events,
                            realised_rate,
                        }
                    })
                    .collect(),
            },
            HeldOut::Events(_) => ThresholdMethod::KFold {
                nominal_rate,
                realised_rate,
                folds: folds.len(),
                events: Some(self.events.iter().sum::<f64>() as u64),
            },
        };
        Threshold {
            value: self.value,
            method,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_lowest_that_keeps_to_the_mean_rate() {
        // The first fold has ten events and the second one hundred, so one event counts ten times as much in the first.
        let scores = [
            vec![(0.9, 1.0), (0.5, 9.0)],
            vec![(0.8, 1.0), (0.7, 2.0), (0.4, 97.0)],
        ];
        for (rate, value, realised) in [
            (0.0, 0.9, 0.0),
            (0.049, 0.9, 0.0),
            (0.05, 0.8, 0.05),
            (0.055, 0.7, 0.055),
            (0.065, 0.5, 0.065),
            (0.9, 0.4, 0.515),
        ] {
            let chosen = lowest(&scores, rate, 0.0).expect("there are events");
            assert_eq!(chosen.value, value, "at rate {rate}");
            let mean = mean_rate(&chosen.flagged, &chosen.events);
            assert!((mean - realised).abs() < 1e-12, "at rate {rate}: {mean}");
        }
        assert!(lowest(&[Vec::new()], 0.1, 0.0).is_none());
        for (least, value, realised) in [(0.6, 0.7, 0.055), (0.75, 0.75, 0.055), (0.95, 0.95, 0.0)]
        {
            let chosen = lowest(&scores, 0.055, least).expect("there are events");
            let mean = mean_rate(&chosen.flagged, &chosen.events);
            assert_eq!(chosen.value, value, "from {least} on");
            assert!((mean - realised).abs() < 1e-12, "from {least} on: {mean}");
        }
    }
}
