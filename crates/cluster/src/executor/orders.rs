//! The calls that a scheduler makes to an executor. Tasks are not sent this way, because the executor fetches them.

use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::serde::protobuf::executor_grpc_server::ExecutorGrpc;
use ballista_core::serde::protobuf::{
    CancelTasksParams, CancelTasksResult, LaunchMultiTaskParams, LaunchMultiTaskResult,
    LaunchTaskParams, LaunchTaskResult, RemoveJobDataParams, RemoveJobDataResult,
    StopExecutorParams, StopExecutorResult,
};
use tonic::{Request, Response, Status};

use super::Shared;
use super::session::Session;
use crate::access::presented_secret;
use crate::job_id::is_job_id;
use crate::metrics::Refusal;

/// A service that applies the scheduler's calls to the current session.
pub(super) struct Orders(pub(super) Arc<Shared>);

type Answer<T> = Result<Response<T>, Status>;

/// Refuses a call that is only for executors to which the scheduler sends tasks.
fn pulls<T>() -> Answer<T> {
    Err(Status::unimplemented(
        "this executor fetches its tasks, and what it is to remove, itself",
    ))
}

impl Orders {
    /// Returns the current session if the call shows its secret, which only the scheduler knows.
    fn known<T>(&self, request: &Request<T>) -> Result<Arc<Session>, Status> {
        let shown = presented_secret(request.metadata().as_ref());
        let session = self.0.session();
        let session = session.filter(|session| shown.is_some_and(|shown| session.is_secret(shown)));
        session.ok_or_else(|| {
            let why = "an order in the name of the scheduler, without the secret of this executor";
            self.0
                .membership
                .metrics
                .refusals
                .note(Refusal::Identity, why);
            Status::permission_denied("this executor does not know this scheduler")
        })
    }
}

#[async_trait]
impl ExecutorGrpc for Orders {
    async fn cancel_tasks(&self, request: Request<CancelTasksParams>) -> Answer<CancelTasksResult> {
        let session = self.known(&request)?;
        let mut cancelled = true;
        for task in request.into_inner().task_infos {
            cancelled &= is_job_id(&task.job_id) && session.cancel(task).await;
        }
        Ok(Response::new(CancelTasksResult { cancelled }))
    }

    async fn stop_executor(
        &self,
        request: Request<StopExecutorParams>,
    ) -> Answer<StopExecutorResult> {
        let session = self.known(&request)?;
        let id = request.into_inner().executor_id;
        match session.give_up(&id) {
            true => Ok(Response::new(StopExecutorResult {})),
            false => Err(Status::not_found(format!("no executor {id} here"))),
        }
    }

    async fn launch_task(&self, _: Request<LaunchTaskParams>) -> Answer<LaunchTaskResult> {
        pulls()
    }

    async fn launch_multi_task(
        &self,
        _: Request<LaunchMultiTaskParams>,
    ) -> Answer<LaunchMultiTaskResult> {
        pulls()
    }

    async fn remove_job_data(
        &self,
        _: Request<RemoveJobDataParams>,
    ) -> Answer<RemoveJobDataResult> {
        pulls()
    }
}
