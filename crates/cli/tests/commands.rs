//! Runs that are cut short: by the reader of the output, by a full disk, or by a signal.

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, Run, events, wait_for_end};

/// Creates a folder with events and a small model of them.
fn folder() -> Folder {
    Folder::with_model(300)
}

#[test]
fn a_closed_pipe_ends_a_run_without_an_error() {
    let folder = folder();
    for args in [
        &["recipes"][..],
        &["score", "model.json", "good.csv"],
        &["evaluate", "model.json", "good.csv", "--json"],
        &["train", "good.csv", "--out", "again.json", "--quiet"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = folder
            .command(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output();
        let run = Run::from_output(output.expect("the command starts"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let folder = folder();
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    for args in [
        &["recipes"][..],
        &["score", "model.json", "good.csv"],
        &["recipes", "raw", "--json"],
    ] {
        let output = folder
            .command(args)
            .stdout(full())
            .stderr(Stdio::piped())
            .output();
        let run = Run::from_output(output.expect("the command starts"));
        assert_eq!(run.status, 1, "{args:?}");
        assert!(
            run.stderr.contains("No space left") && run.stderr.contains("help:"),
            "{args:?}: {}",
            run.stderr
        );
    }
}

/// A limit on the size of files stands in for a disk that fills up during the work.
#[test]
fn a_disk_that_fills_up_leaves_no_partial_file() {
    let folder = folder();
    folder.write("many.csv", events(40_000));
    folder.write("old.csv", "kept\n");
    let limited = |args: &str| {
        let program = assert_cmd::cargo::cargo_bin!("honeyguide")
            .display()
            .to_string();
        let script = format!("trap '' XFSZ; ulimit -f 64; exec '{program}' {args}");
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path("."))
            .output();
        Run::from_output(output.expect("bash"))
    };
    let before = folder.names();
    for args in [
        "score model.json many.csv --out old.csv",
        "score model.json many.csv --out s.parquet",
        "simulate --out . --events 20000",
        "train many.csv --out m.json --recipe beth-timestamp --trees 300",
    ] {
        let run = limited(args);
        assert_eq!(run.status, 1, "{args}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stderr.to_lowercase().contains("file too large"),
            "{args}: {}",
            run.stderr
        );
        assert_eq!(folder.names(), before, "{args}");
    }
    assert_eq!(folder.read("old.csv"), b"kept\n");
}

/// Starts a command, sends it a signal once `begun` returns true, and returns its outcome.
fn interrupt(folder: &Folder, signal: &str, args: &[&str], begun: impl Fn() -> bool) -> Run {
    let mut command = folder.command(args);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let started = Instant::now();
    while !begun() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    common::signal(&child, signal);
    wait_for_end(child)
}

#[test]
fn termination_signals_leave_no_file_behind() {
    let folder = folder();
    let rows = 150_000;
    folder.write("many.csv", events(rows));
    std::fs::create_dir(folder.path("out")).expect("a new folder");
    let out = || {
        std::fs::read_dir(folder.path("out"))
            .expect("the folder")
            .count()
    };
    let to_csv = ["score", "model.json", "many.csv", "--out", "out/s.csv"];
    for (signal, status, args) in [
        (
            "INT",
            130,
            &["simulate", "--out", "out", "--events", "5000000"][..],
        ),
        ("INT", 130, &to_csv),
        ("TERM", 143, &to_csv),
        (
            "INT",
            130,
            &["score", "model.json", "many.csv", "--out", "out/s.parquet"],
        ),
    ] {
        let run = interrupt(&folder, signal, args, || out() > 0);
        assert_eq!(run.status, status, "{args:?}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stderr.contains("interrupted"),
            "{args:?}: {}",
            run.stderr
        );
        assert_eq!(out(), 0, "{args:?} left a file");
    }
    let started = Instant::now();
    let train = [
        "train",
        "many.csv",
        "--recipe",
        "raw",
        "--trees",
        "5000",
        "--out",
        "out/m.json",
    ];
    let run = interrupt(&folder, "INT", &train, || {
        started.elapsed() > Duration::from_millis(150)
    });
    assert_eq!((run.status, out()), (130, 0), "{}", run.stderr);
}

/// A command cannot know whether more data will come from a silent pipe, so it must not wait for it.
#[test]
fn a_silent_pipe_does_not_delay_a_termination_signal() {
    let folder = folder();
    std::fs::create_dir(folder.path("copies")).expect("a new folder");
    let copies = || {
        std::fs::read_dir(folder.path("copies"))
            .expect("the folder")
            .count()
    };
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let mut command = folder.command(&["inspect", "-", "--threads", "1"]);
        let mut child = command
            .env("TMPDIR", folder.path("copies"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let pipe = child.stdin.take();
        while copies() == 0 {
            assert!(child.try_wait().expect("a child").is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = Instant::now();
        common::signal(&child, name);
        let run = wait_for_end(child);
        assert_eq!((run.status, copies()), (status, 0), "{}", run.stderr);
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(4), "{took:?}");
        drop(pipe);
    }
}

/// Runs a command and returns its peak memory in KiB, as Linux reports it.
fn peak_memory(folder: &Folder, args: &[&str]) -> u64 {
    let mut child = folder
        .command(args)
        .stdout(Stdio::null())
        .spawn()
        .expect("the command starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kibibytes.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(
        child.wait().expect("a child").success() && peak > 0,
        "{args:?}"
    );
    peak
}

#[test]
fn a_longer_file_needs_no_more_memory() {
    let folder = folder();
    folder.write("short.csv", events(50_000));
    folder.write("long.csv", events(400_000));
    for recipe in ["beth-paper", "context"] {
        let train = |data| {
            let args = [
                "train",
                data,
                "--recipe",
                recipe,
                "--out",
                "m.json",
                "--threads",
                "2",
                "--quiet",
            ];
            peak_memory(&folder, &args)
        };
        let (short, long) = (train("short.csv"), train("long.csv"));
        assert!(
            long < short + (24 << 10),
            "{recipe}: {short} KiB, then {long} KiB"
        );
    }
}
