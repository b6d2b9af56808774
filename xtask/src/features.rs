//! Checks that tests, `cargo run` and the Python package compile their common dependencies only once.
//!
//! A test dependency can turn on a feature in a crate deep below the query engine. Cargo then compiles that crate and
//! everything above it twice, with and without the feature, which takes minutes.

use std::collections::BTreeSet;

use crate::command::{cargo, output};
use crate::error::{Error, Result};

/// The feature with which tests are compiled, so that they include the tests of the cluster.
pub const CLUSTER: &str = "honeyguide-cli/cluster";

/// The packages from outside the workspace, each as `name version features`.
type Packages = BTreeSet<String>;

/// Compares the features of packages in `cargo run` and in the Python package with those in the workspace's tests.
///
/// Packages that only build scripts and macros use are left out, because cargo compiles them apart and with features of
/// their own.
///
/// # Errors
/// A package that `cargo run` or the Python package compiles has other features in tests.
pub fn check() -> Result<()> {
    let mut run = Packages::new();
    for package in ["honeyguide-cli", "honeyguide-python"] {
        let edges = "no-dev,no-build,no-proc-macro";
        run.append(&mut packages(&["--package", package, "--edges", edges])?);
    }
    let test = packages(&[
        "--workspace",
        "--features",
        CLUSTER,
        "--edges",
        "no-build,no-proc-macro",
    ])?;
    let differences = differences(&run, &test);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Features(differences.join("\n")))
}

/// Lists the packages that `cargo tree` shows for the arguments `selection`.
fn packages(selection: &[&str]) -> Result<Packages> {
    let mut tree = cargo(["tree", "--prefix", "none", "--format", "{p} [{f}]"]);
    let text = output(tree.args(selection))?;
    Ok(text
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        // The workspace's own packages, which have paths, compile quickly.
        .filter(|package| !package.contains(" (/"))
        .collect())
}

/// Describes each package of `run` that is not in `test`: its name, version and features, and its features in `test`.
fn differences(run: &Packages, test: &Packages) -> Vec<String> {
    let name = |package: &str| package.split(" [").next().map(str::to_owned);
    run.difference(test)
        .map(|package| {
            let others = test.iter().filter(|other| name(other) == name(package));
            let others: Vec<_> = others.map(String::as_str).collect();
            format!("  {package}, in tests {}", others.join(" and "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> Packages {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_feature_that_only_tests_turn_on_is_reported() {
        let run = set(&["a v1.0.0 [std]", "b v2.0.0 []"]);
        let test = set(&["a v1.0.0 [std,time]", "b v2.0.0 []", "c v1.0.0 []"]);
        assert_eq!(
            differences(&run, &test),
            ["  a v1.0.0 [std], in tests a v1.0.0 [std,time]"]
        );
    }

    #[test]
    fn a_package_that_only_tests_need_is_no_difference() {
        let run = set(&["a v1.0.0 [std]"]);
        let test = set(&["a v1.0.0 [std]", "a v1.0.0 [std,host]", "c v1.0.0 []"]);
        assert_eq!(differences(&run, &test), [""; 0]);
    }
}
