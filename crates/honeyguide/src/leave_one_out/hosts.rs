//! The distilled events host by host, from the same scan that distils them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::array_agg::array_agg;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, cast, ident};
use datafusion::prelude::DataFrame;
use learn::matrix::Matrix;

use crate::distil::{COUNT, Distilled};
use crate::error::{Error, Result};
use crate::features::{RarityCounts, id_of_code, key};
use crate::recipe::layout::Layout;

/// The name of the host column in the engine.
pub(crate) const HOST: &str = "__host";
/// Hosts that had a row, and how many of their events, as lists of the same length.
const HOSTS: &str = "__hosts";
const HOST_COUNTS: &str = "__host_counts";
/// Most pairs of a distinct row and a host that are kept.
const MAX_PAIRS: usize = 1 << 19;

/// Which of the distilled rows a host had.
#[derive(Debug, Clone)]
pub(crate) struct HostRows {
    /// The host.
    pub name: String,
    /// Rows of [`Distilled::inputs`], ascending, and how many of the host's events each stands for.
    pub rows: Vec<(usize, u64)>,
}

/// The host as text; a null is an empty name.
pub(crate) fn host_text(column: &str) -> Expr {
    cast(ident(column), DataType::Utf8).alias(HOST)
}

/// Regroups counts by `names` and host into counts by `names` alone, with the hosts and their counts beside them.
pub(crate) fn gather_hosts(
    counts: DataFrame,
    names: &[String],
) -> std::result::Result<DataFrame, DataFusionError> {
    let groups = names.iter().map(ident).collect();
    let columns = names
        .iter()
        .map(ident)
        .chain([HOSTS, HOST_COUNTS, COUNT].map(ident));
    counts
        .aggregate(
            groups,
            vec![
                array_agg(ident(HOST)).alias(HOSTS),
                array_agg(ident(COUNT)).alias(HOST_COUNTS),
                sum(ident(COUNT)).alias(COUNT),
            ],
        )?
        .select(columns.collect::<Vec<_>>())
}

/// Takes the hosts of distinct rows as they come from the engine, until there are too many to keep.
pub(crate) struct HostCollector {
    n_inputs: usize,
    /// Per host its number, in the order in which hosts are met.
    hosts: HashMap<String, usize>,
    /// Per host its rows, numbered as they come, and how many events each stands for.
    rows: Vec<Vec<(usize, u64)>>,
    n_rows: usize,
    n_pairs: usize,
}

impl HostCollector {
    pub fn new(n_inputs: usize) -> Self {
        Self {
            n_inputs,
            hosts: HashMap::new(),
            rows: Vec::new(),
            n_rows: 0,
            n_pairs: 0,
        }
    }

    /// Adds the hosts of row `index` of a batch that [`gather_hosts`] made, as those of the next row.
    pub fn push(&mut self, batch: &RecordBatch, index: usize) -> Result<()> {
        let lists = batch.columns()[self.n_inputs..].iter();
        let mut lists = lists.filter_map(|array| array.as_list_opt::<i32>());
        let (Some(hosts), Some(counts)) = (lists.next(), lists.next()) else {
            return Err(Error::internal("the hosts did not come as lists"));
        };
        let (hosts, counts) = (hosts.value(index), counts.value(index));
        let (Some(hosts), Some(counts)) = (
            hosts.as_string_opt::<i32>(),
            counts.as_primitive_opt::<Int64Type>(),
        ) else {
            return Err(Error::internal("the hosts came as an unexpected type"));
        };
        let row = self.n_rows;
        self.n_rows += 1;
        self.n_pairs += hosts.len();
        if self.is_full() {
            self.rows.clear();
            return Ok(());
        }
        for (host, count) in hosts.iter().zip(counts.values()) {
            self.rows_of(host.unwrap_or_default())
                .push((row, count.unsigned_abs()));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.n_pairs > MAX_PAIRS
    }

    fn rows_of(&mut self, host: &str) -> &mut Vec<(usize, u64)> {
        let number = match self.hosts.get(host) {
            Some(number) => *number,
            None => {
                self.hosts.insert(host.to_owned(), self.rows.len());
                self.rows.push(Vec::new());
                self.rows.len() - 1
            }
        };
        &mut self.rows[number]
    }

    /// The hosts by name, or none when there were too many pairs; `positions` says where each row is by now.
    pub fn finish(mut self, positions: &[usize]) -> Vec<HostRows> {
        if self.is_full() {
            return Vec::new();
        }
        let mut hosts: Vec<_> = self.hosts.into_iter().collect();
        hosts.sort_unstable();
        let hosts = hosts.into_iter().map(|(name, number)| {
            let mut rows = std::mem::take(&mut self.rows[number]);
            rows.iter_mut().for_each(|(row, _)| *row = positions[*row]);
            rows.sort_unstable();
            HostRows { name, rows }
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
        own[*row] += *events as f64;
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
