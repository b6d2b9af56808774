//! The upload of a folder of objects, which is complete only when all of them have appeared.
//!
//! A bucket cannot rename a folder. Therefore every object is uploaded except for the step that makes it appear. When
//! all are uploaded, a claim object is written beside them, all objects appear, `_SUCCESS` is written (as Hadoop does),
//! and the claim is removed. A folder with a claim and without `_SUCCESS` is incomplete and is not read.

use std::collections::HashSet;

use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{
    Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::timeout;

use super::{TIDIED_AT_ONCE, TIDY_TIME, Upload, give_up};
use crate::error::{Error, Result};
use crate::storage::object::{About, ObjectPlace};
use crate::storage::waiting::{wait, wait_to_end};

/// The name of the claim, which exists while objects appear.
const CLAIM: &str = "_honeyguide_unfinished";
/// The name of the object that exists once all objects have appeared.
const SUCCESS: &str = "_SUCCESS";

/// A folder that is being uploaded. If it is dropped before it is finished, its uploads are aborted, and the objects
/// that have appeared are removed.
pub(crate) struct UploadedFolder {
    place: ObjectPlace,
    /// The uploads that are complete except for the step that makes the object appear.
    waiting: Vec<Upload>,
    /// The names of the objects that were begun.
    names: HashSet<String>,
    /// The objects that have appeared.
    appeared: Vec<ObjectPath>,
    /// Whether this upload has written the claim.
    is_claimed: bool,
}

impl UploadedFolder {
    /// Begins the upload of a folder.
    ///
    /// # Errors
    /// Fails when the folder is not empty or cannot be listed.
    pub fn new(place: ObjectPlace) -> Result<Self> {
        let folder = Self {
            place,
            waiting: Vec::new(),
            names: HashSet::new(),
            appeared: Vec::new(),
            is_claimed: false,
        };
        folder.refuse_to_mix()?;
        Ok(folder)
    }

    /// Begins the upload of the object `name`, which may contain slashes. Returns `None` if it was begun before.
    pub fn begin(&mut self, name: &str) -> Result<Option<Upload>> {
        let place = self.at(name)?;
        let is_new = self.names.insert(name.to_owned());
        Ok(is_new.then(|| Upload::begin(place)))
    }

    /// Adds an upload whose bytes are all written, and sends its rest.
    pub fn push(&mut self, mut upload: Upload) -> Result<()> {
        upload.seal()?;
        self.waiting.push(upload);
        Ok(())
    }

    /// Makes all objects appear.
    ///
    /// # Errors
    /// Fails when another job writes to the same folder, or when the store refuses. The objects that have appeared are
    /// then removed as far as the store allows it.
    pub fn finish(mut self) -> Result<()> {
        self.claim()?;
        self.refuse_to_mix()?;
        for upload in std::mem::take(&mut self.waiting) {
            self.appeared.push(upload.place.path.clone());
            upload.finish()?;
        }
        let success = self.at(SUCCESS)?;
        self.appeared.push(success.path.clone());
        Upload::begin(success).finish()?;
        self.appeared.clear();
        self.remove_claim();
        Ok(())
    }

    /// Returns the path of the object `name` of the folder.
    fn path(&self, name: &str) -> Result<ObjectPath> {
        let folder = self.place.path.as_ref();
        let separator = if folder.is_empty() { "" } else { "/" };
        let path = format!("{folder}{separator}{name}");
        ObjectPath::parse(&path).map_err(|error| Error::usage(format!("{path}: {error}")))
    }

    /// Returns the place of the object `name` of the folder.
    fn at(&self, name: &str) -> Result<ObjectPlace> {
        let shown = self.place.about.shown.join(name);
        Ok(ObjectPlace {
            path: self.path(name)?,
            decoded: None,
            about: self.place.about.of(shown).into(),
            ..self.place.clone()
        })
    }

    /// Writes the claim. If several jobs write to one folder at once, only one of them succeeds, provided that the
    /// store supports conditional writes.
    fn claim(&mut self) -> Result<()> {
        let claim = self.at(CLAIM)?;
        let text =
            "A folder is being written here. Without _SUCCESS beside this, it is not complete.\n";
        let put = |mode: PutMode| {
            let options = PutOptions::from(mode);
            let payload = PutPayload::from_static(text.as_bytes());
            wait(claim.store.put_opts(&claim.path, payload, options))
        };
        let mut written = put(PutMode::Create)?;
        if matches!(written, Err(StoreError::NotImplemented { .. })) {
            written = put(PutMode::Overwrite)?;
        }
        match written {
            Ok(_) => self.is_claimed = true,
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                return Err(unfinished(&self.place.about));
            }
            Err(error) => return Err(claim.about.refused("write", &error)),
        }
        Ok(())
    }

    /// Checks that the folder holds nothing but this job's own claim.
    fn refuse_to_mix(&self) -> Result<()> {
        let (store, about) = (&self.place.store, &self.place.about);
        let claim = self.path(CLAIM)?;
        let mut others = store.list(Some(&self.place.path)).try_filter(|found| {
            let is_ours = self.is_claimed && found.location == claim;
            std::future::ready(!is_ours)
        });
        match wait(others.next())? {
            None => Ok(()),
            Some(Err(error)) => Err(about.refused("list", &error)),
            Some(Ok(found)) if found.location == claim => Err(unfinished(about)),
            Some(Ok(_)) => Err(Error::usage(format!(
                "{}: the folder is not empty",
                about.shown.display()
            ))
            .hint("choose another name, or empty the folder first")),
        }
    }

    /// Removes the objects that have appeared. Returns whether all are known to be removed within the time limit.
    fn remove_objects(&mut self) -> bool {
        let store = &self.place.store;
        let are_gone = stream::iter(std::mem::take(&mut self.appeared))
            .map(async |path| {
                let removed = store.delete(&path).await;
                matches!(removed, Ok(()) | Err(StoreError::NotFound { .. }))
            })
            .buffer_unordered(TIDIED_AT_ONCE)
            .all(std::future::ready);
        matches!(wait_to_end(timeout(TIDY_TIME, are_gone)), Ok(Ok(true)))
    }

    /// Removes the claim. A failure is ignored, because a claim beside `_SUCCESS` has no effect.
    fn remove_claim(&mut self) {
        self.is_claimed = false;
        if let Ok(claim) = self.path(CLAIM) {
            let _ = wait_to_end(timeout(TIDY_TIME, self.place.store.delete(&claim)));
        }
    }
}

