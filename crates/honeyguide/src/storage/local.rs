//! Files on this machine.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// The size of a file that can be read as often as needed.
///
/// # Errors
/// It is a folder, or a pipe or device, which gives its content once or without end.
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
