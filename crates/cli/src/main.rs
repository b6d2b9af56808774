//! The program `honeyguide`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(honeyguide_cli::main(std::env::args_os()))
}
