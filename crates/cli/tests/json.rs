//! What commands print with `--json`, and what joins their tables with the events.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::schema::{faults, formats, valid_answer};
use common::{Folder, commands, event, event_with, events};
use serde_json::{Value, json};

/// The commands that print nothing with `--json`, because they serve other processes or print a text of their own; and
/// `record`, which runs only where the sensor can be loaded, and which has tests of its own.
const WITHOUT_ANSWER: [&str; 4] = ["cluster", "completions", "man", "record"];

/// Returns a folder with events, simulated logs, a model and a recipe with categories.
fn folder() -> Folder {
    let folder = Folder::with_model(2000);
    let recipe = "name = \"kinds\"\n[[feature]]\nname = \"user\"\nexpr = \"userId\"\ntransform = \"standard\"\n\
                  [[feature]]\nname = \"call\"\nexpr = \"eventName\"\nkind = \"categorical\"\n\
                  [[feature]]\nname = \"rare\"\nrarity = { of = \"processName\", given = [\"hostName\"] }\n";
    folder.write("kinds.toml", recipe);
    let rows = (0..200).map(|row| format!("{},{}\n", row % 23, u8::from(row % 40 == 0)));
    let plain = "bytes,is_attack\n".to_owned() + &rows.collect::<String>();
    folder.write("plain.csv", plain);
    // One record is malformed, and one has a null that the recipe refuses.
    let bad = [
        "not,an,event".to_owned(),
        event_with(1, 12, ""),
        event_with(2, 4, ""),
    ];
    folder.write("bad.csv", events(300) + &bad.join("\n"));
    folder.write("forest.json", exported_forest());
    // `reproduce` needs events with labels of both kinds.
    folder.done(&[
        "simulate", "--out", "logs", "--events", "30000", "--seed", "5",
    ]);
    folder
}

/// Returns a forest of one leaf, as it is exported from scikit-learn.
fn exported_forest() -> String {
    let params = json!({
        "n_estimators": 1, "max_samples": {"count": 1}, "max_features": {"fraction": 1.0}, "bootstrap": false,
        "contamination": "auto", "extension_level": 0, "seed": 0, "column_kinds": [],
    });
    let forest = json!({
        "version": 1, "params": params, "n_features": 1, "max_samples": 1, "offset": -0.5, "input": "f32",
        "trees": [{"splits": [-1], "thresholds": [], "leaf_events": [1]}],
    });
    json!({"scikit_learn": "1.9.1", "feature_names": ["userId"], "forest": forest}).to_string()
}

/// The calls: together they give every field a value that is not null at least once.
const CALLS: [&str; 52] = [
    "convert good.csv --out c.parquet",
    "convert good.csv --out d.parquet --skip-timing --parse-lists",
    "demo --out demo",
    "drift model.json good.csv",
    "drift model.json logs/labelled_testing_data.csv",
    "embed good.csv --recipe beth-paper --epochs 1 --out e.csv",
    "embed good.csv --model model.json --epochs 1 --out e.csv",
    "evaluate model.json good.csv",
    "evaluate model.json logs/labelled_testing_data.csv --label evil",
    "evaluate kinds.json logs/labelled_testing_data.csv",
    "explain model.json good.csv --row 17",
    "explain kinds.json logs/labelled_testing_data.csv --row 1",
    "explain model.json logs/labelled_testing_data.csv --incident INCIDENT",
    "explore good.csv --out p.html",
    "explore good.csv --recipe context --out p.html",
    "import forest.json good.csv --recipe raw --out i.json",
    "incidents model.json logs/labelled_testing_data.csv --top 2",
    "incidents kinds.json logs/labelled_testing_data.csv --top 2 --incident-by userId",
    "incidents model.json good.csv --out i.parquet",
    "inspect good.csv",
    "inspect logs",
    "inspect good.csv --recipe context",
    "inspect good.csv --recipe kinds.toml",
    "inspect good.csv --model kinds.json",
    "recipes",
    "recipes raw",
    "recipes context",
    "report model.json good.csv --out r.html",
    "report kinds.json logs/labelled_testing_data.csv --out r.html",
    "reproduce logs --seeds 1",
    "sample good.csv --rows 10 --out some.csv",
    "sample good.csv --rows 10 --label sus --out some.csv",
    "score model.json good.csv --top 3",
    "score kinds.json logs/labelled_testing_data.csv --top 3",
    "score model.json good.csv --explain --out s.csv",
    "score model.json good.csv --skip-incidents --top 2 --events 1",
    "simulate --out more --events 3000",
    "train good.csv --recipe raw --trees 2 --out m.json",
    "train good.csv --trees 2 --contamination 0.01 --out m.json",
    "train good.csv --trees 2 --contamination auto --out m.json",
    "train good.csv --trees 2 --out m.json",
    "train plain.csv --recipe raw --trees 2 --out m.json",
    "train good.csv --trees 2 --out m.json --calibrate good.csv",
    "train logs/labelled_training_data.csv --trees 2 --out m.json",
    "train logs/labelled_training_data.csv --trees 20 --incidents-per-host-day 1000 --out n.json",
    "evaluate n.json logs/labelled_testing_data.csv",
    "sql QUERY good.csv",
    "sql QUERY good.csv --out q.parquet",
    "watch model.json bad.csv",
    "watch model.json logs/labelled_testing_data.csv --alerts alerts.jsonl",
    "watch model.json good.csv --alerts alerts.jsonl --store live.db",
    "incidents --store live.db",
];

