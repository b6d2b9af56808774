//! Calls that cannot work: they are refused before any work, with a message that says what to do instead.

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::{Folder, events};

/// Creates a folder with events, a model of them, and a file that is not data.
fn folder() -> Folder {
    let folder = Folder::with(&[("good.csv", events(200)), ("notes.txt", String::new())]);
    folder.done(&["train", "good.csv", "--out", "model.json", "--trees", "5"]);
    folder
}

#[test]
fn paths_without_data_are_refused() {
    let folder = folder();
    std::fs::create_dir(folder.path("empty")).unwrap();
    std::fs::create_dir(folder.path("folder.csv")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path("dangling.csv")).unwrap();
    let cases: [(&str, i32, &[&str]); 9] = [
        ("no.csv", 2, &["no.csv: no such file"]),
        (
            "no-*.csv",
            2,
            &["no-*.csv: no file matches", "quote the pattern"],
        ),
        ("[.csv", 2, &["[.csv"]),
        (
            "empty",
            2,
            &["empty: no data file in this folder", ".parquet"],
        ),
        (
            "folder.csv",
            2,
            &["folder.csv: no data file in this folder"],
        ),
        ("notes.txt", 2, &["notes.txt: what format", ".csv"]),
        ("dangling.csv", 2, &["dangling.csv"]),
        ("", 2, &["no such file"]),
        ("good.csv/x.csv", 1, &["good.csv/x.csv", "Not a directory"]),
    ];
    for (data, status, says) in cases {
        folder.refused(&["train", data, "--out", "m.json"], status, says);
        folder.refused(&["score", "model.json", data], status, says);
        folder.refused(
            &[
                "train",
                "good.csv",
                "--out",
                "m.json",
                "--calibrate",
                data,
                "--false-positive-rate",
                "0.1",
            ],
            status,
            says,
        );
    }
    folder.refused(
        &["score", "no.json", "good.csv"],
        2,
        &["no.json: no such model file", "honeyguide train"],
    );
    folder.refused(&["reproduce", "empty"], 2, &["labelled_training_data.csv"]);
    folder.refused(&["reproduce", "no"], 2, &["no"]);
}

#[test]
fn outputs_that_cannot_be_written_are_refused() {
    let folder = folder();
    std::fs::create_dir(folder.path("empty")).unwrap();
    let cases: [(&str, i32, &[&str]); 5] = [
        (
            "no/m.json",
            2,
            &["the folder no does not exist", "mkdir -p 'no'"],
        ),
        ("empty", 2, &["empty: is a folder"]),
        ("empty/", 2, &["is a folder"]),
        ("", 2, &["--out"]),
        ("good.csv/m.json", 2, &["good.csv"]),
    ];
    for (out, status, says) in cases {
        folder.refused(&["train", "good.csv", "--out", out], status, says);
    }
    for (out, says) in [
        ("no/s.csv", "does not exist"),
        ("s.txt", ".csv or .parquet"),
        ("s", ".csv or .parquet"),
        ("empty", ".csv or .parquet"),
    ] {
        folder.refused(
            &["score", "model.json", "good.csv", "--out", out],
            2,
            &[says],
        );
    }
    for command in ["simulate", "demo"] {
        let says = ["good.csv: a file, not a folder", "name a folder"];
        folder.refused(&[command, "--out", "good.csv"], 2, &says);
    }
    let args = [
        "convert",
        "good.csv",
        "--out",
        "lake",
        "--partition-by",
        "no",
    ];
    let says = [
        "--partition-by no: the data has no such column",
        "processId",
    ];
    folder.refused(&args, 2, &says);
}

/// A model must not overwrite its training data, and scores must not overwrite the data that they belong to.
#[test]
fn an_output_never_replaces_its_own_input() {
    let folder = folder();
    let before = folder.read("good.csv");
    folder.refused(
        &["train", "good.csv", "--out", "good.csv"],
        2,
        &["good.csv", "input"],
    );
    folder.refused(
        &["score", "model.json", "good.csv", "--out", "./good.csv"],
        2,
        &["good.csv", "input"],
    );
    folder.refused(
        &["score", "model.json", ".", "--out", "good.csv"],
        2,
        &["good.csv", "input"],
    );
    assert_eq!(folder.read("good.csv"), before);
}

