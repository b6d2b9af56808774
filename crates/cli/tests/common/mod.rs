//! Common code of the tests: temporary folders, tables of events, and runs of the command.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses some of these helpers, none uses all"
)]

use std::process::{Child, Command, Output};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[path = "../../../honeyguide/tests/library/common/events.rs"]
mod events;
#[path = "../../../honeyguide/tests/library/common/folder.rs"]
mod folder;
#[path = "../../../honeyguide/tests/library/common/lookups.rs"]
mod lookups;
pub mod schema;

pub use events::{
    HEADER, event, event_with, events, events_as_json, events_with_line, json_with_late_keys,
    without_files,
};
pub use folder::Folder;
pub use lookups::{LOOKUP_HEADER, Lookup, lookups};

/// The longest time that a command may take. It is many times what any command needs on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// The longest wait for something that another process does.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
            "--contamination",
            "auto",
            "--out",
            "model.json",
        ]);
    }

    /// Returns the command with its arguments and this folder, without running it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("honeyguide"));
        command.args(args).current_dir(self.path(""));
        command
    }

    /// Runs the command to its end. It must not panic, and it is killed if it does not end in time. What it prints with
    /// `--json` must be valid by the schema of its format.
    pub fn run(&self, args: &[&str]) -> Run {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.timeout(LONGEST_RUN).output();
        let run = Run::from_output(output.expect("the command starts"));
        let goes_to_standard_error = args.windows(2).any(|pair| pair == ["--out", "-"]);
        if args.contains(&"--json") && run.status == 0 && !goes_to_standard_error {
            schema::valid_answer(&run.stdout);
        }
        run
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

/// Waits until `found` returns something that another process does, and panics if it never does.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONGEST_WAIT;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
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

/// Returns the commands of a help text.
pub fn commands(help: &str) -> Vec<String> {
    let Some((_, listed)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // A description that needs more lines is indented further.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}
