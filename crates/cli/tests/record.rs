//! `record`: what it writes is read by the other commands, and every end leaves whole files or none. `watch --sensor`: it
//! scores what a recording of the same calls holds.
//!
//! These tests need root and a kernel with BTF. Where they cannot run, each says so in one line.
#![cfg(all(target_os = "linux", target_arch = "x86_64", feature = "sensor"))]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::schema::valid_answer;
use common::{Folder, Run, signal, wait_for_end};
use serde_json::Value;

/// The time within which a recording begins and work ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program in a mount namespace of its own, which waits until it is told to begin.
struct Work {
    child: Child,
    namespace: String,
}

impl Work {
    fn new(script: &str) -> Self {
        let child = Command::new("unshare")
            .args([
                "--mount",
                "sh",
                "-c",
                "read go; sh -c \"$1\"; read stay",
                "sh",
                script,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare is there");
        let namespace = namespace_of_its_own(&child);
        Self { child, namespace }
    }

    fn begin(&mut self) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(b"go\n").expect("the program waits");
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Waits until a process has a mount namespace of its own, and returns that.
fn namespace_of_its_own(child: &Child) -> String {
    let own = namespace("self");
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let other = namespace(&child.id().to_string());
        if other != own && !other.is_empty() {
            return other;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("unshare made no mount namespace");
}

fn namespace(process: &str) -> String {
    let link = std::fs::read_link(format!("/proc/{process}/ns/mnt")).unwrap_or_default();
    link.to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect()
}

/// Returns whether the sensor can be loaded here, and says why not.
fn can_record() -> bool {
    let has_btf = std::path::Path::new("/sys/kernel/btf/vmlinux").exists();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    // CAP_SYS_ADMIN.
    let is_root = bits.is_some_and(|bits| bits & 1 << 21 != 0);
    if !(has_btf && is_root) {
        eprintln!("not tested: the sensor needs root and a kernel with BTF");
    }
    has_btf && is_root
}

/// Starts a recording of `work` and lets that begin as soon as the sensor runs. Returns the recording.
fn record(folder: &Folder, work: &mut Work, args: &[&str]) -> Child {
    let mut all = vec!["record", "--json", "--mount-namespace", &work.namespace];
    all.extend(args);
    let mut command = folder.command(&all);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("the command starts");
    let since = Instant::now();
    // The recording gives up its capabilities after the sensor runs, and then creates its file.
    while folder
        .names()
        .iter()
        .all(|name| !name.contains(".partial") && name != "calls")
    {
        assert!(since.elapsed() < PATIENCE, "no recording began");
        std::thread::sleep(Duration::from_millis(10));
    }
    work.begin();
    child
}

/// Ends a recording when `folder` would hold the work's events, and returns its answer.
fn end(child: Child, name: &str) -> (Run, Value) {
    std::thread::sleep(Duration::from_secs(3));
    signal(&child, name);
    let run = wait_for_end(child);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let answer = valid_answer(&run.stdout);
    (run, answer)
}

#[test]
fn a_recording_is_read_by_the_other_commands() {
    if !can_record() {
        return;
    }
    for name in ["r.parquet", "r.ndjson", "r.csv"] {
        let folder = Folder::new();
        let mut work = Work::new("for i in 1 2 3 4 5; do ls /etc; cat /etc/hostname; done");
        let (run, answer) = end(record(&folder, &mut work, &["--out", name]), "TERM");
        assert!(run.stderr.contains("0 were lost"), "{}", run.stderr);
        let rows = answer["files"][0]["rows"].as_u64().unwrap();
        assert!(rows > 100, "{rows}");
        assert_eq!(answer["emitted"], answer["read"]);
        assert_eq!(answer["emitted"].as_u64(), Some(rows));
        let described = folder.done(&["inspect", name, "--verbose"]);
        assert!(
            described.stderr.contains("a log of kernel calls"),
            "{}",
            described.stderr
        );
        folder.done(&[
            "train",
            name,
            "--contamination",
            "auto",
            "--trees",
            "5",
            "--out",
            "m.json",
        ]);
        let scored = folder.done(&["score", "m.json", name, "--json"]);
        assert_eq!(
            valid_answer(&scored.stdout)["events"].as_u64(),
            Some(rows),
            "{}",
            scored.stdout
        );
        let query = "SELECT count(*) AS n FROM events WHERE \"eventName\" = 'execve' AND arg(args, 'pathname') = '/bin/ls' \
                     OR \"executable\" LIKE '%/ls' AND \"syscall\" = 'execve'";
        let answer = folder.done(&["sql", query, name, "--json"]);
        assert!(answer.stdout.contains("5"), "{}", answer.stdout);
    }
}

/// A recording beside the watch is the witness: both see the same calls, and the batch command scores the recording.
#[test]
fn a_watch_scores_the_calls_of_the_sensor() {
    if !can_record() {
        return;
    }
    let folder = Folder::new();
    let usual = "for i in 1 2 3 4 5 6 7 8; do ls /etc; cat /etc/hostname; done";
    let mut work = Work::new(usual);
    end(
        record(&folder, &mut work, &["--out", "usual.parquet"]),
        "TERM",
    );
    let train = ["train", "usual.parquet", "--contamination", "0.01"];
    folder.done(&[&train[..], &["--trees", "20", "--out", "m.json"]].concat());

    let done = folder.path("done");
    let script = format!("{usual}; head -c 3 /etc/passwd; touch {}", done.display());
    let mut work = Work::new(&script);
    let watch = folder
        .command(&[
            "watch",
            "m.json",
            "--sensor",
            "--mount-namespace",
            &work.namespace,
            "--alerts",
            "alerts.jsonl",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut watch = watch.expect("the command starts");
    let mut stderr = BufReader::new(watch.stderr.take().expect("a pipe"));
    let mut note = String::new();
    stderr.read_line(&mut note).expect("a note");
    assert!(note.contains("not recorded here"), "{note}");
    watch.stderr = Some(stderr.into_inner());
    let recording = record(&folder, &mut work, &["--out", "r.ndjson"]);
    let since = Instant::now();
    while !done.exists() {
        assert!(since.elapsed() < PATIENCE, "the work goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (_, recorded) = end(recording, "TERM");
    signal(&watch, "TERM");
    let run = wait_for_end(watch);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let watched = valid_answer(&run.stdout);
    let ledger = &watched["ledger"];
    assert_eq!(ledger["dropped"]["lost"], 0, "{ledger}");
    assert_eq!(ledger["scored"], recorded["emitted"], "{ledger}");
    assert_eq!(ledger["received"], ledger["scored"], "{ledger}");
    assert_eq!(watched["inputs"][0]["name"], "sensor");
    let scored = folder.done(&["score", "m.json", "r.ndjson", "--json"]);
    let scored = valid_answer(&scored.stdout);
    assert!(scored["anomalous"].as_u64() > Some(0), "{scored}");
    assert_eq!(watched["anomalous"], scored["anomalous"]);
    let alerts = String::from_utf8(folder.read("alerts.jsonl")).expect("text");
    assert!(alerts.contains("head"), "{alerts}");
}

#[test]
fn a_folder_holds_files_of_the_asked_size() {
    if !can_record() {
        return;
    }
    let folder = Folder::new();
    let script = "python3 -I -S -c \"import os\nfor _ in range(20000):\n  try: os.close(12345)\n  except OSError: pass\n\"";
    let mut work = Work::new(script);
    let recording = record(&folder, &mut work, &["--out", "calls", "--rotate", "1M"]);
    let (_, answer) = end(recording, "INT");
    let files = answer["files"].as_array().unwrap();
    assert!(files.len() >= 3, "{answer}");
    let rows: u64 = files
        .iter()
        .map(|file| file["rows"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(rows), answer["emitted"].as_u64());
    let counted = folder.done(&["sql", "SELECT count(*) FROM events", "calls"]);
    assert!(
        counted.stdout.contains(&rows.to_string()),
        "{}",
        counted.stdout
    );
}

#[test]
fn a_full_disk_is_one_error_and_leaves_nothing_half_written() {
    if !can_record() {
        return;
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.path("disk")).unwrap();
    let script = "python3 -I -S -c \"import os\nfor _ in range(20000):\n  try: os.close(12345)\n  except OSError: pass\n\"";
    let mut work = Work::new(script);
    let record = folder.command(&[
        "record",
        "--out",
        "disk/r.csv",
        "--seconds",
        "60",
        "--mount-namespace",
        &work.namespace,
    ]);
    let mount = "mount -t tmpfs -o size=512k none disk && shift && \"$@\"; status=$?; ls -A disk; exit $status";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount, "sh", "-"])
        .arg(record.get_program())
        .args(record.get_args())
        .current_dir(folder.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The recording has no file outside of its namespace that would show that it runs.
    std::thread::sleep(Duration::from_secs(8));
    work.begin();
    let run = wait_for_end(child);
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("No space left"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn calls_that_cannot_work_are_refused() {
    let folder = Folder::new();
    folder.refused(
        &["record", "--out", "r.csv", "--rotate", "64M"],
        2,
        &["--rotate", "folder"],
    );
    folder.refused(
        &["record", "--out", "calls", "--rotate", "64"],
        2,
        &["at least 1M"],
    );
    folder.refused(
        &["record", "--out", "s3://bucket/calls"],
        2,
        &["on this host"],
    );
    folder.refused(
        &["watch", "m.json", "a.csv", "--user", "0"],
        2,
        &["--sensor", "filters"],
    );
    if !can_record() {
        return;
    }
    folder.refused(
        &["record", "--out", "r.csv", "--cgroup", "/none/such"],
        1,
        &["no cgroup"],
    );
    folder.refused(
        &["record", "--out", "r.csv", "--container", "abcdef"],
        1,
        &["no running container"],
    );
    let program = folder.command(&[]).get_program().to_owned();
    let output = Command::new("setpriv")
        .args([
            "--bounding-set",
            "-bpf,-perfmon,-sys_admin",
            "--inh-caps",
            "-all",
        ])
        .arg(program)
        .args(["record", "--out", "r.csv"])
        .current_dir(folder.path(""))
        .output()
        .expect("setpriv is there");
    let run = Run::from_output(output);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("CAP_BPF") && run.stderr.contains("CAP_PERFMON"),
        "{}",
        run.stderr
    );
    assert_eq!(folder.names(), Vec::<String>::new());
}
