//! The signals that ask a run to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Stop;

/// Waits for a signal to end, from the call on; none where signals cannot be had.
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
