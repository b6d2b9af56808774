//! The distilled events host by host, from the same scan that distils them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};
use learn::matrix::Matrix;

use crate::distil::{Distilled, Key, budget_rows};
use crate::error::{Error, Result};
use crate::features::{RarityCounts, id_of_code, key};
use crate::recipe::layout::Layout;

/// How many pairs of a distinct row of `n_inputs` inputs and a host are kept: 294,912 up to 16 inputs, fewer of wider
/// rows. With their values that is what a sample of rows holds while it is taken.
pub(crate) fn budget_pairs(n_inputs: usize) -> usize {
    let rows = budget_rows(n_inputs);
    rows + rows / 8
}

/// Which of the distilled rows a host had.
#[derive(Debug, Clone)]
pub(crate) struct HostRows {
    /// The host.
    pub name: String,
    /// Rows of [`Distilled::inputs`], in no particular order, and how many of the host's events each stands for.
    pub rows: Vec<(usize, f64)>,
}

/// The host as text.
pub(crate) fn host_key(column: &str) -> Key {
    Key {
        name: "__host".to_owned(),
        expr: cast(ident(column), DataType::Utf8),
    }
}

/// Takes the hosts of pairs of a row and a host as they come from the engine.
#[derive(Clone, Default)]
pub(crate) struct HostCollector {
    /// Per host its number, in the order in which hosts are met.
    numbers: HashMap<String, usize>,
    /// The host of each pair.
    of_pair: Vec<usize>,
}

impl HostCollector {
    /// Adds the hosts of the pairs of a batch; a null is an empty name.
    pub fn push(&mut self, hosts: &ArrayRef) -> Result<()> {
        let unexpected = || Error::internal(format!("the hosts came as {}", hosts.data_type()));
        for host in hosts.as_string_opt::<i32>().ok_or_else(unexpected)? {
            let (host, next) = (host.unwrap_or_default(), self.numbers.len());
            let number = match self.numbers.get(host) {
                Some(number) => *number,
                None => *self.numbers.entry(host.to_owned()).or_insert(next),
            };
            self.of_pair.push(number);
        }
        Ok(())
    }

    /// The hosts by name. For each pair, in the order in which they came, `positions` says which row it is of and
    /// `events` how many events it stands for.
    pub fn finish(self, positions: &[usize], events: &[f64]) -> Vec<HostRows> {
        let mut rows = vec![Vec::new(); self.numbers.len()];
        for ((host, row), events) in self.of_pair.iter().zip(positions).zip(events) {
            rows[*host].push((*row, *events));
        }
        let mut hosts: Vec<_> = self.numbers.into_iter().collect();
        hosts.sort_unstable();
        let hosts = hosts.into_iter().map(|(name, number)| HostRows {
            name,
            rows: std::mem::take(&mut rows[number]),
        });
        hosts.collect()
    }
}

/// The rows that some hosts had, and what [`crate::distil::distil`] gives for the events of all others: but for texts
/// that only these hosts had, which stay, as texts without events.
pub(crate) fn split(
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

/// The rows for which there are events, with them as weights.
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

/// How many events had each combination of the inputs `parts`, without the events of `rows`.
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
