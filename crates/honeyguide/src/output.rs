//! Files that appear whole or not at all: written beside their place, then renamed.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::csv::Writer as CsvWriter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::FileWriter as IpcWriter;
use datafusion::arrow::json::writer::{
    LineDelimited, LineDelimitedWriter, WriterBuilder as JsonWriterBuilder,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::source::secret::redacted;
use crate::source::storage::{self, ObjectPlace};
use crate::source::{Format, StorageOptions, is_web_url};
use crate::upload::Upload;

/// Bytes that are collected before a file is written to.
const BUFFER_BYTES: usize = 1 << 18;

/// Where a result goes.
#[derive(Debug, Clone)]
pub struct Destination {
    path: PathBuf,
    format: Option<TableFormat>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File,
    Stream(fn() -> Box<dyn Write + Send>),
    Object(ObjectPlace),
}

impl Destination {
    /// A stream, such as standard output, which messages call `name`. It is opened when a result is complete. A table is
    /// written in `format`, or as CSV.
    pub fn stream(
        name: &str,
        format: Option<TableFormat>,
        open: fn() -> Box<dyn Write + Send>,
    ) -> Self {
        Self {
            path: name.into(),
            format: format.or(Some(TableFormat::Csv)),
            place: Place::Stream(open),
        }
    }

    /// A URL such as `s3://bucket/name.parquet`, or a path.
    ///
    /// # Errors
    /// The URL is of no object store that can be written to.
    pub fn parse(to: &Path, options: &StorageOptions) -> Result<Self> {
        let text = to.to_string_lossy();
        if is_web_url(&text) {
            let shown = redacted(&text);
            return Err(
                Error::usage(format!("{shown}: web servers are only read from"))
                    .hint("write to a path, or to s3://, az:// or gs://"),
            );
        }
        if !storage::is_object_url(&text) {
            return Ok(to.into());
        }
        let place = storage::open(&text, options)?;
        Ok(Self {
            path: place.about.shown.clone(),
            format: None,
            place: Place::Object(place),
        })
    }

    /// What it is called.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to replace `input`, which is `what` of the work.
    ///
    /// # Errors
    /// The output is that file, under whatever name.
    pub fn refuse_to_replace(&self, input: &Path, what: &str) -> Result<()> {
        // What has no canonical path is a URL, or is not there.
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if canonical(&self.path) != canonical(input) {
            return Ok(());
        }
        let shown = self.path.display();
        Err(
            Error::usage(format!("{shown}: the output is also the {what}"))
                .hint(format!("choose another name: the {what} would be lost")),
        )
    }

    /// Where in a bucket it is; none elsewhere.
    pub(crate) fn object(&self) -> Option<&ObjectPlace> {
        match &self.place {
            Place::Object(place) => Some(place),
            Place::File | Place::Stream(_) => None,
        }
    }

    /// In which format a table is written here.
    ///
    /// # Errors
    /// The name does not tell.
    pub fn format(&self) -> Result<TableFormat> {
        self.format.map_or_else(|| TableFormat::of(&self.path), Ok)
    }
}

impl From<&Destination> for Destination {
    fn from(same: &Destination) -> Self {
        same.clone()
    }
}

impl From<&PathBuf> for Destination {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&Path> for Destination {
    fn from(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            format: None,
            place: Place::File,
        }
    }
}

/// A file that takes its name only when it is complete. Dropped before that, it leaves nothing behind.
pub struct PendingFile {
    content: Content,
    path: PathBuf,
}

enum Content {
    File(BufWriter<NamedTempFile>),
    Stream(BufWriter<NamedTempFile>, fn() -> Box<dyn Write + Send>),
    Upload(Upload),
}

impl PendingFile {
    /// Begins what will be at `to`.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to, or `to` is a folder.
    pub fn create(to: impl Into<Destination>) -> Result<Self> {
        let Destination { path, place, .. } = to.into();
        let failed = |error| Error::io("write", &path, error);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".honeyguide-").suffix(".partial");
        let content = match place {
            Place::File => {
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
                let file = builder.tempfile_in(folder_of(&path)?).map_err(failed)?;
                Content::File(BufWriter::with_capacity(BUFFER_BYTES, file))
            }
            Place::Stream(open) => {
                let file = builder.tempfile().map_err(failed)?;
                Content::Stream(BufWriter::with_capacity(BUFFER_BYTES, file), open)
            }
            Place::Object(place) => {
                if place.path.as_ref().is_empty() || path.to_string_lossy().ends_with('/') {
                    return Err(a_folder(&path));
                }
                Content::Upload(Upload::new(place)?)
            }
        };
        Ok(Self { content, path })
    }

    /// An object that is to appear with others.
    pub(crate) fn of_upload(upload: Upload, path: PathBuf) -> Self {
        let content = Content::Upload(upload);
        Self { content, path }
    }

    /// The object, where it is one.
    pub(crate) fn into_upload(self) -> Option<Upload> {
        match self.content {
            Content::Upload(upload) => Some(upload),
            Content::File(_) | Content::Stream(..) => None,
        }
    }

    /// The error of ours in what a writer to this file met, or the operating system's.
    pub(crate) fn failed(&self, error: io::Error) -> Error {
        Error::through_reader(error, |error| Error::io("write", &self.path, error))
    }

    /// Gives the file its name, replacing an older one.
    pub fn finish(self) -> Result<()> {
        let Self { content, path } = self;
        let failed = |error| Error::io("write", &path, error);
        match content {
            Content::Upload(upload) => upload.finish(),
            Content::File(file) => {
                let file = file.into_inner();
                let file = file.map_err(|error| failed(error.into_error()))?;
                file.as_file().sync_all().map_err(failed)?;
                file.persist(&path).map_err(|error| failed(error.error))?;
                Ok(())
            }
            Content::Stream(file, open) => {
                let file = file.into_inner();
                let mut file = file.map_err(|error| failed(error.into_error()))?;
                file.rewind().map_err(failed)?;
                let mut stream = open();
                match io::copy(&mut file, &mut stream).and_then(|_| stream.flush()) {
                    // Whoever reads it has seen enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                    copied => copied.map_err(failed),
                }
            }
        }
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The folder of a file that can be written there.
fn folder_of(path: &Path) -> Result<&Path> {
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
        return Err(a_folder(path));
    }
    // Writing beside and renaming would put a file in the place of a device or a pipe.
    if path.exists() && !path.is_file() {
        return Err(
            Error::usage(format!("{}: not a regular file", path.display()))
                .hint("a device or a pipe is not replaced: --out - writes to standard output"),
        );
    }
    Ok(folder)
}

fn a_folder(path: &Path) -> Error {
    let shown = path.display();
    Error::usage(format!("{shown}: is a folder; a file's name is needed"))
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::File(file) | Content::Stream(file, _) => file.write(bytes),
            Content::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.content {
            Content::File(file) | Content::Stream(file, _) => file.flush(),
            Content::Upload(_) => Ok(()),
        }
    }
}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(
            Error::usage(format!("{}: a file, not a folder", path.display()))
                .hint("name a folder that is there, or one to be made"),
        );
    }
    fs::create_dir_all(path).map_err(|error| Error::io("create the folder", path, error))
}

