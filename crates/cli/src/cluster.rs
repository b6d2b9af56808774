//! The engine for commands that run on a cluster.

use std::sync::Arc;

use honeyguide::{Engine, Error, Progress};

use crate::args::OnCluster;

/// Returns an engine on the cluster at `url`. Jobs that are run again are reported on standard error.
#[cfg(feature = "cluster")]
pub async fn engine(
    url: &str,
    options: &OnCluster,
    quiet: bool,
    progress: Arc<dyn Progress>,
) -> Result<Engine, Error> {
    use std::time::Duration;

    use honeyguide_cluster::{ClientSettings, Cluster, Token};

    let notice = move |text: &str| {
        if !quiet {
            eprintln!("note: {}", honeyguide::wording::printable(text));
        }
    };
    let token = options
        .token_file
        .as_deref()
        .map(Token::from_file)
        .transpose()?;
    let settings = ClientSettings {
        job_time: Duration::from_secs(options.cluster_timeout),
        token,
        notice: Box::new(notice),
    };
    let cluster = Cluster::connect(url, settings).await?;
    Ok(Engine::distributed(Arc::new(cluster))?.with_progress(progress))
}

/// Fails, because this program was built without the feature `cluster`.
#[cfg(not(feature = "cluster"))]
pub async fn engine(
    _: &str,
    _: &OnCluster,
    _: bool,
    _: Arc<dyn Progress>,
) -> Result<Engine, Error> {
    Err(without("--cluster"))
}

/// Returns the error for `what`, which needs the feature `cluster`.
#[cfg(not(feature = "cluster"))]
pub fn without(what: &str) -> Error {
    Error::usage(format!("{what}: this honeyguide was built without clusters"))
        .hint("build one with them, in its source folder: cargo install --locked --path crates/cli --features cluster")
}
