//! What a data file holds, as far as it can be known before its rows are read: its columns and how many rows there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};

use super::column::{Column, check_count};
use super::file::DataFile;
use super::format::Format;
use super::found::{Evidence, FoundColumn};
use super::json::{self, Layout};
use super::pages::Pages;
use super::seen::{Missing, Seen, TIME};
use super::{arrow, pandas, parquet, text};
use crate::error::{Error, Result};
use crate::log::Log;

/// A file whose columns have types, ready to be read.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    pub file: DataFile,
    /// The columns within the file in its order, then those that the names of its folders tell.
    pub columns: Vec<Column>,
    /// The number of columns within the file.
    pub n_inside: usize,
    /// The kind of a JSON file's lines.
    pub layout: Layout,
    /// The number of rows: exact for Parquet, an estimate for uncompressed CSV, unknown for the others.
    pub rows: Option<u64>,
}

/// A [`SourceFile`] before the log says what its columns hold.
pub(super) struct FoundFile {
    pub file: DataFile,
    pub columns: Vec<FoundColumn>,
    /// The columns that hold the index of a pandas table.
    pub indexes: BTreeSet<String>,
    n_inside: usize,
    layout: Layout,
    rows: Option<u64>,
}

/// The columns and rows of a file, without the columns of its folders.
#[derive(Default)]
struct Inside {
    columns: Vec<FoundColumn>,
    indexes: BTreeSet<String>,
    layout: Layout,
    rows: Option<u64>,
    /// The pages of Parquet.
    pages: Option<Arc<Pages>>,
}

impl FoundFile {
    /// Reads what `file` begins or ends with. With `has_fixed_format`, the dialect of JSON is known; otherwise
    /// the first lines tell.
    ///
    /// # Errors
    /// Fails when the file cannot be read or is not of its format.
    pub fn open(mut file: DataFile, has_fixed_format: bool, missing: &Missing) -> Result<Self> {
        let Inside {
            mut columns,
            indexes,
            layout,
            rows,
            pages,
        } = Inside::of(&file, has_fixed_format, missing)?;
        check_count(&file.path, columns.len())?;
        file.pages = pages;
        if let Some(dialect) = layout.dialect() {
            file.format = Format::Dialect(dialect, file.format.compression());
        }
        let n_inside = columns.len();
        for column in file.partition_columns() {
            if columns.iter().all(|inside| inside.name != column.name) {
                columns.push(column);
            }
        }
        Ok(Self {
            columns,
            indexes,
            n_inside,
            layout,
            rows,
            file,
        })
    }

    /// Returns whether the lines are messages of DNS.
    pub fn is_of_messages(&self) -> bool {
        self.layout.is_of_messages()
    }

    /// Returns the columns within the file.
    pub fn inside(&self) -> &[FoundColumn] {
        &self.columns[..self.n_inside]
    }

    /// Adds those of the columns `names` that the file does not have, as columns within it of which no value was seen.
    pub fn add_valueless(&mut self, names: &[String]) {
        for name in names {
            if self.columns.iter().all(|column| column.name != *name) {
                let column = FoundColumn::of_text(name, Seen::default());
                self.columns.insert(self.n_inside, column);
                self.n_inside += 1;
            }
        }
    }

    /// Returns the names of the columns.
    pub fn names(&self) -> Vec<&str> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        names.collect()
    }

    /// Returns the file with its columns as data of `log` has them.
    pub fn typed(self, log: &Log, evidence: &Evidence) -> SourceFile {
        let columns = self.columns.into_iter();
        SourceFile {
            columns: columns.map(|column| column.typed(log, evidence)).collect(),
            n_inside: self.n_inside,
            layout: self.layout,
            rows: self.rows,
            file: self.file,
        }
    }
}

impl Inside {
    fn of(file: &DataFile, has_fixed_format: bool, missing: &Missing) -> Result<Self> {
        match file.format {
            Format::Csv(_) => {
                let (columns, rows) = text::columns(file, missing)?;
                Ok(Self {
                    columns,
                    rows,
                    ..Self::default()
                })
            }
            Format::Json(_) | Format::Dialect(..) => {
                let dialect = has_fixed_format.then_some(file.format.dialect());
                let found = json::columns(file, dialect, missing)?;
                Ok(Self {
                    columns: found.columns,
                    layout: found.layout,
                    ..Self::default()
                })
            }
            Format::Arrow => Self::stored(file, arrow::schema(file)?.as_ref(), None),
            Format::Parquet => {
                let found = parquet::open(file)?;
                let inside = Self::stored(file, &found.schema, Some(found.rows))?;
                Ok(Self {
                    pages: Some(found.pages),
                    ..inside
                })
            }
        }
    }

    /// Returns what a schema that is stored in `file` says.
    ///
    /// # Errors
    /// Fails when two columns have the same name.
    fn stored(file: &DataFile, schema: &Schema, rows: Option<u64>) -> Result<Self> {
        check_names(&file.path, schema)?;
        let fields = schema.fields().iter();
        let columns =
            fields.map(|field| FoundColumn::stored(field.name(), field.data_type().clone()));
        Ok(Self {
            columns: columns.collect(),
            indexes: pandas::index_columns(schema),
            rows,
            ..Self::default()
        })
    }
}

/// Checks that the columns of data called `name` have names of their own.
///
/// # Errors
/// Fails when two columns have the same name. The error names all such columns.
pub(super) fn check_names(name: &Path, schema: &Schema) -> Result<()> {
    let mut positions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let of_name = positions.entry(field.name()).or_default();
        of_name.push((index + 1).to_string());
    }
    let repeated = positions.iter().filter(|(_, columns)| columns.len() > 1);
    let repeated: Vec<String> = repeated
        .map(|(name, columns)| format!("columns {} are named `{name}`", columns.join(" and ")))
        .collect();
    if repeated.is_empty() {
        return Ok(());
    }
    let (name, repeated) = (name.display(), repeated.join("; "));
    Err(Error::data(format!("{name}: {repeated}"))
        .hint("write the table again with another name for each of them"))
}

impl SourceFile {
    /// Reads the values of text as those of `columns`, which the whole source has, where a text can be read so.
    pub fn read_as(&mut self, columns: &[Column]) {
        if !self.file.format.is_text() {
            return;
        }
        for own in self.inside_mut() {
            let all = columns.iter().find(|column| column.name == own.name);
            if let Some(all) = all.filter(|all| is_read_from_text(&all.data_type)) {
                own.data_type = all.data_type.clone();
            }
        }
    }

    /// Returns the columns within the file.
    pub fn inside(&self) -> &[Column] {
        &self.columns[..self.n_inside]
    }

    /// Returns the columns within the file, to be changed.
    pub fn inside_mut(&mut self) -> &mut [Column] {
        &mut self.columns[..self.n_inside]
    }

    /// Returns what messages call the file.
    pub fn place(&self) -> String {
        self.file.path.display().to_string()
    }

    /// Returns whether one scan can read both files: they have the same format and the same columns in the same order.
    pub fn reads_like(&self, other: &Self) -> bool {
        self.file.format == other.file.format
            && self.layout == other.layout
            && self.n_inside == other.n_inside
            && self.columns == other.columns
    }
}

/// Returns whether the readers of text read values as this type. What text cannot be read as, it is converted to.
fn is_read_from_text(data_type: &DataType) -> bool {
    *data_type == TIME
        || matches!(
            data_type,
            DataType::Int64
                | DataType::UInt64
                | DataType::Decimal128(..)
                | DataType::Float64
                | DataType::Boolean
                | DataType::Utf8
        )
}
