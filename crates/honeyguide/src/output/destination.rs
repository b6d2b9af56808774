//! The destination of a result: a path, a stream, or an object in an object store.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::format::TableFormat;
use crate::error::{Error, Result};
use crate::storage::object::{self, ObjectPlace};
use crate::storage::{StorageOptions, is_object_url, is_web_url, redacted};

/// The destination of a result.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The path of a file, the name of a stream, or the URL of an object without secrets.
    pub(super) path: PathBuf,
    /// The format of a table, unless the name of the file determines it.
    format: Option<TableFormat>,
    /// Whether cells of CSV that a spreadsheet would run get an apostrophe.
    csv_safe: bool,
    pub(super) target: Target,
}

/// The kind of a destination.
#[derive(Debug, Clone)]
pub(super) enum Target {
    File,
    /// A stream, and the function that opens it.
    Stream(fn() -> Box<dyn Write + Send>),
    Object(ObjectPlace),
}

impl Destination {
    /// Creates the destination for a stream, such as standard output, which messages call `name`. The stream is opened
    /// when the result is complete. A table is written in `format`, or as CSV if that is `None`.
    pub fn stream(
        name: &str,
        format: Option<TableFormat>,
        open: fn() -> Box<dyn Write + Send>,
    ) -> Self {
        Self {
            path: name.into(),
            format: format.or(Some(TableFormat::Csv)),
            csv_safe: false,
            target: Target::Stream(open),
        }
    }

    /// Parses a path, or a URL such as `s3://bucket/name.parquet`.
    ///
    /// # Errors
    /// Fails when `to` is the URL of a web server, or of an object store that cannot be opened with `options`.
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
            csv_safe: false,
            target: Target::Object(place),
        })
    }

    /// Makes cells of CSV safe for spreadsheets if `csv_safe` is true: an apostrophe precedes texts that begin with `=`,
    /// `+`, `-`, `@`, a tab or a carriage return. Other formats stay as they are.
    #[must_use]
    pub fn with_csv_safe(self, csv_safe: bool) -> Self {
        Self { csv_safe, ..self }
    }

    /// Returns whether cells of CSV are made safe for spreadsheets.
    pub(super) fn is_csv_safe(&self) -> bool {
        self.csv_safe
    }

    /// Returns the path of a file, the name of a stream, or the URL of an object without secrets.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the destination is not the file `input`, which would be lost. Messages call that file `what`.
    ///
    /// # Errors
    /// Fails when both are the same file, even by different paths.
    pub fn refuse_to_replace(&self, input: &Path, what: &str) -> Result<()> {
        // A URL and a file that does not exist have no canonical path.
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

    /// Returns the place in an object store, if the destination is an object.
    pub(crate) fn object(&self) -> Option<&ObjectPlace> {
        match &self.target {
            Target::Object(place) => Some(place),
            Target::File | Target::Stream(_) => None,
        }
    }

    /// Returns the format in which a table is written to this destination.
    ///
    /// # Errors
    /// Fails when the name has no known ending.
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
            csv_safe: false,
            target: Target::File,
        }
    }
}
