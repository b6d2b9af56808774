//! Tracee's JSON in the formats of 2021 and of today, which is read with the columns of BETH.

mod common;

use common::{Folder, HEADER, events};
use serde_json::Value;

const OF_2021: &str = include_str!("fixtures/tracee/v0.5.ndjson");
const OF_TODAY: &str = include_str!("fixtures/tracee/v0.20.ndjson");

/// Creates a folder with events in both formats and a model.
fn folder() -> Folder {
    let folder = Folder::with(&[("old.ndjson", OF_2021), ("new.ndjson", OF_TODAY)]);
    folder.write("train.csv", events(500));
    folder.train_small("train.csv");
    folder
}

/// Scores `data` and returns the events as they are written.
fn scored(folder: &Folder, data: &str) -> Vec<Value> {
    folder.done(&["score", "model.json", data, "--out", "scored.ndjson"]);
    let text = String::from_utf8(folder.read("scored.ndjson")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_format_of_2021_has_the_columns_of_beth() {
    let folder = folder();
    let table = format!(
        "{}\n\
         1208.530216,411,411,1,0,4026531840,cron,lab-1,257,openat,\"[140021, 93817]\",4,5,\"[{{'name': 'dirfd', 'type': 'int', 'value': -100}}, {{'name': 'pathname', 'type': 'const char*', 'value': '/etc/crontab'}}, {{'name': 'flags', 'type': 'int', 'value': 'O_RDONLY'}}, {{'name': 'mode', 'type': 'mode_t', 'value': 0}}]\"\n\
         1208.530377,411,411,1,0,4026531840,cron,lab-1,1005,security_file_open,[],4,0,\"[{{'name': 'pathname', 'type': 'const char*', 'value': '/etc/crontab'}}, {{'name': 'flags', 'type': 'int', 'value': 'O_RDONLY|O_LARGEFILE'}}, {{'name': 'dev', 'type': 'dev_t', 'value': 66305}}, {{'name': 'inode', 'type': 'unsigned long', 'value': 8312}}]\"\n\
         1208.530491,411,411,1,0,4026531840,cron,lab-1,3,close,[],1,0,\"[{{'name': 'fd', 'type': 'int', 'value': 5}}]\"\n\
         1209,502,502,411,1000,4026531840,sh,lab-1,1013,vfs_write,[],5,12,[]\n",
        HEADER.trim_end_matches(",sus,evil"),
    );
    folder.write("beth.csv", table);
    for extension in ["ndjson", "parquet"] {
        let out = format!("out.{extension}");
        folder.done(&["score", "model.json", "old.ndjson", "--out", &out]);
        let of_tracee = scored(&folder, "old.ndjson");
        let mut of_beth = scored(&folder, "beth.csv");
        // The values of a CSV table are written as they were read, so numbers may be strings here.
        for event in &mut of_beth {
            for column in ["timestamp", "processId", "threadId"] {
                if let Some(text) = event[column].as_str() {
                    event[column] = serde_json::from_str(text).unwrap();
                }
            }
        }
        for (left, right) in of_tracee.iter().zip(&of_beth) {
            for column in HEADER
                .trim_end_matches(",sus,evil")
                .split(',')
                .chain(["score"])
            {
                let [left, right] = [left, right].map(|event| match &event[column] {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.as_f64().unwrap().to_string(),
                    other => other.to_string(),
                });
                assert_eq!(left, right, "{column}");
            }
        }
        assert_eq!(of_tracee.len(), of_beth.len());
    }
}

#[test]
fn the_format_of_today_has_the_names_numbers_and_units_of_beth() {
    let folder = folder();
    let events = scored(&folder, "new.ndjson");
    let columns = |event: &Value| {
        ["eventName", "eventId", "argsNum"].map(|column| match &event[column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let found: Vec<_> = events.iter().map(columns).collect();
    let expected = [
        ["openat", "257", "4"],
        ["security_file_open", "1005", "4"],
        ["fstat", "5", "2"],
        ["stat", "4", "2"],
        ["net_packet_http_response", "102011", "2"],
    ];
    assert_eq!(found, expected);
    let text = |row: usize, column: &str| match &events[row][column] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    assert_eq!(text(0, "timestamp"), "1700000000.25");
    assert_eq!(text(1, "stackAddresses"), "[]");
    assert_eq!(text(1, "matchedPolicies"), r#"["opens", "all"]"#);
    assert_eq!(text(2, "executable"), "/usr/sbin/httpd");
    assert_eq!(text(2, "containerId"), "c0ffee00");
    assert_eq!(
        text(4, "args"),
        "[{'name': 'metadata', 'type': 'trace.PktMeta', 'value': {'src_ip': '10.0.0.2', 'src_port': 80, 'iface': 'any'}}, \
         {'name': 'http_response', 'type': 'trace.ProtoHTTPResponse', 'value': {'status': '200 OK', 'headers': {'Server': [\"it's\"]}, 'content_length': 0}}]"
    );
}

#[test]
fn mapped_events_are_counted() {
    let folder = folder();
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
    }
    let both = ["score", "model.json", "old.ndjson", "new.ndjson"];
    folder.refused(
        &both,
        1,
        &["different columns", "only the second has containerId"],
    );
}

/// A large file gives the same model on one thread and on two, plain and compressed.
#[test]
fn threads_and_compression_make_no_difference() {
    let folder = Folder::new();
    let many = OF_TODAY.repeat(3000);
    folder.write("many.json", &many);
    folder.write(
        "many.json.zst",
        zstd::encode_all(many.as_bytes(), 1).unwrap(),
    );
    folder.write("many.log", &many);
    let train = |data: &[&str]| {
        let options = ["--recipe", "context", "--trees", "5", "--out", "m.json"];
        folder.done(&[&["train"], data, &options].concat());
        folder.read("m.json")
    };
    let expected = train(&["many.json", "--threads", "1"]);
    assert!(train(&["many.json", "--threads", "2"]) == expected);
    assert!(train(&["many.json.zst", "--threads", "2"]) == expected);
    assert!(train(&["many.log", "--format", "tracee", "--threads", "2"]) == expected);
}
