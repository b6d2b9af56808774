//! Common code of the tests: temporary folders, tables of events, engines and small models.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses some of these helpers, none uses all"
)]

use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    Contamination, Engine, Error, ErrorKind, Model, ReadOptions, Recipe, Result, Source,
    StorageOptions, ThresholdPolicy, TrainOptions, builtin, train,
};
use tempfile::TempDir;

mod events;
pub mod server;
pub mod stores;

pub use events::{HEADER, event, event_with, events, events_as_json, events_with_line};

/// A temporary folder with data.
pub struct Folder(TempDir);

impl Folder {
    /// Creates an empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Creates a folder with the given files.
    pub fn with<T: AsRef<[u8]>>(files: &[(&str, T)]) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file in a temporary folder");
    }

    /// Reads a file in the folder, which must exist.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Returns the sorted names of all files in the folder, including hidden ones.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a temporary folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

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