/// In which format a table is written, by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated text with a header line.
    Csv,
    /// Apache Parquet with zstd.
    Parquet,
    /// The file format of Apache Arrow IPC.
    Arrow,
    /// Newline-delimited JSON.
    Json,
}

impl From<Format> for TableFormat {
    /// How rows are written that are read so; Tracee's are written as any other JSON.
    fn from(format: Format) -> Self {
        match format {
            Format::Csv(_) => Self::Csv,
            Format::Json(_) | Format::Tracee(_) => Self::Json,
            Format::Parquet => Self::Parquet,
            Format::Arrow => Self::Arrow,
        }
    }
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
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("ndjson" | "jsonl" | "json") => Ok(Self::Json),
            _ => Err(Error::usage(format!(
                "{}: in what format? The name must end in .arrow, .ndjson, .csv or .parquet",
                path.display()
            ))),
        }
    }
}

/// A table that is written batch by batch.
pub(crate) struct TableWriter {
    writer: FormatWriter,
    path: PathBuf,
}

enum FormatWriter {
    Csv(Box<CsvWriter<PendingFile>>),
    Parquet(Box<ArrowWriter<PendingFile>>),
    Arrow(Box<IpcWriter<PendingFile>>),
    Json(Box<LineDelimitedWriter<PendingFile>>),
}

impl TableWriter {
    pub fn create(to: impl Into<Destination>, schema: SchemaRef) -> Result<Self> {
        let to = to.into();
        let (path, format) = (to.path.clone(), to.format()?);
        let writer = FormatWriter::new(format, PendingFile::create(to)?, schema);
        Ok(Self {
            writer: writer.map_err(|error| write_error(&path, &error))?,
            path,
        })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.writer.write(batch);
        written.map_err(|error| write_error(&self.path, &error))
    }

    pub fn finish(self) -> Result<()> {
        let file = self.writer.into_file();
        file.map_err(|error| write_error(&self.path, &error))?
            .finish()
    }
}

impl FormatWriter {
    fn new(format: TableFormat, file: PendingFile, schema: SchemaRef) -> EngineResult<Self> {
        Ok(match format {
            TableFormat::Csv => {
                let mut writer = Box::new(CsvWriter::new(file));
                // So that a table without rows has its header.
                writer.write(&RecordBatch::new_empty(schema))?;
                Self::Csv(writer)
            }
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()));
                let writer = ArrowWriter::try_new(file, schema, Some(properties.build()))?;
                Self::Parquet(Box::new(writer))
            }
            TableFormat::Arrow => Self::Arrow(Box::new(IpcWriter::try_new(file, &schema)?)),
            TableFormat::Json => {
                // A row keeps its null values, so that every line names every column.
                let builder = JsonWriterBuilder::new().with_explicit_nulls(true);
                Self::Json(Box::new(builder.build::<_, LineDelimited>(file)))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> EngineResult<()> {
        match self {
            Self::Csv(writer) => writer.write(batch)?,
            Self::Parquet(writer) => writer.write(batch)?,
            Self::Arrow(writer) => writer.write(batch)?,
            Self::Json(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn into_file(self) -> EngineResult<PendingFile> {
        Ok(match self {
            Self::Csv(writer) => writer.into_inner(),
            Self::Parquet(writer) => writer.into_inner()?,
            Self::Arrow(writer) => writer.into_inner()?,
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        })
    }
}

/// Finds the operating system's error below a writer's.
fn write_error(path: &Path, error: &DataFusionError) -> Error {
    if let Some(own) = Error::own(error) {
        return own;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
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
