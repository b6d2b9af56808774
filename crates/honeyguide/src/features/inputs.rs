//! The values of a batch's input columns, and the check whether the forest can use them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::Float64Type;

use crate::error::{Error, Result};
use crate::recipe::Nulls;
use crate::recipe::layout::{Input, Layout};

/// The columns of the inputs of a recipe's [`Layout`], which are the first columns of a batch.
pub(crate) struct InputColumns<'a>(Vec<(&'a Input, Column<'a>)>);

/// The column of an input.
enum Column<'a> {
    Numbers(&'a Float64Array),
    Text(&'a StringArray),
}

/// The value of one input in one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A null or NaN that the recipe allows.
    Missing,
    /// A finite number.
    Number(f64),
    /// A text as the expression gives it.
    Text(&'a str),
}

/// The reason why the forest cannot use a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The value is null or NaN, which the recipe refuses.
    Missing,
    /// The value is an infinite number.
    Infinite,
}

impl Unusable {
    /// Returns the predicate of a message about the feature.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "is null or NaN",
            Self::Infinite => "is infinite",
        }
    }
}

impl<'a> InputColumns<'a> {
    /// Pairs the inputs of `layout` with the first of `arrays`.
    ///
    /// # Errors
    /// Fails when an array does not have the type of its input, which is a defect.
    pub fn new(layout: &'a Layout, arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns = layout.inputs.iter().zip(arrays).map(|(input, array)| {
            let column = match input.kind.is_text() {
                false => array.as_primitive_opt::<Float64Type>().map(Column::Numbers),
                true => array.as_string_opt::<i32>().map(Column::Text),
            };
            let unexpected = || {
                Error::internal(format!(
                    "feature `{}` has the unexpected type {}",
                    input.feature,
                    array.data_type()
                ))
            };
            Ok((input, column.ok_or_else(unexpected)?))
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// Returns the value of input `input` in row `row`.
    ///
    /// # Errors
    /// Fails when the value is a null that the recipe refuses, or an infinite number.
    /// [`locate_fault`](super::locate_fault) finds the event it comes from.
    pub fn value(&self, input: usize, row: usize) -> Result<Value<'a>> {
        let fault = |why: Unusable| Error::feature_fault(&self.0[input].0.feature, why.words());
        self.checked(input, row).map_err(fault)
    }

    /// Returns the value of input `input` in row `row`.
    ///
    /// # Errors
    /// Fails with the reason when the forest cannot use the value.
    pub fn checked(&self, input: usize, row: usize) -> std::result::Result<Value<'a>, Unusable> {
        let (input, column) = &self.0[input];
        let value = match column {
            Column::Numbers(numbers) if !numbers.is_null(row) && !numbers.value(row).is_nan() => {
                // Adding zero turns −0 into 0, so that both are one value.
                Value::Number(numbers.value(row) + 0.0)
            }
            Column::Text(text) if !text.is_null(row) => Value::Text(text.value(row)),
            _ => Value::Missing,
        };
        match value {
            Value::Missing if input.nulls == Nulls::Refuse => Err(Unusable::Missing),
            Value::Number(number) if number.is_infinite() => Err(Unusable::Infinite),
            fine => Ok(fine),
        }
    }
}
