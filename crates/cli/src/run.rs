//! Sets up threads and the engine, and runs one command.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::{Engine, Error};

use crate::args::Args;
use crate::commands;
use crate::context::Context;
use crate::failure::{Failure, INTERRUPTED};
use crate::progress;

/// Runs the command that `args` ask for.
pub fn run(args: Args) -> Result<(), Failure> {
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
    let engine = Engine::new(threads, progress::reporter(args.global.quiet))?;
    let context = Context::new(engine, args.global, Arc::clone(&cancelled));
    runtime.block_on(async {
        tokio::spawn(exit_on_second_interrupt());
        tokio::select! {
            // Polled first, so that the signal is caught before any file is begun.
            biased;
            _ = tokio::signal::ctrl_c() => {
                cancelled.store(true, Ordering::Relaxed);
                Err(Failure::Interrupted)
            }
            result = commands::dispatch(&context, args.command) => result,
        }
    })
}

/// The first Ctrl-C waits until a forest is fitted or a batch is written; whoever presses it again does not want to wait.
async fn exit_on_second_interrupt() {
    for _ in 0..2 {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
    }
    std::process::exit(i32::from(INTERRUPTED));
}
