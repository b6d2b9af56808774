//! From what a caller names (files, folders, globs) to the list of data files.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::regular_file_bytes;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated text with a header line.
    Csv(Compression),
    /// Apache Parquet.
    Parquet,
}

/// How a text file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, one or more members.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Name endings and what they mean.
const ENDINGS: [(&str, Format); 4] = [
    (".csv", Format::Csv(Compression::None)),
    (".csv.gz", Format::Csv(Compression::Gzip)),
    (".csv.zst", Format::Csv(Compression::Zstd)),
    (".parquet", Format::Parquet),
];

/// A data file that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// As the caller will recognise it.
    pub path: PathBuf,
    /// By its name.
    pub format: Format,
    /// Its size on disk.
    pub bytes: u64,
}

impl DataFile {
    fn new(path: PathBuf) -> Result<Self> {
        let format = format_of(&path).ok_or_else(|| {
            Error::usage(format!(
                "{}: what format is this? The name ends in none of {}",
                path.display(),
                endings()
            ))
            .hint("rename the file after its format")
        })?;
        Ok(Self {
            bytes: regular_file_bytes(&path)?,
            path,
            format,
        })
    }
}

/// By the ending of the name.
pub(super) fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    ENDINGS
        .iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, format)| *format)
}

fn endings() -> String {
    ENDINGS.map(|(ending, _)| ending).join(", ")
}

/// Resolves `inputs` in their order; within a folder or a glob the files are in the order of their names. A file that
/// is named twice is read once.
///
/// # Errors
/// A path that does not exist, a folder or glob without data files, a file whose format its name does not tell.
pub fn expand(inputs: &[String]) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    for input in inputs {
        files.extend(expand_one(input)?);
    }
    let mut seen = HashSet::new();
    files.retain(|file| {
        seen.insert(fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone()))
    });
    Ok(files)
}

fn expand_one(input: &str) -> Result<Vec<DataFile>> {
    let path = Path::new(input);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => expand_folder(path),
        Ok(_) => Ok(vec![DataFile::new(path.to_owned())?]),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && input.contains(['*', '?', '[']) =>
        {
            expand_glob(input)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::usage(format!("{input}: no such file or folder"))
                .hint("check the spelling; relative paths start at the current folder"))
        }
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn expand_glob(pattern: &str) -> Result<Vec<DataFile>> {
    // As a shell does, and as for folders.
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let paths = glob::glob_with(pattern, options).map_err(|error| {
        Error::usage(format!(
            "{pattern}: not a valid pattern at character {}: {}",
            error.pos + 1,
            error.msg
        ))
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            Error::io(
                "list",
                error.path(),
                std::io::Error::from(error.error().kind()),
            )
        })?;
        if path.is_file() {
            files.push(DataFile::new(path)?);
        }
    }
    if files.is_empty() {
        return Err(Error::usage(format!("{pattern}: no file matches")).hint(
            "quote the pattern so that the shell passes it on unchanged, and check its folder",
        ));
    }
    Ok(files)
}

fn expand_folder(folder: &Path) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    collect_folder(folder, &mut HashSet::new(), &mut files)?;
    if files.is_empty() {
        return Err(
            Error::usage(format!("{}: no data file in this folder", folder.display()))
                .hint(format!("data files end in {}", endings())),
        );
    }
    Ok(files)
}

/// Hidden files and those that begin with `_` are not data: writers of data lakes put their marks and unfinished work there.
/// A folder that links lead to again is read once.
fn collect_folder(
    folder: &Path,
    visited: &mut HashSet<PathBuf>,
    files: &mut Vec<DataFile>,
) -> Result<()> {
    let read = |error| Error::io("list", folder, error);
    if !visited.insert(fs::canonicalize(folder).map_err(read)?) {
        return Ok(());
    }
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map_err(read)?
        .collect::<std::io::Result<_>>()
        .map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            collect_folder(&path, visited, files)?;
        } else if format_of(&path).is_some() {
            files.push(DataFile::new(path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[String]) -> Vec<String> {
        let files = expand(inputs).unwrap();
        files
            .iter()
            .map(|file| {
                file.path
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    #[test]
    fn folders_and_globs_are_read_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.csv",
            "a.parquet",
            "c.csv.gz",
            "_temporary.csv",
            ".hidden.csv",
            "notes.txt",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let root = folder.path().to_str().unwrap().to_owned();
        assert_eq!(
            names(std::slice::from_ref(&root)),
            ["a.parquet", "b.csv", "c.csv.gz"]
        );
        assert_eq!(
            names(&[format!("{root}/*.csv*")]),
            ["_temporary.csv", "b.csv", "c.csv.gz"]
        );
        assert_eq!(
            names(&[format!("{root}/b.csv"), root]),
            ["b.csv", "a.parquet", "c.csv.gz"]
        );
    }

    #[test]
    fn what_is_not_there_is_a_usage_error_that_names_it() {
        for input in ["/no/such/file.csv", "/no/such/*.csv", "Cargo.toml"] {
            let error = expand(&[input.to_owned()]).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            assert!(error.to_string().starts_with(input), "{error}");
        }
    }
}