/// Runs every call and returns its answer, which is valid by its schema.
fn answers(folder: &Folder) -> Vec<(&'static str, Value)> {
    let train = "train good.csv --recipe kinds.toml --trees 5 --out kinds.json";
    folder.done(&train.split(' ').collect::<Vec<_>>());
    let incidents = "incidents model.json logs/labelled_testing_data.csv --top 1 --json";
    let incidents = folder.done(&incidents.split(' ').collect::<Vec<_>>());
    let incidents = valid_answer(&incidents.stdout);
    let incident = incidents["incidents"][0]["id"].as_str().expect("an id");
    let answers = CALLS.iter().map(|call| {
        let words = call.split(' ').map(|word| match word {
            "INCIDENT" => incident,
            "QUERY" => "SELECT count(*) AS events, NULL AS nothing FROM events",
            word => word,
        });
        let args: Vec<&str> = words.chain(["--json"]).collect();
        (*call, valid_answer(&folder.done(&args).stdout))
    });
    answers.collect()
}

/// Returns the answers that differ from `answer` in one place: a field that no schema knows, a field that is missing, or
/// a value of another type.
fn spoilt(answer: &Value) -> Vec<Value> {
    fn places(value: &Value, at: String, all: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    places(member, format!("{at}/{name}"), all);
                }
            }
            Value::Array(items) => {
                if let Some(first) = items.first() {
                    places(first, format!("{at}/0"), all);
                }
            }
            _ => {}
        }
        all.push(at);
    }
    let mut all = Vec::new();
    places(answer, String::new(), &mut all);
    let is_free = |place: &String| {
        // The columns of an event, the rows of a query and the values of a recipe have the names of the data.
        ["/event/", "/rows/", "/values/", "/head/"]
            .iter()
            .any(|part| place.contains(part))
            && !place.contains("/labels/")
            && !place.contains("/unseen/")
    };
    let mut answers = Vec::new();
    for place in all.iter().filter(|place| !is_free(place)) {
        let mut with = |change: &dyn Fn(&mut Value)| {
            let mut answer = answer.clone();
            change(answer.pointer_mut(place).expect("a place"));
            answers.push(answer);
        };
        match answer.pointer(place).expect("a place") {
            Value::Object(_) if place.ends_with("/event") || place.ends_with("/values") => {}
            Value::Object(_) => with(&|value| value["undocumented"] = json!(1)),
            Value::Null => with(&|value| *value = json!([[["a list"]]])),
            Value::Number(_) | Value::Bool(_) => with(&|value| *value = json!("a text")),
            Value::String(_) => with(&|value| *value = json!(1.5)),
            Value::Array(_) => with(&|value| *value = json!("a text")),
        }
    }
    answers
}

