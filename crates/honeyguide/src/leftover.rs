//! The temporary files and folders of this process, for an end that cannot wait for their owners to remove them.
//!
//! An owner removes what it made when it is dropped. A run that is asked to end while a long computation holds the thread
//! cannot drop anything in time: it removes what is known here and exits.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Paths = Box<dyn Fn() -> Vec<PathBuf> + Send>;

/// What the process has now, by number, and the next number.
static KNOWN: Mutex<(BTreeMap<u64, Paths>, u64)> = Mutex::new((BTreeMap::new(), 0));

fn known() -> MutexGuard<'static, (BTreeMap<u64, Paths>, u64)> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something temporary on disk, as long as this value lives.
pub(crate) struct Leftover(u64);

impl Leftover {
    /// Takes note of a file or a folder.
    pub fn at(path: &Path) -> Self {
        // A relative path means the same only as long as the working directory does.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::of(move || vec![path.clone()])
    }

    /// Takes note of what `paths` will find at the end.
    pub fn of(paths: impl Fn() -> Vec<PathBuf> + Send + 'static) -> Self {
        let mut known = known();
        let (all, next) = &mut *known;
        *next += 1;
        all.insert(*next, Box::new(paths));
        Self(*next)
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        // What a note holds may itself have a note, so it is dropped after the lock is released.
        let note = known().0.remove(&self.0);
        drop(note);
    }
}

impl fmt::Debug for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leftover")
    }
}

/// Removes the temporary files and folders of this process, those of running work too. A program calls it right before it
/// exits, if it cannot wait until running work ends.
pub fn remove_leftovers() {
    let known = known();
    for path in known.0.values().flat_map(|paths| paths()) {
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_is_removed_and_what_was_dropped_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [alive, dropped, inner] =
            ["alive", "dropped", "inner"].map(|name| folder.path().join(name));
        for path in [&alive, &dropped] {
            fs::write(path, "x").unwrap();
        }
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("x"), "x").unwrap();
        let _alive = Leftover::at(&alive);
        let _inner = Leftover::at(&inner);
        drop(Leftover::at(&dropped));
        let paths: Vec<PathBuf> = known().0.values().flat_map(|paths| paths()).collect();
        assert!(paths.contains(&alive) && paths.contains(&inner) && !paths.contains(&dropped));
    }
}
