//! The same events give the same results in every format.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;

use common::{Folder, events};

/// Trains a model of `data` and returns the model file.
fn model(folder: &Folder, data: &[&str]) -> Vec<u8> {
    let options = [
        "--recipe",
        "beth-paper",
        "--trees",
        "5",
        "--out",
        "of-data.json",
    ];
    folder.done(&[&["train"], data, &options].concat());
    folder.read("of-data.json")
}

/// Returns `count` events with the columns of BETH as newline-delimited JSON.
fn as_json(count: usize) -> String {
    (0..count)
        .map(|index| {
            let rare = usize::from(index % 97 == 96);
            let user = if rare == 1 { 1001 } else { 0 };
            format!(
                "{{\"timestamp\":{index}.25,\"processId\":{},\"threadId\":{},\"parentProcessId\":{},\"userId\":{user},\"mountNamespace\":4026531840,\
                 \"processName\":\"cron\",\"hostName\":\"host-1\",\"eventId\":{},\"eventName\":\"openat\",\"stackAddresses\":\"[1, 2]\",\"argsNum\":{},\
                 \"returnValue\":{},\"args\":\"[{{'name': 'fd', 'value': {index}}}]\",\"sus\":{rare},\"evil\":{rare}}}\n",
                index % 7,
                index % 7,
                index % 5,
                index % 11,
                index % 4,
                index as i64 % 3 - 1,
            )
        })
        .collect()
}

/// A number of events that makes the engine read a file in two pieces.
const MANY: usize = 45_000;

#[test]
fn every_format_gives_the_same_model() {
    let folder = Folder::with(&[("a.csv", events(MANY)), ("a.ndjson", as_json(MANY))]);
    let expected = model(&folder, &["a.csv"]);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(as_json(MANY).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    folder.write("b.jsonl.gz", gzip);
    folder.write(
        "b.json.zst",
        zstd::encode_all(as_json(MANY).as_bytes(), 1).unwrap(),
    );
    folder.write(
        "b.log",
        zstd::encode_all(as_json(MANY).as_bytes(), 1).unwrap(),
    );
    for threads in ["1", "2"] {
        for data in ["a.ndjson", "b.jsonl.gz", "b.json.zst"] {
            assert!(
                model(&folder, &[data, "--threads", threads]) == expected,
                "{data}"
            );
        }
        let named = ["b.log", "--format", "ndjson", "--threads", threads];
        assert!(model(&folder, &named) == expected);
    }
}

#[test]
fn every_written_format_can_be_read_again() {
    let folder = Folder::with_model(MANY);
    let expected = model(&folder, &["good.csv"]);
    for out in ["s.arrow", "s.ndjson", "s.parquet", "s.csv"] {
        folder.done(&["score", "model.json", "good.csv", "--out", out]);
        for threads in ["1", "2"] {
            let again = model(&folder, &[out, "--threads", threads]);
            assert!(again == expected, "{out} on {threads} threads");
        }
        let first = |data: &str| {
            let run = folder.done(&["explain", "model.json", data, "--row", "44999", "--json"]);
            let value: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            value["event"][6].clone()
        };
        assert_eq!(first(out), first("good.csv"), "{out}");
    }
}

#[test]
fn folder_names_of_partitions_are_columns() {
    let folder = Folder::new();
    let header = "processId,userId,eventName";
    for (host, day, user) in [("a", 1, 0), ("a", 2, 7), ("b%20c", 1, 7)] {
        let name = format!("lake/hostName={host}/day={day}");
        std::fs::create_dir_all(folder.path(&name)).unwrap();
        folder.write(
            &format!("{name}/part.csv"),
            format!("{header}\n1,{user},open\n2,{user},open\n"),
        );
    }
    folder.write(
        "plain.csv",
        format!("{header},hostName,day\n1,0,open,a,1\n2,0,open,a,1\n1,7,open,a,2\n2,7,open,a,2\n1,7,open,b c,1\n2,7,open,b c,1\n"),
    );
    let raw = |data: &str| {
        folder.done(&[
            "train", data, "--recipe", "raw", "--trees", "5", "--out", "m.json",
        ]);
        folder.read("m.json")
    };
    assert!(raw("lake") == raw("plain.csv"));
    assert!(raw("lake/*/*/*.csv") == raw("plain.csv"));
    let run = folder.done(&[
        "explain",
        "m.json",
        "lake",
        "--where",
        "hostName = 'b c'",
        "--json",
    ]);
    assert!(
        run.stdout.contains("\"b c\"") && run.stdout.contains("\"selected\": 2"),
        "{}",
        run.stdout
    );
    folder.write("lake/extra.csv", format!("{header}\n1,1,open\n"));
    let train = ["train", "lake", "--recipe", "raw", "--out", "n.json"];
    folder.refused(&train, 1, &["different columns", "hostName"]);
}

#[test]
fn json_keys_that_first_occur_late_are_named() {
    let text = |late: usize| {
        let mut text = String::new();
        for index in 0..MANY {
            let more = match index {
                5 => ",\"early\":1",
                index if index == late => ",\"late\":{\"inner\":1}",
                index if index == MANY - 1 => ",\"later\":null",
                _ => "",
            };
            let _ = writeln!(text, "{{\"a\":{},\"b\":2{more}}}", index % 7);
        }
        text
    };
    let folder = Folder::with(&[("late.ndjson", text(1000)), ("good.ndjson", text(999))]);
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
        for threads in ["1", "2"] {
            let run = folder.done(&[call, &["--threads", threads]].concat());
            assert!(
                run.stderr.contains("note: 2 keys of JSON")
                    && run.stderr.contains(": late, later\n"),
                "{call:?}: {}",
                run.stderr
            );
        }
    }
    let run = folder.done(&["inspect", "good.ndjson"]);
    assert!(run.stderr.contains("note: 1 key of JSON") && run.stderr.contains(": later\n"));
    assert!(run.stdout.contains("late") && run.stdout.contains("early"));
}

