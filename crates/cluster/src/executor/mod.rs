//! An executor: it asks a scheduler for tasks, runs them, and hands their results to whoever fetches them. All of it is
//! on one port.

mod connections;
mod folder;
mod memory;
mod orders;
mod session;
mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::routing::get;
use ballista_core::serde::protobuf::executor_grpc_server::ExecutorGrpcServer;
use ballista_executor::flight_service::BallistaFlightService;
use honeyguide::{Error, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

use self::folder::WorkFolder;
use self::orders::Orders;
use self::session::{Membership, Session};
use crate::address::SchedulerAddress;
use crate::metrics::{CONTENT_TYPE, ExecutorMetrics};
use crate::port;
use crate::services::{MAX_MESSAGE_BYTES, NodeServices};

/// How long one attempt to reach the scheduler, and one answer of it, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the connection is probed while nothing is said on it.
const PROBE: Duration = Duration::from_secs(2);
/// Between attempts to reach the scheduler.
const PAUSE: Duration = Duration::from_millis(500);

/// How an executor is run.
#[derive(Debug, Clone)]
pub struct ExecutorSettings {
    /// The scheduler to work for.
    pub scheduler: SchedulerAddress,
    /// Where other executors and clients fetch results; port 0 for any that is free.
    pub bind: SocketAddr,
    /// The host name or address under which they find it, where that is not the address it is bound to.
    pub advertise: Option<String>,
    /// The folder for results and for what does not fit into memory; `None` for the system's temporary folder.
    pub work_dir: Option<PathBuf>,
    /// Tasks that run at once, at least 1.
    pub slots: usize,
    /// Bytes that groups and sorts of all tasks may take together; `None` for a share of the machine.
    pub memory: Option<u64>,
    /// How long to look for the scheduler at the start.
    pub patience: Duration,
}

impl ExecutorSettings {
    fn host(&self) -> Option<String> {
        let bound = || match self.bind {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let is_one = !self.bind.ip().is_unspecified();
        self.advertise.clone().or_else(|| is_one.then(bound))
    }

    /// Refuses a port that nobody could fetch from: jobs would wait for their answers in vain.
    fn check(&self) -> Result<()> {
        let is_hidden = self.bind.ip().is_loopback() && self.advertise.is_none();
        if is_hidden && !self.scheduler.is_loopback() {
            return Err(Error::usage(format!(
                "no other machine can fetch results from {}, and the scheduler is at {}",
                self.bind, self.scheduler
            ))
            .hint("--bind an address of this machine that others reach, or --advertise the name by which they do"));
        }
        Ok(())
    }
}

/// An executor that listens and has not joined yet.
pub struct Executor {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    scheduler: SchedulerAddress,
    patience: Duration,
}

/// What the calls on the port and the work share.
struct Shared {
    membership: Membership,
    session: Mutex<Option<Arc<Session>>>,
}

impl Shared {
    /// The membership of the moment.
    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock();
        session.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_session(&self, session: Option<Arc<Session>>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn metrics(&self) -> ([(&'static str, &'static str); 1], String) {
        let Membership { metrics, slots, .. } = &self.membership;
        let is_joined = self.session().is_some_and(|session| session.is_joined());
        let text = metrics.text(*slots, is_joined);
        ([("content-type", CONTENT_TYPE)], text)
    }
}

impl Executor {
    /// Takes the port and a work folder.
    ///
    /// # Errors
    /// When either cannot be had.
    pub async fn bind(settings: ExecutorSettings, services: NodeServices) -> Result<Self> {
        settings.check()?;
        let slots = settings.slots.max(1);
        let memory = settings.memory;
        let memory = memory.unwrap_or_else(|| memory::default_budget(slots));
        if memory < slots as u64 {
            let what = format!("{memory} bytes of memory are not enough for {slots} slots");
            return Err(Error::usage(what));
        }
        let (listener, address) = port::listen(settings.bind).await?;
        let membership = Membership {
            services,
            folder: WorkFolder::create(settings.work_dir.as_deref())?,
            metrics: Arc::new(ExecutorMetrics::default()),
            slots,
            memory,
            host: settings.host(),
            port: address.port(),
        };
        let session = Mutex::new(None);
        Ok(Self {
            listener,
            address,
            shared: Arc::new(Shared {
                membership,
                session,
            }),
            scheduler: settings.scheduler,
            patience: settings.patience,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Works until `stop`; then hands back what it has begun, and leaves.
    ///
    /// # Errors
    /// When the scheduler cannot be reached at the start, or the system refuses connections.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let listener = port::prompt(self.listener);
        let mut server = JoinSet::new();
        server.spawn(axum::serve(listener, router(&shared)).into_future());
        let failed = |error| port::failed("serve on", self.address, error);
        let result = tokio::select! {
            () = stop => Ok(()),
            error = work(&shared, &self.scheduler, self.patience) => Err(error),
            Some(Ok(Err(error))) = server.join_next() => Err(failed(error)),
        };
        // The work has ended with the select, so nothing brings the executor back on the scheduler's list.
        if let Some(session) = shared.session() {
            session.leave().await;
        }
        shared.membership.folder.remove().await;
        result
    }
}

/// Results, orders and figures, on one port.
fn router(shared: &Arc<Shared>) -> Router {
    let limit = MAX_MESSAGE_BYTES as usize;
    let results = shared.membership.folder.results();
    let results = BallistaFlightService::new(results.to_string_lossy().into_owned());
    let results = FlightServiceServer::new(results)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    let orders = ExecutorGrpcServer::new(Orders(Arc::clone(shared)));
    let shared = Arc::clone(shared);
    let calls = Routes::new(results).add_service(orders);
    port::router(calls, get(async move || shared.metrics()))
}

/// Joins, and joins anew whenever the scheduler was lost. Ends only if it was never found.
async fn work(shared: &Shared, scheduler: &SchedulerAddress, patience: Duration) -> Error {
    let begun = Instant::now();
    let mut was_joined = false;
    let mut is_told = false;
    loop {
        let why = match connect(scheduler).await {
            Ok(channel) => {
                let session = Arc::new(shared.membership.begin(channel));
                shared.set_session(Some(Arc::clone(&session)));
                let why = session.work(&shared.membership.services).await;
                session.leave().await;
                shared.set_session(None);
                shared.membership.folder.clear();
                was_joined |= session.is_joined();
                is_told &= !session.is_joined();
                why
            }
            Err(why) => why,
        };
        if !was_joined && begun.elapsed() >= patience {
            return unreachable(scheduler, &why, patience);
        }
        if !is_told {
            log::warn!(
                "no work from the scheduler at {scheduler}: {why}; trying again until it answers"
            );
            is_told = true;
        }
        sleep(PAUSE).await;
    }
}

async fn connect(scheduler: &SchedulerAddress) -> std::result::Result<Channel, String> {
    let endpoint = Endpoint::from_shared(scheduler.http()).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(CONNECT_TIMEOUT)
        .keep_alive_while_idle(true);
    let connected = endpoint.connect().await;
    connected.map_err(|error| watch::causes(&error))
}

fn unreachable(scheduler: &SchedulerAddress, why: &str, patience: Duration) -> Error {
    let why = format!("{why} (tried for {} s)", patience.as_secs());
    Error::io(
        "work for the scheduler at",
        Path::new(&scheduler.to_string()),
        std::io::Error::other(why),
    )
    .hint("start it with `honeyguide cluster scheduler`, or look at the address and at the firewall between")
}
