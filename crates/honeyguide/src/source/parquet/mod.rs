//! Files in Parquet: their columns, and checks of what they claim before the engine reads them.

mod footer;

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};

use super::file::DataFile;
use super::pages::{Fault, Pages};
use super::seekable::Chunks;
use super::wide::Wide;
use crate::caught::caught;
use crate::error::{Error, Result};
use footer::TRAILER_BYTES;

/// The most rows of a file for each of its bytes, and beyond: equal rows take hardly any space.
const ROWS_PER_BYTE: u64 = 1 << 14;
const ROWS_BEYOND: u64 = 1 << 20;
/// The most times that the columns of a file may be as large as the file.
const MAX_SHARED: u64 = 2;

/// The columns and rows of a file.
pub(super) struct Found {
    pub schema: SchemaRef,
    pub rows: u64,
    pub pages: Arc<Pages>,
}

/// Returns how the engine reads files: the pages of a column in a group of rows at once, and neither pages nor filters of
/// which an index says the place, because the place and the length of those would not be checked. Metadata is read apart
/// from pages, for [`Pages::check`] takes what lies within a column for its pages.
pub(super) fn engine_format() -> ParquetFormat {
    let mut options = TableParquetOptions::default();
    options.global.enable_page_index = false;
    options.global.bloom_filter_on_read = false;
    options.global.metadata_size_hint = None;
    ParquetFormat::default().with_options(options)
}

/// Reads the footer of a file.
///
/// # Errors
/// Fails when the file cannot be read or is no Parquet, or when its footer is damaged.
pub(super) fn open(file: &DataFile) -> Result<Found> {
    let chunks = Chunks::of(file);
    let damage = |why| {
        Error::data(format!(
            "{}: not a readable Parquet file: {why}",
            file.path.display()
        ))
        .hint("the file was cut off or is of another format: copy it again or check its name")
    };
    read(&chunks).map_err(|why| chunks.failure.or(|| damage(why)))
}

fn read(chunks: &Chunks) -> std::result::Result<Found, String> {
    let bytes = chunks.len();
    let end = check_footer(chunks, bytes)?;
    // This reads the Arrow schema that writers of Arrow store in the metadata, too.
    let metadata = caught(|| ArrowReaderMetadata::load(chunks, Default::default()))
        .map_err(|why| format!("its footer: {why}"))?
        .map_err(|error| error.to_string())?;
    let rows = check_metadata(metadata.metadata(), bytes)?;
    let pages = caught(|| Pages::of(metadata.metadata()))?;
    if let Some(place) = pages.places().find(|place| place.end > end) {
        return Err(format!(
            "its footer claims pages at bytes {}–{}; the pages end at byte {end}",
            place.start, place.end
        ));
    }
    Ok(Found {
        schema: Arc::clone(metadata.schema()),
        pages: Arc::new(pages),
        rows,
    })
}

/// Checks the footer, and returns where it begins.
fn check_footer(chunks: &Chunks, bytes: u64) -> std::result::Result<u64, String> {
    let failed = |error: datafusion::parquet::errors::ParquetError| error.to_string();
    let end = bytes
        .checked_sub(TRAILER_BYTES)
        .ok_or("it is too short to have a footer")?;
    let trailer = chunks.get_bytes(end, TRAILER_BYTES as usize);
    let trailer = trailer.map_err(failed)?.as_ref().try_into();
    let length = footer::length(trailer.unwrap_or_default(), bytes)?;
    let start = end - length;
    let footer = chunks.get_bytes(start, length as usize).map_err(failed)?;
    footer::check(&footer)?;
    Ok(start)
}

/// Checks numbers against each other and against the size of the file. Returns the number of rows.
fn check_metadata(metadata: &ParquetMetaData, bytes: u64) -> std::result::Result<u64, String> {
    let rows = metadata.file_metadata().num_rows();
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let (mut counted, mut stored) = (0_i64, 0_u64);
    for group in metadata.row_groups() {
        if group.num_columns() != columns || group.num_rows() < 0 {
            return Err(format!(
                "its footer claims a group of {} rows with {} columns; the file has {columns} columns",
                group.num_rows(),
                group.num_columns()
            ));
        }
        counted = counted.saturating_add(group.num_rows());
        for column in group.columns() {
            let places = [
                Some(column.compressed_size()),
                Some(column.uncompressed_size()),
                Some(column.num_values()),
                Some(column.data_page_offset()),
                column.dictionary_page_offset(),
            ];
            if places.into_iter().flatten().any(|number| number < 0)
                || !are_indexes_within(column, bytes)
            {
                return Err(format!(
                    "its footer claims an impossible place or size of column {}",
                    column.column_path().string()
                ));
            }
            stored = stored.saturating_add(column.compressed_size().unsigned_abs());
        }
    }
    if rows != counted {
        return Err(format!(
            "its footer claims {rows} rows, and {counted} in all its groups"
        ));
    }
    let rows = rows.unsigned_abs();
    let most = bytes
        .saturating_mul(ROWS_PER_BYTE)
        .saturating_add(ROWS_BEYOND);
    if rows > most || stored > bytes.saturating_mul(MAX_SHARED) {
        return Err(format!(
            "its footer claims {rows} rows in {stored} bytes; the file has {bytes} bytes"
        ));
    }
    Ok(rows)
}

/// Returns whether the indexes of a column's pages lie within the file.
fn are_indexes_within(
    column: &datafusion::parquet::file::metadata::ColumnChunkMetaData,
    bytes: u64,
) -> bool {
    let indexes = [
        (column.offset_index_offset(), column.offset_index_length()),
        (column.column_index_offset(), column.column_index_length()),
        (column.bloom_filter_offset(), column.bloom_filter_length()),
    ];
    indexes.into_iter().all(|(offset, length)| {
        let start = u64::try_from(offset.unwrap_or(0)).ok();
        let length = u64::try_from(length.unwrap_or(0)).ok();
        let end = start
            .zip(length)
            .and_then(|(start, length)| start.checked_add(length));
        end.is_some_and(|end| end <= bytes)
    })
}

/// Reads a whole file, to find out whether it can be read.
///
/// # Errors
/// Fails when the file cannot be read.
pub(super) fn check(file: &DataFile) -> Result<()> {
    let chunks = Chunks::of(file);
    let failure = chunks.failure.clone();
    let damage = |why| {
        let place = file.path.display();
        Error::data(format!("{place}: damaged Parquet file: {why}"))
            .hint("copy or write the file again")
    };
    check_all(chunks).map_err(|why| failure.or(|| damage(why)))
}

fn check_all(chunks: Chunks) -> std::result::Result<(), String> {
    let found = read(&chunks)?;
    let mut batch_rows = crate::engine::BATCH_ROWS;
    for place in found.pages.places() {
        let bytes = chunks.get_bytes(place.start, (place.end - place.start) as usize);
        let bytes = bytes.map_err(|error| error.to_string())?;
        match found.pages.check(place.start, &bytes, batch_rows) {
            Ok(()) => {}
            Err(Fault::Damage(why)) => return Err(why),
            Err(Fault::Wide(Wide { batch_rows: fewer })) => batch_rows = fewer,
        }
    }
    let read = caught(|| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(chunks)
            .and_then(|builder| builder.with_batch_size(batch_rows).build())
            .map_err(|error| error.to_string())?;
        for batch in reader {
            batch.map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    read.and_then(|outcome| outcome)
}
