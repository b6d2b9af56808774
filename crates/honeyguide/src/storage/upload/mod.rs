//! Uploads of one object or of a folder of objects. Objects are sent in parts and appear only when they are complete.

mod folder;

use std::io::{self, Write};
use std::time::Duration;

use datafusion::object_store::{
    Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
};
use futures::stream::{self, StreamExt};
use tokio::time::timeout;

pub(crate) use folder::{UploadedFolder, refuse_unfinished};

use crate::error::Result;
use crate::storage::object::ObjectPlace;
use crate::storage::waiting::{wait, wait_to_end};

/// The size of the first parts, in bytes. S3 requires at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// The number of parts after which parts grow by [`PART_BYTES`]. S3 accepts at most 10,000 parts.
const PARTS_OF_A_SIZE: usize = 1000;

/// The time limit of the clean-up after a failed upload.
const TIDY_TIME: Duration = Duration::from_secs(30);
/// The number of objects that are cleaned up at once.
const TIDIED_AT_ONCE: usize = 16;

/// Aborts uploads. An upload that cannot be aborted in time is left to the lifecycle rules of the bucket; it never
/// appears as an object.
fn give_up(uploads: impl IntoIterator<Item = Box<dyn MultipartUpload>>) {
    let all = stream::iter(uploads).for_each_concurrent(TIDIED_AT_ONCE, async |mut parts| {
        let _ = parts.abort().await;
    });
    let _ = wait_to_end(timeout(TIDY_TIME, all));
}

/// An object that is being uploaded. If it is dropped before it is finished, the upload is aborted.
pub(crate) struct Upload {
    place: ObjectPlace,
    /// The multipart upload, which starts with the first full part.
    parts: Option<Box<dyn MultipartUpload>>,
    /// The number of parts sent so far.
    n_parts: usize,
    /// The bytes that are not sent yet.
    buffer: Vec<u8>,
}

impl Upload {
    /// Begins an upload to `place`.
    ///
    /// # Errors
    /// Fails when the bucket does not exist or cannot be reached.
    pub fn new(place: ObjectPlace) -> Result<Self> {
        let first = wait(place.store.list(Some(&place.path)).next())?;
        match first {
            // An account that may write is not always allowed to list.
            Some(Err(StoreError::PermissionDenied { .. }) | Ok(_)) | None => Ok(Self::begin(place)),
            Some(Err(error)) => Err(place.about.refused("write", &error)),
        }
    }

    /// Begins an upload to a bucket that is known to exist.
    fn begin(place: ObjectPlace) -> Self {
        Self {
            place,
            parts: None,
            n_parts: 0,
            buffer: Vec::new(),
        }
    }

    /// Sends the buffered bytes, so that only the step that completes the upload remains.
    fn seal(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.send_part()
    }

    /// Returns the size of the next part, in bytes.
    fn part_bytes(&self) -> usize {
        PART_BYTES * (1 + self.n_parts / PARTS_OF_A_SIZE)
    }

    /// Sends the buffered bytes as a part.
    fn send_part(&mut self) -> Result<()> {
        let place = &self.place;
        let refused = |error| place.about.refused("write", &error);
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let begun = wait(place.store.put_multipart(&place.path))?;
                self.parts.insert(begun.map_err(refused)?)
            }
        };
        let part = PutPayload::from(std::mem::take(&mut self.buffer));
        wait(parts.put_part(part))?.map_err(refused)?;
        self.n_parts += 1;
        Ok(())
    }

    /// Sends the rest and completes the upload. The object replaces an older one.
    pub fn finish(mut self) -> Result<()> {
        if self.parts.is_some() {
            self.seal()?;
        }
        let about = self.place.about.clone();
        let refused = |error| about.refused("write", &error);
        match &mut self.parts {
            Some(parts) => {
                wait(parts.complete())?.map_err(refused)?;
                self.parts = None;
            }
            None => {
                let whole = PutPayload::from(std::mem::take(&mut self.buffer));
                wait(self.place.store.put(&self.place.path, whole))?.map_err(refused)?;
            }
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            give_up([parts]);
        }
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.part_bytes() {
            self.send_part().map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
