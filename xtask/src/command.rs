//! Runs other programs: cargo, the built binaries, Python.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Error, Result};

/// Returns the workspace's folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns a command that runs `program` with `arguments` in the workspace's folder.
pub fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Returns a command that calls cargo with `arguments` as a shell would. It is the cargo that runs this task.
pub fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut cargo = command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments,
    );
    without_package(&mut cargo);
    cargo
}

/// Removes from the environment of a command what cargo says about this task's own package. Build scripts that read it
/// would see a change, and cargo would compile everything above them again.
pub fn without_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if is_of_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

/// Returns whether cargo sets the environment variable to describe the package that it runs.
fn is_of_package(name: &str) -> bool {
    let beginnings = ["CARGO_PKG_", "CARGO_MANIFEST_"];
    let names = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ];
    beginnings
        .iter()
        .any(|beginning| name.starts_with(beginning))
        || names.contains(&name)
}

/// Runs `command` to its end and prints its standard output.
pub fn run(command: &mut Command) -> Result<()> {
    each_line(command, |line| println!("{line}"))
}

/// Runs `command` to its end and returns its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let mut text = String::new();
    each_line(command, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    Ok(text)
}

/// Runs `command` to its end and passes each line of its standard output to `consume` as soon as it is printed.
pub fn each_line(command: &mut Command, mut consume: impl FnMut(&str)) -> Result<()> {
    let name = shown(command);
    let start = |source| Error::Start {
        command: name.clone(),
        source,
    };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(start)?;
    let stdout = child.stdout.take().expect("standard output is piped");
    for line in BufReader::new(stdout)
        .split(b'\n')
        .map_while(|line| line.ok())
    {
        consume(&String::from_utf8_lossy(&line));
    }
    let status = child.wait().map_err(start)?;
    if !status.success() {
        return Err(Error::Failed {
            command: name,
            status,
        });
    }
    Ok(())
}

/// Runs `cargo build` with `arguments` and returns the path of the executable.
pub fn build(arguments: &[&str]) -> Result<PathBuf> {
    build_with(cargo(["build"]).args(arguments))
}

/// Runs the command of `cargo build` and returns the path of the executable.
pub fn build_with(cargo: &mut Command) -> Result<PathBuf> {
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let mut executable = None;
    each_line(cargo, |line| {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(path) = message["executable"].as_str() {
            executable = Some(PathBuf::from(path));
        }
    })?;
    executable.ok_or_else(|| Error::Output {
        command: shown(cargo),
        what: "no executable",
        line: String::new(),
    })
}

/// Returns the folder `name` in cargo's target folder, and creates it if it does not exist.
pub fn target_dir(name: &str) -> Result<PathBuf> {
    let mut cargo = cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let text = output(&mut cargo)?;
    let metadata: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(target) = metadata["target_directory"].as_str() else {
        return Err(Error::Output {
            command: shown(&cargo),
            what: "no target folder",
            line: text,
        });
    };
    let dir = Path::new(target).join(name);
    std::fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
    Ok(dir)
}

/// Returns the command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_says_of_a_package_is_left_out() {
        assert!(is_of_package("CARGO_PKG_NAME") && is_of_package("CARGO_MANIFEST_DIR"));
        assert!(!is_of_package("CARGO_HOME") && !is_of_package("CARGO_TARGET_DIR"));
    }

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(&mut command("sh", ["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` failed: exit status: 3");
        assert!(matches!(
            run(&mut command("/no/such/program", [""])),
            Err(Error::Start { .. })
        ));
    }

    #[test]
    fn lines_come_one_by_one_even_when_they_are_not_text() {
        let mut lines = Vec::new();
        each_line(&mut command("printf", [r"a\n\377\nb"]), |line| {
            lines.push(line.to_owned())
        })
        .unwrap();
        assert_eq!(lines, ["a", "\u{fffd}", "b"]);
    }
}
