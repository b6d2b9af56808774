//! A description of data: a summary of every column, the first rows, counts of the labels, correlations, and remarks on
//! what these mean for a model. It is made in one pass over the data, in the order of the files, in bounded memory.
//!
//! Figures are exact for columns with up to about a million distinct values. For others, the number of distinct values,
//! the quartiles and the histogram are estimates, and are marked as such.

mod by_label;
mod column;
mod correlations;
mod features;
mod histogram;
mod labels;
mod pieces;
mod remarks;
mod scan;

use serde::Serialize;

pub use by_label::GroupCounts;
pub(crate) use by_label::count_by_label;
pub use correlations::{Correlations, MAX_CORRELATED};
pub(crate) use features::by_label as features_by_label;
pub use features::{FeatureInspection, FeatureSummary, LabelledFeatures, features};
pub use histogram::Histogram;
pub use labels::{LabelCounts, LabelCross, LabelSummary};
pub use remarks::{Remark, RemarkKind};

use crate::engine::Engine;
use crate::error::Result;
use crate::event::Event;
use crate::source::{Source, no_events};

/// The number of rows that an inspection shows.
pub const HEAD_ROWS: usize = 5;
/// The number of most frequent values that are listed for each column.
pub const TOP_VALUES: usize = 10;

/// A description of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The number of rows.
    pub rows: u64,
    /// The values of the log's host column with their counts, if the data has it.
    pub hosts: Option<Hosts>,
    /// The range of the log's time column, if it holds numbers.
    pub time: Option<TimeRange>,
    /// The summary of each column, in the order of the data.
    pub columns: Vec<ColumnSummary>,
    /// The first rows in the order of the files.
    pub head: Vec<Event>,
    /// The counts of the label columns' values and of their combinations.
    pub labels: LabelSummary,
    /// The Pearson correlations of the numeric columns.
    pub correlations: Correlations,
    /// Remarks on notable columns and on what they mean for a model.
    pub remarks: Vec<Remark>,
}

/// The hosts that the events come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hosts {
    /// The name of the host column.
    pub column: String,
    /// The number of hosts.
    pub distinct: Distinct,
    /// The hosts with the most events, with their number of events.
    pub top: Vec<ValueCount>,
}

/// The range of the events' times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeRange {
    /// The name of the time column.
    pub column: String,
    /// The earliest time, in the data's own unit: seconds in BETH's files.
    pub first: f64,
    /// The latest time, in the same unit.
    pub last: f64,
}

/// The summary of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// The column's name.
    pub name: String,
    /// The column's Arrow type.
    pub data_type: String,
    /// The number of rows without a value: null, or NaN as in pandas.
    pub nulls: u64,
    /// The number of distinct values.
    pub distinct: Distinct,
    /// The statistics of a numeric column that has values.
    pub numeric: Option<NumericSummary>,
    /// The most frequent values as text, most frequent first. Long texts are truncated.
    pub top: Vec<ValueCount>,
    /// The most by which a count in `top` can be too low; 0 if the counts are exact.
    pub top_missed: u64,
}

/// A number of distinct values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distinct {
    /// The number.
    pub count: u64,
    /// Whether the number is exact. If not, it is an estimate with a relative standard error of 0.8 %.
    pub exact: bool,
}

/// Statistics of a numeric column. All of them leave out missing and infinite values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumericSummary {
    /// The minimum.
    pub min: f64,
    /// The first quartile, by linear interpolation as in pandas and NumPy.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The third quartile.
    pub q3: f64,
    /// The maximum.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation, with n − 1 as in pandas; `None` for fewer than two values.
    pub std: Option<f64>,
    /// The number of infinite values.
    pub infinite: u64,
    /// Whether quartiles and histograms are exact. If not, they are computed from values with a relative error of at
    /// most 0.001.
    pub exact: bool,
    /// The histogram with bins of equal width.
    pub histogram: Histogram,
    /// The histogram with bins of equal ratio, if all values are positive and span three orders of magnitude.
    pub log_histogram: Option<Histogram>,
}

/// A value and its number of occurrences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueCount {
    /// The value as text.
    pub value: String,
    /// The number of rows with the value.
    pub count: u64,
}

/// Describes the data of `source`, in one pass.
///
/// # Errors
/// Fails when the data cannot be read or has no rows.
pub async fn inspect(engine: &Engine, source: &mut Source) -> Result<Inspection> {
    let scan = scan::scan(engine, source).await?;
    if scan.rows == 0 {
        return Err(no_events(source));
    }
    Ok(scan.finish())
}
