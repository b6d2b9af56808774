//! The commands `drift` and `embed`: their flags and what they print.

mod common;

use common::{Folder, HEADER, event_with, events};

#[test]
fn a_hostile_name_is_escaped_where_drift_prints_it() {
    let rows = (0..3000).map(|row| {
        let name = if row % 2 == 0 { "\u{1b}[2Jtsm" } else { "cron" };
        event_with(row, 6, name)
    });
    let shifted = format!("{HEADER}\n{}\n", rows.collect::<Vec<_>>().join("\n"));
    let folder = Folder::with(&[("train.csv", events(3000)), ("other.csv", shifted)]);
    let train = ["train", "train.csv", "--recipe", "context"];
    folder.done(&[&train[..], &["--out", "m.json"]].concat());
    let shown = folder.done(&["drift", "m.json", "other.csv"]).stdout;
    assert!(
        shown.starts_with("The data is far from the training data"),
        "{shown}"
    );
    assert!(
        !shown.contains('\u{1b}') && shown.contains("\\u{1b}[2Jtsm"),
        "{shown:?}"
    );
}

#[test]
fn drift_without_columns_or_rows_is_refused() {
    let folder = Folder::with_model(300);
    folder.write("other.csv", "a\n1\n");
    folder.write("empty.csv", format!("{HEADER}\n"));
    folder.refused(&["drift", "model.json", "other.csv"], 2, &["needs columns"]);
    let says = "empty.csv: a header but no rows";
    folder.refused(&["drift", "model.json", "empty.csv"], 1, &[says]);
}

#[test]
fn embed_prints_what_it_placed_and_where() {
    let folder = Folder::with(&[("e.csv", events(970)), ("some.csv", events(40))]);
    let args = ["embed", "some.csv", "--fit-on", "e.csv"];
    let more = ["--recipe", "beth-paper", "--out", "c.csv"];
    let said = folder.done(&[args, more].concat()).stdout;
    assert!(said.starts_with("recipe beth-paper: "), "{said}");
    assert!(said.contains("\n40 events, "), "{said}");
    assert!(said.ends_with("\nwritten to c.csv\n"), "{said}");
    assert!(folder.path("c.csv").is_file());
}

#[test]
fn outputs_and_flags_of_embed_that_cannot_work_are_refused() {
    let folder = Folder::with(&[("e.csv", events(60))]);
    for (args, says) in [
        ("--out c.txt", ".csv or .parquet"),
        ("--out e.csv", "also an input"),
        ("--neighbors 1 --out c.csv", "must be a whole number from 2"),
        (
            "--epochs many --out c.csv",
            "must be a whole number from 0 to 1048576, or auto",
        ),
    ] {
        let args: Vec<&str> = ["embed", "e.csv"]
            .into_iter()
            .chain(args.split(' '))
            .collect();
        folder.refused(&args, 2, &[says]);
    }
}
