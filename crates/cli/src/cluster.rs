//! The engine that has a cluster do the work.

use std::sync::Arc;
use std::time::Duration;

use honeyguide::{Engine, Error, Progress};

/// An engine on the cluster at `url`, whose jobs may take so long. What has to be done again is said on standard error.
#[cfg(feature = "cluster")]
pub async fn engine(
    url: &str,
    job_time: Duration,
    quiet: bool,
    progress: Arc<dyn Progress>,
) -> Result<Engine, Error> {
    use honeyguide_cluster::{ClientSettings, Cluster};

    let notice = move |text: &str| {
        if !quiet {
            eprintln!("note: {}", honeyguide::wording::printable_lines(text));
        }
    };
    let settings = ClientSettings {
        job_time,
        notice: Box::new(notice),
    };
    let cluster = Cluster::connect(url, settings).await?;
    Engine::distributed(Arc::new(cluster), progress)
}

/// There is none.
#[cfg(not(feature = "cluster"))]
pub async fn engine(_: &str, _: Duration, _: bool, _: Arc<dyn Progress>) -> Result<Engine, Error> {
    Err(without("--cluster"))
}

/// Why this program does not know clusters, and how to get one that does.
#[cfg(not(feature = "cluster"))]
pub fn without(what: &str) -> Error {
    Error::usage(format!("{what}: this honeyguide was built without clusters"))
        .hint("build one with them, in its source folder: cargo install --locked --path crates/cli --features cluster")
}
