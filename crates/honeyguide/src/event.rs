//! One event, with the values and the types of its columns.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use serde::{Serialize, Serializer};

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
        let Some(text) = &self.columns[at].1 else {
            return Some(Value::Null);
        };
        let typed = match &self.types[at] {
            DataType::Boolean => text.parse().ok().map(Value::Boolean),
            found if found.is_unsigned_integer() => text.parse().ok().map(Value::Unsigned),
            found if found.is_integer() => text.parse().ok().map(Value::Integer),
            found if found.is_floating() => text.parse().ok().map(Value::Float),
            _ => None,
        };
        Some(typed.unwrap_or_else(|| Value::Text(text.clone())))
    }

    /// Iterates over the names and values of the columns; a null is `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let columns = self.columns.iter();
        columns.map(|(name, value)| (name.as_str(), value.as_deref()))
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

/// A list of pairs of a name and a text or null, in the order of the data.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.columns.serialize(serializer)
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
        assert_eq!(value("pid"), None);
        assert_eq!(event.get("args"), None);
        assert_eq!(
            event.to_string(),
            "userId=1000 timestamp=205.5 inode=18446744073709551615 isSetuid=true processName=sh"
        );
    }
}
