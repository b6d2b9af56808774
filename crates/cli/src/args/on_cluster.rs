use std::path::PathBuf;

use clap::Args;

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
}

impl OnCluster {
    /// Returns the scheduler's URL; `None` when the command runs on this machine.
    pub fn url(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
}
