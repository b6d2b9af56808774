//! Runs the library's work on threads of its own, while the calling thread waits for it and for Ctrl-C.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use honeyguide::{Engine, Error, Progress as Receiver, panics_are_caught};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::sync::Notify;

use super::errors::exception;
use crate::waiting::{Progress, Work, wait};

/// The stack of a thread that plans or runs queries. The engine walks plans recursively, and its frames are large in a
/// development build.
const STACK_BYTES: usize = 32 << 20;

/// The threads of a process.
struct Runtime {
    process: u32,
    tokio: tokio::runtime::Runtime,
    /// The threads of forests and embeddings, one of which also drives the work of a call.
    pool: rayon::ThreadPool,
    engine: Engine,
}

/// It is locked only while Python's global lock is held. A process therefore never forks while it is locked.
static RUNTIME: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// The greatest number of threads of each pool; 0 for as many as there are processors.
static MOST_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Limits the number of threads that calls from now on have; 0 is the number of processors. Calls that run go on with the
/// threads that they have.
#[pyfunction]
pub fn set_num_threads(n_threads: usize) {
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    MOST_THREADS.store(n_threads, Ordering::Relaxed);
    // A forked process has no threads to end, and is told so when it calls.
    if known
        .as_ref()
        .is_some_and(|runtime| runtime.process == std::process::id())
    {
        *known = None;
    }
}

/// Runs the work that `make` makes, and returns its result.
///
/// # Errors
/// The work fails, Ctrl-C is pressed, threads cannot be started, or the process was forked from one that had them.
pub fn run<T, F>(py: Python<'_>, make: impl FnOnce(Engine) -> F + Send + 'static) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>>,
{
    let runtime = runtime()?;
    let call = Arc::new(Call::default());
    let (sender, receiver) = sync_channel(1);
    let work = {
        let (runtime, call) = (Arc::clone(&runtime), Arc::clone(&call));
        move || drive(&runtime, &call, make, &sender)
    };
    runtime.pool.spawn(work);
    match wait(py, &*call, receiver, false)?.flatten() {
        Some(result) => result.map_err(|error| exception(&error)),
        None => Err(PyRuntimeError::new_err(
            "a defect in honeyguide ended the work; please report it",
        )),
    }
}

/// The work of a call, as the call sees it: what the engine reports of it, and a way to cancel it.
#[derive(Default)]
struct Call {
    cancelled: Notify,
    reading: Mutex<Option<Reading>>,
}

/// What the engine reads.
struct Reading {
    what: String,
    rows: u64,
    expected_rows: Option<u64>,
}

impl Call {
    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver for Call {
    fn begin(&self, what: &str, expected_rows: Option<u64>) {
        *self.reading() = Some(Reading {
            what: what.to_owned(),
            rows: 0,
            expected_rows,
        });
    }

    fn rows(&self, rows: u64) {
        if let Some(reading) = &mut *self.reading() {
            reading.rows = rows;
        }
    }

    fn end(&self) {
        *self.reading() = None;
    }
}

impl Work for Call {
    /// A computation that holds its thread goes on in the background.
    const TIME_TO_END: Option<Duration> = Some(Duration::from_millis(800));

    fn progress(&self) -> Option<Progress> {
        self.reading().as_ref().map(|reading| Progress {
            what: reading.what.clone(),
            done: reading.rows,
            total: reading.expected_rows,
        })
    }

    fn cancel(&self) {
        self.cancelled.notify_one();
    }
}

/// Drives the work to its end and sends the result, or `None` if the work panics or is cancelled.
fn drive<T, F>(
    runtime: &Runtime,
    call: &Arc<Call>,
    make: impl FnOnce(Engine) -> F,
    sender: &SyncSender<Option<Result<T, Error>>>,
) where
    F: Future<Output = Result<T, Error>>,
{
    let engine = runtime.engine.clone();
    let engine = engine.with_progress(Arc::clone(call) as Arc<dyn Receiver>);
    let work = || {
        runtime.tokio.block_on(async {
            tokio::select! {
                biased;
                () = call.cancelled.notified() => None,
                result = make(engine) => Some(result),
            }
        })
    };
    let result = catch_unwind(AssertUnwindSafe(work));
    // A call that was interrupted no longer waits.
    let _ = sender.send(result.unwrap_or(None));
}

/// Returns the threads of this process.
fn runtime() -> PyResult<Arc<Runtime>> {
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some(runtime) = &*known {
        if runtime.process == process {
            return Ok(Arc::clone(runtime));
        }
        return Err(PyRuntimeError::new_err(
            "this process was forked from one that had used honeyguide's pipeline, whose threads it does not have\n\
             start processes with the method \"spawn\", or call the pipeline only after the fork",
        ));
    }
    let runtime = Arc::new(start(process)?);
    *known = Some(Arc::clone(&runtime));
    Ok(runtime)
}

fn start(process: u32) -> PyResult<Runtime> {
    static HOOK: Once = Once::new();
    // A panic that the library catches becomes an error, so it is not printed as well.
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panics_are_caught() {
                before(panic);
            }
        }));
    });
    let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = NonZeroUsize::new(MOST_THREADS.load(Ordering::Relaxed)).unwrap_or(all);
    let refused = |error: &dyn std::fmt::Display| {
        PyRuntimeError::new_err(format!("{threads} threads cannot be started: {error}"))
    };
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.get())
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| refused(&error))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .stack_size(STACK_BYTES)
        .thread_name(|thread| format!("honeyguide-{thread}"))
        .build()
        .map_err(|error| refused(&error))?;
    Ok(Runtime {
        process,
        tokio,
        pool,
        engine: Engine::new(threads).map_err(|error| exception(&error))?,
    })
}
