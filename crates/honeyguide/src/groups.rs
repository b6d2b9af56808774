//! Grouping of events by a recipe's inputs and by further keys, with the number of events in each group.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result as EngineResult;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::DataFrame;

use crate::engine::columns::{aggregate, select};
use crate::error::{Error, Result};
use crate::recipe::plan::FeaturePlan;

/// The name of the column that counts the events of a group.
pub(crate) const COUNT: &str = "__count";

/// An expression besides the features that events are grouped by. It is null for an event without a value.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The name of the key's column in the engine.
    pub name: String,
    /// The expression of the key's value.
    pub expr: Expr,
}

/// The position of a key among [`Keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(usize);

/// The keys of a query, each with an id by which its values are found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// Adds a key.
    pub fn add(&mut self, key: Key) -> KeyId {
        self.0.push(key);
        KeyId(self.0.len() - 1)
    }

    /// Iterates over the keys in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// Returns the columns that the keys read.
    pub fn columns(&self) -> BTreeSet<String> {
        let exprs = self.0.iter().flat_map(|key| key.expr.column_refs());
        exprs.map(|column| column.name.clone()).collect()
    }

    /// Returns the keys' columns as expressions over the groups.
    pub fn idents(&self) -> impl Iterator<Item = Expr> {
        self.0.iter().map(|key| ident(&key.name))
    }
}

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}

/// The values of the keys of one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyValues<'a> {
    groups: &'a KeyedCounts<'a>,
    row: usize,
}

impl KeyValues<'_> {
    /// Returns the value of a key; a null is `None`.
    pub fn get(&self, key: KeyId) -> Option<i64> {
        let values = self.groups.keys[key.0];
        values.is_valid(self.row).then(|| values.value(self.row))
    }
}

/// The keys and the counts of a batch of groups, in columns of type Int64.
#[derive(Debug)]
pub(crate) struct KeyedCounts<'a> {
    keys: Vec<&'a Int64Array>,
    counts: &'a Int64Array,
}

impl<'a> KeyedCounts<'a> {
    /// Takes the last columns of a batch from [`count_distinct`]: the keys in their order, then the count.
    ///
    /// # Errors
    /// Fails when there is no count or when a column has another type, which is a defect.
    pub fn new(arrays: &'a [ArrayRef]) -> Result<Self> {
        let integers = arrays.iter().map(|array| {
            let wrong = || Error::internal(format!("a key or count came as {}", array.data_type()));
            array.as_primitive_opt::<Int64Type>().ok_or_else(wrong)
        });
        let mut keys = integers.collect::<Result<Vec<_>>>()?;
        let counts = keys.pop().ok_or_else(|| Error::internal("no counts"))?;
        Ok(Self { keys, counts })
    }

    /// Returns the values of the keys in row `row`.
    pub fn keys(&self, row: usize) -> KeyValues<'_> {
        KeyValues { groups: self, row }
    }

    /// Returns the number of events in the group of row `row`.
    pub fn count(&self, row: usize) -> u64 {
        self.counts.value(row).unsigned_abs()
    }
}

/// Returns the query `SELECT inputs, keys, count(*) … GROUP BY inputs, keys`, whose last column is the count.
///
/// # Errors
/// Fails when the engine refuses an expression.
pub(crate) fn count_distinct(
    table: DataFrame,
    plan: &FeaturePlan,
    keys: &Keys,
) -> EngineResult<DataFrame> {
    let aliased = keys.iter().map(|key| key.expr.clone().alias(&key.name));
    let inputs = plan.inputs.iter().cloned().chain(aliased);
    let groups = plan.names.iter().map(ident).chain(keys.idents());
    let count = count(lit(1)).alias(COUNT);
    aggregate(select(table, inputs)?, groups, [count])
}
