//! Data on web servers and in object stores: the same answer as from disk, or one clear error, whatever goes wrong between.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Folder, Run, events};
use server::{Answer, Server};

/// Large enough that a file is read in several pieces, and by two threads.
const MANY: usize = 60_000;
const TRAIN: [&str; 7] = [
    "--recipe",
    "beth-paper",
    "--trees",
    "5",
    "--out",
    "m.json",
    "--quiet",
];

/// What a server answers request number 0, 1, …
type Fault = fn(usize) -> Answer;

fn train(folder: &Folder, data: &[&str]) -> Run {
    folder.run(&[&["train"], data, &TRAIN].concat())
}

/// What is learnt from the file on disk.
fn expected(folder: &Folder, name: &str) -> Vec<u8> {
    let run = train(folder, &[name]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    folder.read("m.json")
}

#[test]
fn a_web_server_gives_what_the_disk_gives() {
    let folder = Folder::with(&[("a.csv", events(MANY))]);
    folder.write("model.json", {
        let run = train(&folder, &["a.csv"]);
        assert_eq!(run.status, 0);
        folder.read("m.json")
    });
    for out in ["a.parquet", "a.arrow", "a.ndjson"] {
        folder.done(&["score", "model.json", "a.csv", "--out", out]);
    }
    folder.write(
        "a.csv.zst",
        zstd::encode_all(folder.read("a.csv").as_slice(), 1).unwrap(),
    );
    for name in ["a.csv", "a.csv.zst", "a.parquet", "a.arrow", "a.ndjson"] {
        let same = expected(&folder, name);
        for answer in [|_| Answer::Good, |_| Answer::Whole, |_| Answer::Late] as [Fault; 3] {
            let server = Server::start(folder.read(name), answer);
            for link in [
                format!("{}/x/{name}", server.url),
                format!("{}/get?id=7", server.url),
            ] {
                let run = train(&folder, &[&link, "--threads", "2"]);
                assert_eq!(run.status, 0, "{link}: {}", run.stderr);
                assert!(folder.read("m.json") == same, "{link}: {name}");
            }
        }
    }
}

#[test]
fn faults_that_pass_are_borne() {
    let folder = Folder::with(&[("a.csv", events(MANY))]);
    let same = expected(&folder, "a.csv");
    let faults: [Fault; 4] = [
        |request| {
            if request % 3 == 1 {
                Answer::Status(500)
            } else {
                Answer::Good
            }
        },
        |request| {
            if request % 3 == 0 {
                Answer::Status(503)
            } else {
                Answer::Good
            }
        },
        |request| {
            if request % 2 == 1 {
                Answer::Cut
            } else {
                Answer::Good
            }
        },
        |request| {
            if request < 3 {
                Answer::Status(429)
            } else {
                Answer::Good
            }
        },
    ];
    for fault in faults {
        let server = Server::start(folder.read("a.csv"), fault);
        let run = train(&folder, &[&format!("{}/a.csv", server.url)]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(folder.read("m.json") == same);
        assert!(server.requests() > 3);
    }
}

#[test]
fn faults_that_stay_are_one_error() {
    let folder = Folder::with(&[("a.csv", events(MANY))]);
    let cases: [(Fault, i32, &str); 6] = [
        (
            |_| Answer::Status(404),
            2,
            "no such file: the server answers 404",
        ),
        (|_| Answer::Status(403), 1, "the server answers 403"),
        (|_| Answer::Status(500), 1, "the server answers 500"),
        (|_| Answer::Cut, 1, "cannot read"),
        (
            |request| {
                if request < 4 {
                    Answer::Good
                } else {
                    Answer::Replaced
                }
            },
            1,
            "was replaced while it was read",
        ),
        (
            |request| {
                if request < 4 {
                    Answer::Good
                } else {
                    Answer::Whole
                }
            },
            1,
            "was replaced while it was read",
        ),
    ];
    for (fault, status, says) in cases {
        let server = Server::start(folder.read("a.csv"), fault);
        let link = format!("{}/a.csv?token=hidden-token", server.url);
        let arguments = [&["train", &link], &TRAIN[..]].concat();
        folder.refused(&arguments, status, &["/a.csv", says]);
        let run = folder.run(&arguments);
        assert!(!run.stderr.contains("hidden-token"), "{}", run.stderr);
    }
    let run = train(&folder, &["http://127.0.0.1:1/a.csv"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("cannot read http://127.0.0.1:1/a.csv"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_no_store_knows_is_refused_without_being_shown() {
    let folder = Folder::with(&[("a.csv", events(9))]);
    for (arguments, says) in [
        (
            ["s3://b/a.csv", "--storage-option", "aws_regoin=hidden"],
            "`aws_regoin` is no storage option of s3://",
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
    folder.refused(
        &["train", "a.csv", "--out", "http://x/m.json"],
        2,
        &["only read from"],
    );
}

/// An object store that `cargo xtask test` started, and how it is called.
struct Store {
    /// What URLs begin with.
    base: &'static str,
    options: Vec<String>,
    wrong: [&'static str; 1],
}

/// The stores that are running. Where npm is missing there are none; `cargo xtask test` says so.
fn stores() -> Vec<Store> {
    let s3 = std::env::var("HONEYGUIDE_TEST_S3").map(|endpoint| Store {
        base: "s3://lake",
        options: vec![
            format!("aws_endpoint_url={endpoint}"),
            "aws_allow_http=true".into(),
            "aws_access_key_id=S3RVER".into(),
            "aws_secret_access_key=S3RVER".into(),
            "aws_region=us-east-1".into(),
        ],
        wrong: ["aws_access_key_id=wrong-key-id"],
    });
    let azure = std::env::var("HONEYGUIDE_TEST_AZURE").map(|endpoint| Store {
        base: "az://lake",
        options: vec![
            format!("azure_storage_endpoint={endpoint}"),
            "azure_allow_http=true".into(),
            "azure_storage_account_name=devstoreaccount1".into(),
            "azure_storage_account_key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==".into(),
        ],
        wrong: ["azure_storage_account_key=d3Jvbmctc2VjcmV0"],
    });
    s3.into_iter().chain(azure).collect()
}

impl Store {
    fn run(&self, folder: &Folder, args: &[&str]) -> Run {
        let options = self
            .options
            .iter()
            .flat_map(|option| ["--storage-option", option]);
        folder.run(&args.iter().copied().chain(options).collect::<Vec<_>>())
    }

    fn done(&self, folder: &Folder, args: &[&str]) -> Run {
        let run = self.run(folder, args);
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        run
    }
}

#[test]
fn object_stores_give_and_take_what_the_disk_does() {
    let folder = Folder::with_model(MANY);
    for out in ["s.csv", "s.parquet", "s.arrow", "s.ndjson"] {
        folder.done(&["score", "model.json", "good.csv", "--out", out]);
    }
    for store in stores() {
        let at = |name: &str| format!("{}/run/{name}", store.base);
        for out in ["s.csv", "s.parquet", "s.arrow", "s.ndjson"] {
            let same = expected(&folder, out);
            // Twice: what is there is replaced.
            for _ in 0..2 {
                store.done(
                    &folder,
                    &["score", "model.json", "good.csv", "--out", &at(out)],
                );
            }
            store.done(
                &folder,
                &[&["train", &at(out), "--threads", "2"], &TRAIN[..]].concat(),
            );
            assert!(folder.read("m.json") == same, "{}", at(out));
        }
        for part in ["day=1/a.csv", "day=2/b.csv"] {
            store.done(
                &folder,
                &[
                    "score",
                    "model.json",
                    "good.csv",
                    "--out",
                    &format!("{}/lake/{part}", store.base),
                ],
            );
        }
        store.done(
            &folder,
            &[
                "train",
                &format!("{}/lake", store.base),
                "--recipe",
                "raw",
                "--exclude",
                "day",
                "--out",
                "m.json",
            ],
        );
        let folder_of_two = folder.read("m.json");
        store.done(
            &folder,
            &[
                "train",
                &format!("{}/lake/*/*.csv", store.base),
                "--recipe",
                "raw",
                "--exclude",
                "day",
                "--out",
                "m.json",
            ],
        );
        assert!(folder.read("m.json") == folder_of_two);
        store.done(
            &folder,
            &[
                "train",
                "good.csv",
                "--recipe",
                "beth-paper",
                "--trees",
                "5",
                "--out",
                &at("m.json"),
            ],
        );
    }
}

#[test]
fn object_stores_refuse_clearly() {
    let folder = Folder::with_model(300);
    for store in stores() {
        let secret = store.wrong[0].split_once('=').unwrap().1;
        for (data, says) in [
            (format!("{}/no/such.csv", store.base), "no such file"),
            (format!("{}-that-is-not/a.csv", store.base), "no such file"),
            (format!("{}/no/*.csv", store.base), "no object matches"),
        ] {
            let run = store.run(&folder, &["train", &data, "--out", "m.json"]);
            assert_eq!(run.status, 2, "{data}: {}", run.stderr);
            assert!(
                run.stderr.contains(says) && run.stderr.contains(&data),
                "{}",
                run.stderr
            );
        }
        let missing = format!("{}-that-is-not/s.csv", store.base);
        let run = store.run(
            &folder,
            &["score", "model.json", "good.csv", "--out", &missing],
        );
        assert!(
            run.status == 2 && run.stderr.contains("bucket"),
            "{}",
            run.stderr
        );
        let data = format!("{}/run/x.csv", store.base);
        let run = store.run(
            &folder,
            &[
                "train",
                &data,
                "--out",
                "m.json",
                "--storage-option",
                store.wrong[0],
            ],
        );
        // The right option comes later and counts.
        assert!(run.stderr.contains("no such file"), "{}", run.stderr);
        let mut wrong = store.options.clone();
        wrong.push(store.wrong[0].to_owned());
        let store = Store {
            options: wrong,
            ..store
        };
        let run = store.run(&folder, &["train", &data, "--out", "m.json", "-v"]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(
            run.stderr.contains("refuses the credentials") && !run.stderr.contains(secret),
            "{}",
            run.stderr
        );
    }
}
