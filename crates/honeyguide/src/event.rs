//! One event, with the values and the types of its columns.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::cells::texts;
use crate::error::Result;
use crate::wording::printable;

/// One event: its columns in the order of the data.
///
/// Values are kept as the data writes them, so that they can be shown and compared with the source; [`Event::value`]
/// gives them their type.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Names and values; a null is `None`.
    columns: Vec<(String, Option<String>)>,
    /// The type that each column is read as.
    types: Arc<[DataType]>,
}

/// A value of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A whole number of a column of unsigned numbers.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A number of a column of decimals, with all of its digits.
    Decimal(String),
    /// True or false.
    Boolean(bool),
    /// Text, and every value of another type as text.
    Text(String),
}

impl Event {
    /// Returns an event of `columns`, which are names and values, read as `types`.
    pub(crate) fn new(columns: Vec<(String, Option<String>)>, types: Arc<[DataType]>) -> Self {
        Self { columns, types }
    }

    /// Returns the event in row `row` of a batch.
    ///
    /// # Errors
    /// Fails when a value has a type that cannot be written as text.
    ///
    /// # Panics
    /// If the batch has no row `row`.
    pub fn from_row(batch: &RecordBatch, row: usize) -> Result<Self> {
        let schema = batch.schema_ref();
        let names = schema.fields().iter().map(|field| field.name().clone());
        let types = schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone());
        let columns = names.zip(texts(batch.columns(), row)?).collect();
        Ok(Self::new(columns, types.collect()))
    }

    /// Returns the value of a column as text; `None` where it is null or there is no such column.
    pub fn get(&self, column: &str) -> Option<&str> {
        let (_, value) = self.columns.iter().find(|(name, _)| name == column)?;
        value.as_deref()
    }

    /// Returns the value of a column in its type; `None` where there is no such column.
    pub fn value(&self, column: &str) -> Option<Value> {
        let at = self.columns.iter().position(|(name, _)| name == column)?;
        Some(self.value_at(at))
    }

    fn value_at(&self, at: usize) -> Value {
        let Some(text) = &self.columns[at].1 else {
            return Value::Null;
        };
        // A CSV file may have spaces around a number.
        let number = text.trim();
        let found = match &self.types[at] {
            DataType::Dictionary(_, values) => values,
            found => found,
        };
        let typed = match found {
            DataType::Boolean => number.parse().ok().map(Value::Boolean),
            found if found.is_unsigned_integer() => number.parse().ok().map(Value::Unsigned),
            found if found.is_integer() => number.parse().ok().map(Value::Integer),
            found if found.is_floating() => number.parse().ok().map(Value::Float),
            found if found.is_decimal() => decimal(number).map(Value::Decimal),
            _ => None,
        };
        typed.unwrap_or_else(|| Value::Text(text.clone()))
    }

    /// Iterates over the names and values of the columns; a null is `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let columns = self.columns.iter();
        columns.map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Returns the types that the columns are read as.
    pub(crate) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Returns the names and values of the columns.
    pub(crate) fn columns(&self) -> &[(String, Option<String>)] {
        &self.columns
    }
}

/// The columns that have a value, as `name=value` on one line. Characters that act on a terminal are escaped.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, value) in self.iter() {
            if let Some(value) = value {
                write!(f, "{separator}{}={}", printable(name), printable(value))?;
                separator = " ";
            }
        }
        Ok(())
    }
}

/// Returns the text if it is a number as JSON writes numbers.
fn decimal(text: &str) -> Option<String> {
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok();
    is_number.then(|| text.to_owned())
}

/// An object with the columns in the order of the data and their values in their types.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let names = self.columns.iter().map(|(name, _)| name);
        serializer.collect_map(names.zip((0..).map(|at| self.value_at(at))))
    }
}

/// A JSON value. A number that is not finite is null, since JSON has none. Integers and decimals keep all of their
/// digits.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(_) => serializer.serialize_none(),
            Self::Decimal(digits) => RawValue::from_string(digits.clone())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_types_of_their_columns() {
        let columns = [
            ("userId", Some("1000"), DataType::Int64),
            ("timestamp", Some("205.5"), DataType::Float64),
            ("inode", Some("18446744073709551615"), DataType::UInt64),
            ("isSetuid", Some("true"), DataType::Boolean),
            ("processName", Some("sh"), DataType::Utf8),
            (
                "price",
                Some("12345678901234567890.10"),
                DataType::Decimal128(22, 2),
            ),
            ("ratio", Some("NaN"), DataType::Float64),
            ("pid", Some(" -9223372036854775808"), DataType::Int64),
            ("args", None, DataType::Utf8),
        ];
        let types = columns.iter().map(|column| column.2.clone()).collect();
        let pairs = columns.map(|(name, value, _)| (name.into(), value.map(String::from)));
        let event = Event::new(pairs.into(), types);
        let value = |column| event.value(column);
        assert_eq!(value("userId"), Some(Value::Integer(1000)));
        assert_eq!(value("timestamp"), Some(Value::Float(205.5)));
        assert_eq!(value("inode"), Some(Value::Unsigned(u64::MAX)));
        assert_eq!(value("isSetuid"), Some(Value::Boolean(true)));
        assert_eq!(value("processName"), Some(Value::Text("sh".into())));
        assert_eq!(value("args"), Some(Value::Null));
        assert_eq!(value("pid"), Some(Value::Integer(i64::MIN)));
        assert_eq!(value("ppid"), None);
        assert_eq!(event.get("args"), None);
        assert_eq!(
            event.to_string(),
            "userId=1000 timestamp=205.5 inode=18446744073709551615 isSetuid=true processName=sh \
             price=12345678901234567890.10 ratio=NaN pid= -9223372036854775808"
        );
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"userId":1000,"timestamp":205.5,"inode":18446744073709551615,"isSetuid":true,"processName":"sh",\
"price":12345678901234567890.10,"ratio":null,"pid":-9223372036854775808,"args":null}"#.replace("\\\n", "")
        );
    }
}
