//! The same events give the same results in every format.

use std::io::Write as _;

use crate::common::{
    Folder, answer, engine, events, events_as_json, json_with_late_keys, recipe, small_forest,
    small_model, written,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use honeyguide::inspect::inspect;
use honeyguide::recording::{Recorded, RecordingFile, columns, write_json};
use honeyguide::sample::{SampleOptions, sample};
use honeyguide::score::{ScoreOptions, Selection, explain_event, score_to_file};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    Error, ErrorKind, Model, ReadOptions, Recipe, Result, Source, StorageOptions, TrainOptions,
    train,
};

/// A number of events that makes the engine read a file in two pieces.
const MANY: usize = 45_000;

/// Trains a small model with the published recipe.
async fn fit(source: &mut Source, threads: usize) -> Result<Model> {
    let recipe = recipe("beth-paper");
    train(&engine(threads), source, &recipe, &small_forest()).await
}

/// Trains a small model of a file, and returns the text of the model's file.
async fn model(folder: &Folder, file: &str, threads: usize) -> String {
    let model = fit(&mut folder.source(&[file]), threads).await;
    written(&model.unwrap_or_else(|error| panic!("{file}: {error}")))
}

/// Returns the late keys that the last scan of `source` found.
fn late_keys(source: &Source) -> &[String] {
    let intake = source.counts().intake.as_ref();
    &intake.expect("lines of JSON").late_keys
}

