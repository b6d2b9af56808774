//! The command `sql`: its answers agree with those of the other commands, and it can only read.

mod common;

use common::{Folder, event, event_with, events_with_line};

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
    let all = ask(&folder, "SELECT * FROM events WHERE false");
    assert_eq!(all.trim(), format!("{},score,anomalous", common::HEADER));
}

#[test]
fn counts_equal_those_of_the_command_evaluate() {
    let folder = Folder::with_model(3000);
    let evaluation = folder.done(&["evaluate", "model.json", "good.csv", "--json"]);
    let evaluation: serde_json::Value = serde_json::from_str(&evaluation.stdout).unwrap();
    let verdicts = &evaluation["labels"][0]["verdicts"];
    let query = "SELECT sum(CASE WHEN anomalous AND sus = 1 THEN 1 ELSE 0 END) AS true_positives, \
                 sum(CASE WHEN anomalous AND sus = 0 THEN 1 ELSE 0 END) AS false_positives FROM events";
    let counts = ask(&folder, query);
    let expected = ["true_positives", "false_positives"].map(|name| verdicts[name].to_string());
    assert_ne!(expected[0], "null");
    assert_eq!(
        counts.lines().collect::<Vec<_>>(),
        ["true_positives,false_positives", &expected.join(",")]
    );
}

#[test]
fn columns_and_scores_that_a_query_does_not_use_are_not_computed() {
    let folder = Folder::with_model(100);
    for (query, scores, columns) in [
        ("SELECT count(*) FROM events", false, ""),
        (
            "SELECT max(argsNum) FROM events WHERE processName = 'cron'",
            false,
            "projection=[processName, argsNum]",
        ),
        (
            "SELECT threadId FROM (SELECT * FROM events)",
            false,
            "projection=[threadId]",
        ),
        (
            "SELECT max(score) FROM events",
            true,
            "projection=[processId, parentProcessId, userId, mountNamespace, eventId, argsNum, returnValue]",
        ),
        ("SELECT count(*) FROM events WHERE anomalous", true, ""),
    ] {
        let plan = ask(&folder, &format!("EXPLAIN {query}"));
        assert_eq!(plan.contains("anomaly_score("), scores, "{query}: {plan}");
        assert!(plan.contains(columns), "{query}: {plan}");
    }
}

