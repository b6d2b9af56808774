//! The command `import`: forests from scikit-learn score as in scikit-learn.
//!
//! `fixtures/make_import.py` made the forests, the events, and the expected scores and verdicts with scikit-learn.

mod common;

use common::Folder;
use common::schema::valid_answer;
use serde_json::{Value, json};

const EVENTS: &str = include_str!("fixtures/import/events.csv");
const FORESTS: [(&str, &str); 4] = [
    ("auto", include_str!("fixtures/import/auto.json")),
    ("fraction", include_str!("fixtures/import/fraction.json")),
    ("bootstrap", include_str!("fixtures/import/bootstrap.json")),
    // It has one feature, and its threshold is the score of many events.
    ("ties", include_str!("fixtures/import/ties.json")),
];
/// The number of events that the forests were fitted with, which come first.
const N_FITTED: usize = 300;
/// A recipe with the features of the forests under other names.
const RECIPE: &str = "name = \"mine\"\n[[feature]]\nname = \"size\"\nexpr = \"bytes\"\n[[feature]]\nname = \"user\"\n\
                      expr = '\"user id\"'\n[[feature]]\nname = \"share\"\nexpr = \"ratio\"\n[[feature]]\n\
                      name = \"to\"\nexpr = \"port\"\n";

/// Creates a folder with the forests, all events, and the events that the forests were fitted with.
fn folder() -> Folder {
    let folder = Folder::with(&[("events.csv", EVENTS), ("mine.toml", RECIPE)]);
    let port = "name = \"port\"\n[[feature]]\nname = \"to\"\nexpr = \"port\"\n";
    folder.write("port.toml", port);
    for (name, forest) in FORESTS {
        folder.write(&format!("{name}.json"), forest);
    }
    let fitted: Vec<&str> = EVENTS.lines().take(N_FITTED + 1).collect();
    folder.write("fitted.csv", fitted.join("\n") + "\n");
    folder
}

/// Runs `import` and returns its answer.
fn import(folder: &Folder, args: &[&str]) -> Value {
    let args = [&["import"], args, &["--out", "model.json", "--json"]].concat();
    valid_answer(&folder.done(&args).stdout)
}

/// Returns the events as `score` writes them for `model.json`.
fn scored(folder: &Folder) -> Vec<Value> {
    folder.done(&[
        "score",
        "model.json",
        "events.csv",
        "--out",
        "scored.ndjson",
    ]);
    let text = String::from_utf8(folder.read("scored.ndjson")).expect("text");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"));
    rows.collect()
}

#[test]
fn scores_and_verdicts_are_those_of_scikit_learn() {
    let folder = folder();
    for (name, _) in FORESTS {
        let file = format!("{name}.json");
        let recipe = if name == "ties" {
            "port.toml"
        } else {
            "mine.toml"
        };
        // The constants of a recipe do not change the scores, and neither do the events that it is described with.
        for args in [
            &[&*file][..],
            &[&file, "fitted.csv"],
            &[&file, "--recipe", recipe],
        ] {
            let answer = import(&folder, args);
            assert_eq!(
                answer["imported"],
                json!({"from": "scikit-learn", "version": "1.9.1"})
            );
            let rows = scored(&folder);
            assert_eq!(rows.len(), EVENTS.lines().count() - 1);
            for (index, row) in rows.iter().enumerate() {
                let number = |column: &str| row[column].as_f64().expect("a number");
                let (found, expected) = (number("score"), number(&format!("expected_{name}")));
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{args:?}, row {index}: {found}, not {expected}"
                );
                let flagged = number(&format!("flagged_{name}")) == 1.0;
                assert_eq!(row["anomalous"], flagged, "{args:?}, row {index}");
            }
        }
    }
}

#[test]
fn thresholds_are_those_of_scikit_learn_or_given() {
    let folder = folder();
    let threshold = |args: &[&str]| import(&folder, args)["threshold"].clone();
    assert_eq!(
        threshold(&["auto.json"]),
        json!({"value": 0.5, "method": {"auto": {}}})
    );
    let fraction = threshold(&["fraction.json"]);
    assert_eq!(
        fraction["method"],
        json!({"contamination": {"fraction": 0.05}})
    );
    // scikit-learn's offset_ of this forest.
    let value = fraction["value"].as_f64().expect("a number");
    assert!((value - 0.567_572_372_816_925_3).abs() < 1e-11, "{value}");
    let given = json!({"value": 0.6, "method": {"given": {}}});
    assert_eq!(threshold(&["auto.json", "--threshold", "0.6"]), given);
    let above = scored(&folder)
        .iter()
        .filter(|row| row["expected_auto"].as_f64() > Some(0.6))
        .count();
    let answer = valid_answer(
        &folder
            .done(&["score", "model.json", "events.csv", "--json"])
            .stdout,
    );
    assert_eq!(answer["anomalous"], above);
    assert!(above > 0);
    // An offset that was set by hand in Python.
    let mut moved: Value = serde_json::from_str(FORESTS[0].1).expect("JSON");
    moved["forest"]["offset"] = json!(-0.55);
    folder.write("moved.json", moved.to_string());
    let moved = threshold(&["moved.json"]);
    let value = moved["value"].as_f64().expect("a number");
    assert!((value - 0.55).abs() < 1e-11, "{value}");
    assert_eq!(moved["method"], json!({"given": {}}));
    folder.refused(
        &[
            "import",
            "auto.json",
            "--threshold",
            "1.5",
            "--out",
            "m.json",
        ],
        2,
        &["--threshold"],
    );
}