/// Returns the error of training with a file, which must be refused.
async fn refused(folder: &Folder, file: &str, recipe: &Recipe) -> Error {
    let trained = async {
        let mut source = folder.open(&[file], &ReadOptions::default())?;
        train(&engine(2), &mut source, recipe, &TrainOptions::default()).await
    };
    let error = trained.await.expect_err(file);
    assert_ne!(error.kind(), ErrorKind::Usage, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_same_model() {
    let json = events_as_json(MANY);
    let folder = Folder::with(&[("a.csv", events(MANY)), ("a.ndjson", json.clone())]);
    let expected = model(&folder, "a.csv", 2).await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json.as_bytes()).expect("memory");
    folder.write("b.jsonl.gz", gzip.finish().expect("memory"));
    let zstd = zstd::encode_all(json.as_bytes(), 1).expect("memory");
    folder.write("b.json.zst", &zstd);
    folder.write("b.log", &zstd);
    let json = ReadOptions {
        format: Some("ndjson".parse().expect("a format")),
        ..ReadOptions::default()
    };
    for threads in [1, 2] {
        for file in ["a.ndjson", "b.jsonl.gz", "b.json.zst"] {
            assert!(model(&folder, file, threads).await == expected, "{file}");
        }
        let mut named = folder.open(&["b.log"], &json).expect("lines of JSON");
        let model = fit(&mut named, threads).await.expect("a model");
        assert!(written(&model) == expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_written_format_can_be_read_again() {
    let folder = Folder::with(&[("good.csv", events(MANY))]);
    let mut good = folder.source(&["good.csv"]);
    let small = small_model(&mut good, "beth-paper").await;
    let expected = written(&small);
    let row = Selection::Row(44_999);
    let explained = explain_event(&engine(2), &small, &mut good, &row).await;
    let first = explained.expect("the event").anomaly.event;
    let first = first.iter().nth(6).expect("a column");
    for out in ["s.arrow", "s.ndjson", "s.parquet", "s.csv"] {
        let options = ScoreOptions::default();
        let to = folder.path(out);
        let scored = score_to_file(&engine(2), &small, &mut good, &to, options).await;
        assert_eq!(scored.expect("scores").events, MANY as u64);
        for threads in [1, 2] {
            let again = model(&folder, out, threads).await;
            assert!(again == expected, "{out} on {threads} threads");
        }
        let mut source = folder.source(&[out]);
        let explained = explain_event(&engine(2), &small, &mut source, &row).await;
        let event = explained.expect("the event").anomaly.event;
        assert_eq!(event.iter().nth(6), Some(first), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_names_of_partitions_are_columns() {
    let folder = Folder::new();
    let header = "processId,userId,eventName";
    for (host, day, user) in [("a", 1, 0), ("a", 2, 7), ("b%20c", 1, 7)] {
        let name = format!("lake/hostName={host}/day={day}");
        std::fs::create_dir_all(folder.path(&name)).expect("a new folder");
        folder.write(
            &format!("{name}/part.csv"),
            format!("{header}\n1,{user},open\n2,{user},open\n"),
        );
    }
    folder.write(
        "plain.csv",
        format!("{header},hostName,day\n1,0,open,a,1\n2,0,open,a,1\n1,7,open,a,2\n2,7,open,a,2\n1,7,open,b c,1\n2,7,open,b c,1\n"),
    );
    let plain = small_model(&mut folder.source(&["plain.csv"]), "raw").await;
    for data in ["lake", "lake/*/*/*.csv"] {
        let of_lake = small_model(&mut folder.source(&[data]), "raw").await;
        assert_eq!(written(&of_lake), written(&plain), "{data}");
    }
    let mut lake = folder.source(&["lake"]);
    let condition = Selection::Where("hostName = 'b c'".into());
    let explained = explain_event(&engine(2), &plain, &mut lake, &condition).await;
    let explained = explained.expect("an event");
    assert_eq!(explained.selected, 2);
    assert_eq!(explained.anomaly.event.get("hostName"), Some("b c"));
    folder.write("lake/extra.csv", format!("{header}\n1,1,open\n"));
    let error = refused(&folder, "lake", &recipe("raw")).await;
    for part in ["different columns", "hostName"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_keys_that_first_occur_late_are_named() {
    let folder = Folder::with(&[
        ("late.ndjson", json_with_late_keys(MANY, 1000)),
        ("good.ndjson", json_with_late_keys(MANY, 999)),
    ]);
    let without_early = TrainOptions {
        exclude: vec!["early".into()],
        ..TrainOptions::default()
    };
    let nine = SampleOptions {
        rows: 9,
        balance: None,
        seed: 0,
    };
    for threads in [1, 2] {
        let engine = engine(threads);
        let late = || folder.source(&["late.ndjson"]);
        let [mut inspected, mut learnt, mut sampled] = [late(), late(), late()];
        inspect(&engine, &mut inspected).await.expect("a table");
        let model = train(&engine, &mut learnt, &recipe("raw"), &without_early).await;
        model.expect("a model");
        let out = folder.path("s.csv");
        let drawn = sample(&engine, &mut sampled, &nine, &out).await;
        assert_eq!(drawn.expect("a sample").rows_drawn, 9);
        let mut database = Database::new(&engine, None, StorageOptions::default());
        let database = database.as_mut().expect("a database");
        database.add("events", late()).expect("a table");
        let query = "SELECT count(a) FROM events";
        let answer = database.text(query, TextFormat::Csv).await;
        answer.expect("an answer");
        for source in [&inspected, &learnt, &sampled]
            .into_iter()
            .chain(database.sources())
        {
            assert_eq!(late_keys(source), ["late", "later"], "{threads} threads");
        }
    }
    let mut good = folder.source(&["good.ndjson"]);
    let found = inspect(&engine(2), &mut good).await.expect("a table");
    assert_eq!(late_keys(&good), ["later"]);
    let names: Vec<&str> = found.columns.iter().map(|column| &*column.name).collect();
    assert!(
        names.contains(&"late") && names.contains(&"early"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_left_out_and_counted() {
    let folder = Folder::new();
    let good = events_as_json(MANY);
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
    let expected = model(&folder, "good.ndjson", 2).await;
    let strict = ReadOptions {
        strict: true,
        ..ReadOptions::default()
    };
    for threads in [1, 2] {
        let mut source = folder.source(&["a.ndjson"]);
        let model = fit(&mut source, threads).await.expect("a model");
        assert!(written(&model) == expected);
        let intake = source.counts().intake.as_ref().expect("lines of JSON");
        assert_eq!((intake.events, intake.bad_lines), (MANY as u64, 4));
        let [first, second, third] = &intake.first_bad_lines[..] else {
            panic!("{:?}", intake.first_bad_lines);
        };
        assert!(first.contains("a.ndjson: line 101: "), "{first}");
        assert!(second.contains("a.ndjson: line 40001: "), "{second}");
        assert!(third.contains("longer than 4194304 bytes"), "{third}");

        let mut source = folder.open(&["a.ndjson"], &strict).expect("a header");
        let error = fit(&mut source, threads).await.expect_err("a bad line");
        assert_ne!(error.kind(), ErrorKind::Usage);
        assert!(error.message().contains("a.ndjson: line "), "{error}");
    }
    folder.write(
        "half.ndjson",
        good.replace("},\n", "}\n")
            .replacen("\"userId\":0", "\"userId\":\"root\"", 9000),
    );
    let error = refused(&folder, "half.ndjson", &recipe("beth-paper")).await;
    for part in [
        "9000 of 45000 lines cannot be read",
        "half.ndjson: line 1: `userId`: expected a whole number",
    ] {
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_another_format_than_their_names_say_are_refused() {
    for (name, content, says) in [
        ("a.json", "", "is empty"),
        ("a.json", "[{\"a\":1},{\"a\":2}]\n", "jq -c '.[]'"),
        ("a.json", "{\n \"a\": 1\n}\n", "line 1: not a JSON object"),
        ("a.json", "a,b\n1,2\n", "line 1: not a JSON object"),
        (
            "a.arrow",
            "ARROW1 and then nothing",
            "not a readable Arrow IPC file",
        ),
    ] {
        let folder = Folder::with(&[(name, content)]);
        let error = refused(&folder, name, &recipe("raw")).await;
        for part in [name, says] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_recording_is_the_same_in_a_file_and_as_a_line_of_json() {
    let event = |text: &'static str| {
        columns().map(move |name| match name {
            "timestamp" | "processStartTime" => Recorded::Seconds(1.000_000_123_4),
            "processId" | "threadId" | "parentProcessId" | "userId" | "mountNamespace"
            | "eventId" | "argsNum" | "returnValue" => Recorded::Number(i64::MIN),
            "cgroup" => Recorded::Text(None),
            _ => Recorded::Text(Some(text)),
        })
    };
    let folder = Folder::new();
    let path = folder.path("a.parquet");
    let mut file = RecordingFile::create(path.as_path()).expect("a file");
    let mut lines = Vec::new();
    for text in ["/tmp/a\"b\\c\n\u{1}é", "\u{2028}", ""] {
        file.write(event(text)).expect("a row");
        write_json(event(text), &mut lines).expect("a line");
        lines.push(b'\n');
    }
    file.finish("{}").expect("a file");
    std::fs::write(folder.path("a.ndjson"), lines).expect("a file");
    let query = "SELECT * FROM events";
    let of = async |name: &str| {
        let source = folder.source(&[name]);
        answer(&engine(1), source, query, TextFormat::Json).await
    };
    assert_eq!(of("a.parquet").await, of("a.ndjson").await);
    let mut out = Vec::new();
    assert!(write_json(event("x").skip(1), &mut out).is_err());
    let more = event("x").chain([Recorded::Number(1)]);
    assert!(write_json(more, &mut out).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_whole_numbers_may_continue_with_fractions() {
    let rows: Vec<String> = (0..3000)
        .map(|index| format!("{{\"a\":{}}}", index % 50))
        .collect();
    let rows = rows.join("\n");
    let folder = Folder::with(&[
        ("late.ndjson", format!("{rows}\n{{\"a\":0.5}}\n")),
        ("early.ndjson", format!("{{\"a\":0.5}}\n{rows}\n")),
    ]);
    let late = small_model(&mut folder.source(&["late.ndjson"]), "raw").await;
    let early = small_model(&mut folder.source(&["early.ndjson"]), "raw").await;
    assert_eq!(written(&late), written(&early));
}
