//! Processes that take part, and that end when they are no longer wanted or when the stage itself ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use crate::command::{command, run, shown};
use crate::error::{Error, Result};

/// Returns a command that gets a signal when the stage ends, however it ends.
pub fn bound(signal: &str) -> Command {
    command("setpriv", ["--pdeathsig", signal])
}

/// A running process with pipes to its standard input and from its standard output. Dropping this ends it.
pub struct Player {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The command, as one would type it.
    name: String,
}

impl Player {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = shown(command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|source| Error::Start {
            command: name.clone(),
            source,
        })?;
        let output = child.stdout.take().expect("standard output is piped");
        Ok(Self {
            child,
            output: BufReader::new(output),
            name,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process prints the line `ready`.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        if read.is_ok() && line == "ready\n" {
            return Ok(());
        }
        Err(Error::Output {
            command: self.name.clone(),
            what: "something else than `ready`",
            line,
        })
    }

    /// Says a line to the process. One that has ended does not hear it, which shows where its work is missing.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = self.child.stdin.as_mut() {
            let _ = writeln!(input, "{line}");
        }
    }

    /// Returns whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the standard input of a process that ends at that, and waits.
    pub fn finish(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        self.child.wait().map_err(|source| Error::Start {
            command: self.name.clone(),
            source,
        })
    }

    /// Asks the process to end with a signal, and waits for its success.
    pub fn terminate(mut self) -> Result<()> {
        run(&mut command("kill", ["-TERM", &self.pid().to_string()]))?;
        let status = self.child.wait().map_err(|source| Error::Start {
            command: self.name.clone(),
            source,
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: self.name.clone(),
            status,
        })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
