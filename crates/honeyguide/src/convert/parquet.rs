//! One Parquet file, written for fast scans.

use std::io::Write;
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::output::PendingFile;

/// The number of rows in a row group, which is what one thread scans and what a query can skip by its statistics. It is
/// large enough for dictionaries to save space, and small enough that several threads can read a file of a million
/// events at once.
const ROW_GROUP_ROWS: usize = 1 << 17;
/// The size of a row group's encoded pages, in bytes, above which they are written. They are held in memory until then.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// The compression level: the default of zstd.
const ZSTD_LEVEL: i32 = 3;

/// A Parquet file that appears under its name when it is complete.
pub(super) struct ParquetFile {
    writer: ArrowWriter<CountingFile>,
    path: PathBuf,
}

/// A file that counts the bytes written to it.
struct CountingFile {
    file: PendingFile,
    bytes: u64,
}

impl Write for CountingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl ParquetFile {
    /// Starts a Parquet file of rows of `schema`, which come sorted by the columns `sorted_by`.
    ///
    /// # Errors
    /// Fails when Parquet cannot hold the schema.
    pub fn new(file: PendingFile, schema: &SchemaRef, sorted_by: &[String]) -> Result<Self> {
        let path = file.path().to_owned();
        let file = CountingFile { file, bytes: 0 };
        let properties = properties(schema, sorted_by)?;
        let writer = ArrowWriter::try_new(file, SchemaRef::clone(schema), Some(properties))
            .map_err(|error| write_error(&path, error))?;
        Ok(Self { writer, path })
    }

    /// Writes the rows of `batch`.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let failed = |error| write_error(&self.path, error);
        self.writer.write(batch).map_err(failed)?;
        if self.writer.in_progress_size() > ROW_GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    /// Writes the footer. Returns the file and its size in bytes.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn close(self) -> Result<(PendingFile, u64)> {
        let Self { writer, path } = self;
        let file = writer
            .into_inner()
            .map_err(|error| write_error(&path, error))?;
        Ok((file.file, file.bytes))
    }
}

/// Returns the settings of the file. Floats are times and measurements, which rarely repeat, so they are encoded as
/// byte streams, which compress well, and not with a dictionary.
fn properties(schema: &SchemaRef, sorted_by: &[String]) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL)
        .map_err(|error| Error::internal(format!("zstd: {error}")))?;
    let sorting = sorted_by.iter().filter_map(|name| {
        let leaf = leaf_index(schema, name)?;
        Some(SortingColumn {
            column_idx: leaf,
            descending: false,
            nulls_first: false,
        })
    });
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(sorting.collect()));
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
            let column = ColumnPath::from(vec![field.name().clone()]);
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT);
        }
    }
    Ok(properties.build())
}

/// Returns the position of a flat column among the leaf columns of the file. A nested column has one or more leaves.
fn leaf_index(schema: &SchemaRef, name: &str) -> Option<i32> {
    let position = schema.index_of(name).ok()?;
    let before = schema.fields()[..position].iter();
    let leaves: usize = before.map(|field| leaves(field.data_type())).sum();
    i32::try_from(leaves).ok()
}

/// Returns the number of leaf columns of a type.
fn leaves(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => leaves(item.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        _ => 1,
    }
}

fn write_error(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => Error::through_reader(*error, |error| Error::io("write", path, error)),
            Err(other) => Error::data(format!("cannot write {}: {other}", path.display())),
        },
        other => Error::data(format!("cannot write {}: {other}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn sorting_columns_are_numbered_by_leaf() {
        let pair = DataType::Struct(
            vec![
                Field::new("a", DataType::Utf8, true),
                Field::new("b", DataType::Utf8, true),
            ]
            .into(),
        );
        let pairs = DataType::List(Arc::new(Field::new("item", pair, true)));
        let schema = Arc::new(Schema::new(vec![
            Field::new("args", pairs, true),
            Field::new("timestamp", DataType::Float64, true),
        ]));
        assert_eq!(leaf_index(&schema, "timestamp"), Some(2));
        assert_eq!(leaf_index(&schema, "none"), None);
    }
}
