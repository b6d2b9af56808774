//! Files that appear complete or not at all. A local file is written to a temporary file beside its path and then
//! renamed; an object is uploaded in parts.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::destination::{Destination, Target};
use crate::error::{Error, Result};
use crate::leftover::Leftover;
use crate::naming::parameter;
use crate::storage::upload::Upload;
use crate::storage::{is_url, redacted};

/// The size of the write buffer, in bytes.
const BUFFER_BYTES: usize = 1 << 18;

/// A file that gets its name only when it is complete. If it is dropped before that, nothing is left of it.
pub struct PendingFile {
    content: Content,
    /// The path of the complete file, or its name in messages.
    path: PathBuf,
}

/// The bytes written so far.
enum Content {
    /// A temporary file that will be renamed.
    File(BufWriter<NamedTempFile>, Leftover),
    /// A temporary file that will be copied to a stream, and the function that opens the stream.
    Stream(
        BufWriter<NamedTempFile>,
        Leftover,
        fn() -> Box<dyn Write + Send>,
    ),
    Upload(Upload),
}

impl PendingFile {
    /// Begins the file at `to`.
    ///
    /// # Errors
    /// Fails when the folder does not exist or cannot be written to, when `to` is a folder, and when it is a path that is
    /// written as a URL.
    pub fn create(to: impl Into<Destination>) -> Result<Self> {
        let Destination { path, target, .. } = to.into();
        let failed = |error| Error::io("write", &path, error);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".honeyguide-").suffix(".partial");
        let content = match target {
            Target::File if is_url(&path.to_string_lossy()) => return Err(unopened(&path)),
            Target::File => {
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
                let file = builder.tempfile_in(folder_of(&path)?).map_err(failed)?;
                let leftover = Leftover::at(file.path());
                Content::File(BufWriter::with_capacity(BUFFER_BYTES, file), leftover)
            }
            Target::Stream(open) => {
                let file = builder.tempfile().map_err(failed)?;
                let leftover = Leftover::at(file.path());
                Content::Stream(BufWriter::with_capacity(BUFFER_BYTES, file), leftover, open)
            }
            Target::Object(place) => {
                if place.path.as_ref().is_empty() || path.to_string_lossy().ends_with('/') {
                    return Err(folder_error(&path));
                }
                Content::Upload(Upload::new(place)?)
            }
        };
        Ok(Self { content, path })
    }

    /// Creates the pending file of an object that is to appear together with others.
    pub(crate) fn of_upload(upload: Upload, path: PathBuf) -> Self {
        let content = Content::Upload(upload);
        Self { content, path }
    }

    /// Returns the upload, if the file is an object.
    pub(crate) fn into_upload(self) -> Option<Upload> {
        match self.content {
            Content::Upload(upload) => Some(upload),
            Content::File(..) | Content::Stream(..) => None,
        }
    }

    /// Returns honeyguide's own error inside an error of writing this file, or else an error that reports the failed
    /// write.
    pub fn failed(&self, error: io::Error) -> Error {
        Error::through_reader(error, |error| Error::io("write", &self.path, error))
    }

    /// Completes the file, which replaces an older one at its path.
    pub fn finish(self) -> Result<()> {
        let Self { content, path } = self;
        let failed = |error| Error::io("write", &path, error);
        match content {
            Content::Upload(upload) => upload.finish(),
            Content::File(file, _leftover) => {
                let file = file.into_inner();
                let file = file.map_err(|error| failed(error.into_error()))?;
                keep_access(file.as_file(), &path).map_err(failed)?;
                file.as_file().sync_all().map_err(failed)?;
                file.persist(&path).map_err(|error| failed(error.error))?;
                Ok(())
            }
            Content::Stream(file, _leftover, open) => {
                let file = file.into_inner();
                let mut file = file.map_err(|error| failed(error.into_error()))?;
                file.rewind().map_err(failed)?;
                let mut stream = open();
                match io::copy(&mut file, &mut stream).and_then(|_| stream.flush()) {
                    // The reader of the stream has closed it, as `head` does.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                    copied => copied.map_err(failed),
                }
            }
        }
    }

    /// Returns the path of the complete file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives a new file the mode and, where the system allows it, the owner and the group of the file at `path`, which it will
/// replace.
fn keep_access(file: &fs::File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let old = match fs::metadata(path) {
            Ok(old) => old,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let new = file.metadata()?;
        let mut mode = old.permissions().mode() & 0o777;
        if new.gid() != old.gid() && fchown(file, None, Some(old.gid())).is_err() {
            // Another group must not get the rights of the old one.
            mode &= 0o707;
        }
        if new.uid() != old.uid() {
            // Only the superuser may give files away.
            let _ = fchown(file, Some(old.uid()), None);
        }
        // Last, because a new owner takes rights away.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Returns the folder of `path`, and checks that a file can be written there.
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
        return Err(folder_error(path));
    }
    // Renaming a temporary file would replace a device or a pipe by a file.
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

/// Returns the error for a path at which a file is to be written and which is a folder.
fn folder_error(path: &Path) -> Error {
    let shown = path.display();
    Error::usage(format!("{shown}: is a folder")).hint("give the name of a file")
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::File(file, _) | Content::Stream(file, ..) => file.write(bytes),
            Content::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.content {
            Content::File(file, _) | Content::Stream(file, ..) => file.flush(),
            Content::Upload(_) => Ok(()),
        }
    }
}

/// Creates a folder and its parent folders.
///
/// # Errors
/// Fails when `path` is a file, or when a folder cannot be created.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(
            Error::usage(format!("{}: a file, not a folder", path.display()))
                .hint("name a folder that exists, or one that can be created"),
        );
    }
    fs::create_dir_all(path).map_err(|error| Error::io("create the folder", path, error))
}

/// Returns the error of a URL that was given as a path. Only [`Destination::parse`] opens a store.
fn unopened(path: &Path) -> Error {
    let shown = redacted(&path.to_string_lossy());
    Error::usage(format!("{shown}: a URL is not a path to write to"))
        .hint("make a destination of it with `Destination::parse`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        for mode in [0o600, 0o640, 0o444, 0o755] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let mut file = PendingFile::create(&path).unwrap();
            file.write_all(b"new").unwrap();
            file.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn urls_are_not_taken_for_paths() {
        for url in [
            "s3://user:secret@bucket/model.json",
            "https://example.org/a.csv",
        ] {
            let error = PendingFile::create(Path::new(url)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            assert!(error.message().contains("is not a path"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
