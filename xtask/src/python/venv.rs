//! Virtual environments of Python, and wheels that are built in them.

use std::path::{Path, PathBuf};

use crate::command::{command, run as run_command, without_package};
use crate::error::{Error, Result};

/// The folder of the package.
pub const PACKAGE: &str = "crates/python";

/// The folder of a virtual environment.
pub struct Venv(PathBuf);

impl Venv {
    /// Returns the environment in a folder, after pip has installed what a file of requirements pins. It is made first if
    /// there is none.
    ///
    /// # Errors
    /// Python has no module `venv`, or pip cannot install a package.
    pub fn with(dir: PathBuf, requirements: &str) -> Result<Self> {
        let venv = Self(dir);
        if !venv.program("pip").exists() {
            run_command(command("python3", ["-m", "venv", "--clear"]).arg(&venv.0))?;
        }
        venv.install(&["--requirement", requirements])?;
        Ok(venv)
    }

    /// Installs the wheel `wheel` in the place of an earlier one, without what it depends on.
    ///
    /// # Errors
    /// pip cannot install the wheel.
    pub fn install_wheel(&self, wheel: &Path) -> Result<()> {
        self.install(&["--force-reinstall", "--no-deps", &wheel.to_string_lossy()])
    }

    fn install(&self, arguments: &[&str]) -> Result<()> {
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

    /// Returns the path of a program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// Builds the wheel with maturin, which the environment must have, and returns its path. The folder `wheels` then has
    /// nothing else. cargo compiles in the folder `target`.
    ///
    /// # Errors
    /// The package does not compile.
    pub fn wheel(&self, wheels: &Path, target: &Path, arguments: &[&str]) -> Result<PathBuf> {
        if wheels.exists() {
            std::fs::remove_dir_all(wheels).map_err(Error::file(wheels))?;
        }
        let mut maturin = command(self.program("maturin"), ["build"]);
        without_package(&mut maturin);
        maturin
            .args(arguments)
            .args(["--manifest-path", &format!("{PACKAGE}/Cargo.toml")])
            .args(["--auditwheel", "skip", "--interpreter"])
            .arg(self.program("python"))
            .arg("--out")
            .arg(wheels)
            .env("CARGO_TARGET_DIR", target);
        run_command(&mut maturin)?;
        let mut files = std::fs::read_dir(wheels).map_err(Error::file(wheels))?;
        match files.next() {
            Some(Ok(file)) => Ok(file.path()),
            _ => Err(Error::Output {
                command: "maturin build".to_owned(),
                what: "no wheel",
                line: String::new(),
            }),
        }
    }
}