#[test]
fn only_queries_are_answered() {
    let folder = Folder::with_model(100);
    for (statement, says) in [
        ("COPY events TO 'x.csv'", "COPY"),
        ("EXPLAIN COPY events TO 'x.csv'", "COPY"),
        (
            "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
            "INSERT INTO",
        ),
        (
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 'good.csv'",
            "CREATE EXTERNAL TABLE",
        ),
        ("CREATE TABLE x AS SELECT 1", "CREATE TABLE"),
        ("CREATE VIEW x AS SELECT 1", "CREATE VIEW"),
        ("DROP TABLE events", "DROP TABLE"),
        ("INSERT INTO events SELECT * FROM events", "INSERT INTO"),
        ("DELETE FROM events", "DELETE FROM"),
        ("UPDATE events SET userId = 0", "UPDATE"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("RESET datafusion.execution.batch_size", "RESET"),
        ("PREPARE x AS SELECT 1", "PREPARE"),
        ("BEGIN", "BEGIN"),
    ] {
        let args = ["sql", statement, "good.csv"];
        folder.refused(&args, 2, &[says, "only queries are answered", "--table"]);
    }
    for (query, says) in [
        ("SELECT * FROM 'good.csv'", "no table `good.csv`"),
        ("SELECT * FROM '/etc/passwd'", "no table `/etc/passwd`"),
        ("WITH x AS (DELETE FROM events) SELECT 1", "not implemented"),
        ("SELECT 1; DROP TABLE events", "single SQL statement"),
        ("", "the query is not SQL"),
        ("SELECT 'a", "Unterminated"),
    ] {
        folder.refused(&["sql", query, "good.csv"], 2, &[says]);
    }
}

/// Queries that would overflow the stack are refused.
#[test]
fn deep_queries_are_refused() {
    let folder = Folder::with_model(100);
    let union = vec!["SELECT 1"; 3000].join(" UNION ALL ");
    let sum = format!("SELECT 1{}", " + 1".repeat(5000));
    let nested = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    let tables: Vec<_> = (0..3000).map(|index| format!("events e{index}")).collect();
    let crossed = format!("SELECT 1 FROM {}", tables.join(","));
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    for (query, says) in [
        (union, "the limit is"),
        (sum, "the limit is"),
        (nested, "recursion limit"),
        (crossed, "names 3000 tables; the limit is 64"),
        (long, "the limit is 65536"),
    ] {
        folder.refused(&["sql", &query, "good.csv"], 2, &[says]);
    }
}

#[test]
fn messages_name_the_mistake_and_a_correction() {
    let folder = Folder::with_model(100);
    for (query, says) in [
        (
            "SELECT foo FROM events",
            ["no column `foo`", "processId, threadId"],
        ),
        (
            "SELECT processname FROM events",
            ["case-sensitive", "did you mean processName?"],
        ),
        (
            "SELECT * FROM events WHERE processName = \"cron\"",
            ["no column `cron`", "single quotes, 'cron'"],
        ),
        (
            "SELECT * FROM evnts",
            ["no table `evnts`", "the tables are: `events`;"],
        ),
        (
            "SELECT sus AS x, evil AS x FROM events",
            ["unique expression names", "a name of its own"],
        ),
        (
            "SELECT score FROM events",
            ["no column `score`", "--model MODEL"],
        ),
        ("SELECT frob(1)", ["Invalid function 'frob'", ""]),
        (
            "SELECT userId FROM events a, events b",
            ["Ambiguous reference", "name the table too"],
        ),
        ("SELECT 'a' + 1", ["Utf8 + Int64", ""]),
        (
            "SELECT a.userId, b.userId FROM events a JOIN events b ON a.timestamp = b.timestamp",
            ["two columns called `userId`", "with AS"],
        ),
        (
            "SELECT array_agg(userId) AS all FROM events",
            ["`all`", "CSV cannot hold"],
        ),
    ] {
        folder.refused(&["sql", query, "good.csv"], 2, &says);
    }
    folder.refused(
        &["sql", "SELECT 1 FROM events"],
        2,
        &["no table `events`", "name the data"],
    );
    folder.refused(&["sql", "SELECT 1", "--table", "x"], 2, &["NAME=DATA"]);
    folder.refused(
        &["sql", "SELECT 1", "--table", "a b=good.csv"],
        2,
        &["`a b` is not a valid table name"],
    );
    folder.refused(&["sql", "SELECT 1", "no.csv"], 2, &["no.csv: no such file"]);
    folder.refused(
        &["sql", "SELECT 1", "good.csv", "--model", "no.json"],
        2,
        &["no.json: no such model file"],
    );
}

/// A value that cannot be read is reported with its place in the file, as by every other command, whatever the query is.
#[test]
fn faults_in_the_data_are_reported_with_their_place() {
    let folder = Folder::with_model(100);
    let bad = events_with_line(3000, 1500, &event_with(1498, 4, "root"));
    folder.write("bad.csv", bad);
    let place = "bad.csv: line 1500, column 5 (`userId`)";
    for query in [
        "SELECT max(userId) FROM bad",
        "SELECT max(score) FROM bad",
        "SELECT g.userId FROM good g JOIN bad b ON g.userId = b.userId LIMIT 1",
    ] {
        let tables = ["--table", "good=good.csv", "--table", "bad=bad.csv"];
        let args = [&["sql", query, "--model", "model.json"], &tables[..]].concat();
        folder.refused(&args, 1, &[place, "`root`"]);
    }
    let run = folder.done(&[
        "sql",
        "SELECT count(DISTINCT eventId) AS n FROM events",
        "bad.csv",
    ]);
    assert_eq!(run.stdout, "n\n11\n");
    let missing = events_with_line(100, 50, &event_with(48, 4, ""));
    folder.write("missing.csv", missing);
    let args = [
        "sql",
        "SELECT max(score) FROM events",
        "missing.csv",
        "--model",
        "model.json",
    ];
    folder.refused(
        &args,
        1,
        &["missing.csv: line 50: feature `userId` is null"],
    );
}

/// A scan that is repeated with other settings returns no row twice.
#[test]
fn a_repeated_scan_returns_no_row_twice() {
    let mut text = "n,words\n".to_owned();
    for index in 0..60_000 {
        let value = if index == 59_990 {
            "0.5".to_owned()
        } else {
            index.to_string()
        };
        text += &format!("{value},\"two\nlines\"\n");
    }
    let folder = Folder::with(&[("odd.csv", text)]);
    let query =
        "SELECT count(*) AS n, min(n) AS least, max(words) AS words FROM events WHERE n <> 0";
    let run = folder.done(&["sql", query, "odd.csv", "--json"]);
    assert_eq!(
        run.stdout,
        "[\n{\"n\":59999,\"least\":0.5,\"words\":\"two\\nlines\"}\n]\n"
    );
    let all = folder.done(&["sql", "SELECT n FROM events", "odd.csv"]);
    assert_eq!(all.stdout.lines().count(), 60_001);
}

#[test]
fn a_model_scores_the_tables_that_it_fits() {
    let folder = Folder::with_model(1000);
    folder.write("hosts.csv", "hostName,owner\nhost-1,alice\n");
    let query = "SELECT owner, count(*) AS n, max(score) AS top FROM events JOIN hosts USING (hostName) \
                 WHERE anomalous GROUP BY owner";
    let args = [
        "sql",
        query,
        "good.csv",
        "--table",
        "hosts=hosts.csv",
        "--model",
        "model.json",
    ];
    let run = folder.done(&args);
    assert!(run.stdout.contains("\nalice,"), "{}", run.stdout);
    assert!(
        run.stderr
            .contains("table `hosts` has no columns score and anomalous"),
        "{}",
        run.stderr
    );
    let alone = [
        "sql",
        "SELECT score FROM hosts",
        "--table",
        "hosts=hosts.csv",
        "--model",
        "model.json",
    ];
    folder.refused(
        &alone,
        2,
        &[
            "no column `score`",
            "`userId` (for feature `userId`)",
            "the data has hostName, owner",
        ],
    );
}

#[test]
fn stored_scores_are_kept() {
    let folder = Folder::with_model(500);
    folder.done(&["score", "model.json", "good.csv", "--out", "scored.parquet"]);
    let query = "SELECT count(*) AS n, sum(CASE WHEN s.score = e.score THEN 1 ELSE 0 END) AS same \
                 FROM events e JOIN stored s ON e.timestamp = s.timestamp";
    let args = [
        "sql",
        query,
        "good.csv",
        "--table",
        "stored=scored.parquet",
        "--model",
        "model.json",
    ];
    let run = folder.done(&args);
    assert_eq!(run.stdout, "n,same\n500,500\n");
    assert!(
        run.stderr
            .contains("table `stored` keeps its own column `score`"),
        "{}",
        run.stderr
    );
}

#[test]
fn answers_can_be_written_to_files() {
    let folder = Folder::with_model(1000);
    let query =
        "SELECT hostName, anomalous, count(*) AS events FROM events GROUP BY 1, 2 ORDER BY 2";
    let direct = ask(&folder, query);
    for out in ["answer.csv", "answer.parquet"] {
        let args = [
            "sql",
            query,
            "good.csv",
            "--model",
            "model.json",
            "--out",
            out,
        ];
        let run = folder.done(&args);
        assert_eq!(run.stdout, format!("2 rows written to {out}\n"));
        let read = folder.done(&["sql", "SELECT * FROM events ORDER BY anomalous", out]);
        assert_eq!(read.stdout, direct);
    }
    for (out, says) in [
        ("good.csv", "also an input"),
        ("answer.txt", "answer.txt"),
        ("no/answer.csv", "no does not exist"),
    ] {
        folder.refused(
            &[
                "sql",
                "SELECT 1 AS one FROM events",
                "good.csv",
                "--out",
                out,
            ],
            2,
            &[says],
        );
    }
    let lists = [
        "sql",
        "SELECT array_agg(userId) AS users FROM events",
        "good.csv",
        "--json",
    ];
    assert!(
        folder
            .done(&lists)
            .stdout
            .starts_with("[\n{\"users\":[0,0,")
    );
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    let folder = Folder::with(&[("one.csv", format!("{}\n{}\n", common::HEADER, event(0)))]);
    let query = "SELECT userId AS user, hostName FROM events WHERE userId > 5";
    assert_eq!(
        folder.done(&["sql", query, "one.csv"]).stdout,
        "user,hostName\n"
    );
    assert_eq!(
        folder.done(&["sql", query, "one.csv", "--json"]).stdout,
        "[\n]\n"
    );
}

/// A model that a query names gives the same results as the option `--model` and the other commands.
#[test]
fn functions_of_models_agree_with_the_commands() {
    let folder = Folder::with_model(3000);
    let train = [
        "train",
        "good.csv",
        "--out",
        "context.json",
        "--trees",
        "10",
        "--contamination",
        "0.01",
    ];
    folder.done(&train);
    folder.done(&[
        "score",
        "context.json",
        "good.csv",
        "--explain",
        "--out",
        "scored.csv",
    ]);
    let stored = "SELECT timestamp, score, anomalous, reasons FROM events ORDER BY timestamp";
    let stored = folder.done(&["sql", stored, "scored.csv"]).stdout;
    let named = "SELECT timestamp, anomaly_score('context.json') AS score, is_anomalous('context.json') AS anomalous, \
                 CASE WHEN is_anomalous('context.json') THEN explain_anomaly('context.json') END AS reasons \
                 FROM events ORDER BY timestamp";
    let named = folder.done(&["sql", named, "good.csv"]).stdout;
    assert!(named.contains(",true,") && named.contains(" of the training events"));
    assert!(named == stored);
    let both = "SELECT count(*) AS n FROM events WHERE anomaly_score('model.json') = score";
    assert_eq!(ask(&folder, both), "n\n3000\n");
    let by_hand = "SELECT count(*) AS n FROM events WHERE score = anomaly_score('model.json', processId NOT IN (0, 1, 2), \
                   parentProcessId NOT IN (0, 1, 2), userId >= 1000, mountNamespace <> 4026531840, eventId, argsNum, \
                   signum(returnValue))";
    assert_eq!(ask(&folder, by_hand), "n\n3000\n");
}

#[test]
fn functions_of_models_can_be_used_like_columns() {
    let folder = Folder::with_model(1000);
    let most = |score: &str| {
        let query =
            format!("SELECT timestamp FROM events ORDER BY {score} DESC, timestamp LIMIT 20");
        ask(&folder, &query)
    };
    assert_eq!(most("anomaly_score('model.json')"), most("score"));
    let features = "SELECT anomaly_features('model.json')['userId'] AS class, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(&folder, features), "class,n\n0.0,990\n1.0,10\n");
    let grouped = "SELECT userId, max(ANOMALY_SCORE('model.json')) = max(score) AS same FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(&folder, grouped), "userId,same\n0,true\n1001,true\n");
    let bare = "SELECT anomaly_score('model.json'), is_anomalous('model.json') FROM events LIMIT 0";
    assert_eq!(ask(&folder, bare), "anomaly_score,is_anomalous\n");
}

#[test]
fn invalid_calls_of_functions_are_refused() {
    let folder = Folder::with_model(100);
    for (call, says) in [
        (
            "anomaly_score('no.json')",
            ["no.json: no such model file", ""],
        ),
        (
            "anomaly_score(processName)",
            [
                "the first argument must be the path or URL of a model, as a text",
                "anomaly_score('model.json')",
            ],
        ),
        ("anomaly_score()", ["anomaly_score", ""]),
        (
            "anomaly_score('model.json', 1)",
            ["has 7 inputs, but 1 follow", "leave them all out"],
        ),
        (
            "anomaly_score('model.json', 1, 2, 3, 4, 5, 6, processName)",
            ["`returnValue` is made of a number, not of Utf8", ""],
        ),
    ] {
        let query = format!("SELECT {call} FROM events");
        folder.refused(&["sql", &query, "good.csv"], 2, &says);
    }
    let lacking = "SELECT anomaly_score('model.json') FROM (SELECT processName FROM events)";
    folder.refused(
        &["sql", lacking, "good.csv"],
        2,
        &["no column `processId`", "processName"],
    );
    folder.write(
        "missing.csv",
        events_with_line(100, 50, &event_with(48, 4, "")),
    );
    let missing = [
        "sql",
        "SELECT max(anomaly_score('model.json')) FROM events",
        "missing.csv",
    ];
    folder.refused(&missing, 1, &["feature `userId` is null", "IS NOT NULL"]);
}

#[test]
fn every_kind_of_source_can_be_queried() {
    let folder = Folder::with_model(1000);
    let query = "SELECT count(*) AS n, max(score) AS top FROM events";
    let expected = ask(&folder, query);
    folder.done(&[
        "sql",
        "SELECT * FROM events",
        "good.csv",
        "--out",
        "good.ndjson",
    ]);
    let mut lines = folder.read("good.ndjson");
    lines.extend_from_slice(b"{\"timestamp\": 1, oops\n");
    folder.write("good.ndjson", lines);
    let run = folder.done(&["sql", query, "good.ndjson", "--model", "model.json"]);
    assert_eq!(run.stdout, expected);
    assert!(
        run.stderr.contains("1 of 1,001 lines could not be read"),
        "{}",
        run.stderr
    );
    folder.write(
        "noise.ndjson",
        [folder.read("good.ndjson"), b"{oops\n".repeat(500)].concat(),
    );
    folder.refused(
        &["sql", query, "noise.ndjson", "--model", "model.json"],
        1,
        &["lines cannot be read"],
    );
    folder.done(&[
        "convert",
        "good.csv",
        "--out",
        "lake",
        "--partition-by",
        "userId",
    ]);
    let run = folder.done(&["sql", query, "lake", "--model", "model.json", "--out", "-"]);
    assert_eq!(run.stdout, expected);
}
