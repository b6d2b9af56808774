//! What `strace -f` says of the same program, as an independent witness.

use std::process::Command;

use super::work::{self, Recorded, argument};

/// The calls that are compared.
const CALLS: &str = "close,access,dup,dup2,socket,connect,execve,unlink,symlink,openat,newfstatat,vfork,getdents64,prctl";

/// A call of a thread: its name, its path or descriptor, and what it returned.
pub type Witnessed = (u32, String, String, i64);

/// A program that was recorded and traced at once.
pub struct Run {
    pub calls: Vec<Witnessed>,
    pub recorded: Vec<Recorded>,
}

/// Runs a shell with strace in a mount namespace that is recorded. Returns `None` if there is no strace.
pub fn run(script: &str) -> Option<Run> {
    Command::new("strace").arg("-V").output().ok()?;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("calls");
    let shown = output.to_str().unwrap();
    let command = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "8192",
        "-e",
        &format!("trace={CALLS}"),
        "-o",
        shown,
        "sh",
        "-c",
        script,
    ];
    let recorded = work::record(&command.map(str::to_owned));
    let text = std::fs::read_to_string(&output).unwrap();
    let calls: Vec<Witnessed> = joined(&text)
        .iter()
        .filter_map(|line| parse(line))
        .collect();
    let threads: Vec<u32> = calls.iter().map(|(thread, ..)| *thread).collect();
    let begins = recorded.iter().position(|event| {
        event.name == "execve" && event.has("argv", &format!("['sh', '-c', '{script}']"))
    });
    let begins = begins.expect("the shell is run");
    let recorded = recorded.into_iter().skip(begins).filter(|event| {
        threads.contains(&event.thread)
            && CALLS
                .split(',')
                .any(|call| event.system_call.as_deref() == Some(call))
    });
    Some(Run {
        calls,
        recorded: recorded.collect(),
    })
}

/// Joins the two lines of a call that another one interrupted.
fn joined(text: &str) -> Vec<String> {
    let mut begun = std::collections::HashMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or_default();
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread.to_owned(), begin.to_owned());
        } else if rest.starts_with("<... ") {
            let end = rest.split_once(" resumed>").map_or("", |(_, end)| end);
            let begin = begun.remove(thread).unwrap_or_default();
            lines.push(format!("{thread} {begin}{end}"));
        } else {
            lines.push(format!("{thread} {rest}"));
        }
    }
    lines
}

/// Parses a line of strace.
fn parse(line: &str) -> Option<Witnessed> {
    let (thread, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once('(')?;
    let (arguments, returned) = rest.rsplit_once(") ")?;
    let returned = returned.trim_start().strip_prefix("= ")?;
    let error = returned.split(' ').nth(1).unwrap_or_default();
    let returned: i64 = match (returned.split(' ').next()?.parse().ok()?, error) {
        (-1, "ENOENT") => -2,
        (-1, "EBADF") => -9,
        (-1, "ENOTTY") => -25,
        (-1, "ECONNREFUSED") => -111,
        (-1, "ENOTDIR") => -20,
        (-1, "EINVAL") => -22,
        (returned, _) => returned,
    };
    let what = match arguments.split_once('"') {
        Some((_, rest)) => rest.split('"').next()?.to_owned(),
        None => arguments.split(", ").next()?.to_owned(),
    };
    let what = if name == "vfork" || name == "socket" || name == "prctl" {
        String::new()
    } else {
        what
    };
    Some((thread.parse().ok()?, name.to_owned(), what, returned))
}

/// Returns what strace says of an event.
pub fn call_of(event: &Recorded) -> Witnessed {
    let name = event.system_call.clone().unwrap_or_default();
    let what = ["pathname", "target"]
        .iter()
        .find_map(|name| argument(&event.arguments, name));
    let peer = argument(&event.arguments, "addr");
    let path = peer.and_then(|peer| peer.split_once("'sun_path': '")?.1.split('\'').next());
    let descriptors = ["fd", "oldfd", "sockfd"];
    let descriptor = descriptors
        .iter()
        .find_map(|name| argument(&event.arguments, name));
    let what = match (what, path) {
        (Some(text), _) => text.trim_matches('\''),
        (None, Some(path)) => path,
        (None, None) => descriptor.unwrap_or_default(),
    };
    let what = what.to_owned();
    (event.thread, name, what, event.returned)
}
