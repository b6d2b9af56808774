//! Unusual forms of data that must be read with the same result as the usual form.

use crate::common::{
    Folder, HEADER, engine, event, event_with, events, recipe, small_forest, small_model,
    without_files, written,
};
use honeyguide::evaluate::evaluate;
use honeyguide::score::{Listing, ScoreOptions, most_anomalous, score_to_file};
use honeyguide::{Recipe, ScanCounts, TrainOptions, train};

/// Trains a model of a file called `name` with this content, of which nothing is left out, and returns the text of the
/// model's file.
async fn model(name: &str, content: impl AsRef<[u8]>, threads: usize) -> String {
    let folder = Folder::with(&[(name, content)]);
    let mut source = folder.source(&[name]);
    let recipe = recipe("beth-paper");
    let model = train(&engine(threads), &mut source, &recipe, &small_forest()).await;
    let model = model.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(source.counts(), &ScanCounts::default());
    written(&model)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ways_to_write_the_same_table() {
    let plain = events(300);
    let expected = model("a.csv", &plain, 1).await;
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
        for threads in [1, 2] {
            assert!(
                model("a.csv", &content, threads).await == expected,
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
#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_inside_quotes() {
    let broken = |index| event_with(index, 13, "\"one\ntwo, \"\"three\"\"\n1,2,3\n\"");
    let rows = 70_000;
    let text = |row: &dyn Fn(usize) -> String| {
        (0..rows).fold(format!("{HEADER}\n"), |text, index| {
            text + &row(index) + "\n"
        })
    };
    let expected = model("a.csv", text(&event), 1).await;
    for threads in [1, 2] {
        assert!(
            model("a.csv", text(&broken), threads).await == expected,
            "on {threads} threads"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_whole_numbers_may_continue_with_fractions() {
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
    let late = small_model(&mut folder.source(&["late.csv"]), "raw").await;
    let early = small_model(&mut folder.source(&["early.csv"]), "raw").await;
    assert_eq!(written(&late), written(&early));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_with_one_class_has_no_auroc() {
    let folder = Folder::with(&[("good.csv", events(90))]);
    let mut source = folder.source(&["good.csv"]);
    let recipe = Recipe::default_for(source.log());
    let model = train(&engine(2), &mut source, &recipe, &TrainOptions::default()).await;
    let model = model.expect("a model");
    let found = evaluate(&engine(2), &model, &mut source, None).await;
    let labels = found.expect("labels").labels;
    assert!(!labels.is_empty());
    for label in labels {
        assert_eq!((label.positives, label.negatives), (0, 90));
        assert_eq!(label.roc_auc, None, "{}", label.label);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_and_one_constant_column_are_enough_to_train() {
    for (content, rows) in [("a\n1\n", 1), ("a\n1\n1\n1\n", 3), ("a,b\n1,2\n1,3\n", 2)] {
        let folder = Folder::with(&[("a.csv", content)]);
        let mut source = folder.source(&["a.csv"]);
        let options = TrainOptions::default();
        let model = train(&engine(2), &mut source, &recipe("raw"), &options).await;
        let model = model.unwrap_or_else(|error| panic!("{content}: {error}"));
        let found = most_anomalous(&engine(2), &model, &mut source, Listing::top(10)).await;
        assert_eq!(found.expect("scores").summary.events, rows, "{content}");
    }
}

/// Text that looks like a value without an end is read as records before it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn long_stretches_without_quotes() {
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
    let expected = model("a.csv", table(event(0)), 1).await;
    for (what, first) in [
        ("a quote inside a value", event_with(0, 6, "5\" disk")),
        ("a quoted value", event_with(0, 6, "\"cron\"")),
        (
            "a long value",
            event_with(0, 6, &format!("\"{}\"", "x\n".repeat(1_500_000))),
        ),
    ] {
        for threads in [1, 2] {
            assert!(
                model("a.csv", table(first.clone()), threads).await == expected,
                "{what} on {threads} threads"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_may_contain_parent_folders() {
    let folder = Folder::with(&[("good.csv", events(100))]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    model
        .save(&folder.path("model.json"))
        .expect("a model file");
    std::fs::create_dir(folder.path("sub")).expect("a new folder");
    let mut expected = None;
    for data in ["good.csv", "sub/../good.csv", "sub/../g*.csv", "sub/.."] {
        let (mut source, out) = (folder.source(&[data]), folder.path("scored.csv"));
        let options = ScoreOptions::default();
        let scored = score_to_file(&engine(2), &model, &mut source, &out, options).await;
        scored.unwrap_or_else(|error| panic!("{data}: {error}"));
        let scores = without_files(&folder.read("scored.csv"));
        assert_eq!(*expected.get_or_insert(scores.clone()), scores, "{data}");
        std::fs::remove_file(out).expect("the scores");
    }
}
