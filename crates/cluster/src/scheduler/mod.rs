//! The scheduler. It is Ballista's, configured to cancel jobs instead of recovering them. After the loss of an executor, the
//! output of an aborted task can remain among the inputs of the next stage and make counts wrong. Therefore all running
//! jobs are cancelled, and their clients run them again.

mod calls;
mod members;
mod removals;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::get;
use axum::{Json, Router};
use ballista_core::JobId;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_server::SchedulerServer;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use honeyguide::{Error, Result};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tonic::service::Routes;

use self::calls::{Asked, Calls};
use self::members::Members;
use self::removals::{CountedRemovals, Removals};
use crate::access::{Access, Credentials, Guard};
use crate::job_id::JobIds;
use crate::metrics::{CONTENT_TYPE, SchedulerMetrics};
use crate::port::{self, Peer, Port};
use crate::services::{Change, MAX_MESSAGE_BYTES, NodeServices, with_timeouts};
use crate::status::{ClusterStatus, STATUS_PATH};

/// How long a scheduler that stops waits until all jobs are cancelled, and again how long until open calls end.
const GOODBYE: Duration = Duration::from_secs(2);
/// The time between checks for jobs whose clients are gone.
const LOOK: Duration = Duration::from_secs(1);

type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// The settings of a scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// The address to listen on. Port 0 stands for any free port.
    pub bind: SocketAddr,
    /// The time without a heartbeat after which an executor is removed. Executors send one every second.
    pub executor_timeout: Duration,
    /// The time between checks for executors to remove.
    pub check_every: Duration,
    /// The time for which executors keep a finished job's results for its client.
    pub keep_results: Duration,
    /// Whether to listen where other machines can connect although nothing keeps strangers out.
    pub insecure: bool,
}

impl Default for SchedulerSettings {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 50050)),
            executor_timeout: Duration::from_secs(6),
            check_every: Duration::from_secs(2),
            keep_results: Duration::from_secs(300),
            insecure: false,
        }
    }
}

impl SchedulerSettings {
    fn config(&self, to_executors: Change) -> SchedulerConfig {
        // Ballista reads 0 seconds as "never".
        let seconds = |duration: Duration| duration.as_secs().max(1);
        SchedulerConfig {
            bind_host: self.bind.ip().to_string(),
            bind_port: self.bind.port(),
            scheduling_policy: TaskSchedulingPolicy::PullStaged,
            executor_timeout_seconds: seconds(self.executor_timeout),
            no_executors_grace_period_seconds: seconds(self.executor_timeout),
            expire_dead_executor_interval_seconds: seconds(self.check_every),
            finished_job_data_clean_up_interval_seconds: seconds(self.keep_results),
            finished_job_state_clean_up_interval_seconds: seconds(self.keep_results),
            // A second attempt at a stage can make counts wrong.
            stage_max_failures: 1,
            task_max_failures: 1,
            grpc_server_max_decoding_message_size: MAX_MESSAGE_BYTES,
            grpc_server_max_encoding_message_size: MAX_MESSAGE_BYTES,
            grpc_client_max_message_size: MAX_MESSAGE_BYTES,
            // The scheduler calls removed executors one after another, so each call needs a timeout.
            override_create_grpc_client_endpoint: Some(to_executors),
            job_id_generator: Some(Arc::new(JobIds)),
            ..SchedulerConfig::default()
        }
    }
}

/// A scheduler that listens on its port but does not answer yet.
pub struct Scheduler {
    listener: TcpListener,
    address: SocketAddr,
    node: Node,
}

impl Scheduler {
    /// Listens on the port and starts Ballista's scheduler.
    ///
    /// # Errors
    /// The port is not available, or strangers could reach it.
    pub async fn bind(settings: &SchedulerSettings, services: NodeServices) -> Result<Self> {
        services
            .access()
            .check_exposure(settings.bind, settings.insecure)?;
        let (listener, address) = port::listen(settings.bind).await?;
        let node = Node::start(settings, services).await?;
        Ok(Self {
            listener,
            address,
            node,
        })
    }

    /// Returns the address that the scheduler listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` completes. Then cancels all jobs, so that clients learn of it at once, and returns.
    ///
    /// # Errors
    /// The system refuses connections.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let Self {
            listener,
            address,
            node,
        } = self;
        let watch = tokio::spawn(node.clone().cancel_in_vain());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let refusals = Arc::clone(&node.metrics.refusals);
        let port = Port::new(listener, node.access.tls.as_ref(), refusals);
        let router = node.router().into_make_service_with_connect_info::<Peer>();
        let server = axum::serve(port, router).with_graceful_shutdown(async {
            // An error means that the sender was dropped, which also ends the server.
            let _ = ended.await;
        });
        let mut server = std::pin::pin!(server.into_future());
        let result = tokio::select! {
            result = &mut server => result,
            () = async { stop.await; node.cancel_all().await } => {
                let _ = end.send(());
                // Connections that are still open after this time are closed when the process ends.
                timeout(GOODBYE, server).await.unwrap_or(Ok(()))
            }
        };
        watch.abort();
        result.map_err(|error| port::failed("serve on", address, error))
    }
}

/// The state that the calls and pages of a scheduler share.
#[derive(Clone)]
struct Node {
    server: Server,
    metrics: Arc<SchedulerMetrics>,
    removals: Arc<Removals>,
    asked: Arc<Asked>,
    members: Arc<Members>,
    access: Access,
}