#[test]
fn bad_lines_are_skipped_counted_and_shown() {
    let folder = Folder::new();
    let good = as_json(MANY);
    let mut lines: Vec<&str> = good.lines().collect();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(5 << 20));
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let nested = format!("{{\"processId\":{deep}}}");
    for (at, bad) in [
        (100, "{\"timestamp\":1"),
        (40_000, "nonsense"),
        (44_000, &long),
        (44_500, &nested),
    ] {
        lines.insert(at, bad);
    }
    folder.write("a.ndjson", lines.join("\n"));
    folder.write("good.ndjson", &good);
    let expected = model(&folder, &["good.ndjson"]);
    for threads in ["1", "2"] {
        let options = [
            "--recipe",
            "beth-paper",
            "--trees",
            "5",
            "--threads",
            threads,
        ];
        let run = folder.done(&[&["train", "a.ndjson", "--out", "m.json"], &options[..]].concat());
        for says in [
            "4 of 45,004 lines",
            "a.ndjson: line 101: ",
            "a.ndjson: line 40001: ",
            "longer than 4194304 bytes",
        ] {
            assert!(run.stderr.contains(says), "no `{says}` in {}", run.stderr);
        }
        assert!(folder.read("m.json") == expected);
        let strict = [
            &["train", "a.ndjson", "--strict", "--out", "n.json"],
            &options[..],
        ]
        .concat();
        let run = folder.run(&strict);
        assert_eq!(run.status, 1);
        assert!(run.stderr.contains("a.ndjson: line "), "{}", run.stderr);
    }
    folder.write(
        "half.ndjson",
        good.replace("},\n", "}\n")
            .replacen("\"userId\":0", "\"userId\":\"root\"", 9000),
    );
    let train = [
        "train",
        "half.ndjson",
        "--recipe",
        "beth-paper",
        "--out",
        "n.json",
    ];
    folder.refused(
        &train,
        1,
        &[
            "9000 of 45000 lines cannot be read",
            "half.ndjson: line 1: `userId`: expected a whole number",
        ],
    );
}

#[test]
fn files_in_another_format_than_their_names_say_are_refused() {
    let folder = Folder::new();
    for (content, says) in [
        ("", "is empty"),
        ("[{\"a\":1},{\"a\":2}]\n", "jq -c '.[]'"),
        ("{\n \"a\": 1\n}\n", "line 1: not a JSON object"),
        ("a,b\n1,2\n", "line 1: not a JSON object"),
    ] {
        folder.write("a.json", content);
        let train = ["train", "a.json", "--recipe", "raw", "--out", "m.json"];
        folder.refused(&train, 1, &["a.json", says]);
    }
    folder.write("a.arrow", "ARROW1 and then nothing");
    let train = ["train", "a.arrow", "--recipe", "raw", "--out", "m.json"];
    folder.refused(&train, 1, &["a.arrow", "not a readable Arrow IPC file"]);
    let train = ["train", "a.json", "--format", "xml", "--out", "m.json"];
    folder.refused(&train, 2, &["csv, ndjson, tracee, parquet or arrow"]);
}

#[test]
fn a_column_of_whole_numbers_may_continue_with_fractions() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..3000)
        .map(|index| format!("{{\"a\":{}}}", index % 50))
        .collect();
    folder.write("late.ndjson", rows.join("\n") + "\n{\"a\":0.5}\n");
    folder.write(
        "early.ndjson",
        format!("{{\"a\":0.5}}\n{}\n", rows.join("\n")),
    );
    for (file, model) in [("late.ndjson", "late.json"), ("early.ndjson", "early.json")] {
        folder.done(&[
            "train", file, "--recipe", "raw", "--trees", "5", "--out", model,
        ]);
    }
    assert!(folder.read("late.json") == folder.read("early.json"));
}

#[test]
fn pipes_are_read_and_written_like_files() {
    use std::process::Stdio;
    let folder = Folder::with_model(3000);
    folder.done(&["score", "model.json", "good.csv", "--out", "scored.csv"]);
    folder.write("good.ndjson", as_json(3000));
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
        assert!(out == folder.read("scored.csv"), "{input}");
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
