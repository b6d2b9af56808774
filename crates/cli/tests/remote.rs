//! Commands on data on web servers and in object stores: their options, outputs, exit statuses and ends. That such data
//! gives the same answers as data on disk is tested through the library.

mod common;
#[path = "../../honeyguide/tests/library/common/server.rs"]
mod server;
#[path = "../../honeyguide/tests/library/common/stores.rs"]
mod stores;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{Folder, Run, events, signal, wait_for_end};
use serde_json::Value;
use server::{Answer, Server};
use stores::{Store, stores};

/// A number of events that makes the engine read a file in several pieces and on two threads.
const MANY: usize = 60_000;
/// The arguments of `train` that are the same in most tests.
const TRAIN: [&str; 7] = [
    "--recipe",
    "beth-paper",
    "--trees",
    "5",
    "--out",
    "m.json",
    "--quiet",
];

/// A function that returns how a server answers request number 0, 1, …
type Fault = fn(usize) -> Answer;

/// Runs `train` on `data`, with any outcome.
fn train(folder: &Folder, data: &[&str]) -> Run {
    folder.run(&[&["train"], data, &TRAIN].concat())
}

#[test]
fn faults_of_servers_set_the_exit_status_and_leave_no_file() {
    let folder = Folder::with_model(300);
    for (answer, status, says) in [
        (
            (|_| Answer::Status(404)) as Fault,
            2,
            "the server answers 404",
        ),
        (|_| Answer::Status(403), 1, "the server answers 403"),
        (|_| Answer::Good, 1, "not a honeyguide model"),
    ] {
        let server = Server::start(b"{}".to_vec(), answer);
        let link = format!("{}/m.json?token=hidden-token", server.url);
        let says_of_model = if status == 2 { "no such file" } else { says };
        let score = ["score", &link, "good.csv"];
        folder.refused(&score, status, &["/m.json", says_of_model]);
        let run = folder.run(&[&score[..], &["-v"]].concat());
        assert_eq!(run.status, status, "{}", run.stderr);
        assert!(!run.stderr.contains("hidden-token"), "{}", run.stderr);
        if says.starts_with("the server") {
            let data = format!("{}/a.csv?token=hidden-token", server.url);
            let train = [&["train", &data], &TRAIN[..]].concat();
            folder.refused(&train, status, &["/a.csv", says]);
            let run = folder.run(&train);
            assert!(!run.stderr.contains("hidden-token"), "{}", run.stderr);
        }
    }
}

