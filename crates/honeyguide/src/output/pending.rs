//! A file that appears whole or not at all: written beside its place, then renamed; or uploaded in parts.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::destination::{Destination, Place};
use crate::error::{Error, Result};
use crate::naming::parameter;
use crate::storage::upload::Upload;

/// Bytes that are collected before a file is written to.
const BUFFER_BYTES: usize = 1 << 18;

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

    /// Turns the error of a write to this file into an [`Error`] that names the file.
    pub fn failed(&self, error: io::Error) -> Error {
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
            Error::usage(format!("{}: not a regular file", path.display())).hint(format!(
                "a device or a pipe is not replaced: {} - writes to standard output",
                parameter("out")
            )),
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
