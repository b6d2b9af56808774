//! Keys of rows of features: bits for maps, and a text that files can hold.

use datafusion::arrow::array::{StringArray, StringBuilder};
use learn::sampling::StableHash;

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

/// The name of the column that holds the key of an event's features.
pub(crate) const FEATURE_KEY: &str = "feature_key";

/// The length of a text that is the key of a row of features.
const KEY_LENGTH: usize = 17;

/// Returns a text that is the same for equal rows, on every machine. The letter in front keeps readers of CSV from taking
/// a key of digits only for a number.
pub(crate) fn feature_key(row: &[f64]) -> String {
    let words = row.iter().map(|value| match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        // Minus zero equals zero.
        value => (value + 0.0).to_bits(),
    });
    let hash = words.fold(StableHash::new(0), |hash, word| hash.word(word));
    let hash = hash.finish();
    let mut key = String::with_capacity(KEY_LENGTH);
    key.push('k');
    let digits = (0..16).rev().map(|place| (hash >> (4 * place)) & 15);
    key.extend(digits.filter_map(|digit| char::from_digit(digit as u32, 16)));
    key
}

/// Returns the keys of rows of features.
pub(crate) fn feature_keys<'a>(rows: impl ExactSizeIterator<Item = &'a [f64]>) -> StringArray {
    let mut keys = StringBuilder::with_capacity(rows.len(), rows.len() * KEY_LENGTH);
    let mut last: Option<(&[f64], String)> = None;
    for row in rows {
        let key = match last.take() {
            // Events with the same features often follow one another.
            Some((known, key)) if known == row => key,
            _ => feature_key(row),
        };
        keys.append_value(&key);
        last = Some((row, key));
    }
    keys.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_have_one_key_and_different_rows_have_two() {
        assert_eq!(
            feature_key(&[0.0, f64::NAN]),
            feature_key(&[-0.0, -f64::NAN])
        );
        assert_ne!(feature_key(&[0.0, 1.0]), feature_key(&[1.0, 0.0]));
        assert_eq!(feature_key(&[1.5]).len(), KEY_LENGTH);
        let rows = [[1.5, 2.0], [1.5, 2.0], [1.5, 3.0], [1.5, 2.0]];
        let keys = feature_keys(rows.iter().map(|row| &row[..]));
        let expected = rows.iter().map(|row| feature_key(row));
        assert_eq!(keys, StringArray::from_iter_values(expected));
    }
}
