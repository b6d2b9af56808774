//! Keys of maps for rows of features.

/// The bits of a row's values. Unlike the values themselves, the keys of two equal rows with NaN are equal.
pub(crate) type RowKey = Vec<u64>;

/// Returns the key of a row.
pub(crate) fn row_key(row: &[f64]) -> RowKey {
    row.iter().map(|value| value.to_bits()).collect()
}
