//! Samples: exact counts, uniform draws, and unchanged rows.

use std::collections::BTreeSet;

use crate::common::{Folder, HEADER, engine, event, events};
use honeyguide::ErrorKind;
use honeyguide::inspect::inspect;
use honeyguide::sample::{Balance, ClassSample, LabelSample, SampleOptions, SampleSummary, sample};

/// Returns options of a uniform sample.
fn uniform(rows: usize, seed: u64) -> SampleOptions {
    SampleOptions {
        rows,
        balance: None,
        seed,
    }
}

/// Returns options of a sample with a share of rows whose label is 1.
fn balanced(rows: usize, label: &str, fraction: f64) -> SampleOptions {
    SampleOptions {
        balance: Some(Balance {
            label: label.into(),
            fraction,
        }),
        ..uniform(rows, 0)
    }
}

/// Returns the rows of a file below its header.
fn rows(folder: &Folder, file: &str) -> Vec<String> {
    let text = folder.text(file);
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(HEADER));
    lines.collect()
}

/// Samples the rows of `data` on `threads` threads and returns them.
async fn draw(
    folder: &Folder,
    data: &[&str],
    options: &SampleOptions,
    threads: usize,
) -> (Vec<String>, SampleSummary) {
    let out = folder.path("s.csv");
    let mut source = folder.source(data);
    let summary = sample(&engine(threads), &mut source, options, out.as_path()).await;
    let summary = summary.expect("a sample");
    (rows(folder, "s.csv"), summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_drawn_once_unchanged_and_in_their_order() {
    let folder = Folder::with(&[("e.csv", events(2000))]);
    let drawn = async |seed| draw(&folder, &["e.csv"], &uniform(300, seed), 2).await.0;
    let first = drawn(0).await;
    let all: Vec<String> = (0..2000).map(event).collect();
    let position = |row: &String| all.iter().position(|known| known == row);
    let positions: Option<Vec<usize>> = first.iter().map(position).collect();
    let positions = positions.expect("rows as they were");
    assert_eq!(positions.len(), 300);
    assert!(positions.is_sorted_by(|left, right| left < right));
    assert_eq!(drawn(0).await, first);
    assert_ne!(drawn(1).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn draws_do_not_depend_on_threads_or_the_layout_of_files() {
    let lines =
        |range: std::ops::Range<usize>| range.rev().map(event).collect::<Vec<_>>().join("\n");
    // Some rows occur more than once, in both files.
    let [first, second] = [lines(0..4000), lines(3000..7000)];
    let folder = Folder::with(&[
        ("all.csv", format!("{HEADER}\n{first}\n{second}\n")),
        ("1.csv", format!("{HEADER}\n{second}\n")),
        ("2.csv", format!("{HEADER}\n{first}\n")),
    ]);
    let sorted = async |data: &[&str], threads| {
        let (mut rows, _) = draw(&folder, data, &uniform(500, 3), threads).await;
        rows.sort();
        rows
    };
    let whole = sorted(&["all.csv"], 2).await;
    for threads in [2, 1] {
        let parts = sorted(&["1.csv", "2.csv"], threads).await;
        assert_eq!(parts, whole, "{threads} threads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_equally_likely() {
    let mut table = String::from("value\n");
    // Equal rows must be as likely as others, so half of the rows have the same value.
    (0..20_000).for_each(|row| table += &format!("{}\n", if row % 2 == 0 { -1 } else { row }));
    let folder = Folder::with(&[("n.csv", table)]);
    let out = folder.path("s.csv");
    let mut blocks = [0_u32; 10];
    let mut equal = 0_u32;
    for seed in 0..5 {
        let mut source = folder.source(&["n.csv"]);
        let drawn = sample(&engine(2), &mut source, &uniform(2000, seed), out.as_path()).await;
        drawn.expect("a sample");
        for value in folder.text("s.csv").lines().skip(1) {
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

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_balanced_exactly() {
    let folder = Folder::with(&[("e.csv", events(9700))]);
    for (rows, fraction, ones, zeros) in [
        (120, 0.5, [60, 60], [60, 60]),
        (120, 0.2, [24, 24], [96, 96]),
        // There are only 100 evil rows.
        (1000, 0.5, [500, 100], [500, 500]),
    ] {
        let options = balanced(rows, "evil", fraction);
        let (drawn, summary) = draw(&folder, &["e.csv"], &options, 2).await;
        let evil = drawn.iter().filter(|row| row.ends_with(",1")).count() as u64;
        assert_eq!([evil, drawn.len() as u64 - evil], [ones[1], zeros[1]]);
        let class = |there_are, [wanted, drawn]: [u64; 2]| ClassSample {
            there_are,
            wanted,
            drawn,
        };
        let classes = LabelSample {
            label: "evil".into(),
            ones: class(100, ones),
            zeros: class(9600, zeros),
        };
        assert_eq!(summary.classes, Some(classes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_are_taken_if_there_are_too_few() {
    let folder = Folder::with(&[("e.csv", events(30))]);
    let (rows, summary) = draw(&folder, &["e.csv"], &uniform(100, 0), 2).await;
    let expected = SampleSummary {
        rows_read: 30,
        rows_wanted: 100,
        rows_drawn: 30,
        classes: None,
    };
    assert_eq!(summary, expected);
    let all: BTreeSet<String> = rows.into_iter().collect();
    assert_eq!(all, (0..30).map(event).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_keeps_the_types() {
    let folder = Folder::with(&[("e.csv", events(50))]);
    let out = folder.path("s.parquet");
    let mut source = folder.source(&["e.csv"]);
    let drawn = sample(&engine(2), &mut source, &uniform(50, 0), out.as_path()).await;
    drawn.expect("a sample");
    let inspection = inspect(&engine(2), &mut folder.source(&["s.parquet"])).await;
    let inspection = inspection.expect("an inspection");
    let mut columns = inspection.columns.iter();
    let process = columns.find(|column| column.name == "processId");
    assert_eq!(process.expect("a column").data_type, "Int64");
    assert_eq!(inspection.rows, 50);
    let (back, _) = draw(&folder, &["s.parquet"], &uniform(50, 0), 2).await;
    assert_eq!(back.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_cannot_work_are_refused() {
    let folder = Folder::with(&[("e.csv", events(50)), ("empty.csv", format!("{HEADER}\n"))]);
    let engine = engine(2);
    let refused = async |data: &str, options: SampleOptions, out: &str, kind, says: &str| {
        let (mut source, out) = (folder.source(&[data]), folder.path(out));
        let call = sample(&engine, &mut source, &options, out.as_path());
        folder.refused(call, kind, says).await;
    };
    let five = || uniform(5, 0);
    let usage = async |options, out, says| {
        refused("e.csv", options, out, ErrorKind::Usage, says).await;
    };
    usage(uniform(0, 0), "s.csv", "1 to 10000000").await;
    usage(five(), "e.csv", "also an input").await;
    usage(five(), "s.txt", ".csv or .parquet").await;
    usage(balanced(5, "evil", 1.5), "s.csv", "from 0 to 1").await;
    usage(balanced(5, "nothing", 0.5), "s.csv", "no such column").await;
    usage(five(), "nowhere/s.csv", "does not exist").await;
    let says = "e.csv: line 4: label `processId` must be 0 or 1, found 2";
    let process = balanced(5, "processId", 0.5);
    refused("e.csv", process, "s.csv", ErrorKind::Data, says).await;
    let says = "a header but no rows";
    refused("empty.csv", five(), "s.csv", ErrorKind::Data, says).await;
}
