//! The executor. It fetches tasks from a scheduler, runs them, and serves their results to other executors and clients. It
//! listens on one port.

mod connections;
mod folder;
mod memory;
mod orders;
mod results;
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
use honeyguide::{Error, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};

use self::folder::WorkFolder;
use self::orders::Orders;
use self::results::Results;
use self::session::{Membership, Session};
use crate::access::{Credentials, Guard, Secret};
use crate::address::SchedulerAddress;
use crate::metrics::{CONTENT_TYPE, ExecutorMetrics};
use crate::port::{self, Peer, Port};
use crate::services::{MAX_MESSAGE_BYTES, NodeServices};

/// The longest time to connect to the scheduler.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for the scheduler to answer a call.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between pings on the connection to the scheduler, which are sent even while no call is open.
const PROBE: Duration = Duration::from_secs(2);
/// The time between attempts to reach the scheduler.
const PAUSE: Duration = Duration::from_millis(500);

/// The settings of an executor.
#[derive(Debug, Clone)]
pub struct ExecutorSettings {
    /// The address of the scheduler.
    pub scheduler: SchedulerAddress,
    /// The address to listen on. Other executors and clients fetch results from it. Port 0 stands for any free port.
    pub bind: SocketAddr,
    /// The host name or address at which others reach this executor, if it differs from `bind`.
    pub advertise: Option<String>,
    /// The folder for results and for data that does not fit into memory. `None` stands for the system's temporary
    /// folder.
    pub work_dir: Option<PathBuf>,
    /// The number of tasks that run at once, at least 1.
    pub slots: usize,
    /// The memory in bytes that groups and sorts of all tasks may use together. `None` stands for a share of the
    /// machine's memory.
    pub memory: Option<u64>,
    /// The time during which an executor tries to reach the scheduler at its start.
    pub patience: Duration,
    /// Whether to listen where other machines can connect although nothing keeps strangers out.
    pub insecure: bool,
}

impl ExecutorSettings {
    /// Returns the host name or address to register, or `None` if the scheduler shall use the address that it sees.
    fn host(&self) -> Option<String> {
        let bound = || match self.bind {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let is_one = !self.bind.ip().is_unspecified();
        self.advertise.clone().or_else(|| is_one.then(bound))
    }

    /// Checks that other machines can reach this executor, since otherwise jobs would never get their results.
    ///
    /// # Errors
    /// The executor would listen on a loopback address, but the scheduler is on another machine.
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

/// An executor that listens on its port but has not joined a cluster yet.
pub struct Executor {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    scheduler: SchedulerAddress,
    patience: Duration,
}

/// The state that the calls on the port and the fetching of tasks share.
struct Shared {
    membership: Membership,
    /// The current session; `None` while the executor is in no cluster.
    session: Mutex<Option<Arc<Session>>>,
}

impl Shared {
    /// Returns the current session.
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
    /// Listens on the port and creates the work folder.
    ///
    /// # Errors
    /// The settings cannot work, the port is not available, or the folder cannot be created.
    pub async fn bind(settings: ExecutorSettings, services: NodeServices) -> Result<Self> {
        settings.check()?;
        services
            .access()
            .check_exposure(settings.bind, settings.insecure)?;
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

    /// Returns the address that the executor listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs tasks until `stop` completes. Then tells the scheduler that the executor leaves, and removes the work
    /// folder.
    ///
    /// # Errors
    /// The scheduler cannot be reached at the start, or the system refuses connections.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Membership {
            services, metrics, ..
        } = &shared.membership;
        let refusals = Arc::clone(&metrics.refusals);
        let port = Port::new(self.listener, services.access().tls.as_ref(), refusals);
        let mut server = JoinSet::new();
        let router = router(&shared).into_make_service_with_connect_info::<Peer>();
        server.spawn(axum::serve(port, router).into_future());
        let failed = |error| port::failed("serve on", self.address, error);
        let result = tokio::select! {
            () = stop => Ok(()),
            error = work(&shared, &self.scheduler, self.patience) => Err(error),
            Some(Ok(Err(error))) = server.join_next() => Err(failed(error)),
        };
        // `select!` has stopped `work`, so no call can register the executor again after it leaves.
        if let Some(session) = shared.session() {
            session.leave().await;
        }
        shared.membership.folder.remove().await;
        result
    }
}

/// Returns the router for the port: results, the scheduler's calls and metrics.
fn router(shared: &Arc<Shared>) -> Router {
    let limit = MAX_MESSAGE_BYTES as usize;
    let Membership {
        folder,
        metrics,
        services,
        ..
    } = &shared.membership;
    let refusals = Arc::clone(&metrics.refusals);
    let results = Results::new(&folder.results(), Arc::clone(&refusals));
    let results = FlightServiceServer::new(results)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    let orders = ExecutorGrpcServer::new(Orders(Arc::clone(shared)));
    let token = services.access().token.clone();
    let shared = Arc::clone(shared);
    let calls = Routes::new(results).add_service(orders);
    let pages = vec![("/metrics", get(async move || shared.metrics()))];
    port::router(calls, pages, Guard { token, refusals })
}

/// Joins the cluster and works, and joins again whenever the connection to the scheduler is lost. Returns only if the
/// scheduler was not reached within `patience`.
async fn work(shared: &Shared, scheduler: &SchedulerAddress, patience: Duration) -> Error {
    let access = shared.membership.services.access();
    let begun = Instant::now();
    let mut was_joined = false;
    let mut is_told = false;
    loop {
        // A session has a secret of its own, which the scheduler learns when the executor joins.
        let secret = Secret::draw();
        let credentials = Credentials {
            secret: Some(secret.clone()),
            ..access.credentials()
        };
        let url = scheduler.url(access);
        let why = match connect(url, &credentials).await {
            Ok(channel) => {
                let session = Arc::new(shared.membership.begin(channel, secret));
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

async fn connect(url: String, credentials: &Credentials) -> std::result::Result<Channel, String> {
    let endpoint = Endpoint::from_shared(url).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(CONNECT_TIMEOUT)
        .keep_alive_while_idle(true);
    let endpoint = credentials
        .on(endpoint)
        .map_err(|error| error.to_string())?;
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
