//! Objects that are uploaded in parts and appear when all of them are there: one alone, or a folder of them.

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

/// Bytes of a part. S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// After so many parts they become larger by [`PART_BYTES`]: S3 takes at most 10,000 of them.
const PARTS_OF_A_SIZE: usize = 1000;

/// How long it is tried to tidy up after an upload that failed, and how many objects at once are seen to.
const TIDY_TIME: Duration = Duration::from_secs(30);
const TIDIED_AT_ONCE: usize = 16;

/// Gives up what was sent. What cannot be given up in time is removed by the bucket's own rules; it is never seen as an
/// object.
fn give_up(uploads: impl IntoIterator<Item = Box<dyn MultipartUpload>>) {
    let all = stream::iter(uploads).for_each_concurrent(TIDIED_AT_ONCE, async |mut parts| {
        let _ = parts.abort().await;
    });
    let _ = wait_to_end(timeout(TIDY_TIME, all));
}

/// An object on its way. Dropped before it is finished, its parts are given up.
pub(crate) struct Upload {
    place: ObjectPlace,
    /// Begun with the first full part.
    parts: Option<Box<dyn MultipartUpload>>,
    n_parts: usize,
    buffer: Vec<u8>,
}

impl Upload {
    /// Begins an object.
    ///
    /// # Errors
    /// The bucket does not exist or cannot be reached.
    pub fn new(place: ObjectPlace) -> Result<Self> {
        let first = wait(place.store.list(Some(&place.path)).next())?;
        match first {
            // Who may write need not be allowed to list.
            Some(Err(StoreError::PermissionDenied { .. }) | Ok(_)) | None => Ok(Self::begin(place)),
            Some(Err(error)) => Err(place.about.refused("write", &error)),
        }
    }

    /// Begins an object in a bucket that is known to be there.
    fn begin(place: ObjectPlace) -> Self {
        Self {
            place,
            parts: None,
            n_parts: 0,
            buffer: Vec::new(),
        }
    }

    /// Sends what there is, so that nothing but the last step is missing.
    fn seal(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.send_part()
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES * (1 + self.n_parts / PARTS_OF_A_SIZE)
    }

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

    /// Sends the rest, and makes the object appear in place of an older one.
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
