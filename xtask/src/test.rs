//! Runs every test of the workspace and prints how many passed.

use std::fmt;

use crate::browser::Tools;
use crate::command::{cargo, each_line};
use crate::error::{Error, Result};
use crate::python::Environment;
use crate::{features, servers};

/// Runs `cargo xtask test` and passes `arguments` to `cargo test`. Without arguments, it also tests pages in a browser and
/// the Python package, if a browser and Python are installed.
///
/// # Errors
/// Tests do not compile or fail, no test ran, or tests would compile dependencies a second time.
pub fn run(arguments: &[&str]) -> Result<()> {
    features::check()?;
    let servers = servers::start()?;
    let mut totals = Totals::default();
    let mut tests = cargo([
        "test",
        "--workspace",
        "--features",
        features::CLUSTER,
        "--no-fail-fast",
    ]);
    if let Some(servers) = &servers {
        servers.announce(&mut tests);
    }
    let result = each_line(tests.args(arguments), |line| {
        println!("{line}");
        totals.add(line);
    });
    let (in_browser, in_python) = match arguments.is_empty() {
        true => (test_pages(&mut totals), test_python(&mut totals)),
        false => (Ok(()), Ok(())),
    };
    println!("{totals}");
    result.and(in_browser).and(in_python)?;
    if totals.passed == 0 {
        return Err(Error::NoTests);
    }
    Ok(())
}

/// The variable that tells the tests of a cluster how often each kills a node.
const KILLS_VARIABLE: &str = "HONEYGUIDE_TEST_KILLS";
/// The number of tests that kill nodes.
const KILLING_TESTS: u32 = 3;

/// Runs `cargo xtask kills`: the tests that kill nodes of a cluster, with at least `kills` kills together.
///
/// # Errors
/// The tests do not compile or fail.
pub fn kill_nodes(kills: u32) -> Result<()> {
    let mut tests = cargo([
        "test",
        "--workspace",
        "--features",
        features::CLUSTER,
        "--test",
        "cluster",
        "--",
        "--nocapture",
        "kills_at_random_moments",
    ]);
    let each = kills.div_ceil(KILLING_TESTS);
    let mut totals = Totals::default();
    each_line(tests.env(KILLS_VARIABLE, each.to_string()), |line| {
        println!("{line}");
        totals.add(line);
    })?;
    match totals.passed {
        0 => Err(Error::NoTests),
        _ => Ok(()),
    }
}

/// Tests pages in a browser and adds the results to `totals`.
fn test_pages(totals: &mut Totals) -> Result<()> {
    match Tools::find() {
        Ok(tools) => tools.run(|line| {
            println!("{line}");
            totals.add(line);
        }),
        Err(missing) => {
            println!("The tests of pages in a browser did not run: {missing}");
            Ok(())
        }
    }
}

/// Tests the Python package and adds the results to `totals`.
fn test_python(totals: &mut Totals) -> Result<()> {
    match Environment::prepare() {
        Ok(environment) => environment.test(|line| {
            println!("{line}");
            totals.add(line);
        }),
        Err(missing) => {
            println!("The tests of the Python package did not run: {missing}");
            Ok(())
        }
    }
}

/// The numbers of tests in all test programs together.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    /// Adds the counts in the last lines of a test program, which cargo, Node or pytest runs. Ignores all other lines.
    fn add(&mut self, line: &str) {
        if let Some(counts) = counts_of_pytest(line) {
            for (number, what) in counts.split(", ").filter_map(|count| count.split_once(' ')) {
                self.add_count(number, what);
            }
        }
        if let Some((what, number)) = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(' '))
        {
            self.add_count(number, what);
        }
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            if let Some((number, what)) = count.split_once(' ') {
                self.add_count(number, what);
            }
        }
    }

    fn add_count(&mut self, number: &str, what: &str) {
        let Ok(number) = number.parse::<u64>() else {
            return;
        };
        match what {
            "passed" | "pass" => self.passed += number,
            "failed" | "fail" => self.failed += number,
            "ignored" | "skipped" => self.skipped += number,
            _ => {}
        }
    }
}

/// Returns the counts in the last line of pytest, such as `3 passed, 1 skipped in 2.51s`.
fn counts_of_pytest(line: &str) -> Option<&str> {
    let (counts, time) = line.rsplit_once(" in ")?;
    let seconds = time.split(' ').next()?.strip_suffix('s')?;
    let is_last =
        seconds.parse::<f64>().is_ok() && counts.starts_with(|c: char| c.is_ascii_digit());
    is_last.then_some(counts)
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up_and_other_lines_do_not_count() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test 7 passed; ... ok",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.10s",
            "# tests 5",
            "# pass 4",
            "# fail 1",
            "1 failed, 10 passed, 2 skipped, 3 warnings in 27.31s",
            "12 passed in 61.02s (0:01:01)",
            "the 3 passed in time",
        ] {
            totals.add(line);
        }
        assert_eq!(totals.to_string(), "33 passed, 3 failed, 3 skipped");
    }
}
