//! What an event is: one kernel call, a row in the columns of the BETH data set (Highnam et al. 2021).
//!
//! Only names and types are fixed here. Data may lack columns (BETH's per-host files have 13 of the 16) or have
//! others; a recipe says which ones it needs.

pub(crate) mod tracee;

use datafusion::arrow::datatypes::DataType;

/// Label columns, never features: `sus` (unusual enough to look at), `evil` (part of an attack).
pub const LABELS: [&str; 2] = ["sus", "evil"];

/// The 16 columns of BETH's labelled files, in their order, with the Arrow type a text file's values are read as.
const COLUMNS: [(&str, DataType); 16] = [
    ("timestamp", DataType::Float64),
    ("processId", DataType::Int64),
    ("threadId", DataType::Int64),
    ("parentProcessId", DataType::Int64),
    ("userId", DataType::Int64),
    ("mountNamespace", DataType::Int64),
    ("processName", DataType::Utf8),
    ("hostName", DataType::Utf8),
    ("eventId", DataType::Int64),
    ("eventName", DataType::Utf8),
    ("stackAddresses", DataType::Utf8),
    ("argsNum", DataType::Int64),
    ("returnValue", DataType::Int64),
    ("args", DataType::Utf8),
    ("sus", DataType::Int64),
    ("evil", DataType::Int64),
];

/// The columns that a sensor fills: all but the labels.
pub(crate) fn sensed_columns() -> impl Iterator<Item = (&'static str, DataType)> {
    COLUMNS
        .into_iter()
        .filter(|(name, _)| !LABELS.contains(name))
}

/// The type of an event column in a text file; `None` for a column that is not BETH's.
pub fn column_type(name: &str) -> Option<DataType> {
    COLUMNS
        .iter()
        .find(|(column, _)| *column == name)
        .map(|(_, data_type)| data_type.clone())
}

/// Columns of BETH that say which event a row is; what a printed event shows, in this order, where the data has them.
pub const IDENTIFYING: [&str; 7] = [
    "timestamp",
    "hostName",
    "processName",
    "processId",
    "userId",
    "eventName",
    "returnValue",
];

/// The column that says on which host an event happened.
pub const HOST_COLUMN: &str = "hostName";
/// The column that says when an event happened.
pub const TIME_COLUMN: &str = "timestamp";
