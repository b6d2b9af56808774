//! The options of reading lines of JSON.

use std::sync::Arc;

use super::Layout;
use crate::log::Log;
use crate::source::column::Column;
use crate::source::intake::ScanLog;
use crate::source::seen::Missing;

/// The options of reading lines, and the log that counts them.
#[derive(Debug, Clone)]
pub(in crate::source) struct JsonScan {
    pub layout: Layout,
    /// All columns of the lines, with the types that they are read as.
    pub columns: Vec<Column>,
    /// Whether a bad line ends the scan.
    pub strict: bool,
    /// The texts that stand for a missing value.
    pub missing: Arc<Missing>,
    /// The log that the lines are of.
    pub log: Log,
    pub counts: Arc<ScanLog>,
}
