//! The work folder of an executor. It holds results, which other nodes and clients fetch through the executor, and data that
//! did not fit into memory. Only the executor's user can read it.
//!
//! The executor removes its folder at the end. If it was killed, the next executor that starts removes the folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use honeyguide::{Error, Result};
use tempfile::TempDir;
use tokio::time::sleep;

/// The prefix of the names of work folders.
const PREFIX: &str = "honeyguide-executor-";
/// The name of the lock file in a work folder. Its process holds the lock as long as it runs.
const LOCK: &str = "lock";
/// The number of attempts to remove a folder that tasks still write into.
const ATTEMPTS: usize = 20;
/// The time between these attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A work folder that no other process uses. Dropping this removes the folder.
pub(super) struct WorkFolder {
    folder: TempDir,
    _lock: File,
}

impl WorkFolder {
    /// Creates a folder in `parent`, or in the system's temporary folder if there is no `parent`. Removes the folders
    /// of processes that are gone.
    ///
    /// # Errors
    /// The parent folder cannot be created, read or written.
    pub(super) fn create(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |error| Error::io("use the work folder", &parent, error);
        fs::create_dir_all(&parent).map_err(failed)?;
        sweep(&parent).map_err(failed)?;
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(failed)?;
        let lock = lock(folder.path()).map_err(failed)?;
        let work = Self {
            folder,
            _lock: lock,
        };
        for folder in [work.results(), work.spill()] {
            fs::create_dir(folder).map_err(failed)?;
        }
        Ok(work)
    }

    /// Returns the folder for the results of tasks.
    pub(super) fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// Returns the folder for data that does not fit into memory.
    pub(super) fn spill(&self) -> PathBuf {
        self.folder.path().join("spill")
    }

    /// Removes all results.
    pub(super) fn clear(&self) {
        let entries = fs::read_dir(self.results()).into_iter().flatten().flatten();
        for entry in entries {
            // A task that has not stopped yet may still write. The folder is removed at the end of the process.
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                log::debug!("{} stays for now: {error}", entry.path().display());
            }
        }
    }

    /// Removes the folder. Unlike dropping, this works while connections still refer to it, and it tries again while
    /// tasks still write into it.
    pub(super) async fn remove(&self) {
        for _ in 0..ATTEMPTS {
            match fs::remove_dir_all(self.folder.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => sleep(PAUSE).await,
                _ => return,
            }
        }
        log::warn!(
            "{} stays until the next executor starts: a task still writes there",
            self.folder.path().display()
        );
    }
}

/// Creates and locks the lock file of `folder`. The file gets its final name only when it is locked. Otherwise another
/// executor that starts could find it unlocked and remove the folder.
fn lock(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("lock.new");
    let lock = File::create(&unnamed)?;
    lock.try_lock()?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes the work folders of processes that are gone.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_ours = is_folder && entry.file_name().to_string_lossy().starts_with(PREFIX);
        let path = entry.path();
        // The lock file of another user cannot be opened, so the folder stays.
        let lock = || File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_ours && lock() {
            match fs::remove_dir_all(&path) {
                Ok(()) => log::info!(
                    "removed {}, left behind by a process that is gone",
                    path.display()
                ),
                Err(error) => log::warn!("cannot remove {}: {error}", path.display()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_user_may_look_inside_and_it_goes_with_the_process() {
        let parent = tempfile::tempdir().unwrap();
        let inside = parent.path().join("not/there/yet");
        let work = WorkFolder::create(Some(&inside)).unwrap();
        let path = work.folder.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::create_dir(work.results().join("job")).unwrap();
        work.clear();
        assert_eq!(fs::read_dir(work.results()).unwrap().count(), 0);
        drop(work);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir_all(dead.join("results/job")).unwrap();
        File::create(dead.join(LOCK)).unwrap();
        let other = parent.path().join("data-of-somebody");
        fs::create_dir(&other).unwrap();
        let living = WorkFolder::create(Some(parent.path())).unwrap();
        assert!(!dead.exists());
        let second = WorkFolder::create(Some(parent.path())).unwrap();
        for path in [living.results(), second.results(), other] {
            assert!(path.exists(), "{}", path.display());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        File::create(&file).unwrap();
        let error = WorkFolder::create(Some(&file)).err().unwrap();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
