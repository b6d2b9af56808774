//! The calls that clients and executors make to the scheduler. They also show which clients are gone: a client that waits for
//! a job asks for its status several times a second, so a job that nobody asks for has lost its client.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::serde::protobuf::execute_query_result::Result::Success;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::{
    CancelJobParams, CancelJobResult, CleanJobDataParams, CleanJobDataResult,
    CreateUpdateSessionParams, CreateUpdateSessionResult, ExecuteQueryParams, ExecuteQueryResult,
    ExecutorStoppedParams, ExecutorStoppedResult, GetJobMetricsParams, GetJobMetricsResult,
    GetJobStatusParams, GetJobStatusResult, HeartBeatParams, HeartBeatResult, PollWorkParams,
    PollWorkResult, RegisterExecutorParams, RegisterExecutorResult, RemoveSessionParams,
    RemoveSessionResult, UpdateTaskStatusParams, UpdateTaskStatusResult,
};
use futures::Stream;
use tonic::{Request, Response, Status};

use super::Server;

/// The time after which a client that has not asked is considered gone. It is long enough for a client on a very busy
/// machine.
const SILENCE: Duration = Duration::from_secs(20);

/// The time of the last status request for each job.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<HashMap<JobId, Instant>>);

impl Asked {
    fn note(&self, job: JobId, now: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(job, now);
    }

    /// Returns the jobs of `running` for which nobody has asked in longer than [`SILENCE`]. A job that keeps running is
    /// returned again after the same time. Jobs that do not run are forgotten after this time.
    pub(super) fn abandoned(&self, running: &HashSet<JobId>, now: Instant) -> Vec<JobId> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A job whose client disappeared while the job was planned has no entry yet.
        for job in running {
            asked.entry(job.clone()).or_insert(now);
        }
        let is_silent = |last: &Instant| now.saturating_duration_since(*last) > SILENCE;
        let silent = asked.iter().filter(|(_, last)| is_silent(last));
        let silent = silent.map(|(job, _)| job.clone());
        let abandoned = silent.filter(|job| running.contains(job)).collect();
        asked.retain(|_, last| !is_silent(last));
        abandoned
    }
}

/// A service that forwards calls to Ballista's scheduler and records when clients ask for jobs.
pub(super) struct Calls {
    pub(super) server: Server,
    pub(super) asked: Arc<Asked>,
}

type Answer<T> = Result<Response<T>, Status>;

/// Refuses a call that honeyguide's clients and executors do not make.
fn unused<T>() -> Answer<T> {
    Err(Status::unimplemented(
        "honeyguide's clients and executors do not ask for this",
    ))
}

#[async_trait]
impl SchedulerGrpc for Calls {
    type ExecuteQueryPushStream =
        Pin<Box<dyn Stream<Item = Result<GetJobStatusResult, Status>> + Send>>;

    async fn execute_query(
        &self,
        request: Request<ExecuteQueryParams>,
    ) -> Answer<ExecuteQueryResult> {
        let answer = self.server.execute_query(request).await?;
        if let Some(Success(job)) = &answer.get_ref().result {
            self.asked.note(JobId::new(&*job.job_id), Instant::now());
        }
        Ok(answer)
    }

    async fn get_job_status(
        &self,
        request: Request<GetJobStatusParams>,
    ) -> Answer<GetJobStatusResult> {
        let job = JobId::new(&*request.get_ref().job_id);
        let answer = self.server.get_job_status(request).await?;
        if answer.get_ref().status.is_some() {
            self.asked.note(job, Instant::now());
        }
        Ok(answer)
    }

    async fn cancel_job(&self, request: Request<CancelJobParams>) -> Answer<CancelJobResult> {
        SchedulerGrpc::cancel_job(&self.server, request).await
    }

    async fn poll_work(&self, request: Request<PollWorkParams>) -> Answer<PollWorkResult> {
        self.server.poll_work(request).await
    }

    async fn heart_beat_from_executor(
        &self,
        request: Request<HeartBeatParams>,
    ) -> Answer<HeartBeatResult> {
        self.server.heart_beat_from_executor(request).await
    }

    async fn executor_stopped(
        &self,
        request: Request<ExecutorStoppedParams>,
    ) -> Answer<ExecutorStoppedResult> {
        self.server.executor_stopped(request).await
    }

    async fn execute_query_push(
        &self,
        _: Request<ExecuteQueryParams>,
    ) -> Answer<Self::ExecuteQueryPushStream> {
        unused()
    }

    async fn register_executor(
        &self,
        _: Request<RegisterExecutorParams>,
    ) -> Answer<RegisterExecutorResult> {
        unused()
    }

    async fn update_task_status(
        &self,
        _: Request<UpdateTaskStatusParams>,
    ) -> Answer<UpdateTaskStatusResult> {
        unused()
    }

    async fn create_update_session(
        &self,
        _: Request<CreateUpdateSessionParams>,
    ) -> Answer<CreateUpdateSessionResult> {
        unused()
    }

    async fn remove_session(&self, _: Request<RemoveSessionParams>) -> Answer<RemoveSessionResult> {
        unused()
    }

    async fn get_job_metrics(
        &self,
        _: Request<GetJobMetricsParams>,
    ) -> Answer<GetJobMetricsResult> {
        unused()
    }

    async fn clean_job_data(&self, _: Request<CleanJobDataParams>) -> Answer<CleanJobDataResult> {
        unused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_nobody_asks_for_is_told_of() {
        let asked = Asked::default();
        let begin = Instant::now();
        let [first, second, ended, planned] =
            ["first", "second", "ended", "planned"].map(JobId::new);
        for job in [&first, &second, &ended] {
            asked.note(job.clone(), begin);
        }
        let running = HashSet::from([first.clone(), second.clone(), planned.clone()]);
        assert!(asked.abandoned(&running, begin + SILENCE).is_empty());
        asked.note(second.clone(), begin + SILENCE);
        let later = begin + SILENCE + Duration::from_millis(1);
        assert_eq!(asked.abandoned(&running, later), [first]);
        assert!(asked.abandoned(&running, later).is_empty());
        let told = asked.abandoned(&running, later + SILENCE);
        assert_eq!(HashSet::from_iter(told), HashSet::from([second, planned]));
    }
}
