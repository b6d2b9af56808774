//! The cgroup that a filter names.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::decode::container_of;
use crate::{Filter, Result, SensorError};

/// The least length of an abbreviated identifier of a container.
const LEAST_IDENTIFIER: usize = 4;
/// The number of folders in which a container is searched for.
const MAX_FOLDERS: usize = 100_000;

/// Returns the identifier of the wanted cgroup and its depth below the root, if the filter names one.
///
/// # Errors
/// Fails when there is no such cgroup or container, or no hierarchy of cgroups of version 2.
pub(super) fn wanted(filter: &Filter) -> Result<Option<(u64, u32)>> {
    let folder = |root: &Path| match (&filter.cgroup, &filter.container) {
        (Some(_), Some(_)) => Err(SensorError::new(
            "a cgroup and a container cannot be asked for together",
        )),
        (Some(path), None) if path.starts_with(root) => Ok(path.clone()),
        (Some(path), None) => Ok(root.join(path.strip_prefix("/").unwrap_or(path))),
        (None, container) => find(root, container.as_deref().unwrap_or_default()),
    };
    if filter.cgroup.is_none() && filter.container.is_none() {
        return Ok(None);
    }
    let root = root()?;
    let folder = folder(&root)?;
    let metadata = fs::metadata(&folder).map_err(|error| {
        SensorError::new(format!("{}: no cgroup: {error}", folder.display())).hint(
            "`systemd-cgls` lists the cgroups; /proc/PID/cgroup has that of a process after 0::",
        )
    })?;
    let below = folder
        .strip_prefix(&root)
        .map(|path| path.components().count());
    // A cgroup's identifier is the inode of its folder.
    Ok(Some((metadata.ino(), below.unwrap_or_default() as u32)))
}

/// Returns where the cgroups of version 2 are mounted.
fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let place = place.split(' ').nth(4)?;
        (kind.split(' ').next() == Some("cgroup2")).then(|| PathBuf::from(place))
    });
    found.ok_or_else(|| {
        SensorError::new("no cgroups of version 2 are mounted, which a filter by cgroup needs")
    })
}

/// Returns the cgroup of a container: the uppermost whose name has an identifier that begins with `identifier`.
fn find(root: &Path, identifier: &str) -> Result<PathBuf> {
    if identifier.len() < LEAST_IDENTIFIER {
        return Err(SensorError::new(format!(
            "{identifier}: an identifier of a container has at least {LEAST_IDENTIFIER} characters"
        )));
    }
    let mut found = Vec::new();
    let mut folders = std::collections::VecDeque::from([root.to_owned()]);
    let mut seen = 0;
    while let Some(folder) = folders.pop_front() {
        seen += 1;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if container_of(&name).is_some_and(|id| id.starts_with(identifier)) {
            found.push(folder);
            continue;
        }
        if seen > MAX_FOLDERS {
            break;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(entries.map(|entry| entry.path()));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(
            SensorError::new(format!("{identifier}: no running container"))
                .hint("`docker ps`, `podman ps` or `crictl ps` lists the identifiers"),
        ),
        many => Err(SensorError::new(format!(
            "{identifier}: {} containers have identifiers that begin so",
            many.len()
        ))
        .hint("give more characters of it")),
    }
}
