//! The object stores that tests talk to: real ones, on loopback, for as long as the tests run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::command::{self, command, target_dir};
use crate::error::{Error, Result};

/// Where their versions are pinned.
const FOLDER: &str = "tests/servers";

/// Running servers; they end with this.
pub struct Servers {
    child: Child,
    /// Environment variables that tell tests where they are.
    addresses: Vec<(String, String)>,
}

/// Starts the servers; none where there is no npm, which is said in one line.
///
/// # Errors
/// npm is there, but the servers cannot be installed or do not start.
pub fn start() -> Result<Option<Servers>> {
    let has_npm = Command::new("npm")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !has_npm.is_ok_and(|status| status.success()) {
        println!(
            "npm is not installed: the tests of S3, Azure and Google do nothing; all others run"
        );
        return Ok(None);
    }
    let folder = command::root().join(FOLDER);
    if !folder.join("node_modules").exists() {
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        command::run(command("npm", install).current_dir(&folder))?;
    }
    let data = target_dir("test-servers")?;
    std::fs::remove_dir_all(&data).map_err(Error::file(&data))?;
    std::fs::create_dir_all(&data).map_err(Error::file(&data))?;
    Servers::start(&folder.join("start.mjs"), &data).map(Some)
}

impl Servers {
    /// Runs the script until it says that all servers are ready.
    fn start(script: &Path, data: &Path) -> Result<Self> {
        let mut node = command("node", [script, data]);
        let name = command::shown(&node);
        let mut child = node
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start {
                command: name.clone(),
                source,
            })?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut addresses = Vec::new();
        for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
            if line == "ready" {
                return Ok(Self { child, addresses });
            }
            if let Some((name, address)) = line.split_once('=') {
                addresses.push((name.to_owned(), address.to_owned()));
            }
        }
        let status = child.wait().map_err(|source| Error::Start {
            command: name.clone(),
            source,
        })?;
        Err(Error::Failed {
            command: name,
            status,
        })
    }

    /// Tells `tests` where the servers are.
    pub fn announce(&self, tests: &mut Command) {
        for (name, address) in &self.addresses {
            tests.env(name, address);
        }
    }
}

impl Drop for Servers {
    /// The script ends when its standard input does.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
