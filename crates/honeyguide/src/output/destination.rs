//! Where a result goes: a path, a stream, or a place in an object store.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::format::TableFormat;
use crate::error::{Error, Result};
use crate::storage::object::{self, ObjectPlace};
use crate::storage::{StorageOptions, is_object_url, is_web_url, redacted};

/// Where a result goes.
#[derive(Debug, Clone)]
pub struct Destination {
    pub(super) path: PathBuf,
    format: Option<TableFormat>,
    pub(super) place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
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
        if !is_object_url(&text) {
            return Ok(to.into());
        }
        let place = object::open(&text, options)?;
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
