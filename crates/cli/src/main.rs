//! The command `honeyguide`: it parses arguments, runs a command, prints the outcome and returns an exit status. All
//! other work is done by the library.

mod args;
mod cluster;
mod commands;
mod context;
mod environment;
mod escaping;
mod failure;
mod json;
mod memory;
mod progress;
mod render;
mod run;
mod signals;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    memory::return_large_buffers();
    failure::hide_caught_panics();
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Clap prints help and version on standard output, and errors on standard error.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(failure::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
