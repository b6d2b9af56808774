//! The thread pools that work runs on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The maximum number of threads of a pool. Results do not depend on the number, so more are not an error.
const MAX_THREADS: usize = 256;

/// The pools by their number of threads, and the process that they belong to.
struct Pools {
    process: u32,
    pools: BTreeMap<usize, Arc<ThreadPool>>,
}

/// It is locked only while Python's global lock is held. A process therefore never forks while it is locked.
static POOLS: Mutex<Pools> = Mutex::new(Pools {
    process: 0,
    pools: BTreeMap::new(),
});

/// Runs `work` on `n_threads` threads, from 1 on, while other threads of Python go on.
///
/// # Errors
/// The operating system refuses to start the threads.
pub fn run<R: Send>(
    py: Python<'_>,
    n_threads: usize,
    work: impl FnOnce() -> R + Send,
) -> PyResult<R> {
    let pool = pool(n_threads.clamp(1, MAX_THREADS))?;
    Ok(py.detach(|| pool.install(work)))
}

/// Returns the pool with this many threads. A forked child has none of its parent's threads, so it starts its own.
fn pool(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if pools.process != process {
        pools.process = process;
        // To drop a pool is to call its threads, which this process does not have.
        std::mem::forget(std::mem::take(&mut pools.pools));
    }
    if let Some(pool) = pools.pools.get(&n_threads) {
        return Ok(pool.clone());
    }
    let name = |thread| format!("honeyguide-{thread}");
    let pool = ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .thread_name(name)
        .build()
        .map_err(|error| {
            PyRuntimeError::new_err(format!(
                "{n_threads} threads cannot be started: {error}; set n_jobs to a smaller number"
            ))
        })?;
    let pool = Arc::new(pool);
    pools.pools.insert(n_threads, pool.clone());
    Ok(pool)
}
