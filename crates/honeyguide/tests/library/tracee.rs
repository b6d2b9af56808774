//! Tracee's JSON in the formats of 2021 and of today, which is read with the columns of BETH.

use crate::common::{
    Folder, HEADER, answer, engine, events, failed, recipe, small_forest, small_model, written,
};
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::sql::TextFormat;
use honeyguide::{ErrorKind, Model, ReadOptions, Source, TraceeEvents, train};
use serde_json::Value;

const OF_2021: &str = include_str!("fixtures/tracee/v0.5.ndjson");
const OF_TODAY: &str = include_str!("fixtures/tracee/v0.20.ndjson");
const STRUCTURED: &str = include_str!("fixtures/tracee/v1beta1.ndjson");

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

/// Returns the options of a caller who names the format.
fn as_tracee() -> ReadOptions {
    ReadOptions {
        format: Some("tracee".parse().unwrap()),
        ..ReadOptions::default()
    }
}

/// Returns the lines of the answer to a query, without the header.
async fn rows(source: Source, query: &str) -> Vec<String> {
    let text = answer(&engine(2), source, query, TextFormat::Csv).await;
    text.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_format_is_checked() {
    let folder = Folder::with(&[
        ("any.ndjson", "\n{\"a\":1}\n{\"a\":2}\n"),
        (
            "part.ndjson",
            "{\"eventName\":\"openat\",\"timestamp\":1}\n",
        ),
    ]);
    for (name, line, missing) in [
        (
            "any.ndjson",
            "line 2",
            &["`timestamp`", "`processId`", "`eventName`"][..],
        ),
        ("part.ndjson", "line 1", &["no `processId`"]),
    ] {
        let error = failed(folder.open(&[name], &as_tracee()));
        assert_eq!(error.kind(), ErrorKind::Data);
        for part in [name, line, "not an event of Tracee"].iter().chain(missing) {
            assert!(error.message().contains(part), "no `{part}` in {error}");
        }
        assert!(error.hint_text().unwrap().contains("`format`"), "{error}");
    }
    // What is no event of Tracee is read as it is, unless the format is named.
    assert!(folder.source(&["any.ndjson"]).has_column("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_other_kinds_are_left_out_and_counted() {
    let log = "{\"level\":\"info\",\"ts\":1700000000,\"msg\":\"started\"}\n";
    for (events, expected) in [(OF_2021, 4), (OF_TODAY, 5), (STRUCTURED, 4)] {
        let text = events.replacen('\n', &format!("\n{log}"), 3);
        let folder = Folder::with(&[
            ("mixed.ndjson", &text),
            ("mostly.ndjson", &(log.repeat(6) + events)),
        ]);
        let mut source = folder.source(&["mixed.ndjson"]);
        let name = "actors";
        let model = train(&engine(2), &mut source, &recipe(name), &small_forest()).await;
        assert_eq!(model.expect("a model").training().events, expected);
        let intake = source.counts().intake.clone().expect("lines of JSON");
        assert_eq!(
            (intake.events, intake.other_lines, intake.bad_lines),
            (expected, 3, 0)
        );
        let first = &intake.first_other_lines[0];
        assert!(
            first.contains("mixed.ndjson: line 2: not an event of Tracee"),
            "{first}"
        );
        let count = rows(
            folder.source(&["mixed.ndjson"]),
            "SELECT count(*) FROM events",
        )
        .await;
        assert_eq!(count, [expected.to_string()]);
        let strict = ReadOptions {
            strict: true,
            ..ReadOptions::default()
        };
        let mut source = folder.open(&["mixed.ndjson"], &strict).expect("a source");
        let error = failed(train(&engine(2), &mut source, &recipe(name), &small_forest()).await);
        assert!(error.message().contains("line 2"), "{error}");
        let mut source = folder
            .open(&["mostly.ndjson"], &as_tracee())
            .expect("a source");
        let error = failed(train(&engine(2), &mut source, &recipe(name), &small_forest()).await);
        assert!(
            error.message().contains("are not events of Tracee"),
            "{error}"
        );
    }
}

/// By hand: 1,700,000,000.25 seconds are 1,700,000,000,250,000,000 nanoseconds.
#[tokio::test(flavor = "multi_thread")]
async fn times_do_not_depend_on_the_type_of_their_values() {
    let folder = Folder::new();
    let today = OF_TODAY.lines().next().unwrap();
    let nanoseconds = [
        "1700000000250000000",
        "\"1700000000250000000\"",
        "\" 1700000000250000000 \"",
        "1700000000250000000.0",
        "1.70000000025e18",
        "\"1.70000000025e18\"",
    ];
    let lines = nanoseconds.map(|time| today.replacen("1700000000250000000", time, 1) + "\n");
    folder.write("today.ndjson", lines.concat());
    let times = rows(
        folder.source(&["today.ndjson"]),
        "SELECT timestamp FROM events",
    )
    .await;
    assert_eq!(times, ["1700000000.25"; 6]);
    let old = OF_2021.lines().next().unwrap();
    let lines = ["1208.530216", "\"1208.530216\"", "1.208530216e3"]
        .map(|time| old.replacen("1208.530216", time, 1) + "\n");
    folder.write("old.ndjson", lines.concat());
    let times = rows(
        folder.source(&["old.ndjson"]),
        "SELECT timestamp FROM events",
    )
    .await;
    assert_eq!(times, ["1208.530216"; 3]);
}

/// The fixture was written by hand after the fields of Tracee's `api/v1beta1/event_json.go`, and so were the rows.
#[tokio::test(flavor = "multi_thread")]
async fn the_structured_form_has_the_columns_of_beth() {
    let folder = Folder::with(&[("events.ndjson", STRUCTURED)]);
    let columns = "timestamp, eventName, eventId, argsNum, returnValue, processName, processId, threadId, \
                   parentProcessId, userId, hostProcessId, hostThreadId, hostParentProcessId, containerId, syscall, \
                   executable, matchedPolicies, stackAddresses";
    let query = format!("SELECT {columns} FROM events");
    let expected = [
        "1700000000.25,openat,257,4,-2,cron,411,412,1,0,1411,1412,1001,,openat,/usr/sbin/cron,\"[\"\"opens\"\", \"\"all\"\"]\",\"[140021, 18446744073709551615]\"",
        "1700000000.5,fstat,5,2,0,sh,411,411,,1000,1411,1411,,c0ffee00,,,[],[]",
        "1700000001.0,io_uring_enter,426,4,,sh,411,411,,,1411,,,,,,,[]",
        "1700000002.0,sched_process_exit,1010,0,,sh,411,411,,0,1411,,,,,,,[]",
    ];
    assert_eq!(
        rows(folder.source(&["events.ndjson"]), &query).await,
        expected
    );
    let args = rows(folder.source(&["events.ndjson"]), "SELECT args FROM events").await;
    let python = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    assert_eq!(
        args[0],
        python(
            "[{'name': 'dirfd', 'type': 'int32', 'value': -100}, {'name': 'pathname', 'type': 'str', 'value': \"/etc/it's\"}, \
             {'name': 'flags', 'type': 'str', 'value': 'O_RDONLY'}, {'name': 'mode', 'type': 'u_int32', 'value': 0}]"
        )
    );
    assert_eq!(
        args[2],
        python(
            "[{'name': 'argv', 'type': 'str_array', 'value': ['ls', '-l']}, {'name': 'none', 'type': 'str_array', 'value': []}, \
             {'name': 'sizes', 'type': 'u_int64_array', 'value': [1, 18446744073709551615]}, \
             {'name': 'remote', 'type': 'sockaddr', 'value': {'sa_family': 'AF_INET', 'sin_port': 53}}]"
        )
    );
    assert_eq!(args[3], "[]");
    let path = "SELECT arg(args, 'pathname') FROM events LIMIT 1";
    assert_eq!(
        rows(folder.source(&["events.ndjson"]), path).await,
        ["/etc/it's"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_a_form_lacks_flags_nothing() {
    let many = STRUCTURED.repeat(200);
    let folder = Folder::with(&[("new.ndjson", many.as_str()), ("old.ndjson", OF_TODAY)]);
    let mut source = folder.source(&["new.ndjson"]);
    let context = recipe("context");
    let remarks = context.remarks(&source);
    let expected = "the data has no column `mountNamespace`, so the feature `namespace_for_process` is left out";
    assert_eq!(remarks, [expected]);
    let model = train(&engine(2), &mut source, &context, &small_forest())
        .await
        .expect("a model");
    let features = &model.recipe().features;
    assert_eq!(features.len(), context.features.len() - 1);
    assert!(features.iter().all(|feature| !feature.optional));
    let found = most_anomalous(&engine(2), &model, &mut source, Listing::top(1)).await;
    let anomalous = found.expect("scores").summary.anomalous;
    assert!(anomalous < 800, "{anomalous} of 800");
    // A model of events with namespaces cannot judge events without them.
    let model = small_model(&mut folder.source(&["old.ndjson"]), "context").await;
    let found = most_anomalous(&engine(2), &model, &mut source, Listing::top(1)).await;
    let error = failed(found);
    assert!(
        error.message().contains("lacks: `mountNamespace`"),
        "{error}"
    );
}