#[test]
fn every_command_prints_what_the_schema_of_its_format_says() {
    let folder = folder();
    let answers = answers(&folder);
    let printed: BTreeSet<&str> = answers
        .iter()
        .map(|(_, answer)| answer["format"].as_str().expect("a format"))
        .collect();
    let mut documented = formats();
    // The tests of `record` check its answers.
    documented.retain(|format| format != "honeyguide-recording");
    assert_eq!(printed, documented.iter().map(String::as_str).collect());
    let mut called: BTreeSet<String> = CALLS
        .iter()
        .filter_map(|call| call.split(' ').next())
        .map(str::to_owned)
        .collect();
    called.extend(WITHOUT_ANSWER.map(str::to_owned));
    let listed = commands(&folder.done(&["--help"]).stdout);
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), called);
    for (call, answer) in &answers {
        assert_eq!(answer["version"], 1, "{call}");
        let is_simulated =
            call.contains("logs") || call.starts_with("demo") || call.starts_with("simulate");
        assert_eq!(answer.get("simulated").is_some(), is_simulated, "{call}");
        let spoilt = spoilt(answer);
        assert!(spoilt.len() >= 4, "{call}");
        for answer in spoilt {
            assert_ne!(faults(&answer), Vec::<String>::new(), "{call}: {answer}");
        }
    }
}

#[test]
fn events_are_objects_whose_values_have_types() {
    // The values are beyond the 53 bits of a double, so that a reader that rounds them gets other digits.
    let folder = Folder::with(&[(
        "odd.csv",
        "id,ratio,name,flag,none\n\
         9223372036854775807,0.1,007x,true,\n\
         -9223372036854775808,NaN,\"a \"\"b\"\"\",false,\n\
         9007199254740993,1e300,,true,\n",
    )]);
    let train = "train odd.csv --recipe raw --exclude none,ratio --trees 5 --out m.json";
    folder.done(&train.split(' ').collect::<Vec<_>>());
    let shown = |row: &str| {
        folder
            .done(&["explain", "m.json", "odd.csv", "--row", row, "--json"])
            .stdout
    };
    let expected = [
        "\"event\":{\"id\":9223372036854775807,\"ratio\":0.1,\"name\":\"007x\",\"flag\":true,\"none\":null}",
        "\"event\":{\"id\":-9223372036854775808,\"ratio\":null,\"name\":\"a \\\"b\\\"\",\"flag\":false,\"none\":null}",
        "\"event\":{\"id\":9007199254740993,\"ratio\":1e+300,\"name\":null,\"flag\":true,\"none\":null}",
    ];
    for (row, expected) in (1..).zip(expected) {
        let text = shown(&row.to_string());
        // Blanks between the values are removed; no value of this data has one that matters.
        let compact: String = text
            .lines()
            .map(str::trim)
            .collect::<String>()
            .replace("\": ", "\":");
        assert!(compact.contains(expected), "{row}: {text}");
    }
    let head = folder.done(&["inspect", "odd.csv", "--json"]).stdout;
    assert!(head.contains("\"id\": 9007199254740993"), "{head}");
    let query = "SELECT max(id) AS id, CAST('18446744073709551615' AS BIGINT UNSIGNED) AS big, \
                 CAST('12345678901234567890.5' AS DECIMAL(30, 1)) AS exact FROM events";
    let rows = folder.done(&["sql", query, "odd.csv", "--json"]).stdout;
    let expected = "{\"id\":9223372036854775807,\"big\":18446744073709551615,\"exact\":12345678901234567890.5}";
    assert!(rows.contains(expected), "{rows}");
}