/// Returns the change of connections to executors. The scheduler shows each executor the secret that the two share.
fn to_executors(members: Arc<Members>, services: &NodeServices) -> Change {
    let own = services.access().credentials();
    Arc::new(move |endpoint| {
        let address = endpoint.uri().authority().map(|address| address.as_str());
        let credentials = Credentials {
            secret: address.and_then(|address| members.secret_at(address)),
            ..own.clone()
        };
        Ok(with_timeouts(credentials.on(endpoint)?))
    })
}

impl Node {
    async fn start(settings: &SchedulerSettings, services: NodeServices) -> Result<Self> {
        let members = Arc::<Members>::default();
        let config = settings.config(to_executors(Arc::clone(&members), &services));
        let config = Arc::new(config);
        let (codec, access) = (services.codec(), services.access().clone());
        let defaults = services.clone();
        let memory = BallistaCluster::new_memory(
            config.scheduler_id.clone(),
            Arc::new(move |config| services.session(config)),
            Arc::new(move || defaults.session_config()),
        );
        let removals = Arc::new(Removals::default());
        let counted = CountedRemovals::new(
            memory.cluster_state(),
            Arc::clone(&removals),
            Arc::clone(&members),
        );
        let cluster = BallistaCluster::new(Arc::new(counted), memory.job_state());
        let metrics = Arc::new(SchedulerMetrics::default());
        let mut server = Server::new(
            config.scheduler_endpoint(),
            cluster,
            codec,
            config,
            Arc::clone(&metrics) as _,
        );
        let started = server.init().await;
        started.map_err(|error| Error::internal(format!("no scheduler can be set up: {error}")))?;
        Ok(Self {
            server,
            metrics,
            removals,
            asked: Arc::default(),
            members,
            access,
        })
    }

    /// Returns the router for the port: Ballista's calls, metrics and the cluster's status.
    fn router(&self) -> Router {
        let limit = MAX_MESSAGE_BYTES as usize;
        let calls = Calls {
            server: self.server.clone(),
            asked: Arc::clone(&self.asked),
            members: Arc::clone(&self.members),
            refusals: Arc::clone(&self.metrics.refusals),
        };
        let calls = SchedulerGrpcServer::new(calls)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let [pages, status] = [(); 2].map(|()| self.clone());
        let metrics = get(async move || pages.metrics().await);
        let status = get(async move || Json(status.status().await));
        let guard = Guard {
            token: self.access.token.clone(),
            refusals: Arc::clone(&self.metrics.refusals),
        };
        let pages = vec![("/metrics", metrics), (STATUS_PATH, status)];
        port::router(Routes::new(calls), pages, guard)
    }

    async fn status(&self) -> ClusterStatus {
        let state = &self.server.state;
        // Read first, so that the executors counted below are those left after these removals.
        let removals = self.removals.count();
        let executors = state.executor_manager.get_executors_state().await;
        let executors = executors.unwrap_or_default();
        ClusterStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: self.server.scheduler_id.clone(),
            executors: executors.len(),
            slots: executors
                .iter()
                .map(|(executor, ..)| u64::from(executor.specification.vcores))
                .sum(),
            removals,
            running_jobs: self.server.running_job_number(),
        }
    }

    async fn metrics(&self) -> ([(&'static str, &'static str); 1], String) {
        let mut waiting = 0;
        for job in self
            .server
            .state
            .task_manager
            .get_running_job_cache()
            .values()
        {
            waiting += job.execution_graph.read().await.available_tasks();
        }
        let text = self.metrics.text(&self.status().await, waiting);
        ([("content-type", CONTENT_TYPE)], text)
    }

    /// Cancels jobs whose results would be useless: all jobs after an executor was removed, and jobs whose clients are
    /// gone.
    async fn cancel_in_vain(self) {
        loop {
            tokio::select! {
                () = self.removals.next() => {
                    log::warn!("an executor was removed: every job that runs is cancelled");
                    self.cancel_running().await;
                }
                () = sleep(LOOK) => self.cancel_abandoned().await,
            }
        }
    }

    async fn cancel_abandoned(&self) {
        let running = self.server.state.task_manager.get_running_job_cache();
        let running = running.keys().cloned().collect();
        for job in self.asked.abandoned(&running, Instant::now()) {
            log::info!("job {job} is cancelled: its client is gone");
            self.cancel(job).await;
        }
    }

    async fn cancel_running(&self) {
        let running = self.server.state.task_manager.get_running_job_cache();
        for job in running.keys() {
            self.cancel(job.clone()).await;
        }
    }

    async fn cancel(&self, job: JobId) {
        if let Err(error) = self.server.cancel_job(job.clone()).await {
            log::error!("job {job} cannot be cancelled: {error}");
        }
    }

    /// Cancels all running and waiting jobs, for at most [`GOODBYE`].
    async fn cancel_all(&self) {
        log::info!("stopping: every job that runs is cancelled");
        let quiet = async {
            while self.server.running_job_number() + self.server.pending_job_number() > 0 {
                self.cancel_running().await;
                sleep(Duration::from_millis(200)).await;
            }
        };
        if timeout(GOODBYE, quiet).await.is_err() {
            log::warn!("some jobs could not be cancelled in time");
        }
    }
}
