//! The command `sample`: exact counts, uniform draws, and unchanged rows.

mod common;

use std::collections::BTreeSet;

use common::{Folder, HEADER, event, events};

/// Returns the rows of a file below its header.
fn rows(folder: &Folder, file: &str) -> Vec<String> {
    let text = String::from_utf8(folder.read(file)).expect("text");
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(HEADER));
    lines.collect()
}

/// Samples `count` rows of `data` and returns them.
fn draw(folder: &Folder, data: &[&str], count: &str, seed: &str) -> Vec<String> {
    let options = ["--rows", count, "--seed", seed, "--out", "s.csv"];
    let args: Vec<&str> = ["sample"]
        .iter()
        .chain(data)
        .chain(&options)
        .copied()
        .collect();
    folder.done(&args);
    rows(folder, "s.csv")
}

#[test]
fn rows_are_drawn_once_unchanged_and_in_their_order() {
    let folder = Folder::with(&[("e.csv", events(2000))]);
    let drawn = draw(&folder, &["e.csv"], "300", "0");
    let all: Vec<String> = (0..2000).map(event).collect();
    let mut positions = Vec::new();
    for row in &drawn {
        positions.push(
            all.iter()
                .position(|known| known == row)
                .expect("a row as it was"),
        );
    }
    assert_eq!(positions.len(), 300);
    assert!(positions.is_sorted_by(|left, right| left < right));
    assert_eq!(draw(&folder, &["e.csv"], "300", "0"), drawn);
    assert_ne!(draw(&folder, &["e.csv"], "300", "1"), drawn);
}

#[test]
fn draws_do_not_depend_on_threads_or_the_layout_of_files() {
    let lines =
        |range: std::ops::Range<usize>| range.rev().map(event).collect::<Vec<_>>().join("\n");
    // Some rows occur more than once, in both files.
    let [first, second] = [lines(0..4000), lines(3000..7000)];
    let folder = Folder::with(&[
        ("all.csv", format!("{HEADER}\n{first}\n{second}\n")),
        ("1.csv", format!("{HEADER}\n{second}\n")),
        ("2.csv", format!("{HEADER}\n{first}\n")),
    ]);
    let sorted = |mut rows: Vec<String>| {
        rows.sort();
        rows
    };
    let whole = sorted(draw(&folder, &["all.csv"], "500", "3"));
    assert_eq!(
        sorted(draw(
            &folder,
            &["1.csv", "2.csv", "--threads", "2"],
            "500",
            "3"
        )),
        whole
    );
    assert_eq!(
        sorted(draw(
            &folder,
            &["1.csv", "2.csv", "--threads", "1"],
            "500",
            "3"
        )),
        whole
    );
}

#[test]
fn every_row_is_equally_likely() {
    let mut table = String::from("value\n");
    // Equal rows must be as likely as others, so half of the rows have the same value.
    (0..20_000).for_each(|row| table += &format!("{}\n", if row % 2 == 0 { -1 } else { row }));
    let folder = Folder::with(&[("n.csv", table)]);
    let mut blocks = [0_u32; 10];
    let mut equal = 0_u32;
    for seed in ["0", "1", "2", "3", "4"] {
        folder.done(&[
            "sample", "n.csv", "--rows", "2000", "--seed", seed, "--out", "s.csv",
        ]);
        let text = String::from_utf8(folder.read("s.csv")).expect("text");
        for value in text.lines().skip(1) {
            match value.parse::<i64>().expect("a number") {
                -1 => equal += 1,
                value => blocks[value as usize / 2000] += 1,
            }
        }
    }
    // Half of the 10,000 draws should be of equal rows. The limits are five standard deviations of a binomial count.
    assert!(equal.abs_diff(5000) < 240, "{equal}");
    assert!(
        blocks.iter().all(|count| count.abs_diff(500) < 106),
        "{blocks:?}"
    );
}

#[test]
fn classes_are_balanced_exactly() {
    let folder = Folder::with(&[("e.csv", events(9700))]);
    let out = ["--out", "s.csv"];
    let sample = |rows: &str, more: &[&str]| {
        let args: Vec<&str> = ["sample", "e.csv", "--rows", rows, "--label", "evil"]
            .iter()
            .chain(more)
            .chain(&out)
            .copied()
            .collect();
        let said = folder.done(&args).stdout;
        let rows = rows_of(&folder);
        let evil = rows.iter().filter(|row| row.ends_with(",1")).count();
        (rows.len(), evil, said)
    };
    fn rows_of(folder: &Folder) -> Vec<String> {
        rows(folder, "s.csv")
    }
    let (all, evil, _) = sample("120", &[]);
    assert_eq!((all, evil), (120, 60));
    let (all, evil, _) = sample("120", &["--fraction", "0.2"]);
    assert_eq!((all, evil), (120, 24));
    let (all, evil, said) = sample("1000", &[]);
    assert_eq!((all, evil), (600, 100), "there are 100 evil rows");
    assert!(
        said.contains("evil = 1: 100 of 100 rows; 500 were asked for"),
        "{said}"
    );
}

#[test]
fn all_rows_are_taken_if_there_are_too_few() {
    let folder = Folder::with(&[("e.csv", events(30))]);
    let said = folder
        .done(&["sample", "e.csv", "--rows", "100", "--out", "s.csv"])
        .stdout;
    assert!(
        said.contains("30 of 30 rows") && said.contains("100 were asked for"),
        "{said}"
    );
    let all: BTreeSet<String> = rows(&folder, "s.csv").into_iter().collect();
    assert_eq!(all, (0..30).map(event).collect());
}

#[test]
fn parquet_keeps_the_types() {
    let folder = Folder::with(&[("e.csv", events(50))]);
    folder.done(&["sample", "e.csv", "--rows", "50", "--out", "s.parquet"]);
    let described = folder.done(&["inspect", "s.parquet"]).stdout;
    assert!(
        described.contains("processId  Int64") && described.contains("50 rows"),
        "{described}"
    );
    folder.done(&["sample", "s.parquet", "--rows", "50", "--out", "back.csv"]);
    assert_eq!(rows(&folder, "back.csv").len(), 50);
}

#[test]
fn calls_that_cannot_work_are_refused() {
    let folder = Folder::with(&[("e.csv", events(50)), ("empty.csv", format!("{HEADER}\n"))]);
    let refused = |args: &str, status, says: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        folder.refused(&args, status, &[says]);
    };
    refused("sample e.csv --rows 0 --out s.csv", 2, "1 to 10000000");
    refused("sample e.csv --rows 5 --out e.csv", 2, "also an input");
    refused("sample e.csv --rows 5 --out s.txt", 2, ".csv or .parquet");
    refused(
        "sample e.csv --rows 5 --fraction 0.5 --out s.csv",
        2,
        "--label",
    );
    refused(
        "sample e.csv --rows 5 --label evil --fraction 1.5 --out s.csv",
        2,
        "from 0 to 1",
    );
    refused(
        "sample e.csv --rows 5 --label nothing --out s.csv",
        2,
        "no such column",
    );
    refused(
        "sample e.csv --rows 5 --label processId --out s.csv",
        1,
        "e.csv: line 4: label `processId` must be 0 or 1, found 2",
    );
    refused(
        "sample empty.csv --rows 5 --out s.csv",
        1,
        "a header but no rows",
    );
    refused(
        "sample e.csv --rows 5 --out nowhere/s.csv",
        2,
        "does not exist",
    );
}
