//! Conversion of values to the type that a log has for their column, where nothing is lost.
//!
//! The same events give the same model whatever types a writer chose for them, so a conversion either keeps a value or
//! fails; it never rounds.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Float64Builder, Int64Array, Int64Builder,
    StringArray, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use crate::error::Error;
use crate::whole::{whole, whole_number};

/// The type that values are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Whole numbers: Int64.
    Whole,
    /// Numbers: Float64.
    Number,
    /// Text: Utf8.
    Text,
}

/// The reason why a column cannot be converted.
#[derive(Debug)]
pub(crate) enum Unconvertible {
    /// The value in this row would be changed.
    Value { row: usize, shown: String },
    /// The conversion itself failed.
    Column(ArrowError),
}

impl From<ArrowError> for Unconvertible {
    fn from(error: ArrowError) -> Self {
        Self::Column(error)
    }
}

impl Target {
    const ALL: [Self; 3] = [Self::Whole, Self::Number, Self::Text];

    /// Returns the target of this type, if values are converted to it.
    pub fn of(data_type: &DataType) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|target| target.data_type() == *data_type)
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Whole => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }

    fn function_name(self) -> &'static str {
        match self {
            Self::Whole => "exact_whole_number",
            Self::Number => "exact_number",
            Self::Text => "exact_text",
        }
    }

    /// Returns what a value of this type is, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
        }
    }

    /// Returns what values of this type are.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Whole => "whole numbers",
            Self::Number => "numbers",
            Self::Text => "text",
        }
    }

    /// Returns whether values of type `found` can be converted, as far as the type tells.
    pub fn takes(self, found: &DataType) -> bool {
        match found {
            DataType::Dictionary(_, values) => self.takes(values),
            DataType::Null | DataType::Boolean => true,
            found if found.is_numeric() || found.is_string() => true,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => self == Self::Text,
            _ => false,
        }
    }

    /// Returns whether the engine's own cast keeps every value of type `found`.
    fn is_plain(self, found: &DataType) -> bool {
        match found {
            DataType::Dictionary(_, values) => return self.is_plain(values),
            DataType::Null => return true,
            _ => {}
        }
        match self {
            Self::Whole => {
                found.is_signed_integer()
                    || matches!(
                        found,
                        DataType::Boolean | DataType::UInt8 | DataType::UInt16 | DataType::UInt32
                    )
            }
            Self::Number => found.is_integer() || found.is_floating(),
            Self::Text => {
                found.is_string() || found.is_integer() || matches!(found, DataType::Boolean)
            }
        }
    }

    /// Returns the values of `array` in this type.
    ///
    /// # Errors
    /// Fails at the first value that the type cannot hold as it is.
    pub fn convert(self, array: &ArrayRef) -> std::result::Result<ArrayRef, Unconvertible> {
        let found = array.data_type();
        if self.is_plain(found) {
            return Ok(cast(array, &self.data_type())?);
        }
        if let DataType::Dictionary(_, values) = found {
            return self.convert(&cast(array, values)?);
        }
        match self {
            Self::Whole => whole_numbers(array).map(|array| Arc::new(array) as _),
            Self::Number => numbers(array).map(|array| Arc::new(array) as _),
            Self::Text => texts(array).map(|array| Arc::new(array) as _),
        }
    }

    /// Returns the values of `value`, which has the type `found`, in this type. Errors name the column `column`.
    pub fn expr(self, value: Expr, found: &DataType, column: &str) -> Expr {
        let target = self.data_type();
        if *found == target {
            return value;
        }
        if self.is_plain(found) {
            return datafusion::logical_expr::cast(value, target);
        }
        function(self).call(vec![value, lit(column)])
    }
}

fn whole_numbers(array: &ArrayRef) -> std::result::Result<Int64Array, Unconvertible> {
    let found = array.data_type();
    if let Some(values) = array.as_primitive_opt::<UInt64Type>() {
        return converted(values.iter(), |value| i64::try_from(value).ok().map(Some));
    }
    if found.is_floating() {
        let values = cast(array, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        return converted(values.iter(), |value| match value.is_nan() {
            true => Some(None),
            false => whole(value).map(Some),
        });
    }
    converted(as_texts(array)?.iter(), |text| match text.trim() {
        "" => Some(None),
        text => whole_number(text).map(Some),
    })
}

/// Returns the values that `convert` makes of `values`.
///
/// # Errors
/// Fails at the first value of which it makes none.
fn converted<V: Copy + std::fmt::Display>(
    values: impl ExactSizeIterator<Item = Option<V>>,
    convert: impl Fn(V) -> Option<Option<i64>>,
) -> std::result::Result<Int64Array, Unconvertible> {
    let mut builder = Int64Builder::with_capacity(values.len());
    for (row, value) in values.enumerate() {
        let Some(value) = value else {
            builder.append_null();
            continue;
        };
        let shown = || value.to_string();
        let converted = convert(value).ok_or_else(|| unconvertible(row, shown()))?;
        builder.append_option(converted);
    }
    Ok(builder.finish())
}

/// Returns the numbers that decimals or texts are, each the nearest double to what is written.
fn numbers(array: &ArrayRef) -> std::result::Result<Float64Array, Unconvertible> {
    if *array.data_type() == DataType::Boolean {
        let numbers = cast(&cast(array, &DataType::Int64)?, &DataType::Float64)?;
        return Ok(numbers.as_primitive::<Float64Type>().clone());
    }
    let texts = as_texts(array)?;
    let mut builder = Float64Builder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        match text.map(str::trim) {
            None | Some("") => builder.append_null(),
            Some(text) => {
                let number = text.parse().map_err(|_| unconvertible(row, text.into()))?;
                builder.append_value(number);
            }
        }
    }
    Ok(builder.finish())
}

