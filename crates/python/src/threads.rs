//! The thread pools that work of the estimators runs on.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use learn::monitor::Monitor;
use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::waiting::{Progress, Work, wait};

/// The maximum number of threads of a pool. Results do not depend on the number, so more are not an error.
const MAX_THREADS: usize = 256;

/// Threads that run one piece of work at a time, and what follows it.
struct Pool {
    threads: ThreadPool,
    monitor: Arc<Monitor>,
}

/// The pools that wait for work, by their number of threads, and the process that they belong to.
struct Pools {
    process: u32,
    idle: BTreeMap<usize, Pool>,
}

/// It is locked only while Python's global lock is held. A process therefore never forks while it is locked.
static POOLS: Mutex<Pools> = Mutex::new(Pools {
    process: 0,
    idle: BTreeMap::new(),
});

/// The number of threads of a call, from 1 on, and whether it shows its progress at once, and also where it may not be
/// seen.
#[derive(Clone, Copy, pyo3::FromPyObject)]
pub struct Threads(usize, bool);

/// Runs `work` on threads, while other threads of Python go on.
///
/// # Errors
/// The operating system refuses to start the threads, or Ctrl-C is pressed.
pub fn run<R: Send>(
    py: Python<'_>,
    Threads(number, is_verbose): Threads,
    work: impl FnOnce() -> R + Send,
) -> PyResult<R> {
    let number = number.clamp(1, MAX_THREADS);
    let pool = take(number)?;
    let monitor = &*pool.monitor;
    let (sender, receiver) = sync_channel(1);
    // The scope ends when the work has: what the work borrows lives as long as it does.
    let result = pool.threads.in_place_scope(|scope| {
        scope.spawn(move |_| {
            // The receiver is there as long as the scope is.
            let _ = sender.send(monitor.run(work));
        });
        wait(py, monitor, receiver, is_verbose)
    });
    give_back(number, pool);
    // Work that sends nothing panics, and the scope passes the panic on.
    let result = result?.flatten();
    result.ok_or_else(|| PyRuntimeError::new_err("the work was cancelled"))
}

impl Work for Monitor {
    const TIME_TO_END: Option<Duration> = None;

    fn progress(&self) -> Option<Progress> {
        let progress = Monitor::progress(self);
        (!progress.stage.is_empty()).then(|| Progress {
            what: progress.stage.to_owned(),
            done: progress.done,
            total: Some(progress.total),
        })
    }

    fn cancel(&self) {
        Monitor::cancel(self);
    }
}

/// Returns an idle pool with this many threads, or a new one. A forked child has none of its parent's threads, so it
/// starts its own.
fn take(number: usize) -> PyResult<Pool> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if pools.process != process {
        pools.process = process;
        // To drop a pool is to call its threads, which this process does not have.
        std::mem::forget(std::mem::take(&mut pools.idle));
    }
    match pools.idle.remove(&number) {
        Some(pool) => Ok(pool),
        None => start(number),
    }
}

fn start(number: usize) -> PyResult<Pool> {
    let monitor = Monitor::new();
    let of_thread = Arc::clone(&monitor);
    let threads = ThreadPoolBuilder::new()
        .num_threads(number)
        .thread_name(|thread| format!("honeyguide-{thread}"))
        .start_handler(move |_| of_thread.attach())
        .build()
        .map_err(|error| {
            PyRuntimeError::new_err(format!(
                "{number} threads cannot be started: {error}; set n_jobs to a smaller number"
            ))
        })?;
    Ok(Pool { threads, monitor })
}

/// Keeps a pool for the next work. One of each size is kept.
fn give_back(number: usize, pool: Pool) {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.idle.entry(number).or_insert(pool);
}
