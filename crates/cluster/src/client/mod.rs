//! The client. It plans queries, has the cluster run the parts that can be sent, and checks that no executor was lost
//! before it uses a result.

mod answer;
mod job;
mod remote;
mod submit;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::SessionConfigExt;
use datafusion::error::DataFusionError;
use datafusion::physical_expr_common::sort_expr::LexOrdering;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary,
};
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use honeyguide::{Distribute, Error, Result};
use reqwest::StatusCode;

use crate::access::{Access, Credentials, tls};
use crate::address::SchedulerAddress;
use crate::codec::PlanCodec;
use crate::plans;
use crate::status::{ClusterStatus, STATUS_PATH};
use remote::RemoteExec;

/// The number of runs of a job after which the client gives up.
const MAX_ATTEMPTS: usize = 4;
/// The longest time for the scheduler to report the cluster's status before a job.
const STATUS_TIME: Duration = Duration::from_secs(5);
/// How long a job waits for the first executor to join.
const EXECUTOR_WAIT: Duration = Duration::from_secs(30);

/// The settings of a client.
pub struct ClientSettings {
    /// The longest time for one run of a job.
    pub job_time: Duration,
    /// What the cluster asks of its clients.
    pub access: Access,
    /// A function that is called with a sentence for the user when a job is run again.
    pub notice: Box<dyn Fn(&str) + Send + Sync>,
}

/// A client's connection to a cluster.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    /// The scheduler's address as `http://HOST:PORT` or `https://HOST:PORT`.
    address: String,
    /// The scheduler's URL as the caller wrote it.
    url: String,
    /// The number of tasks that the cluster could run at once when the client connected.
    slots: NonZeroUsize,
    settings: ClientSettings,
    http: reqwest::Client,
    codec: Arc<PlanCodec>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.0.url).finish()
    }
}

impl Cluster {
    /// Connects to the scheduler at `url`, such as `df://10.0.0.1:50050`, and waits until the cluster has an executor.
    ///
    /// # Errors
    /// The URL is not valid, no scheduler answers there, the cluster has no executor, or it runs another version of
    /// honeyguide.
    pub async fn connect(url: &str, settings: ClientSettings) -> Result<Self> {
        let address = url.parse::<SchedulerAddress>()?.url(&settings.access);
        let mut http = reqwest::Client::builder().no_proxy();
        if let Some(tls) = &settings.access.tls {
            http = http.use_preconfigured_tls(tls.client());
        }
        let http = http
            .build()
            .map_err(|error| Error::internal(format!("an HTTP client: {error}")))?;
        let mut inner = Inner {
            address,
            url: url.to_owned(),
            slots: NonZeroUsize::MIN,
            settings,
            http,
            codec: Arc::default(),
        };
        let status = inner.status_with_executors().await?;
        let ours = env!("CARGO_PKG_VERSION");
        if status.version != ours {
            return Err(Error::usage(format!(
                "{url}: the cluster runs honeyguide {}, and this is {ours}",
                status.version
            ))
            .hint("use the same version on every machine: the same data would give other bits"));
        }
        let slots = usize::try_from(status.slots).unwrap_or(usize::MAX);
        inner.slots = NonZeroUsize::new(slots).unwrap_or(NonZeroUsize::MIN);
        Ok(Self(Arc::new(inner)))
    }

    /// Returns a plan that runs `plan` on the cluster, or `None` if `plan` reads no files, cannot be encoded, or has
    /// a node that the scheduler does not take.
    fn sent(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        if !has_files(plan) {
            return None;
        }
        let codec = self.0.codec.as_ref();
        let encoded = PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), codec).ok()?;
        plans::check(&encoded).ok()?;
        let plan = match plan.output_ordering() {
            // Partitions are fetched one after another, which would not keep the order of rows.
            Some(ordering) if plan.output_partitioning().partition_count() > 1 => {
                let ordering: LexOrdering = ordering.clone();
                Arc::new(SortPreservingMergeExec::new(ordering, Arc::clone(plan)))
            }
            _ => Arc::clone(plan),
        };
        Some(Arc::new(RemoteExec::new(self.clone(), plan)))
    }
}

impl Distribute for Cluster {
    fn slots(&self) -> NonZeroUsize {
        self.0.slots
    }

    fn configure(&self, config: SessionConfig) -> SessionConfig {
        let mut config = config.upgrade_for_ballista();
        // With work stealing, a partition could read files of another one. Rows would lose their order and could appear in
        // the results of two machines.
        config
            .options_mut()
            .execution
            .enable_file_stream_work_stealing = false;
        config
    }

    fn distribute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if let Some(sent) = self.sent(&plan) {
            return Ok(sent);
        }
        let children = plan.children().into_iter().cloned();
        let children = children
            .map(|child| self.distribute(child))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        replace_children_if_necessary(plan, children)
    }
}

impl Inner {
    /// Asks the scheduler for the cluster's status, and waits at most `limit` for the answer.
    async fn status(&self, limit: Duration) -> Result<ClusterStatus> {
        let mut asked = self.http.get(format!("{}{STATUS_PATH}", self.address));
        if let Some(token) = self.credentials().authorization() {
            asked = asked.header(reqwest::header::AUTHORIZATION, token);
        }
        let answer = asked
            .timeout(limit)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let is_unknown = |error: &reqwest::Error| error.status() == Some(StatusCode::UNAUTHORIZED);
        let text = match answer {
            Err(error) if is_unknown(&error) => return Err(self.refused_token()),
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| self.lost_scheduler(reason(&error, limit)))?;
        serde_json::from_slice(&text)
            .map_err(|_| self.lost_scheduler("it does not answer as a scheduler does".into()))
    }

    /// Returns what this client shows the nodes.
    fn credentials(&self) -> Credentials {
        self.settings.access.credentials()
    }

    fn refused_token(&self) -> Error {
        let what = match &self.settings.access.token {
            Some(_) => "the cluster has another token",
            None => "the cluster asks for its token",
        };
        Error::usage(format!("{}: {what}", self.url))
            .hint("give the file with the token of its scheduler: --token-file FILE")
    }

    /// Waits until the cluster has an executor, and returns its status.
    async fn status_with_executors(&self) -> Result<ClusterStatus> {
        let begin = tokio::time::Instant::now();
        loop {
            let status = self.status(STATUS_TIME).await?;
            if status.executors > 0 {
                return Ok(status);
            }
            if begin.elapsed() > EXECUTOR_WAIT {
                let waited = EXECUTOR_WAIT.as_secs();
                return Err(Error::refused(format!(
                    "{}: the cluster has no executor, and none joined within {waited} s",
                    self.url
                ))
                .hint("start one: honeyguide cluster executor --scheduler HOST:PORT"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn lost_scheduler(&self, why: String) -> Error {
        Error::refused(format!("{}: the scheduler cannot be reached: {why}", self.url)).hint(
            "start it again (honeyguide cluster scheduler) or check the address, then run the command again; \
             nothing was written",
        )
    }
}

/// Describes why a request failed.
fn reason(error: &reqwest::Error, limit: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", limit.as_secs());
    }
    if let Some(why) = tls::cause(error) {
        return format!("TLS: {why}");
    }
    let words = match error.status() {
        Some(status) => return format!("it answers {status}"),
        None if error.is_connect() => "nobody listens there",
        None => "the connection broke off",
    };
    words.to_owned()
}

/// Returns whether any leaf of the plan reads files.
fn has_files(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.name() == "DataSourceExec" || plan.children().into_iter().any(has_files)
}
