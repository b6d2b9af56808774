//! Runs a job: submits it, watches it, and runs it again if an executor was lost.
//!
//! After the loss of an executor, Ballista 55 may continue a job and count rows twice. Therefore the scheduler cancels every
//! job in this case. The client does not rely on that alone: it compares the number of removed executors before the job with
//! the number after the last row has arrived. It uses a result only if both are equal.

use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use honeyguide::{Error, Result};

use super::answer::{Answer, Collector};
use super::submit::{self, FORGOTTEN, Job, TWICE};
use super::{Cluster, Inner, MAX_ATTEMPTS};
use crate::status::ClusterStatus;

/// The time between requests for the cluster's status while a job runs.
const WATCH: Duration = Duration::from_secs(1);
/// The longest time for the scheduler to report its status while a job runs. It is generous, because a very busy
/// scheduler is no reason to give up a job, and a late status is as good as an early one.
const STALL_TIME: Duration = Duration::from_secs(20);
/// The longest time after a failure for the scheduler to notice a lost executor.
const NOTICE_TIME: Duration = Duration::from_secs(15);

/// The outcome of one run of a job.
enum Outcome {
    Done(Answer),
    /// An executor was lost, for this reason, so the result may be wrong.
    Lost(String),
    /// The job fails with this error in every run.
    Failed(DataFusionError),
}

impl Cluster {
    /// Runs `plan` on the cluster, and runs it again if an executor was lost.
    ///
    /// # Errors
    /// The job fails by itself or takes too long, the scheduler cannot be reached, or executors were lost in each of
    /// [`MAX_ATTEMPTS`] runs.
    pub(super) async fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
    ) -> std::result::Result<Answer, DataFusionError> {
        let inner = &self.0;
        let mut lost = String::new();
        for attempt in 1..=MAX_ATTEMPTS {
            let before = inner.status_with_executors().await?;
            match inner.attempt(&plan, &task, &before).await? {
                Outcome::Done(answer) => return Ok(answer),
                Outcome::Failed(error) => return Err(error),
                Outcome::Lost(why) => lost = why,
            }
            if attempt < MAX_ATTEMPTS {
                (inner.settings.notice)(&format!(
                    "the cluster lost an executor ({lost}): the job is run again"
                ));
            }
        }
        Err(Error::refused(format!(
            "{}: executors were lost in each of {MAX_ATTEMPTS} runs of the job; the last time: {lost}",
            inner.url
        ))
        .hint("look into the executors' logs, then run the command again; nothing was written")
        .into())
    }
}

impl Inner {
    /// Runs the job once. `before` is the cluster's status before the run.
    async fn attempt(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        task: &TaskContext,
        before: &ClusterStatus,
    ) -> Result<Outcome> {
        let job = self.collect(plan, task);
        let limit = tokio::time::sleep(self.settings.job_time);
        let ended = tokio::select! {
            ended = job => ended,
            gone = self.watch(before) => return gone,
            () = limit => return Err(self.too_slow()),
        };
        match ended {
            Ok(answer) => {
                let after = self.status(STALL_TIME).await?;
                Ok(match changed(before, &after) {
                    None => Outcome::Done(answer),
                    Some(why) => Outcome::Lost(why.into()),
                })
            }
            Err(error) => self.judge(before, error).await,
        }
    }

    /// Submits the job and fetches its whole result.
    async fn collect(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        task: &TaskContext,
    ) -> std::result::Result<Answer, DataFusionError> {
        let job = Job::submit(&self.address, self.credentials(), plan, &self.codec, task).await?;
        let mut collector = Collector::new(&plan.schema())?;
        for partition in job.wait().await? {
            let mut batches = submit::fetch(partition, self.credentials()).await?;
            while let Some(batch) = batches.try_next().await? {
                collector.push(&batch)?;
            }
        }
        collector.finish()
    }

    /// Returns when the scheduler was restarted or an executor was removed since `before`.
    async fn watch(&self, before: &ClusterStatus) -> Result<Outcome> {
        loop {
            tokio::time::sleep(WATCH).await;
            let now = self.status(STALL_TIME).await?;
            if let Some(why) = changed(before, &now) {
                return Ok(Outcome::Lost(why.into()));
            }
        }
    }

    /// Decides whether a failure comes from a lost executor. The scheduler does not notice a loss at once. So if the
    /// error looks like a broken connection, this waits up to [`NOTICE_TIME`] for a removal. Without one, the job
    /// itself failed.
    async fn judge(&self, before: &ClusterStatus, error: DataFusionError) -> Result<Outcome> {
        let text = error.to_string();
        if let Some(own) = Error::carried_in(&text) {
            return Ok(Outcome::Failed(own.into()));
        }
        if let Some(why) = [TWICE, FORGOTTEN].iter().find(|why| text.contains(**why)) {
            return Ok(Outcome::Lost((*why).into()));
        }
        let begin = tokio::time::Instant::now();
        loop {
            let now = self.status(STALL_TIME).await?;
            if let Some(why) = changed(before, &now) {
                return Ok(Outcome::Lost(why.into()));
            }
            if !looks_like_a_loss(&text) || begin.elapsed() > NOTICE_TIME {
                return Ok(Outcome::Failed(error));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn too_slow(&self) -> Error {
        let seconds = self.settings.job_time.as_secs();
        Error::refused(format!(
            "{}: the job was not done within {seconds} s",
            self.url
        ))
        .hint("give it more time with --cluster-timeout SECONDS, or the cluster more executors")
    }
}

/// Returns why a result computed between two statuses of the cluster may be wrong, or `None` if
/// no executor was lost between them.
fn changed(before: &ClusterStatus, now: &ClusterStatus) -> Option<&'static str> {
    if before.incarnation != now.incarnation {
        return Some("the scheduler was started anew");
    }
    (before.removals != now.removals).then_some("it left or no longer answers")
}

/// Returns whether the text of an error may come from a cancelled job or from an executor that could not be reached.
fn looks_like_a_loss(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words = [
        "cancelled",
        "fetch",
        "connection",
        "transport",
        "broken pipe",
        "grpc",
        "executor",
    ];
    words.iter().any(|word| text.contains(word))
}
