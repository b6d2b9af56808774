//! Keys of maps for rows of features.

/// The bits of a row's values. Unlike the values themselves, the keys of two equal rows with NaN are equal.
pub(crate) type RowKey = Vec<u64>;

/// Returns the key of a row.
pub(crate) fn row_key(row: &[f64]) -> RowKey {
    let mut key = RowKey::with_capacity(row.len());
    write_row_key(row, &mut key);
    key
}

/// Writes the key of a row to `key`, whose memory is used again.
pub(crate) fn write_row_key(row: &[f64], key: &mut RowKey) {
    key.clear();
    key.extend(row.iter().map(|value| value.to_bits()));
}
