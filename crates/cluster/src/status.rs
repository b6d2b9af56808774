//! What a scheduler tells of its cluster to whoever asks.

use serde::{Deserialize, Serialize};

/// Where the scheduler answers with a [`ClusterStatus`] as JSON, on the port that serves everything else.
pub const STATUS_PATH: &str = "/honeyguide/cluster";

/// The cluster at this moment. A client compares `incarnation` and `removals` before and after a job: only where both
/// are equal did every executor that worked for the job live through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// honeyguide's version on the scheduler.
    pub version: String,
    /// Drawn at random when the scheduler started.
    pub incarnation: String,
    /// Executors that have joined and were not removed.
    pub executors: usize,
    /// Tasks that they can run at once.
    pub slots: u64,
    /// Executors that left or were lost since the scheduler started. It has grown before any consequence of a removal
    /// can be seen.
    pub removals: u64,
    /// Jobs that have begun and have not ended.
    pub running_jobs: usize,
}
