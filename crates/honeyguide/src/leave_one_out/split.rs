//! The split of distilled events into those of some hosts and those of all others.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use learn::matrix::Matrix;

use crate::error::{Error, Result};
use crate::features::{Distilled, HostRows, RarityCounts, id_of_code, key};
use crate::recipe::layout::Layout;

/// Returns the rows of some hosts, and the distilled events of all others. The latter equal the result of
/// [`crate::distil::distil`] for the other hosts, except that texts which only these hosts had are kept, without
/// events.
pub(super) fn split(
    layout: &Layout,
    distilled: &Distilled,
    hosts: &[&HostRows],
) -> Result<(Matrix, Distilled)> {
    let mut own = vec![0.0; distilled.inputs.n_rows()];
    for (row, events) in hosts.iter().flat_map(|host| &host.rows) {
        own[*row] += events;
    }
    let all = distilled.inputs.weights().iter();
    let others: Vec<f64> = all.zip(&own).map(|(all, own)| all - own).collect();
    let own = rows_with(&distilled.inputs, &own)?;
    let inputs = rows_with(&distilled.inputs, &others)?;
    let rarities = layout.rarities().zip(&distilled.rarities);
    let others = Distilled {
        texts: Arc::clone(&distilled.texts),
        rarities: rarities
            .map(|(parts, counts)| counts_without(counts, &own, parts))
            .collect(),
        events: inputs.total_weight() as u64,
        distinct_rows: inputs.n_rows() as u64,
        sampled: false,
        hosts: Vec::new(),
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
        .map_err(|error| Error::internal(format!("the rows of some hosts: {error}")))
}

/// Returns the counts of combinations of the inputs `parts` without the events of `rows`.
fn counts_without(counts: &RarityCounts, rows: &Matrix, parts: &[usize]) -> RarityCounts {
    let mut counts = counts.clone();
    for row in 0..rows.n_rows() {
        let ids = parts.iter().map(|part| id_of_code(rows.row(row)[*part]));
        if let Entry::Occupied(mut entry) = counts.entry(key(ids)) {
            *entry.get_mut() -= rows.weights()[row] as u64;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
    counts
}
