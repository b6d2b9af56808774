//! Common code of the tests: temporary folders, tables of events, engines and small models.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses some of these helpers, none uses all"
)]

use std::io::Read;
use std::num::NonZeroUsize;

use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    Contamination, Engine, Error, ErrorKind, Model, ReadOptions, Recipe, Result, Source,
    StorageOptions, ThresholdPolicy, TrainOptions, builtin, train,
};
mod events;
mod folder;
mod lookups;
pub mod requests;
pub mod server;
pub mod stores;

pub use events::{
    HEADER, event, event_with, events, events_as_json, events_with_line, json_with_late_keys,
    without_files,
};
pub use folder::Folder;
pub use lookups::{LOOKUP_HEADER, Lookup, lookups};

impl Folder {
    /// Reads a file of text in the folder, which must exist.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Awaits a call that must fail with an error of `kind` whose message contains `says`, and leave the folder as it was.
    pub async fn refused<T>(
        &self,
        call: impl Future<Output = Result<T>>,
        kind: ErrorKind,
        says: &str,
    ) {
        let error = self.failed(call, kind).await;
        assert!(error.message().contains(says), "no `{says}` in: {error}");
    }

    /// Awaits a call that must fail with an error of `kind` whose message and hint contain all of `says`, and leave the
    /// folder as it was.
    pub async fn refused_with_hint<T>(
        &self,
        call: impl Future<Output = Result<T>>,
        kind: ErrorKind,
        says: &[&str],
    ) {
        let error = self.failed(call, kind).await.to_string();
        for part in says {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    }

    /// Returns the error of a call that must fail with an error of `kind`, and leave the folder as it was.
    async fn failed<T>(&self, call: impl Future<Output = Result<T>>, kind: ErrorKind) -> Error {
        let before = self.names();
        let error = failed(call.await);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(self.names(), before, "{error}: files appeared or vanished");
        error
    }

    /// Opens files of the folder.
    ///
    /// # Errors
    /// Fails as [`Source::open_with`] does.
    pub fn open(&self, names: &[&str], options: &ReadOptions) -> Result<Source> {
        let paths = names
            .iter()
            .map(|name| self.path(name).display().to_string());
        Source::open_with(paths, options)
    }

    /// Opens files of the folder, which must be readable.
    pub fn source(&self, names: &[&str]) -> Source {
        let source = self.open(names, &ReadOptions::default());
        source.unwrap_or_else(|error| panic!("{names:?}: {error}"))
    }
}

/// Returns the error of a call that must fail.
pub fn failed<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error,
    }
}

/// Returns the answer to a query over the table `events` of a source. The query must succeed.
pub async fn answer(engine: &Engine, source: Source, query: &str, format: TextFormat) -> String {
    let mut database = Database::new(engine, None, StorageOptions::default()).expect("a database");
    database.add("events", source).expect("a table");
    let mut text = String::new();
    let mut rows = match database.text(query, format).await {
        Ok(rows) => rows,
        Err(error) => panic!("{query}: {error}"),
    };
    rows.read_to_string(&mut text).expect("text");
    text
}

/// Returns an engine with this number of threads.
pub fn engine(threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    Engine::new(threads).expect("an engine")
}

/// Returns a built-in recipe.
pub fn recipe(name: &str) -> Recipe {
    builtin(name).unwrap_or_else(|| panic!("no built-in recipe {name}"))
}

/// Returns options of training for a small forest, whose threshold is set by the scores of the training events.
pub fn small_forest() -> TrainOptions {
    TrainOptions {
        n_estimators: 5,
        threshold: ThresholdPolicy::Contamination(Contamination::Auto),
        ..TrainOptions::default()
    }
}

/// Trains a small model with a built-in recipe.
pub async fn small_model(source: &mut Source, name: &str) -> Model {
    let model = train(&engine(2), source, &recipe(name), &small_forest()).await;
    model.expect("a model")
}

/// Returns the text of a model's file.
pub fn written(model: &Model) -> String {
    let mut text = Vec::new();
    model.write_json(&mut text).expect("a text in memory");
    String::from_utf8(text).expect("a model is UTF-8")
}

/// Returns a model with another threshold.
pub fn with_threshold(model: &Model, value: f64) -> Model {
    let mut file: serde_json::Value = serde_json::from_str(&written(model)).expect("JSON");
    file["threshold"]["value"] = serde_json::json!(value);
    Model::from_json(&file.to_string()).expect("a model")
}
