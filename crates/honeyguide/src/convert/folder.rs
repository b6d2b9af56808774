//! A folder that takes its name only when it is complete, with a folder in it for every value of some columns, as Hive
//! lays them out: `hostName=web-1/part-0.parquet`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::{cast, partition};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use tempfile::TempDir;

use super::parquet::ParquetFile;
use crate::error::{Error, Result};
use crate::output::PendingFile;
use crate::simulate::{MARKER, MARKER_TEXT};

/// Most folders that values are laid out in.
const MAX_PARTITIONS: u64 = 10_000;
/// What Hive calls the folder of nulls.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";
/// The only file of every folder.
const FILE_NAME: &str = "part-0.parquet";

/// The values of the columns that folders are named after.
type Values = Vec<Option<String>>;

/// Files of rows that come sorted by the partition columns, so that only one is open at a time.
pub(super) struct Partitioned {
    folder: PendingFolder,
    schema: SchemaRef,
    partition_by: Vec<String>,
    sorted_by: Vec<String>,
    is_simulated: bool,
    open: Option<(Values, ParquetFile)>,
    files: u64,
    most_files: u64,
    bytes: u64,
}

impl Partitioned {
    pub fn create(
        path: &Path,
        schema: SchemaRef,
        partition_by: &[String],
        sorted_by: &[String],
        is_simulated: bool,
    ) -> Result<Self> {
        Ok(Self {
            folder: PendingFolder::create(path)?,
            schema,
            partition_by: partition_by.to_vec(),
            sorted_by: sorted_by.to_vec(),
            is_simulated,
            open: None,
            files: 0,
            most_files: MAX_PARTITIONS,
            bytes: 0,
        })
    }

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

    /// Ends the open file and begins that of other values.
    fn begin(&mut self, values: Values) -> Result<()> {
        self.end_file()?;
        if self.files == self.most_files {
            return Err(Error::usage(format!(
                "--partition-by {}: more than {} folders",
                self.partition_by.join(","),
                self.most_files
            ))
            .hint("choose a column with fewer values, such as hostName"));
        }
        let mut folder = self.folder.path().to_owned();
        for (column, value) in self.partition_by.iter().zip(&values) {
            folder.push(folder_name(column, value.as_deref()));
        }
        fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create the folder", &folder, error))?;
        let path = folder.join(FILE_NAME);
        if path.exists() {
            let shown = folder.strip_prefix(self.folder.path()).unwrap_or(&folder);
            return Err(Error::data(format!(
                "--partition-by {}: two values name the folder {}",
                self.partition_by.join(","),
                shown.display()
            )));
        }
        if self.is_simulated {
            mark_simulated(&folder)?;
        }
        let file = ParquetFile::create(&path, &self.schema, &self.sorted_by)?;
        self.open = Some((values, file));
        Ok(())
    }

    fn end_file(&mut self) -> Result<()> {
        if let Some((_, file)) = self.open.take() {
            self.files += 1;
            self.bytes += file.finish()?;
        }
        Ok(())
    }

    /// Gives the folder its name; the number of files and their bytes.
    pub fn finish(mut self) -> Result<(u64, u64)> {
        self.end_file()?;
        if self.files == 0 {
            // So that a table without rows has its columns.
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

/// Simulated data says so beside every file.
fn mark_simulated(folder: &Path) -> Result<()> {
    let mut marker = PendingFile::create(&folder.join(MARKER))?;
    let path = marker.path().to_owned();
    marker
        .write_all(MARKER_TEXT.as_bytes())
        .map_err(|error| Error::io("write", &path, error))?;
    marker.finish()
}

/// `column=value`, with bytes percent-encoded that are neither letters nor digits nor one of `-_.~`.
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

/// A folder beside its place, which is removed unless it is finished.
struct PendingFolder {
    folder: TempDir,
    path: PathBuf,
}

impl PendingFolder {
    fn create(path: &Path) -> Result<Self> {
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if !beside.is_dir() {
            return Err(Error::usage(format!(
                "{}: the folder {} does not exist",
                path.display(),
                beside.display()
            ))
            .hint(format!("create it first: mkdir -p '{}'", beside.display())));
        }
        refuse_to_mix(path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".honeyguide-").suffix(".partial");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder
            .tempdir_in(beside)
            .map_err(|error| Error::io("write", path, error))?;
        Ok(Self {
            folder,
            path: path.to_owned(),
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn finish(self) -> Result<()> {
        let Self { folder, path } = self;
        refuse_to_mix(&path)?;
        fs::rename(folder.path(), &path).map_err(|error| Error::io("write", &path, error))?;
        // What was renamed is no longer there to be removed.
        let _ = folder.keep();
        Ok(())
    }
}

/// A folder may take the place of an empty one, and of nothing else.
fn refuse_to_mix(path: &Path) -> Result<()> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Error::usage(format!("{}: is a file", path.display()))
                .hint("a folder is written, or a file if its name ends in .parquet"))
        }
        Err(error) => Err(Error::io("read", path, error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::usage(format!(
                "{}: the folder is not empty, and data is not mixed",
                path.display()
            ))
            .hint("choose another name, or remove the folder first")),
        },
    }
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
        let mut lake = Partitioned::create(&out, batch.schema(), &by, &by, false).unwrap();
        lake.most_files = 2;
        let error = lake.write(&batch).unwrap_err().to_string();
        assert_eq!(error, "--partition-by host: more than 2 folders");
        drop(lake);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
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
