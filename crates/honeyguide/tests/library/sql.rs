//! SQL queries: their answers agree with those of the library's other functions, and they can only read.

use std::future::ready;
use std::io::Read;

use crate::common::{
    Folder, HEADER, engine, event, event_with, events, events_with_line, small_model,
};
use honeyguide::convert::{ConvertOptions, convert};
use honeyguide::evaluate::evaluate;
use honeyguide::incident::{IncidentOptions, incidents};
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    Contamination, ErrorKind, Model, ReadOptions, Recipe, StorageOptions, ThresholdPolicy,
    TrainOptions, train,
};

/// Creates a folder with `good.csv`, a table of `count` events, and `model.json`, a small model of them.
async fn with_model(count: usize) -> Folder {
    let folder = Folder::with(&[("good.csv", events(count))]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    save(&folder, &model, "model.json");
    folder
}

/// Writes a model to a file of the folder.
fn save(folder: &Folder, model: &Model, name: &str) {
    let saved = model.save(folder.path(name).as_path());
    saved.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Reads `model.json`.
fn small(folder: &Folder) -> Model {
    Model::load(&folder.path("model.json")).expect("a model")
}

/// Returns a database with files of the folder as tables, each given by its name and its file.
fn database(
    folder: &Folder,
    model: Option<Model>,
    tables: &[(&str, &str)],
    threads: usize,
) -> Database {
    let storage = StorageOptions::default();
    let mut database = Database::new(&engine(threads), model, storage).expect("a database");
    for (name, file) in tables {
        let added = database.add(name, folder.source(&[file]));
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    database
}

/// Returns a database whose table `events` is `file`, without a model.
fn plain(folder: &Folder, file: &str) -> Database {
    database(folder, None, &[("events", file)], 2)
}

/// Returns a database whose table `events` is `file`, with the model `model.json`.
fn scored(folder: &Folder, file: &str) -> Database {
    database(folder, Some(small(folder)), &[("events", file)], 2)
}

/// Returns the answer to a query, which must succeed.
async fn answer(database: &mut Database, query: &str, format: TextFormat) -> String {
    let mut text = String::new();
    let rows = database.text(query, format).await;
    let mut rows = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.read_to_string(&mut text).expect("text");
    text
}

/// Returns the answer to a query as CSV. The query must succeed.
async fn csv(database: &mut Database, query: &str) -> String {
    answer(database, query, TextFormat::Csv).await
}

/// Returns the answer to a query on `good.csv` with the model `model.json`.
async fn ask(folder: &Folder, query: &str) -> String {
    csv(&mut scored(folder, "good.csv"), query).await
}

/// Checks that a query on `file` without a model is refused because of the query.
async fn refused(folder: &Folder, query: &str, file: &str, says: &[&str]) {
    let mut database = plain(folder, file);
    let call = database.text(query, TextFormat::Csv);
    let usage = ErrorKind::Usage;
    folder.refused_with_hint(call, usage, says).await;
}

/// Returns a query in which the names of files in quotes are paths in the folder.
fn located(folder: &Folder, query: &str) -> String {
    let names = ["model.json", "context.json", "no.json", "good.csv", "x.csv"];
    names.iter().fold(query.to_owned(), |query, name| {
        let path = folder.path(name);
        query.replace(&format!("'{name}'"), &format!("'{}'", path.display()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_equal_those_of_scoring_to_the_bit() {
    let folder = with_model(3000).await;
    let (out, options) = (folder.path("scored.csv"), ScoreOptions::default());
    let (model, mut source) = (small(&folder), folder.source(&["good.csv"]));
    let written = score_to_file(&engine(2), &model, &mut source, out.as_path(), options).await;
    written.expect("scores");
    let query = "SELECT timestamp, score, anomalous FROM events ORDER BY timestamp";
    let stored = csv(&mut plain(&folder, "scored.csv"), query).await;
    assert_eq!(stored.lines().count(), 3001);
    assert!(stored.contains("true") && stored.contains("false"));
    for threads in [1, 2] {
        let tables = [("events", "good.csv")];
        let mut database = database(&folder, Some(small(&folder)), &tables, threads);
        assert_eq!(csv(&mut database, query).await, stored);
    }
    let all = ask(&folder, "SELECT * FROM events WHERE false").await;
    assert_eq!(all.trim(), format!("{HEADER},score,anomalous"));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_equal_those_of_an_evaluation() {
    let folder = with_model(3000).await;
    let mut source = folder.source(&["good.csv"]);
    let evaluation = evaluate(&engine(2), &small(&folder), &mut source, None).await;
    let verdicts = evaluation.expect("an evaluation").labels.remove(0).verdicts;
    let query = "SELECT sum(CASE WHEN anomalous AND sus = 1 THEN 1 ELSE 0 END) AS true_positives, \
                 sum(CASE WHEN anomalous AND sus = 0 THEN 1 ELSE 0 END) AS false_positives FROM events";
    let counts = ask(&folder, query).await;
    let expected = format!("{},{}", verdicts.true_positives, verdicts.false_positives);
    assert_eq!(
        counts.lines().collect::<Vec<_>>(),
        ["true_positives,false_positives", &expected]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_scores_that_a_query_does_not_use_are_not_computed() {
    let folder = with_model(100).await;
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
        let plan = ask(&folder, &format!("EXPLAIN {query}")).await;
        assert_eq!(plan.contains("anomaly_score("), scores, "{query}: {plan}");
        assert!(plan.contains(columns), "{query}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_queries_are_answered() {
    let folder = with_model(100).await;
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
        let statement = located(&folder, statement);
        let says = [says, "only queries are answered", "`table`"];
        refused(&folder, &statement, "good.csv", &says).await;
    }
    for (query, says) in [
        ("SELECT * FROM 'good.csv'", "no table `good.csv`"),
        ("SELECT * FROM '/etc/passwd'", "no table `/etc/passwd`"),
        ("WITH x AS (DELETE FROM events) SELECT 1", "not implemented"),
        ("SELECT 1; DROP TABLE events", "single SQL statement"),
        ("", "the query is not SQL"),
        ("SELECT 'a", "Unterminated"),
    ] {
        refused(&folder, query, "good.csv", &[says]).await;
    }
}

/// Queries that would overflow the stack are refused.
#[tokio::test(flavor = "multi_thread")]
async fn deep_queries_are_refused() {
    let folder = Folder::with(&[("good.csv", events(100))]);
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
        refused(&folder, &query, "good.csv", &[says]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_name_the_mistake_and_a_correction() {
    let folder = Folder::with(&[("good.csv", events(100))]);
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
            ["no column `score`", "`model` MODEL"],
        ),
        ("SELECT frob(1)", ["Invalid function 'frob'", ""]),
        (
            "SELECT userId FROM events a, events b",
            ["Ambiguous reference", "name the table too"],
        ),
        ("SELECT 'a' + 1", ["text + Int64", ""]),
        (
            "SELECT a.userId, b.userId FROM events a JOIN events b ON a.timestamp = b.timestamp",
            ["two columns called `userId`", "with AS"],
        ),
        (
            "SELECT array_agg(userId) AS all FROM events",
            ["`all`", "CSV cannot hold"],
        ),
    ] {
        refused(&folder, query, "good.csv", &says).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_models_that_cannot_be_used_are_refused() {
    let folder = Folder::with(&[("good.csv", events(100))]);
    let usage = ErrorKind::Usage;
    let mut empty = database(&folder, None, &[], 2);
    let says = ["no table `events`", "name the data"];
    let call = empty.text("SELECT 1 FROM events", TextFormat::Csv);
    folder.refused_with_hint(call, usage, &says).await;
    let added = empty.add("a b", folder.source(&["good.csv"]));
    let says = "`a b` is not a valid table name";
    folder.refused(ready(added), usage, says).await;
    let opened = folder.open(&["no.csv"], &ReadOptions::default());
    let says = "no.csv: no such file";
    folder.refused(ready(opened), usage, says).await;
    let loaded = Model::load(&folder.path("no.json"));
    let says = "no.json: no such model file";
    folder.refused(ready(loaded), usage, says).await;
}

/// A value that cannot be read is reported with its place in the file, as by every other function, whatever the query is.
#[tokio::test(flavor = "multi_thread")]
async fn faults_in_the_data_are_reported_with_their_place() {
    let folder = with_model(100).await;
    let bad = events_with_line(3000, 1500, &event_with(1498, 4, "root"));
    folder.write("bad.csv", bad);
    let place = "bad.csv: line 1500, column 5 (`userId`)";
    for query in [
        "SELECT max(userId) FROM bad",
        "SELECT max(score) FROM bad",
        "SELECT g.userId FROM good g JOIN bad b ON g.userId = b.userId LIMIT 1",
    ] {
        let tables = [("good", "good.csv"), ("bad", "bad.csv")];
        let mut database = database(&folder, Some(small(&folder)), &tables, 2);
        let call = database.text(query, TextFormat::Csv);
        let says = [place, "`root`"];
        let data = ErrorKind::Data;
        folder.refused_with_hint(call, data, &says).await;
    }
    let query = "SELECT count(DISTINCT eventId) AS n FROM events";
    let counted = csv(&mut plain(&folder, "bad.csv"), query).await;
    assert_eq!(counted, "n\n11\n");
    let missing = events_with_line(100, 50, &event_with(48, 4, ""));
    folder.write("missing.csv", missing);
    let mut database = scored(&folder, "missing.csv");
    let call = database.text("SELECT max(score) FROM events", TextFormat::Csv);
    let says = "missing.csv: line 50: feature `userId` is null";
    folder.refused(call, ErrorKind::Data, says).await;
}

/// A scan that is repeated with other settings returns no row twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_scan_returns_no_row_twice() {
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
    let counted = answer(&mut plain(&folder, "odd.csv"), query, TextFormat::Json).await;
    assert_eq!(
        counted,
        "[\n{\"n\":59999,\"least\":0.5,\"words\":\"two\\nlines\"}\n]\n"
    );
    let all = csv(&mut plain(&folder, "odd.csv"), "SELECT n FROM events").await;
    assert_eq!(all.lines().count(), 60_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_scores_the_tables_that_it_fits() {
    let folder = with_model(1000).await;
    folder.write("hosts.csv", "hostName,owner\nhost-1,alice\n");
    let query = "SELECT owner, count(*) AS n, max(score) AS top FROM events JOIN hosts USING (hostName) \
                 WHERE anomalous GROUP BY owner";
    let tables = [("events", "good.csv"), ("hosts", "hosts.csv")];
    let mut both = database(&folder, Some(small(&folder)), &tables, 2);
    let joined = csv(&mut both, query).await;
    assert!(joined.contains("\nalice,"), "{joined}");
    let unscored: Vec<String> = both.unscored().collect();
    let says = "table `hosts` has no columns score and anomalous";
    assert!(unscored.concat().contains(says), "{unscored:?}");
    let tables = [("hosts", "hosts.csv")];
    let mut alone = database(&folder, Some(small(&folder)), &tables, 2);
    let call = alone.text("SELECT score FROM hosts", TextFormat::Csv);
    let says = [
        "no column `score`",
        "`userId` (for feature `userId`)",
        "the data has hostName, owner",
    ];
    let usage = ErrorKind::Usage;
    folder.refused_with_hint(call, usage, &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_a_table() {
    let folder = with_model(2000).await;
    let model = small(&folder);
    let options = IncidentOptions {
        limit: 1000,
        ..IncidentOptions::default()
    };
    let mut source = folder.source(&["good.csv"]);
    let found = incidents(&engine(1), &model, &mut source, &options).await;
    let found = found.expect("incidents");
    assert!(found.found > 0 && found.found == found.incidents.len() as u64);
    let expected = found.incidents.iter();
    let expected: String = expected
        .map(|incident| format!("{},{}\n", incident.id, incident.events))
        .collect();
    let query = "SELECT id, events FROM incidents ORDER BY score DESC, id";
    assert_eq!(ask(&folder, query).await, format!("id,events\n{expected}"));
    // A query can read them twice, beside the events.
    let query = "SELECT (SELECT sum(events) FROM incidents) AS of_incidents, \
                 (SELECT sum(events) FROM incidents) = count(*) FILTER (WHERE anomalous) AS is_all FROM events";
    let all = format!("of_incidents,is_all\n{},true\n", found.anomalous);
    assert_eq!(ask(&folder, query).await, all);
    // A table of the data keeps its name.
    let tables = [("events", "good.csv"), ("incidents", "good.csv")];
    let mut database = database(&folder, Some(small(&folder)), &tables, 2);
    let events = csv(&mut database, "SELECT count(*) AS n FROM incidents").await;
    assert_eq!(events, "n\n2000\n");
}

#[tokio::test]
async fn incidents_are_not_found_for_queries_that_do_not_read_them() {
    let folder = with_model(50).await;
    for query in [
        "SELECT count(*) AS n FROM information_schema.columns WHERE table_name = 'incidents'",
        "EXPLAIN SELECT count(*) FROM incidents",
        "DESCRIBE incidents",
    ] {
        let answered = csv(&mut scored(&folder, "good.csv"), query).await;
        assert!(answered.lines().count() > 1, "{query}: {answered}");
    }
}

#[tokio::test]
async fn incidents_that_are_not_there_are_refused_in_words() {
    let folder = with_model(50).await;
    folder.write("other.csv", "x\n1\n");
    let query = "SELECT * FROM incidents";
    let says = async |database: &mut Database| {
        let error = database.text(query, TextFormat::Json).await;
        let error = error.map(|_| ()).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.to_string()
    };
    let without_model = says(&mut plain(&folder, "good.csv")).await;
    assert!(
        without_model.contains("come from a model"),
        "{without_model}"
    );
    let unfit = says(&mut scored(&folder, "other.csv")).await;
    assert!(unfit.contains("has no columns score"), "{unfit}");
    let two = [("a", "good.csv"), ("b", "good.csv")];
    let model = || Some(small(&folder));
    let unclear = says(&mut database(&folder, model(), &two, 1)).await;
    assert!(unclear.contains("several tables have scores"), "{unclear}");
    // Of several tables, `events` is the one.
    let two = [("a", "good.csv"), ("events", "good.csv")];
    csv(
        &mut database(&folder, model(), &two, 1),
        "SELECT id FROM incidents",
    )
    .await;
    let mut database = scored(&folder, "good.csv");
    database.incident_by(vec!["nothing".into()]);
    let unknown = says(&mut database).await;
    assert!(unknown.contains("the data has no such column"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_scores_are_kept() {
    let folder = with_model(500).await;
    let (out, options) = (folder.path("scored.parquet"), ScoreOptions::default());
    let (model, mut source) = (small(&folder), folder.source(&["good.csv"]));
    let written = score_to_file(&engine(2), &model, &mut source, out.as_path(), options).await;
    written.expect("scores");
    let query = "SELECT count(*) AS n, sum(CASE WHEN s.score = e.score THEN 1 ELSE 0 END) AS same \
                 FROM events e JOIN stored s ON e.timestamp = s.timestamp";
    let tables = [("events", "good.csv"), ("stored", "scored.parquet")];
    let mut database = database(&folder, Some(model), &tables, 2);
    assert_eq!(csv(&mut database, query).await, "n,same\n500,500\n");
    let unscored: Vec<String> = database.unscored().collect();
    let says = "table `stored` keeps its own column `score`";
    assert!(unscored.concat().contains(says), "{unscored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_can_be_written_to_files() {
    let folder = with_model(1000).await;
    let query =
        "SELECT hostName, anomalous, count(*) AS events FROM events GROUP BY 1, 2 ORDER BY 2";
    let direct = ask(&folder, query).await;
    for out in ["answer.csv", "answer.parquet"] {
        let mut database = scored(&folder, "good.csv");
        let rows = database.write(query, folder.path(out).as_path()).await;
        assert_eq!(rows.expect("an answer"), 2, "{out}");
        let all = "SELECT * FROM events ORDER BY anomalous";
        assert_eq!(csv(&mut plain(&folder, out), all).await, direct, "{out}");
    }
    for (out, says) in [
        ("good.csv", "also an input"),
        ("answer.txt", "answer.txt"),
        ("no/answer.csv", "no does not exist"),
    ] {
        let (mut database, out) = (plain(&folder, "good.csv"), folder.path(out));
        let call = database.write("SELECT 1 AS one FROM events", out.as_path());
        folder.refused(call, ErrorKind::Usage, says).await;
    }
    let query = "SELECT array_agg(userId) AS users FROM events";
    let lists = answer(&mut plain(&folder, "good.csv"), query, TextFormat::Json).await;
    assert!(lists.starts_with("[\n{\"users\":[0,0,"), "{lists}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_rows_has_its_columns() {
    let folder = Folder::with(&[("one.csv", format!("{HEADER}\n{}\n", event(0)))]);
    let query = "SELECT userId AS user, hostName FROM events WHERE userId > 5";
    let mut database = plain(&folder, "one.csv");
    assert_eq!(csv(&mut database, query).await, "user,hostName\n");
    let json = answer(&mut database, query, TextFormat::Json).await;
    assert_eq!(json, "[\n]\n");
}

/// A model that a query names gives the same results as the database's model and as scoring.
#[tokio::test(flavor = "multi_thread")]
async fn functions_of_models_agree_with_scoring() {
    let folder = with_model(3000).await;
    let mut source = folder.source(&["good.csv"]);
    let options = TrainOptions {
        n_estimators: 10,
        threshold: ThresholdPolicy::Contamination(Contamination::Fraction(0.01)),
        ..TrainOptions::default()
    };
    let recipe = Recipe::default_for(source.log());
    let model = train(&engine(2), &mut source, &recipe, &options).await;
    let model = model.expect("a model");
    save(&folder, &model, "context.json");
    let (out, mut source) = (folder.path("scored.csv"), folder.source(&["good.csv"]));
    let options = ScoreOptions {
        explain: true,
        ..ScoreOptions::default()
    };
    let written = score_to_file(&engine(2), &model, &mut source, out.as_path(), options).await;
    written.expect("scores");
    let stored = "SELECT timestamp, score, anomalous, reasons FROM events ORDER BY timestamp";
    let stored = csv(&mut plain(&folder, "scored.csv"), stored).await;
    let named = "SELECT timestamp, anomaly_score('context.json') AS score, is_anomalous('context.json') AS anomalous, \
                 CASE WHEN is_anomalous('context.json') THEN explain_anomaly('context.json') END AS reasons \
                 FROM events ORDER BY timestamp";
    let named = located(&folder, named);
    let named = csv(&mut plain(&folder, "good.csv"), &named).await;
    assert!(named.contains(",true,") && named.contains(" of the training events"));
    assert!(named == stored);
    let both = "SELECT count(*) AS n FROM events WHERE anomaly_score('model.json') = score";
    assert_eq!(ask(&folder, &located(&folder, both)).await, "n\n3000\n");
    let by_hand = "SELECT count(*) AS n FROM events WHERE score = anomaly_score('model.json', processId NOT IN (0, 1, 2), \
                   parentProcessId NOT IN (0, 1, 2), userId >= 1000, mountNamespace <> 4026531840, eventId, argsNum, \
                   signum(returnValue))";
    assert_eq!(ask(&folder, &located(&folder, by_hand)).await, "n\n3000\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_models_can_be_used_like_columns() {
    let folder = with_model(1000).await;
    let ask = async |query: &str| ask(&folder, &located(&folder, query)).await;
    let most = async |score: &str| {
        let query =
            format!("SELECT timestamp FROM events ORDER BY {score} DESC, timestamp LIMIT 20");
        ask(&query).await
    };
    assert_eq!(
        most("anomaly_score('model.json')").await,
        most("score").await
    );
    let features = "SELECT anomaly_features('model.json')['userId'] AS class, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(features).await, "class,n\n0.0,990\n1.0,10\n");
    let grouped = "SELECT userId, max(ANOMALY_SCORE('model.json')) = max(score) AS same FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(ask(grouped).await, "userId,same\n0,true\n1001,true\n");
    let bare = "SELECT anomaly_score('model.json'), is_anomalous('model.json') FROM events LIMIT 0";
    assert_eq!(ask(bare).await, "anomaly_score,is_anomalous\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_calls_of_functions_are_refused() {
    let folder = with_model(100).await;
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
        let query = located(&folder, &format!("SELECT {call} FROM events"));
        refused(&folder, &query, "good.csv", &says).await;
    }
    let lacking = "SELECT anomaly_score('model.json') FROM (SELECT processName FROM events)";
    let says = ["no column `processId`", "processName"];
    refused(&folder, &located(&folder, lacking), "good.csv", &says).await;
    let missing = events_with_line(100, 50, &event_with(48, 4, ""));
    folder.write("missing.csv", missing);
    let query = located(
        &folder,
        "SELECT max(anomaly_score('model.json')) FROM events",
    );
    let mut database = plain(&folder, "missing.csv");
    let call = database.text(&query, TextFormat::Csv);
    let says = ["feature `userId` is null", "IS NOT NULL"];
    let data = ErrorKind::Data;
    folder.refused_with_hint(call, data, &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_source_can_be_queried() {
    let folder = with_model(1000).await;
    let query = "SELECT count(*) AS n, max(score) AS top FROM events";
    let expected = ask(&folder, query).await;
    let out = folder.path("good.ndjson");
    let mut all = plain(&folder, "good.csv");
    let written = all.write("SELECT * FROM events", out.as_path()).await;
    assert_eq!(written.expect("lines"), 1000);
    let mut lines = folder.read("good.ndjson");
    lines.extend_from_slice(b"{\"timestamp\": 1, oops\n");
    folder.write("good.ndjson", &lines);
    let mut database = scored(&folder, "good.ndjson");
    assert_eq!(csv(&mut database, query).await, expected);
    let source = database.sources().next().expect("a table");
    let intake = source.counts().intake.as_ref().expect("lines of JSON");
    assert_eq!([intake.events, intake.bad_lines], [1000, 1]);
    let noise = [lines, b"{oops\n".repeat(500)].concat();
    folder.write("noise.ndjson", noise);
    let mut database = scored(&folder, "noise.ndjson");
    let call = database.text(query, TextFormat::Csv);
    let says = "lines cannot be read";
    folder.refused(call, ErrorKind::Data, says).await;
    let (mut source, lake) = (folder.source(&["good.csv"]), folder.path("lake"));
    let options = ConvertOptions {
        partition_by: vec!["userId".to_owned()],
        ..ConvertOptions::default()
    };
    let converted = convert(&engine(2), &mut source, lake.as_path(), &options).await;
    converted.expect("a folder of Parquet files");
    assert_eq!(csv(&mut scored(&folder, "lake"), query).await, expected);
}
