//! One membership in a cluster: from the first answer of a scheduler to the first that fails to come. Whoever joins
//! anew does so under a new name, so that the scheduler knows that the old one's work is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ballista_core::RuntimeProducer;
use ballista_core::ids::new_instance_id;
use ballista_core::serde::protobuf::executor_status::Status::Active;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    ExecutorRegistration, ExecutorStatus, ExecutorStoppedParams, HeartBeatParams, RunningTaskInfo,
};
use ballista_executor::execution_engine::DefaultExecutionEngine;
use ballista_executor::execution_loop::poll_loop;
use ballista_executor::executor::Executor;
use ballista_executor::executor_process::{ExecutorProcessConfig, structure_executor_metadata};
use ballista_executor::health::ExecutorHealth;
use ballista_executor::metrics::LoggingMetricsCollector;
use ballista_executor::runtime_cache::DefaultSessionRuntimeCache;
use datafusion::prelude::SessionConfig;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use super::connections::Connections;
use super::folder::WorkFolder;
use super::memory;
use super::watch::WatchedChannel;
use crate::metrics::{ExecutorMetrics, MeasuringEngine};
use crate::services::{MAX_MESSAGE_BYTES, NodeServices};

/// How often the scheduler hears that this executor lives. Ballista's loop asks for work every 5 s at least while all
/// slots are taken, which is too close to the time after which an executor is taken for dead.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a leaving executor tries to say so.
const GOODBYE: Duration = Duration::from_secs(2);
/// Clients' sessions whose object stores and footers of files are kept.
const CACHED_SESSIONS: usize = 16;

/// What every membership of a process has in common.
pub(super) struct Membership {
    pub(super) services: NodeServices,
    pub(super) folder: WorkFolder,
    pub(super) metrics: Arc<ExecutorMetrics>,
    pub(super) slots: usize,
    /// Memory of all tasks together, in bytes.
    pub(super) memory: u64,
    /// The name under which others reach this executor; `None` for the address that the scheduler sees.
    pub(super) host: Option<String>,
    pub(super) port: u16,
}

impl Membership {
    /// What errors call this executor: the address under which others find it, as far as it knows.
    fn name(&self) -> Arc<str> {
        let host = self.host.as_deref().unwrap_or("port");
        format!("{host}:{}", self.port).into()
    }

    fn registration(&self) -> ExecutorRegistration {
        let config = ExecutorProcessConfig {
            executor_id: new_instance_id(),
            external_host: self.host.clone(),
            port: self.port,
            grpc_port: self.port,
            ..ExecutorProcessConfig::default()
        };
        let slots = u32::try_from(self.slots).unwrap_or(u32::MAX);
        structure_executor_metadata(&Arc::new(config), slots)
    }

    fn executor(&self) -> Executor {
        let (services, spill) = (self.services.clone(), self.folder.spill());
        let base: RuntimeProducer = Arc::new(move |_config| services.runtime(&spill));
        let policy = memory::policy(self.memory, self.slots);
        let cache = DefaultSessionRuntimeCache::new(
            Arc::clone(&base),
            Arc::clone(&policy),
            CACHED_SESSIONS,
        );
        let uncached: RuntimeProducer =
            Arc::new(move |config: &SessionConfig| policy(base(config)?, config, 1));
        let engine = MeasuringEngine {
            inner: DefaultExecutionEngine::with_client_pool(Arc::new(Connections::default())),
            metrics: Arc::clone(&self.metrics),
            name: self.name(),
        };
        Executor::new(
            self.registration(),
            &self.folder.results().to_string_lossy(),
            uncached,
            Arc::new(NodeServices::session_config),
            Arc::new(self.services.functions()),
            Arc::new(LoggingMetricsCollector::default()),
            self.slots,
            Arc::new(engine),
        )
        .with_session_runtime_cache(Some(Arc::new(cache)))
    }

    /// A membership that is about to begin, over a connection to the scheduler.
    pub(super) fn begin(&self, channel: Channel) -> Session {
        Session {
            executor: Arc::new(self.executor()),
            channel,
            given_up: Notify::new(),
            is_joined: AtomicBool::new(false),
        }
    }
}

/// A membership.
pub(super) struct Session {
    executor: Arc<Executor>,
    channel: Channel,
    given_up: Notify,
    is_joined: AtomicBool,
}

impl Session {
    fn id(&self) -> &str {
        &self.executor.metadata.id
    }

    /// Whether the scheduler has answered at least once.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::Relaxed)
    }

    fn scheduler(&self) -> SchedulerGrpcClient<Channel> {
        SchedulerGrpcClient::new(self.channel.clone())
    }

    /// Works until the scheduler cannot be talked to any more, and says why.
    pub(super) async fn work(&self, services: &NodeServices) -> String {
        let (failures, mut failed) = mpsc::unbounded_channel();
        let channel = self.channel.clone();
        let limit = MAX_MESSAGE_BYTES as usize;
        let scheduler = SchedulerGrpcClient::new(WatchedChannel { channel, failures })
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let health = ExecutorHealth::new();
        // Apart from this task, since reading a plan can take its time; it ends when the set is dropped.
        let mut work = JoinSet::new();
        work.spawn(poll_loop(
            scheduler,
            Arc::clone(&self.executor),
            services.codec(),
            None,
            None,
            health.clone(),
        ));
        tokio::select! {
            Some(why) = failed.recv() => why,
            why = self.heartbeats(&health) => why,
            Some(end) = work.join_next() => format!("the work ended: {end:?}"),
            () = self.given_up.notified() => "it had not heard of this executor for too long".to_owned(),
        }
    }

    async fn heartbeats(&self, health: &ExecutorHealth) -> String {
        while !health.is_ready() {
            sleep(Duration::from_millis(20)).await;
        }
        self.is_joined.store(true, Ordering::Relaxed);
        log::info!("joined the cluster as {}", self.id());
        loop {
            sleep(HEARTBEAT).await;
            let status = Some(Active(String::new()));
            let beat = HeartBeatParams {
                executor_id: self.id().to_owned(),
                metrics: Vec::new(),
                status: Some(ExecutorStatus { status }),
                metadata: Some(self.executor.metadata.clone()),
            };
            match self.scheduler().heart_beat_from_executor(beat).await {
                // Asking for work had brought it back on the list in the meantime.
                Err(status) if status.code() == Code::AlreadyExists => {}
                Err(status) => return status.message().to_owned(),
                Ok(_) => {}
            }
        }
    }

    /// Tells the scheduler that this executor is gone, so that it need not find out.
    pub(super) async fn leave(&self) {
        let (executor_id, reason) = (self.id().to_owned(), "it left".to_owned());
        let mut scheduler = self.scheduler();
        let goodbye = scheduler.executor_stopped(ExecutorStoppedParams {
            executor_id,
            reason,
        });
        match timeout(GOODBYE, goodbye).await {
            Ok(Ok(_)) => log::info!("left the cluster as {}", self.id()),
            _ => log::debug!("the scheduler could not be told that {} left", self.id()),
        }
    }

    /// Ends a task that nobody needs any more.
    pub(super) async fn cancel(&self, task: RunningTaskInfo) -> bool {
        let (job, stage) = (task.job_id.into(), task.stage_id as usize);
        let cancelled = self
            .executor
            .cancel_task(job, stage, task.task_id as usize)
            .await;
        cancelled.unwrap_or(false)
    }

    /// The scheduler has removed the executor `id`; whether that is this one.
    pub(super) fn give_up(&self, id: &str) -> bool {
        let is_this = id == self.id();
        if is_this {
            self.given_up.notify_one();
        }
        is_this
    }
}
