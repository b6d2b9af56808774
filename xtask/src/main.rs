//! The project's own tasks, run as `cargo xtask TASK` from anywhere in the checkout.

mod adbench;
mod arrows;
mod bench;
mod bpf;
mod browser;
mod command;
mod error;
mod features;
mod fuzz;
mod python;
mod servers;
mod stage;
mod statistics;
mod test;

use std::path::Path;
use std::process::ExitCode;

use crate::error::{Error, Result};

const USAGE: &str = "\
Usage: cargo xtask TASK

Tasks:
  test [ARG]...    Run every test, including the tests in a browser if npm and Chromium are installed, and those of the
                   Python package if Python 3.11 or newer is. With ARGs, run only `cargo test` and pass them to it
  python           Build the wheel of the Python package in a virtual environment and run its tests
  kills [N]        Kill nodes of a cluster N times (default: 200) while commands run on it, and compare their answers
  fuzz [TARGET]... [--seconds N] [--seed S]
                   Fuzz the TARGETs, or all, each for N seconds; without N, they share an hour. Every run makes
                   other random choices, unless S is given and is not 0
  arrows           Check that modules of a crate do not use one another in a circle
  bpf              Compile the part of the sensor that runs in the kernel, with Debian's clang-14, and record its hash
  stage DIR [--full] [--seconds N] [--honeyguide PROGRAM]
                   Play ordinary work and break-ins on hosts that are namespaces of this machine, for four minutes, an hour
                   (--full) or N seconds, and write labelled recordings of them to DIR. Needs root and the sensor
  adbench DIR      Compare the AUROC on the labelled sets in DIR with scikit-learn's; write docs/accuracy.md
  bench [--quick]  Compare the speed of forests and embeddings with Python libraries; write docs/benchmarks.md";

/// The number of kills without an argument.
const KILLS: u32 = 200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Cargo calls this program instead of the compiler while it compiles for fuzzing.
    let run = match std::env::var_os(fuzz::IS_COMPILER) {
        None => run,
        Some(_) => fuzz::compile,
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["test", arguments @ ..] => test::run(arguments),
        ["python"] => python::run(),
        ["kills"] => test::kill_nodes(KILLS),
        ["kills", number] => match number.parse() {
            Ok(number) if number > 0 => test::kill_nodes(number),
            _ => Err(Error::Usage(USAGE)),
        },
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["arrows"] => arrows::run(),
        ["bpf"] => bpf::build(),
        ["stage", arguments @ ..] => stage::run(arguments, USAGE),
        ["adbench", dir] => adbench::run(Path::new(dir)),
        ["bench"] => bench::run(bench::Extent::Full),
        ["bench", "--quick"] => bench::run(bench::Extent::Quick),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Error::Usage(USAGE)),
    }
}
