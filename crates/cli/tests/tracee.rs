//! What commands print about Tracee's events: how many of them are mapped to events of BETH. Streams of its structured form are
//! watched.

mod common;

use std::fmt::Write as _;

use common::schema::valid_answer;
use common::{Folder, events};
use serde_json::Value;

const OF_2021: &str = include_str!("../../honeyguide/tests/library/fixtures/tracee/v0.5.ndjson");
const OF_TODAY: &str = include_str!("../../honeyguide/tests/library/fixtures/tracee/v0.20.ndjson");

#[test]
fn counts_of_mapped_events_are_printed() {
    let folder = Folder::with(&[("old.ndjson", OF_2021), ("new.ndjson", OF_TODAY)]);
    folder.write("train.csv", events(500));
    folder.train_small("train.csv");
    for (data, says) in [
        (
            "old.ndjson",
            "3 mapped to BETH's by name, 0 as cousins of theirs, 1 unknown",
        ),
        (
            "new.ndjson",
            "2 mapped to BETH's by name, 2 as cousins of theirs, 1 unknown",
        ),
    ] {
        let run = folder.done(&["score", "model.json", data]);
        assert!(run.stderr.contains(says), "{}", run.stderr);
        // The format may be named where the file's name does not tell it.
        folder.write("events.log", folder.read(data));
        let named = ["score", "model.json", "events.log", "--format", "tracee"];
        assert_eq!(folder.done(&named).stderr, run.stderr);
    }
}

/// Returns an event of the structured form at `second`.
fn structured(second: usize, (process, user, call, path): (&str, u32, &str, &str)) -> String {
    let pid = match process {
        "cron" => 401,
        "sshd" => 402,
        "nginx" => 403,
        _ => 404,
    };
    let (minutes, seconds) = (second / 60, second % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!(
        "{{\"timestamp\":\"2026-10-01T{hours:02}:{minutes:02}:{seconds:02}Z\",\"id\":1,\"name\":\"{call}\",\"workload\":{{\"process\":{{\
         \"host_pid\":{pid},\"pid\":{pid},\"real_user\":{{\"id\":{user}}},\"thread\":{{\"name\":\"{process}\",\"host_tid\":{pid},\"tid\":{pid},\
         \"syscall\":\"{call}\"}},\"ancestors\":[{{\"host_pid\":1,\"pid\":1}}]}}}},\"data\":[{{\"name\":\"pathname\",\"str\":\"{path}\"}},\
         {{\"name\":\"returnValue\",\"int64\":\"{}\"}}]}}",
        second % 2,
    )
}

/// Returns what usually goes on at `second`: mostly the same, and rare events too.
fn usual(second: usize) -> (&'static str, u32, &'static str, &'static str) {
    match second {
        _ if second.is_multiple_of(97) => ("sshd", 0, "openat", "/etc/shadow"),
        _ if second.is_multiple_of(131) => ("cron", 0, "execve", "/usr/bin/run-parts"),
        _ => USUAL[second % USUAL.len()],
    }
}

/// What goes on all the time.
const USUAL: [(&str, u32, &str, &str); 4] = [
    ("cron", 0, "openat", "/etc/crontab"),
    ("cron", 0, "close", ""),
    ("sshd", 0, "openat", "/etc/passwd"),
    ("nginx", 33, "openat", "/var/www/index.html"),
];

#[test]
fn a_stream_of_the_structured_form_is_watched_without_namespaces() {
    let folder = Folder::new();
    let mut train = String::new();
    let mut stream = String::new();
    for second in 0..4000 {
        let _ = writeln!(train, "{}", structured(second, usual(second)));
        let event = match second {
            2000..2006 => ("xmrig", 1001, "connect", "/tmp/.x/config"),
            _ => usual(second),
        };
        let _ = writeln!(stream, "{}", structured(second, event));
    }
    folder.write("train.ndjson", train);
    folder.write("stream.ndjson", &stream);
    let trained = folder.done(&[
        "train",
        "train.ndjson",
        "--trees",
        "50",
        "--contamination",
        "0.03",
        "--out",
        "model.json",
    ]);
    assert!(
        trained.stderr.contains("namespace_for_process"),
        "{}",
        trained.stderr
    );
    let args = [
        "watch",
        "model.json",
        "-",
        "--host-name",
        "web-1",
        "--alerts",
        "alerts.jsonl",
        "--json",
    ];
    let mut command = assert_cmd::Command::from_std(folder.command(&args));
    let output = command.write_stdin(stream).output().expect("a watch");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = valid_answer(&String::from_utf8(output.stdout).expect("text"));
    assert_eq!(answer["ledger"]["scored"], 4000);
    // As the batch command has it, and only what is unusual.
    let found = folder.done(&["incidents", "model.json", "stream.ndjson", "--json"]);
    let found = valid_answer(&found.stdout);
    assert_eq!(answer["anomalous"], found["anomalous"]);
    let anomalous = answer["anomalous"].as_u64().expect("a number");
    assert!(
        (6..200).contains(&anomalous),
        "{anomalous} of 4,000 events {} {}",
        trained.stdout,
        structured(97, usual(97))
    );
    let alerts = String::from_utf8(folder.read("alerts.jsonl")).expect("text");
    let alerts = alerts
        .lines()
        .map(|line| serde_json::from_str(line).expect("an alert"));
    let alerts: Vec<Value> = alerts.collect();
    let mining = |alert: &&Value| {
        alert["incident"]["new_programs"]["most"][0]["name"] == "xmrig" && alert["kind"] == "closed"
    };
    let mining = alerts.iter().find(mining).expect("the incident");
    assert_eq!(mining["incident"]["host"], "web-1");
    assert_eq!(mining["incident"]["events"], 6);
    // A model that was trained with namespaces would flag everything, so it is refused.
    folder.write("beth.csv", events(500));
    folder.train_small("beth.csv");
    let refused = ["watch", "model.json", "stream.ndjson"];
    folder.refused(&refused, 2, &["mountNamespace"]);
}
