//! The object stores that tests use: real servers on the loopback interface, which run as long as the tests do.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::command::{self, command, target_dir};
use crate::error::{Error, Result};

/// The folder that pins the versions of the servers.
const FOLDER: &str = "tests/servers";

/// Running servers. Dropping this stops them.
pub struct Servers {
    child: Child,
    /// The names and values of the environment variables that tell tests the addresses.
    addresses: Vec<(String, String)>,
}

/// Starts the servers. If npm is not installed, prints that and returns `None`.
///
/// # Errors
/// npm is installed, but the servers cannot be installed or do not start.
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
    /// Starts the script and waits until it prints that all servers are ready.
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

    /// Gives `tests` the addresses of the servers as environment variables.
    pub fn announce(&self, tests: &mut Command) {
        for (name, address) in &self.addresses {
            tests.env(name, address);
        }
    }
}

impl Drop for Servers {
    /// Closes the script's standard input, at the end of which the script exits.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
