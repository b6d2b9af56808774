//! A folder, on disk or in a bucket, that appears under its name only when it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::leftover::Leftover;
use crate::output::{Destination, PendingFile};
use crate::storage::upload::UploadedFolder;

/// A folder that is being written. If it is dropped before [`finish`](Self::finish), its files are removed.
pub(super) struct PendingFolder {
    /// The path of the folder when it is complete.
    path: PathBuf,
    content: Content,
}

/// The place of the files until the folder is complete.
enum Content {
    /// A temporary folder next to the final one. It is renamed when it is complete.
    Temporary(TempDir, Leftover),
    /// Uploads to a bucket. They are completed when all files are written.
    Uploaded(Box<UploadedFolder>),
}

impl PendingFolder {
    /// Starts the folder that will be at `to`.
    ///
    /// # Errors
    /// Fails when there is a file or a folder that is not empty, and when the place cannot be written to.
    pub fn create(to: &Destination) -> Result<Self> {
        let path = to.path().to_owned();
        let content = match to.object() {
            Some(place) => Content::Uploaded(Box::new(UploadedFolder::new(place.clone())?)),
            None => {
                let folder = folder_beside(&path)?;
                let leftover = Leftover::at(folder.path());
                Content::Temporary(folder, leftover)
            }
        };
        Ok(Self { path, content })
    }

    /// Starts the file `name`, a path relative to the folder. Returns `None` if the folder already has such a file.
    ///
    /// # Errors
    /// Fails when the file cannot be created.
    pub fn begin(&mut self, name: &str) -> Result<Option<PendingFile>> {
        match &mut self.content {
            Content::Uploaded(folder) => {
                let upload = folder.begin(name)?;
                Ok(upload.map(|upload| PendingFile::of_upload(upload, self.path.join(name))))
            }
            Content::Temporary(folder, _leftover) => {
                let path = folder.path().join(name);
                if path.exists() {
                    return Ok(None);
                }
                let inner = path.parent().unwrap_or(folder.path());
                fs::create_dir_all(inner)
                    .map_err(|error| Error::io("create the folder", inner, error))?;
                PendingFile::create(&path).map(Some)
            }
        }
    }

    /// Takes a file that is complete.
    ///
    /// # Errors
    /// Fails when the rest of the file cannot be written.
    pub fn push(&mut self, file: PendingFile) -> Result<()> {
        match &mut self.content {
            Content::Temporary(..) => file.finish(),
            Content::Uploaded(folder) => match file.into_upload() {
                Some(upload) => folder.push(upload),
                None => Err(Error::internal("a file on disk for a folder in a bucket")),
            },
        }
    }

    /// Moves the folder to its place.
    ///
    /// # Errors
    /// Fails when another folder with files has taken the place, and when the folder cannot be moved.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        match self.content {
            Content::Uploaded(folder) => folder.finish(),
            Content::Temporary(folder, _leftover) => {
                refuse_to_mix(&path)?;
                fs::rename(folder.path(), &path)
                    .map_err(|error| Error::io("write", &path, error))?;
                // The temporary folder was renamed, so there is nothing to remove.
                let _ = folder.keep();
                Ok(())
            }
        }
    }
}

/// Creates a temporary folder next to `path`, so that it can be renamed to `path`.
fn folder_beside(path: &Path) -> Result<TempDir> {
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
    builder
        .tempdir_in(beside)
        .map_err(|error| Error::io("write", path, error))
}

/// Refuses a path that exists and is not an empty folder.
fn refuse_to_mix(path: &Path) -> Result<()> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Error::usage(format!("{}: is a file", path.display()))
                .hint("the output is a folder, or a file if its name ends in .parquet"))
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
