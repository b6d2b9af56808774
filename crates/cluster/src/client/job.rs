//! One job: submitted, watched, and run again where an executor was lost while it ran.
//!
//! Ballista 55 may go on within a job after an executor is lost, and then count rows twice. So the scheduler cancels every
//! job when that happens, and the client does not take its word alone: it holds the count of lost executors before the job
//! against the count after the last row. Only an answer that was computed and fetched between two equal counts is used.

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

/// How often the scheduler is asked whether it is still there while a job runs.
const WATCH: Duration = Duration::from_secs(1);
/// How long a scheduler may stand still while a job runs. It may be very busy: no work is given up for that, and a late
/// word of it is as good as an early one.
const STALL_TIME: Duration = Duration::from_secs(20);
/// How long after a failure a lost executor may go unnoticed by the scheduler.
const NOTICE_TIME: Duration = Duration::from_secs(15);

/// How one run of a job ended.
enum Outcome {
    Done(Answer),
    /// An executor was lost; what came of the job is not to be trusted.
    Lost(String),
    /// It fails however often it is run.
    Failed(DataFusionError),
}

impl Cluster {
    /// Runs `plan` on the cluster, again where an executor was lost.
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

    /// Submits the job and takes all of its answer.
    async fn collect(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        task: &TaskContext,
    ) -> std::result::Result<Answer, DataFusionError> {
        let job = Job::submit(&self.address, plan, &self.codec, task).await?;
        let mut collector = Collector::new(&plan.schema())?;
        for partition in job.wait().await? {
            let mut batches = submit::fetch(partition).await?;
            while let Some(batch) = batches.try_next().await? {
                collector.push(&batch)?;
            }
        }
        collector.finish()
    }

    /// Ends when the cluster is no longer the one that the job began on.
    async fn watch(&self, before: &ClusterStatus) -> Result<Outcome> {
        loop {
            tokio::time::sleep(WATCH).await;
            let now = self.status(STALL_TIME).await?;
            if let Some(why) = changed(before, &now) {
                return Ok(Outcome::Lost(why.into()));
            }
        }
    }

    /// Whether a failure comes from a lost executor. One that has just died is not missed at once, so whatever looks like
    /// a broken connection waits until it is; where none is missed, the failure is the job's own.
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

/// Why what was computed between two looks at the cluster cannot be trusted; none where it can.
fn changed(before: &ClusterStatus, now: &ClusterStatus) -> Option<&'static str> {
    if before.incarnation != now.incarnation {
        return Some("the scheduler was started anew");
    }
    (before.removals != now.removals).then_some("it left or no longer answers")
}

/// What a job says of itself when it was cancelled or could not reach an executor.
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
