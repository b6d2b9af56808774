//! The engine for commands that run on a cluster.

#[cfg(feature = "cluster")]
use std::path::Path;
use std::sync::Arc;

use honeyguide::{Engine, Error, Progress};
#[cfg(feature = "cluster")]
use honeyguide_cluster::{Access, Token};

use crate::args::OnCluster;
#[cfg(feature = "cluster")]
use crate::args::Tls;

/// Returns an engine on the cluster at `url`. Jobs that are run again are reported on standard error.
#[cfg(feature = "cluster")]
pub async fn engine(
    url: &str,
    options: &OnCluster,
    quiet: bool,
    progress: Arc<dyn Progress>,
) -> Result<Engine, Error> {
    use std::time::Duration;

    use honeyguide_cluster::{ClientSettings, Cluster};

    let notice = move |text: &str| {
        if !quiet {
            eprintln!("note: {}", honeyguide::wording::printable(text));
        }
    };
    let settings = ClientSettings {
        job_time: Duration::from_secs(options.cluster_timeout),
        access: access(options.token_file.as_deref(), &options.tls)?,
        notice: Box::new(notice),
    };
    let cluster = Cluster::connect(url, settings).await?;
    Ok(Engine::distributed(Arc::new(cluster))?.with_progress(progress))
}

/// Reads what keeps strangers out of a cluster.
///
/// # Errors
/// A file cannot be read, or holds something else.
#[cfg(feature = "cluster")]
pub fn access(token: Option<&Path>, tls: &Tls) -> Result<Access, Error> {
    let token = token.map(Token::from_file).transpose()?;
    let tls = match (&tls.tls_cert, &tls.tls_key, &tls.tls_ca) {
        (Some(certificate), Some(key), Some(authority)) => {
            Some(honeyguide_cluster::Tls::read(certificate, key, authority)?)
        }
        _ => None,
    };
    Ok(Access { token, tls })
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
