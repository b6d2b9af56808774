//! From what a caller names to data files: paths, folders, globs, URLs and standard input.

use std::collections::HashSet;

use super::file::DataFile;
use super::{ReadOptions, expand, lake};
use crate::error::Result;
use crate::storage::spool::{MAX_SPOOLED_BYTES, Spool};
use crate::storage::{is_object_url, is_web_url};

/// The name of standard input.
const STANDARD: &str = "-";

/// The files behind the inputs of a call.
pub(super) struct Found {
    /// The files in the order of the inputs. A file that is named twice comes once.
    pub files: Vec<DataFile>,
    /// What is to be said of what was left out.
    pub notes: Vec<String>,
    /// What is to be said of links that were not followed, with marked parameters.
    pub links: Vec<String>,
}

/// Returns the files behind `inputs`.
///
/// # Errors
/// Fails when an input leads to no data file, or to one whose format is not known.
pub(super) fn find(
    inputs: impl IntoIterator<Item = impl AsRef<str>>,
    options: &ReadOptions,
) -> Result<Found> {
    let (mut files, mut notes, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for input in inputs {
        files.extend(behind(input.as_ref(), options, &mut notes, &mut links)?);
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.identity()));
    Ok(Found {
        files,
        notes,
        links,
    })
}

/// Returns the files behind one input.
fn behind(
    input: &str,
    options: &ReadOptions,
    notes: &mut Vec<String>,
    links: &mut Vec<String>,
) -> Result<Vec<DataFile>> {
    match options.standard_input {
        Some(open) if input == STANDARD => {
            let spool = Spool::new(STANDARD.into(), MAX_SPOOLED_BYTES)?.copy(open)?;
            let file = DataFile::spooled(STANDARD.into(), spool, options.format)?;
            Ok(vec![file])
        }
        _ if is_object_url(input) => lake::expand(input, options, notes),
        _ if is_web_url(input) => lake::download(input, options),
        _ => expand::expand(input, options.format, options.follow_links, links),
    }
}
