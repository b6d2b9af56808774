//! The session of an executor in a cluster. It ends with the first call to the scheduler that fails. An executor that joins
//! again has a new id, so that the scheduler knows that the results of the old session are lost.

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
use crate::access::Secret;
use crate::metrics::{ExecutorMetrics, MeasuringEngine};
use crate::services::{MAX_MESSAGE_BYTES, NodeServices};

/// The time between heartbeats. Ballista's loop asks for tasks only every 5 s while all slots are taken, which is too
/// close to the time after which the scheduler removes an executor.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long an executor that leaves tries to tell the scheduler.
const GOODBYE: Duration = Duration::from_secs(2);
/// The number of clients' sessions whose object stores and file footers are cached.
const CACHED_SESSIONS: usize = 16;

/// The settings and the state that all sessions of an executor share.
pub(super) struct Membership {
    pub(super) services: NodeServices,
    pub(super) folder: WorkFolder,
    pub(super) metrics: Arc<ExecutorMetrics>,
    /// The number of tasks that run at once.
    pub(super) slots: usize,
    /// The memory of all tasks together, in bytes.
    pub(super) memory: u64,
    /// The host name or address at which others reach this executor. `None` stands for the address that the scheduler
    /// sees.
    pub(super) host: Option<String>,
    pub(super) port: u16,
}

impl Membership {
    /// Returns the name of this executor in errors: the address at which others reach it, as far as it is known.
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
        let [services, defaults] = [(); 2].map(|()| self.services.clone());
        let spill = self.folder.spill();
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
            Arc::new(move || defaults.session_config()),
            Arc::new(self.services.functions()),
            Arc::new(LoggingMetricsCollector::default()),
            self.slots,
            Arc::new(engine),
        )
        .with_session_runtime_cache(Some(Arc::new(cache)))
    }

    /// Makes a session over a connection to the scheduler, which shows `secret`.
    pub(super) fn begin(&self, channel: Channel, secret: Secret) -> Session {
        Session {
            executor: Arc::new(self.executor()),
            channel,
            secret,
            given_up: Notify::new(),
            is_joined: AtomicBool::new(false),
        }
    }
}

/// A session of an executor in a cluster.
pub(super) struct Session {
    executor: Arc<Executor>,
    channel: Channel,
    /// The secret that this executor and its scheduler share.
    secret: Secret,
    /// A signal that is sent when the scheduler says that it has removed this executor.
    given_up: Notify,
    is_joined: AtomicBool,
}

impl Session {
    fn id(&self) -> &str {
        &self.executor.metadata.id
    }

    /// Returns whether `shown` is the secret that this executor and its scheduler share.
    pub(super) fn is_secret(&self, shown: &str) -> bool {
        self.secret.is(shown)
    }

    /// Returns whether the scheduler has answered at least once.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::Relaxed)
    }

    fn scheduler(&self) -> SchedulerGrpcClient<Channel> {
        SchedulerGrpcClient::new(self.channel.clone())
    }

    /// Fetches and runs tasks until a call to the scheduler fails. Returns the reason.
    pub(super) async fn work(&self, services: &NodeServices) -> String {
        let (failures, mut failed) = mpsc::unbounded_channel();
        let channel = self.channel.clone();
        let limit = MAX_MESSAGE_BYTES as usize;
        let scheduler = SchedulerGrpcClient::new(WatchedChannel { channel, failures })
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let health = ExecutorHealth::new();
        // Spawned, because reading a plan can take long and must not delay heartbeats. Dropping the set ends it.
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

    /// Sends heartbeats until one fails. Returns the reason.
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
                // A request for tasks has registered this executor again in the meantime.
                Err(status) if status.code() == Code::AlreadyExists => {}
                Err(status) => return status.message().to_owned(),
                Ok(_) => {}
            }
        }
    }

    /// Tells the scheduler that this executor leaves, so that it need not wait for a timeout.
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

    /// Cancels a task. Returns whether that succeeded.
    pub(super) async fn cancel(&self, task: RunningTaskInfo) -> bool {
        let (job, stage) = (task.job_id.into(), task.stage_id as usize);
        let cancelled = self
            .executor
            .cancel_task(job, stage, task.task_id as usize)
            .await;
        cancelled.unwrap_or(false)
    }

    /// Ends the session if the scheduler has removed its executor. `id` is the removed executor. Returns whether it is
    /// this one.
    pub(super) fn give_up(&self, id: &str) -> bool {
        let is_this = id == self.id();
        if is_this {
            self.given_up.notify_one();
        }
        is_this
    }
}
