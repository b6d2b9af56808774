//! Sets up threads and the engine, and runs one command.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use honeyguide::{Engine, Error, until_stopped};

use crate::args::{Args, Command};
use crate::cluster;
use crate::commands::{self, record};
use crate::context::Context;
use crate::failure::{Failure, Stop};
use crate::progress;
use crate::signals::stop_signal;

/// The time for which a run that ends waits for blocked threads.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the command that `args` ask for.
pub fn run(args: Args) -> Result<(), Failure> {
    // Threads inherit the capabilities of the one that starts them.
    let started = record::start(&args.command)?;
    let available = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = args.global.threads.unwrap_or(available);
    let no_threads = |error: &dyn std::fmt::Display| {
        Error::usage(format!("cannot start {threads} threads: {error}"))
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build_global()
        .map_err(|error| no_threads(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.get())
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| no_threads(&error))?;
    let cancelled = Arc::new(AtomicBool::new(false));
    // A node of a cluster handles the signal itself, to leave the cluster first, and so do a watch and a recording, which
    // have no other end.
    let handles_signals = matches!(
        args.command,
        Command::Cluster(_) | Command::Watch(_) | Command::Record(_)
    );
    let stopped = Arc::new(OnceLock::new());
    let result = runtime.block_on(async {
        tokio::spawn(exit_on_second_signal());
        let end_of_patience = note_signal(Arc::clone(&stopped));
        let work = work(args, started, threads, &cancelled);
        let work = async {
            match handles_signals {
                true => work.await,
                false => until_stopped(end_of_patience, work).await,
            }
        };
        tokio::select! {
            // The signal is polled first, so that its handler is installed before any file is created.
            biased;
            () = note_signal(Arc::clone(&stopped)), if !handles_signals => Ok(()),
            result = work => result,
        }
    });
    let stopped = stopped.get();
    cancelled.store(stopped.is_some(), Ordering::Relaxed);
    runtime.shutdown_timeout(PATIENCE);
    stopped.map_or(result, |stop| Err(Failure::Stopped(*stop)))
}

/// Waits for the first signal and stores it in `stopped`. Never returns if signals are not available.
async fn note_signal(stopped: Arc<OnceLock<Stop>>) {
    match stop_signal().await {
        Some(stop) => drop(stopped.set(stop)),
        None => std::future::pending().await,
    }
}

/// Runs the command with an engine on this machine or on a cluster.
async fn work(
    args: Args,
    started: Option<record::Started>,
    threads: NonZeroUsize,
    cancelled: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let Args { command, global } = args;
    let progress = progress::reporter(global.quiet);
    let on_cluster = command.on_cluster();
    let engine = match on_cluster.and_then(|options| Some((options.url()?, options))) {
        Some((url, options)) => cluster::engine(url, options, global.quiet, progress).await?,
        None => Engine::new(threads)?.with_progress(progress),
    };
    let context = Context::new(engine, global, Arc::clone(cancelled));
    commands::dispatch(&context, command, started).await
}

/// Exits at once at the second signal. After the first signal, the run still waits until a forest is fitted or a batch
/// is written.
async fn exit_on_second_signal() {
    stop_signal().await;
    if let Some(stop) = stop_signal().await {
        std::process::exit(i32::from(stop.exit_status()));
    }
}
