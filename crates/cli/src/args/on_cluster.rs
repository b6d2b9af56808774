use std::path::PathBuf;

use clap::Args;
use honeyguide::Error;

/// The options of a command that can run on a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct OnCluster {
    /// Run the work on the cluster with this scheduler, such as df://10.0.0.1:50050
    #[arg(long, value_name = "URL")]
    pub cluster: Option<String>,
    /// Time limit for one job of the cluster
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    pub cluster_timeout: u64,
    /// File with the token of the cluster
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    pub tls: Tls,
}

/// The certificates of a client or a node of a cluster.
#[derive(Debug, Args)]
#[group(requires_all = ["tls_cert", "tls_key", "tls_ca"], multiple = true)]
pub struct Tls {
    /// File with the certificate to show in every connection of the cluster, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// File with the certificates of the authority that has signed those of the cluster, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
}

impl OnCluster {
    /// Returns the scheduler's URL; `None` when the command runs on this machine.
    ///
    /// # Errors
    /// There are certificates for a cluster, but no cluster.
    pub fn url(&self) -> Result<Option<&str>, Error> {
        match (&self.cluster, &self.tls.tls_cert) {
            (None, Some(_)) => Err(Error::usage(
                "--tls-cert: the command does not run on a cluster",
            )
            .hint("name the scheduler with --cluster, or leave the certificates out")),
            (url, _) => Ok(url.as_deref()),
        }
    }
}
