//! The command `convert`: what it prints, how its messages name flags, and the mark of simulated data.

mod common;

use common::{Folder, HEADER, event_with, events};
use serde_json::{Value, json};

#[test]
fn a_conversion_reports_its_size_and_the_time_it_saves() {
    let folder = Folder::with(&[("events.csv", events(5000))]);
    for (out, options) in [
        ("one.parquet", &[][..]),
        ("hosts", &["--partition-by", "hostName"]),
    ] {
        let args = [&["convert", "events.csv", "--out", out, "--json"], options].concat();
        let report: Value = serde_json::from_str(&folder.done(&args).stdout).expect("JSON");
        assert_eq!(report["out"], out);
        assert_eq!(report["sorted_by"], json!(["hostName", "timestamp"]));
        assert!(report["bytes_after"].as_u64() < report["bytes_before"].as_u64());
        assert!(report["training"]["seconds_after"].as_f64() > Some(0.0));
    }
}

#[test]
fn texts_that_are_no_lists_are_counted() {
    let row = event_with(0, 10, "\"[1, 2\"");
    let folder = Folder::with(&[("lists.csv", format!("{HEADER}\n{row}\n"))]);
    let args = ["convert", "lists.csv", "--parse-lists", "--out"];
    let said = folder.done(&[&args[..], &["lists.parquet"]].concat());
    assert!(
        said.stdout.contains("1 texts could not be read as lists"),
        "{}",
        said.stdout
    );
    let again = ["convert", "lists.parquet", "--parse-lists", "--out"];
    let says = "--parse-lists: the data has no text in a column args or stackAddresses";
    folder.refused(&[&again[..], &["again.parquet"]].concat(), 2, &[says]);
}

#[test]
fn conversions_that_cannot_work_are_refused() {
    let folder = Folder::with(&[("good.csv", events(100))]);
    let by_host = ["--partition-by", "hostName"];
    for (data, out, options, says) in [
        ("good.csv", "-", &[][..], "not standard output"),
        ("good.csv", "no/lake", &[], "the folder no does not exist"),
        (
            "good.csv",
            "x.parquet",
            &by_host,
            "--partition-by makes a folder",
        ),
        (
            "good.csv",
            "x",
            &["--partition-by", "nobody"],
            "--partition-by nobody: the data has no such column",
        ),
        ("no.csv", "x", &[], "no.csv: no such file"),
    ] {
        let args = [&["convert", data, "--out", out], options].concat();
        folder.refused(&args, 2, &[says]);
    }
}

#[test]
fn results_of_converted_simulated_data_say_so() {
    let folder = Folder::new();
    folder.done(&["simulate", "--out", "logs", "--events", "5000"]);
    let data = "logs/labelled_testing_data.csv";
    let args = ["convert", data, "--out", "lake"];
    let by_host = ["--partition-by", "hostName"];
    let said = folder.done(&[&args[..], &by_host].concat()).stdout;
    assert!(said.contains("Simulated data"), "{said}");
    let train = folder.done(&["train", "lake", "--out", "model.json", "--json"]);
    assert!(
        train.stdout.contains("\"simulated\": true"),
        "{}",
        train.stdout
    );
}
