//! Compilation with the instrumentation that libFuzzer is guided by.
//!
//! The instrumentation is LLVM's SanitizerCoverage, which a stable compiler has as well. It is only in the workspace's own
//! packages: cargo calls this program instead of the compiler for these, and all others are those of the ordinary build.

use std::process::Command;

use crate::command::run;
use crate::error::{Error, Result};

/// The environment variable that says that this program is called instead of the compiler.
pub const IS_COMPILER: &str = "HONEYGUIDE_FUZZ_COMPILER";

/// What is added to the arguments of the compiler: counters of edges, a table of them, and calls at comparisons.
const INSTRUMENTATION: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Has `cargo` call this program instead of the compiler.
///
/// # Errors
/// The path of this program is unknown.
pub fn set(cargo: &mut Command) -> Result<()> {
    let this = std::env::current_exe().map_err(Error::file("xtask".as_ref()))?;
    cargo
        .env("RUSTC_WORKSPACE_WRAPPER", this)
        .env(IS_COMPILER, "1");
    Ok(())
}

/// Calls the compiler with the arguments that cargo has for it, and with the instrumentation.
///
/// # Errors
/// The compiler fails.
pub fn compile(arguments: &[&str]) -> Result<()> {
    let [compiler, arguments @ ..] = arguments else {
        return Err(Error::Usage(super::super::USAGE));
    };
    let mut compiler = Command::new(compiler);
    compiler.args(arguments);
    if is_compilation(arguments) {
        compiler.args(INSTRUMENTATION);
    }
    run(&mut compiler)
}

/// Returns whether these are the arguments for a crate. Cargo also asks for the compiler's version and settings.
fn is_compilation(arguments: &[&str]) -> bool {
    let name = arguments
        .iter()
        .position(|argument| *argument == "--crate-name");
    name.is_some_and(|at| arguments.get(at + 1) != Some(&"___"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crates_are_instrumented() {
        assert!(is_compilation(&[
            "--crate-name",
            "honeyguide",
            "src/lib.rs"
        ]));
        assert!(!is_compilation(&["-vV"]));
        assert!(!is_compilation(&[
            "-",
            "--crate-name",
            "___",
            "--print=file-names"
        ]));
    }
}
