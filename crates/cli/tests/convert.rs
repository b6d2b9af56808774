//! The command `convert`: it writes the same events in another format, completely or not at all.

mod common;

use common::{Folder, HEADER, event_with, events, events_with_line};

/// Creates a folder with simulated events of several hosts.
fn simulated() -> Folder {
    let folder = Folder::new();
    folder.done(&["simulate", "--out", "logs", "--events", "20000"]);
    std::fs::rename(
        folder.path("logs/labelled_training_data.csv"),
        folder.path("events.csv"),
    )
    .expect("a simulated file");
    folder
}

/// Returns the header of `data` and its events as sorted lines.
fn lines(folder: &Folder, data: &str) -> Vec<String> {
    let run = folder.done(&["sql", "SELECT * FROM events", data]);
    let mut lines: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

#[test]
fn converted_events_give_the_same_model() {
    let folder = simulated();
    let partition = ["--partition-by", "hostName"];
    for (out, options) in [
        ("one.parquet", &[][..]),
        ("folder", &[]),
        ("hosts", &partition),
    ] {
        let args = [&["convert", "events.csv", "--out", out, "--json"], options].concat();
        let report: serde_json::Value = serde_json::from_str(&folder.done(&args).stdout).unwrap();
        assert_eq!(
            report["sorted_by"],
            serde_json::json!(["hostName", "timestamp"])
        );
        assert!(report["bytes_after"].as_u64() < report["bytes_before"].as_u64());
        assert!(report["training"]["seconds_after"].as_f64() > Some(0.0));
        assert_eq!(lines(&folder, out), lines(&folder, "events.csv"), "{out}");
        for recipe in ["context", "beth-paper", "raw"] {
            let train = |data, model| {
                folder.done(&[
                    "train", data, "--recipe", recipe, "--out", model, "--trees", "20",
                ]);
                folder.read(model)
            };
            assert!(
                train("events.csv", "a.json") == train(out, "b.json"),
                "{out}, {recipe}"
            );
        }
    }
}

#[test]
fn the_file_does_not_depend_on_threads_or_the_layout_of_the_data() {
    let folder = Folder::with(&[("all.csv", events(5000))]);
    let text = events(5000);
    let rows: Vec<&str> = text.lines().collect();
    for (name, part) in [
        ("part-1.csv", &rows[1..2000]),
        ("part-2.csv", &rows[2000..]),
    ] {
        folder.write(name, format!("{HEADER}\n{}\n", part.join("\n")));
    }
    let convert = |data: &str, out: &str, threads: &str| {
        folder.done(&["convert", data, "--out", out, "--threads", threads]);
        folder.read(out)
    };
    let first = convert("all.csv", "a.parquet", "1");
    assert!(convert("all.csv", "b.parquet", "2") == first);
    assert!(convert("part-*.csv", "c.parquet", "2") == first);
    assert!(convert("a.parquet", "d.parquet", "2") == first);
}

#[test]
fn events_with_equal_times_keep_their_order() {
    let mut text = format!("{HEADER}\n");
    for index in 0..9000 {
        let event = event_with(index, 2, &index.to_string());
        let (_, rest) = event.split_once(',').expect("a first column");
        text += &format!("{}.5,{rest}\n", 2 - index / 3000);
    }
    let folder = Folder::with(&[("events.csv", text)]);
    folder.done(&["convert", "events.csv", "--out", "sorted.parquet"]);
    let query = "SELECT threadId FROM events";
    let run = folder.done(&["sql", query, "sorted.parquet", "--threads", "1"]);
    let found: Vec<usize> = run
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.parse().unwrap())
        .collect();
    let expected: Vec<usize> = (6000..9000).chain(3000..6000).chain(0..3000).collect();
    assert_eq!(found, expected);
}

#[test]
fn values_are_kept_exactly() {
    let mut rows: Vec<String> = vec![
        event_with(0, 5, "9223372036854775807"),
        event_with(1, 5, "-9223372036854775808"),
        event_with(2, 6, "007"),
        event_with(3, 6, "\"a \"\"quoted\"\"\nname, \u{fc}\""),
        event_with(4, 0, "1e-300"),
        event_with(5, 0, "0.1234567890123456"),
    ];
    rows.push(event_with(6, 6, ""));
    let folder = Folder::with(&[("odd.csv", format!("{HEADER}\n{}\n", rows.join("\n")))]);
    folder.done(&["convert", "odd.csv", "--out", "odd.parquet"]);
    assert_eq!(lines(&folder, "odd.parquet"), lines(&folder, "odd.csv"));
    let types = |data| folder.done(&["sql", "DESCRIBE events", data]).stdout;
    assert!(
        types("odd.csv").contains("mountNamespace,Int64") && types("odd.csv").contains("args,Utf8")
    );
    assert_eq!(types("odd.parquet"), types("odd.csv"));
}

