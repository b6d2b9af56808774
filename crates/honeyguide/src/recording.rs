//! Recordings: kernel calls that a sensor hands over one by one, written as a table that every command reads.
//!
//! The columns are those of a log of kernel calls without its labels, since nobody has judged the events, and columns
//! that tell processes and containers apart.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use serde::Serializer;
use serde::ser::SerializeMap;

use crate::error::{Error, Result};
use crate::log::Log;
use crate::output::{Destination, TableWriter};

/// The number of events per batch.
const BATCH_ROWS: usize = 8192;
/// The number of batches after which the writer lets go of the rows that it holds.
const GROUP_BATCHES: usize = 16;
/// The key of the description in a file's metadata.
pub const DESCRIPTION: &str = "honeyguide.recording";

/// What a recording has beyond the columns of a log of kernel calls. Those of the same names in Tracee's events have the
/// same meaning.
const FURTHER_COLUMNS: [(&str, DataType); 6] = [
    ("bootId", DataType::Utf8),
    ("processStartTime", DataType::Float64),
    ("executable", DataType::Utf8),
    ("cgroup", DataType::Utf8),
    ("containerId", DataType::Utf8),
    ("syscall", DataType::Utf8),
];

/// A value of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recorded<'v> {
    /// A whole number.
    Number(i64),
    /// A number of seconds.
    Seconds(f64),
    /// A text, or nothing.
    Text(Option<&'v str>),
}

/// The columns of a recording, in their order.
pub fn columns() -> impl Iterator<Item = &'static str> {
    let log = Log::kernel_calls().sensed_columns();
    log.chain(&FURTHER_COLUMNS).map(|(name, _)| *name)
}

/// Appends an event as an object of JSON on one line, without the line's end, with a value for each of [`columns`].
/// Commands read it as the row that [`RecordingFile::write`] writes.
///
/// # Errors
/// Fails when there are more or fewer values than columns.
pub fn write_json<'v>(
    event: impl IntoIterator<Item = Recorded<'v>>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let failed = |error: serde_json::Error| Error::internal(format!("an event as JSON: {error}"));
    let mut values = event.into_iter();
    let mut serializer = serde_json::Serializer::new(out);
    let mut object = serializer.serialize_map(None).map_err(failed)?;
    for name in columns() {
        let entry = match values.next() {
            Some(Recorded::Number(value)) => object.serialize_entry(name, &value),
            Some(Recorded::Seconds(value)) => object.serialize_entry(name, &value),
            Some(Recorded::Text(value)) => object.serialize_entry(name, &value),
            None => return Err(Error::internal("an event of a recording lacks values")),
        };
        entry.map_err(failed)?;
    }
    if values.next().is_some() {
        return Err(Error::internal(
            "an event of a recording has too many values",
        ));
    }
    object.end().map_err(failed)
}

/// A file of a recording that is being written.
pub struct RecordingFile {
    writer: TableWriter,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The number of events in the columns.
    rows: usize,
    /// The number of batches since the writer let go of its rows.
    batches: usize,
    events: u64,
}

/// A column that is being filled.
enum Column {
    Numbers(Int64Builder),
    Seconds(Float64Builder),
    Texts(StringBuilder),
}

