//! Clients that go: whoever asked for a job and hangs up will never fetch its answer, so nobody need compute it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::JobStatus;
use ballista_core::{JobId, JobStatusSubscriber};
use ballista_scheduler::cluster::{JobState, JobStateEventStream};
use ballista_scheduler::state::execution_graph::ExecutionGraphBox;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::sync::mpsc::{UnboundedSender, WeakSender};
use tokio::time::sleep;

/// How often it is looked whether a client is still there.
const LOOK: Duration = Duration::from_millis(500);

/// The state of jobs, which tells of jobs whose clients are gone.
pub(super) struct WatchedJobs {
    inner: Arc<dyn JobState>,
    abandoned: UnboundedSender<JobId>,
}

impl WatchedJobs {
    /// Tells `abandoned` of jobs in `inner`.
    pub(super) fn new(inner: Arc<dyn JobState>, abandoned: UnboundedSender<JobId>) -> Self {
        Self { inner, abandoned }
    }
}

/// Waits until the job is over or its client is gone; whether the latter.
async fn is_abandoned(client: WeakSender<JobStatus>) -> bool {
    loop {
        sleep(LOOK).await;
        // Who holds the way to the client lets go of it when the job is over. Holding it here would keep the client waiting.
        match client.upgrade() {
            None => return false,
            Some(client) if client.is_closed() => return true,
            Some(_) => {}
        }
    }
}

#[async_trait]
impl JobState for WatchedJobs {
    async fn submit_job(
        &self,
        job: JobId,
        graph: &ExecutionGraphBox,
        client: Option<JobStatusSubscriber>,
    ) -> Result<()> {
        if let Some(client) = client.as_ref().map(JobStatusSubscriber::downgrade) {
            let (job, abandoned) = (job.clone(), self.abandoned.clone());
            tokio::spawn(async move {
                if is_abandoned(client).await {
                    // Nobody listens while the scheduler ends.
                    let _ = abandoned.send(job);
                }
            });
        }
        self.inner.submit_job(job, graph, client).await
    }

    fn accept_job(&self, job: &JobId, name: &str, queued_at: u64) -> Result<()> {
        self.inner.accept_job(job, name, queued_at)
    }

    fn pending_job_number(&self) -> usize {
        self.inner.pending_job_number()
    }

    async fn get_jobs(&self) -> Result<HashSet<JobId>> {
        self.inner.get_jobs().await
    }

    async fn get_all_jobs(&self) -> Result<HashSet<JobId>> {
        self.inner.get_all_jobs().await
    }

    async fn get_job_status(&self, job: &JobId) -> Result<Option<JobStatus>> {
        self.inner.get_job_status(job).await
    }

    async fn get_execution_graph(&self, job: &JobId) -> Result<Option<ExecutionGraphBox>> {
        self.inner.get_execution_graph(job).await
    }

    async fn save_job(&self, job: &JobId, graph: &ExecutionGraphBox) -> Result<()> {
        self.inner.save_job(job, graph).await
    }

    async fn fail_unscheduled_job(&self, job: &JobId, reason: String) -> Result<()> {
        self.inner.fail_unscheduled_job(job, reason).await
    }

    async fn remove_job(&self, job: &JobId) -> Result<()> {
        self.inner.remove_job(job).await
    }

    async fn try_acquire_job(&self, job: &JobId) -> Result<Option<ExecutionGraphBox>> {
        self.inner.try_acquire_job(job).await
    }

    async fn job_state_events(&self) -> Result<JobStateEventStream> {
        self.inner.job_state_events().await
    }

    async fn create_or_update_session(
        &self,
        session: &str,
        config: &SessionConfig,
    ) -> Result<Arc<SessionContext>> {
        self.inner.create_or_update_session(session, config).await
    }

    async fn remove_session(&self, session: &str) -> Result<()> {
        self.inner.remove_session(session).await
    }

    fn produce_config(&self) -> SessionConfig {
        self.inner.produce_config()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn a_client_that_hangs_up_abandons_its_job_and_one_that_is_answered_does_not() {
        let (client, waiting) = mpsc::channel(1);
        let watch = tokio::spawn(is_abandoned(client.downgrade()));
        sleep(2 * LOOK).await;
        assert!(!watch.is_finished());
        drop(waiting);
        assert!(watch.await.unwrap());

        let (client, _waiting) = mpsc::channel(1);
        let watch = tokio::spawn(is_abandoned(client.downgrade()));
        sleep(2 * LOOK).await;
        drop(client);
        assert!(!watch.await.unwrap());
    }
}
