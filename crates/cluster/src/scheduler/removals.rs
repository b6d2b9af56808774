//! Counts removed executors. A removal is counted before it has any effect.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;
use tokio::sync::Notify;

use super::members::Members;

/// The number of removed executors, with a notification of each removal.
#[derive(Debug, Default)]
pub(super) struct Removals {
    count: AtomicU64,
    /// A signal that is sent after each removal is counted.
    bell: Notify,
}

impl Removals {
    /// Returns the number of removals so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits for the next removal. Removals since the last call count as one, for which this returns at once.
    pub(super) async fn next(&self) {
        self.bell.notified().await;
    }

    fn add(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.bell.notify_one();
    }
}

/// The state of a cluster, which counts removals. Ballista repeats a stage only after `remove_executor`. So if the
/// count is the same before and after a job, no stage of the job was repeated.
pub(super) struct CountedRemovals {
    inner: Arc<dyn ClusterState>,
    removals: Arc<Removals>,
    members: Arc<Members>,
}

impl CountedRemovals {
    /// Wraps `inner`, adds its removals to `removals`, and has `members` forget who was removed.
    pub(super) fn new(
        inner: Arc<dyn ClusterState>,
        removals: Arc<Removals>,
        members: Arc<Members>,
    ) -> Self {
        Self {
            inner,
            removals,
            members,
        }
    }
}

#[async_trait]
impl ClusterState for CountedRemovals {
    async fn init(&self) -> Result<()> {
        self.inner.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        self.inner
            .bind_schedulable_tasks(distribution, active_jobs, executors)
            .await
    }

    async fn unbind_tasks(&self, slots: Vec<ExecutorSlot>) -> Result<()> {
        self.inner.unbind_tasks(slots).await
    }

    async fn register_executor(
        &self,
        metadata: ExecutorMetadata,
        data: ExecutorData,
    ) -> Result<()> {
        self.inner.register_executor(metadata, data).await
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.inner.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor: &str) -> Result<ExecutorMetadata> {
        self.inner.get_executor_metadata(executor).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.inner.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.inner.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor: &str) -> Result<()> {
        self.removals.add();
        self.members.forget(executor);
        self.inner.remove_executor(executor).await
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        self.inner.executor_heartbeats()
    }

    fn get_executor_heartbeat(&self, executor: &str) -> Option<ExecutorHeartbeat> {
        self.inner.get_executor_heartbeat(executor)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.inner.cluster_state_events().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ballista_scheduler::cluster::memory::InMemoryClusterState;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_removal_is_counted_and_told_of_once() {
        let removals = Arc::new(Removals::default());
        let inner = Arc::new(InMemoryClusterState::default());
        let cluster = CountedRemovals::new(inner, Arc::clone(&removals), Arc::default());
        assert!(removals.next().now_or_never().is_none());
        cluster.remove_executor("one").await.unwrap();
        cluster.remove_executor("two").await.unwrap();
        assert_eq!(removals.count(), 2);
        assert!(removals.next().now_or_never().is_some());
        assert!(removals.next().now_or_never().is_none());
    }
}
