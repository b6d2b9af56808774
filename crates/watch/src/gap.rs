//! Times in which events may have been lost, or alerts were.

use serde::{Deserialize, Serialize};

/// The greatest number of gaps that are named with an incident: the newest.
pub(crate) const MAX_NAMED_GAPS: u64 = 10;
/// The greatest time in seconds between two gaps of an input with the same cause that are one.
pub(crate) const JOINED_SECONDS: i64 = 2;

/// A time in which events may have been lost, or alerts were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The name of the input, or of the receiver that does not get alerts which were made in that time.
    pub input: String,
    /// Since when, in UTC.
    pub start: String,
    /// Until when, in UTC.
    pub end: String,
    /// Why.
    pub cause: String,
}
