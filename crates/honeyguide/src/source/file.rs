//! One data file: its name, where its bytes are, how they are read, and the columns that its folders name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::datatypes::DataType;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::{Path as ObjectPath, PathPart};
use percent_encoding::percent_decode_str;

use super::format::{Compression, Format, SNIFFED_BYTES, endings};
use super::found::FoundColumn;
use super::pages::Pages;
use super::readable::Readable;
use super::seen::{Missing, Seen};
use crate::error::{Error, Result};
use crate::naming::parameter;
use crate::storage::regular_file_bytes;
use crate::storage::remote::{RemoteFile, RemoteReader};
use crate::storage::spool::Spooled;

/// Bytes that are read from a file at once.
const BUFFER_BYTES: usize = 1 << 16;
/// The value in the name of a Hive-partitioned folder whose rows have a null there.
const NO_PARTITION_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A data file that exists.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The name by which the caller knows the file: a path, a URL without secrets, or `-`.
    pub path: PathBuf,
    /// The format of the rows, known from the file's name, from the caller, or from its first bytes.
    pub format: Format,
    /// The size in bytes, as the file is stored.
    pub bytes: u64,
    /// The columns that names of folders such as `hostName=x` tell, with the value of all rows; `None` is a null.
    pub(super) partitions: Vec<(String, Option<String>)>,
    pub(super) location: Location,
    /// The pages of Parquet, once its footer was read.
    pub(super) pages: Option<Arc<Pages>>,
}

/// The location of a file's bytes.
#[derive(Debug, Clone)]
pub(super) enum Location {
    Local(PathBuf),
    /// A temporary copy of what can be read only once. It is deleted when nothing refers to it any more.
    Spooled(Arc<Spooled>),
    Remote(RemoteFile),
}

