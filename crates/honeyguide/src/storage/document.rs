//! Small texts, such as models and recipes, that are read whole from a path or a URL.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use datafusion::object_store::{Error as StoreError, ObjectStoreExt};

use super::http::{self, Found};
use super::local::regular_file_bytes;
use super::object::{self, StorageOptions};
use super::remote::{RemoteFile, RemoteReader};
use super::url::{is_object_url, is_web_url};
use super::waiting::wait;
use crate::error::{Error, Result};
use crate::secret::redacted;

/// A text that was read, with its names.
#[derive(Debug)]
pub(crate) struct Document {
    pub text: String,
    /// The name that the caller used: the path, or the URL without secrets.
    pub shown: PathBuf,
    /// The name that does not depend on the current folder: an absolute path, or the URL without secrets.
    pub uri: String,
}

/// Reads the text at a path or a URL, of at most `limit` bytes. Returns `None` if nothing is there.
///
/// # Errors
/// Fails when the text cannot be read, is longer than `limit`, is not UTF-8, or is not in a regular file.
pub(crate) fn read(place: &Path, limit: u64, options: &StorageOptions) -> Result<Option<Document>> {
    let url = place.to_string_lossy();
    if is_object_url(&url) {
        return read_object(&url, limit, options);
    }
    if is_web_url(&url) {
        return read_from_server(&url, limit, options).map(Some);
    }
    if !place.exists() {
        return Ok(None);
    }
    let uri = std::path::absolute(place).map_err(|error| Error::io("find", place, error))?;
    Ok(Some(Document {
        text: read_file(place, place, limit)?,
        shown: place.to_owned(),
        uri: uri.display().to_string(),
    }))
}

fn read_object(url: &str, limit: u64, options: &StorageOptions) -> Result<Option<Document>> {
    let mut place = object::open(url, options)?;
    let shown = place.about.shown.clone();
    if place.path.as_ref().is_empty() {
        let shown = shown.display();
        return Err(Error::usage(format!("{shown}: the URL names no file")));
    }
    let meta = loop {
        match wait(place.store.head(&place.path))? {
            Ok(meta) => break meta,
            Err(StoreError::NotFound { .. }) => match place.decoded.take() {
                Some(decoded) => place.path = *decoded,
                None => return Ok(None),
            },
            Err(error) => return Err(place.about.refused("read", &error)),
        }
    };
    read_remote(RemoteFile::in_store(place, meta), shown, limit).map(Some)
}

fn read_from_server(url: &str, limit: u64, options: &StorageOptions) -> Result<Document> {
    let shown = PathBuf::from(redacted(url));
    match wait(http::open(url, shown.clone(), limit, options))?? {
        Found::Ranges(file) => read_remote(RemoteFile::on_server(file), shown, limit),
        Found::Whole(copy) => {
            let text = read_file(&copy, &shown, limit)?;
            Ok(Document::of_url(text, shown))
        }
    }
}

fn read_remote(file: RemoteFile, shown: PathBuf, limit: u64) -> Result<Document> {
    check_size(file.meta.size, limit, &shown)?;
    let text = read_text(RemoteReader::new(file), &shown)?;
    Ok(Document::of_url(text, shown))
}

/// Reads the text of the file at `path`, which messages call `shown`.
fn read_file(path: &Path, shown: &Path, limit: u64) -> Result<String> {
    check_size(regular_file_bytes(path)?, limit, shown)?;
    let file = File::open(path).map_err(|error| Error::io("read", shown, error))?;
    read_text(file.take(limit), shown)
}

fn check_size(bytes: u64, limit: u64, shown: &Path) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    let shown = shown.display();
    Err(Error::data(format!(
        "{shown}: {bytes} bytes; the limit is {limit}"
    )))
}

fn read_text(mut from: impl Read, shown: &Path) -> Result<String> {
    let mut text = String::new();
    let read = from.read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        ErrorKind::InvalidData => Error::data(format!("{}: not text", shown.display()))
            .hint("check that it is the right file and that it is complete"),
        _ => Error::through_reader(error, |error| Error::io("read", shown, error)),
    })?;
    Ok(text)
}

impl Document {
    fn of_url(text: String, shown: PathBuf) -> Self {
        Self {
            text,
            uri: shown.display().to_string(),
            shown,
        }
    }
}
