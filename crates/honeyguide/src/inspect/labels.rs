//! Counts of labels and of their combinations.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::partition;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;

use super::ValueCount;
use crate::error::{Error, Result};
use crate::log::Log;

/// Most combinations of values that are counted; more are not labels.
const MAX_COMBINATIONS: usize = 64;
/// How a null is called.
const NULL: &str = "null";

/// The labels of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LabelSummary {
    /// One per label column that the data has.
    pub counts: Vec<LabelCounts>,
    /// How often each combination of their values occurs, where there are two labels.
    pub cross: Option<LabelCross>,
}

/// How often each value of a label occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCounts {
    /// The label's column.
    pub label: String,
    /// Its values, ascending as text.
    pub values: Vec<ValueCount>,
}

/// A cross table of two labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCross {
    /// The label of the rows and that of the columns.
    pub labels: [String; 2],
    /// Values of both, and how many rows have them.
    pub cells: Vec<(String, String, u64)>,
}

/// Counts combinations as they come.
pub(super) struct LabelTally {
    /// Positions of the label columns.
    columns: Vec<usize>,
    names: Vec<String>,
    /// `None` once there were too many.
    counts: Option<BTreeMap<Vec<String>, u64>>,
}

impl LabelTally {
    pub fn new(log: &Log, columns: &[String]) -> Self {
        let labels = log
            .labels()
            .iter()
            .filter_map(|label| Some((columns.iter().position(|column| column == label)?, *label)));
        let (columns, names) = labels
            .map(|(column, label)| (column, label.to_owned()))
            .unzip();
        Self {
            columns,
            names,
            counts: Some(BTreeMap::new()),
        }
    }

    pub fn push(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let Some(counts) = &mut self.counts else {
            return Ok(());
        };
        let options = FormatOptions::default().with_null(NULL);
        let labels: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|column| Arc::clone(&arrays[*column]))
            .collect();
        if labels.is_empty() {
            return Ok(());
        }
        let failed = |error| Error::internal(format!("a label as text: {error}"));
        let formatters = labels
            .iter()
            .map(|array| ArrayFormatter::try_new(array, &options))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(failed)?;
        for rows in partition(&labels).map_err(failed)?.ranges() {
            let key = formatters
                .iter()
                .map(|formatter| formatter.value(rows.start).to_string())
                .collect();
            *counts.entry(key).or_default() += rows.len() as u64;
            if counts.len() > MAX_COMBINATIONS {
                self.counts = None;
                break;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> LabelSummary {
        let Some(combinations) = self.counts else {
            return LabelSummary::default();
        };
        let counts = self.names.iter().enumerate().map(|(index, label)| {
            let mut values = BTreeMap::<&str, u64>::new();
            for (combination, count) in &combinations {
                *values.entry(&combination[index]).or_default() += count;
            }
            let values = values.into_iter().map(|(value, count)| ValueCount {
                value: value.to_owned(),
                count,
            });
            LabelCounts {
                label: label.clone(),
                values: values.collect(),
            }
        });
        let counts = counts.collect();
        let cross = <[String; 2]>::try_from(self.names)
            .ok()
            .map(|labels| LabelCross {
                labels,
                cells: combinations
                    .into_iter()
                    .map(|(values, count)| (values[0].clone(), values[1].clone(), count))
                    .collect(),
            });
        LabelSummary { counts, cross }
    }
}
