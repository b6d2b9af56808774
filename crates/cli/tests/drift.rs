//! The commands `drift` and `embed`: a comparison of data with a model, and a map of data.

mod common;

use common::{Folder, HEADER, event_with, events};
use serde_json::Value;

/// Runs a command with `--json` and parses its output.
fn json(folder: &Folder, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&folder.done(&args).stdout).expect("JSON")
}

/// Returns a table of `count` events, half of which are of a process with a hostile name.
fn shifted(count: usize) -> String {
    let rows = (0..count).map(|row| {
        let name = if row % 2 == 0 { "\u{1b}[2Jtsm" } else { "cron" };
        event_with(row, 6, name)
    });
    format!("{HEADER}\n{}\n", rows.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_training_data_is_close_and_other_data_far() {
    let folder = Folder::with(&[("train.csv", events(3000)), ("other.csv", shifted(3000))]);
    for recipe in ["context", "beth-paper", "beth-timestamp", "raw"] {
        folder.done(&["train", "train.csv", "--recipe", recipe, "--out", "m.json"]);
        let same = json(&folder, &["drift", "m.json", "train.csv"]);
        assert_eq!(same["closeness"], "close", "{recipe}");
        assert_eq!(same["scores"]["psi"], 0.0, "{recipe}");
        assert!(
            same["scores"]["kolmogorov_smirnov"].as_f64() < Some(1e-12),
            "{recipe}: {}",
            same["scores"]
        );
        for feature in same["features"].as_array().expect("features") {
            assert_eq!(feature["psi"], 0.0, "{recipe}: {feature}");
            assert_eq!(feature["unseen"]["events"], 0, "{recipe}: {feature}");
        }
    }
    folder.done(&[
        "train",
        "train.csv",
        "--recipe",
        "context",
        "--out",
        "m.json",
    ]);
    let other = json(&folder, &["drift", "m.json", "other.csv"]);
    assert_eq!(other["closeness"], "far");
    let process = &other["features"][0];
    assert_eq!(
        (&process["name"], &process["unseen"]["events"]),
        (&"process".into(), &1500.into())
    );
    assert_eq!(process["unseen"]["values"][0]["value"], "\u{1b}[2Jtsm");
    let shown = folder.done(&["drift", "m.json", "other.csv"]).stdout;
    assert!(
        shown.contains("The data is far from the training data"),
        "{shown}"
    );
    assert!(
        !shown.contains('\u{1b}') && shown.contains("\\u{1b}[2Jtsm"),
        "{shown:?}"
    );
}

#[test]
fn drift_equals_figures_computed_by_hand() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'v'\nexpr = 'v'\n[[feature]]\nname = 'k'\nexpr = 'k'\nkind = 'categorical'\n";
    let table = |rows: &[(&str, usize)]| {
        let lines = rows.iter().flat_map(|(row, times)| vec![*row; *times]);
        format!("v,k\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    let folder = Folder::with(&[
        ("r.toml", recipe.to_owned()),
        ("a.csv", table(&[("0,x", 5000), ("1,y", 5000)])),
        (
            "b.csv",
            table(&[("0,x", 6000), ("1,y", 3000), ("7,new", 1000)]),
        ),
    ]);
    folder.done(&["train", "a.csv", "--recipe", "r.toml", "--out", "m.json"]);
    let drift = json(&folder, &["drift", "m.json", "b.csv"]);
    // The four cells are the two values, other values and missing values. Half an event is added to each.
    let share = |count: f64| (count + 0.5) / (10_000.0 + 2.0);
    let pairs = [
        (5000.0, 6000.0),
        (5000.0, 3000.0),
        (0.0, 1000.0),
        (0.0, 0.0),
    ];
    let terms =
        pairs.map(|(before, now)| (share(now) - share(before)) * (share(now) / share(before)).ln());
    let expected: f64 = terms.iter().sum();
    for feature in drift["features"].as_array().expect("features") {
        let psi = feature["psi"].as_f64().expect("a number");
        assert!(
            (psi - expected).abs() < 1e-12,
            "{psi} instead of {expected}"
        );
        assert_eq!(feature["unseen"]["events"], 1000);
    }
    assert_eq!(drift["features"][0]["unseen"]["values"][0]["value"], "7");
    assert_eq!(drift["features"][1]["unseen"]["values"][0]["value"], "new");
}

#[test]
fn a_verdict_on_few_events_says_how_few() {
    let folder = Folder::with_model(300);
    for (events, says) in [
        (1, "This rests on 1 event:"),
        (199, "This rests on 199 events:"),
    ] {
        folder.write("few.csv", common::events(events));
        let said = folder.done(&["drift", "model.json", "few.csv"]).stdout;
        assert!(said.starts_with(says), "{said}");
    }
    folder.write("few.csv", common::events(200));
    let said = folder.done(&["drift", "model.json", "few.csv"]).stdout;
    assert!(said.starts_with("The data is"), "{said}");
}

#[test]
fn drift_needs_the_columns_of_the_recipe() {
    let folder = Folder::with_model(300);
    folder.write("other.csv", "a\n1\n");
    folder.write("empty.csv", format!("{HEADER}\n"));
    folder.refused(&["drift", "model.json", "other.csv"], 2, &["needs columns"]);
    for command in [
        &["drift"][..],
        &["score"],
        &["score", "--out", "scored.csv"],
    ] {
        let args = [&command[..1], &["model.json", "empty.csv"], &command[1..]].concat();
        folder.refused(&args, 1, &["empty.csv: a header but no rows"]);
    }
    let [one, two] = ["1", "2"].map(|threads| {
        folder
            .done(&[
                "drift",
                "model.json",
                "good.csv",
                "--json",
                "--threads",
                threads,
            ])
            .stdout
    });
    assert_eq!(one, two);
}

/// Runs `embed` and returns the column names and the rows of its output.
fn map(folder: &Folder, args: &[&str], out: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let args: Vec<&str> = ["embed"]
        .iter()
        .chain(args)
        .chain(&["--out", out])
        .copied()
        .collect();
    folder.done(&args);
    let text = String::from_utf8(folder.read(out)).expect("text");
    let mut lines = text.lines();
    let names = lines
        .next()
        .expect("a header")
        .split(',')
        .map(str::to_owned)
        .collect();
    let numbers = |line: &str| {
        line.split(',')
            .map(|field| field.parse().expect("a number"))
            .collect()
    };
    (names, lines.map(numbers).collect())
}

#[test]
fn distinct_rows_are_placed_with_their_counts() {
    let folder = Folder::with(&[("e.csv", events(970))]);
    let (names, rows) = map(&folder, &["e.csv", "--recipe", "beth-paper"], "c.csv");
    assert_eq!(names[7..], ["count", "sus", "evil", "umap_1", "umap_2"]);
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
    assert_eq!([sum(7), sum(8), sum(9)], [970.0, 10.0, 10.0]);
    let mut keys: Vec<String> = rows.iter().map(|row| format!("{:?}", &row[..7])).collect();
    keys.dedup();
    assert_eq!(keys.len(), rows.len());
    assert!(rows.iter().flatten().all(|value| value.is_finite()));
    let bytes = folder.read("c.csv");
    map(
        &folder,
        &["e.csv", "--recipe", "beth-paper", "--threads", "1"],
        "d.csv",
    );
    assert_eq!(folder.read("d.csv"), bytes);
    map(
        &folder,
        &["e.csv", "--recipe", "beth-paper", "--seed", "1"],
        "d.csv",
    );
    assert_ne!(folder.read("d.csv"), bytes);
}

#[test]
fn rows_that_the_map_was_fitted_on_keep_their_coordinates() {
    let folder = Folder::with(&[("e.csv", events(970)), ("some.csv", events(40))]);
    let (_, all) = map(&folder, &["e.csv", "--recipe", "beth-paper"], "c.csv");
    let args = ["some.csv", "--fit-on", "e.csv", "--recipe", "beth-paper"];
    let (_, some) = map(&folder, &args, "d.csv");
    assert!(some.len() < all.len());
    for row in &some {
        let known = all
            .iter()
            .find(|known| known[..7] == row[..7])
            .expect("a row of the map");
        assert_eq!(known[10..], row[10..]);
    }
}

#[test]
fn maps_that_cannot_be_made_are_refused() {
    let recipe = "name = 'r'\n[[feature]]\nname = 'k'\nexpr = 'k'\nkind = 'categorical'\n";
    let holes = "name = 'h'\n[[feature]]\nname = 'v'\nexpr = 'v'\nnulls = 'allow'\n";
    let folder = Folder::with(&[
        ("r.toml", recipe.to_owned()),
        ("h.toml", holes.to_owned()),
        ("t.csv", "k,v\nx,1\ny,\n".to_owned()),
        ("one.csv", "v\n1\n".to_owned()),
        ("e.csv", events(60)),
    ]);
    let refused = |args: &str, status, says: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        folder.refused(&args, status, &[says]);
    };
    refused(
        "embed t.csv --recipe r.toml --out c.csv",
        2,
        "a category has no distance",
    );
    refused(
        "embed t.csv --recipe h.toml --out c.csv",
        1,
        "feature `v` is missing",
    );
    refused("embed e.csv --out c.txt", 2, ".csv or .parquet");
    refused("embed e.csv --out e.csv", 2, "also an input");
    refused(
        "embed e.csv --neighbors 1 --out c.csv",
        2,
        "must be a whole number from 2",
    );
    refused(
        "embed e.csv --epochs many --out c.csv",
        2,
        "must be a whole number from 0 to 1048576, or auto",
    );
    folder.done(&["embed", "one.csv", "--recipe", "raw", "--out", "c.parquet"]);
}
