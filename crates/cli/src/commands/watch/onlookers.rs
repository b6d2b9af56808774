//! Those who look on while a watch runs: Prometheus, and systemd if it has started the watch.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use honeyguide::Error;
use honeyguide_watch::{Status, Systemd, serve_metrics};

use crate::context::Context;

/// Lets Prometheus and systemd look on.
///
/// # Errors
/// Fails when the port of the metrics is unusable.
pub fn begin(
    context: &Context,
    metrics: Option<SocketAddr>,
    store: Option<PathBuf>,
    status: &Arc<Status>,
) -> Result<(), Error> {
    if let Some(address) = metrics {
        let bound = serve_metrics(address, Arc::clone(status), store)?;
        context.remark(&format!("note: metrics are at http://{bound}/metrics"));
    }
    if let Some(name) = socket() {
        let connected = Systemd::connect(&name, watchdog());
        let systemd =
            connected.map_err(|error| Error::io("connect to", Path::new(&name), error))?;
        systemd.follow(Arc::clone(status));
    }
    Ok(())
}

/// Tells systemd that the watch ends.
pub fn end() {
    if let Some(name) = socket() {
        // A manager that is gone need not know.
        let _ = Systemd::stopping(&name);
    }
}

/// Returns the socket of a service manager.
fn socket() -> Option<OsString> {
    env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
}

/// Returns the time within which the manager expects signs, if it does of this process.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(process::id())) {
        return None;
    }
    number("WATCHDOG_USEC")
        .filter(|time| *time > 0)
        .map(Duration::from_micros)
}
