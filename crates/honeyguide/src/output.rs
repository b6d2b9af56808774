//! Files that appear whole or not at all: written beside their place, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::csv::Writer as CsvWriter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that takes its name only when it is complete. Dropped before that, it leaves nothing behind.
pub struct PendingFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl PendingFile {
    /// Begins a file that will be called `path`.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to, or `path` is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(Error::usage(format!(
                "{}: the folder {} does not exist",
                path.display(),
                folder.display()
            ))
            .hint(format!("create it first: mkdir -p '{}'", folder.display())));
        }
        if path.is_dir() || path.file_name().is_none() {
            return Err(Error::usage(format!(
                "{}: is a folder; a file's name is needed",
                path.display()
            )));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".honeyguide-").suffix(".partial");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .map_err(|error| Error::io("write", path, error))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            path: path.to_owned(),
        })
    }

    /// Gives the file its name, replacing an older one.
    pub fn finish(self) -> Result<()> {
        let Self { file, path } = self;
        let failed = |error| Error::io("write", &path, error);
        let file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create the folder", path, error))
}

/// In which format a table is written, by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated text with a header line.
    Csv,
    /// Apache Parquet with zstd.
    Parquet,
}

impl TableFormat {
    /// By the ending of the name.
    ///
    /// # Errors
    /// Another ending.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::usage(format!(
                "{}: in what format? The name must end in .csv or .parquet",
                path.display()
            ))),
        }
    }
}

/// A table that is written batch by batch.
pub(crate) enum TableWriter {
    Csv {
        writer: Box<CsvWriter<PendingFile>>,
        path: PathBuf,
    },
    Parquet {
        writer: Box<ArrowWriter<PendingFile>>,
        path: PathBuf,
    },
}

impl TableWriter {
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let file = PendingFile::create(path)?;
        let path = path.to_owned();
        Ok(match TableFormat::of(&path)? {
            TableFormat::Csv => {
                let mut writer = Box::new(CsvWriter::new(file));
                // So that a table without rows has its header.
                let nothing = writer.write(&RecordBatch::new_empty(schema));
                nothing.map_err(|error| write_error(&path, &error))?;
                Self::Csv { writer, path }
            }
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()));
                let writer = ArrowWriter::try_new(file, schema, Some(properties.build()))
                    .map_err(|error| write_error(&path, &error))?;
                Self::Parquet {
                    writer: Box::new(writer),
                    path,
                }
            }
        })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv { writer, path } => writer
                .write(batch)
                .map_err(|error| write_error(path, &error)),
            Self::Parquet { writer, path } => writer
                .write(batch)
                .map_err(|error| write_error(path, &error)),
        }
    }

    pub fn finish(self) -> Result<()> {
        match self {
            Self::Csv { writer, .. } => writer.into_inner().finish(),
            Self::Parquet { writer, path } => writer
                .into_inner()
                .map_err(|error| write_error(&path, &error))?
                .finish(),
        }
    }
}

/// Finds the operating system's error below a writer's.
fn write_error(path: &Path, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            let copy = io
                .raw_os_error()
                .map_or_else(|| io.kind().into(), std::io::Error::from_raw_os_error);
            return Error::io("write", path, copy);
        }
        cause = current.source();
    }
    Error::data(format!("cannot write {}: {error}", path.display()))
}

/// The size of a file that can be read as often as needed.
///
/// # Errors
/// It is a folder, or a pipe or device, which gives its content once or without end.
pub(crate) fn regular_file_bytes(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if metadata.is_dir() {
        return Err(Error::usage(format!("{}: is a folder", path.display())));
    }
    if !metadata.is_file() {
        return Err(
            Error::usage(format!("{}: not a regular file", path.display()))
                .hint("a pipe or device may be read only once: write its content to a file first"),
        );
    }
    Ok(metadata.len())
}

/// Text of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<String> {
    let bytes = regular_file_bytes(path)?;
    if bytes > limit {
        return Err(Error::data(format!(
            "{}: {bytes} bytes; the limit is {limit}",
            path.display()
        )));
    }
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Error::data(format!("{}: not text", path.display()))
                .hint("is this the right file, and whole?"),
            _ => Error::io("read", path, error),
        })?;
    Ok(text)
}
