//! What a data file holds, as far as it can be known before its rows are read: its columns and how many rows there are.

use datafusion::parquet::arrow::arrow_reader::ArrowReaderMetadata;

use super::column::Column;
use super::file::{Chunks, DataFile};
use super::format::Format;
use super::found::{Evidence, FoundColumn};
use super::json::{self, Layout};
use super::seen::Missing;
use super::{arrow, text};
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
    n_inside: usize,
    layout: Layout,
    rows: Option<u64>,
}

/// The columns and rows of a file, without the columns of its folders.
struct Inside {
    columns: Vec<FoundColumn>,
    layout: Layout,
    rows: Option<u64>,
}

impl FoundFile {
    /// Reads what `file` begins or ends with. With `has_fixed_format`, whether JSON is of Tracee is known; otherwise
    /// the first lines tell.
    ///
    /// # Errors
    /// Fails when the file cannot be read or is not of its format.
    pub fn open(mut file: DataFile, has_fixed_format: bool, missing: &Missing) -> Result<Self> {
        let Inside {
            mut columns,
            layout,
            rows,
        } = Inside::of(&file, has_fixed_format, missing)?;
        if layout.is_tracee() {
            file.format = Format::Tracee(file.format.compression());
        }
        let n_inside = columns.len();
        for column in file.partition_columns() {
            if columns.iter().all(|inside| inside.name != column.name) {
                columns.push(column);
            }
        }
        Ok(Self {
            columns,
            n_inside,
            layout,
            rows,
            file,
        })
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
        let (mut layout, mut rows) = (Layout::Plain, None);
        let columns = match file.format {
            Format::Csv(_) => {
                let (columns, estimated) = text::columns(file, missing)?;
                rows = estimated;
                columns
            }
            Format::Json(_) | Format::Tracee(_) => {
                let is_tracee =
                    has_fixed_format.then_some(matches!(file.format, Format::Tracee(_)));
                let found = json::columns(file, is_tracee, missing)?;
                layout = found.layout;
                found.columns
            }
            Format::Arrow => arrow::columns(file)?,
            Format::Parquet => {
                let (columns, counted) = parquet_columns(file)?;
                rows = Some(counted);
                columns
            }
        };
        Ok(Self {
            columns,
            layout,
            rows,
        })
    }
}

impl SourceFile {
    /// Returns whether one scan can read both files: they have the same format and the same columns in the same order.
    pub fn reads_like(&self, other: &Self) -> bool {
        self.file.format == other.file.format
            && self.layout == other.layout
            && self.n_inside == other.n_inside
            && self.columns == other.columns
    }
}

fn parquet_columns(file: &DataFile) -> Result<(Vec<FoundColumn>, u64)> {
    let chunks = Chunks::of(file);
    let metadata = ArrowReaderMetadata::load(&chunks, Default::default()).map_err(|error| {
        Error::data(format!(
            "{}: not a readable Parquet file: {error}",
            file.path.display()
        ))
        .hint("the file was cut off or is of another format: copy it again or check its name")
    })?;
    let fields = metadata.schema().fields().iter();
    let columns = fields.map(|field| FoundColumn::stored(field.name(), field.data_type().clone()));
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok((columns.collect(), rows))
}