impl Drop for UploadedFolder {
    /// Removes the claim last, and only if all objects were removed: otherwise it marks the folder as incomplete.
    fn drop(&mut self) {
        give_up(
            self.waiting
                .drain(..)
                .filter_map(|mut upload| upload.parts.take()),
        );
        if self.remove_objects() && self.is_claimed {
            self.remove_claim();
        }
    }
}

/// Checks that a listing contains no incomplete folder.
///
/// # Errors
/// Fails when a folder has a claim and no `_SUCCESS`.
pub(crate) fn refuse_unfinished(about: &About, listed: &[ObjectMeta]) -> Result<()> {
    let locations = || listed.iter().map(|found| found.location.as_ref());
    for claim in locations() {
        let folder = match claim.strip_suffix(CLAIM) {
            Some(folder) if folder.is_empty() || folder.ends_with('/') => folder,
            _ => continue,
        };
        let success = format!("{folder}{SUCCESS}");
        if locations().all(|location| location != success) {
            return Err(unfinished(about));
        }
    }
    Ok(())
}

fn unfinished(about: &About) -> Error {
    Error::data(format!(
        "{}: contains an incomplete folder",
        about.shown.display()
    ))
    .hint(format!(
        "wait for the job that writes the folder; if the job was killed, remove the folder that contains {CLAIM} and write it again"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use datafusion::object_store::memory::InMemory;

    use super::*;

    fn place(path: &str) -> ObjectPlace {
        ObjectPlace {
            store: Arc::new(InMemory::new()),
            path: path.into(),
            decoded: None,
            about: About::new(format!("mem://b/{path}").into()).into(),
        }
    }

    /// Returns the sorted names of all objects.
    fn names(place: &ObjectPlace) -> Vec<String> {
        let all = wait(place.store.list(None).try_collect::<Vec<_>>());
        let mut names: Vec<_> = all
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|found| found.location.to_string())
            .collect();
        names.sort();
        names
    }

    /// Adds two objects, one of them in several parts.
    fn fill(folder: &mut UploadedFolder) {
        for (name, bytes) in [("h=a%2Fb/part-0", 20 << 20), ("h=c/part-0", 3)] {
            let mut upload = folder.begin(name).unwrap().unwrap();
            upload.write_all(&vec![7; bytes]).unwrap();
            folder.push(upload).unwrap();
            assert!(folder.begin(name).unwrap().is_none());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn objects_appear_together() {
        for path in ["lake/out", ""] {
            let place = place(path);
            let mut folder = UploadedFolder::new(place.clone()).unwrap();
            fill(&mut folder);
            assert!(names(&place).is_empty());
            folder.finish().unwrap();
            let prefix = if path.is_empty() { "" } else { "lake/out/" };
            let expected = ["_SUCCESS", "h=a%2Fb/part-0", "h=c/part-0"];
            assert_eq!(
                names(&place),
                expected.map(|name| format!("{prefix}{name}"))
            );
            let refused = UploadedFolder::new(place).err().unwrap().to_string();
            assert!(refused.contains("not empty"), "{refused}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_aborted_or_conflicting_upload_leaves_nothing() {
        let place = place("out");
        let mut folder = UploadedFolder::new(place.clone()).unwrap();
        fill(&mut folder);
        drop(folder);
        assert!(names(&place).is_empty());

        for (theirs, says) in [("other", "not empty"), (CLAIM, "an incomplete folder")] {
            let mut folder = UploadedFolder::new(place.clone()).unwrap();
            fill(&mut folder);
            let other = folder.at(theirs).unwrap();
            wait(other.store.put(&other.path, "x".into()))
                .unwrap()
                .unwrap();
            let refused = folder.finish().unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
            assert_eq!(names(&place), [format!("out/{theirs}")]);
            wait(other.store.delete(&other.path)).unwrap().unwrap();
        }
    }

    fn listed(names: &[&str]) -> Vec<ObjectMeta> {
        let object = |name: &&str| ObjectMeta {
            location: ObjectPath::from(*name),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        names.iter().map(object).collect()
    }

    #[test]
    fn a_claim_without_success_marks_an_incomplete_folder() {
        let about = About::new("s3://b/x".into());
        for (names, is_refused) in [
            (&["a/part.parquet"][..], false),
            (&["a/_honeyguide_unfinished", "a/part.parquet"], true),
            (&["_honeyguide_unfinished"], true),
            (&["a/_honeyguide_unfinished", "b/_SUCCESS"], true),
            (&["a/_SUCCESS", "a/_honeyguide_unfinished"], false),
            (&["a/not_honeyguide_unfinished"], false),
        ] {
            let refused = refuse_unfinished(&about, &listed(names)).is_err();
            assert_eq!(refused, is_refused, "{names:?}");
        }
    }
}
