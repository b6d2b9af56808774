//! One value of a text before and while it is converted to the type of its column, and the values of a column as an array.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, NullArray,
    StringBuilder, TimestampNanosecondBuilder, UInt64Builder,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

use super::column::Column;
use super::number::{Numbers, holds, scaled};
use super::seen::{TIME, time};
use crate::whole::{whole, whole_number};

/// The number of characters of a number up to which a double keeps all its digits.
const SHORT_NUMBER: usize = 15;
/// The lowest number from which on doubles do not hold every whole number.
pub(super) const FIRST_GAP: f64 = 9_007_199_254_740_992.0;

/// The value of a column in one line or record. The memory of its text is used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub value: Value,
    /// The text, where `value` is [`Value::Text`].
    pub text: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    #[default]
    Null,
    Integer(i64),
    /// A whole number that is too great for [`Value::Integer`].
    Unsigned(u64),
    Number(f64),
    Boolean(bool),
    Text,
}

/// The reason why a column does not take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The value is of another kind.
    Kind,
    /// The column's type was inferred, and another one holds the value too.
    Narrow,
}

/// A value that the type of its column cannot hold, or may not hold exactly, while another type can.
#[derive(Debug, thiserror::Error)]
#[error("column `{column}` has a value that its type cannot hold")]
pub(super) struct Misfit {
    pub column: String,
}

