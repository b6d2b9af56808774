//! Runs the tests that open HTML pages of honeyguide in a browser. Only these tests need Chromium.

use std::path::PathBuf;

use crate::command::{build, command, each_line, root, run};
use crate::error::Result;

/// The names of Chromium's program on different systems.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The programs that the browser tests need.
pub struct Tools {
    chromium: PathBuf,
}

impl Tools {
    /// Finds the programs, or returns a sentence that says what is missing.
    pub fn find() -> std::result::Result<Self, &'static str> {
        let chromium = BROWSERS.into_iter().find_map(find_program);
        match (find_program("npm"), chromium) {
            (None, _) => Err("npm is not installed"),
            (_, None) => Err("Chromium is not installed"),
            (Some(_), Some(chromium)) => Ok(Self { chromium }),
        }
    }

    /// Runs the tests and passes each line that they print to `consume`.
    ///
    /// # Errors
    /// The command cannot be built, the pinned packages cannot be installed, or a test fails.
    pub fn run(&self, consume: impl FnMut(&str)) -> Result<()> {
        let honeyguide = build(&["--package", "honeyguide-cli", "--bin", "honeyguide"])?;
        let tests = root().join("tests/browser");
        if !tests.join("node_modules/.package-lock.json").is_file() {
            let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
            run(command("npm", install).current_dir(&tests))?;
        }
        let mut node = command("npm", ["test", "--silent"]);
        node.current_dir(&tests)
            .env("HONEYGUIDE", honeyguide)
            .env("CHROMIUM", &self.chromium);
        each_line(&mut node, consume)
    }
}

/// Finds a program in the folders of `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("no-such-program"), None);
    }
}
