//! Checks that tests and `cargo run` share the dependencies that they compile.
//!
//! A test dependency can turn on a feature in a crate deep below the query engine. Cargo then compiles that crate, and
//! everything above it, once with and once without the feature: minutes, for nothing.

use std::collections::BTreeSet;

use crate::command::{cargo, output};
use crate::error::{Error, Result};

/// The feature with which tests are compiled: the cluster's are among them.
pub const CLUSTER: &str = "honeyguide-cli/cluster";

/// Packages from elsewhere with their features, one `name version features` each.
type Packages = BTreeSet<String>;

/// Fails if a package that `cargo run` compiles has other features in the workspace's tests. What build scripts and macros
/// use is left out: it is compiled for itself, with features of its own.
pub fn check() -> Result<()> {
    let run = packages(&[
        "--package",
        "honeyguide-cli",
        "--edges",
        "no-dev,no-build,no-proc-macro",
    ])?;
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

fn packages(selection: &[&str]) -> Result<Packages> {
    let mut tree = cargo(["tree", "--prefix", "none", "--format", "{p} [{f}]"]);
    let text = output(tree.args(selection))?;
    Ok(text
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        // Our own are compiled again in no time.
        .filter(|package| !package.contains(" (/"))
        .collect())
}

/// For each package of `run` that `test` lacks: its name, version and features, and what the package has in `test`.
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
