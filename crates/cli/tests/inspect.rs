//! The command `inspect`: its figures compared with those of pandas, unusual tables, hostile text, and output that fits
//! a terminal of 80 columns.

mod common;

use common::{Folder, HEADER, event_with, events};
use serde_json::Value;

/// Runs a command with `--json` and parses its output.
fn json(folder: &Folder, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&folder.done(&args).stdout).expect("JSON")
}

/// Returns the figures of the column `name`.
fn column<'a>(inspection: &'a Value, name: &str) -> &'a Value {
    let columns = inspection["columns"].as_array().expect("columns");
    let found = columns.iter().find(|column| column["name"] == name);
    found.unwrap_or_else(|| panic!("no column {name}"))
}

/// Returns the kinds of the remarks, each with the names of its columns.
fn kinds(inspection: &Value) -> Vec<(String, String)> {
    let remarks = inspection["remarks"].as_array().expect("remarks").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let of = |remark: &Value| {
        let columns = remark["columns"].as_array().expect("columns");
        let columns: Vec<String> = columns.iter().map(text).collect();
        (text(&remark["kind"]), columns.join(" "))
    };
    remarks.map(of).collect()
}

fn assert_close(found: &Value, expected: &Value, what: &str) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{what}: {value}"));
    let (found, expected) = (number(found), number(expected));
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error < 1e-9, "{what}: {found} instead of {expected}");
}

