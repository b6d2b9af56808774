//! The values of a batch's input columns, and what is wrong with them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::Float64Type;

use crate::error::{Error, Result};
use crate::recipe::Nulls;
use crate::recipe::layout::{Input, Layout};

/// The input columns of a recipe's [`Layout`], which are the first among a batch's.
pub(crate) struct InputColumns<'a>(Vec<(&'a Input, Column<'a>)>);

enum Column<'a> {
    Numbers(&'a Float64Array),
    Text(&'a StringArray),
}

/// One input of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A null, where the recipe allows it.
    Missing,
    /// Finite.
    Number(f64),
    /// As the expression gave it.
    Text(&'a str),
}

/// Why a value is none that the forest can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    Missing,
    Infinite,
}

impl Unusable {
    /// The feature's fault, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "is null or NaN",
            Self::Infinite => "is infinite",
        }
    }
}

impl<'a> InputColumns<'a> {
    /// The columns of `arrays` by the kinds of the inputs.
    pub fn new(layout: &'a Layout, arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns = layout.inputs.iter().zip(arrays).map(|(input, array)| {
            let column = match input.kind.is_text() {
                false => array.as_primitive_opt::<Float64Type>().map(Column::Numbers),
                true => array.as_string_opt::<i32>().map(Column::Text),
            };
            let unexpected = || {
                Error::internal(format!(
                    "feature `{}` came as {}",
                    input.feature,
                    array.data_type()
                ))
            };
            Ok((input, column.ok_or_else(unexpected)?))
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// The value of input `input` in row `row`.
    ///
    /// # Errors
    /// A null that the recipe refuses, or an infinite number; [`locate_fault`](super::locate_fault) finds where it comes
    /// from.
    pub fn value(&self, input: usize, row: usize) -> Result<Value<'a>> {
        let fault = |why: Unusable| Error::feature_fault(&self.0[input].0.feature, why.words());
        self.checked(input, row).map_err(fault)
    }

    /// The same, with the bare reason where the value cannot be used.
    pub fn checked(&self, input: usize, row: usize) -> std::result::Result<Value<'a>, Unusable> {
        let (input, column) = &self.0[input];
        let value = match column {
            Column::Numbers(numbers) if !numbers.is_null(row) && !numbers.value(row).is_nan() => {
                // Adding zero makes −0 and 0 one value.
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
