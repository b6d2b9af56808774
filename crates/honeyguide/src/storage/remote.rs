//! Files in object stores and on web servers, read piece by piece. All pieces are of the same version of the file;
//! otherwise reading fails.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::http::HttpFile;
use super::object::ObjectPlace;
use super::waiting::wait;
use crate::error::{Error, Result};

/// The size of the first piece that a reader requests, in bytes. Each piece is twice as large as the one before, up to
/// [`LARGEST_PIECE`].
const FIRST_PIECE: u64 = 1 << 18;
/// The maximum size of a piece, in bytes.
const LARGEST_PIECE: u64 = 1 << 22;

/// One version of a file in an object store or on a web server.
#[derive(Clone)]
pub(crate) struct RemoteFile {
    at: At,
    /// The size and the identity of the version.
    pub meta: ObjectMeta,
}

/// The place of a remote file.
#[derive(Clone)]
enum At {
    Store(ObjectPlace),
    Server(Arc<HttpFile>),
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile")
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

impl RemoteFile {
    /// Creates the file for the object at `place`, which `meta` describes.
    pub fn in_store(place: ObjectPlace, meta: ObjectMeta) -> Self {
        Self {
            at: At::Store(place),
            meta: ObjectMeta {
                e_tag: meta.e_tag.as_deref().map(quoted),
                ..meta
            },
        }
    }

    /// Creates the file for one on a web server that supports range requests.
    pub fn on_server(file: Arc<HttpFile>) -> Self {
        Self {
            meta: file.meta(),
            at: At::Server(file),
        }
    }

    /// Returns whether the file is an object in a store, which other processes find by its URL.
    pub fn is_in_store(&self) -> bool {
        matches!(self.at, At::Store(_))
    }

    /// Reads the bytes `range` of the file.
    ///
    /// # Errors
    /// Fails when the bytes cannot be read or belong to another version.
    pub async fn get(&self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.at {
            At::Store(place) => self.get_object(place, range).await,
            At::Server(file) => file.get(range).await,
        }
    }

    async fn get_object(&self, place: &ObjectPlace, range: Range<u64>) -> Result<Bytes> {
        let refused = |error| place.about.refused("read", &error);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let found = place
            .store
            .get_opts(&place.path, options)
            .await
            .map_err(refused)?;
        // Not every server honours `If-Match`.
        if found.meta.e_tag.as_deref().map(quoted) != self.meta.e_tag
            || found.meta.size != self.meta.size
        {
            return Err(place.about.replaced());
        }
        let expected = range.end - range.start;
        let mut pieces = found.into_stream();
        let mut bytes = Vec::new();
        // A server that sends more than it was asked for is not listened to any longer.
        while bytes.len() as u64 <= expected
            && let Some(piece) = pieces.next().await
        {
            bytes.extend_from_slice(&piece.map_err(refused)?);
        }
        if bytes.len() as u64 != expected {
            return Err(place.about.replaced());
        }
        Ok(bytes.into())
    }

    /// Returns whether an object called `name` exists in the same folder of the store.
    pub fn has_neighbour(&self, name: &str) -> bool {
        let At::Store(place) = &self.at else {
            return false;
        };
        let mut parts: Vec<_> = place.path.parts().collect();
        parts.pop();
        let neighbour = parts.into_iter().chain([name.into()]).collect();
        wait(place.store.head(&neighbour)).is_ok_and(|found| found.is_ok())
    }
}

/// Returns an entity tag in quotes, as conditional requests need it (RFC 9110, section 8.8.3). Azure's listings omit
/// the quotes.
fn quoted(e_tag: &str) -> String {
    if e_tag.ends_with('"') {
        e_tag.to_owned()
    } else {
        format!("\"{e_tag}\"")
    }
}

/// A reader of a remote file. While one piece is used, the next is already requested.
pub(crate) struct RemoteReader {
    file: RemoteFile,
    /// The position in the file, in bytes.
    position: u64,
    /// The unread bytes of the current piece.
    piece: Bytes,
    /// The size of the next piece to request, in bytes.
    piece_bytes: u64,
    /// The start of the piece that was requested ahead, and its request.
    next: Option<(u64, JoinHandle<Result<Bytes>>)>,
}

impl RemoteReader {
    pub fn new(file: RemoteFile) -> Self {
        Self {
            file,
            position: 0,
            piece: Bytes::new(),
            piece_bytes: FIRST_PIECE,
            next: None,
        }
    }

    /// Reads the piece at the current position, and requests the one after it.
    fn advance(&mut self) -> Result<()> {
        let awaited = match self.next.take() {
            Some((start, piece)) if start == self.position => piece,
            _ => self.request(self.position)?,
        };
        let piece = wait(awaited)?;
        self.piece = piece.map_err(|error| Error::internal(error.to_string()))??;
        let behind = self.position + self.piece.len() as u64;
        if behind < self.file.meta.size {
            self.next = Some((behind, self.request(behind)?));
        }
        Ok(())
    }

    /// Requests the piece that starts at `start`.
    fn request(&mut self, start: u64) -> Result<JoinHandle<Result<Bytes>>> {
        let end = (start + self.piece_bytes).min(self.file.meta.size);
        self.piece_bytes = (2 * self.piece_bytes).min(LARGEST_PIECE);
        let file = self.file.clone();
        let handle = Handle::try_current().map_err(|error| Error::usage(error.to_string()))?;
        Ok(handle.spawn(async move { file.get(start..end).await }))
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        if let Some((_, piece)) = &self.next {
            piece.abort();
        }
    }
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.position < self.file.meta.size {
            self.advance().map_err(io::Error::other)?;
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for RemoteReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.meta.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        let ahead = position.checked_sub(self.position);
        match ahead.and_then(|ahead| usize::try_from(ahead).ok()) {
            Some(ahead) if ahead <= self.piece.len() => drop(self.piece.split_to(ahead)),
            _ => self.piece = Bytes::new(),
        }
        self.position = position;
        Ok(position)
    }
}
