//! Columns as they are found in a file, before the data's log says what they hold.

use datafusion::arrow::datatypes::DataType;

use super::column::Column;
use crate::log::Log;

/// A column of a file.
#[derive(Debug, Clone)]
pub(super) struct FoundColumn {
    pub name: String,
    /// The type that the file stores, or the narrowest that holds the first values of text.
    data_type: DataType,
    /// As what the first values of text can be read; `None` where the file stores a type.
    readable: Option<Readable>,
}

/// As which types besides text at least one of a column's first values can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readable {
    pub integers: bool,
    pub numbers: bool,
    pub booleans: bool,
}

impl Readable {
    /// What holds of a column without values: there is nothing that speaks against any type.
    pub const ANY: Self = Self {
        integers: true,
        numbers: true,
        booleans: true,
    };

    /// Returns as what one value can be read.
    pub fn of(value: &str) -> Self {
        Self {
            integers: parses(value, &DataType::Int64),
            numbers: parses(value, &DataType::Float64),
            booleans: parses(value, &DataType::Boolean),
        }
    }

    /// Returns as what one of the values of either can be read.
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
    /// Returns a column whose type the file stores.
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

    /// Returns the column as data of `log` has it. The values of text are read as the log says, unless none of the first
    /// ones can be.
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
