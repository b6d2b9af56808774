//! Checks that the modules of a crate do not use one another in a circle.
//!
//! The check compares modules that have the same parent: the top-level modules of a crate, and the files and folders in a
//! folder. Code counts for the whole folder that it is in. For example, when `source::json::cell` uses `engine`, then
//! `source` uses `engine`; when it uses `source::format`, then `source::json` uses `source::format`.
//!
//! A parent and its child may use each other, because a `mod.rs` usually both defines what its files share and calls
//! them. A name that a parent re-exports stands for the module that defines it.
//!
//! The check reads `use` items and paths in code, macros included, that start with `crate`, `super`, `self` or a name
//! that a `use` item imports. It leaves out code that is compiled for tests only. It does not see paths inside string
//! literals, nor names that come from a parent through a glob.

mod circles;
mod modules;
mod syntax;

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::root;
use crate::error::{Error, Result};

/// Runs `cargo xtask arrows`: reads every crate of the workspace and reports the circles.
///
/// # Errors
/// A file cannot be read or is not Rust, or modules use one another in a circle.
pub fn run() -> Result<()> {
    let mut modules = 0;
    let mut reports = Vec::new();
    let packages = packages()?;
    for package in &packages {
        for file in root_files(package) {
            let tree = modules::Tree::read(&file, &|file| fs::read_to_string(root().join(file)))?;
            modules += tree.len();
            let circles = circles::find(tree.arrows());
            reports.extend(circles.iter().map(|circle| circle.report(package)));
        }
    }
    if reports.is_empty() {
        println!("No circles among {modules} modules");
        return Ok(());
    }
    Err(Error::Circles(reports.join("\n")))
}

/// Returns the folders of the workspace's packages, relative to the workspace's folder and sorted.
fn packages() -> Result<Vec<PathBuf>> {
    let crates = root().join("crates");
    let mut packages = vec![PathBuf::from("xtask")];
    for entry in fs::read_dir(&crates).map_err(Error::file(&crates))? {
        let entry = entry.map_err(Error::file(&crates))?;
        packages.push(Path::new("crates").join(entry.file_name()));
    }
    packages.sort();
    Ok(packages)
}

/// Returns the root files of a package's library and program, relative to the workspace's folder.
fn root_files(package: &Path) -> Vec<PathBuf> {
    let files = ["src/lib.rs", "src/main.rs"].map(|file| package.join(file));
    files
        .into_iter()
        .filter(|file| root().join(file).is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_of_the_workspace_has_a_root_file() {
        let packages = packages().unwrap();
        assert!(packages.contains(&PathBuf::from("crates/cli")));
        for package in packages {
            assert!(!root_files(&package).is_empty(), "{}", package.display());
        }
    }
}
