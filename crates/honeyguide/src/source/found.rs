//! Columns as they are found in data, before its log says what they hold.

use std::collections::HashMap;

use datafusion::arrow::datatypes::DataType;

use super::column::Column;
use super::readable::Readable;
use super::seen::Seen;
use crate::functions::Target;
use crate::log::Log;

/// A column whose final type is still to be decided.
#[derive(Debug, Clone)]
pub(super) struct FoundColumn {
    pub name: String,
    /// The type that is stored with the data, or the narrowest one that holds the first values of text.
    data_type: DataType,
    is_stored: bool,
    /// The types as which the first values of text can be read; `None` if there are none.
    readable: Option<Readable>,
    /// The first values of text.
    pub seen: Option<Box<Seen>>,
}

/// The types as which the first values of each column can be read, over all files.
pub(super) struct Evidence(HashMap<String, Readable>);

impl FoundColumn {
    /// Returns a column whose type is stored with the data.
    pub fn stored(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            is_stored: true,
            readable: None,
            seen: None,
        }
    }

    /// Returns a column of text whose first values have this type, and can be read as those of `readable`.
    pub fn inferred(
        name: impl Into<String>,
        data_type: DataType,
        readable: Option<Readable>,
    ) -> Self {
        Self {
            name: name.into(),
            data_type,
            is_stored: false,
            readable,
            seen: None,
        }
    }

    /// Returns a column of text whose first values are `seen`.
    pub fn of_text(name: impl Into<String>, seen: Seen) -> Self {
        Self {
            seen: Some(Box::new(seen.clone())),
            ..Self::inferred(name, seen.data_type(), seen.readable())
        }
    }

    /// Returns the column with the type that it is read as in data of `log`: what is stored has a type, and values of
    /// text are read as the type that the log has for them, unless none of the first values can be. A type to which stored
    /// values are not converted, that of times, is not asked of text either: a time may be written as a number.
    pub fn typed(self, log: &Log, evidence: &Evidence) -> Column {
        if self.is_stored {
            return Column::fixed(self.name, self.data_type);
        }
        match log.column_type(&self.name) {
            Some(data_type)
                if Target::of(data_type).is_some() && evidence.bears_out(&self.name, data_type) =>
            {
                Column::fixed(self.name, data_type.clone())
            }
            _ => Column::inferred(self.name, self.data_type),
        }
    }
}

impl Evidence {
    /// Returns what the columns of all files say together.
    pub fn of<'a>(columns: impl Iterator<Item = &'a FoundColumn>) -> Self {
        let mut found: HashMap<String, Readable> = HashMap::new();
        for column in columns {
            if let Some(readable) = column.readable {
                let known = found.entry(column.name.clone()).or_default();
                *known = known.or(readable);
            }
        }
        Self(found)
    }

    /// Returns whether one of a column's first values can be read as this type, or there are none.
    fn bears_out(&self, name: &str, data_type: &DataType) -> bool {
        let readable = self.0.get(name);
        readable.is_none_or(|readable| readable.bears_out(data_type))
    }
}
