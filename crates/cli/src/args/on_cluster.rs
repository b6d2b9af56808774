use std::time::Duration;

use clap::Args;

/// Who does the work: this machine, or a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct OnCluster {
    /// Have a cluster read, group and score: the address of its scheduler, as in df://10.0.0.1:50050
    #[arg(long, value_name = "URL")]
    pub cluster: Option<String>,
    /// The longest that one job of the cluster may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    pub cluster_timeout: u64,
}

impl OnCluster {
    /// The cluster's address and the longest that a job may take; none where this machine works.
    pub fn url(&self) -> Option<(&str, Duration)> {
        let limit = Duration::from_secs(self.cluster_timeout);
        self.cluster.as_deref().map(|url| (url, limit))
    }
}