#[test]
fn the_training_events_give_reasons_and_drift_something_to_compare_with() {
    let folder = folder();
    import(&folder, &["auto.json", "fitted.csv"]);
    let shown = folder
        .done(&["explain", "model.json", "events.csv", "--row", "301"])
        .stdout;
    assert!(shown.contains("training events"), "{shown}");
    let drift = valid_answer(
        &folder
            .done(&["drift", "model.json", "fitted.csv", "--json"])
            .stdout,
    );
    assert_eq!(
        (&drift["training_events"], &drift["closeness"]),
        (&json!(300), &json!("close"))
    );
    folder.done(&["report", "model.json", "events.csv", "--out", "page.html"]);
    let page = String::from_utf8(folder.read("page.html")).expect("text");
    assert!(page.contains("imported from scikit-learn 1.9.1"));

    let told = folder
        .done(&["import", "auto.json", "--out", "model.json"])
        .stdout;
    assert!(
        told.contains("scikit-learn 1.9.1") && told.contains("unknown events"),
        "{told}"
    );
    let shown = folder
        .done(&["explain", "model.json", "events.csv", "--row", "301"])
        .stdout;
    assert!(
        !shown.contains("training events") && shown.contains("bytes "),
        "{shown}"
    );
    for args in [
        &["drift", "model.json", "events.csv"][..],
        &["report", "model.json", "events.csv", "--out", "p.html"],
    ] {
        folder.refused(
            args,
            2,
            &["imported without its training events", "honeyguide import"],
        );
    }
}

#[test]
fn forests_that_do_not_fit_are_refused() {
    let folder = folder();
    let forest: Value = serde_json::from_str(FORESTS[0].1).expect("JSON");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut forest = forest.clone();
        change(&mut forest);
        forest.to_string()
    };
    folder.write("bare.json", forest["forest"].to_string());
    folder.write(
        "short.json",
        with(&|forest| forest["feature_names"] = json!(["a"])),
    );
    folder.write("more.json", with(&|forest| forest["more"] = json!(1)));
    folder.write(
        "leafless.json",
        with(&|forest| forest["forest"]["trees"][3]["splits"] = json!([0, -1])),
    );
    folder.write("text.json", "not JSON");
    folder.write(
        "three.toml",
        RECIPE.rsplit_once("[[feature]]").expect("features").0,
    );
    let swapped = "name = \"s\"\n[[feature]]\nname = \"port\"\nexpr = \"port\"\n[[feature]]\nname = \"bytes\"\nexpr = \"bytes\"\n\
                   [[feature]]\nname = \"a\"\nexpr = \"ratio\"\n[[feature]]\nname = \"b\"\nexpr = \"ratio\"\n";
    folder.write("swapped.toml", swapped);
    folder.write(
        "rare.toml",
        RECIPE.replace("expr = \"bytes\"", "rarity = { of = \"bytes\" }"),
    );
    folder.write(
        "kinds.toml",
        RECIPE.replace("expr = \"port\"", "expr = \"port\"\nkind = \"categorical\""),
    );
    let cases: [(&[&str], i32, &[&str]); 12] = [
        (&["no.json"], 2, &["no.json: no such forest file"]),
        (
            &["text.json"],
            1,
            &["text.json: not an exported forest", "line 1"],
        ),
        (
            &["more.json"],
            1,
            &["more.json: not an exported forest", "`more`"],
        ),
        (
            &["leafless.json"],
            1,
            &["leafless.json: not an exported forest", "tree 3"],
        ),
        (&["short.json"], 1, &["4 features and 1 feature_names"]),
        (
            &["bare.json"],
            2,
            &["does not name the forest's columns", "--recipe"],
        ),
        (
            &["auto.json", "--recipe", "three.toml"],
            2,
            &["has 3 features, the forest has 4"],
        ),
        (
            &["auto.json", "--recipe", "swapped.toml"],
            2,
            &[
                "`port` where the forest has `bytes`",
                "bytes, user id, ratio, port",
            ],
        ),
        (
            &["auto.json", "--recipe", "rare.toml"],
            2,
            &["`size`: its constants", "FOREST DATA"],
        ),
        (
            &["auto.json", "--recipe", "kinds.toml"],
            2,
            &["`to`: its constants"],
        ),
        (
            &["auto.json", "fitted.csv", "--recipe", "kinds.toml"],
            2,
            &["disagree on which features are categorical"],
        ),
        (&["auto.json", "nothing.csv"], 2, &["nothing.csv"]),
    ];
    for (args, status, says) in cases {
        let args = [&["import"], args, &["--out", "m.json"]].concat();
        folder.refused(&args, status, says);
    }
    folder.refused(
        &["import", "auto.json", "--out", "auto.json"],
        2,
        &["the output is also the forest"],
    );
    // A forest without names can be imported with a recipe.
    import(&folder, &["bare.json", "--recipe", "mine.toml"]);
}
