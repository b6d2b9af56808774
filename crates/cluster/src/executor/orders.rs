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

/// A service that applies the scheduler's calls to the current session.
pub(super) struct Orders(pub(super) Arc<Shared>);

type Answer<T> = Result<Response<T>, Status>;

/// Refuses a call that is only for executors to which the scheduler sends tasks.
fn pulls<T>() -> Answer<T> {
    Err(Status::unimplemented(
        "this executor fetches its tasks, and what it is to remove, itself",
    ))
}

#[async_trait]
impl ExecutorGrpc for Orders {
    async fn cancel_tasks(&self, request: Request<CancelTasksParams>) -> Answer<CancelTasksResult> {
        let mut cancelled = true;
        if let Some(session) = self.0.session() {
            for task in request.into_inner().task_infos {
                cancelled &= session.cancel(task).await;
            }
        }
        Ok(Response::new(CancelTasksResult { cancelled }))
    }

    async fn stop_executor(
        &self,
        request: Request<StopExecutorParams>,
    ) -> Answer<StopExecutorResult> {
        let id = request.into_inner().executor_id;
        match self.0.session() {
            Some(session) if session.give_up(&id) => Ok(Response::new(StopExecutorResult {})),
            _ => Err(Status::not_found(format!("no executor {id} here"))),
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