/// A [`Location`] without the difference between a file and a temporary copy.
pub(super) enum Stored<'a> {
    Here(&'a Path),
    There(&'a RemoteFile),
}

/// Bytes that can be read from any position on.
pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl DataFile {
    /// Opens a local file. `format` overrules what its name says of how its rows are written. Where neither tells, its first
    /// bytes can.
    ///
    /// # Errors
    /// Fails when it is not a regular file, when it cannot be read, and when its format is not known.
    pub(super) fn local(path: PathBuf, format: Option<Format>) -> Result<Self> {
        let named = path
            .file_name()
            .and_then(|name| Format::of_name(&name.to_string_lossy()));
        let bytes = regular_file_bytes(&path)?;
        let file = Self {
            bytes,
            partitions: partitions(&path),
            location: Location::Local(path.clone()),
            pages: None,
            format: named.or(format).unwrap_or(Format::Csv(Compression::None)),
            path,
        };
        let format = match (format, named) {
            (None, None) => {
                let told = file.told()?;
                Some(told.ok_or_else(|| unknown_format(&file.path))?)
            }
            (format, _) => format,
        };
        file.with_format(format)
    }

    /// Opens the temporary copy `spool` of what messages call `path`. Without `format`, its first bytes tell how its
    /// rows are written.
    ///
    /// # Errors
    /// Fails when the copy cannot be read.
    pub(super) fn spooled(path: PathBuf, spool: Spooled, format: Option<Format>) -> Result<Self> {
        let file = Self {
            bytes: regular_file_bytes(&spool)?,
            partitions: Vec::new(),
            location: Location::Spooled(Arc::new(spool)),
            pages: None,
            format: Format::Csv(Compression::None),
            path,
        };
        let format = match format {
            Some(format) => format,
            None => file.sniffed()?,
        };
        file.with_format(Some(format))
    }

    /// Opens a remote file that messages call `path`, and whose own name is `name`. Where neither `format` nor its name
    /// tells how its rows are written, its first bytes do.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
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
            pages: None,
            path,
        };
        let format = match (format, named) {
            (None, None) => Some(file.sniffed()?),
            (format, _) => format,
        };
        file.with_format(format)
    }

    /// Sets the format that a caller names, with the compression that the first bytes have.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub(super) fn with_format(mut self, format: Option<Format>) -> Result<Self> {
        if let Some(format) = format {
            let compression = Compression::sniff(&self.start(Compression::None)?);
            self.format = format.compressed(compression);
        }
        Ok(self)
    }

    fn sniffed(&self) -> Result<Format> {
        Ok(self.told()?.unwrap_or(Format::Csv(Compression::None)))
    }

    /// Returns the format that the first bytes tell beyond doubt.
    fn told(&self) -> Result<Option<Format>> {
        let compression = Compression::sniff(&self.start(Compression::None)?);
        Ok(Format::told(&self.start(compression)?))
    }

    /// Reads the first bytes after decompression.
    fn start(&self, compression: Compression) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        self.decompressed(compression)?
            .take(SNIFFED_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(|error| self.failed(error))?;
        Ok(start)
    }

    /// Reads the decompressed bytes.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    pub(super) fn read(&self) -> Result<Box<dyn Read + Send>> {
        self.decompressed(self.format.compression())
    }

    fn decompressed(&self, compression: Compression) -> Result<Box<dyn Read + Send>> {
        let stored = BufReader::with_capacity(BUFFER_BYTES, self.open()?);
        decompressed(stored, compression).map_err(|error| self.failed(error))
    }

    /// Reads the bytes as they are stored, from `start` on.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    pub(super) fn read_from(&self, start: u64) -> Result<Box<dyn ReadSeek>> {
        let mut stored = self.open()?;
        stored
            .seek(SeekFrom::Start(start))
            .map_err(|error| self.failed(error))?;
        Ok(stored)
    }

    /// Reads the bytes as they are stored.
    ///
    /// # Errors
    /// Fails when the file cannot be opened.
    pub(super) fn open(&self) -> Result<Box<dyn ReadSeek>> {
        match self.stored() {
            Stored::Here(path) => {
                let file = File::open(path).map_err(|error| self.failed(error))?;
                Ok(Box::new(file))
            }
            Stored::There(remote) => Ok(Box::new(RemoteReader::new(remote.clone()))),
        }
    }

    /// Returns the path of the file in the object store of its source.
    ///
    /// # Errors
    /// Fails when the file is gone, and when its path is not UTF-8.
    pub(super) fn store_path(&self) -> Result<ObjectPath> {
        let path = match self.stored() {
            Stored::Here(path) => path,
            // The version is part of the path, so that what is cached of another version is not taken for this one's.
            Stored::There(remote) => {
                let version = remote.meta.e_tag.as_deref().unwrap_or("-");
                let name = self.path.to_string_lossy();
                let parts = [&*name, version].map(PathPart::from);
                return Ok(parts.into_iter().collect());
            }
        };
        // Paths in object stores have neither `..` nor links.
        let found = path.canonicalize();
        let found = found.map_err(|error| Error::io("find", path, error))?;
        ObjectPath::from_absolute_path(&found).map_err(|_| {
            Error::usage(format!("{}: not a path that can be read", path.display()))
                .hint("rename files and folders whose names are not UTF-8 or hold line breaks")
        })
    }

    /// Returns where the bytes can be read as often as needed.
    pub(super) fn stored(&self) -> Stored<'_> {
        match &self.location {
            Location::Local(path) => Stored::Here(path),
            Location::Spooled(path) => Stored::Here(path),
            Location::Remote(remote) => Stored::There(remote),
        }
    }

    /// Returns a path that is the same for all names of this file.
    pub(super) fn identity(&self) -> PathBuf {
        match self.stored() {
            Stored::Here(path) => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
            Stored::There(_) => self.path.clone(),
        }
    }

    /// Returns whether this is the file at `path`, under whatever name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let same = std::fs::canonicalize(path).is_ok_and(|path| path == self.identity());
        same || matches!(self.location, Location::Remote(_)) && path == self.path
    }

    /// Returns whether there is a file called `name` beside this one.
    pub(super) fn has_neighbour(&self, name: &str) -> bool {
        match &self.location {
            Location::Local(path) => path.with_file_name(name).is_file(),
            Location::Spooled(_) => false,
            Location::Remote(remote) => remote.has_neighbour(name),
        }
    }

    /// Describes the file as an object store does.
    ///
    /// # Errors
    /// Fails as [`store_path`](Self::store_path) does.
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

    /// Returns the value of all rows in a column that a folder names, as text; `None` is a null.
    pub(super) fn partition(&self, name: &str) -> Option<&str> {
        let mut columns = self.partitions.iter();
        columns.find(|(column, _)| column == name)?.1.as_deref()
    }

    /// Returns the columns that the folders name: numbers where the value is one in digits, of unknown type where it is
    /// null, else text.
    pub(super) fn partition_columns(&self) -> impl Iterator<Item = FoundColumn> {
        self.partitions.iter().map(|(name, value)| {
            let mut seen = Seen::of_csv();
            if let Some(value) = value {
                seen.add_field(value, &Missing::NONE);
            }
            match value {
                Some(_) if !seen.is_number_in_digits() => {
                    let readable = value.as_deref().map(Readable::of);
                    FoundColumn::inferred(name, DataType::Utf8, readable)
                }
                _ => FoundColumn::of_text(name, seen),
            }
        })
    }

    /// Returns the error of reading this file.
    pub(super) fn failed(&self, error: std::io::Error) -> Error {
        Error::through_reader(error, |error| Error::io("read", &self.path, error))
    }
}

/// Decompresses the bytes of `stored`.
///
/// # Errors
/// Fails when there is no memory for a decompressor.
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
    .hint(format!(
        "say it with {}, or rename the file after its format",
        parameter("format")
    ))
}

/// Returns the columns in the names of a file's folders, outermost first. Hive writes them as `name=value`,
/// percent-encoded.
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
