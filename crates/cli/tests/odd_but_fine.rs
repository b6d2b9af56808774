//! Unusual forms of data that must be read with the same result as the usual form.

mod common;

use common::{Folder, HEADER, event, event_with, events};

/// Trains a model of a file called `name` with this content, and returns the model file.
fn model(name: &str, content: impl AsRef<[u8]>, threads: &str) -> Vec<u8> {
    let folder = Folder::with(&[(name, content)]);
    let args = [
        "train",
        name,
        "--recipe",
        "beth-paper",
        "--contamination",
        "auto",
        "--trees",
        "5",
    ];
    let run = folder.done(&[&args[..], &["--out", "m.json", "--threads", threads]].concat());
    assert_eq!(run.stderr, "");
    folder.read("m.json")
}

#[test]
fn other_ways_to_write_the_same_table() {
    let plain = events(300);
    let expected = model("a.csv", &plain, "1");
    let lines: Vec<&str> = plain.lines().collect();
    let reversed_columns: String = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            if index == 0 {
                line.split(',').rev().collect::<Vec<_>>().join(",")
            } else {
                with_reversed_columns(index - 1)
            }
        })
        .map(|line| line + "\n")
        .collect();
    for (what, content) in [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("no line end at the end", plain.trim_end().to_owned()),
        (
            "blank lines",
            plain.replace("\n9.25,", "\n\n\n9.25,") + "\n\n",
        ),
        ("columns in another order", reversed_columns),
        (
            "a number past 2^63 that nobody needs",
            plain.replacen(",host-1,", ",99999999999999999999,", 1),
        ),
        ("a quoted header", plain.replacen("userId", "\"userId\"", 1)),
    ] {
        println!("{what}");
        for threads in ["1", "2"] {
            assert!(
                model("a.csv", &content, threads) == expected,
                "{what} on {threads} threads"
            );
        }
    }
}

/// Returns an event with its columns in reverse order.
fn with_reversed_columns(index: usize) -> String {
    let mut fields = Vec::new();
    let (text, mut start, mut quoted) = (event(index), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(text[start..at].to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(text[start..].to_owned());
    fields.reverse();
    fields.join(",")
}

/// Line breaks inside quotes make the engine fail when it reads a file in pieces. The second scan reads the file as one
/// piece.
#[test]
fn line_breaks_inside_quotes() {
    let broken = |index| event_with(index, 13, "\"one\ntwo, \"\"three\"\"\n1,2,3\n\"");
    let rows = 70_000;
    let text = |row: &dyn Fn(usize) -> String| {
        (0..rows).fold(format!("{HEADER}\n"), |text, index| {
            text + &row(index) + "\n"
        })
    };
    let expected = model("a.csv", text(&event), "1");
    for threads in ["1", "2"] {
        assert!(
            model("a.csv", text(&broken), threads) == expected,
            "on {threads} threads"
        );
    }
}

#[test]
fn a_column_of_whole_numbers_may_continue_with_fractions() {
    let folder = Folder::new();
    let numbers = |last: &str| {
        (0..3000).fold("a\n".to_owned(), |text, index| {
            text + &format!("{}\n", index % 50)
        }) + last
            + "\n"
    };
    folder.write("late.csv", numbers("0.5"));
    folder.write(
        "early.csv",
        numbers("0.5")
            .replacen("a\n", "a\n0.5\n", 1)
            .trim_end()
            .trim_end_matches("0.5"),
    );
    for (file, model) in [("late.csv", "late.json"), ("early.csv", "early.json")] {
        folder.done(&[
            "train", file, "--recipe", "raw", "--trees", "5", "--out", model,
        ]);
    }
    assert!(folder.read("late.json") == folder.read("early.json"));
}

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
fn one_row_and_one_constant_column_are_enough_to_train() {
    for content in ["a\n1\n", "a\n1\n1\n1\n", "a,b\n1,2\n1,3\n"] {
        let folder = Folder::with(&[("a.csv", content)]);
        folder.done(&["train", "a.csv", "--recipe", "raw", "--out", "m.json"]);
        folder.done(&["score", "m.json", "a.csv"]);
    }
}

/// Text that looks like a value without an end is read as records before it is refused.
#[test]
fn long_stretches_without_quotes() {
    let bare = |index| {
        event_with(index, 10, "[]")
            .split(",\"[{")
            .next()
            .map(|text| text.to_owned() + ",[],0,0")
            .unwrap_or_default()
    };
    let rows = 70_000;
    let table = |first: String| {
        (1..rows).fold(format!("{HEADER}\n{first}\n"), |text, index| {
            text + &bare(index) + "\n"
        })
    };
    let expected = model("a.csv", table(event(0)), "1");
    for (what, first) in [
        ("a quote inside a value", event_with(0, 6, "5\" disk")),
        ("a quoted value", event_with(0, 6, "\"cron\"")),
        (
            "a long value",
            event_with(0, 6, &format!("\"{}\"", "x\n".repeat(1_500_000))),
        ),
    ] {
        for threads in ["1", "2"] {
            assert!(
                model("a.csv", table(first.clone()), threads) == expected,
                "{what} on {threads} threads"
            );
        }
    }
}

#[test]
fn paths_may_contain_parent_folders() {
    let folder = Folder::with_model(100);
    std::fs::create_dir(folder.path("sub")).unwrap();
    for (data, out) in [
        ("good.csv", "a.csv"),
        ("sub/../good.csv", "b.csv"),
        ("sub/../g*.csv", "c.csv"),
        ("sub/..", "d.csv"),
    ] {
        folder.done(&["score", "model.json", data, "--out", out]);
        if data == "good.csv" {
            std::fs::rename(folder.path(out), folder.path("plain")).unwrap();
        } else {
            assert_eq!(folder.read(out), folder.read("plain"), "{data}");
            std::fs::remove_file(folder.path(out)).unwrap();
        }
    }
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
