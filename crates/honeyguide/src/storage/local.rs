//! Local files.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Returns the size in bytes of a regular file, which can be read as often as needed.
///
/// # Errors
/// Fails when the file does not exist, or is a folder, a pipe or a device. The content of a pipe or a device can be
/// read only once or never ends.
pub(crate) fn regular_file_bytes(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if metadata.is_dir() {
        return Err(Error::usage(format!("{}: is a folder", path.display())));
    }
    if !metadata.is_file() {
        return Err(
            Error::usage(format!("{}: not a regular file", path.display()))
                .hint("a pipe or device may be read only once: write its content to a file first"),
        );
    }
    Ok(metadata.len())
}