#[test]
fn flags_with_invalid_values_are_refused() {
    let folder = folder();
    let cases: &[(&[&str], &str)] = &[
        (
            &["--trees", "0"],
            "'0' for '--trees <N>': must be a whole number from 1 to 100000",
        ),
        (&["--trees", "1000000000"], "from 1 to 100000"),
        (
            &["--trees", "-5"],
            "'-5' for '--trees <N>': must be a whole number from 1",
        ),
        (&["--samples", "0"], "at least 1"),
        (&["--samples", "1.5"], "up to 1"),
        (&["--contamination", "0.7"], "up to 0.5"),
        (&["--contamination", "NaN"], "up to 0.5"),
        (
            &["--max-features", "99"],
            "--max-features 99: with this data a tree can see from 1 to ",
        ),
        (&["--max-features", "0"], "at least 1"),
        (&["--threads", "0"], "a whole number from 1 to 1024"),
        (&["--threads", "5000"], "a whole number from 1 to 1024"),
        (&["--seed", "-1"], "must be a whole number from 0 to"),
        (
            &["--seed", "99999999999999999999"],
            "'--seed <S>': must be a whole number from 0 to 18446744073709551615",
        ),
        (&["--exclude", "nothing"], "--exclude nothing"),
        (
            &[
                "--recipe",
                "beth-paper",
                "--exclude",
                "userId,processId,parentProcessId,mountNamespace,eventId,argsNum,returnValue",
            ],
            "0 features",
        ),
        (
            &["--recipe", "no-such"],
            "no-such: neither a built-in recipe nor a file",
        ),
        (
            &["--calibrate", "good.csv", "--false-positive-rate", "1.5"],
            "below 1",
        ),
        (
            &["--calibrate", "good.csv", "--false-positive-rate", "NaN"],
            "below 1",
        ),
        (&["--unknown"], "--unknown"),
    ];
    for (flags, says) in cases {
        let args = [&["train", "good.csv", "--out", "m.json"], *flags].concat();
        folder.refused(&args, 2, &[says]);
    }
    for (flag, value, says) in [
        ("--neighbors", "1", "a whole number from 2 to 4096"),
        ("--components", "0", "a whole number from 1 to 256"),
        ("--min-dist", "-1", "a number from 0 to 1"),
        ("--min-dist", "NaN", "a number from 0 to 1"),
        (
            "--epochs",
            "-1",
            "a whole number from 0 to 1048576, or auto",
        ),
    ] {
        let place = format!("'{value}' for '{flag} <");
        let args = ["embed", "good.csv", "--out", "c.csv", flag, value];
        folder.refused(&args, 2, &[&place, says]);
    }
    for args in [["--rows", "-5"], ["--rows", "0"]] {
        let args = [&["sample", "good.csv", "--out", "s.csv"], &args[..]].concat();
        let says = "'--rows <N>': must be a whole number from 1 to 10000000";
        folder.refused(&args, 2, &[says]);
    }
    folder.refused(
        &["simulate", "--out", "s", "--events", "0"],
        2,
        &["'--events <N>': must be a whole number from 1000 to 10000000000"],
    );
    folder.refused(
        &["simulate", "--out", "s", "--events", "99999999999999999999"],
        2,
        &["--events"],
    );
    folder.refused(
        &["reproduce", ".", "--seeds", "0"],
        2,
        &["'--seeds <N>': must be a whole number from 1 to 1000"],
    );
    folder.refused(&["recipes", "no-such"], 2, &["`no-such`", "beth-paper"]);
    folder.refused(&["train"], 2, &["--out", "DATA"]);
    folder.refused(&["nonsense"], 2, &["nonsense"]);
    folder.refused(&[], 2, &["Usage"]);
}

