//! Submits a job to the scheduler, waits for its end, and cancels it if its result is no longer needed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::client::BallistaClient;
use ballista_core::error::BallistaError;
use ballista_core::extension::{BallistaConfigGrpcEndpoint, SessionConfigExt};
use ballista_core::ids::new_instance_id;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::execute_query_result::Result as Submitted;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, ExecuteQueryParams, GetJobStatusParams, KeyValuePair, PartitionLocation,
};
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use ballista_core::version::insert_version_header;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use tonic::transport::Channel;

use crate::access::Credentials;
use crate::codec::PlanCodec;
use crate::services::{MAX_MESSAGE_BYTES, watchful};

/// The error for a result that lists a partition more than once.
pub(super) const TWICE: &str = "a partition of the answer came twice";
/// The error for a job that the scheduler has forgotten, which it does when nobody asks for the job for a long time.
pub(super) const FORGOTTEN: &str = "the scheduler no longer knows the job";

type Result<T> = std::result::Result<T, DataFusionError>;
type Scheduler = SchedulerGrpcClient<Channel>;

/// The time between the first two requests for a job's status. It doubles with every request, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest time between two requests for a job's status.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The number of attempts to fetch a partition. One is enough, because the whole job is run again after a failure.
const TRIES: u8 = 1;

/// A submitted job. Dropping this before [`wait`](Self::wait) has returned cancels the job.
pub(super) struct Job {
    scheduler: Scheduler,
    id: String,
    has_ended: bool,
}

impl Job {
    /// Submits `plan` to the scheduler at `address`, which is shown `credentials`.
    ///
    /// # Errors
    /// The plan cannot be encoded, or the scheduler cannot be reached or refuses the job.
    pub async fn submit(
        address: &str,
        credentials: Credentials,
        plan: &Arc<dyn ExecutionPlan>,
        codec: &PlanCodec,
        task: &TaskContext,
    ) -> Result<Self> {
        let mut message = Vec::new();
        PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), codec)?
            .try_encode(&mut message)?;
        let settings = task.session_config().options().entries().into_iter();
        let settings = settings.map(|entry| KeyValuePair {
            key: entry.key,
            value: entry.value,
        });
        let mut request = tonic::Request::new(ExecuteQueryParams {
            query: Some(Query::PhysicalPlan(message)),
            settings: settings.collect(),
            session_id: task.session_id(),
            operation_id: new_instance_id(),
        });
        insert_version_header(request.metadata_mut());
        let mut scheduler = connect(address, &credentials, task).await?;
        let answer = scheduler.execute_query(request).await.map_err(failed)?;
        match answer.into_inner().result {
            Some(Submitted::Success(job)) => Ok(Self {
                scheduler,
                id: job.job_id,
                has_ended: false,
            }),
            refused => Err(DataFusionError::Execution(format!(
                "the scheduler refuses the job: {refused:?}"
            ))),
        }
    }

    /// Waits for the end of the job. Returns the locations of the result's partitions, in the order of partitions.
    ///
    /// # Errors
    /// The job fails, the scheduler cannot be reached or no longer knows the job, or a partition is listed twice.
    pub async fn wait(mut self) -> Result<Vec<PartitionLocation>> {
        let mut pause = FIRST_PAUSE;
        let mut is_known = false;
        loop {
            let question = GetJobStatusParams {
                job_id: self.id.clone(),
            };
            let answer = self.scheduler.get_job_status(question).await;
            let status = answer.map_err(failed)?.into_inner().status;
            match status.and_then(|status| status.status) {
                Some(Status::Successful(job)) => {
                    self.has_ended = true;
                    return in_order(job.partition_location);
                }
                Some(Status::Failed(job)) => {
                    self.has_ended = true;
                    return Err(DataFusionError::Execution(job.error));
                }
                None if is_known => {
                    self.has_ended = true;
                    return Err(DataFusionError::Execution(FORGOTTEN.into()));
                }
                status => {
                    is_known |= status.is_some();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let (mut scheduler, job_id) = (self.scheduler.clone(), std::mem::take(&mut self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The outcome does not matter, because nobody reads the result.
            runtime.spawn(async move { scheduler.cancel_job(CancelJobParams { job_id }).await });
        }
    }
}

async fn connect(
    address: &str,
    credentials: &Credentials,
    task: &TaskContext,
) -> Result<Scheduler> {
    let config = GrpcClientConfig::from(&task.session_config().ballista_config());
    let endpoint = create_grpc_client_endpoint(address.to_owned(), Some(&config));
    let endpoint = credentials.on(endpoint.map_err(failed)?).map_err(failed)?;
    let channel = endpoint.connect().await.map_err(failed)?;
    Ok(SchedulerGrpcClient::new(channel)
        .max_encoding_message_size(MAX_MESSAGE_BYTES as usize)
        .max_decoding_message_size(MAX_MESSAGE_BYTES as usize))
}

/// Sorts the locations by partition, because the scheduler lists them in the order in which the partitions were
/// finished.
fn in_order(mut partitions: Vec<PartitionLocation>) -> Result<Vec<PartitionLocation>> {
    let number =
        |partition: &PartitionLocation| partition.partition_id.as_ref().map(|id| id.partition_id);
    partitions.sort_by_key(number);
    let distinct: HashSet<_> = partitions.iter().map(number).collect();
    if distinct.len() < partitions.len() {
        return Err(DataFusionError::Execution(TWICE.into()));
    }
    Ok(partitions)
}

/// Fetches a partition of the result from the executor that has it.
pub(super) async fn fetch(
    partition: PartitionLocation,
    credentials: Credentials,
) -> Result<SendableRecordBatchStream> {
    let layout = partition.layout();
    let (Some(id), Some(executor)) = (partition.partition_id, partition.executor_meta) else {
        return Err(DataFusionError::Execution(
            "the scheduler does not say which executor has the answer".into(),
        ));
    };
    let port = u16::try_from(executor.port).unwrap_or(0);
    let limit = MAX_MESSAGE_BYTES as usize;
    let watched = Arc::new(BallistaConfigGrpcEndpoint::new(watchful(credentials)));
    let host = &executor.host;
    let mut client =
        BallistaClient::try_new(host, port, limit, false, Some(watched), TRIES, 0, 0, 0)
            .await
            .map_err(BallistaError::into_datafusion)?;
    let id = id.into();
    client
        .fetch_partition(&executor.id, &id, partition.file_id, layout, true)
        .await
        .map_err(BallistaError::into_datafusion)
}

fn failed(error: impl std::error::Error) -> DataFusionError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    DataFusionError::Execution(format!("transport to the scheduler: {text}"))
}
