//! A threshold that holds on a host never seen: leave-one-host-out.
//!
//! For every host in turn, everything that is learnt is learnt from the other hosts, and its own events are scored with
//! that: cross-validation with hosts as the folds (Stone 1974, "Cross-validatory choice and assessment of statistical
//! predictions", J. R. Stat. Soc. B 36(2)). Events of one host resemble each other, so folds that cut through hosts would
//! promise too much.

mod hosts;

pub(crate) use hosts::{HOST, HostCollector, HostRows, gather_hosts, host_text};

use std::borrow::Cow;

use learn::Matrix;
use learn::iforest::IsolationForestParams;

use crate::distil::Distilled;
use crate::error::{Error, Result};
use crate::features::Encoder;
use crate::model::{HostRate, Threshold, ThresholdMethod};
use crate::recipe::Recipe;
use crate::recipe::layout::Layout;
use crate::tail::Tail;

/// The column that says on which host an event happened.
pub const HOST_COLUMN: &str = "hostName";
/// Fewest hosts to leave one out of.
pub const MIN_HOSTS: usize = 3;
/// Most folds; of more hosts, some are left out together.
const MAX_FOLDS: usize = 32;

/// The lowest threshold that flags at most `rate` of the left-out events of all hosts together, or `None` where
/// `distilled` does not tell [`MIN_HOSTS`] apart. `params` are the forest's without its column kinds.
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
    let mut scores = Vec::with_capacity(folds.len());
    for left_out in 0..folds.len() {
        let others = folds.iter().enumerate();
        let others = others.filter(|(fold, _)| *fold != left_out);
        let others = others.flat_map(|(_, fold)| fold.iter().copied());
        let others = hosts::distilled(&layout, &distilled.texts, others)?;
        let own = hosts::distilled(&layout, &distilled.texts, folds[left_out].iter().copied())?;
        scores.push(score_with(recipe, &others, &own, params)?);
    }
    Ok(pooled(&folds, &scores, rate))
}

/// Hosts by fold, in the order of their names.
fn folds(hosts: &[HostRows]) -> Vec<Vec<&HostRows>> {
    let n_folds = hosts.len().min(MAX_FOLDS);
    (0..n_folds)
        .map(|fold| hosts.iter().skip(fold).step_by(n_folds).collect())
        .collect()
}

/// Scores of `own` by what is learnt from `others`, each with how many events have it.
fn score_with(
    recipe: &Recipe,
    others: &Distilled,
    own: &Distilled,
    params: &IsolationForestParams,
) -> Result<Vec<(f64, u64)>> {
    let encoder = Encoder::new(recipe, &Encoder::fit(recipe, others)?)?;
    let mut matrix = encoder.encode_training(others)?;
    matrix.sort_rows();
    let forest = params
        .clone()
        .column_kinds(encoder.column_kinds())
        .fit(&matrix)
        .map_err(|error| Error::usage(format!("without one of the hosts: {error}")))?;
    let rows: Matrix = encoder.encode_training(own)?;
    let scores = forest
        .scores(rows.values())
        .map_err(|error| Error::internal(format!("scoring a left-out host: {error}")))?;
    let events = rows.weights().iter().map(|weight| *weight as u64);
    Ok(scores.into_iter().zip(events).collect())
}

/// The threshold for the scores of all folds, and what each fold shows of it.
fn pooled(folds: &[Vec<&HostRows>], scores: &[Vec<(f64, u64)>], rate: f64) -> Option<Threshold> {
    let mut all: Vec<(f64, u64)> = scores.iter().flatten().copied().collect();
    all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let mut tail = Tail::new(rate);
    for (score, events) in all {
        tail.push(score, events);
    }
    let (value, realised_rate) = tail.threshold()?;
    let hosts = folds.iter().zip(scores).map(|(hosts, scores)| {
        let count = |keep: &dyn Fn(f64) -> bool| -> u64 {
            let kept = scores.iter().filter(|(score, _)| keep(*score));
            kept.map(|(_, events)| events).sum()
        };
        let events = count(&|_| true);
        HostRate {
            host: fold_name(hosts).into_owned(),
            events,
            realised_rate: count(&|score| score > value) as f64 / events as f64,
        }
    });
    Some(Threshold {
        value,
        method: ThresholdMethod::LeaveOneHostOut {
            nominal_rate: rate,
            realised_rate,
            hosts: hosts.collect(),
        },
    })
}

fn fold_name<'a>(hosts: &[&'a HostRows]) -> Cow<'a, str> {
    match hosts {
        [host] => Cow::Borrowed(&host.name),
        [host, more @ ..] => format!("{} and {} more", host.name, more.len()).into(),
        [] => Cow::Borrowed(""),
    }
}