/// Returns the texts that bytes are, and those of numbers.
fn texts(array: &ArrayRef) -> std::result::Result<StringArray, Unconvertible> {
    match array.data_type() {
        DataType::Float64 => {
            let numbers = array.as_primitive::<Float64Type>().iter();
            return Ok(numbers.map(|number| number.map(text_of_number)).collect());
        }
        // The digits of the nearest double are not those of a shorter float.
        DataType::Float16 | DataType::Float32 => {
            let numbers = cast(array, &DataType::Float32)?;
            let numbers = numbers.as_primitive::<Float32Type>().iter();
            return Ok(numbers
                .map(|number| number.map(text_of_short_number))
                .collect());
        }
        found if found.is_decimal() => {
            let texts = as_texts(array)?;
            return Ok(texts.iter().map(|text| text.map(without_zeros)).collect());
        }
        _ => {}
    }
    let bytes = cast(array, &DataType::Binary)?;
    let bytes: &BinaryArray = bytes.as_binary();
    let mut builder = StringBuilder::with_capacity(bytes.len(), bytes.value_data().len());
    for (row, bytes) in bytes.iter().enumerate() {
        let text = bytes.map(std::str::from_utf8).transpose();
        let shown = || String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        builder.append_option(text.map_err(|_| unconvertible(row, shown()))?);
    }
    Ok(builder.finish())
}

/// Returns a number in digits: a whole number as an integer is written, another with the fewest digits that tell it from
/// its neighbours.
pub(crate) fn text_of_number(number: f64) -> String {
    match whole(number) {
        Some(whole) => whole.to_string(),
        None => number.to_string(),
    }
}

/// Does what [`text_of_number`] does, among the numbers of 32 bits.
fn text_of_short_number(number: f32) -> String {
    match whole(number.into()) {
        Some(whole) => whole.to_string(),
        None => number.to_string(),
    }
}

/// Returns the text of a decimal without the zeros that only its scale gives it.
fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

fn as_texts(array: &ArrayRef) -> std::result::Result<StringArray, ArrowError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn unconvertible(row: usize, shown: String) -> Unconvertible {
    Unconvertible::Value { row, shown }
}

/// Returns the functions that plans call to convert values, for processes that run parts of plans.
pub(crate) fn conversions() -> [ScalarUDF; 3] {
    Target::ALL.map(function)
}

fn function(target: Target) -> ScalarUDF {
    ScalarUDF::from(Conversion {
        target,
        signature: Signature::any(2, Volatility::Immutable),
    })
}

/// A function of values and the name of their column, which errors name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Conversion {
    target: Target,
    signature: Signature,
}

impl ScalarUDFImpl for Conversion {
    fn name(&self) -> &str {
        self.target.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values, column] = take_function_args(self.name(), args.args)?;
        let values = values.into_array(args.number_rows)?;
        let column = match &column {
            ColumnarValue::Scalar(name) => name.try_as_str().flatten().unwrap_or_default(),
            ColumnarValue::Array(_) => "",
        };
        let converted = self.target.convert(&values);
        let converted = converted.map_err(|why| fault(self.target, &values, column, &why))?;
        Ok(ColumnarValue::Array(converted))
    }
}

/// Returns the error of a column whose values cannot be converted.
pub(crate) fn fault(target: Target, values: &ArrayRef, column: &str, why: &Unconvertible) -> Error {
    let found = values.data_type();
    let (what, wanted) = (target.words(), target.data_type());
    let why = match why {
        Unconvertible::Value { shown, .. } => {
            let shown: String = shown
                .chars()
                .take(60)
                .flat_map(char::escape_debug)
                .collect();
            format!("`{shown}` is not {what} of type {wanted}")
        }
        Unconvertible::Column(error) => error.to_string(),
    };
    Error::type_fault(format!("column `{column}` of type {found}: {why}")).hint(format!(
        "in this log `{column}` holds {}: correct the value, write the column as {wanted}, or give a column that holds \
         something else another name",
        target.plural()
    ))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float32Array};

    use super::*;

    #[test]
    fn a_number_has_one_text_whatever_its_type() {
        let doubles = Float64Array::from(vec![80.0, -0.0, 0.1, 1e-7, -2.5e3, 80.25, 9e15]);
        let short = Float32Array::from(vec![80.0, -0.0, 0.1, 1e-7, -2.5e3, 80.25, 9e15]);
        let expected = ["80", "0", "0.1", "0.0000001", "-2500", "80.25"];
        let scaled =
            [80.0, 0.0, 0.1, 1e-7, -2500.0, 80.25].map(|number| (number * 1e7_f64).round() as i128);
        let decimals = Decimal128Array::from_iter_values(scaled).with_precision_and_scale(20, 7);
        let arrays: [ArrayRef; 3] = [
            Arc::new(doubles),
            Arc::new(short),
            Arc::new(decimals.expect("seven places")),
        ];
        for array in arrays {
            let texts = Target::Text.convert(&array).expect("numbers have texts");
            let texts = texts.as_string::<i32>().iter().flatten();
            let texts: Vec<&str> = texts.take(expected.len()).collect();
            assert_eq!(texts, expected, "{}", array.data_type());
        }
    }
}
