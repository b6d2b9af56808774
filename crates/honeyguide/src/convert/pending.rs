//! A folder that takes its name only when it is complete, on disk or in a bucket.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::output::{Destination, PendingFile};
use crate::storage::upload::UploadedFolder;

/// Files on their way to a folder of their own. Dropped before it is finished, it leaves nothing behind.
pub(super) struct PendingFolder {
    /// What it will be called.
    path: PathBuf,
    content: Content,
}

enum Content {
    /// Beside its place, and renamed.
    Beside(TempDir),
    Uploaded(Box<UploadedFolder>),
}

impl PendingFolder {
    /// Begins what will be at `to`.
    ///
    /// # Errors
    /// There is a file, or a folder that holds something; the place cannot be written to.
    pub fn create(to: &Destination) -> Result<Self> {
        let path = to.path().to_owned();
        let content = match to.object() {
            Some(place) => Content::Uploaded(Box::new(UploadedFolder::new(place.clone())?)),
            None => Content::Beside(folder_beside(&path)?),
        };
        Ok(Self { path, content })
    }

    /// Begins the file `name`, whose slashes part folders; none where it is there already.
    pub fn begin(&mut self, name: &str) -> Result<Option<PendingFile>> {
        match &mut self.content {
            Content::Uploaded(folder) => {
                let upload = folder.begin(name)?;
                Ok(upload.map(|upload| PendingFile::of_upload(upload, self.path.join(name))))
            }
            Content::Beside(folder) => {
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

    /// Takes a file that is written to its end.
    pub fn push(&mut self, file: PendingFile) -> Result<()> {
        match &mut self.content {
            Content::Beside(_) => file.finish(),
            Content::Uploaded(folder) => match file.into_upload() {
                Some(upload) => folder.push(upload),
                None => Err(Error::internal("a file on disk for a folder in a bucket")),
            },
        }
    }

    /// Gives the folder its name.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        match self.content {
            Content::Uploaded(folder) => folder.finish(),
            Content::Beside(folder) => {
                refuse_to_mix(&path)?;
                fs::rename(folder.path(), &path)
                    .map_err(|error| Error::io("write", &path, error))?;
                // What was renamed is no longer there to be removed.
                let _ = folder.keep();
                Ok(())
            }
        }
    }
}

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
