//! Rows of features as keys of maps.

/// The bits of a row's values, by which equal rows find each other. The key of a row with NaN equals that of the same row.
pub(crate) type RowKey = Vec<u64>;

/// Returns the key of a row.
pub(crate) fn row_key(row: &[f64]) -> RowKey {
    row.iter().map(|value| value.to_bits()).collect()
}
