//! Builds the wheel of the Python package and runs its tests.

use std::path::PathBuf;

use crate::command::{
    command, each_line, output, root, run as run_command, target_dir, without_package,
};
use crate::error::{Error, Result};
use crate::features;

/// The folder of the package.
const PACKAGE: &str = "crates/python";

/// The oldest Python that the package supports.
const OLDEST: (u32, u32) = (3, 11);

/// Runs `cargo xtask python`.
///
/// # Errors
/// There is no Python that is new enough, pip cannot install what `crates/python/tests/requirements.txt` pins, the wheel
/// cannot be built, or a test fails.
pub fn run() -> Result<()> {
    features::check()?;
    let environment = Environment::prepare().map_err(Error::NoPython)?;
    environment.test(|line| println!("{line}"))
}

/// A virtual environment with the packages that the tests need.
pub struct Environment {
    dir: PathBuf,
}

impl Environment {
    /// Makes the virtual environment, or returns a sentence that says what is missing.
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
        let environment = Self { dir };
        environment
            .install(&[
                "--requirement",
                &format!("{PACKAGE}/tests/requirements.txt"),
            ])
            .map_err(|_| "pip cannot install what its tests need".to_owned())?;
        Ok(environment)
    }

    /// Builds the wheel, installs it and runs the tests. Passes each line that they print to `consume`.
    ///
    /// # Errors
    /// The wheel cannot be built or a test fails.
    pub fn test(&self, consume: impl FnMut(&str)) -> Result<()> {
        let wheel = self.wheel()?;
        self.install(&["--force-reinstall", "--no-deps", &wheel.to_string_lossy()])?;
        // The program `pytest` does not find the package's source in the current folder, as `python -m pytest` would.
        let mut pytest = command(self.program("pytest"), ["--quiet", "tests"]);
        pytest.current_dir(root().join(PACKAGE));
        each_line(&mut pytest, consume)
    }

    /// Builds the wheel with the profile and in the target folder of `cargo run`, and returns its path.
    fn wheel(&self) -> Result<PathBuf> {
        let wheels = self.dir.join("wheels");
        if wheels.exists() {
            std::fs::remove_dir_all(&wheels).map_err(Error::file(&wheels))?;
        }
        let mut maturin = command(self.program("maturin"), ["build", "--profile", "dev"]);
        without_package(&mut maturin);
        maturin
            .args(["--manifest-path", &format!("{PACKAGE}/Cargo.toml")])
            .args(["--auditwheel", "skip", "--interpreter"])
            .arg(self.program("python"))
            .arg("--out")
            .arg(&wheels);
        if let Some(target) = self.dir.parent() {
            maturin.env("CARGO_TARGET_DIR", target);
        }
        run_command(&mut maturin)?;
        let mut files = std::fs::read_dir(&wheels).map_err(Error::file(&wheels))?;
        match files.next() {
            Some(Ok(file)) => Ok(file.path()),
            _ => Err(Error::Output {
                command: "maturin build".to_owned(),
                what: "no wheel",
                line: String::new(),
            }),
        }
    }

    /// Installs packages with pip, in an environment that is made if there is none.
    fn install(&self, arguments: &[&str]) -> Result<()> {
        if !self.program("pip").exists() {
            run_command(command("python3", ["-m", "venv", "--clear"]).arg(self.venv()))?;
        }
        let options = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let mut pip = command(self.program("python"), options);
        run_command(
            pip.args(["--retries", "1", "--timeout", "30"])
                .args(arguments),
        )
    }

    fn program(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    fn venv(&self) -> PathBuf {
        self.dir.join("venv")
    }
}
