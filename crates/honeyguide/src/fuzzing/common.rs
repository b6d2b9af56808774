//! What several targets do: check errors, write an input to a file, and read a source.

use std::cell::OnceCell;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;

thread_local! {
    static STATE: OnceCell<State> = const { OnceCell::new() };
}

/// What is made once and used for every input.
struct State {
    folder: TempDir,
    runtime: Runtime,
    engine: Engine,
}

impl State {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            runtime: runtime.expect("a runtime can be made"),
            engine: Engine::new(NonZeroUsize::MIN).expect("an engine can be made"),
        }
    }
}

fn with_state<T>(work: impl FnOnce(&State) -> T) -> T {
    STATE.with(|state| work(state.get_or_init(State::new)))
}

/// Returns the result of a parser, or `None` if it refused its input.
///
/// # Panics
/// If the error is one that no input may cause, or says nothing.
pub fn accepted<T>(result: Result<T>) -> Option<T> {
    let error: Error = match result {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let text = error.to_string();
    assert_ne!(error.kind(), ErrorKind::Internal, "{text}");
    assert!(!text.trim().is_empty());
    None
}

/// Returns the result of a parser of `input` as [`accepted`] does.
///
/// # Panics
/// As [`accepted`] does, and if the error passes on what the engine says of its own defects. An input that says so itself
/// may be quoted.
pub fn accepted_text<T>(input: &str, result: Result<T>) -> Option<T> {
    const DEFECT: &str = "likely caused by a bug in DataFusion";
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(input.contains(DEFECT) || !text.contains(DEFECT), "{text}");
    }
    accepted(result)
}

/// Writes `input` to a file called `name` and passes its path to `work`.
pub fn with_file<T>(name: &str, input: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    with_state(|state| {
        let path = state.folder.path().join(name);
        fs::write(&path, input).expect("the temporary folder can be written to");
        work(&path)
    })
}

/// Passes the engine to `work`.
pub fn with_engine<T>(work: impl FnOnce(&Engine) -> T) -> T {
    with_state(|state| work(&state.engine))
}

/// Runs asynchronous work to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    with_state(|state| state.runtime.block_on(work))
}

/// Returns all rows of a source in their order.
pub fn rows(source: &mut Source) -> Result<RecordBatch> {
    let needed = source.column_names();
    with_state(|state| {
        loop {
            source.begin_scan();
            let outcome = state.runtime.block_on(scan(source, &state.engine));
            if let Some(rows) = source.end_attempt(&needed, outcome)? {
                return Ok(rows);
            }
        }
    })
}

async fn scan(source: &Source, engine: &Engine) -> EngineResult<RecordBatch> {
    let mut batches = Vec::new();
    for table in source.tables_in_order(engine) {
        batches.extend(table?.collect().await?);
    }
    Ok(concat_batches(&source.schema(), &batches)?)
}

/// Returns the lines that are not blank. A byte order mark is not part of the first one.
pub fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let lines = input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty())
}
