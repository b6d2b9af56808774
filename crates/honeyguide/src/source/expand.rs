//! From names of files, folders and globs to the list of data files.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::file::DataFile;
use super::format::{Format, endings};
use crate::error::{Error, Result};
use crate::marks::is_model_file;
use crate::naming::parameter;

/// The hint about a pattern that nothing matches.
pub(super) const NO_MATCH: &str = "quote the pattern so that the shell passes it on unchanged, and check its folder; a bracket in a name is [[] in a pattern";

/// Returns the data files behind one path or glob, in the order of their names. `format` is that of files whose names
/// do not tell it.
///
/// # Errors
/// Fails when the path does not exist, when a folder or glob has no data files, and when the format of a file is not
/// known.
pub(super) fn expand(
    input: &str,
    format: Option<Format>,
    follow_links: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<DataFile>> {
    let path = Path::new(input);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => expand_folder(path, format, follow_links, notes),
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
        let what = format!("{pattern}: no file matches, and no file has this name");
        return Err(Error::usage(what).hint(NO_MATCH));
    }
    Ok(files)
}

/// Returns the parts of a pattern that begin with a dot.
fn dotted(pattern: &str) -> std::result::Result<Vec<glob::Pattern>, glob::PatternError> {
    let parts = pattern.split('/').filter(|part| part.starts_with('.'));
    parts.map(glob::Pattern::new).collect()
}

/// Returns whether the name of a file, or of a folder on the way to it, begins with a dot that the pattern does not
/// spell out, as a shell demands. The option of `glob` for this fails on names that are not UTF-8.
fn is_hidden(path: &Path, dotted: &[glob::Pattern]) -> bool {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let mut hidden = names.filter(|name| name.starts_with('.'));
    hidden.any(|name| !dotted.iter().any(|part| part.matches(&name)))
}

fn expand_folder(
    folder: &Path,
    format: Option<Format>,
    follow_links: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<DataFile>> {
    let (paths, outside) = data_in(folder, follow_links)?;
    if let Some(first) = outside.first() {
        notes.push(format!(
            "links that lead out of the folder were left out ({}), such as {}; {} reads what is there",
            outside.len(),
            first.display(),
            parameter("follow_links")
        ));
    }
    if paths.is_empty() {
        return Err(
            Error::usage(format!("{}: no data file in this folder", folder.display()))
                .hint(format!("data files end in {}", endings())),
        );
    }
    let files = paths.into_iter().map(|path| DataFile::local(path, format));
    files.collect()
}

/// Returns the data files in a folder and the folders below it, sorted by name. Names that begin with a dot or `_` are
/// left out, because writers of data lakes put their marks and unfinished work there. So are models, which are JSON
/// too, and pipes and devices. Links within the folder are followed; a folder that several of them lead to is read once.
/// Returns also the links that lead out of the folder, which are followed only with `follow_links`.
fn data_in(folder: &Path, follow_links: bool) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let root = fs::canonicalize(folder).map_err(|error| Error::io("list", folder, error))?;
    let (mut files, mut outside) = (Vec::new(), Vec::new());
    let mut visited = HashSet::new();
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    let mut entries = walk.into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                check_unreadable(folder, error)?;
                continue;
            }
        };
        let (path, found) = (entry.path(), entry.file_type());
        if entry.depth() > 0 && is_left_out(path) {
            if found.is_dir() {
                entries.skip_current_dir();
            }
        } else if found.is_dir() {
            let target = fs::canonicalize(path).map_err(|error| Error::io("list", path, error))?;
            if !follow_links && !target.starts_with(&root) {
                outside.push(path.to_owned());
                entries.skip_current_dir();
            } else if !visited.insert(target) {
                entries.skip_current_dir();
            }
        } else if found.is_file() && is_named_as_data(path) {
            let leads_out = || {
                let target = fs::canonicalize(path);
                entry.path_is_symlink() && !target.is_ok_and(|target| target.starts_with(&root))
            };
            if !follow_links && leads_out() {
                outside.push(path.to_owned());
            } else if !is_model_file(path) {
                files.push(entry.into_path());
            }
        }
    }
    Ok((files, outside))
}

fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(['.', '_'])
}

fn is_named_as_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    Format::of_name(&name.to_string_lossy()).is_some()
}

/// Passes over an entry below `folder` that is not data, and a link that leads to a folder around it.
///
/// # Errors
/// Fails when a folder cannot be listed, and when data cannot be read.
fn check_unreadable(folder: &Path, error: walkdir::Error) -> Result<()> {
    let path = error.path().unwrap_or(folder).to_owned();
    // A link that leads to a folder around it is the only error that the system did not report.
    let Some(error) = error.into_io_error() else {
        return Ok(());
    };
    if path != folder && is_left_out(&path) {
        return Ok(());
    }
    if fs::metadata(&path).is_ok_and(|found| found.is_dir()) {
        return Err(Error::io("list", &path, error));
    }
    if is_named_as_data(&path) {
        return Err(Error::io("read", &path, error)
            .hint("move it out of the folder; a link may lead nowhere"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[String]) -> Vec<String> {
        let files = inputs
            .iter()
            .flat_map(|input| expand(input, None, true, &mut Vec::new()).unwrap());
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
            match expand(&pattern, None, true, &mut Vec::new()) {
                Ok(_) => assert_eq!(names(&[pattern]), found),
                Err(error) => assert!(found.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn links_are_followed_and_no_folder_is_read_twice() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("far.csv"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/inner")).unwrap();
        fs::write(at("b/near.csv"), "x").unwrap();
        fs::write(at("b/inner/deep.csv"), "x").unwrap();
        symlink(outside.path(), at("a")).unwrap();
        symlink(outside.path(), at("c")).unwrap();
        symlink(folder.path(), at("b/inner/up")).unwrap();
        symlink(at("b"), at("d")).unwrap();
        symlink("d.csv", at("d.csv.gone")).unwrap();
        symlink(at("b/near.csv"), at("e.csv")).unwrap();
        symlink("self", at("self")).unwrap();
        symlink("nowhere", at("_f.csv")).unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        assert_eq!(
            names(std::slice::from_ref(&root)),
            ["far.csv", "deep.csv", "near.csv", "e.csv"]
        );
        symlink(outside.path().join("far.csv"), at("g.csv")).unwrap();
        let mut notes = Vec::new();
        let within = expand(&root, None, false, &mut notes).unwrap();
        let within: Vec<_> = within
            .iter()
            .map(|file| file.path.file_name().unwrap())
            .collect();
        assert_eq!(within, ["deep.csv", "near.csv", "e.csv"]);
        assert!(notes[0].contains("(3)"), "{notes:?}");
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
        let error = expand(&root, None, true, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("l.csv"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_a_usage_error_that_names_it() {
        for input in ["/no/such/file.csv", "/no/such/*.csv", "Cargo.toml"] {
            let error = expand(input, None, true, &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            assert!(error.to_string().starts_with(input), "{error}");
        }
    }
}
