//! The distilled events host by host, from the same scan that distils them all.

use std::collections::HashMap;

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
/// Most values that are kept: pairs of a distinct row and a host × inputs.
const MAX_VALUES: usize = 1 << 22;

/// The distilled events of one host, or of some hosts together.
#[derive(Debug, Clone)]
pub(crate) struct HostRows {
    /// The host.
    pub name: String,
    /// As [`Distilled::inputs`], with the same codes of texts.
    pub inputs: Matrix,
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

/// Takes distinct rows with their hosts as they come from the engine, until there are too many to keep.
pub(crate) struct HostCollector {
    n_inputs: usize,
    /// Per host its number, in the order in which hosts are met.
    hosts: HashMap<String, usize>,
    /// Per host its rows and how many events each stands for.
    rows: Vec<(Vec<f64>, Vec<f64>)>,
    pairs: usize,
}

impl HostCollector {
    pub fn new(n_inputs: usize) -> Self {
        Self {
            n_inputs,
            hosts: HashMap::new(),
            rows: Vec::new(),
            pairs: 0,
        }
    }

    /// Adds the hosts of row `index` of a batch that [`gather_hosts`] made; `row` holds its inputs.
    pub fn push(&mut self, batch: &RecordBatch, index: usize, row: &[f64]) -> Result<()> {
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
        self.pairs += hosts.len();
        if self.is_full() {
            self.rows.clear();
            return Ok(());
        }
        for (host, count) in hosts.iter().zip(counts.values()) {
            let (rows, events) = self.rows_of(host.unwrap_or_default());
            rows.extend_from_slice(row);
            events.push(*count as f64);
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pairs * self.n_inputs > MAX_VALUES
    }

    fn rows_of(&mut self, host: &str) -> &mut (Vec<f64>, Vec<f64>) {
        let number = match self.hosts.get(host) {
            Some(number) => *number,
            None => {
                self.hosts.insert(host.to_owned(), self.rows.len());
                self.rows.push(Default::default());
                self.rows.len() - 1
            }
        };
        &mut self.rows[number]
    }

    /// The hosts by name, or none when there were too many rows; `rank` turns codes of texts into positions.
    pub fn finish(mut self, rank: impl Fn(&mut [f64])) -> Result<Vec<HostRows>> {
        if self.is_full() {
            return Ok(Vec::new());
        }
        let mut hosts: Vec<_> = self.hosts.into_iter().collect();
        hosts.sort_unstable();
        let hosts = hosts.into_iter().map(|(name, number)| {
            let (mut values, events) = std::mem::take(&mut self.rows[number]);
            rank(&mut values);
            let inputs = Matrix::new(self.n_inputs, values, events)
                .map_err(|error| Error::internal(format!("the rows of a host: {error}")))?;
            Ok(HostRows { name, inputs })
        });
        hosts.collect()
    }
}

/// What [`crate::distil::distil`] gives for the events of these hosts alone.
pub(crate) fn distilled<'a>(
    layout: &Layout,
    texts: &[Vec<String>],
    hosts: impl Iterator<Item = &'a HostRows>,
) -> Result<Distilled> {
    let (mut values, mut weights) = (Vec::new(), Vec::new());
    for host in hosts {
        values.extend_from_slice(host.inputs.values());
        weights.extend_from_slice(host.inputs.weights());
    }
    let n_inputs = layout.inputs.len();
    let texts = (0..n_inputs).map(|input| keep_used(&mut values, n_inputs, input, &texts[input]));
    let texts = texts.collect();
    let mut inputs = Matrix::new(n_inputs, values, weights)
        .map_err(|error| Error::internal(format!("the rows of some hosts: {error}")))?;
    inputs.sort_rows();
    Ok(Distilled {
        rarities: layout
            .rarities()
            .map(|parts| counts_of(&inputs, parts))
            .collect(),
        events: inputs.total_weight() as u64,
        distinct_rows: inputs.n_rows() as u64,
        sampled: false,
        hosts: Vec::new(),
        texts,
        inputs,
    })
}

/// The texts of an input that the rows have, in their order; the rows are rewritten to match.
fn keep_used(values: &mut [f64], n_inputs: usize, input: usize, texts: &[String]) -> Vec<String> {
    let mut position = vec![None; texts.len()];
    let codes = || (input..values.len()).step_by(n_inputs);
    for index in codes().filter(|_| !texts.is_empty()) {
        if !values[index].is_nan() {
            position[values[index] as usize] = Some(0.0);
        }
    }
    let mut kept = Vec::new();
    for (text, position) in texts.iter().zip(&mut position) {
        if let Some(position) = position {
            *position = kept.len() as f64;
            kept.push(text.clone());
        }
    }
    for index in codes().filter(|_| !texts.is_empty()) {
        if !values[index].is_nan() {
            values[index] = position[values[index] as usize].unwrap_or(f64::NAN);
        }
    }
    kept
}

/// How many events had each combination of these inputs.
fn counts_of(rows: &Matrix, inputs: &[usize]) -> RarityCounts {
    let mut counts = RarityCounts::default();
    for row in 0..rows.n_rows() {
        let ids = inputs.iter().map(|input| id_of_code(rows.row(row)[*input]));
        *counts.entry(key(ids)).or_default() += rows.weights()[row] as u64;
    }
    counts
}
