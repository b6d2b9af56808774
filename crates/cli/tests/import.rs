//! The command `import`: forests from scikit-learn score as in scikit-learn, and those of the Python package as there.
//!
//! `fixtures/make_import.py` made the forests, the events, and the expected scores and verdicts with scikit-learn, and
//! `fixtures/make_import_categories.py` those with categories with the Python package.

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
/// Events with categories, and the forests that the Python package made of the first of them.
const CATEGORY_EVENTS: &str = include_str!("fixtures/import/categories.csv");
const CATEGORY_FORESTS: [(&str, &str); 2] = [
    (
        "categories",
        include_str!("fixtures/import/categories.json"),
    ),
    (
        "categories_range",
        include_str!("fixtures/import/categories_range.json"),
    ),
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

/// Creates a folder with the forests that have categories, and their events.
fn folder_with_categories() -> Folder {
    let fitted: Vec<&str> = CATEGORY_EVENTS.lines().take(N_FITTED + 1).collect();
    let folder = Folder::with(&[("events.csv", CATEGORY_EVENTS)]);
    folder.write("fitted.csv", fitted.join("\n") + "\n");
    for (name, forest) in CATEGORY_FORESTS {
        folder.write(&format!("{name}.json"), forest);
    }
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
            &["disagree on which features are categorical", "`to`"],
        ),
        (
            &["auto.json", "fitted.csv", "--recipe", "kinds.toml"],
            2,
            &["disagree on which features are categorical", "`to`"],
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

#[test]
fn forests_with_categories_score_as_in_python_to_the_bit() {
    let folder = folder_with_categories();
    for (name, _) in CATEGORY_FORESTS {
        let file = format!("{name}.json");
        for args in [&[&*file][..], &[&file, "fitted.csv"]] {
            import(&folder, args);
            let rows = scored(&folder);
            assert_eq!(rows.len(), CATEGORY_EVENTS.lines().count() - 1);
            for (index, row) in rows.iter().enumerate() {
                let bits = |column: &str| row[column].as_f64().expect("a number").to_bits();
                let expected = bits(&format!("expected_{name}"));
                assert_eq!(bits("score"), expected, "{args:?}, row {index}: {row}");
                let flagged = row[format!("flagged_{name}")] == json!(1);
                assert_eq!(row["anomalous"], flagged, "{args:?}, row {index}");
            }
            let args = ["score", "model.json", "events.csv", "--json"];
            let answer = valid_answer(&folder.done(&args).stdout);
            assert_eq!(answer["unseen_categories"], unseen_categories());
        }
    }
}

/// Returns the number of values in the events that are categories which no forest was fitted with.
fn unseen_categories() -> usize {
    let lines = CATEGORY_EVENTS.lines().skip(1);
    let count = |line: &str| {
        let unseen = [",ptrace,", ",4444,", ",3.5,"];
        unseen.iter().filter(|part| line.contains(**part)).count()
    };
    lines.map(count).sum()
}

#[test]
fn the_other_commands_name_the_categories_of_an_imported_forest() {
    let folder = folder_with_categories();
    let explain = ["explain", "model.json", "events.csv", "--row", "303"];
    import(&folder, &["categories.json", "fitted.csv"]);
    let shown = folder.done(&explain).stdout;
    let unseen = "call ptrace was never seen in training";
    assert!(
        shown.contains(unseen) && shown.contains("of the training events"),
        "{shown}"
    );
    let args = ["drift", "model.json", "fitted.csv", "--json"];
    let drift = valid_answer(&folder.done(&args).stdout);
    assert_eq!(drift["closeness"], json!("close"));
    let args = ["drift", "model.json", "events.csv", "--json"];
    let drift = valid_answer(&folder.done(&args).stdout);
    let call = &drift["features"][1];
    assert_eq!(call["name"], json!("call"));
    let events = CATEGORY_EVENTS.matches(",ptrace,").count();
    assert_eq!(call["unseen"]["events"], json!(events), "{call}");
    folder.done(&["report", "model.json", "events.csv", "--out", "page.html"]);

    import(&folder, &["categories.json"]);
    let shown = folder.done(&explain).stdout;
    assert!(
        shown.contains(unseen) && !shown.contains("of the training events"),
        "{shown}"
    );
    for args in [
        &["drift", "model.json", "events.csv"][..],
        &["report", "model.json", "events.csv", "--out", "p.html"],
    ] {
        let says = ["imported without its training events", "honeyguide import"];
        folder.refused(args, 2, &says);
    }
    folder.refused(
        &["import", "categories.json", "events.csv", "--out", "m.json"],
        1,
        &["feature `call`", "`ptrace`", "not fitted with"],
    );
}

#[test]
fn files_whose_categories_do_not_fit_the_forest_are_refused() {
    let folder = folder_with_categories();
    let forest: Value = serde_json::from_str(CATEGORY_FORESTS[0].1).expect("JSON");
    let many: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change, &[&str]); 14] = [
        (
            &|file| file["categories"] = Value::Null,
            &["column `call`", "does not list"],
        ),
        (
            &|file| file["categories"][2] = Value::Null,
            &["column `port`", "does not list"],
        ),
        (
            &|file| file["categories"] = json!([null, null]),
            &["5 features and 2 lists of categories"],
        ),
        (
            &|file| file["categories"] = json!([]),
            &["5 features and 0 lists of categories"],
        ),
        (
            &|file| file["categories"][0] = json!([]),
            &["column `bytes`", "numbers"],
        ),
        (
            &|file| file["categories"][2] = json!([9, 22]),
            &["column `port`", "5 categories", "lists 2"],
        ),
        (
            &|file| file["categories"][2] = json!(many),
            &["column `port`", "lists 2000"],
        ),
        (
            &|file| file["categories"][2][0] = json!([1]),
            &["a category must be text, a number or a boolean"],
        ),
        (
            &|file| file["categories"][2][0] = Value::Null,
            &["a category must be text, a number or a boolean"],
        ),
        (
            &|file| file["categories"] = json!({"port": [1]}),
            &["not an exported forest"],
        ),
        (
            &|file| file["categories"][2][1] = json!(9.0),
            &["column `port`", "`9` twice"],
        ),
        (
            &|file| file["categories"][2][1] = json!("9"),
            &["column `port`", "of one type"],
        ),
        (
            &|file| file["categories"][4][1] = json!(1),
            &["column `root`", "of one type"],
        ),
        (
            &|file| {
                file["categories"][2] = json!(many);
                let kind = json!({"categorical": {"cardinality": 2000}});
                file["forest"]["params"]["column_kinds"][2] = kind;
            },
            &["column `port`", "2000 categories", "1024"],
        ),
    ];
    for (change, says) in cases {
        let mut file = forest.clone();
        change(&mut file);
        folder.write("changed.json", file.to_string());
        folder.refused(&["import", "changed.json", "--out", "m.json"], 1, says);
    }
    // Without names, columns have numbers.
    folder.write("bare.json", forest["forest"].to_string());
    let says = ["column 2 of 5", "does not list"];
    folder.refused(&["import", "bare.json", "--out", "m.json"], 1, &says);
    // A recipe that takes categories for numbers.
    let features = ["bytes", "call", "port", "rate", "root"];
    let features =
        features.map(|name| format!("[[feature]]\nname = \"{name}\"\nexpr = \"{name}\"\n"));
    folder.write(
        "numbers.toml",
        format!("name = \"numbers\"\n{}", features.concat()),
    );
    let args = [
        "import",
        "categories.json",
        "--recipe",
        "numbers.toml",
        "--out",
        "m.json",
    ];
    let says = [
        "disagree on which features are categorical: `call` is categorical in the forest only",
        "kind = \"categorical\"",
    ];
    folder.refused(&args, 2, &says);
}

#[test]
fn a_model_with_other_categories_than_its_forest_is_refused() {
    let folder = folder_with_categories();
    import(&folder, &["categories.json"]);
    let model: Value =
        serde_json::from_slice(&folder.read("model.json")).expect("the model's file is JSON");
    let mut short = model.clone();
    short["encodings"][2] = json!({"categories": ["22", "443"]});
    folder.write("short.json", short.to_string());
    let says = ["disagree on which features are categorical"];
    folder.refused(&["score", "short.json", "events.csv"], 1, &says);
    let mut short = model;
    short["training"]["profile"][2]["distribution"] = json!({"categories": [0.0]});
    folder.write("short.json", short.to_string());
    let says = ["training profile of feature `port`"];
    folder.refused(&["score", "short.json", "events.csv"], 1, &says);
}

#[test]
fn a_saved_forest_in_the_place_of_a_model_is_named_as_one() {
    let folder = folder_with_categories();
    let says = ["a forest, not a model", "honeyguide import"];
    folder.refused(&["score", "categories.json", "events.csv"], 1, &says);
}
