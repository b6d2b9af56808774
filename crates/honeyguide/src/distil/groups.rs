//! The distilled rows of each group of events, such as a host, collected in the same scan as all rows.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};

use super::budget_rows;
use crate::error::{Error, Result};
use crate::features::GroupRows;
use crate::groups::Key;

/// Returns the maximum number of pairs of a distinct row of `n_inputs` inputs and a group that are kept: 294,912 up to
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

/// A collector of the groups in the engine's batches of pairs of a row and a group.
#[derive(Clone, Default)]
pub(crate) struct GroupCollector {
    /// The number of each group, in the order in which groups were first met.
    numbers: HashMap<String, usize>,
    /// The number of the group of each pair.
    of_pair: Vec<usize>,
}

impl GroupCollector {
    /// Adds the groups of the pairs in a batch. A null becomes an empty name.
    pub fn push(&mut self, groups: &ArrayRef) -> Result<()> {
        let unexpected = || {
            let data_type = groups.data_type();
            Error::internal(format!("the column of groups has the type {data_type}"))
        };
        for group in groups.as_string_opt::<i32>().ok_or_else(unexpected)? {
            let (group, next) = (group.unwrap_or_default(), self.numbers.len());
            let number = match self.numbers.get(group) {
                Some(number) => *number,
                None => *self.numbers.entry(group.to_owned()).or_insert(next),
            };
            self.of_pair.push(number);
        }
        Ok(())
    }

    /// Returns the groups sorted by name. For each pair, in the order of their arrival, `positions` holds the position
    /// of its row, and `events` the number of its events.
    pub fn finish(self, positions: &[usize], events: &[f64]) -> Vec<GroupRows> {
        let mut rows = vec![Vec::new(); self.numbers.len()];
        for ((group, row), events) in self.of_pair.iter().zip(positions).zip(events) {
            rows[*group].push((*row, *events));
        }
        let mut groups: Vec<_> = self.numbers.into_iter().collect();
        groups.sort_unstable();
        let groups = groups.into_iter().map(|(name, number)| GroupRows {
            name,
            rows: std::mem::take(&mut rows[number]),
        });
        groups.collect()
    }
}
