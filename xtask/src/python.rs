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
            let venv = Venv(dir.join(name));
            let requirements = format!("{PACKAGE}/tests/{requirements}");
            venv.install(&["--requirement", &requirements])
                .map_err(|_| format!("pip cannot install {requirements}"))?;
            Ok::<_, String>(venv)
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
        let wheel = self.wheel()?;
        for (venv, tests) in [
            (&self.newest, "tests"),
            (&self.oldest, "tests/test_checks.py"),
        ] {
            venv.install(&["--force-reinstall", "--no-deps", &wheel.to_string_lossy()])?;
            // The program `pytest` does not find the package's source in the current folder, as `python -m pytest` would.
            let mut pytest = command(venv.program("pytest"), ["--quiet", tests]);
            pytest.current_dir(root().join(PACKAGE));
            each_line(&mut pytest, &mut consume)?;
        }
        Ok(())
    }

    /// Builds the wheel with the profile and in the target folder of `cargo run`, and returns its path.
    fn wheel(&self) -> Result<PathBuf> {
        let wheels = self.dir.join("wheels");
        if wheels.exists() {
            std::fs::remove_dir_all(&wheels).map_err(Error::file(&wheels))?;
        }
        let maturin = self.newest.program("maturin");
        let mut maturin = command(maturin, ["build", "--profile", "dev"]);
        without_package(&mut maturin);
        maturin
            .args(["--manifest-path", &format!("{PACKAGE}/Cargo.toml")])
            .args(["--auditwheel", "skip", "--interpreter"])
            .arg(self.newest.program("python"))
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
}

/// The folder of a virtual environment.
struct Venv(PathBuf);

impl Venv {
    /// Installs packages with pip. Makes the environment first if there is none.
    fn install(&self, arguments: &[&str]) -> Result<()> {
        if !self.program("pip").exists() {
            run_command(command("python3", ["-m", "venv", "--clear"]).arg(&self.0))?;
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
        self.0.join("bin").join(name)
    }
}