#[test]
fn data_in_the_place_of_the_model_is_refused() {
    let folder = folder();
    folder.write("array.json", "[1, 2, 3]");
    for model in ["good.csv", "array.json"] {
        let says = [
            &format!("{model}: not a honeyguide model: no JSON object"),
            "honeyguide score MODEL DATA",
        ];
        folder.refused(&["score", model, "model.json"], 1, &says);
    }
}

/// What is wrong with a recipe, an expression or a query is tested through the library.
#[test]
fn recipes_and_queries_that_fail_set_the_exit_status() {
    let folder = folder();
    for (expr, status, says) in [
        ("userId +", 2, "feature `f`"),
        ("100 / parentProcessId", 1, "good.csv: line 2: "),
    ] {
        let recipe = format!("name = 'mine'\n[[feature]]\nname = 'f'\nexpr = '{expr}'\n");
        folder.write("r.toml", recipe);
        let args = ["train", "good.csv", "--recipe", "r.toml", "--out", "m.json"];
        folder.refused(&args, status, &[says]);
    }
    let query = "SELECT 1 / sus FROM events";
    folder.refused(&["sql", query, "good.csv"], 1, &["a division by zero"]);
    let query = "SELECT 1 / NULLIF(sus, 0) FROM events";
    folder.done(&["sql", query, "good.csv"]);
}

#[test]
fn a_model_does_not_overwrite_its_recipe() {
    let folder = folder();
    let recipe = "name = 'mine'\n[[feature]]\nname = 'f'\nexpr = 'userId'\n";
    folder.write("r.toml", recipe);
    folder.refused(
        &[
            "train", "good.csv", "--recipe", "r.toml", "--out", "./r.toml",
        ],
        2,
        &["the output is also the recipe"],
    );
    assert_eq!(folder.read("r.toml"), recipe.as_bytes());
}

#[test]
fn no_command_overwrites_the_model_that_it_reads() {
    let folder = folder();
    let model = folder.read("model.json");
    for args in [
        &["report", "model.json", "good.csv", "--out", "./model.json"][..],
        &[
            "explore",
            "good.csv",
            "--model",
            "model.json",
            "--out",
            "model.json",
        ],
        &["score", "model.json", "good.csv", "--out", "model.json"],
        &[
            "sql",
            "SELECT 1",
            "good.csv",
            "--model",
            "model.json",
            "--out",
            "model.json",
        ],
    ] {
        folder.refused(args, 2, &["model.json: the output is also the model"]);
        assert!(folder.read("model.json") == model, "{args:?}");
    }
    std::fs::rename(folder.path("model.json"), folder.path("m.ndjson")).expect("a new name");
    let query = "SELECT anomaly_score('m.ndjson') FROM events";
    let args = ["sql", query, "good.csv", "--out", "m.ndjson"];
    folder.refused(&args, 2, &["m.ndjson: the output is also the model"]);
}

#[test]
fn a_false_positive_rate_needs_events_to_hold_out() {
    let folder = Folder::with(&[("few.csv", events(9))]);
    let args = [
        "train",
        "few.csv",
        "--false-positive-rate",
        "0.01",
        "--out",
        "m.json",
    ];
    folder.refused(&args, 2, &["9 events", "least number is 10", "--calibrate"]);
}

#[test]
fn a_label_that_the_model_reads_is_refused_and_warned_of() {
    let rows = (0..200).map(|row| format!("{},{}\n", row % 23, u8::from(row % 40 == 0)));
    let table = "bytes,is_attack\n".to_owned() + &rows.collect::<String>();
    let folder = Folder::with(&[("t.csv", table)]);
    let train = ["train", "t.csv", "--recipe", "raw", "--trees", "5", "--out"];
    let run = folder.done(&[&train[..], &["leaky.json"]].concat());
    let warning = "is_attack, which looks like a label";
    assert!(run.stderr.contains(warning) && run.stderr.contains("--exclude is_attack"));
    let run = folder.done(&[&train[..], &["m.json", "--exclude", "is_attack"]].concat());
    assert!(!run.stderr.contains("looks like a label"), "{}", run.stderr);
    let says = [
        "feature `is_attack` is computed from this label",
        "--exclude is_attack",
    ];
    let label = ["t.csv", "--label", "is_attack"];
    folder.refused(
        &[&["evaluate", "leaky.json"], &label[..]].concat(),
        2,
        &says,
    );
    let report = ["report", "leaky.json", "--out", "r.html"];
    folder.refused(&[&report[..], &label].concat(), 2, &says);
    folder.done(&[&["evaluate", "m.json"], &label[..]].concat());
}