#[test]
fn a_command_that_waits_for_a_silent_server_can_be_terminated() {
    let folder = Folder::with_model(MANY);
    folder.done(&["score", "model.json", "good.csv", "--out", "good.ndjson"]);
    for name in ["good.csv", "good.ndjson"] {
        for (n_answers, threads) in [(0, "1"), (3, "1"), (6, "2")] {
            let answer: Fault = match n_answers {
                0 => |_| Answer::Never,
                3 => |request| {
                    if request < 3 {
                        Answer::Good
                    } else {
                        Answer::Never
                    }
                },
                _ => |request| {
                    if request < 6 {
                        Answer::Good
                    } else {
                        Answer::Never
                    }
                },
            };
            let server = Server::start(folder.read(name), answer);
            let data = format!("{}/{name}", server.url);
            let call = ["evaluate", "model.json", &data, "--threads", threads];
            let mut job = folder.command(&call).spawn().expect("the command starts");
            let begun = Instant::now();
            while server.requests() <= n_answers {
                assert!(job.try_wait().unwrap().is_none(), "{call:?}");
                assert!(begun.elapsed() < Duration::from_secs(60), "{call:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(200));
            let asked = Instant::now();
            signal(&job, "TERM");
            assert_eq!(wait_for_end(job).status, 143, "{call:?}");
            assert!(asked.elapsed() < Duration::from_secs(20), "{call:?}");
        }
    }
}

#[test]
fn commands_take_models_and_recipes_from_web_servers() {
    let folder = Folder::with_model(300);
    let server = Server::start(folder.read("model.json"), |_| Answer::Good);
    let link = format!("{}/m.json?token=hidden-token", server.url);
    let here = folder.done(&["score", "model.json", "good.csv", "--json"]);
    let there = folder.done(&["score", &link, "good.csv", "--json"]);
    assert_eq!(there.stdout, here.stdout);
    let query = "SELECT sum(score) FROM events";
    let here = folder.done(&["sql", query, "good.csv", "--model", "model.json"]);
    let there = folder.done(&["sql", query, "good.csv", "--model", &link]);
    assert_eq!(there.stdout, here.stdout);
    folder.done(&["report", &link, "good.csv", "--out", "page.html"]);
    let page = String::from_utf8(folder.read("page.html")).unwrap();
    assert!(page.contains("/m.json?***") && !page.contains("hidden-token"));
    let recipe = folder.done(&["recipes", "beth-paper"]).stdout;
    let server = Server::start(recipe.into_bytes(), |_| Answer::Good);
    let link = format!("{}/recipe", server.url);
    folder.done(&[
        "train",
        "good.csv",
        "--recipe",
        &link,
        "--trees",
        "5",
        "--contamination",
        "auto",
        "--out",
        "m.json",
    ]);
    assert!(folder.read("m.json") == folder.read("model.json"));
}

#[test]
fn unknown_storage_options_are_refused_without_being_printed() {
    let folder = Folder::with(&[("a.csv", events(9))]);
    for (arguments, says) in [
        (
            ["s3://b/a.csv", "--storage-option", "aws_regoin=hidden"],
            "unknown storage option `aws_regoin` for s3://",
        ),
        (
            ["a.csv", "--storage-option", "hidden"],
            "a storage option without an equals sign",
        ),
    ] {
        let run = train(&folder, &arguments);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(
            run.stderr.contains(says) && !run.stderr.contains("hidden"),
            "{}",
            run.stderr
        );
    }
    for (call, says) in [
        (
            ["train", "a.csv", "--out", "http://x/m.json"],
            "only read from",
        ),
        (
            ["simulate", "--events", "9000", "--out=https://x/y"],
            "only read from",
        ),
        (
            ["convert", "a.csv", "--out", "https://x/y"],
            "only read from",
        ),
    ] {
        folder.refused(&call, 2, &[says]);
    }
}

impl Store {
    /// Runs the command with the storage options of the store.
    fn run(&self, folder: &Folder, args: &[&str]) -> Run {
        let options = self
            .options
            .iter()
            .flat_map(|option| ["--storage-option", option]);
        folder.run(&args.iter().copied().chain(options).collect::<Vec<_>>())
    }

    /// Runs the command with the storage options of the store. It must succeed.
    fn done(&self, folder: &Folder, args: &[&str]) -> Run {
        let run = self.run(folder, args);
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        run
    }
}

#[test]
fn every_command_reads_its_model_from_an_object_store() {
    let folder = Folder::with_model(3000);
    for store in stores() {
        let model = format!("{}/run/m.json", store.base);
        let train = [
            "train",
            "good.csv",
            "--recipe",
            "beth-paper",
            "--trees",
            "5",
            "--contamination",
            "auto",
            "--out",
            &model,
        ];
        store.done(&folder, &train);
        check_commands_with_model(&store, &folder, &model);
    }
}

/// Checks that every command that takes a model can read it from a store.
fn check_commands_with_model(store: &Store, folder: &Folder, model: &str) {
    let data = ["good.csv", "--json"];
    for command in ["score", "evaluate", "drift"] {
        let here = folder.done(&[&[command, "model.json"], &data[..]].concat());
        let there = store.done(folder, &[&[command, model], &data[..]].concat());
        assert_eq!(there.stdout, here.stdout, "{command} {model}");
    }
    store.done(folder, &["explain", model, "good.csv", "--row", "7"]);
    store.done(folder, &["report", model, "good.csv", "--out", "p.html"]);
    store.done(
        folder,
        &["explore", "good.csv", "--model", model, "--out", "p.html"],
    );
    let query = format!("SELECT max(score), max(anomaly_score('{model}')) FROM events");
    let run = store.done(folder, &["sql", &query, "good.csv", "--model", model]);
    let values: Vec<_> = run
        .stdout
        .lines()
        .skip(1)
        .flat_map(|row| row.split(','))
        .collect();
    assert!(values.len() == 2 && values[0] == values[1], "{values:?}");
    for missing in [
        format!("{model}.not"),
        model.replacen(store.base, &format!("{}-that-is-not", store.base), 1),
    ] {
        let run = store.run(folder, &["score", &missing, "good.csv"]);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(run.stderr.contains("no such model file"), "{}", run.stderr);
    }
}

#[test]
fn every_output_can_be_written_to_an_object_store() {
    let folder = Folder::with_model(3000);
    for store in stores() {
        let at = |name: &str| format!("{}/outputs/{name}", store.base);
        let calls: [(&str, &[&str]); 6] = [
            ("s.csv", &["sample", "good.csv", "--rows", "50"]),
            (
                "q.parquet",
                &["sql", "SELECT userId, 1 + 1 AS two FROM events", "good.csv"],
            ),
            (
                "e.parquet",
                &[
                    "embed",
                    "good.csv",
                    "--recipe",
                    "beth-paper",
                    "--epochs",
                    "20",
                ],
            ),
            ("x.html", &["explore", "good.csv"]),
            ("r.html", &["report", "model.json", "good.csv"]),
            ("c.parquet", &["convert", "good.csv"]),
        ];
        for (name, call) in calls {
            folder.done(&[call, &["--out", name]].concat());
            let out = at(name);
            let run = store.done(&folder, &[call, &["--out", &out]].concat());
            assert!(run.stdout.contains(&out), "{}", run.stdout);
        }
        for name in ["s.csv", "q.parquet", "e.parquet", "c.parquet"] {
            let all = ["sql", "SELECT * FROM events"];
            let here = folder.done(&[&all[..], &[name]].concat());
            let there = store.done(&folder, &[&all[..], &[&at(name)]].concat());
            assert_eq!(there.stdout, here.stdout, "{}", at(name));
        }
        let run = store.run(
            &folder,
            &["sample", "good.csv", "--rows", "5", "--out", &at("")],
        );
        assert_eq!(run.status, 2, "{}", run.stderr);
    }
}

#[test]
fn reproduce_runs_on_a_folder_of_objects() {
    let folder = Folder::new();
    folder.done(&["simulate", "--out", "beth", "--events", "20000"]);
    let reproduce = ["--seeds", "2", "--json"];
    let here = folder.done(&[&["reproduce", "beth"], &reproduce[..]].concat());
    let here: Value = serde_json::from_str(&here.stdout).unwrap();
    for store in stores() {
        let there = format!("{}/beth", store.base);
        for split in ["training", "validation", "testing"] {
            let name = format!("labelled_{split}_data.csv");
            let (data, out) = (format!("beth/{name}"), format!("{there}/{name}"));
            let copy = ["sql", "SELECT * FROM events", &data, "--out", &out];
            store.done(&folder, &copy);
        }
        for url in [there.clone(), format!("{there}/")] {
            let run = store.done(&folder, &[&["reproduce", &url], &reproduce[..]].concat());
            let found: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(found["splits"], here["splits"], "{url}");
        }
    }
    folder.refused(&["reproduce", "not-there"], 2, &["no such folder"]);
}

#[test]
fn simulated_logs_and_the_demo_can_be_written_to_a_store() {
    let folder = Folder::new();
    let simulate = ["simulate", "--events", "20000", "--out"];
    folder.done(&[&simulate[..], &["here"]].concat());
    for store in stores() {
        let there = format!("{}/simulated-{}", store.base, std::process::id());
        // The second run replaces the data of the first, which is marked as simulated. Other data is not replaced.
        for _ in 0..2 {
            store.done(&folder, &[&simulate[..], &[&there]].concat());
        }
        let query = "SELECT count(*), sum(processId), min(timestamp), max(timestamp), sum(length(args)) FROM events";
        for split in ["training", "validation", "testing"] {
            let name = format!("labelled_{split}_data.csv");
            let read = |data: String| store.done(&folder, &["sql", query, &data]).stdout;
            let found = read(format!("{there}/{name}"));
            assert!(found == read(format!("here/{name}")), "{name}");
        }
        let inspected = store.done(&folder, &["inspect", &there, "--json"]);
        assert!(inspected.stdout.contains("\"simulated\": true"));
        let own = format!("{there}-own/labelled_testing_data.csv");
        let data = "here/labelled_testing_data.csv";
        store.done(
            &folder,
            &["sql", "SELECT * FROM events", data, "--out", &own],
        );
        let run = store.run(
            &folder,
            &[&simulate[..], &[&format!("{there}-own")]].concat(),
        );
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(
            run.stderr.contains("not marked as simulated"),
            "{}",
            run.stderr
        );
        let demo = format!("{there}-demo");
        store.done(&folder, &["demo", "--out", &demo]);
        let model = format!("{demo}/model.json");
        store.done(
            &folder,
            &[
                "score",
                &model,
                &format!("{demo}/labelled_testing_data.csv"),
            ],
        );
    }
}

#[test]
fn a_folder_of_objects_is_complete_or_refused() {
    let folder = Folder::with_model(3000);
    let query = "SELECT processId, count(*), sum(eventId) FROM events GROUP BY 1 ORDER BY 1";
    let expected = folder.done(&["sql", query, "good.csv"]).stdout;
    for store in stores() {
        // No earlier run has written to this name.
        let folders = format!("{}/folders-{}", store.base, std::process::id());
        let lake = format!("{folders}/whole");
        let convert = [
            "convert",
            "good.csv",
            "--partition-by",
            "processId",
            "--out",
        ];
        let convert_to = |out: &str| store.run(&folder, &[&convert[..], &[out]].concat());
        let run = convert_to(&lake);
        assert_eq!(run.status, 0, "{}", run.stderr);
        for data in [
            lake.clone(),
            format!("{lake}/"),
            format!("{lake}/*/*.parquet"),
        ] {
            assert_eq!(store.done(&folder, &["sql", query, &data]).stdout, expected);
        }
        let run = convert_to(&lake);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(
            run.stderr.contains("the folder is not empty"),
            "{}",
            run.stderr
        );

        // These objects are like those of a job that was killed between its first object and its last.
        let half = format!("{folders}/half");
        let (claim, part) = (
            format!("{half}/_honeyguide_unfinished"),
            format!("{half}/processId=0/part-0.parquet"),
        );
        let train = ["train", "good.csv", "--trees", "2", "--out", &claim];
        store.done(&folder, &train);
        store.done(&folder, &["convert", "good.csv", "--out", &part]);
        for data in [half.clone(), format!("{half}/*/*.parquet"), folders.clone()] {
            let run = store.run(&folder, &["sql", query, &data]);
            assert_eq!(run.status, 1, "{data}: {}", run.stderr);
            assert!(
                run.stderr.contains("an incomplete folder"),
                "{}",
                run.stderr
            );
        }
        let run = convert_to(&half);
        assert!(run.status != 0, "{}", run.stdout);
        assert!(run.stderr.contains("folder"), "{}", run.stderr);
        let run = convert_to(&format!("{}-that-is-not/x", store.base));
        assert_eq!(run.status, 2, "{}", run.stderr);
    }
}

/// Returns whether the S3 server holds parts of an object whose upload is not finished. The server keeps them in a
/// folder beside the object.
fn has_unfinished_upload(bucket: &str, key: &str) -> bool {
    let Ok(folder) = std::env::var("HONEYGUIDE_TEST_S3_FOLDER") else {
        return false;
    };
    let uploads = PathBuf::from(folder).join(bucket).join("._S3rver_uploads");
    let uploads = std::fs::read_dir(uploads).into_iter().flatten().flatten();
    let mut keys = uploads.map(|upload| std::fs::read(upload.path().join("key")));
    keys.any(|found| found.is_ok_and(|found| found == key.as_bytes()))
}

/// Starts `score` with an output of several parts, sends it `signal` when some but not all parts are uploaded, and
/// returns its exit status.
fn end_during_upload(store: &Store, folder: &Folder, key: &str, signal: &str) -> i32 {
    let server = Server::start(folder.read("large.csv"), |request| {
        if request < 9 {
            Answer::Good
        } else {
            Answer::Slow
        }
    });
    let data = format!("{}/large.csv", server.url);
    let out = format!("{}/{key}", store.base);
    // Incidents would need a pass of their own, before which nothing is uploaded.
    let score = ["score", "model.json", &data, "--out", &out, "--quiet"];
    let mut job = folder.command(&[&score[..], &["--skip-incidents"]].concat());
    for option in &store.options {
        job.args(["--storage-option", option]);
    }
    let mut job = job.spawn().expect("the command starts");
    let bucket = store.base.split_once("://").unwrap().1;
    for _ in 0..600 {
        let has_begun = store.base.starts_with("az") || has_unfinished_upload(bucket, key);
        if server.requests() > 10 && has_begun {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(job.try_wait().unwrap().is_none(), "the job was too fast");
    assert!(store.base.starts_with("az") || has_unfinished_upload(bucket, key));
    common::signal(&job, signal);
    wait_for_end(job).status
}

#[test]
fn a_job_that_ends_during_an_upload_leaves_no_object() {
    let folder = Folder::with_model(300);
    folder.write("large.csv", events(400_000));
    folder.write("small.csv", events(500));
    for store in stores() {
        let bucket = store.base.split_once("://").unwrap().1;
        for (signal, status) in [("KILL", 137), ("TERM", 143)] {
            let new = format!("killed/new{signal}.csv");
            assert_eq!(end_during_upload(&store, &folder, &new, signal), status);
            let url = format!("{}/{new}", store.base);
            let run = store.run(&folder, &["inspect", &url]);
            assert!(run.stderr.contains("no such file"), "{}", run.stderr);
            if signal == "TERM" {
                assert!(!has_unfinished_upload(bucket, &new));
            }

            let old = format!("killed/old{signal}.csv");
            let url = format!("{}/{old}", store.base);
            store.done(
                &folder,
                &["score", "model.json", "small.csv", "--out", &url],
            );
            let count = ["sql", "SELECT count(*) AS events, sum(score) FROM events"];
            let before = store.done(&folder, &[&count[..], &[&url]].concat()).stdout;
            assert_eq!(end_during_upload(&store, &folder, &old, signal), status);
            let after = store.done(&folder, &[&count[..], &[&url]].concat()).stdout;
            assert_eq!(after, before, "{url}");
        }
    }
}

#[test]
fn errors_of_object_stores_set_the_exit_status_and_hide_credentials() {
    let folder = Folder::with_model(300);
    for store in stores() {
        let data = format!("{}/run/x.csv", store.base);
        let train = ["train", &data, "--out", "m.json"];
        let run = store.run(&folder, &train);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(run.stderr.contains("no such file"), "{}", run.stderr);
        let Some(wrong_option) = store.wrong_option else {
            continue;
        };
        let secret = wrong_option.split_once('=').unwrap().1;
        let overridden = [&train[..], &["--storage-option", wrong_option]].concat();
        let run = store.run(&folder, &overridden);
        // The right option comes later and overrides the wrong one.
        assert!(run.stderr.contains("no such file"), "{}", run.stderr);
        let mut wrong = store.options.clone();
        wrong.push(wrong_option.to_owned());
        let store = Store {
            options: wrong,
            ..store
        };
        let run = store.run(&folder, &[&train[..], &["-v"]].concat());
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(
            run.stderr.contains("refuses the credentials") && !run.stderr.contains(secret),
            "{}",
            run.stderr
        );
    }
}
