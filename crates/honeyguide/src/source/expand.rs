//! From what a caller names (files, folders, globs) to the list of data files.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::file::DataFile;
use super::format::{Format, endings};
use crate::error::{Error, Result};
use crate::marks::is_model_file;

/// The data files behind one path or glob, in the order of their names. `format` is that of files whose names do not tell it.
///
/// # Errors
/// A path that does not exist, a folder or glob without data files, a file whose format is not known.
pub(super) fn expand(input: &str, format: Option<Format>) -> Result<Vec<DataFile>> {
    let path = Path::new(input);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => expand_folder(path, format),
        Ok(_) => Ok(vec![DataFile::local(path.to_owned(), format)?]),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && input.contains(['*', '?', '[']) =>
        {
            expand_glob(input, format)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::usage(format!("{input}: no such file or folder"))
                .hint("check the spelling; relative paths start at the current folder"))
        }
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn expand_glob(pattern: &str, format: Option<Format>) -> Result<Vec<DataFile>> {
    let refused = |error: glob::PatternError| {
        Error::usage(format!(
            "{pattern}: not a valid pattern at character {}: {}",
            error.pos + 1,
            error.msg
        ))
    };
    let paths = glob::glob(pattern).map_err(refused)?;
    let dotted = dotted(pattern).map_err(refused)?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            Error::io(
                "list",
                error.path(),
                std::io::Error::from(error.error().kind()),
            )
        })?;
        if path.is_file() && !is_hidden(&path, &dotted) {
            files.push(DataFile::local(path, format)?);
        }
    }
    if files.is_empty() {
        return Err(Error::usage(format!("{pattern}: no file matches")).hint(
            "quote the pattern so that the shell passes it on unchanged, and check its folder",
        ));
    }
    Ok(files)
}

/// The parts of a pattern that begin with a dot.
fn dotted(pattern: &str) -> std::result::Result<Vec<glob::Pattern>, glob::PatternError> {
    let parts = pattern.split('/').filter(|part| part.starts_with('.'));
    parts.map(glob::Pattern::new).collect()
}

/// Whether a file, or a folder on the way to it, is hidden and not meant: a dot has to be spelled out, as in a shell. The
/// option of `glob` that does so breaks down at names that are not UTF-8.
fn is_hidden(path: &Path, dotted: &[glob::Pattern]) -> bool {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let mut hidden = names.filter(|name| name.starts_with('.'));
    hidden.any(|name| !dotted.iter().any(|part| part.matches(&name)))
}

fn expand_folder(folder: &Path, format: Option<Format>) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    let mut paths = Vec::new();
    collect_folder(folder, &mut HashSet::new(), &mut paths)?;
    for path in paths {
        files.push(DataFile::local(path, format)?);
    }
    if files.is_empty() {
        return Err(
            Error::usage(format!("{}: no data file in this folder", folder.display()))
                .hint(format!("data files end in {}", endings())),
        );
    }
    Ok(files)
}

/// Hidden files and those that begin with `_` are not data: writers of data lakes put their marks and unfinished work there.
/// Nor are models, which are JSON too, nor pipes and devices.
/// A folder that links lead to again is read once.
fn collect_folder(
    folder: &Path,
    visited: &mut HashSet<PathBuf>,
    files: &mut Vec<PathBuf>,
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
        let is_data = || Format::of_name(&entry.file_name().to_string_lossy()).is_some();
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => collect_folder(&path, visited, files)?,
            Ok(found) if found.is_file() && is_data() && !is_model_file(&path) => files.push(path),
            Err(error) if is_data() => {
                return Err(Error::io("read", &path, error)
                    .hint("move it out of the folder; a link may lead nowhere"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[String]) -> Vec<String> {
        let files = inputs.iter().flat_map(|input| expand(input, None).unwrap());
        files
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
    }

    #[test]
    fn dots_are_spelled_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        fs::create_dir_all(folder.path().join(".cache/inner")).unwrap();
        fs::create_dir(folder.path().join("seen")).unwrap();
        for name in [".cache/inner/a.csv", ".b.csv", "seen/c.csv", "seen/.d.csv"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        for (pattern, found) in [
            ("**/*.csv", &["c.csv"][..]),
            ("*/*/*.csv", &[]),
            (".c*/*/*.csv", &["a.csv"]),
            (".cache/inner/*.csv", &["a.csv"]),
            (".*.csv", &[".b.csv"]),
            ("seen/../seen/*.csv", &["c.csv"]),
        ] {
            let pattern = format!("{root}/{pattern}");
            match expand(&pattern, None) {
                Ok(_) => assert_eq!(names(&[pattern]), found),
                Err(error) => assert!(found.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn names_that_are_no_text_and_pipes_are_passed_over() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        fs::write(folder.path().join("a.csv"), "x").unwrap();
        fs::write(folder.path().join(OsStr::from_bytes(b"n\xff.txt")), "x").unwrap();
        let pipe = folder.path().join("p.csv");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
        for input in [format!("{root}/*.csv"), format!("{root}/*"), root.clone()] {
            assert_eq!(names(&[input]), ["a.csv"]);
        }
        std::os::unix::fs::symlink("nowhere", folder.path().join("l.csv")).unwrap();
        let error = expand(&root, None).unwrap_err();
        assert!(error.to_string().contains("l.csv"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_a_usage_error_that_names_it() {
        for input in ["/no/such/file.csv", "/no/such/*.csv", "Cargo.toml"] {
            let error = expand(input, None).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            assert!(error.to_string().starts_with(input), "{error}");
        }
    }
}
