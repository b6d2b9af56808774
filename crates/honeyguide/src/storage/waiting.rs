//! Waits of synchronous code for asynchronous work, which end when the job is stopped.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, Result};

tokio::task_local! {
    /// The future that ends the waits of the current work.
    static STOP: Shared<BoxFuture<'static, ()>>;
}

/// Runs `work`. Once `stop` is ready, every wait in `work` for a remote file or a store fails at once, so that a server
/// that does not answer cannot delay the end.
pub async fn until_stopped<T>(
    stop: impl Future<Output = ()> + Send + 'static,
    work: impl Future<Output = T>,
) -> T {
    let stop = stop.boxed().shared();
    // A first poll, so that `stop` is active before the first wait.
    let _ = stop.clone().now_or_never();
    STOP.scope(stop, work).await
}

/// Waits for asynchronous work in a synchronous function, and returns its result.
///
/// # Errors
/// Fails when there is no multi-threaded runtime, or when [`until_stopped`] ends the wait.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    match STOP.try_with(Clone::clone) {
        Err(_) => wait_to_end(work),
        Ok(stop) => wait_to_end(async {
            tokio::select! {
                biased;
                () = stop => Err(Error::refused("interrupted")),
                done = work => Ok(done),
            }
        })?,
    }
}

/// Waits as [`wait`] does, but to the end: [`until_stopped`] does not interrupt it. It is for clean-up, which a stopped
/// job must still do.
///
/// # Errors
/// Fails when there is no multi-threaded runtime.
pub(crate) fn wait_to_end<T>(work: impl Future<Output = T>) -> Result<T> {
    let Some(handle) = multi_thread_handle() else {
        return Err(Error::usage(
            "remote files need a multi-threaded tokio runtime",
        ));
    };
    Ok(tokio::task::block_in_place(|| handle.block_on(work)))
}

/// Locks a mutex whose holder may [`wait`]. The runtime is told that the thread blocks: if all its threads blocked on
/// such a lock, the work that the holder waits for would never run.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let take = || mutex.lock().unwrap_or_else(PoisonError::into_inner);
    match mutex.try_lock() {
        Ok(free) => free,
        Err(_) if multi_thread_handle().is_some() => tokio::task::block_in_place(take),
        Err(_) => take(),
    }
}

/// Returns the handle of the current runtime if that is multi-threaded.
pub(crate) fn multi_thread_handle() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    (handle.runtime_flavor() == RuntimeFlavor::MultiThread).then_some(handle)
}