impl RecordingFile {
    /// Begins the file at `to`.
    ///
    /// # Errors
    /// Fails when the format is unknown or the file cannot be created.
    pub fn create(to: impl Into<Destination>) -> Result<Self> {
        let all = Log::kernel_calls().sensed_columns().chain(&FURTHER_COLUMNS);
        let (fields, columns): (Vec<Field>, Vec<Column>) = all
            .map(|(name, data_type)| {
                let field = Field::new(*name, data_type.clone(), true);
                (field, Column::of(data_type))
            })
            .unzip();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            writer: TableWriter::create(to, Arc::clone(&schema))?,
            schema,
            columns,
            rows: 0,
            batches: 0,
            events: 0,
        })
    }

    /// Appends an event, with a value for each of [`columns`].
    ///
    /// # Errors
    /// Fails when the file cannot be written, and when a value is not of its column's type.
    pub fn write<'v>(&mut self, event: impl IntoIterator<Item = Recorded<'v>>) -> Result<()> {
        let mut filled = 0;
        for (column, value) in self.columns.iter_mut().zip(event) {
            column.push(value)?;
            filled += 1;
        }
        if filled != self.columns.len() {
            return Err(Error::internal(format!(
                "an event of a recording has {filled} of {} values",
                self.columns.len()
            )));
        }
        self.rows += 1;
        self.events += 1;
        if self.rows < BATCH_ROWS {
            return Ok(());
        }
        self.write_batch()
    }

    fn write_batch(&mut self) -> Result<()> {
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let failed = |error: ArrowError| Error::internal(format!("a batch of events: {error}"));
        self.writer.write(&batch.map_err(failed)?)?;
        self.rows = 0;
        self.batches += 1;
        if self.batches == GROUP_BATCHES {
            self.batches = 0;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Returns the number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Completes the file. `description` goes into its metadata under [`DESCRIPTION`] if its format has such, as Parquet
    /// and Arrow do.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn finish(mut self, description: &str) -> Result<()> {
        if self.rows > 0 {
            self.write_batch()?;
        }
        self.writer.describe(DESCRIPTION, description);
        self.writer.finish()
    }
}

impl Column {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Numbers(Int64Builder::new()),
            DataType::Float64 => Self::Seconds(Float64Builder::new()),
            _ => Self::Texts(StringBuilder::new()),
        }
    }

    fn push(&mut self, value: Recorded<'_>) -> Result<()> {
        match (self, value) {
            (Self::Numbers(column), Recorded::Number(value)) => column.append_value(value),
            (Self::Seconds(column), Recorded::Seconds(value)) => column.append_value(value),
            (Self::Texts(column), Recorded::Text(value)) => column.append_option(value),
            (_, value) => {
                let message = format!("{value:?} is not of its column's type in a recording");
                return Err(Error::internal(message));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Numbers(column) => Arc::new(column.finish()),
            Self::Seconds(column) => Arc::new(column.finish()),
            Self::Texts(column) => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// Returns values of the types of the columns.
    fn event(name: &str) -> Vec<Recorded<'_>> {
        let all = Log::kernel_calls().sensed_columns().chain(&FURTHER_COLUMNS);
        all.map(|(_, data_type)| match data_type {
            DataType::Int64 => Recorded::Number(-2),
            DataType::Float64 => Recorded::Seconds(0.5),
            _ => Recorded::Text(Some(name)),
        })
        .collect()
    }

    #[test]
    fn a_file_holds_all_events_and_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.parquet");
        let mut file = RecordingFile::create(path.as_path()).unwrap();
        // More than a group of batches, so that the writer has let go of rows in between.
        let rows = BATCH_ROWS * GROUP_BATCHES + 1;
        for _ in 0..rows {
            file.write(event("close")).unwrap();
        }
        assert_eq!(file.events(), rows as u64);
        file.finish("{\"lost\": 0}").unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let metadata = reader.metadata().file_metadata();
        assert_eq!(metadata.num_rows(), rows as i64);
        let texts = metadata.key_value_metadata().unwrap();
        let found = texts.iter().find(|text| text.key == DESCRIPTION).unwrap();
        assert_eq!(found.value.as_deref(), Some("{\"lost\": 0}"));
        let names: Vec<_> = metadata
            .schema_descr()
            .columns()
            .iter()
            .map(|c| c.name().to_owned())
            .collect();
        assert!(columns().eq(names.iter().map(String::as_str)));
    }

    #[test]
    fn events_without_all_values_or_with_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RecordingFile::create(folder.path().join("c.csv").as_path()).unwrap();
        assert!(file.write(event("close").into_iter().skip(1)).is_err());
        let mut file = RecordingFile::create(folder.path().join("d.csv").as_path()).unwrap();
        assert!(file.write(event("close").into_iter().take(3)).is_err());
    }
}
