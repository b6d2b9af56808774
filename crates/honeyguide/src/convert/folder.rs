//! A folder of Parquet files with one subfolder per value of the partition columns, in Hive's layout:
//! `hostName=web-1/part-0.parquet`.

use std::fmt::Write as _;
use std::io::Write as _;

use super::parquet::ParquetFile;
use super::pending::PendingFolder;
use crate::error::{Error, Result};
use crate::marks::{SIMULATED, SIMULATED_TEXT};
use crate::naming::parameter;
use crate::output::Destination;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::{cast, partition};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

/// The greatest number of partition folders.
const MAX_PARTITIONS: u64 = 10_000;
/// The greatest length of a folder's name in the file systems of Linux, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The value that Hive writes in a folder's name in place of null.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";
/// The name of the only data file in every folder.
const FILE_NAME: &str = "part-0.parquet";

/// The values of the partition columns in one folder, `None` for null.
type Values = Vec<Option<String>>;

/// A writer of a partitioned folder. Its rows must come sorted by the partition columns, so that only one file is open
/// at a time.
pub(super) struct Partitioned {
    folder: PendingFolder,
    schema: SchemaRef,
    partition_by: Vec<String>,
    sorted_by: Vec<String>,
    is_simulated: bool,
    open: Option<(Values, ParquetFile)>,
    files: u64,
    most_files: u64,
    most_name_bytes: usize,
    bytes: u64,
}

impl Partitioned {
    /// Starts a folder at `to` for rows of `schema`, which come sorted by `sorted_by`. `is_simulated` puts the marker
    /// of simulated data beside every file.
    ///
    /// # Errors
    /// Fails when `to` is a file or a folder that is not empty, and when it cannot be written to.
    pub fn create(
        to: &Destination,
        schema: SchemaRef,
        partition_by: &[String],
        sorted_by: &[String],
        is_simulated: bool,
    ) -> Result<Self> {
        Ok(Self {
            folder: PendingFolder::create(to)?,
            schema,
            partition_by: partition_by.to_vec(),
            sorted_by: sorted_by.to_vec(),
            is_simulated,
            open: None,
            files: 0,
            most_files: MAX_PARTITIONS,
            most_name_bytes: match to.object() {
                // A key in a bucket is one name, however long its parts are.
                Some(_) => usize::MAX,
                None => MAX_NAME_BYTES,
            },
            bytes: 0,
        })
    }

