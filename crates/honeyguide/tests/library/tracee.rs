//! Tracee's JSON in the formats of 2021 and of today, which is read with the columns of BETH.

use crate::common::{Folder, HEADER, engine, events, recipe, small_forest, small_model, written};
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::{ErrorKind, Model, ReadOptions, TraceeEvents, train};
use serde_json::Value;

const OF_2021: &str = include_str!("fixtures/tracee/v0.5.ndjson");
const OF_TODAY: &str = include_str!("fixtures/tracee/v0.20.ndjson");

/// Creates a folder with events in both formats, and a model.
async fn folder() -> (Folder, Model) {
    let folder = Folder::with(&[("old.ndjson", OF_2021), ("new.ndjson", OF_TODAY)]);
    folder.write("train.csv", events(500));
    let model = small_model(&mut folder.source(&["train.csv"]), "beth-paper").await;
    (folder, model)
}

/// Writes `data` with scores to a file called `out`.
async fn score(folder: &Folder, model: &Model, data: &str, out: &str) {
    let (mut source, out) = (folder.source(&[data]), folder.path(out));
    let options = ScoreOptions::default();
    let scored = score_to_file(&engine(2), model, &mut source, &out, options).await;
    scored.unwrap_or_else(|error| panic!("{data}: {error}"));
}

/// Scores `data` and returns the events as they are written.
async fn scored(folder: &Folder, model: &Model, data: &str) -> Vec<Value> {
    score(folder, model, data, "scored.ndjson").await;
    let text = String::from_utf8(folder.read("scored.ndjson")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_of_2021_has_the_columns_of_beth() {
    let (folder, model) = folder().await;
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
        score(&folder, &model, "old.ndjson", &out).await;
        let of_tracee = scored(&folder, &model, "old.ndjson").await;
        let mut of_beth = scored(&folder, &model, "beth.csv").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_format_of_today_has_the_names_numbers_and_units_of_beth() {
    let (folder, model) = folder().await;
    let events = scored(&folder, &model, "new.ndjson").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn mapped_events_are_counted() {
    let (folder, model) = folder().await;
    for (data, [mapped, aliased, unknown]) in [("old.ndjson", [3, 0, 1]), ("new.ndjson", [2, 2, 1])]
    {
        let mut source = folder.source(&[data]);
        let found = most_anomalous(&engine(2), &model, &mut source, Listing::top(10)).await;
        let events = mapped + aliased + unknown;
        assert_eq!(found.expect("scores").summary.events, events, "{data}");
        let intake = source.counts().intake.as_ref().expect("lines of JSON");
        let expected = TraceeEvents {
            mapped,
            aliased,
            unknown,
        };
        assert_eq!(intake.tracee, Some(expected), "{data}");
    }
    let both = folder.open(&["old.ndjson", "new.ndjson"], &ReadOptions::default());
    let error = both.expect_err("the columns differ");
    assert_ne!(error.kind(), ErrorKind::Usage);
    for part in ["different columns", "only the second has containerId"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// A large file gives the same model on one thread and on two, plain and compressed.
#[tokio::test(flavor = "multi_thread")]
async fn threads_and_compression_make_no_difference() {
    let many = OF_TODAY.repeat(3000);
    let folder = Folder::with(&[("many.json", &many), ("many.log", &many)]);
    let zstd = zstd::encode_all(many.as_bytes(), 1).unwrap();
    folder.write("many.json.zst", zstd);
    let named = ReadOptions {
        format: Some("tracee".parse().unwrap()),
        ..ReadOptions::default()
    };
    let mut expected = None;
    for (data, options, threads) in [
        ("many.json", &ReadOptions::default(), 1),
        ("many.json", &ReadOptions::default(), 2),
        ("many.json.zst", &ReadOptions::default(), 2),
        ("many.log", &named, 2),
    ] {
        let mut source = folder.open(&[data], options).unwrap();
        let recipe = recipe("context");
        let model = train(&engine(threads), &mut source, &recipe, &small_forest()).await;
        let text = written(&model.unwrap());
        assert!(
            *expected.get_or_insert_with(|| text.clone()) == text,
            "{data} on {threads} threads gives another model"
        );
    }
}
