//! The model file of a watch, which is read again when it changes and when SIGHUP asks for it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use honeyguide::{Error, Model, StorageOptions};
use honeyguide_watch::Models;
use tokio::signal::unix::{SignalKind, signal};

/// The time after which it is looked again whether the file has changed.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// What tells two states of a file apart: device, inode, size, and the time of the last change.
type State = (u64, u64, u64, i64, i64);

/// Offers the model at `place` to `models` whenever it changes. A model at a URL is read again on SIGHUP alone.
///
/// # Errors
/// Fails when the signal cannot be caught.
pub fn follow(place: PathBuf, storage: StorageOptions, models: Arc<Models>) -> Result<(), Error> {
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| Error::io("catch SIGHUP for", &place, error))?;
    let mut taken = state(&place);
    let mut last = taken;
    tokio::spawn(async move {
        loop {
            let is_asked = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                () = tokio::time::sleep(LOOK_TIME) => false,
            };
            let now = state(&place);
            // A file that is still being written changes from look to look.
            let is_new = now.is_some() && now == last && now != taken;
            last = now;
            if !is_asked && !is_new {
                continue;
            }
            taken = now;
            let (place, storage) = (place.clone(), storage.clone());
            let read = tokio::task::spawn_blocking(move || Model::load_with(&place, &storage));
            if let Ok(model) = read.await {
                models.offer(model);
            }
        }
    });
    Ok(())
}

/// Returns the state of a file; `None` if it is not there.
fn state(path: &Path) -> Option<State> {
    let meta = fs::metadata(path).ok()?;
    Some((
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
    ))
}
