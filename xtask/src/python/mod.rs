//! Builds the wheel of the Python package, runs its tests and measures it.

mod facts;
mod venv;

use std::path::PathBuf;

use crate::command::{command, each_line, output, root, target_dir};
use crate::error::{Error, Result};
use crate::features;

pub use facts::print_facts;
use venv::PACKAGE;
pub use venv::Venv;

/// The oldest Python that the package supports.
const OLDEST: (u32, u32) = (3, 11);

/// Runs `cargo xtask python`.
///
/// # Errors
/// There is no Python that is new enough, pip cannot install what the files of requirements in `crates/python/tests` pin,
/// the wheel cannot be built, or a test fails.
pub fn run() -> Result<()> {
    features::check()?;
    let environment = Environment::prepare().map_err(Error::NoPython)?;
    environment.test(|line| println!("{line}"))
}

/// What the tests need: the newest libraries that the package works with, and the oldest ones.
pub struct Environment {
    dir: PathBuf,
    newest: Venv,
    oldest: Venv,
}

impl Environment {
    /// Makes the virtual environments, or returns a sentence that says what is missing.
    pub fn prepare() -> std::result::Result<Self, String> {
        let version = "import sys; print(*sys.version_info[:2])";
        let found = output(&mut command("python3", ["-c", version]))
            .map_err(|_| "python3 is not installed".to_owned())?;
        let numbers: Vec<u32> = found.split_whitespace().flat_map(str::parse).collect();
        if (numbers.first(), numbers.get(1)) < (Some(&OLDEST.0), Some(&OLDEST.1)) {
            let (found, (major, minor)) = (found.trim().replace(' ', "."), OLDEST);
            return Err(format!("python3 is {found}, and {major}.{minor} is needed"));
        }
        let dir = target_dir("python").map_err(|error| error.to_string())?;
        let venv = |name, requirements| {
            let requirements = format!("{PACKAGE}/tests/{requirements}");
            Venv::with(dir.join(name), &requirements)
                .map_err(|_| format!("pip cannot install {requirements}"))
        };
        Ok(Self {
            newest: venv("venv", "requirements.txt")?,
            oldest: venv("oldest", "requirements-oldest.txt")?,
            dir,
        })
    }

    /// Builds the wheel and installs it. Runs all tests with the newest libraries, and scikit-learn's checks with the oldest
    /// ones too. Passes each line that they print to `consume`.
    ///
    /// # Errors
    /// The wheel cannot be built or a test fails.
    pub fn test(&self, mut consume: impl FnMut(&str)) -> Result<()> {
        // The profile and the target folder of `cargo run`, so that nothing is compiled twice.
        let target = target_dir("")?;
        let wheels = self.dir.join("wheels");
        let wheel = self.newest.wheel(&wheels, &target, &["--profile", "dev"])?;
        for (venv, tests) in [
            (&self.newest, "tests"),
            (&self.oldest, "tests/test_checks.py"),
        ] {
            venv.install_wheel(&wheel)?;
            // The program `pytest` does not find the package's source in the current folder, as `python -m pytest` would.
            let mut pytest = command(venv.program("pytest"), ["--quiet", tests]);
            pytest.current_dir(root().join(PACKAGE));
            each_line(&mut pytest, &mut consume)?;
        }
        Ok(())
    }
}
