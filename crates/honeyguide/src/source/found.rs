//! Columns as they are found in data, before its log says what they hold.

use datafusion::arrow::datatypes::DataType;

use super::column::Column;
use crate::log::Log;

/// A column whose final type is still to be decided.
#[derive(Debug, Clone)]
pub(super) struct FoundColumn {
    pub name: String,
    /// The type that is stored with the data, or the narrowest one that holds the first values of text.
    data_type: DataType,
    /// The types as which the first values of text can be read; `None` where a type is stored with the data.
    readable: Option<Readable>,
}

/// The types besides text as which at least one of a column's first values can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readable {
    pub integers: bool,
    pub numbers: bool,
    pub booleans: bool,
}

impl Readable {
    /// The types of a column without values: none is excluded.
    pub const ANY: Self = Self {
        integers: true,
        numbers: true,
        booleans: true,
    };

    /// Returns the types as which one value can be read.
    pub fn of(value: &str) -> Self {
        Self {
            integers: parses(value, &DataType::Int64),
            numbers: parses(value, &DataType::Float64),
            booleans: parses(value, &DataType::Boolean),
        }
    }

    /// Returns the types as which a value of `self` or of `other` can be read.
    pub fn or(self, other: Self) -> Self {
        Self {
            integers: self.integers || other.integers,
            numbers: self.numbers || other.numbers,
            booleans: self.booleans || other.booleans,
        }
    }

    fn bears_out(self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Int64 => self.integers,
            DataType::Float64 => self.numbers,
            DataType::Boolean => self.booleans,
            _ => true,
        }
    }
}

/// Whether the engine reads `value` as this type. An empty value is a null in every type.
pub(super) fn parses(value: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int64 => value.parse::<i64>().is_ok(),
        DataType::Float64 => value.parse::<f64>().is_ok(),
        DataType::Boolean => {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        }
        _ => true,
    }
}

impl FoundColumn {
    /// Returns a column whose type is stored with the data.
    pub fn stored(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            readable: None,
        }
    }

    /// Returns a column of text whose first values have this type.
    pub fn inferred(name: impl Into<String>, data_type: DataType, readable: Readable) -> Self {
        Self {
            name: name.into(),
            data_type,
            readable: Some(readable),
        }
    }

    /// Returns the column with its type in data of `log`. Values of text are read as the type that the log has for them,
    /// unless none of the first values can be.
    pub fn typed(self, log: &Log) -> Column {
        let Some(readable) = self.readable else {
            return Column::fixed(self.name, self.data_type);
        };
        match log.column_type(&self.name) {
            Some(data_type) if readable.bears_out(data_type) => {
                Column::fixed(self.name, data_type.clone())
            }
            _ => Column::inferred(self.name, self.data_type),
        }
    }
}
