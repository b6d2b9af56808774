//! The distilled events host by host, from the same scan that distils them all.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};

use super::budget_rows;
use crate::error::{Error, Result};
use crate::features::HostRows;
use crate::groups::Key;

/// How many pairs of a distinct row of `n_inputs` inputs and a host are kept: 294,912 up to 16 inputs, fewer of wider
/// rows. With their values that is what a sample of rows holds while it is taken.
pub(crate) fn budget_pairs(n_inputs: usize) -> usize {
    let rows = budget_rows(n_inputs);
    rows + rows / 8
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
