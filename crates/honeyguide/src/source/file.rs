//! One data file: what it is called, where its bytes are, how they are read, and what its folders say of its rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use datafusion::arrow::datatypes::DataType;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::{Path as ObjectPath, PathPart};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use percent_encoding::percent_decode_str;
use tempfile::TempPath;

use super::format::{Compression, Format, SNIFFED_BYTES, endings};
use super::found::{FoundColumn, Readable};
use crate::error::{Error, Result};
use crate::storage::regular_file_bytes;
use crate::storage::remote::{RemoteFile, RemoteReader};

/// Bytes that are read from a file at once.
const BUFFER_BYTES: usize = 1 << 16;
/// What a Hive-partitioned folder is called whose rows have no value there.
const NO_PARTITION_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A data file that exists.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// As the caller will recognise it: a path, a URL without secrets, or `-`.
    pub path: PathBuf,
    /// By its name, by what the caller says, or by its first bytes.
    pub format: Format,
    /// Its size as it is stored.
    pub bytes: u64,
    /// Columns that all rows share, from names of folders such as `hostName=x`; none for a null.
    pub(super) partitions: Vec<(String, Option<String>)>,
    pub(super) location: Location,
}

/// Where the bytes are.
#[derive(Debug, Clone)]
pub(super) enum Location {
    Local(PathBuf),
    /// A copy of what can be read only once; it goes away with the last who knows of it.
    Spooled(Arc<TempPath>),
    Remote(RemoteFile),
}

/// [`Location`] without the difference between a file and a copy.
pub(super) enum Stored<'a> {
    Here(&'a Path),
    There(&'a RemoteFile),
}

/// A file as Parquet's reader wants it: pieces from any place.
pub(super) struct Chunks {
    file: DataFile,
}

impl Chunks {
    pub fn of(file: &DataFile) -> Self {
        Self { file: file.clone() }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.bytes
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn ReadSeek>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let read = self.file.read_from(start);
        read.map_err(|error| ParquetError::External(Box::new(error)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut bytes = Vec::with_capacity(length.min(BUFFER_BYTES));
        self.get_read(start)?
            .take(length as u64)
            .read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file is shorter than it was".into()));
        }
        Ok(bytes.into())
    }
}

/// Bytes that can be read from any place on.
pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl DataFile {
    /// A local file. `format` says how its rows are written where its name does not, and overrules the name.
    ///
    /// # Errors
    /// It is no regular file, cannot be read, or nothing tells its format.
    pub(super) fn local(path: PathBuf, format: Option<Format>) -> Result<Self> {
        let named = path
            .file_name()
            .and_then(|name| Format::of_name(&name.to_string_lossy()));
        if named.is_none() && format.is_none() {
            return Err(unknown_format(&path));
        }
        let bytes = regular_file_bytes(&path)?;
        let file = Self {
            bytes,
            partitions: partitions(&path),
            location: Location::Local(path.clone()),
            format: named.or(format).unwrap_or(Format::Parquet),
            path,
        };
        file.with_format(format)
    }

    /// What was copied to `spool`, called `path`. Without `format`, its first bytes tell.
    pub(super) fn spooled(path: PathBuf, spool: TempPath, format: Option<Format>) -> Result<Self> {
        let file = Self {
            bytes: regular_file_bytes(&spool)?,
            partitions: Vec::new(),
            location: Location::Spooled(Arc::new(spool)),
            format: Format::Csv(Compression::None),
            path,
        };
        let format = match format {
            Some(format) => format,
            None => file.sniffed()?,
        };
        file.with_format(Some(format))
    }

    /// A remote file called `path`, whose last name is `name`. Without a format in its name, its first bytes tell.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn remote(
        path: PathBuf,
        name: &str,
        remote: RemoteFile,
        format: Option<Format>,
    ) -> Result<Self> {
        let named = Format::of_name(name);
        let file = Self {
            bytes: remote.meta.size,
            partitions: partitions(&path),
            format: named.unwrap_or(Format::Csv(Compression::None)),
            location: Location::Remote(remote),
            path,
        };
        let format = match (format, named) {
            (None, None) => Some(file.sniffed()?),
            (format, _) => format,
        };
        file.with_format(format)
    }

    /// With the format that a caller names; how it is compressed is found out.
    pub(super) fn with_format(mut self, format: Option<Format>) -> Result<Self> {
        if let Some(format) = format {
            let compression = Compression::sniff(&self.start(Compression::None)?);
            self.format = format.compressed(compression);
        }
        Ok(self)
    }

    fn sniffed(&self) -> Result<Format> {
        let compression = Compression::sniff(&self.start(Compression::None)?);
        Ok(Format::sniff(&self.start(compression)?))
    }

    /// The first bytes after decompression.
    fn start(&self, compression: Compression) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        self.decompressed(compression)?
            .take(SNIFFED_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(|error| self.failed(error))?;
        Ok(start)
    }

    /// The decompressed bytes.
    pub(super) fn read(&self) -> Result<Box<dyn Read + Send>> {
        self.decompressed(self.format.compression())
    }

    fn decompressed(&self, compression: Compression) -> Result<Box<dyn Read + Send>> {
        let stored = BufReader::with_capacity(BUFFER_BYTES, self.open()?);
        decompressed(stored, compression).map_err(|error| self.failed(error))
    }

    /// The stored bytes from `start` on.
    pub(super) fn read_from(&self, start: u64) -> Result<Box<dyn ReadSeek>> {
        let mut stored = self.open()?;
        stored
            .seek(SeekFrom::Start(start))
            .map_err(|error| self.failed(error))?;
        Ok(stored)
    }

    /// The stored bytes.
    pub(super) fn open(&self) -> Result<Box<dyn ReadSeek>> {
        match self.stored() {
            Stored::Here(path) => {
                let file = File::open(path).map_err(|error| self.failed(error))?;
                Ok(Box::new(file))
            }
            Stored::There(remote) => Ok(Box::new(RemoteReader::new(remote.clone()))),
        }
    }

    /// What the file is called in its source's store.
    pub(super) fn store_path(&self) -> Result<ObjectPath> {
        let path = match self.stored() {
            Stored::Here(path) => path,
            // The version belongs to the name, so that nothing that is remembered of another one is taken for this one's.
            Stored::There(remote) => {
                let version = remote.meta.e_tag.as_deref().unwrap_or("-");
                let name = self.path.to_string_lossy();
                let parts = [&*name, version].map(PathPart::from);
                return Ok(parts.into_iter().collect());
            }
        };
        // Stores know neither `..` nor links.
        let found = path.canonicalize();
        let found = found.map_err(|error| Error::io("find", path, error))?;
        ObjectPath::from_absolute_path(&found).map_err(|_| {
            Error::usage(format!("{}: not a path that can be read", path.display()))
                .hint("rename files and folders whose names are not UTF-8 or hold line breaks")
        })
    }

    /// Where the bytes can be read as often as needed.
    pub(super) fn stored(&self) -> Stored<'_> {
        match &self.location {
            Location::Local(path) => Stored::Here(path),
            Location::Spooled(path) => Stored::Here(path),
            Location::Remote(remote) => Stored::There(remote),
        }
    }

    /// What tells this file from others, whatever it is called.
    pub(super) fn identity(&self) -> PathBuf {
        match self.stored() {
            Stored::Here(path) => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
            Stored::There(_) => self.path.clone(),
        }
    }

    /// Whether this is the file at `path`, under whatever name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let same = std::fs::canonicalize(path).is_ok_and(|path| path == self.identity());
        same || matches!(self.location, Location::Remote(_)) && path == self.path
    }

    /// Whether there is a file called `name` beside this one.
    pub(super) fn has_neighbour(&self, name: &str) -> bool {
        match &self.location {
            Location::Local(path) => path.with_file_name(name).is_file(),
            Location::Spooled(_) => false,
            Location::Remote(remote) => remote.has_neighbour(name),
        }
    }

    /// How a store would describe the file.
    pub(super) fn meta(&self) -> Result<ObjectMeta> {
        let last_modified = match self.stored() {
            Stored::Here(path) => {
                let modified = std::fs::metadata(path).and_then(|file| file.modified());
                modified.map_or_else(|_| DateTime::default(), DateTime::from)
            }
            Stored::There(remote) => remote.meta.last_modified,
        };
        Ok(ObjectMeta {
            location: self.store_path()?,
            last_modified,
            size: self.bytes,
            e_tag: None,
            version: None,
        })
    }

    /// The text that all rows have in a column of the file's folders; none for a null.
    pub(super) fn partition(&self, name: &str) -> Option<&str> {
        let mut columns = self.partitions.iter();
        columns.find(|(column, _)| column == name)?.1.as_deref()
    }

    /// The columns of the file's folders: whole numbers where the value is one, else text.
    pub(super) fn partition_columns(&self) -> impl Iterator<Item = FoundColumn> {
        self.partitions.iter().map(|(name, value)| {
            let Some(value) = value else {
                return FoundColumn::inferred(name, DataType::Utf8, Readable::ANY);
            };
            let readable = Readable::of(value);
            let data_type = match readable.integers {
                true => DataType::Int64,
                false => DataType::Utf8,
            };
            FoundColumn::inferred(name, data_type, readable)
        })
    }

    /// An error of reading this file.
    pub(super) fn failed(&self, error: std::io::Error) -> Error {
        Error::through_reader(error, |error| Error::io("read", &self.path, error))
    }
}

