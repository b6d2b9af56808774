//! The split of distilled events into those of a fold and all others.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use learn::matrix::Matrix;

use crate::error::{Error, Result};
use crate::features::{Distilled, RarityCounts, id_of_code, key};
use crate::recipe::layout::Layout;

/// Returns the rows of a fold, of which `held_out` has the number of events in each row, and the distilled events of all
/// others. The latter equal the result of [`crate::distil::distil`] for the other events, except that texts which only
/// the fold had are kept, without events. If the distinct rows are a sample, the counts of rarities are estimates.
pub(super) fn split(
    layout: &Layout,
    distilled: &Distilled,
    held_out: &[f64],
) -> Result<(Matrix, Distilled)> {
    let all = distilled.inputs.weights().iter();
    let others: Vec<f64> = all.zip(held_out).map(|(all, own)| all - own).collect();
    let own = rows_with(&distilled.inputs, held_out)?;
    let inputs = rows_with(&distilled.inputs, &others)?;
    let rarities = layout.rarities().zip(&distilled.rarities);
    // The weights of a sample are relative, while rarities are counted over all events.
    let scale = match distilled.sampled {
        true => distilled.events as f64 / distilled.inputs.total_weight(),
        false => 1.0,
    };
    let others = Distilled {
        texts: Arc::clone(&distilled.texts),
        rarities: rarities
            .map(|(parts, counts)| counts_without(counts, &own, parts, scale))
            .collect(),
        events: (inputs.total_weight() * scale) as u64,
        distinct_rows: inputs.n_rows() as u64,
        sampled: distilled.sampled,
        groups: Vec::new(),
        inputs,
    };
    Ok((own, others))
}

/// Returns the rows with a positive number of events, which becomes their weight.
fn rows_with(rows: &Matrix, events: &[f64]) -> Result<Matrix> {
    let weights: Vec<f64> = events
        .iter()
        .copied()
        .filter(|events| *events > 0.0)
        .collect();
    let mut values = Vec::with_capacity(weights.len() * rows.n_features());
    for (row, _) in events
        .iter()
        .enumerate()
        .filter(|(_, events)| **events > 0.0)
    {
        values.extend_from_slice(rows.row(row));
    }
    Matrix::new(rows.n_features(), values, weights)
        .map_err(|error| Error::internal(format!("the rows of a fold: {error}")))
}

/// Returns the counts of combinations of the inputs `parts` without the events of `rows`. An event counts `scale` times.
fn counts_without(
    counts: &RarityCounts,
    rows: &Matrix,
    parts: &[usize],
    scale: f64,
) -> RarityCounts {
    let mut counts = counts.clone();
    for row in 0..rows.n_rows() {
        let ids = parts.iter().map(|part| id_of_code(rows.row(row)[*part]));
        if let Entry::Occupied(mut entry) = counts.entry(key(ids)) {
            let events = (rows.weights()[row] * scale).round() as u64;
            *entry.get_mut() = entry.get().saturating_sub(events);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
    counts
}
