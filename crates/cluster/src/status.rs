//! The status of a cluster, which the scheduler serves.

use serde::{Deserialize, Serialize};

/// The path at which the scheduler serves a [`ClusterStatus`] as JSON, on its only port.
pub const STATUS_PATH: &str = "/honeyguide/cluster";

/// The current state of a cluster. A client compares `incarnation` and `removals` before and after a job. If both are
/// equal, no executor was lost while the job ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The version of honeyguide on the scheduler.
    pub version: String,
    /// A random identifier that the scheduler draws at its start.
    pub incarnation: String,
    /// The number of executors that have joined and were not removed.
    pub executors: usize,
    /// The number of tasks that these executors can run at once.
    pub slots: u64,
    /// The number of executors that left or were lost since the scheduler started. It increases before a removal has
    /// any effect.
    pub removals: u64,
    /// The number of jobs that have begun and have not ended.
    pub running_jobs: usize,
}