#[test]
fn texts_of_lists_become_lists() {
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
    let args = [
        "convert",
        "lists.csv",
        "--out",
        "lists.parquet",
        "--parse-lists",
    ];
    let run = folder.done(&args);
    assert!(
        run.stdout.contains("1 texts could not be read as lists"),
        "{}",
        run.stdout
    );
    let query =
        "SELECT stackAddresses AS stack, args[1]['value'] AS first FROM events ORDER BY timestamp";
    let run = folder.done(&["sql", query, "lists.parquet", "--json"]);
    let expected = "[\n{\"stack\":[140159195621643,18446744073709551615],\"first\":\"0\"},\n\
                    {\"stack\":[1,2],\"first\":\"/etc/a\"},\n{\"stack\":null,\"first\":\"2\"}\n]\n";
    assert_eq!(run.stdout, expected);
    let text = "SELECT arg(args, 'pathname') AS path, arg(args, 'fd') AS fd FROM events ORDER BY timestamp";
    let [of_lists, of_text] =
        ["lists.parquet", "lists.csv"].map(|data| folder.done(&["sql", text, data]).stdout);
    assert_eq!(of_lists, "path,fd\n,0\n/etc/a,\n,2\n");
    assert_eq!(of_text, of_lists);
    let model = |data| {
        folder.done(&["train", data, "--out", "model.json"]);
        folder.read("model.json")
    };
    assert!(model("lists.parquet") == model("lists.csv"));
    let again = [
        "convert",
        "lists.parquet",
        "--out",
        "again.parquet",
        "--parse-lists",
    ];
    folder.refused(&again, 2, &["no text in a column args or stackAddresses"]);
}

#[test]
fn partition_folders_hold_the_events_that_their_names_say() {
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
    folder.done(&[
        "convert",
        "hosts.csv",
        "--out",
        "lake",
        "--partition-by",
        "hostName",
    ]);
    let mut names: Vec<_> = std::fs::read_dir(folder.path("lake"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
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
    assert_eq!(lines(&folder, "lake"), lines(&folder, "hosts.csv"));
    let two = ["--partition-by", "hostName,userId"];
    folder.done(&[&["convert", "hosts.csv", "--out", "deep"], &two[..]].concat());
    assert!(
        folder
            .path("deep/hostName=web-1/userId=0/part-0.parquet")
            .is_file()
    );
    assert_eq!(lines(&folder, "deep"), lines(&folder, "hosts.csv"));
}

#[test]
fn conversions_that_fail_write_nothing() {
    let folder = Folder::with(&[
        ("good.csv", events(100)),
        (
            "bad.csv",
            events_with_line(3000, 2500, &event_with(2498, 4, "root")),
        ),
    ]);
    std::fs::create_dir(folder.path("full")).unwrap();
    folder.write("full/.hidden", "");
    folder.write("plain", "");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let by_host = ["--partition-by", "hostName"];
    for (data, out, options, status, says) in [
        ("good.csv", "full", &[][..], 2, "the folder is not empty"),
        ("good.csv", "good.csv", &[], 2, "also an input"),
        ("good.csv", "bad.csv", &[], 2, "convert writes Parquet"),
        ("good.csv", "new.ndjson", &[], 2, "convert writes Parquet"),
        ("good.csv", "plain", &[], 2, "plain: is a file"),
        ("good.csv", "-", &[], 2, "not standard output"),
        (
            "good.csv",
            "no/lake",
            &[],
            2,
            "the folder no does not exist",
        ),
        ("good.csv", "x.parquet", &by_host, 2, "makes a folder"),
        (
            "good.csv",
            "x",
            &["--partition-by", "nobody"],
            2,
            "nobody: the data has no such column",
        ),
        (
            "bad.csv",
            "x.parquet",
            &[],
            1,
            "bad.csv: line 2500, column 5 (`userId`)",
        ),
        (
            "bad.csv",
            "x",
            &by_host,
            1,
            "bad.csv: line 2500, column 5 (`userId`)",
        ),
        ("no.csv", "x", &[], 2, "no.csv: no such file"),
    ] {
        let args = [&["convert", data, "--out", out], options].concat();
        folder.refused(&args, status, &[says]);
    }
    folder.done(&["convert", "good.csv", "--out", "empty"]);
    folder.refused(
        &["convert", "good.csv", "--out", "empty"],
        2,
        &["not empty"],
    );
    assert_eq!(lines(&folder, "empty"), lines(&folder, "good.csv"));
}

/// A table without rows keeps its columns, and simulated data stays marked.
#[test]
fn empty_tables_keep_their_columns_and_simulated_data_its_mark() {
    let folder = Folder::with(&[("none.csv", format!("{HEADER}\n"))]);
    for (out, options) in [
        ("none.parquet", &[][..]),
        ("none", &["--partition-by", "hostName"]),
    ] {
        folder.done(&[&["convert", "none.csv", "--out", out], options].concat());
        assert_eq!(lines(&folder, out), [HEADER]);
    }
    folder.done(&["simulate", "--out", "logs", "--events", "5000"]);
    let args = [
        "convert",
        "logs/labelled_testing_data.csv",
        "--out",
        "lake",
        "--partition-by",
        "hostName",
    ];
    assert!(folder.done(&args).stdout.contains("Simulated data"));
    let train = folder.done(&["train", "lake", "--out", "model.json", "--json"]);
    assert!(
        train.stdout.contains("\"simulated\": true"),
        "{}",
        train.stdout
    );
}
