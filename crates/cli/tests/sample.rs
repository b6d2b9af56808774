//! The command `sample`: its flags and what it prints.

mod common;

use common::{Folder, events};

#[test]
fn the_rows_of_a_sample_are_counted_in_words() {
    let folder = Folder::with(&[("e.csv", events(9700)), ("few.csv", events(30))]);
    let label = ["--label", "evil"];
    let fifth = ["--label", "evil", "--fraction", "0.2"];
    for (data, rows, options, says) in [
        ("e.csv", "120", &[][..], "120 of 9,700 rows"),
        ("e.csv", "120", &label, "evil = 1: 60 of 100 rows\n"),
        ("e.csv", "120", &fifth, "evil = 1: 24 of 100 rows\n"),
        (
            "e.csv",
            "1000",
            &label,
            "evil = 1: 100 of 100 rows; 500 were asked for",
        ),
        ("few.csv", "100", &[], "30 of 30 rows"),
        ("few.csv", "100", &[], "100 were asked for"),
    ] {
        let args = [&["sample", data, "--rows", rows, "--out", "s.csv"], options].concat();
        let said = folder.done(&args).stdout;
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn flags_that_cannot_work_are_refused() {
    let folder = Folder::with(&[("e.csv", events(50))]);
    let refused = |args: &str, says: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        folder.refused(&args, 2, &[says]);
    };
    refused("sample e.csv --rows 0 --out s.csv", "1 to 10000000");
    refused(
        "sample e.csv --rows 5 --fraction 0.5 --out s.csv",
        "--label",
    );
    refused(
        "sample e.csv --rows 5 --label evil --fraction 1.5 --out s.csv",
        "from 0 to 1",
    );
}
