//! Conversions: the same events are written as Parquet, completely or not at all.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::common::{
    Folder, HEADER, answer, engine, event_with, events, events_with_line, failed, recipe, written,
};
use honeyguide::convert::{ConvertOptions, Converted, convert};
use honeyguide::marks::{SIMULATED, SIMULATED_TEXT};
use honeyguide::sql::TextFormat;
use honeyguide::{ErrorKind, ReadOptions, Recipe, TrainOptions, builtin, train};
use simulate::{Simulation, Split};

/// Returns options that partition by `columns`.
fn by(columns: &[&str]) -> ConvertOptions {
    ConvertOptions {
        partition_by: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..ConvertOptions::default()
    }
}

/// Returns options that parse text into lists.
fn parse_lists() -> ConvertOptions {
    ConvertOptions {
        parse_lists: true,
        ..ConvertOptions::default()
    }
}

/// Writes one split of a simulation to the file `name`.
fn simulate(folder: &Folder, events: u64, split: Split, name: &str) {
    let simulation = Simulation::new(events, 0).expect("a simulation");
    let mut file = File::create(folder.path(name)).expect("a file");
    simulation.write_split(split, &mut file).expect("events");
}

/// Converts `data` on `threads` threads. The conversion must succeed.
async fn converted(
    folder: &Folder,
    data: &str,
    out: &str,
    options: &ConvertOptions,
    threads: usize,
) -> Converted {
    let (mut source, path) = (folder.source(&[data]), folder.path(out));
    let converted = convert(&engine(threads), &mut source, path.as_path(), options).await;
    converted.unwrap_or_else(|error| panic!("{data} to {out}: {error}"))
}

/// Returns the answer to a query as CSV. The query runs on one thread.
async fn csv(folder: &Folder, data: &str, query: &str) -> String {
    answer(&engine(1), folder.source(&[data]), query, TextFormat::Csv).await
}