    /// Writes the rows of `batch`, each to the file of its partition.
    ///
    /// # Errors
    /// Fails when there are too many partitions, when two values have the same folder, and when a file cannot be
    /// written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.partition_by.is_empty() {
            if self.open.is_none() {
                self.begin(Vec::new())?;
            }
            return self.write_rows(batch);
        }
        let failed = |error: ArrowError| Error::internal(format!("a partition: {error}"));
        let columns = self.partition_by.iter().map(|name| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| Error::internal(format!("no column `{name}`")))?;
            cast(column, &DataType::Utf8).map_err(failed)
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        for range in partition(&columns).map_err(failed)?.ranges() {
            let values = columns
                .iter()
                .map(|column| value(column.as_string(), range.start));
            let values: Values = values.collect();
            if self.open.as_ref().is_none_or(|(open, _)| *open != values) {
                self.begin(values)?;
            }
            self.write_rows(&batch.slice(range.start, range.len()))?;
        }
        Ok(())
    }

    fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.open {
            Some((_, file)) => file.write(batch),
            None => Err(Error::internal("rows without a file")),
        }
    }

    /// Closes the open file and opens the file of the partition `values`.
    fn begin(&mut self, values: Values) -> Result<()> {
        self.end_file()?;
        if self.files == self.most_files {
            return Err(Error::usage(format!(
                "{} {}: more than {} folders",
                parameter("partition_by"),
                self.partition_by.join(","),
                self.most_files
            ))
            .hint("choose a column with fewer values, such as the one of hosts"));
        }
        let names = self.partition_by.iter().zip(&values);
        let names = names.map(|(column, value)| folder_name(column, value.as_deref()));
        let names: Vec<String> = names.collect();
        if let Some(long) = names.iter().find(|name| name.len() > self.most_name_bytes) {
            return Err(self.too_long(long));
        }
        let folder = names.into_iter().map(|name| name + "/").collect::<String>();
        let Some(file) = self.folder.begin(&format!("{folder}{FILE_NAME}"))? else {
            return Err(Error::data(format!(
                "{} {}: two values would be written to the same folder {}",
                parameter("partition_by"),
                self.partition_by.join(","),
                folder.trim_end_matches('/')
            )));
        };
        if self.is_simulated {
            self.mark_simulated(&folder)?;
        }
        let file = ParquetFile::new(file, &self.schema, &self.sorted_by)?;
        self.open = Some((values, file));
        Ok(())
    }

    /// Returns the error of a folder's name that file systems do not take.
    fn too_long(&self, name: &str) -> Error {
        let shown: String = name.chars().take(60).collect();
        Error::data(format!(
            "{} {}: the folder {shown}… would have a name of {} bytes; the limit of file systems is {}",
            parameter("partition_by"),
            self.partition_by.join(","),
            name.len(),
            self.most_name_bytes
        ))
        .hint("choose a column with shorter values, such as the one of hosts; nothing was written")
    }

    /// Writes the marker of simulated data into `folder`, so that it lies beside every file.
    fn mark_simulated(&mut self, folder: &str) -> Result<()> {
        let marker = self.folder.begin(&format!("{folder}{SIMULATED}"))?;
        let mut marker = marker.ok_or_else(|| Error::internal("a folder is marked twice"))?;
        let written = marker.write_all(SIMULATED_TEXT.as_bytes());
        written.map_err(|error| marker.failed(error))?;
        self.folder.push(marker)
    }

    fn end_file(&mut self) -> Result<()> {
        if let Some((_, file)) = self.open.take() {
            let (file, bytes) = file.close()?;
            self.folder.push(file)?;
            self.files += 1;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Moves the complete folder to its place. Returns the number of files and their total size in bytes.
    ///
    /// # Errors
    /// Fails when a file cannot be written or the folder cannot be moved.
    pub fn finish(mut self) -> Result<(u64, u64)> {
        self.end_file()?;
        if self.files == 0 {
            // An empty file keeps the columns of a table without rows.
            self.begin(Vec::new())?;
            self.end_file()?;
        }
        self.folder.finish()?;
        Ok((self.files, self.bytes))
    }
}

fn value(column: &StringArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_owned())
}

/// Returns `column=value` with every byte percent-encoded except ASCII letters, digits and `-_.~`.
fn folder_name(column: &str, value: Option<&str>) -> String {
    let value = value.map_or(NULL_PARTITION.to_owned(), encoded);
    format!("{}={value}", encoded(column))
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn too_many_folders_are_refused_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let hosts: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "c"]));
        let batch = RecordBatch::try_from_iter([("host", hosts)]).unwrap();
        let by = ["host".to_owned()];
        let out = root.path().join("lake");
        let mut lake =
            Partitioned::create(&out.as_path().into(), batch.schema(), &by, &by, false).unwrap();
        lake.most_files = 2;
        let error = lake.write(&batch).unwrap_err();
        assert_eq!(error.message(), "`partition_by` host: more than 2 folders");
        drop(lake);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_file_systems_do_not_take_is_refused_and_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        // `host=` and two bytes of é, three characters each, make 5 + 6 n bytes.
        for (count, fits) in [(41, true), (42, false)] {
            let hosts: ArrayRef = Arc::new(StringArray::from(vec!["é".repeat(count)]));
            let batch = RecordBatch::try_from_iter([("host", hosts)]).unwrap();
            let by = ["host".to_owned()];
            let out = root.path().join("lake");
            let to = out.as_path().into();
            let mut lake = Partitioned::create(&to, batch.schema(), &by, &by, false).unwrap();
            let written = lake.write(&batch);
            assert_eq!(written.is_ok(), fits);
            if let Err(error) = written {
                assert!(
                    error
                        .message()
                        .contains("257 bytes; the limit of file systems is 255"),
                    "{error}"
                );
            }
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_are_named_as_hive_names_them() {
        for (value, name) in [
            (Some("web-1.example"), "hostName=web-1.example"),
            (Some("a/b=c %ü"), "hostName=a%2Fb%3Dc%20%25%C3%BC"),
            (Some(".."), "hostName=.."),
            (None, "hostName=__HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(folder_name("hostName", value), name);
        }
    }
}