/// fixtures/make_inspect.py computes the expected figures with pandas and NumPy.
#[test]
fn figures_agree_with_pandas() {
    let folder = Folder::with(&[("t.csv", include_bytes!("fixtures/inspect.csv"))]);
    let expected: Value =
        serde_json::from_str(include_str!("fixtures/inspect.json")).expect("JSON");
    let found = json(&folder, &["inspect", "t.csv"]);
    assert_eq!(found["rows"], expected["rows"]);
    for (name, figures) in expected["columns"].as_object().expect("columns") {
        let column = column(&found, name);
        assert_eq!(column["nulls"], figures["nulls"], "{name}");
        assert_eq!(column["distinct"]["count"], figures["distinct"], "{name}");
        assert_eq!(column["distinct"]["exact"], true, "{name}");
        for figure in ["min", "q1", "median", "q3", "max", "mean", "std"] {
            // Above 2^53, floats are too coarse for a range of 300, in pandas too.
            let is_coarse = name == "big" && figure == "std";
            if !figures[figure].is_null() && !is_coarse {
                assert_close(
                    &column["numeric"][figure],
                    &figures[figure],
                    &format!("{figure} of {name}"),
                );
            }
        }
        if let Some(histogram) = figures["histogram"].as_object() {
            let edges = histogram["edges"]
                .as_array()
                .expect("edges")
                .iter()
                .enumerate();
            for (index, edge) in edges {
                assert_close(&column["numeric"]["histogram"]["edges"][index], edge, name);
            }
            let counts = histogram["counts"]
                .as_array()
                .expect("counts")
                .iter()
                .enumerate();
            for (index, count) in counts {
                assert_close(
                    &column["numeric"]["histogram"]["counts"][index],
                    count,
                    name,
                );
            }
        }
        for top in figures["top"].as_object().into_iter().flatten() {
            let listed = column["top"].as_array().expect("top").iter();
            let found = listed
                .clone()
                .find(|listed| listed["value"] == **top.0)
                .expect("listed");
            assert_eq!(found["count"], *top.1, "{name}");
        }
    }
    let names: Vec<&str> = found["correlations"]["names"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let place = |name: &Value| {
        names
            .iter()
            .position(|known| *known == *name)
            .expect("a column")
    };
    for pair in expected["correlations"].as_array().expect("pairs") {
        let at = place(&pair[0]) * names.len() + place(&pair[1]);
        let [found, expected] = [&found["correlations"]["r"][at], &pair[2]].map(Value::as_f64);
        let apart = found.expect("defined") - expected.expect("a number");
        assert!(apart.abs() < 1e-9, "r of {pair}: {found:?}");
    }
}

#[test]
fn columns_that_cause_problems_for_a_model_are_reported() {
    let folder = Folder::with(&[("e.csv", events(300))]);
    let found = json(&folder, &["inspect", "e.csv"]);
    let kinds = kinds(&found);
    let has = |kind: &str, columns: &str| kinds.contains(&(kind.into(), columns.into()));
    assert!(has("correlated", "processId threadId"), "{kinds:?}");
    assert!(has("correlated", "sus evil"), "{kinds:?}");
    assert!(has("constant", "mountNamespace"), "{kinds:?}");
    assert!(
        has("unique", "timestamp") && has("unique", "args"),
        "{kinds:?}"
    );
    // The correlation with a constant column is undefined and not 0.
    let names = found["correlations"]["names"].as_array().expect("names");
    let constant = names
        .iter()
        .position(|name| name == "mountNamespace")
        .expect("a number");
    let row = constant * names.len();
    assert_eq!(found["correlations"]["r"][row], Value::Null);
    let reason = found["correlations"]["undefined"][row]
        .as_str()
        .expect("a reason");
    assert!(reason.contains("mountNamespace is constant"), "{reason}");
    assert_eq!(found["labels"]["counts"][1]["values"][1]["count"], 3);
    assert_eq!(found["hosts"]["top"][0]["value"], "host-1");
    assert_eq!(found["time"]["last"], 299.25);
    assert_eq!(found["head"][4][0], "4.25");
    let quiet = Folder::with(&[("q.csv", events(90))]);
    let found = json(&quiet, &["inspect", "q.csv"]);
    assert!(self::kinds(&found).contains(&("one_class".into(), "evil".into())));
}

#[test]
fn threads_change_nothing_and_lines_fit_80_columns() {
    let folder = Folder::with(&[("a.csv", events(9000)), ("b.csv", events(700))]);
    let [one, two] = ["1", "2"]
        .map(|threads| folder.done(&["inspect", "a.csv", "b.csv", "--json", "--threads", threads]));
    assert_eq!(one.stdout, two.stdout);
    for args in [
        &["inspect", "a.csv"][..],
        &["inspect", "a.csv", "--recipe", "context"],
    ] {
        let shown = folder.done(args).stdout;
        let widest = shown
            .lines()
            .max_by_key(|line| line.chars().count())
            .expect("lines");
        assert!(widest.chars().count() <= 80, "{widest}");
    }
}

#[test]
fn unusual_tables_can_be_inspected() {
    let wide_header: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let wide_row = |row: usize| {
        let fields: Vec<String> = (0..300)
            .map(|column| (row * (column + 1) % 17).to_string())
            .collect();
        fields.join(",")
    };
    let wide: Vec<String> = (1..40).map(wide_row).collect();
    let folder = Folder::with(&[
        ("one.csv", "a,b\n1,x\n".to_owned()),
        ("text.csv", "a,b\nx,y\nz,\n".to_owned()),
        ("null.csv", "a,b\n1,\n2,\n".to_owned()),
        ("odd.csv", "a\n1\nNaN\ninf\n-inf\n3\n".to_owned()),
        (
            "wide.csv",
            format!("{}\n{}\n", wide_header.join(","), wide.join("\n")),
        ),
        ("empty.csv", format!("{HEADER}\n")),
    ]);
    let one = json(&folder, &["inspect", "one.csv"]);
    assert_eq!(
        (&one["rows"], &one["remarks"]),
        (&1.into(), &Value::Array(vec![]))
    );
    assert_eq!(column(&one, "a")["numeric"]["std"], Value::Null);
    let text = json(&folder, &["inspect", "text.csv"]);
    assert_eq!(text["correlations"]["names"], Value::Array(vec![]));
    assert_eq!(column(&text, "b")["nulls"], 1);
    let null = json(&folder, &["inspect", "null.csv"]);
    assert_eq!(column(&null, "b")["nulls"], 2);
    assert!(kinds(&null).contains(&("empty".into(), "b".into())));
    let odd = json(&folder, &["inspect", "odd.csv"]);
    let figures = &column(&odd, "a")["numeric"];
    assert_eq!(
        (&figures["infinite"], &figures["mean"]),
        (&2.into(), &2.0.into())
    );
    assert_eq!(column(&odd, "a")["nulls"], 1);
    assert!(kinds(&odd).contains(&("infinite".into(), "a".into())));
    assert_eq!(
        json(&folder, &["inspect", "wide.csv"])["columns"]
            .as_array()
            .map(Vec::len),
        Some(300)
    );
    for table in ["one.csv", "text.csv", "null.csv", "odd.csv", "wide.csv"] {
        folder.done(&["inspect", table]);
    }
    folder.refused(&["inspect", "empty.csv"], 1, &["a header but no rows"]);
    folder.refused(&["inspect", "nowhere.csv"], 2, &["nowhere.csv"]);
    folder.refused(
        &["inspect", "one.csv", "--recipe", "context"],
        2,
        &["processName"],
    );
}

#[test]
fn control_characters_in_hostile_text_are_escaped() {
    let names = [
        "\u{1b}[31mred\u{7}",
        "<script>alert(1)</script>",
        "a\u{202e}b",
    ];
    let rows: Vec<String> = (0..30)
        .map(|row| event_with(row, 6, names[row % 3]))
        .collect();
    let folder = Folder::with(&[("h.csv", format!("{HEADER}\n{}\n", rows.join("\n")))]);
    let shown = folder.done(&["inspect", "h.csv"]).stdout;
    let acts =
        |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(!shown.contains(acts), "{shown:?}");
    assert!(shown.contains("<script>alert(1)</script>") && shown.contains("\\u{1b}[31mred"));
    let found = json(&folder, &["inspect", "h.csv"]);
    let listed = column(&found, "processName")["top"]
        .as_array()
        .expect("top");
    for name in names {
        assert!(listed.iter().any(|top| top["value"] == name), "{name:?}");
    }
}

#[test]
fn features_of_a_recipe_can_be_inspected() {
    let folder = Folder::with(&[("e.csv", events(970))]);
    let found = json(&folder, &["inspect", "e.csv", "--recipe", "beth-paper"]);
    let features = found["features"].as_array().expect("features");
    let user = features
        .iter()
        .find(|feature| feature["name"] == "userId")
        .expect("userId");
    assert_eq!(
        (&user["distinct"], &user["numeric"]["mean"]),
        (&2.into(), &(10.0 / 970.0).into())
    );
    assert_eq!(user["top"][0]["count"], 960);
    assert_eq!(found["events"], 970);
}

#[test]
fn types_of_parquet_can_be_inspected() {
    let folder = Folder::new();
    let query = "SELECT CAST(column1 AS BIGINT UNSIGNED) AS u, NULL AS n, CASE WHEN column1 > 1 THEN X'FF00' ELSE X'61' END \
                 AS b, CAST(column1 AS TIMESTAMP) AS t, column1 > 1 AS f, CAST(column1 AS DECIMAL(10,2)) AS d \
                 FROM (VALUES (1), (2), (3))";
    folder.done(&["sql", query, "--out", "t.parquet"]);
    let found = json(&folder, &["inspect", "t.parquet"]);
    for (name, data_type, nulls, distinct) in [
        ("u", "UInt64", 0, 3),
        ("n", "Null", 3, 0),
        ("b", "Binary", 0, 2),
        ("t", "Timestamp(ns)", 0, 3),
        ("f", "Boolean", 0, 2),
        ("d", "Decimal128(10, 2)", 0, 3),
    ] {
        let column = column(&found, name);
        assert_eq!(column["data_type"], data_type);
        assert_eq!(column["nulls"], nulls, "{name}");
        assert_eq!(column["distinct"]["count"], distinct, "{name}");
    }
    assert_eq!(column(&found, "d")["numeric"]["median"], 2.0);
    assert_eq!(column(&found, "b")["top"][0]["value"], "ff00");
    assert_eq!(found["head"][0][1], Value::Null);
}
