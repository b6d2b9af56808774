use std::time::Duration;

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
}

impl OnCluster {
    /// Returns the scheduler's URL and the time limit of a job; `None` when the command runs on this machine.
    pub fn url(&self) -> Option<(&str, Duration)> {
        let limit = Duration::from_secs(self.cluster_timeout);
        self.cluster.as_deref().map(|url| (url, limit))
    }
}
