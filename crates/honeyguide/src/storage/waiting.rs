//! How code that is not asynchronous waits for asynchronous work, and how that wait ends when the job is stopped.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, Result};

tokio::task_local! {
    /// What ends the waiting of the work that is under way.
    static STOP: Shared<BoxFuture<'static, ()>>;
}

/// Does `work`. Once `stop` is ready, what waits in it for a remote file or a store fails at once, so that nobody has to
/// bear a server that does not answer.
pub async fn until_stopped<T>(
    stop: impl Future<Output = ()> + Send + 'static,
    work: impl Future<Output = T>,
) -> T {
    let stop = stop.boxed().shared();
    // Polled once, so that it listens before the first wait.
    let _ = stop.clone().now_or_never();
    STOP.scope(stop, work).await
}

/// Waits for a piece of work from a function that is not asynchronous.
///
/// # Errors
/// There is no runtime with several threads to do it, or [`until_stopped`] ended it.
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

/// [`wait`] for what tidies up, which is not to be left out when somebody loses patience.
///
/// # Errors
/// There is no runtime with several threads to do it.
pub(crate) fn wait_to_end<T>(work: impl Future<Output = T>) -> Result<T> {
    let Some(handle) = threads() else {
        return Err(Error::usage(
            "remote files need a tokio runtime with several threads",
        ));
    };
    Ok(tokio::task::block_in_place(|| handle.block_on(work)))
}

/// Takes a lock that others hold while they [`wait`]. A runtime whose threads all stood still at such a lock would never
/// do the work that its holder waits for.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let take = || mutex.lock().unwrap_or_else(PoisonError::into_inner);
    match mutex.try_lock() {
        Ok(free) => free,
        Err(_) if threads().is_some() => tokio::task::block_in_place(take),
        Err(_) => take(),
    }
}

/// The runtime, where it has several threads.
pub(crate) fn threads() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    (handle.runtime_flavor() == RuntimeFlavor::MultiThread).then_some(handle)
}
