//! Cells of CSV that a spreadsheet would run as formulas.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::ArrowError;

/// The characters with which a cell begins that a spreadsheet takes for a formula.
const BEFORE_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Returns a batch in which an apostrophe precedes texts and names of columns that a spreadsheet would run. Numbers stay as
/// they are.
///
/// # Errors
/// Fails when a column of text cannot be read as text.
pub(crate) fn without_formulas(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let fields = schema.fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, column)| {
        let name = tamed(field.name()).unwrap_or_else(|| field.name().clone());
        let column = match is_text(field.data_type()) {
            true => tamed_texts(column)?,
            false => Arc::clone(column),
        };
        Ok((Field::new(name, column.data_type().clone(), true), column))
    });
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns
        .collect::<Result<Vec<_>, ArrowError>>()?
        .into_iter()
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        data_type => data_type.is_string(),
    }
}

fn tamed_texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    if !texts.iter().flatten().any(|text| tamed(text).is_some()) {
        return Ok(Arc::new(texts.clone()));
    }
    let tamed = texts.iter().map(|text| {
        let text = text?;
        Some(tamed(text).unwrap_or_else(|| text.to_owned()))
    });
    Ok(Arc::new(tamed.collect::<StringArray>()))
}

/// Returns a text with an apostrophe, if a spreadsheet would run it. Numbers with a sign are only numbers.
fn tamed(text: &str) -> Option<String> {
    let is_run = text.starts_with(BEFORE_FORMULAS) && text.parse::<f64>().is_err();
    is_run.then(|| format!("'{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringViewArray};

    #[test]
    fn texts_that_begin_like_formulas_get_an_apostrophe() {
        let texts = ["=1+1", "+1+cmd", "-x", "@x", "\tx", "a=b", "-1.5"].map(Some);
        let batch = RecordBatch::try_from_iter([
            (
                "=cmd",
                Arc::new(StringViewArray::from_iter(texts)) as ArrayRef,
            ),
            ("n", Arc::new(Int64Array::from_iter_values(-3..4))),
        ])
        .unwrap();
        let tamed = without_formulas(&batch).unwrap();
        let found: Vec<_> = tamed.column(0).as_string::<i32>().iter().collect();
        let expected = ["'=1+1", "'+1+cmd", "'-x", "'@x", "'\tx", "a=b", "-1.5"].map(Some);
        assert_eq!(found, expected);
        assert_eq!(tamed.schema().field(0).name(), "'=cmd");
        assert_eq!(tamed.column(1), batch.column(1));
    }
}
