//! What commands print about unusual data: labels of one class, single events, and too many distinct rows.

mod common;

use common::{Folder, HEADER, event, events};

#[test]
fn a_label_with_one_class_has_no_auroc() {
    let folder = Folder::with(&[("good.csv", events(90))]);
    folder.done(&["train", "good.csv", "--out", "m.json"]);
    let run = folder.done(&["evaluate", "m.json", "good.csv", "--json"]);
    assert!(run.stdout.contains("\"roc_auc\": null"), "{}", run.stdout);
    assert!(!run.stdout.contains("NaN"));
    let text = folder.done(&["evaluate", "m.json", "good.csv"]).stdout;
    assert!(!text.contains("NaN"), "{text}");
}

#[test]
fn a_count_of_one_has_a_singular_noun() {
    let folder = Folder::with(&[("one.csv", format!("{}\n{}\n", HEADER, event(0)))]);
    folder.done(&["train", "one.csv", "--trees", "1", "--out", "m.json"]);
    for (args, says) in [
        (
            &["train", "one.csv", "--trees", "1", "--out", "m.json"][..],
            "trained on 1 event, 1 distinct row of inputs\n",
        ),
        (
            &["train", "one.csv", "--trees", "1", "--out", "m.json"],
            "forest     1 tree\n",
        ),
        (&["inspect", "one.csv"], "1 row, 16 columns"),
        (&["score", "m.json", "one.csv"], " of 1 event is anomalous"),
        (
            &["drift", "m.json", "one.csv"],
            "1 event held against 1 training event,",
        ),
        (
            &[
                "convert",
                "one.csv",
                "--out",
                "one.parquet",
                "--skip-timing",
            ],
            "1 event in 1 file,",
        ),
        (
            &["sample", "one.csv", "--rows", "1", "--out", "s.csv"],
            "1 of 1 row,",
        ),
        (
            &["sql", "SELECT 1 AS x", "one.csv", "--out", "x.csv"],
            "1 row written to",
        ),
    ] {
        let run = folder.done(args);
        assert!(run.stdout.contains(says), "{args:?}: {}", run.stdout);
    }
}

#[test]
fn samples_of_too_many_distinct_rows_are_reported() {
    let table = |count: usize| {
        let rows = (0..count).map(|row| format!("{row}\n"));
        rows.fold("a\n".to_owned(), |text, row| text + &row)
    };
    let folder = Folder::with(&[("many.csv", table(270_000)), ("few.csv", table(100))]);
    for (data, sampled) in [("many.csv", true), ("few.csv", false)] {
        let train = ["train", data, "--recipe", "raw", "--trees", "1"];
        let train = [&train[..], &["--out", "m.json"]].concat();
        let text = folder.done(&train).stdout;
        let says = "too many distinct rows to keep: the forest was fitted to a sample of ";
        assert_eq!(text.contains(says), sampled, "{text}");
        let json = folder.done(&[&train[..], &["--json"]].concat()).stdout;
        assert_eq!(json.contains("\"sampled_rows\": "), sampled, "{json}");
    }
}