#[test]
fn a_calibration_on_training_data_is_noticed() {
    let table = |shift: u32| {
        let rows = (0..100).map(|row| format!("{}\n", row * row % 97 + shift));
        "bytes\n".to_owned() + &rows.collect::<String>()
    };
    let again = table(0)
        .lines()
        .skip(1)
        .fold("bytes".to_owned(), |text, row| {
            text.replacen("bytes", &format!("bytes\n{row}"), 1)
        });
    let folder = Folder::with(&[
        ("t.csv", table(0)),
        ("copy.csv", again),
        ("other.csv", table(1)),
    ]);
    let train = [
        "train", "t.csv", "--recipe", "raw", "--trees", "5", "--out", "m.json",
    ];
    let calibrated = |data: &str| {
        let run = folder.done(&[&train[..], &["--calibrate", data]].concat());
        run.stderr
    };
    assert!(calibrated("./t.csv").contains("--calibrate reads training data, ./t.csv"));
    assert!(calibrated("copy.csv").contains("the events of --calibrate are the training events"));
    assert!(!calibrated("other.csv").contains("remembers"));
}

#[test]
fn invalid_conditions_are_refused_with_the_flag() {
    let folder = folder();
    for condition in ["userId >", "sum(userId) > 1"] {
        let args = ["explain", "model.json", "good.csv", "--where", condition];
        folder.refused(&args, 2, &["--where"]);
    }
}

#[cfg(not(feature = "cluster"))]
#[test]
fn a_build_without_clusters_says_how_to_get_one() {
    let says = ["without clusters", "--features cluster"];
    let folder = Folder::new();
    folder.refused(&["cluster", "scheduler"], 2, &says);
    let executor = ["cluster", "executor", "--scheduler", "127.0.0.1:50050"];
    folder.refused(&executor, 2, &says);
}

#[test]
fn scores_do_not_overwrite_their_model() {
    let folder = Folder::with_model(50);
    let args = ["score", "./model.json", "good.csv", "--out", "model.json"];
    let before = folder.read("model.json");
    folder.refused(&args, 2, &["model.json: the output is also the model"]);
    assert!(folder.read("model.json") == before);
}

#[test]
fn an_output_does_not_replace_a_pipe() {
    use std::os::unix::fs::FileTypeExt;
    let folder = Folder::with_model(50);
    let pipe = folder.path("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo(1)").success());
    let args = ["score", "model.json", "good.csv", "--out", "pipe.csv"];
    folder.refused(&args, 2, &["pipe.csv: not a regular file", "--out -"]);
    let kind = std::fs::metadata(&pipe).expect("the pipe").file_type();
    assert!(kind.is_fifo());
}

#[test]
fn outputs_whose_names_no_answer_can_name_are_refused() {
    let folder = folder();
    let name = OsStr::from_bytes(b"o\xff.parquet");
    for call in [
        &["convert", "good.csv", "--skip-timing", "--json", "--out"][..],
        &["score", "model.json", "good.csv", "--out"],
        &[
            "sql",
            "SELECT count(*) AS n FROM events",
            "good.csv",
            "--out",
        ],
        &["simulate", "--events", "2000", "--out"],
        &["train", "good.csv", "--out"],
    ] {
        let mut command = folder.command(call);
        let done = command.arg(name).output().expect("honeyguide");
        let message = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{call:?}: {message}");
        assert!(message.contains("must be UTF-8"), "{call:?}: {message}");
        assert!(!folder.path("").join(name).exists(), "{call:?}");
    }
}
