//! The folder of an executor: results that other nodes and clients fetch, and what did not fit into memory. Nobody else
//! may read it. It goes with the process; what a killed process left behind goes when the next one starts.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use honeyguide::{Error, Result};
use tempfile::TempDir;
use tokio::time::sleep;

const PREFIX: &str = "honeyguide-executor-";
/// Held by the process whose folder it lies in, for as long as the process lives.
const LOCK: &str = "lock";
/// How often, and how long apart, a folder that tasks still write into is removed.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A folder that no other process uses.
pub(super) struct WorkFolder {
    folder: TempDir,
    _lock: File,
}

impl WorkFolder {
    /// A new folder inside `parent`, else inside the system's temporary folder.
    ///
    /// # Errors
    /// When nothing can be written there.
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

    /// Where tasks write their results.
    pub(super) fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// Where the engine puts what does not fit into memory.
    pub(super) fn spill(&self) -> PathBuf {
        self.folder.path().join("spill")
    }

    /// Removes all results.
    pub(super) fn clear(&self) {
        let entries = fs::read_dir(self.results()).into_iter().flatten().flatten();
        for entry in entries {
            // A task that was not quick enough to stop may still write; the folder goes with the process.
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                log::debug!("{} stays for now: {error}", entry.path().display());
            }
        }
    }

    /// Removes everything, as dropping it does, even while connections still know of the folder and the last tasks
    /// write into it.
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

/// Takes the lock of `folder`. It gets its name only when it is held, so that nobody takes a new folder for an old one.
fn lock(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("lock.new");
    let lock = File::create(&unnamed)?;
    lock.try_lock()?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes the folders of processes that are gone.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_ours = is_folder && entry.file_name().to_string_lossy().starts_with(PREFIX);
        let path = entry.path();
        // Another user's folder cannot be opened, and is left alone.
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
