//! The tests that drive written pages in a browser. They need npm and Chromium, which nothing else here does.

use std::path::PathBuf;

use crate::command::{build, command, each_line, root, run};
use crate::error::Result;

/// Where Chromium is called what.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The tools of the browser tests, found on this machine.
pub struct Tools {
    chromium: PathBuf,
}

impl Tools {
    /// Finds them, or says what is missing.
    pub fn find() -> std::result::Result<Self, &'static str> {
        let chromium = BROWSERS.into_iter().find_map(find_program);
        match (find_program("npm"), chromium) {
            (None, _) => Err("npm is not installed"),
            (_, None) => Err("Chromium is not installed"),
            (Some(_), Some(chromium)) => Ok(Self { chromium }),
        }
    }

    /// Runs the tests, handing each line they print to `consume`.
    ///
    /// # Errors
    /// The command cannot be built, the pinned packages cannot be fetched, a test fails.
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

/// A program on the path.
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
