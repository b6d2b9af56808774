//! The command `honeyguide`: it parses arguments, runs a command, prints the outcome and returns an exit status. All
//! other work is done by the library. The program and the Python package both call [`main`].

mod args;
mod cluster;
mod commands;
mod context;
pub mod environment;
mod escaping;
mod failure;
mod json;
mod memory;
mod progress;
mod render;
mod run;
mod sensing;
mod signals;

use std::ffi::OsString;

use clap::Parser;

/// Runs the command with these arguments, the first of which is the name of the program, and returns the exit status.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    memory::return_large_buffers();
    failure::hide_caught_panics();
    let args = match args::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Clap prints help and version on standard output, and errors on standard error.
            let _ = error.print();
            return if error.use_stderr() {
                failure::USAGE
            } else {
                0
            };
        }
    };
    match run::run(args) {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
