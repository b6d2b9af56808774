//! The command `sql`: its flags, what it prints, and messages that name flags.

mod common;

use common::{Folder, event, event_with, events, events_with_line};

/// Returns what `sql` prints for a query on `good.csv` with `model.json`.
fn ask(folder: &Folder, query: &str) -> String {
    folder
        .done(&["sql", query, "good.csv", "--model", "model.json"])
        .stdout
}

#[test]
fn scores_equal_those_of_the_command_score_to_the_bit() {
    let folder = Folder::with_model(3000);
    folder.done(&["score", "model.json", "good.csv", "--out", "scored.csv"]);
    let query = "SELECT timestamp, score, anomalous FROM events ORDER BY timestamp";
    let stored = folder.done(&["sql", query, "scored.csv"]).stdout;
    assert_eq!(stored.lines().count(), 3001);
    assert!(stored.contains("true") && stored.contains("false"));
    for threads in ["1", "2"] {
        let args = ["sql", query, "good.csv", "--model", "model.json"];
        let run = folder.done(&[&args[..], &["--threads", threads]].concat());
        assert_eq!(run.stdout, stored);
    }
    let named = "SELECT timestamp, anomaly_score('model.json') AS score, is_anomalous('model.json') AS anomalous \
                 FROM events ORDER BY timestamp";
    assert_eq!(folder.done(&["sql", named, "good.csv"]).stdout, stored);
}

#[test]
fn answers_are_printed_as_csv_or_json() {
    let folder = Folder::with(&[("one.csv", format!("{}\n{}\n", common::HEADER, event(0)))]);
    let query = |user| format!("SELECT userId AS user, hostName FROM events WHERE userId = {user}");
    for (user, json, printed) in [
        ("0", &[][..], "user,hostName\n0,host-1\n"),
        (
            "0",
            &["--json"],
            "[\n{\"user\":0,\"hostName\":\"host-1\"}\n]",
        ),
        ("5", &[], "user,hostName\n"),
        ("5", &["--json"], "[\n]"),
    ] {
        let query = query(user);
        let run = folder.done(&[&["sql", &query, "one.csv"], json].concat());
        let head = "{\n  \"format\": \"honeyguide-query\",\n  \"version\": 1,\n  \"rows\": ";
        let expected = match json {
            [] => printed.to_owned(),
            _ => format!("{head}{printed}\n}}\n"),
        };
        assert_eq!(run.stdout, expected);
    }
}

#[test]
fn answers_can_be_written_to_files_and_to_standard_output() {
    let folder = Folder::with_model(1000);
    let query =
        "SELECT hostName, anomalous, count(*) AS events FROM events GROUP BY 1, 2 ORDER BY 2";
    let direct = ask(&folder, query);
    let write = |out| {
        let model = ["--model", "model.json"];
        let args = [&["sql", query, "good.csv", "--out", out], &model[..]].concat();
        folder.done(&args).stdout
    };
    for out in ["answer.csv", "answer.parquet"] {
        assert_eq!(write(out), format!("2 rows written to {out}\n"));
        let read = folder.done(&["sql", "SELECT * FROM events ORDER BY anomalous", out]);
        assert_eq!(read.stdout, direct);
    }
    assert_eq!(write("-"), direct);
    let data = ["sql", query, "good.csv", "--model", "model.json"];
    let args = [&data[..], &["--out", "model.json"]].concat();
    folder.refused(&args, 2, &["model.json"]);
}

#[test]
fn tables_without_scores_and_bad_lines_are_remarked_on() {
    let folder = Folder::with_model(1000);
    folder.write("hosts.csv", "hostName,owner\nhost-1,alice\n");
    folder.done(&["score", "model.json", "good.csv", "--out", "stored.csv"]);
    let all = "SELECT * FROM events";
    folder.done(&["sql", all, "good.csv", "--out", "good.ndjson"]);
    let mut lines = folder.read("good.ndjson");
    lines.extend_from_slice(b"{\"timestamp\": 1, oops\n");
    folder.write("good.ndjson", lines);
    let query = "SELECT count(*) AS n FROM events";
    let data = ["sql", query, "good.ndjson", "--model", "model.json"];
    let tables = ["--table", "hosts=hosts.csv", "--table", "stored=stored.csv"];
    let run = folder.done(&[&data[..], &tables].concat());
    assert_eq!(run.stdout, "n\n1000\n");
    for says in [
        "table `hosts` has no columns score and anomalous",
        "table `stored` keeps its own column `score`",
        "1 of 1,001 lines could not be read",
    ] {
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
}

#[test]
fn messages_name_flags_and_the_status_tells_usage_from_data() {
    let bad = events_with_line(3000, 1500, &event_with(1498, 4, "root"));
    let folder = Folder::with(&[("good.csv", events(100)), ("bad.csv", bad)]);
    for (query, says) in [
        (
            "COPY events TO 'x.csv'",
            ["COPY: only queries are answered", "--table NAME=DATA"],
        ),
        (
            "SELECT score FROM events",
            ["no column `score`", "--model MODEL"],
        ),
        (
            "SELECT array_agg(userId) AS all FROM events",
            ["CSV cannot hold", "--json"],
        ),
    ] {
        folder.refused(&["sql", query, "good.csv"], 2, &says);
    }
    let refused = |args: &[&str], says: &[&str]| {
        folder.refused(&[&["sql", "SELECT 1 FROM events"], args].concat(), 2, says);
    };
    refused(
        &[],
        &["no table `events`", "honeyguide sql", "name the data"],
    );
    refused(&["--table", "x"], &["NAME=DATA"]);
    let says = "`a b` is not a valid table name";
    refused(&["--table", "a b=good.csv"], &[says]);
    refused(&["no.csv"], &["no.csv: no such file"]);
    let says = ["no.json: no such model file", "honeyguide train"];
    refused(&["good.csv", "--model", "no.json"], &says);
    let place = "bad.csv: line 1500, column 5 (`userId`)";
    let args = [
        "sql",
        "SELECT max(userId) FROM bad",
        "--table",
        "bad=bad.csv",
    ];
    folder.refused(&args, 1, &[place]);
}

/// The stacks of the command's threads must hold the deepest query that is allowed.
#[test]
fn deep_queries_are_refused() {
    let folder = Folder::with(&[("good.csv", events(100))]);
    let union = vec!["SELECT 1"; 3000].join(" UNION ALL ");
    let sum = format!("SELECT 1{}", " + 1".repeat(5000));
    let nested = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    for (query, says) in [
        (union, "the limit is"),
        (sum, "the limit is"),
        (nested, "recursion limit"),
    ] {
        folder.refused(&["sql", &query, "good.csv"], 2, &[says]);
    }
}
