//! Counts of events by label, in the bins and values that a summary of a column or feature has.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::ident;
use datafusion::prelude::DataFrame;

use super::column::{as_floats, as_texts};
use super::{ColumnSummary, Histogram, NumericSummary, ValueCount};
use crate::engine::Engine;
use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::groups::Keys;
use crate::labels::{class_of, label_key};
use crate::scan::Scan;
use crate::source::Source;

/// The numbers of events in the groups of one column or feature: the bins of its histogram, or its most frequent
/// values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupCounts {
    /// The number of events in each group.
    pub events: Vec<f64>,
    /// For each label, the number of events labelled 1 in each group.
    pub labelled: Vec<Vec<f64>>,
}

impl GroupCounts {
    pub(super) fn new(groups: usize, labels: usize) -> Self {
        Self {
            events: vec![0.0; groups],
            labelled: vec![vec![0.0; groups]; labels],
        }
    }

    /// Counts `events` events in a group. `is_labelled` says for each label whether they are labelled 1.
    pub(super) fn add(
        &mut self,
        group: usize,
        events: f64,
        is_labelled: impl Iterator<Item = bool>,
    ) {
        self.events[group] += events;
        for (labelled, is_labelled) in self.labelled.iter_mut().zip(is_labelled) {
            labelled[group] += if is_labelled { events } else { 0.0 };
        }
    }
}

/// The groups of a column.
enum Groups<'a> {
    Bins(&'a Histogram),
    /// The position of each of the most frequent values.
    Values(HashMap<&'a str, usize>),
}

impl<'a> Groups<'a> {
    fn of(column: &'a ColumnSummary) -> Self {
        match &column.numeric {
            Some(numeric) => Self::Bins(numeric.shown_histogram()),
            None => {
                let values = column.top.iter().enumerate();
                Self::Values(
                    values
                        .map(|(position, ValueCount { value, .. })| (value.as_str(), position))
                        .collect(),
                )
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bins(bins) => bins.counts.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// Returns the group of each value of `array`; a value without a group has none.
    fn positions(&self, array: &ArrayRef) -> Result<Vec<Option<usize>>> {
        match self {
            Self::Bins(bins) => {
                let numbers = as_floats(array)?;
                let numbers = numbers.as_primitive::<Float64Type>();
                Ok(numbers
                    .iter()
                    .map(|number| bins.bin_of(number.filter(|number| number.is_finite())?))
                    .collect())
            }
            Self::Values(values) => {
                let texts = as_texts(array)?;
                // The summary keeps the beginnings of long values, so that only their first bytes can be compared.
                let position = |text: &str| values.get(learn::describe::kept(text)).copied();
                Ok(texts.iter().map(|text| position(text?)).collect())
            }
        }
    }
}

impl NumericSummary {
    /// Returns the histogram that suits a chart: with bins of equal ratio where the values are far apart.
    pub fn shown_histogram(&self) -> &Histogram {
        self.log_histogram.as_ref().unwrap_or(&self.histogram)
    }
}

/// Counts the events of `columns` by label, in one scan. Returns the groups of each column, and for each label the
/// number of events labelled 1.
///
/// # Errors
/// Fails when the data lacks a label, when a label is neither 0 nor 1, and when the data cannot be read.
pub(crate) async fn count_by_label(
    engine: &Engine,
    source: &mut Source,
    columns: &[ColumnSummary],
    labels: &[String],
) -> Result<(Vec<GroupCounts>, Vec<u64>)> {
    let mut keys = Keys::default();
    for label in labels {
        keys.add(label_key(source, label)?);
    }
    let groups: Vec<Groups> = columns.iter().map(Groups::of).collect();
    let names = || columns.iter().map(|column| &column.name);
    let start = || {
        let empty = groups
            .iter()
            .map(|groups| GroupCounts::new(groups.len(), labels.len()));
        Ok((empty.collect(), vec![0; labels.len()]))
    };
    let query = |table: DataFrame| {
        let keys = keys.iter().map(|key| key.expr.clone().alias(&key.name));
        select(table, names().map(ident).chain(keys))
    };
    type Counts = (Vec<GroupCounts>, Vec<u64>);
    let push = |(counts, ones): &mut Counts, batch: &RecordBatch| {
        let (columns, keys) = batch.columns().split_at(groups.len());
        let classes = classes(labels, keys)?;
        for (ones, classes) in ones.iter_mut().zip(&classes) {
            *ones += classes.iter().filter(|is_one| **is_one).count() as u64;
        }
        for ((array, groups), counts) in columns.iter().zip(&groups).zip(counts) {
            for (row, group) in groups.positions(array)?.into_iter().enumerate() {
                if let Some(group) = group {
                    counts.add(group, 1.0, classes.iter().map(|label| label[row]));
                }
            }
        }
        Ok(())
    };
    let scan = Scan::new(engine, "counting by label")
        .columns(names())
        .keys(&keys);
    scan.fold(source, start, query, push).await
}

/// Returns for each label the classes of a batch's rows.
fn classes(labels: &[String], keys: &[ArrayRef]) -> Result<Vec<Vec<bool>>> {
    let pairs = labels.iter().zip(keys);
    let of_label = pairs.map(|(label, key)| {
        let unexpected = || Error::internal(format!("a label came as {}", key.data_type()));
        let values: &Int64Array = key.as_primitive_opt::<Int64Type>().ok_or_else(unexpected)?;
        values.iter().map(|value| class_of(label, value)).collect()
    });
    of_label.collect()
}
