//! The types as which values of text can be read.

use datafusion::arrow::datatypes::DataType;

use crate::whole::whole_number;

/// The types besides text as which at least one of a column's first values can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readable {
    pub integers: bool,
    /// Whole numbers that may also be written with spaces around them, a fraction of zeros or an exponent.
    pub whole: bool,
    pub numbers: bool,
    pub booleans: bool,
}

impl Readable {
    /// Returns the types as which one value can be read.
    pub fn of(value: &str) -> Self {
        Self {
            integers: parses(value, &DataType::Int64),
            whole: whole_number(value).is_some(),
            numbers: parses(value, &DataType::Float64),
            booleans: parses(value, &DataType::Boolean),
        }
    }

    /// Returns the types as which a value of `self` or of `other` can be read.
    pub fn or(self, other: Self) -> Self {
        Self {
            integers: self.integers || other.integers,
            whole: self.whole || other.whole,
            numbers: self.numbers || other.numbers,
            booleans: self.booleans || other.booleans,
        }
    }

    /// Returns whether a value can be read as `data_type`.
    pub fn bears_out(self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Int64 => self.integers || self.whole,
            DataType::Float64 => self.numbers,
            DataType::Boolean => self.booleans,
            _ => true,
        }
    }
}

/// Returns whether `value` can be read as this type.
fn parses(value: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int64 => value.parse::<i64>().is_ok(),
        DataType::Float64 => value.parse::<f64>().is_ok(),
        DataType::Boolean => {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        }
        _ => true,
    }
}
