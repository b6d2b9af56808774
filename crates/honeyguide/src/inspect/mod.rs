//! What data looks like: every column described, rows to look at, labels counted, correlations, and what all of that
//! means for a model. One pass over the data, in the order of the files, and bounded memory.
//!
//! Figures are exact for columns of up to about a million distinct values; beyond that a column's distinct values,
//! quartiles and histogram are estimates, and say so.

mod column;
mod correlations;
mod features;
mod histogram;
mod labels;
mod pieces;
mod remarks;
mod scan;

use serde::Serialize;

pub use correlations::{Correlations, MAX_CORRELATED};
pub use features::{FeatureInspection, FeatureSummary, features};
pub use histogram::Histogram;
pub use labels::{LabelCounts, LabelCross, LabelSummary};
pub use remarks::{Remark, RemarkKind};

use crate::engine::Engine;
use crate::error::Result;
use crate::source::{Source, no_events};

/// How many rows are shown as they are.
pub const HEAD_ROWS: usize = 5;
/// How many of a column's most frequent values are listed.
pub const TOP_VALUES: usize = 10;

/// What was found in a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// How many rows there are.
    pub rows: u64,
    /// The values of the log's host column with their counts, where the data has it.
    pub hosts: Option<Hosts>,
    /// From when to when, where the log's time column holds numbers.
    pub time: Option<TimeRange>,
    /// One per column, in the order of the data.
    pub columns: Vec<ColumnSummary>,
    /// The first rows, in the order of the files: one text per column, `None` for a null.
    pub head: Vec<Vec<Option<String>>>,
    /// Counts of the label columns that the data has, and of their combinations.
    pub labels: LabelSummary,
    /// Pearson's correlations of the numeric columns.
    pub correlations: Correlations,
    /// What stands out, and what it means for a model.
    pub remarks: Vec<Remark>,
}

/// The hosts that events come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hosts {
    /// The column.
    pub column: String,
    /// How many there are.
    pub distinct: Distinct,
    /// The most frequent ones.
    pub top: Vec<ValueCount>,
}

/// The first and the last time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeRange {
    /// The column.
    pub column: String,
    /// The least value, as the column counts; seconds in BETH's files.
    pub first: f64,
    /// The greatest value.
    pub last: f64,
}

/// One column described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: String,
    /// Rows without a value: null, or NaN as in pandas.
    pub nulls: u64,
    /// How many different values there are.
    pub distinct: Distinct,
    /// Figures of a numeric column that has values.
    pub numeric: Option<NumericSummary>,
    /// The most frequent values as text, most frequent first; long ones are cut.
    pub top: Vec<ValueCount>,
    /// By how much the counts of `top` can be too low; 0 when they are exact.
    pub top_missed: u64,
}

/// A number of distinct values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distinct {
    /// The number.
    pub count: u64,
    /// Whether it is exact; else it is an estimate with a relative standard error of 0.8 %.
    pub exact: bool,
}

/// Figures of numbers. Missing and infinite values are left out of all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumericSummary {
    /// The least.
    pub min: f64,
    /// First quartile, by linear interpolation as pandas and numpy do.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub q3: f64,
    /// The greatest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation, with n − 1 as pandas has it; none of fewer than two values.
    pub std: Option<f64>,
    /// How many values are infinite.
    pub infinite: u64,
    /// Whether quartiles and histograms are exact; else each value in them is off by at most one part in 1,000.
    pub exact: bool,
    /// Counts in bins of equal width.
    pub histogram: Histogram,
    /// Counts in bins of equal ratio, where all values are positive and far apart.
    pub log_histogram: Option<Histogram>,
}

/// A value and how often it occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueCount {
    /// As text.
    pub value: String,
    /// Its rows.
    pub count: u64,
}

/// Describes all of `source`.
///
/// # Errors
/// The data cannot be read or has no rows.
pub async fn inspect(engine: &Engine, source: &mut Source) -> Result<Inspection> {
    let scan = scan::scan(engine, source).await?;
    if scan.rows == 0 {
        return Err(no_events(source));
    }
    Ok(scan.finish())
}
