//! Common code of the tests: temporary folders, tables of events, and runs of the command.
#![allow(
    dead_code,
    reason = "every test program uses some of these helpers, none uses all"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// The header line with the columns of BETH.
pub const HEADER: &str = "timestamp,processId,threadId,parentProcessId,userId,mountNamespace,processName,hostName,eventId,eventName,stackAddresses,argsNum,returnValue,args,sus,evil";

/// Returns a line with the columns of [`HEADER`]. The values repeat with short periods, so that many events are alike.
pub fn event(index: usize) -> String {
    let rare = usize::from(index % 97 == 96);
    let [process, parent] = [index % 7, index % 5];
    let user = if rare == 1 { 1001 } else { 0 };
    let (call, returned) = (index % 11, index as i64 % 3 - 1);
    format!(
        "{index}.25,{process},{process},{parent},{user},4026531840,cron,host-1,{call},openat,\"[1, 2]\",{args},{returned},\"[{{'name': 'fd', 'value': {index}}}]\",{rare},{rare}",
        args = index % 4,
    )
}

/// Returns a table with the header and `count` events.
pub fn events(count: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for index in 0..count {
        let _ = writeln!(text, "{}", event(index));
    }
    text
}

/// Returns [`events`] with line `line` replaced. The header is line 1.
pub fn events_with_line(count: usize, line: usize, replacement: &str) -> String {
    let mut lines: Vec<String> = events(count).lines().map(str::to_owned).collect();
    lines[line - 1] = replacement.to_owned();
    lines.join("\n") + "\n"
}

/// Returns an event with the value of column `column` replaced. Columns are counted from 0.
pub fn event_with(index: usize, column: usize, value: &str) -> String {
    let text = event(index);
    let mut fields: Vec<&str> = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&text[start..]);
    fields[column] = value;
    fields.join(",")
}

/// The longest time that a command may take. It is many times what any command needs on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// A temporary folder in which the command runs, so that messages show plain file names.
pub struct Folder(TempDir);

/// The outcome of a run of the command.
#[derive(Debug)]
pub struct Run {
    /// The exit status, or 128 + N if signal N ended the command.
    pub status: i32,
    /// The text on standard output.
    pub stdout: String,
    /// The text on standard error.
    pub stderr: String,
}

impl Folder {
    /// Creates a folder with `good.csv`, a table of `count` events, and `model.json`, a small model of them.
    pub fn with_model(count: usize) -> Self {
        let folder = Self::with(&[("good.csv", events(count))]);
        folder.train_small("good.csv");
        folder
    }

    /// Trains a small model of `data` and writes it to `model.json`.
    pub fn train_small(&self, data: &str) {
        self.done(&[
            "train",
            data,
            "--recipe",
            "beth-paper",
            "--trees",
            "5",
            "--out",
            "model.json",
        ]);
    }

    /// Creates an empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Creates a folder with the given files.
    pub fn with<T: AsRef<[u8]>>(files: &[(&str, T)]) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file in a temporary folder");
    }

    /// Reads a file in the folder, which must exist.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Returns the sorted names of all files in the folder, including hidden ones.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a temporary folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Returns the command with its arguments and this folder, without running it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("honeyguide"));
        command.args(args).current_dir(self.0.path());
        command
    }

    /// Runs the command to its end. It must not panic, and it is killed if it does not end in time.
    pub fn run(&self, args: &[&str]) -> Run {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.timeout(LONGEST_RUN).output();
        Run::from_output(output.expect("the command starts"))
    }

    /// Runs the command, which must succeed.
    pub fn done(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        run
    }

    /// Runs the command, which must fail with `status`, print all of `says` to standard error, and leave the folder as it
    /// was.
    pub fn refused(&self, args: &[&str], status: i32, says: &[&str]) {
        let before = self.names();
        let run = self.run(args);
        assert_eq!(run.status, status, "{args:?}: {}{}", run.stdout, run.stderr);
        for part in says {
            assert!(
                run.stderr.contains(part),
                "{args:?}: no `{part}` in: {}",
                run.stderr
            );
        }
        assert_eq!(run.stdout, "", "{args:?}");
        assert_eq!(self.names(), before, "{args:?}: files appeared or vanished");
    }
}

/// Waits for the end of a command that was started. Kills the command if it does not end in time.
pub fn wait_for_end(child: Child) -> Run {
    let pid = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver.recv_timeout(LONGEST_RUN).unwrap_or_else(|_| {
        let _ = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        panic!("a command did not end within {LONGEST_RUN:?}");
    });
    Run::from_output(output.expect("an exit status"))
}

/// Sends a signal, which is given by its name, to a command that was started.
pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    let is_sent = sent.is_ok_and(|status| status.success());
    assert!(is_sent, "the command ended before SIG{name}");
}

impl Run {
    /// Creates the outcome of a command that has ended. The command must not have panicked.
    pub fn from_output(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = || output.status.signal().map(|signal| 128 + signal);
        let run = Self {
            status: output.status.code().or_else(signal).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }
}
