//! A threshold for new hosts, chosen by leave-one-host-out cross-validation.
//!
//! Each host is held out in turn: everything is learnt from the other hosts, and the held-out host's events are scored
//! with it. This is cross-validation with hosts as the folds (Stone 1974, "Cross-validatory choice and assessment of
//! statistical predictions", J. R. Stat. Soc. B 36(2)). Events of one host resemble each other, so with folds that
//! divide a host the rates would be too optimistic.

mod split;

use std::borrow::Cow;

use learn::Matrix;
use learn::iforest::IsolationForestParams;

use crate::error::{Error, Result};
use crate::features::{Distilled, Encoder, HostRows};
use crate::model::{HostRate, Threshold, ThresholdMethod};
use crate::recipe::Recipe;
use crate::recipe::layout::Layout;

/// The minimum number of hosts for leave-one-host-out.
pub const MIN_HOSTS: usize = 3;
/// The scores of a fold's distinct rows, each with its number of events.
type FoldScores = Vec<(f64, u64)>;

/// The maximum number of folds. With more hosts, groups of hosts are held out together.
const MAX_FOLDS: usize = 32;

/// Returns the lowest threshold that flags at most `rate` of a held-out host's events, as a mean over the hosts.
/// Returns `None` if `distilled` has fewer than [`MIN_HOSTS`] hosts. The mean is over hosts, not events, because it
/// estimates the rate on a new host, whatever the number of events of each host. `params` are the parameters of the
/// forest without its column kinds.
pub(crate) fn threshold(
    recipe: &Recipe,
    distilled: &Distilled,
    params: &IsolationForestParams,
    rate: f64,
) -> Result<Option<Threshold>> {
    if distilled.hosts.len() < MIN_HOSTS {
        return Ok(None);
    }
    let folds = folds(&distilled.hosts);
    let layout = Layout::new(recipe);
    let scores = folds.iter().map(|hosts| {
        let (own, others) = split::split(&layout, distilled, hosts)?;
        score_with(recipe, &others, &own, params)
    });
    let scores: Vec<FoldScores> = scores.collect::<Result<_>>()?;
    Ok(by_mean_rate(&folds, &scores, rate))
}

/// Returns the hosts of each fold, in the order of their names.
fn folds(hosts: &[HostRows]) -> Vec<Vec<&HostRows>> {
    let n_folds = hosts.len().min(MAX_FOLDS);
    (0..n_folds)
        .map(|fold| hosts.iter().skip(fold).step_by(n_folds).collect())
        .collect()
}

/// Learns from `others`, and returns the scores of the rows `own`, each with its number of events.
fn score_with(
    recipe: &Recipe,
    others: &Distilled,
    own: &Matrix,
    params: &IsolationForestParams,
) -> Result<FoldScores> {
    let encoder = Encoder::new(recipe, &Encoder::fit(recipe, others)?)?;
    let mut matrix = encoder.encode_distilled(&others.inputs, &others.texts)?;
    matrix.sort_rows();
    let forest = params
        .clone()
        .column_kinds(encoder.column_kinds())
        .fit(&matrix)
        .map_err(|error| Error::usage(format!("training without the held-out host: {error}")))?;
    let mut rows = encoder.encode_distilled(own, &others.texts)?;
    rows.sort_rows();
    let scores = forest
        .scores(rows.values())
        .map_err(|error| Error::internal(format!("scoring a held-out host: {error}")))?;
    let events = rows.weights().iter().map(|weight| *weight as u64);
    Ok(scores.into_iter().zip(events).collect())
}

/// Returns the lowest threshold that flags at most `rate` of a fold's events, as a mean over the folds, with the rate
/// on each fold.
fn by_mean_rate(folds: &[Vec<&HostRows>], scores: &[FoldScores], rate: f64) -> Option<Threshold> {
    let mut all: Vec<(f64, usize, u64)> = Vec::new();
    for (fold, scores) in scores.iter().enumerate() {
        all.extend(scores.iter().map(|(score, events)| (*score, fold, *events)));
    }
    all.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let events: Vec<u64> = scores.iter().map(|fold| total(fold.iter())).collect();
    let mut flagged = vec![0; folds.len()];
    for equal in all.chunk_by(|left, right| left.0 == right.0) {
        let value = equal[0].0;
        let mut with_these = flagged.clone();
        for (_, fold, events) in equal {
            with_these[*fold] += events;
        }
        if mean_rate(&with_these, &events) > rate || with_these == events {
            return Some(described(value, folds, &flagged, &events, rate));
        }
        flagged = with_these;
    }
    None
}

/// Returns the total number of events.
fn total<'a>(scores: impl Iterator<Item = &'a (f64, u64)>) -> u64 {
    scores.map(|(_, events)| events).sum()
}

/// Returns the mean over the folds of the share of events that are flagged.
fn mean_rate(flagged: &[u64], events: &[u64]) -> f64 {
    let rates = flagged
        .iter()
        .zip(events)
        .map(|(part, all)| share(*part, *all));
    rates.sum::<f64>() / events.len() as f64
}

fn share(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

/// Returns a threshold with the rates that it has on the folds.
fn described(
    value: f64,
    folds: &[Vec<&HostRows>],
    flagged: &[u64],
    events: &[u64],
    nominal_rate: f64,
) -> Threshold {
    let hosts = folds.iter().zip(flagged.iter().zip(events));
    let hosts = hosts.map(|(hosts, (flagged, events))| HostRate {
        host: fold_name(hosts).into_owned(),
        events: *events,
        realised_rate: share(*flagged, *events),
    });
    Threshold {
        value,
        method: ThresholdMethod::LeaveOneHostOut {
            nominal_rate,
            realised_rate: mean_rate(flagged, events),
            hosts: hosts.collect(),
        },
    }
}

/// Returns the name of a fold: that of its host, or the first of several with the number of the others.
fn fold_name<'a>(hosts: &[&'a HostRows]) -> Cow<'a, str> {
    match hosts {
        [host] => Cow::Borrowed(&host.name),
        [host, more @ ..] => format!("{} and {} more", host.name, more.len()).into(),
        [] => Cow::Borrowed(""),
    }
}
