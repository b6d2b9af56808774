//! Times in which events may have been lost, or alerts were.

use serde::{Deserialize, Serialize};

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
