//! Data, models and recipes on web servers and in object stores: they give the same answers as on disk, or one clear
//! error, whatever goes wrong on the way.

use std::future::ready;
use std::io::Read;
use std::path::Path;

use tokio::task::JoinSet;

use crate::common::server::{Answer, Server};
use crate::common::stores::{Store, stores};
use crate::common::{Folder, engine, events, failed, recipe, small_forest, written};
use honeyguide::drift::drift;
use honeyguide::evaluate::evaluate;
use honeyguide::output::Destination;
use honeyguide::score::{
    Listing, MostAnomalous, ScoreOptions, Selection, explain_event, most_anomalous, score_to_file,
};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    ErrorKind, Model, ReadOptions, Recipe, Result, Source, StorageOptions, TrainOptions, train,
};

/// A number of events that makes the engine read a file in several pieces and on two threads.
const MANY: usize = 60_000;

/// A function that returns how a server answers request number 0, 1, …
type Fault = fn(usize) -> Answer;

/// Opens data at a path or a URL.
fn open(data: &str, storage: &StorageOptions) -> Result<Source> {
    let options = ReadOptions {
        storage: storage.clone(),
        ..ReadOptions::default()
    };
    Source::open_with([data], &options)
}

/// Trains a small model of the data at a path or a URL.
async fn trained(data: &str, storage: &StorageOptions) -> Result<Model> {
    let mut source = open(data, storage)?;
    let recipe = recipe("beth-paper");
    train(&engine(2), &mut source, &recipe, &small_forest()).await
}

/// Returns the text of a small model of the data at a URL. Training must succeed.
async fn model_of(data: &str, storage: &StorageOptions) -> String {
    let model = trained(data, storage).await;
    written(&model.unwrap_or_else(|error| panic!("{data}: {error}")))
}

/// Returns the text of a small model of a file on disk.
async fn expected(folder: &Folder, name: &str) -> String {
    let path = folder.path(name).display().to_string();
    model_of(&path, &StorageOptions::default()).await
}

/// Creates a folder with `good.csv`, a table of `count` events, and `model.json`, a small model of them.
async fn with_model(count: usize) -> Folder {
    let folder = Folder::with(&[("good.csv", events(count))]);
    folder.write("model.json", expected(&folder, "good.csv").await);
    folder
}

/// Reads `model.json`.
fn small(folder: &Folder) -> Model {
    Model::load(&folder.path("model.json")).expect("a model")
}

/// Writes the scores of `good.csv` by `model.json` to a path or a URL.
async fn score_to(folder: &Folder, to: &Path, storage: &StorageOptions) -> Result<()> {
    let to = Destination::parse(to, storage)?;
    let mut source = folder.source(&["good.csv"]);
    let options = ScoreOptions::default();
    let scored = score_to_file(&engine(2), &small(folder), &mut source, &to, options).await;
    scored.map(drop)
}

/// Returns the five most anomalous events of `good.csv`.
async fn most(folder: &Folder, model: &Model) -> MostAnomalous {
    let mut source = folder.source(&["good.csv"]);
    let found = most_anomalous(&engine(2), model, &mut source, Listing::top(5)).await;
    found.expect("scores")
}