impl Misfit {
    /// Returns the misfit that passed through the engine as `error`.
    pub fn of(error: &DataFusionError) -> Option<&Self> {
        match error.find_root() {
            DataFusionError::External(inner) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl Cell {
    pub fn set_text(&mut self, text: &str) {
        self.value = Value::Text;
        self.text.clear();
        self.text.push_str(text);
    }

    /// Returns the text without the spaces around it; `None` if nothing is left.
    fn trimmed(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// Parses the text: `Some(None)` where it is empty, `None` where `parse` fails.
    fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
        match self.trimmed() {
            None => Some(None),
            Some(text) => parse(text).map(Some),
        }
    }

    /// Returns the value as a whole number: `Some(None)` for a null or an empty text, `None` for any other value.
    pub fn integer(&self) -> Option<Option<i64>> {
        match self.value {
            Value::Null => Some(None),
            Value::Integer(integer) => Some(Some(integer)),
            Value::Text => self.parsed(|text| text.parse().ok()),
            Value::Unsigned(_) | Value::Number(_) | Value::Boolean(_) => None,
        }
    }

    /// Returns the value as a whole number that may be written otherwise, as in 33.0, with `None` and `Some(None)` as for
    /// [`integer`](Self::integer).
    pub fn whole(&self) -> Option<Option<i64>> {
        match self.value {
            Value::Number(number) => whole(number).map(Some),
            Value::Text => self.parsed(whole_number),
            _ => self.integer(),
        }
    }

    /// Returns the value as a whole number without a sign, with `None` and `Some(None)` as for
    /// [`integer`](Self::integer).
    fn unsigned(&self) -> Option<Option<u64>> {
        match self.value {
            Value::Null => Some(None),
            Value::Integer(integer) => u64::try_from(integer).ok().map(Some),
            Value::Unsigned(integer) => Some(Some(integer)),
            Value::Text => self.parsed(|text| text.parse().ok()),
            Value::Number(_) | Value::Boolean(_) => None,
        }
    }

    /// Returns the value in units of 10^-`scale`, with `None` and `Some(None)` as for [`integer`](Self::integer).
    fn decimal(&self, scale: i8) -> Option<Option<i128>> {
        let exact = |integer: i128| scaled(&integer.to_string(), scale).map(Some);
        match self.value {
            Value::Null => Some(None),
            Value::Integer(integer) => exact(integer.into()),
            Value::Unsigned(integer) => exact(integer.into()),
            Value::Text => self.parsed(|text| scaled(text, scale)),
            Value::Number(_) | Value::Boolean(_) => None,
        }
    }

    /// Returns the value as a number, with `None` and `Some(None)` as for [`integer`](Self::integer).
    pub fn number(&self) -> Option<Option<f64>> {
        match self.value {
            Value::Null => Some(None),
            Value::Integer(integer) => Some(Some(integer as f64)),
            Value::Unsigned(integer) => Some(Some(integer as f64)),
            Value::Number(number) => Some(Some(number)),
            Value::Text => self.parsed(|text| text.parse().ok()),
            Value::Boolean(_) => None,
        }
    }

    /// Returns the value as a Boolean, with `None` and `Some(None)` as for [`integer`](Self::integer).
    pub fn boolean(&self) -> Option<Option<bool>> {
        match self.value {
            Value::Null => Some(None),
            Value::Boolean(boolean) => Some(Some(boolean)),
            Value::Text => self.parsed(|text| match () {
                () if text.eq_ignore_ascii_case("true") => Some(true),
                () if text.eq_ignore_ascii_case("false") => Some(false),
                () => None,
            }),
            Value::Integer(_) | Value::Unsigned(_) | Value::Number(_) => None,
        }
    }

    /// Returns the value as a time in nanoseconds since 1970, with `None` and `Some(None)` as for
    /// [`integer`](Self::integer).
    fn time(&self) -> Option<Option<i64>> {
        match self.value {
            Value::Null => Some(None),
            Value::Text => self.parsed(time),
            _ => None,
        }
    }

    /// Returns the value as text, or `None` for a null. A value that is not text is written to `buffer`.
    pub fn text<'a>(&'a self, buffer: &'a mut String) -> Option<&'a str> {
        buffer.clear();
        // Writing to a string cannot fail.
        let _ = match self.value {
            Value::Null => return None,
            Value::Text => return Some(&self.text),
            Value::Integer(integer) => write!(buffer, "{integer}"),
            Value::Unsigned(integer) => write!(buffer, "{integer}"),
            Value::Number(number) => write!(buffer, "{number}"),
            Value::Boolean(boolean) => write!(buffer, "{boolean}"),
        };
        Some(buffer)
    }

    /// Returns whether a column needs the digits of the value as they are written, which a double does not have. The line of
    /// the value may have a fraction of many digits.
    pub fn needs_digits(&self, column: &Column, has_long_fraction: bool) -> bool {
        match (self.value, &column.data_type) {
            (Value::Number(_), DataType::Utf8 | DataType::Decimal128(..)) => true,
            (Value::Number(number), DataType::Float64) => {
                column.inferred && (has_long_fraction || number.abs() >= FIRST_GAP)
            }
            _ => false,
        }
    }

    /// Returns whether a double keeps all digits of the value.
    fn is_kept_by_double(&self) -> bool {
        match self.value {
            Value::Integer(integer) => holds(integer as f64, integer.into()),
            Value::Unsigned(integer) => holds(integer as f64, integer.into()),
            Value::Text => self.trimmed().is_none_or(|text| {
                text.len() <= SHORT_NUMBER
                    || Numbers::of(text)
                        .is_none_or(|numbers| !numbers.lose_digits_as(&DataType::Float64))
            }),
            _ => true,
        }
    }

    /// Checks that `column` takes the value.
    ///
    /// # Errors
    /// Fails with the reason why it does not.
    pub fn check(&self, column: &Column) -> Result<(), Unfit> {
        let is_taken = match &column.data_type {
            DataType::Null => {
                self.value == Value::Null || (self.value == Value::Text && self.trimmed().is_none())
            }
            DataType::Int64 if column.inferred => self.integer().is_some(),
            DataType::Int64 => self.whole().is_some(),
            DataType::UInt64 => self.unsigned().is_some(),
            DataType::Decimal128(_, scale) => self.decimal(*scale).is_some(),
            DataType::Float64 => {
                self.number().is_some() && (!column.inferred || self.is_kept_by_double())
            }
            DataType::Boolean => self.boolean().is_some(),
            found if *found == TIME => self.time().is_some(),
            _ => true,
        };
        if is_taken {
            return Ok(());
        }
        let is_wider = match &column.data_type {
            found if *found == TIME || *found == DataType::Null => true,
            DataType::Boolean => false,
            _ => self.number().is_some(),
        };
        Err(if column.inferred && is_wider {
            Unfit::Narrow
        } else {
            Unfit::Kind
        })
    }
}

/// The values of a column since the last batch.
pub(super) enum Builder {
    Nulls(usize),
    Integers(Int64Builder),
    Unsigned(UInt64Builder),
    Decimals(Decimal128Builder, i8),
    Numbers(Float64Builder),
    Booleans(BooleanBuilder),
    Times(TimestampNanosecondBuilder),
    Texts(StringBuilder),
}

impl Builder {
    pub fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Nulls(0),
            DataType::Int64 => Self::Integers(Int64Builder::new()),
            DataType::UInt64 => Self::Unsigned(UInt64Builder::new()),
            DataType::Decimal128(_, scale) => Self::Decimals(
                Decimal128Builder::new().with_data_type(data_type.clone()),
                *scale,
            ),
            DataType::Float64 => Self::Numbers(Float64Builder::new()),
            DataType::Boolean => Self::Booleans(BooleanBuilder::new()),
            found if *found == TIME => Self::Times(TimestampNanosecondBuilder::new()),
            _ => Self::Texts(StringBuilder::new()),
        }
    }

    /// Adds a value that the column takes, and returns how many bytes of text it has.
    pub fn append(&mut self, cell: &Cell, buffer: &mut String) -> usize {
        match self {
            Self::Nulls(count) => *count += 1,
            Self::Integers(builder) => builder.append_option(cell.whole().flatten()),
            Self::Unsigned(builder) => builder.append_option(cell.unsigned().flatten()),
            Self::Decimals(builder, scale) => builder.append_option(cell.decimal(*scale).flatten()),
            Self::Numbers(builder) => builder.append_option(cell.number().flatten()),
            Self::Booleans(builder) => builder.append_option(cell.boolean().flatten()),
            Self::Times(builder) => builder.append_option(cell.time().flatten()),
            Self::Texts(builder) => {
                let text = cell.text(buffer);
                builder.append_option(text);
                return text.map_or(0, str::len);
            }
        }
        0
    }

    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Nulls(count) => Arc::new(NullArray::new(std::mem::take(count))),
            Self::Integers(builder) => Arc::new(builder.finish()),
            Self::Unsigned(builder) => Arc::new(builder.finish()),
            Self::Decimals(builder, _) => Arc::new(builder.finish()),
            Self::Numbers(builder) => Arc::new(builder.finish()),
            Self::Booleans(builder) => Arc::new(builder.finish()),
            Self::Times(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Returns what a value of this type is, for messages.
pub(super) fn expected(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int64 | DataType::UInt64 => "a whole number",
        DataType::Boolean => "true or false",
        found if *found == TIME => "a time as in ISO 8601",
        DataType::Null => "no value",
        _ => "a number",
    }
}