/// Returns the bytes that `stored` holds in compressed form.
///
/// # Errors
/// Fails when no decompressor can be set up.
pub(super) fn decompressed(
    stored: impl BufRead + Send + 'static,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match compression {
        Compression::None => Box::new(stored),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stored)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(stored)?),
    })
}

fn unknown_format(path: &Path) -> Error {
    Error::usage(format!(
        "{}: what format is this? The name ends in none of {}",
        path.display(),
        endings()
    ))
    .hint("say it with --format, or rename the file after its format")
}

/// The columns in the names of a file's folders, outermost first, as Hive writes them: `name=value`, percent-encoded.
pub(super) fn partitions(path: &Path) -> Vec<(String, Option<String>)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|folder| match folder {
            Component::Normal(name) => partition(name.to_str()?),
            _ => None,
        })
        .collect()
}

fn partition(folder: &str) -> Option<(String, Option<String>)> {
    let (name, value) = folder.split_once('=')?;
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let value = (value != NO_PARTITION_VALUE).then(|| decoded(value));
    (!name.is_empty()).then(|| (decoded(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_columns() {
        let found = partitions(Path::new("lake/hostName=ip%2D1/day=3/__x/=1/part=0.csv"));
        let expected = [("hostName", Some("ip-1")), ("day", Some("3"))];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
        );
        let null = partitions(Path::new("a=__HIVE_DEFAULT_PARTITION__/x.csv"));
        assert_eq!(null, [("a".to_owned(), None)]);
    }
}
