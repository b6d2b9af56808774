//! What a call does while its work runs on other threads: it shows progress and looks for Ctrl-C.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// The interval at which a waiting call wakes.
const TICK: Duration = Duration::from_millis(100);
/// The time after which work shows its progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far work has come.
pub struct Progress {
    /// What the work does or counts.
    pub what: String,
    /// The number that is done.
    pub done: u64,
    /// The number at the end, if it is known.
    pub total: Option<u64>,
}

/// The work that a call waits for.
pub trait Work {
    /// The time that cancelled work has to end; `None` if the call cannot end before the work does.
    const TIME_TO_END: Option<Duration>;

    /// Returns how far the work has come; `None` if it counts nothing now.
    fn progress(&self) -> Option<Progress>;

    /// Cancels the work.
    fn cancel(&self);
}

/// Waits for what the work sends, while other threads of Python go on. Returns `None` if it ends without sending
/// anything. With `is_verbose`, progress is shown at once, and also where it may not be seen.
///
/// # Errors
/// A signal's handler raises an exception, as that of Ctrl-C does, or progress cannot be shown. The work is then cancelled.
pub fn wait<W: Work, T: Send>(
    py: Python<'_>,
    work: &W,
    mut receiver: Receiver<T>,
    is_verbose: bool,
) -> PyResult<Option<T>> {
    let mut bar = Bar::new(is_verbose);
    let end = loop {
        let received;
        (received, receiver) = py.detach(move || (receiver.recv_timeout(TICK), receiver));
        match received {
            Ok(result) => break Ok(Some(result)),
            Err(RecvTimeoutError::Disconnected) => break Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let awake = py.check_signals();
        if let Err(interrupt) = awake.and_then(|()| bar.show(py, work.progress())) {
            work.cancel();
            py.detach(move || match W::TIME_TO_END {
                Some(time) => receiver.recv_timeout(time).ok(),
                None => receiver.recv().ok(),
            });
            break Err(interrupt);
        }
    };
    // A signal may come while Python takes the bar away.
    let closed = bar.close(py);
    end.and_then(|result| closed.map(|()| result))
}

/// A bar of tqdm, which appears when work takes long.
struct Bar {
    begun: Instant,
    is_verbose: bool,
    shown: Option<Py<PyAny>>,
}

impl Bar {
    fn new(is_verbose: bool) -> Self {
        Self {
            begun: Instant::now(),
            is_verbose,
            shown: None,
        }
    }

    fn show(&mut self, py: Python<'_>, progress: Option<Progress>) -> PyResult<()> {
        let is_due = self.is_verbose || self.begun.elapsed() >= PATIENCE;
        let Some(progress) = progress.filter(|_| is_due) else {
            return Ok(());
        };
        let bar = match self.shown.take() {
            Some(bar) => bar,
            None => {
                let module = py.import("honeyguide._progress")?;
                module.call_method1("Bar", (self.is_verbose,))?.unbind()
            }
        };
        let state = (progress.what, progress.done, progress.total);
        let shown = bar.call_method1(py, "show", state);
        self.shown = Some(bar);
        shown.map(drop)
    }

    fn close(self, py: Python<'_>) -> PyResult<()> {
        match self.shown {
            Some(bar) => bar.call_method0(py, "close").map(drop),
            None => Ok(()),
        }
    }
}
