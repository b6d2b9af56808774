//! Columns of a source's table, as schemas and as messages name them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};

/// The most columns of data. The engine's work on a plan grows with their square.
pub(super) const MAX_COLUMNS: usize = 4096;

/// Checks that data called `name` has not too many columns.
///
/// # Errors
/// Fails when it has more than [`MAX_COLUMNS`].
pub(super) fn check_count(name: &Path, columns: usize) -> Result<()> {
    if columns <= MAX_COLUMNS {
        return Ok(());
    }
    let name = name.display();
    Err(Error::data(format!(
        "{name}: {columns} columns; the limit is {MAX_COLUMNS}"
    ))
    .hint("leave out the columns that no recipe or query needs"))
}

/// A column of a source's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, as it is in the data.
    pub name: String,
    /// The Arrow type that the values are read as.
    pub data_type: DataType,
    /// Whether the type was inferred from the first records of text, and may widen.
    pub(super) inferred: bool,
}

impl Column {
    /// Returns a column whose type is certain.
    pub(super) fn fixed(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            inferred: false,
        }
    }

    /// Returns a column whose type was inferred from some of its values.
    pub(super) fn inferred(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            inferred: true,
            ..Self::fixed(name, data_type)
        }
    }

    /// Returns the column as a nullable Arrow field.
    pub(super) fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }
}

/// Returns the schema of a table with these columns.
pub(super) fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(Column::field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns the names of `columns`.
pub(super) fn names_of(columns: &[Column]) -> BTreeSet<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Returns `needed` and `more` as one set of column names.
pub(crate) fn with_columns<'a>(
    needed: &BTreeSet<String>,
    more: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<String> {
    needed
        .iter()
        .cloned()
        .chain(more.into_iter().map(str::to_owned))
        .collect()
}

/// Returns the names of the columns of `schema` for a message, at most 24 of them.
pub(crate) fn listed_columns(schema: &Schema) -> String {
    const SHOWN: usize = 24;
    let fields = schema.fields();
    let names: Vec<_> = fields
        .iter()
        .take(SHOWN)
        .map(|field| field.name().as_str())
        .collect();
    let more = if fields.len() > SHOWN {
        format!(" and {} more", fields.len() - SHOWN)
    } else {
        String::new()
    };
    names.join(", ") + &more
}
