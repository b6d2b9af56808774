//! Sets up threads and the engine, and runs one command.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use honeyguide::{Engine, Error, remove_leftovers, until_stopped};

use crate::args::{Args, Command};
use crate::cluster;
use crate::commands;
use crate::context::Context;
use crate::failure::{Failure, Stop};
use crate::progress;
use crate::sensing::{self, Started};
use crate::signals::stop_signal;

/// The time after a signal in which work ends in an orderly way. Work that still computes then is cut off.
const GRACE: Duration = Duration::from_millis(700);
/// The time for which a run that was stopped waits for blocked threads.
const PATIENCE: Duration = Duration::from_millis(200);
/// The time for which a run that has ended by itself waits for blocked threads.
const LONG_PATIENCE: Duration = Duration::from_secs(5);

/// The stack of a thread that plans or runs queries. The engine walks plans recursively, and its frames are large in a
/// development build.
const STACK_BYTES: usize = 32 << 20;

/// Runs the command that `args` ask for, on a thread with a large stack.
pub fn run(args: Args) -> Result<(), Failure> {
    // Threads inherit the capabilities of the one that starts them.
    let started = sensing::start(&args.command)?;
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let running = thread.spawn(move || run_here(args, started));
    let running =
        running.map_err(|error| Error::usage(format!("cannot start a thread: {error}")))?;
    running
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn run_here(args: Args, started: Option<Started>) -> Result<(), Failure> {
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
        .thread_stack_size(STACK_BYTES)
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
    let ending = Arc::new(AtomicBool::new(false));
    watch_signals(Arc::clone(&ending), handles_signals);
    let result = runtime.block_on(async {
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
    ending.store(true, Ordering::Relaxed);
    let stopped = stopped.get();
    cancelled.store(stopped.is_some(), Ordering::Relaxed);
    match stopped {
        Some(_) => {
            runtime.shutdown_timeout(PATIENCE);
            remove_leftovers();
        }
        None => runtime.shutdown_timeout(LONG_PATIENCE),
    }
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
    started: Option<Started>,
    threads: NonZeroUsize,
    cancelled: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let Args { command, global } = args;
    let progress = progress::reporter(global.quiet);
    let on_cluster = match command.on_cluster() {
        Some(options) => options.url()?.map(|url| (url, options)),
        None => None,
    };
    let engine = match on_cluster {
        Some((url, options)) => cluster::engine(url, options, global.quiet, progress).await?,
        None => Engine::new(threads)?.with_progress(progress),
    };
    let context = Context::new(engine, global, Arc::clone(cancelled));
    commands::dispatch(&context, command, started).await
}

/// Starts a thread that ends the process at the second signal, or a while after the first if the run does not end by
/// itself: a computation that holds its thread cannot be asked to stop. A command that handles signals takes its time.
///
/// The thread has a runtime of its own, since a computation may hold all threads of the other one.
fn watch_signals(ending: Arc<AtomicBool>, handles_signals: bool) {
    let watch = async move {
        let Some(first) = stop_signal().await else {
            return;
        };
        let second = stop_signal();
        let hurry = async {
            tokio::time::sleep(GRACE).await;
            if handles_signals || ending.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            second = second => {
                if let Some(second) = second {
                    std::process::exit(i32::from(second.exit_status()));
                }
            }
            () = hurry => {
                remove_leftovers();
                let _ = Failure::Stopped(first).report();
                std::process::exit(i32::from(first.exit_status()));
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        std::thread::spawn(move || runtime.block_on(watch));
    }
}
