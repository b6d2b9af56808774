//! The calls that clients and executors make to the scheduler. They also show which clients are gone: a client that waits for
//! a job asks for its status several times a second, so a job that nobody asks for has lost its client.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use ballista_core::JobId;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::execute_query_result::Result::Success;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::task_status::Status as Ended;
use ballista_core::serde::protobuf::{
    CancelJobParams, CancelJobResult, CleanJobDataParams, CleanJobDataResult,
    CreateUpdateSessionParams, CreateUpdateSessionResult, ExecuteQueryParams, ExecuteQueryResult,
    ExecutorStoppedParams, ExecutorStoppedResult, GetJobMetricsParams, GetJobMetricsResult,
    GetJobStatusParams, GetJobStatusResult, HeartBeatParams, HeartBeatResult, PollWorkParams,
    PollWorkResult, RegisterExecutorParams, RegisterExecutorResult, RemoveSessionParams,
    RemoveSessionResult, UpdateTaskStatusParams, UpdateTaskStatusResult,
};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::Stream;
use tonic::{Request, Response, Status};

use super::Server;
use super::members::Members;
use crate::access::presented_secret;
use crate::job_id::is_job_id;
use crate::metrics::{Refusal, Refusals};
use crate::plans;

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
    pub(super) members: Arc<Members>,
    pub(super) refusals: Arc<Refusals>,
}

impl Calls {
    /// Checks that a client sends a plan as our client does.
    fn check_plan(&self, request: &ExecuteQueryParams) -> Result<(), Status> {
        let checked = match &request.query {
            Some(Query::PhysicalPlan(plan)) => PhysicalPlanNode::try_decode(plan)
                .map_err(|_| "bytes that are no plan".to_owned())
                .and_then(|plan| plans::check(&plan)),
            _ => Err("something else than a physical plan".to_owned()),
        };
        checked.map_err(|why| {
            self.refusals
                .note(Refusal::Plan, &format!("a plan with {why}"));
            Status::invalid_argument(format!("the scheduler takes no plan with {why}"))
        })
    }

    fn check_job_id(&self, job: &str) -> Result<(), Status> {
        if is_job_id(job) {
            return Ok(());
        }
        self.refusals
            .note(Refusal::JobId, &format!("`{job}`, which is no job id"));
        Err(Status::invalid_argument("this is no job id"))
    }

    /// Returns the outcome of a check whether an executor speaks in its own name.
    fn check_identity(&self, id: &str, is_own: bool) -> Result<(), Status> {
        if is_own {
            return Ok(());
        }
        let why = format!("a message in the name of the executor `{id}`, without its secret");
        self.refusals.note(Refusal::Identity, &why);
        Err(Status::permission_denied(
            "the scheduler does not know this executor",
        ))
    }

    /// Checks a request for tasks, with which an executor also joins and reports.
    fn check_poll(&self, request: &Request<PollWorkParams>) -> Result<(), Status> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let PollWorkParams {
            metadata,
            task_status,
            ..
        } = request.get_ref();
        let complete = metadata
            .as_ref()
            .filter(|executor| executor.specification.is_some() && executor.os_info.is_some());
        let Some(executor) = complete else {
            return self.check_identity("", false);
        };
        let host = executor
            .host
            .clone()
            .or_else(|| Some(peer?.ip().to_string()));
        let address = format!("{}:{}", host.unwrap_or_default(), executor.grpc_port);
        let shown = presented_secret(request.metadata().as_ref());
        self.check_identity(
            &executor.id,
            self.members.admit(&executor.id, shown, &address),
        )?;
        for task in task_status {
            self.check_job_id(&task.job_id)?;
            let of = match &task.status {
                Some(Ended::Running(task)) => &task.executor_id,
                Some(Ended::Successful(task)) => &task.executor_id,
                _ => &executor.id,
            };
            self.check_identity(of, *of == executor.id)?;
        }
        Ok(())
    }
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
        self.check_plan(request.get_ref())?;
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
        self.check_job_id(&request.get_ref().job_id)?;
        let job = JobId::new(&*request.get_ref().job_id);
        let answer = self.server.get_job_status(request).await?;
        if answer.get_ref().status.is_some() {
            self.asked.note(job, Instant::now());
        }
        Ok(answer)
    }

    async fn cancel_job(&self, request: Request<CancelJobParams>) -> Answer<CancelJobResult> {
        self.check_job_id(&request.get_ref().job_id)?;
        SchedulerGrpc::cancel_job(&self.server, request).await
    }

    async fn poll_work(&self, request: Request<PollWorkParams>) -> Answer<PollWorkResult> {
        self.check_poll(&request)?;
        self.server.poll_work(request).await
    }

    async fn heart_beat_from_executor(
        &self,
        request: Request<HeartBeatParams>,
    ) -> Answer<HeartBeatResult> {
        let HeartBeatParams {
            executor_id: id,
            metadata,
            ..
        } = request.get_ref();
        let shown = presented_secret(request.metadata().as_ref());
        let is_same = metadata.as_ref().is_some_and(|executor| executor.id == *id);
        self.check_identity(id, is_same && self.members.knows(id, shown))?;
        self.server.heart_beat_from_executor(request).await
    }

    async fn executor_stopped(
        &self,
        request: Request<ExecutorStoppedParams>,
    ) -> Answer<ExecutorStoppedResult> {
        let id = &request.get_ref().executor_id;
        let shown = presented_secret(request.metadata().as_ref());
        self.check_identity(id, self.members.knows(id, shown))?;
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