#[test]
fn reasons_have_one_shape() {
    let folder = Folder::with_model(2000);
    let of_score = valid_answer(
        &folder
            .done(&["score", "model.json", "good.csv", "--top", "1", "--json"])
            .stdout,
    );
    let first = &of_score["most_anomalous"][0];
    let row = first["source_row"].to_string();
    let explain = ["explain", "model.json", "good.csv", "--row", &row, "--json"];
    let of_explain = valid_answer(&folder.done(&explain).stdout);
    for field in ["score", "event", "source_file", "source_row", "feature_key"] {
        assert_eq!(first[field], of_explain[field], "{field}");
    }
    let reasons = |answer: &Value| answer["reasons"].as_array().expect("reasons").clone();
    let all = reasons(&of_explain);
    assert_eq!(all.len(), 7, "one for each feature of beth-paper");
    assert_eq!(reasons(first)[0], all[0]);
    // The sum is that of the definition of Shapley values.
    let contributions: f64 = all
        .iter()
        .filter_map(|reason| reason["contribution"].as_f64())
        .sum();
    let number = |field: &str| of_explain[field].as_f64().expect("a number");
    let length = number("normalised_path_length");
    assert!((number("base") + contributions - length).abs() < 1e-9);
    assert!((number("score") + -f64::exp2(-length)).abs() < 1e-12);
    // Tables hold the same reasons as one text.
    folder.done(&[
        "score",
        "model.json",
        "good.csv",
        "--anomalous",
        "--explain",
        "--out",
        "s.ndjson",
    ]);
    let text = String::from_utf8(folder.read("s.ndjson")).expect("text");
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let line = lines
        .find(|line| line["source_row"] == first["source_row"])
        .expect("the event");
    let texts: Vec<&str> = first["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .filter_map(|reason| reason["text"].as_str())
        .collect();
    assert_eq!(line["reasons"], texts.join("; "));
}

/// Returns the rows of an NDJSON file.
fn rows(folder: &Folder, name: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.read(name)).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

#[test]
fn scored_events_can_be_joined_with_files_and_with_maps() {
    let folder = Folder::with_model(1000);
    let part = |from: usize, to: usize| {
        let lines: Vec<String> = (from..to).map(event).collect();
        format!("{}\n{}\n", common::HEADER, lines.join("\n"))
    };
    folder.write("a.csv", part(0, 300));
    folder.write("b.csv", part(300, 500));
    let score = |out: &str, more: &[&str]| {
        let args = ["score", "model.json", "a.csv", "b.csv", "--out", out];
        folder.done(&[&args[..], more].concat());
    };
    score("s.ndjson", &[]);
    let scored = rows(&folder, "s.ndjson");
    assert_eq!(scored.len(), 500);
    for (index, row) in scored.iter().enumerate() {
        let (file, number) = if index < 300 {
            ("a.csv", index + 1)
        } else {
            ("b.csv", index - 299)
        };
        assert_eq!(
            (row["source_file"].as_str(), &row["source_row"]),
            (Some(file), &json!(number))
        );
        // The table has the time INDEX.25 in row INDEX.
        assert_eq!(row["timestamp"], json!(index as f64 + 0.25));
    }
    // Only the anomalous events keep their row numbers.
    score("alerts.ndjson", &["--anomalous"]);
    let alerts: Vec<&Value> = scored
        .iter()
        .filter(|row| row["anomalous"] == true)
        .collect();
    assert!(!alerts.is_empty() && alerts.len() < 500);
    assert_eq!(
        rows(&folder, "alerts.ndjson").iter().collect::<Vec<_>>(),
        alerts
    );
    // The other formats hold the same columns.
    for out in ["s.csv", "s.parquet", "s.arrow"] {
        score(out, &[]);
        let query =
            "SELECT source_file, source_row, feature_key FROM events WHERE timestamp = 321.25";
        let found = valid_answer(&folder.done(&["sql", query, out, "--json"]).stdout);
        let row = &scored[321];
        let expected = ["source_file", "source_row", "feature_key"]
            .map(|name| (name.to_owned(), row[name].clone()));
        assert_eq!(
            found["rows"],
            json!([expected.into_iter().collect::<BTreeMap<_, _>>()]),
            "{out}"
        );
    }
    // The map of the same features has the same keys, with as many events.
    folder.done(&[
        "embed",
        "a.csv",
        "b.csv",
        "--recipe",
        "beth-paper",
        "--epochs",
        "1",
        "--out",
        "map.ndjson",
    ]);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for row in &scored {
        *counted
            .entry(row["feature_key"].as_str().expect("a key").to_owned())
            .or_default() += 1;
    }
    let placed = rows(&folder, "map.ndjson");
    let placed = placed.iter().map(|row| {
        let key = row["feature_key"].as_str().expect("a key").to_owned();
        (key, row["count"].as_u64().expect("a count"))
    });
    assert_eq!(placed.collect::<BTreeMap<_, _>>(), counted);
}

#[test]
fn a_column_that_scoring_adds_is_not_overwritten() {
    let folder = Folder::with_model(300);
    let mut text = String::new();
    for (index, line) in events(300).lines().enumerate() {
        let first = if index == 0 { "source_row" } else { "1" };
        text += &format!("{first},{line}\n");
    }
    folder.write("own.csv", text);
    let args = ["score", "model.json", "own.csv", "--out", "s.csv"];
    folder.refused(&args, 2, &["already has a column `source_row`"]);
}
