//! The distilled rows of each host, collected in the same scan as all rows.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};

use super::budget_rows;
use crate::error::{Error, Result};
use crate::features::HostRows;
use crate::groups::Key;

/// Returns the maximum number of pairs of a distinct row of `n_inputs` inputs and a host that are kept: 294,912 up to
/// 16 inputs, and fewer for wider rows. This takes as much memory as the sampling of rows.
pub(crate) fn budget_pairs(n_inputs: usize) -> usize {
    let rows = budget_rows(n_inputs);
    rows + rows / 8
}

/// Returns the key by which rows are grouped by host: the column `column` as text.
pub(crate) fn host_key(column: &str) -> Key {
    Key {
        name: "__host".to_owned(),
        expr: cast(ident(column), DataType::Utf8),
    }
}

/// A collector of the hosts in the engine's batches of pairs of a row and a host.
#[derive(Clone, Default)]
pub(crate) struct HostCollector {
    /// The number of each host, in the order in which hosts were first met.
    numbers: HashMap<String, usize>,
    /// The number of the host of each pair.
    of_pair: Vec<usize>,
}

impl HostCollector {
    /// Adds the hosts of the pairs in a batch. A null becomes an empty name.
    pub fn push(&mut self, hosts: &ArrayRef) -> Result<()> {
        let unexpected = || {
            let data_type = hosts.data_type();
            Error::internal(format!("the column of hosts has the type {data_type}"))
        };
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

    /// Returns the hosts sorted by name. For each pair, in the order of their arrival, `positions` holds the position
    /// of its row, and `events` the number of its events.
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
