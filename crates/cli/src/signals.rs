//! The signals that ask a run to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Stop;

/// Waits for SIGINT or SIGTERM, starting at the call, not at the first poll. Returns `None` if signals are not
/// available.
pub fn stop_signal() -> impl Future<Output = Option<Stop>> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async {
        let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
            return None;
        };
        tokio::select! {
            caught = interrupt.recv() => caught.map(|()| Stop::Interrupt),
            caught = terminate.recv() => caught.map(|()| Stop::Terminate),
        }
    }
}
