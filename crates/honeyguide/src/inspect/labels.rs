//! Counts of the labels' values and of their combinations.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::partition;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;

use super::ValueCount;
use crate::error::{Error, Result};
use crate::log::Log;

/// The greatest number of combinations of values. Columns with more are not taken for labels.
const MAX_COMBINATIONS: usize = 64;
/// The text for a null.
const NULL: &str = "null";

/// The counts of a table's labels. There are none if the label columns have too many combinations of values.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LabelSummary {
    /// The counts of each label column that the data has.
    pub counts: Vec<LabelCounts>,
    /// The counts of the combinations of both labels' values, if the data has two labels.
    pub cross: Option<LabelCross>,
}

/// The counts of one label's values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCounts {
    /// The name of the label's column.
    pub label: String,
    /// The values in ascending order of their texts, with their counts.
    pub values: Vec<ValueCount>,
}

/// The contingency table of two labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelCross {
    /// The label of the table's rows and the label of its columns.
    pub labels: [String; 2],
    /// The values of both labels and the number of rows of the data that have them.
    pub cells: Vec<(String, String, u64)>,
}

/// The counts of the combinations of labels over the rows so far.
pub(super) struct LabelTally {
    /// The positions of the label columns.
    columns: Vec<usize>,
    names: Vec<String>,
    /// The number of rows with each combination; `None` once there were too many combinations.
    counts: Option<BTreeMap<Vec<String>, u64>>,
}

impl LabelTally {
    /// Returns a tally without rows for a table with these columns.
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

    /// Counts the labels of a batch of all columns.
    ///
    /// # Errors
    /// Fails when a label cannot be displayed as text, which is a defect.
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

    /// Returns the counts of each label and of their combinations.
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