/// Returns the header of `data` and its events as sorted lines.
async fn lines(folder: &Folder, data: &str) -> Vec<String> {
    let text = csv(folder, data, "SELECT * FROM events").await;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

/// Returns the text of a model of `data`.
async fn model(folder: &Folder, data: &str, recipe: &Recipe, n_estimators: usize) -> String {
    let options = TrainOptions {
        n_estimators,
        ..TrainOptions::default()
    };
    let model = train(&engine(2), &mut folder.source(&[data]), recipe, &options).await;
    written(&model.unwrap_or_else(|error| panic!("{data}: {error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn converted_events_give_the_same_model() {
    let folder = Folder::new();
    simulate(&folder, 20_000, Split::Training, "events.csv");
    let events = lines(&folder, "events.csv").await;
    let mut models = Vec::new();
    for name in ["context", "beth-paper", "raw"] {
        let recipe = recipe(name);
        let expected = model(&folder, "events.csv", &recipe, 20).await;
        models.push((recipe, expected));
    }
    for (out, options) in [
        ("one.parquet", by(&[])),
        ("folder", by(&[])),
        ("hosts", by(&["hostName"])),
    ] {
        let report = converted(&folder, "events.csv", out, &options, 2).await;
        assert_eq!(report.sorted_by, ["hostName", "timestamp"]);
        assert!(report.bytes_after < report.bytes_before);
        assert_eq!(lines(&folder, out).await, events, "{out}");
        for (recipe, expected) in &models {
            let found = model(&folder, out, recipe, 20).await;
            assert!(found == *expected, "{out}, {}", recipe.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_does_not_depend_on_threads_or_the_layout_of_the_data() {
    let text = events(5000);
    let rows: Vec<&str> = text.lines().collect();
    let part = |rows: &[&str]| format!("{HEADER}\n{}\n", rows.join("\n"));
    let folder = Folder::with(&[
        ("part-1.csv", part(&rows[1..2000])),
        ("part-2.csv", part(&rows[2000..])),
        ("all.csv", text),
    ]);
    let mut first = None;
    for (data, out, threads) in [
        ("all.csv", "a.parquet", 1),
        ("all.csv", "b.parquet", 2),
        ("part-*.csv", "c.parquet", 2),
        ("a.parquet", "d.parquet", 2),
    ] {
        converted(&folder, data, out, &by(&[]), threads).await;
        let found = folder.read(out);
        let first = first.get_or_insert_with(|| found.clone());
        assert!(*first == found, "{data}, {threads} threads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_equal_times_keep_their_order() {
    let mut text = format!("{HEADER}\n");
    for index in 0..9000 {
        let event = event_with(index, 2, &index.to_string());
        let (_, rest) = event.split_once(',').expect("a first column");
        text += &format!("{}.5,{rest}\n", 2 - index / 3000);
    }
    let folder = Folder::with(&[("events.csv", text)]);
    converted(&folder, "events.csv", "sorted.parquet", &by(&[]), 2).await;
    let threads = csv(&folder, "sorted.parquet", "SELECT threadId FROM events").await;
    let number = |line: &str| line.parse().expect("a number");
    let found: Vec<usize> = threads.lines().skip(1).map(number).collect();
    let expected: Vec<usize> = (6000..9000).chain(3000..6000).chain(0..3000).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_kept_exactly() {
    let rows = [
        event_with(0, 5, "9223372036854775807"),
        event_with(1, 5, "-9223372036854775808"),
        event_with(2, 6, "007"),
        event_with(3, 6, "\"a \"\"quoted\"\"\nname, \u{fc}\""),
        event_with(4, 0, "1e-300"),
        event_with(5, 0, "0.1234567890123456"),
        event_with(6, 6, ""),
    ];
    let folder = Folder::with(&[("odd.csv", format!("{HEADER}\n{}\n", rows.join("\n")))]);
    converted(&folder, "odd.csv", "odd.parquet", &by(&[]), 2).await;
    let [before, after] = [
        lines(&folder, "odd.csv").await,
        lines(&folder, "odd.parquet").await,
    ];
    assert_eq!(after, before);
    let types = async |data| csv(&folder, data, "DESCRIBE events").await;
    let [before, after] = [types("odd.csv").await, types("odd.parquet").await];
    assert!(before.contains("mountNamespace,Int64") && before.contains("args,Utf8"));
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_lists_become_lists() {
    let rows = [
        event_with(0, 10, "\"[140159195621643, 18446744073709551615]\""),
        event_with(
            1,
            13,
            "\"[{'name': 'pathname', 'type': 'const char*', 'value': '/etc/\\x61'}]\"",
        ),
        event_with(2, 10, "\"[1, 2\""),
    ];
    let folder = Folder::with(&[("lists.csv", format!("{HEADER}\n{}\n", rows.join("\n")))]);
    let report = converted(&folder, "lists.csv", "lists.parquet", &parse_lists(), 2).await;
    assert_eq!(report.malformed_lists, 1);
    let query =
        "SELECT stackAddresses AS stack, args[1]['value'] AS first FROM events ORDER BY timestamp";
    let source = folder.source(&["lists.parquet"]);
    let found = answer(&engine(2), source, query, TextFormat::Json).await;
    let expected = "[\n{\"stack\":[140159195621643,18446744073709551615],\"first\":\"0\"},\n\
                    {\"stack\":[1,2],\"first\":\"/etc/a\"},\n{\"stack\":null,\"first\":\"2\"}\n]\n";
    assert_eq!(found, expected);
    let query = "SELECT arg(args, 'pathname') AS path, arg(args, 'fd') AS fd FROM events ORDER BY timestamp";
    let of_lists = csv(&folder, "lists.parquet", query).await;
    assert_eq!(of_lists, "path,fd\n,0\n/etc/a,\n,2\n");
    assert_eq!(csv(&folder, "lists.csv", query).await, of_lists);
    let usual = builtin(folder.source(&["lists.csv"]).log().default_recipe());
    let usual = usual.expect("a built-in recipe");
    let of_lists = model(&folder, "lists.parquet", &usual, 100).await;
    assert!(of_lists == model(&folder, "lists.csv", &usual, 100).await);
    let engine = engine(2);
    let (mut again, out) = (
        folder.source(&["lists.parquet"]),
        folder.path("again.parquet"),
    );
    let options = parse_lists();
    let call = convert(&engine, &mut again, out.as_path(), &options);
    let says = "`parse_lists`: the data has no text in a column args or stackAddresses";
    folder.refused(call, ErrorKind::Usage, says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_folders_hold_the_events_that_their_names_say() {
    let hosts = [
        "web-1",
        "a/b",
        "..",
        "x=y%",
        "\"two, words\"",
        "",
        "h\u{f6}st",
    ];
    let mut text = format!("{HEADER}\n");
    for index in 0..700 {
        text += &format!("{}\n", event_with(index, 7, hosts[index % hosts.len()]));
    }
    let folder = Folder::with(&[("hosts.csv", text)]);
    let events = lines(&folder, "hosts.csv").await;
    converted(&folder, "hosts.csv", "lake", &by(&["hostName"]), 2).await;
    let entries = fs::read_dir(folder.path("lake")).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("text")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    let expected = [
        "hostName=..",
        "hostName=__HIVE_DEFAULT_PARTITION__",
        "hostName=a%2Fb",
        "hostName=h%C3%B6st",
        "hostName=two%2C%20words",
        "hostName=web-1",
        "hostName=x%3Dy%25",
    ];
    assert_eq!(names, expected);
    assert_eq!(lines(&folder, "lake").await, events);
    let two = by(&["hostName", "userId"]);
    converted(&folder, "hosts.csv", "deep", &two, 2).await;
    let deep = folder.path("deep/hostName=web-1/userId=0/part-0.parquet");
    assert!(deep.is_file());
    assert_eq!(lines(&folder, "deep").await, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversions_that_fail_write_nothing() {
    let bad = events_with_line(3000, 2500, &event_with(2498, 4, "root"));
    let folder = Folder::with(&[("good.csv", events(100)), ("bad.csv", bad)]);
    for name in ["full", "empty"] {
        fs::create_dir(folder.path(name)).expect("a folder");
    }
    folder.write("full/.hidden", "");
    folder.write("plain", "");
    let engine = engine(2);
    let refused = async |data: &str, out: PathBuf, options: &ConvertOptions, kind, says: &str| {
        let mut source = folder.source(&[data]);
        let call = convert(&engine, &mut source, out.as_path(), options);
        folder.refused(call, kind, says).await;
    };
    let usage = async |out: &str, columns: &[&str], says: &str| {
        let out = folder.path(out);
        refused("good.csv", out, &by(columns), ErrorKind::Usage, says).await;
    };
    let missing = folder.path("no");
    let missing = format!("the folder {} does not exist", missing.display());
    usage("full", &[], "the folder is not empty").await;
    usage("good.csv", &[], "also an input").await;
    usage("bad.csv", &[], "convert writes Parquet").await;
    usage("new.ndjson", &[], "convert writes Parquet").await;
    usage("plain", &[], "plain: is a file").await;
    usage("no/lake", &[], &missing).await;
    usage("x.parquet", &["hostName"], "`partition_by` makes a folder").await;
    let says = "`partition_by` nobody: the data has no such column";
    usage("x", &["nobody"], says).await;
    let says = "not standard output";
    refused("good.csv", "-".into(), &by(&[]), ErrorKind::Usage, says).await;
    let says = "bad.csv: line 2500, column 5 (`userId`)";
    for (out, columns) in [("x.parquet", &[][..]), ("x", &["hostName"])] {
        let out = folder.path(out);
        refused("bad.csv", out, &by(columns), ErrorKind::Data, says).await;
    }
    let error = failed(folder.open(&["no.csv"], &ReadOptions::default()));
    assert!(error.message().contains("no.csv: no such file"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
    converted(&folder, "good.csv", "empty", &by(&[]), 2).await;
    usage("empty", &[], "not empty").await;
    let good = lines(&folder, "good.csv").await;
    assert_eq!(lines(&folder, "empty").await, good);
}

/// A table without rows keeps its columns, and simulated data stays marked.
#[tokio::test(flavor = "multi_thread")]
async fn empty_tables_keep_their_columns_and_simulated_data_its_mark() {
    let folder = Folder::with(&[("none.csv", format!("{HEADER}\n"))]);
    for (out, options) in [("none.parquet", by(&[])), ("none", by(&["hostName"]))] {
        converted(&folder, "none.csv", out, &options, 2).await;
        assert_eq!(lines(&folder, out).await, [HEADER]);
    }
    let logs = Folder::with(&[(SIMULATED, SIMULATED_TEXT)]);
    simulate(&logs, 5000, Split::Testing, "testing.csv");
    converted(&logs, "testing.csv", "lake", &by(&["hostName"]), 2).await;
    assert!(logs.source(&["lake"]).is_simulated());
}
