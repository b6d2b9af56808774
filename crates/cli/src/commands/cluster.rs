//! `honeyguide cluster`: runs this program as a node of a cluster.

use crate::args::Cluster;
use crate::context::Context;
use crate::failure::Failure;

#[cfg(feature = "cluster")]
pub use with::run;

/// Fails with a hint on how to build a program that can be a node.
#[cfg(not(feature = "cluster"))]
pub async fn run(_: &Context, _: Cluster) -> Result<(), Failure> {
    Err(crate::cluster::without("honeyguide cluster").into())
}

#[cfg(feature = "cluster")]
mod with {
    use std::future::pending;
    use std::net::SocketAddr;
    use std::num::NonZeroUsize;
    use std::thread::available_parallelism;
    use std::time::Duration;

    use honeyguide_cluster::{
        Executor, ExecutorSettings, NodeServices, Scheduler, SchedulerSettings,
    };
    use log::LevelFilter;

    use super::{Cluster, Context, Failure};
    use crate::args::cluster::{self, Access, Node};
    use crate::signals::stop_signal;

    /// Runs a scheduler or an executor until SIGINT or SIGTERM.
    pub async fn run(context: &Context, args: Cluster) -> Result<(), Failure> {
        log_to_standard_error(context);
        let (Node::Scheduler(cluster::Scheduler { access, .. })
        | Node::Executor(cluster::Executor { access, .. })) = &args.node;
        let access = crate::cluster::access(access.token_file.as_deref(), &access.tls)?;
        let services = NodeServices::new(&context.global().storage()?, access);
        match args.node {
            Node::Scheduler(args) => scheduler(args, services).await,
            Node::Executor(args) => executor(context, args, services).await,
        }
    }

    async fn scheduler(args: cluster::Scheduler, services: NodeServices) -> Result<(), Failure> {
        let settings = SchedulerSettings {
            bind: args.bind,
            executor_timeout: Duration::from_secs(args.executor_timeout),
            check_every: Duration::from_secs(args.check_every),
            keep_results: Duration::from_secs(args.keep_results),
            insecure: args.access.insecure,
        };
        let stop = stop();
        let scheduler = Scheduler::bind(&settings, services).await?;
        announce("scheduler", scheduler.address(), &args.access);
        Ok(scheduler.serve(stop).await?)
    }

    async fn executor(
        context: &Context,
        args: cluster::Executor,
        services: NodeServices,
    ) -> Result<(), Failure> {
        let threads = context.global().threads;
        let slots = args.slots.or(threads);
        let slots = slots.unwrap_or_else(|| available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let settings = ExecutorSettings {
            scheduler: args.scheduler.parse()?,
            bind: args.bind,
            advertise: args.advertise,
            work_dir: args.work_dir,
            slots: slots.get(),
            memory: args.memory,
            patience: Duration::from_secs(args.patience),
            insecure: args.access.insecure,
        };
        let stop = stop();
        let executor = Executor::bind(settings, services).await?;
        announce("executor", executor.address(), &args.access);
        Ok(executor.serve(stop).await?)
    }

    /// Waits for SIGINT or SIGTERM, starting at the call.
    fn stop() -> impl Future<Output = ()> {
        let signal = stop_signal();
        async {
            if signal.await.is_none() {
                pending().await
            }
        }
    }

    /// Prints the address, which scripts wait for, and a warning if strangers can use it.
    fn announce(node: &str, address: SocketAddr, access: &Access) {
        eprintln!("{node} listening on {address}");
        if !address.ip().is_loopback() && access.tls.tls_cert.is_none() {
            let why = match access.insecure {
                true => "it asks nobody for a token",
                false => "its traffic is not encrypted",
            };
            log::warn!(
                "other machines can reach this port, and {why}: keep it in a private network"
            );
        }
    }

    /// Logs our own messages, and only warnings and errors of dependencies, because these log whole queries with their
    /// values. The variable `RUST_LOG` overrides this.
    fn log_to_standard_error(context: &Context) {
        let global = context.global();
        let (ours, theirs) = match (global.quiet, global.verbose) {
            (true, _) => (LevelFilter::Error, LevelFilter::Error),
            (_, true) => (LevelFilter::Debug, LevelFilter::Warn),
            _ => (LevelFilter::Info, LevelFilter::Warn),
        };
        env_logger::Builder::new()
            .filter_level(theirs)
            // Its loop logs each failed call; we log the failure once.
            .filter_module("ballista_executor::execution_loop", LevelFilter::Error)
            .filter_module("honeyguide", ours)
            .parse_default_env()
            .init();
    }
}
