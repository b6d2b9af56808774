//! Runs every test of the workspace and prints how many passed.

use std::fmt;

use crate::browser::Tools;
use crate::command::{cargo, each_line};
use crate::error::{Error, Result};
use crate::{features, servers};

/// Runs `cargo xtask test` and passes `arguments` to `cargo test`. Without arguments, it also tests pages in a browser if
/// one is installed.
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
    let in_browser = match arguments.is_empty() {
        true => test_pages(&mut totals),
        false => Ok(()),
    };
    println!("{totals}");
    result.and(in_browser)?;
    if totals.passed == 0 {
        return Err(Error::NoTests);
    }
    Ok(())
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

/// The numbers of tests in all test programs together.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    /// Adds the counts in the last lines of a test program, which cargo or Node runs. Ignores all other lines.
    fn add(&mut self, line: &str) {
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
        ] {
            totals.add(line);
        }
        assert_eq!(totals.to_string(), "11 passed, 2 failed, 1 skipped");
    }
}
