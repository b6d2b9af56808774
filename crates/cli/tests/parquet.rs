//! Parquet files: damaged files are refused, and files that were written can be read again.

mod common;

use common::{Folder, events};

/// Creates a folder with a table of events as CSV and as Parquet.
fn folder() -> Folder {
    let folder = Folder::with_model(5000);
    folder.done(&["score", "model.json", "good.csv", "--out", "good.parquet"]);
    folder
}

#[test]
fn damaged_files_are_refused() {
    let folder = folder();
    let good = folder.read("good.parquet");
    let middle = good.len() / 3;
    let mut flipped = good.clone();
    flipped[middle..middle + 200]
        .iter_mut()
        .for_each(|byte| *byte ^= 0x5a);
    let mut footer = good.clone();
    let near_end = footer.len() - 300;
    footer[near_end..near_end + 40].fill(0xff);
    let mut length = good.clone();
    let at = length.len() - 8;
    length[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (what, content) in [
        ("empty", Vec::new()),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("without its end", good[..good.len() - 1].to_vec()),
        ("text", events(30).into_bytes()),
        ("noise in a page", flipped),
        ("noise in the footer", footer),
        ("an absurd footer length", length),
        ("only the magic", b"PAR1PAR1".to_vec()),
    ] {
        println!("{what}");
        folder.write("bad.parquet", content);
        for threads in ["1", "2"] {
            let train = [
                "train",
                "bad.parquet",
                "--recipe",
                "raw",
                "--out",
                "m.json",
                "--threads",
                threads,
            ];
            folder.refused(&train, 1, &["bad.parquet", "Parquet", "help:"]);
        }
    }
}

#[test]
fn data_with_scores_is_not_scored_again() {
    let folder = folder();
    let again = ["score", "model.json", "good.parquet", "--out", "again.csv"];
    folder.refused(&again, 2, &["already has a column `score`"]);
}

#[test]
fn csv_and_parquet_go_together_only_with_equal_columns() {
    let folder = folder();
    folder.refused(
        &[
            "train",
            "good.csv",
            "good.parquet",
            "--recipe",
            "beth-paper",
            "--out",
            "m.json",
        ],
        1,
        &["different columns", "only the second has anomalous, score"],
    );
}