/// Returns the values in the row that answers a query over `good.csv` with `model`.
async fn row(
    folder: &Folder,
    model: Option<Model>,
    storage: &StorageOptions,
    query: &str,
) -> Vec<String> {
    let mut database = Database::new(&engine(2), model, storage.clone()).expect("a database");
    let added = database.add("events", folder.source(&["good.csv"]));
    added.expect("a table");
    let (mut text, rows) = (String::new(), database.text(query, TextFormat::Csv).await);
    let mut rows = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.read_to_string(&mut text).expect("text");
    let row = text.lines().nth(1).expect("a row");
    row.split(',').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_on_a_web_server_gives_the_same_model_as_on_disk() {
    let (folder, local) = (with_model(MANY).await, StorageOptions::default());
    for out in ["s.parquet", "s.arrow", "s.ndjson"] {
        let scored = score_to(&folder, &folder.path(out), &local).await;
        scored.unwrap_or_else(|error| panic!("{out}: {error}"));
    }
    let compressed = zstd::encode_all(folder.read("good.csv").as_slice(), 1);
    folder.write("good.csv.zst", compressed.expect("memory"));
    for name in [
        "good.csv",
        "good.csv.zst",
        "s.parquet",
        "s.arrow",
        "s.ndjson",
    ] {
        let same = expected(&folder, name).await;
        for answer in [|_| Answer::Good, |_| Answer::Whole, |_| Answer::Late] as [Fault; 3] {
            let server = Server::start(folder.read(name), answer);
            for link in [
                format!("{}/x/{name}", server.url),
                format!("{}/get?id=7", server.url),
            ] {
                let model = model_of(&link, &local).await;
                assert!(model == same, "{link}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_faults_are_overcome() {
    let folder = Folder::with(&[("a.csv", events(MANY))]);
    let same = expected(&folder, "a.csv").await;
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
        let link = format!("{}/a.csv", server.url);
        let model = model_of(&link, &StorageOptions::default()).await;
        assert!(model == same);
        assert!(server.requests() > 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_fault_is_one_error() {
    let cases: [(Fault, ErrorKind, &str); 6] = [
        (
            |_| Answer::Status(404),
            ErrorKind::Usage,
            "no such file: the server answers 404",
        ),
        (
            |_| Answer::Status(403),
            ErrorKind::Io,
            "the server answers 403",
        ),
        (
            |_| Answer::Status(500),
            ErrorKind::Io,
            "the server answers 500",
        ),
        (|_| Answer::Cut, ErrorKind::Io, "cannot read"),
        (
            |request| {
                if request < 4 {
                    Answer::Good
                } else {
                    Answer::Replaced
                }
            },
            ErrorKind::Data,
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
            ErrorKind::Data,
            "was replaced while it was read",
        ),
    ];
    // Most of the time is spent waiting before a request is repeated, so the cases run in parallel.
    let mut checks = JoinSet::new();
    for (fault, kind, says) in cases {
        checks.spawn(async move {
            let server = Server::start(events(MANY).into_bytes(), fault);
            let link = format!("{}/a.csv?token=hidden-token", server.url);
            let outcome = trained(&link, &StorageOptions::default()).await;
            (outcome, kind, says)
        });
    }
    for (outcome, kind, says) in checks.join_all().await {
        let error = failed(outcome);
        assert_eq!(error.kind(), kind, "{says}: {error}");
        for part in ["/a.csv", says] {
            assert!(error.message().contains(part), "{says}: {error}");
        }
        let all = format!("{error} {error:?}");
        assert!(!all.contains("hidden-token"), "{all}");
    }
    let link = "http://127.0.0.1:1/a.csv";
    let error = failed(trained(link, &StorageOptions::default()).await);
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let says = "cannot read http://127.0.0.1:1/a.csv";
    assert!(error.message().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_say_how_often_a_request_is_repeated() {
    let options = |settings: &[&str]| {
        let mut options = StorageOptions::default();
        for setting in settings {
            options.set(setting).expect("an option");
        }
        options
    };
    for (settings, requests) in [
        (&["max_retries=0"][..], 1),
        (&["max_retries=3", "retry_init_backoff_ms=1"], 4),
        (&["retry_timeout_ms=0"], 1),
        // There is no cache, so that the option for its time makes no difference.
        (&["max_retries=1", "file_cache_ttl=60"], 2),
    ] {
        let server = Server::start(Vec::new(), |_| Answer::Status(503));
        let link = format!("{}/m.json", server.url);
        let refused = Model::load_with(Path::new(&link), &options(settings));
        let error = refused
            .expect_err("a server that never answers")
            .to_string();
        assert!(error.contains("503"), "{error}");
        assert_eq!(server.requests(), requests, "{settings:?}");
    }
    for place in ["http://127.0.0.1:1/m.json", "s3://bucket/m.json"] {
        let refused = Model::load_with(Path::new(place), &options(&["max_retries=often"]));
        let error = refused
            .expect_err("a word in the place of a number")
            .to_string();
        assert!(
            error.contains("`max_retries`: it must be a number from 0 to 100"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_recipes_can_be_read_from_web_servers() {
    let (folder, local) = (with_model(300).await, StorageOptions::default());
    let content = folder.read("model.json");
    let here = most(&folder, &small(&folder)).await;
    let answers: [Fault; 4] = [
        |_| Answer::Good,
        |_| Answer::Whole,
        |_| Answer::Late,
        |request| {
            if request % 2 == 0 {
                Answer::Status(503)
            } else {
                Answer::Good
            }
        },
    ];
    for answer in answers {
        let server = Server::start(content.clone(), answer);
        let link = format!("{}/m?token=hidden-token", server.url);
        let model = Model::load(Path::new(&link)).expect("a model");
        assert_eq!(most(&folder, &model).await, here);
    }
    let server = Server::start(content, |_| Answer::Good);
    let link = format!("{}/m.json?token=hidden-token", server.url);
    let model = Model::load(Path::new(&link)).expect("a model");
    let origin = &model.origin().expect("an origin").uri;
    assert!(origin.ends_with("/m.json?***"), "{origin}");
    let query = format!("SELECT sum(anomaly_score('{link}')) FROM events");
    let named = row(&folder, None, &local, &query).await;
    let query = "SELECT sum(score) FROM events";
    let given = row(&folder, Some(model), &local, query).await;
    assert_eq!(named, given);
    let text = recipe("beth-paper").to_toml().expect("TOML");
    let server = Server::start(text.into_bytes(), |_| Answer::Good);
    let recipe = Recipe::load(&format!("{}/recipe", server.url)).expect("a recipe");
    let mut source = folder.source(&["good.csv"]);
    let model = train(&engine(2), &mut source, &recipe, &small_forest()).await;
    assert!(written(&model.expect("a model")) == folder.text("model.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_files_that_are_no_models_or_recipes_are_refused() {
    let long = " ".repeat((4 << 20) + 1).into_bytes();
    for answer in [|_| Answer::Good, |_| Answer::Whole] as [Fault; 2] {
        let server = Server::start(long.clone(), answer);
        let link = format!("{}/r?token=hidden-token", server.url);
        let error = failed(Recipe::load(&link));
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        for part in ["/r?***: ", "limit"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    let cases: [(&[u8], Fault, ErrorKind, &str); 4] = [
        (
            b"{}",
            |_| Answer::Good,
            ErrorKind::Data,
            "not a honeyguide model",
        ),
        (b"\xff\xfe", |_| Answer::Good, ErrorKind::Data, "not text"),
        (
            b"{}",
            |_| Answer::Status(404),
            ErrorKind::Usage,
            "no such file",
        ),
        (
            b"{}",
            |_| Answer::Status(403),
            ErrorKind::Io,
            "the server answers 403",
        ),
    ];
    for (content, answer, kind, says) in cases {
        let server = Server::start(content.to_vec(), answer);
        let link = format!("{}/m.json?token=hidden-token", server.url);
        let error = failed(Model::load(Path::new(&link)));
        assert_eq!(error.kind(), kind, "{error}");
        for part in ["/m.json", says] {
            assert!(error.message().contains(part), "{error}");
        }
        let all = format!("{error} {error:?}");
        assert!(!all.contains("hidden-token"), "{all}");
    }
}

impl Store {
    /// Returns the settings with which the store is reached.
    fn storage(&self) -> StorageOptions {
        let mut storage = StorageOptions::default();
        for option in &self.options {
            storage.set(option).expect("an option");
        }
        storage
    }
}

/// Returns the text of a model with the recipe `raw` of a folder of objects, without the column of its folders.
async fn model_of_days(data: &str, storage: &StorageOptions) -> String {
    let options = TrainOptions {
        exclude: vec!["day".to_owned()],
        ..TrainOptions::default()
    };
    let mut source = open(data, storage).expect("data");
    let model = train(&engine(2), &mut source, &recipe("raw"), &options).await;
    written(&model.unwrap_or_else(|error| panic!("{data}: {error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_object_stores_gives_the_same_models_as_on_disk() {
    let folder = with_model(MANY).await;
    let outputs = ["s.csv", "s.parquet", "s.arrow", "s.ndjson"];
    for out in outputs {
        let scored = score_to(&folder, &folder.path(out), &StorageOptions::default()).await;
        scored.unwrap_or_else(|error| panic!("{out}: {error}"));
    }
    for store in stores() {
        let storage = store.storage();
        let put = async |url: &str| {
            let scored = score_to(&folder, Path::new(url), &storage).await;
            scored.unwrap_or_else(|error| panic!("{url}: {error}"));
        };
        for out in outputs {
            let (same, url) = (
                expected(&folder, out).await,
                format!("{}/run/{out}", store.base),
            );
            // The second run replaces the object of the first.
            for _ in 0..2 {
                put(&url).await;
            }
            assert!(model_of(&url, &storage).await == same, "{url}");
        }
        for part in ["day=1/a.csv", "day=2/b.csv"] {
            put(&format!("{}/lake/{part}", store.base)).await;
        }
        let of_folder = model_of_days(&format!("{}/lake", store.base), &storage).await;
        let of_files = model_of_days(&format!("{}/lake/*/*.csv", store.base), &storage).await;
        assert!(of_files == of_folder, "{}", store.base);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_in_object_stores_give_the_same_results_as_on_disk() {
    let folder = with_model(3000).await;
    let here = small(&folder);
    let (engine, data) = (engine(2), || folder.source(&["good.csv"]));
    for store in stores() {
        let (storage, url) = (store.storage(), format!("{}/models/m.json", store.base));
        let to = Destination::parse(Path::new(&url), &storage).expect("a destination");
        here.save(&to).expect("an object");
        let there = Model::load_with(Path::new(&url), &storage).expect("a model");
        assert!(written(&there) == folder.text("model.json"), "{url}");
        assert_eq!(most(&folder, &there).await, most(&folder, &here).await);
        let evaluated = evaluate(&engine, &there, &mut data(), None).await;
        let same = evaluate(&engine, &here, &mut data(), None).await;
        assert_eq!(evaluated.expect("figures"), same.expect("figures"), "{url}");
        let drifted = drift(&engine, &there, &mut data()).await;
        let same = drift(&engine, &here, &mut data()).await;
        assert_eq!(drifted.expect("figures"), same.expect("figures"), "{url}");
        let selection = Selection::Row(7);
        let explained = explain_event(&engine, &there, &mut data(), &selection).await;
        let same = explain_event(&engine, &here, &mut data(), &selection).await;
        assert_eq!(explained.expect("reasons"), same.expect("reasons"), "{url}");
        let query = format!("SELECT max(score), max(anomaly_score('{url}')) FROM events");
        let values = row(&folder, Some(there), &storage, &query).await;
        assert!(values.len() == 2 && values[0] == values[1], "{values:?}");
        for missing in [
            format!("{url}.not"),
            url.replacen(store.base, &format!("{}-that-is-not", store.base), 1),
        ] {
            let error = failed(Model::load_with(Path::new(&missing), &storage));
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            let says = "no such model file";
            assert!(error.message().contains(says), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_object_stores_are_clear() {
    let folder = with_model(300).await;
    for store in stores() {
        let mut storage = store.storage();
        for (data, says) in [
            (format!("{}/no/such.csv", store.base), "no such file"),
            (format!("{}-that-is-not/a.csv", store.base), "no such file"),
            (format!("{}/no/*.csv", store.base), "no object matches"),
        ] {
            let says = [says, &data];
            let call = ready(open(&data, &storage));
            let usage = ErrorKind::Usage;
            folder.refused_with_hint(call, usage, &says).await;
        }
        let missing = format!("{}-that-is-not/s.csv", store.base);
        let call = score_to(&folder, Path::new(&missing), &storage);
        let says = ["bucket"];
        let usage = ErrorKind::Usage;
        folder.refused_with_hint(call, usage, &says).await;
        let Some(wrong_option) = store.wrong_option else {
            continue;
        };
        let secret = wrong_option.split_once('=').expect("a value").1;
        let data = format!("{}/run/x.csv", store.base);
        storage.set(wrong_option).expect("an option");
        let error = failed(open(&data, &storage));
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let says = "refuses the credentials";
        assert!(error.message().contains(says), "{error}");
        let all = format!("{error} {error:?}");
        assert!(!all.contains(secret), "{all}");
        // The option that is set last counts.
        for option in &store.options {
            storage.set(option).expect("an option");
        }
        let error = failed(open(&data, &storage));
        assert!(error.message().contains("no such file"), "{error}");
    }
}
