//! What commands print about the lines of JSON that they read, and the formats of standard input and output.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;

use common::{Folder, events_as_json, json_with_late_keys, without_files};

/// A number of events that makes the engine read a file in two pieces.
const MANY: usize = 45_000;

#[test]
fn json_keys_that_first_occur_late_are_named() {
    let folder = Folder::with(&[
        ("late.ndjson", json_with_late_keys(MANY, 1000)),
        ("good.ndjson", json_with_late_keys(MANY, 999)),
    ]);
    let calls: [&[&str]; 4] = [
        &["inspect", "late.ndjson"],
        &[
            "train",
            "late.ndjson",
            "--recipe",
            "raw",
            "--exclude",
            "early",
            "--out",
            "m.json",
        ],
        &["sql", "SELECT count(a) FROM events", "late.ndjson"],
        &["sample", "late.ndjson", "--rows", "9", "--out", "s.csv"],
    ];
    for call in calls {
        let run = folder.done(call);
        assert!(
            run.stderr.contains("note: 2 keys of JSON") && run.stderr.contains(": late, later\n"),
            "{call:?}: {}",
            run.stderr
        );
    }
    let run = folder.done(&["inspect", "good.ndjson"]);
    assert!(run.stderr.contains("note: 1 key of JSON") && run.stderr.contains(": later\n"));
    assert!(run.stdout.contains("late") && run.stdout.contains("early"));
}

#[test]
fn bad_lines_are_shown_or_refused() {
    let folder = Folder::new();
    let good = events_as_json(MANY);
    let mut lines: Vec<&str> = good.lines().collect();
    for at in [100, 40_000, 44_000, 44_500] {
        lines.insert(at, "nonsense");
    }
    folder.write("a.ndjson", lines.join("\n"));
    let train = "train a.ndjson --recipe beth-paper --trees 5 --out m.json";
    let train: Vec<&str> = train.split(' ').collect();
    let run = folder.done(&train);
    for says in [
        "4 of 45,004 lines",
        "a.ndjson: line 101: ",
        "a.ndjson: line 40001: ",
    ] {
        assert!(run.stderr.contains(says), "no `{says}` in {}", run.stderr);
    }
    let strict = [&train[..], &["--strict"]].concat();
    folder.refused(&strict, 1, &["a.ndjson: line "]);
}

#[test]
fn formats_that_do_not_exist_are_refused() {
    let folder = Folder::with(&[("a.json", "{\"a\":1}\n")]);
    let train = ["train", "a.json", "--format", "xml", "--out", "m.json"];
    folder.refused(
        &train,
        2,
        &["csv, ndjson, tracee, eve, zeek, parquet or arrow"],
    );
}

#[test]
fn conditions_may_name_the_folders_of_partitions() {
    let folder = Folder::new();
    let mut text = "processId,userId,eventName\n".to_owned();
    for (host, user) in [("a", 0), ("b%20c", 7)] {
        let name = format!("lake/hostName={host}");
        std::fs::create_dir_all(folder.path(&name)).unwrap();
        let _ = writeln!(text, "1,{user},open");
        folder.write(&format!("{name}/part.csv"), &text);
    }
    let train = [
        "train", "lake", "--recipe", "raw", "--trees", "5", "--out", "m.json",
    ];
    folder.done(&train);
    let explain = ["explain", "m.json", "lake", "--where", "hostName = 'b c'"];
    let run = folder.done(&[&explain[..], &["--json"]].concat());
    for says in ["\"b c\"", "\"selected\": 2"] {
        assert!(run.stdout.contains(says), "{}", run.stdout);
    }
}

#[test]
fn pipes_are_read_and_written_like_files() {
    use std::process::Stdio;
    let folder = Folder::with_model(3000);
    folder.done(&["score", "model.json", "good.csv", "--out", "scored.csv"]);
    folder.write("good.ndjson", events_as_json(3000));
    folder.write("good.csv.gz", {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&folder.read("good.csv")).unwrap();
        encoder.finish().unwrap()
    });
    folder.done(&["score", "model.json", "good.csv", "--out", "scored.parquet"]);
    let piped = |input: &str, args: &[&str]| {
        let mut command = folder.command(args);
        command.stdin(std::fs::File::open(folder.path(input)).unwrap());
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    for input in ["good.csv", "good.csv.gz"] {
        let (out, said) = piped(input, &["score", "model.json", "-", "--out", "-"]);
        let scored = folder.read("scored.csv");
        assert_eq!(without_files(&out), without_files(&scored), "{input}");
        assert!(
            said.contains("events are anomalous") && said.contains("written to -"),
            "{said}"
        );
    }
    let train = [
        "train",
        "-",
        "--recipe",
        "beth-paper",
        "--trees",
        "5",
        "--contamination",
        "auto",
        "--out",
        "-",
        "--quiet",
    ];
    for input in ["good.csv", "good.ndjson", "scored.parquet"] {
        assert!(
            piped(input, &train).0 == folder.read("model.json"),
            "{input}"
        );
    }
    let (json, _) = piped(
        "good.ndjson",
        &[
            "score",
            "model.json",
            "-",
            "--format",
            "ndjson",
            "--out",
            "-",
        ],
    );
    folder.write("back.ndjson", json);
    let columns = folder.done(&[
        "explain",
        "model.json",
        "back.ndjson",
        "--row",
        "3000",
        "--json",
    ]);
    assert!(
        columns.stdout.contains("\"anomalous\""),
        "{}",
        columns.stdout
    );
    let empty = ["train", "-", "--out", "m.json"];
    folder.write("empty.csv", "");
    let mut command = folder.command(&empty);
    let output = command
        .stdin(std::fs::File::open(folder.path("empty.csv")).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("-: the file is empty"),
        "{said}"
    );
}
