//! Any table: its columns have no types but their own.

use super::kernel_calls::KERNEL_CALLS;
use super::{Definition, Notation};

/// A row is whatever the table says. Columns named as in a log of kernel calls have the same roles, so that a part of such
/// a log that is not recognised still tells hosts apart and days; they keep the types that their values have. There is no
/// rule as a baseline, and every column may say which event a row is.
pub(super) const TABLE: Definition = Definition {
    name: "a table",
    columns: &[],
    marks: &[],
    min_columns: 0,
    identifying: &[],
    baseline: None,
    notation: Notation::Json,
    ..KERNEL_CALLS
};
