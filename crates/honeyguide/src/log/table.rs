//! Any table: its columns have no types but their own.

use super::kernel_calls::KERNEL_CALLS;
use super::{Definition, Notation};

/// Columns named as in a log of kernel calls have the same roles, so that a part of such a log that is not recognised
/// still tells hosts and days apart; but they keep the types that their values have. No rule is a baseline, and nothing
/// is known of which columns identify an event.
pub(super) const TABLE: Definition = Definition {
    name: "a table",
    columns: &[],
    marks: &[],
    min_columns: 0,
    time_origin: None,
    identifying: &[],
    baseline: None,
    notation: Notation::Json,
    ..KERNEL_CALLS
};
