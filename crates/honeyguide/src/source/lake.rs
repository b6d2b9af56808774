//! From a URL to data files: one object, the objects below a folder, those that match a pattern, or a file on a web server.

use std::path::PathBuf;

use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt};
use futures::TryStreamExt;

use super::ReadOptions;
use super::expand::NO_MATCH;
use super::file::DataFile;
use super::format::{Format, endings};
use crate::error::{Error, Result};
use crate::storage::http::{self, Found};
use crate::storage::object::{self, ObjectPlace};
use crate::storage::redacted;
use crate::storage::remote::RemoteFile;
use crate::storage::spool::MAX_SPOOLED_BYTES;
use crate::storage::upload::refuse_unfinished;
use crate::storage::waiting::wait;

/// Returns the file on a web server, or a temporary copy of it where the server does not send ranges.
///
/// # Errors
/// Fails when the server refuses the file, or cannot be reached.
pub(super) fn download(input: &str, options: &ReadOptions) -> Result<Vec<DataFile>> {
    let shown: PathBuf = redacted(input).into();
    let path = input.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let file = match wait(http::open(
        input,
        shown.clone(),
        MAX_SPOOLED_BYTES,
        &options.storage,
    ))?? {
        Found::Ranges(file) => {
            DataFile::remote(shown, name, RemoteFile::on_server(file), options.format)
        }
        Found::Whole(copy) => {
            let format = options.format.or_else(|| Format::of_name(name));
            DataFile::spooled(shown, copy, format)
        }
    };
    Ok(vec![file?])
}

/// Returns the data files behind a URL of an object store, in the order of their names.
///
/// # Errors
/// Fails when there are none, and when the store refuses them or cannot be reached.
pub(super) fn expand(
    input: &str,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<DataFile>> {
    let mut place = object::open(input, &options.storage)?;
    let listed = wait(list(input, &mut place))??;
    if let Some(remark) = place.about.odd_keys.take_remark() {
        notes.push(format!("{}: {remark}", place.about.shown.display()));
    }
    let n_parts = place.path.parts().count();
    let bucket = bucket_of(input);
    let files = listed.into_iter().filter(|found| found.size > 0);
    let files = files.map(|found| {
        let name = found.location.filename().unwrap_or_default().to_owned();
        let shown = PathBuf::from(format!("{bucket}/{}", found.location));
        let place = ObjectPlace {
            path: found.location.clone(),
            decoded: None,
            about: place.about.of(shown.clone()).into(),
            ..place.clone()
        };
        let is_single = found.location.parts().count() == n_parts;
        if !is_single && Format::of_name(&name).is_none() && options.format.is_none() {
            return Ok(None);
        }
        let remote = RemoteFile::in_store(place, found);
        DataFile::remote(shown, &name, remote, options.format).map(Some)
    });
    let files: Vec<_> = files.filter_map(Result::transpose).collect::<Result<_>>()?;
    if files.is_empty() {
        let shown = place.about.shown.display();
        return Err(Error::usage(format!("{shown}: no data file there"))
            .hint(format!("data files are not empty and end in {}", endings())));
    }
    Ok(files)
}

/// Returns the scheme and the bucket or container of a URL, without what may be secret.
fn bucket_of(input: &str) -> String {
    let shown = redacted(input);
    let after_scheme = shown.find("://").map_or(0, |at| at + 3);
    let end = shown[after_scheme..]
        .find('/')
        .map_or(shown.len(), |slash| after_scheme + slash);
    shown[..end].to_owned()
}

/// Returns the objects that a URL stands for, sorted: the one with this key, those below it, or those that match it as a
/// pattern. The path of `place` becomes the decoded one where only that has objects.
async fn list(input: &str, place: &mut ObjectPlace) -> Result<Vec<ObjectMeta>> {
    let refused = |place: &ObjectPlace, error| place.about.refused("list", &error);
    let is_pattern = place.path.as_ref().contains(['*', '?', '[']);
    let paths = [Some(place.path.clone()), place.decoded.as_deref().cloned()];
    if !input.ends_with('/') && !place.path.as_ref().is_empty() {
        for path in paths.iter().flatten() {
            match place.store.head(path).await {
                Ok(found) => {
                    place.path = path.clone();
                    return Ok(vec![found]);
                }
                Err(StoreError::NotFound { .. }) => {}
                // A server may refuse a pattern as a key.
                Err(_) if is_pattern => {}
                Err(error) => return Err(refused(place, error)),
            }
        }
    }
    if is_pattern {
        return matching(place).await;
    }
    let mut below = below(place, &place.path).await?;
    if let ([], Some(decoded)) = (below.as_slice(), place.decoded.clone()) {
        below = self::below(place, &decoded).await?;
        place.path = *decoded;
    }
    if below.is_empty() && !input.ends_with('/') {
        let shown = place.about.shown.display();
        return Err(Error::usage(format!("{shown}: no such file or folder"))
            .hint("check the spelling; names in buckets are case-sensitive"));
    }
    Ok(below)
}

/// Returns all visible objects below a folder, sorted.
async fn below(place: &ObjectPlace, folder: &ObjectPath) -> Result<Vec<ObjectMeta>> {
    let listed = place.store.list(Some(folder)).try_collect::<Vec<_>>().await;
    let mut found = listed.map_err(|error| place.about.refused("list", &error))?;
    refuse_unfinished(&place.about, &found)?;
    found.retain(|found| is_visible(folder, &found.location));
    found.sort_by(|left, right| left.location.cmp(&right.location));
    Ok(found)
}

/// Returns whether no name between `folder` and the object begins with a dot or an underscore. As in folders on disk,
/// such objects are not data.
fn is_visible(folder: &ObjectPath, location: &ObjectPath) -> bool {
    let mut inside = location.parts().skip(folder.parts().count());
    inside.all(|part| !part.as_ref().starts_with(['.', '_']))
}

async fn matching(place: &ObjectPlace) -> Result<Vec<ObjectMeta>> {
    let shown = place.about.shown.display();
    let text = place.path.as_ref();
    let pattern = glob::Pattern::new(text)
        .map_err(|error| Error::usage(format!("{shown}: not a valid pattern: {}", error.msg)))?;
    let is_plain =
        |part: &datafusion::object_store::path::PathPart| !part.as_ref().contains(['*', '?', '[']);
    let folder: ObjectPath = place.path.parts().take_while(is_plain).collect();
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let listed = place
        .store
        .list(Some(&folder))
        .try_collect::<Vec<_>>()
        .await;
    let mut found = listed.map_err(|error| place.about.refused("list", &error))?;
    refuse_unfinished(&place.about, &found)?;
    found.retain(|found| pattern.matches_with(found.location.as_ref(), options));
    found.sort_by(|left, right| left.location.cmp(&right.location));
    if found.is_empty() {
        return Err(Error::usage(format!("{shown}: no object matches")).hint(NO_MATCH));
    }
    Ok(found)
}
