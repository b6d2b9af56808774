//! The values of record batches as text.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// Returns one row of `arrays` as text; a null is `None`.
pub(crate) fn texts(arrays: &[ArrayRef], row: usize) -> Result<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let values = arrays.iter().map(|array| {
        let formatter = ArrayFormatter::try_new(array, &options)
            .map_err(|error| Error::internal(format!("a row as text: {error}")))?;
        // An array of type Null has no null buffer, and a dictionary may have nulls among its values.
        let is_null = array
            .logical_nulls()
            .is_some_and(|nulls| nulls.is_null(row));
        Ok((!is_null).then(|| formatter.value(row).to_string()))
    });
    values.collect()
}

/// Returns the value of a row of an array of texts; `None` where it is null.
pub(crate) fn value(array: &ArrayRef, row: usize) -> Option<&str> {
    let texts = array.as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row))
}
