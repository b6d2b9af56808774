//! Fuzzing of the parsers, with libFuzzer.
//!
//! The targets are in `honeyguide::fuzzing`, and each has a folder of inputs in `fuzz/corpus`. Inputs that are found are
//! kept in cargo's target folder, so that a later run goes on from there.

mod compiler;
mod outcome;

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::command::{build_with, cargo, command, root, shown, target_dir};
use crate::error::{Error, Result};
use crate::features;
use outcome::Outcome;

pub use compiler::{IS_COMPILER, compile};

/// The time for all targets together where the call names none.
const ALL: Duration = Duration::from_secs(3600);
/// The size of the largest input, in bytes. Longer ones take more time and rarely find more.
const MAX_INPUT_BYTES: u32 = 4096;
/// The longest time that one input may take, in seconds.
const INPUT_SECONDS: u32 = 20;
/// The most memory that a target may take, in MiB.
const MEMORY_MIB: u32 = 3072;

/// Runs `cargo xtask fuzz [TARGET]... [--seconds N] [--seed S]`.
///
/// # Errors
/// The arguments name an unknown target, the targets do not compile, or an input is found at which one panics.
pub fn run(arguments: &[&str]) -> Result<()> {
    let Call {
        targets,
        seconds,
        seed,
    } = Call::parse(arguments)?;
    let program = program()?;
    let folder = target_dir("fuzz")?;
    let at_once = thread::available_parallelism().map_or(1, NonZero::get);
    let seconds = seconds.unwrap_or_else(|| share(targets.len(), at_once));
    println!(
        "{} targets for {seconds} seconds each, {at_once} at a time",
        targets.len()
    );
    let waiting = Mutex::new(targets.into_iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(target) = next(&waiting) {
                let outcome = fuzz(&program, &folder, &target, seconds, seed)?;
                println!("{target:10} {outcome}");
                if !outcome.passed {
                    failed.lock().expect("no thread panics").push(target);
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let mut ends = threads.into_iter().map(|thread| thread.join());
        ends.try_for_each(|end| end.expect("no thread panics"))
    })?;
    let failed = failed.into_inner().expect("no thread panics");
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::Fuzzing(failed.join(", "))),
    }
}

fn next(waiting: &Mutex<std::vec::IntoIter<String>>) -> Option<String> {
    waiting.lock().expect("no thread panics").next()
}

/// Returns how many seconds each target has when all share [`ALL`].
fn share(targets: usize, at_once: usize) -> u64 {
    ALL.as_secs() / targets.div_ceil(at_once).max(1) as u64
}

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
struct Call {
    targets: Vec<String>,
    /// The time for each target.
    seconds: Option<u64>,
    /// The seed of libFuzzer's random choices; 0 for another one in every run.
    seed: u32,
}

impl Call {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let known = known_targets()?;
        let mut targets = Vec::new();
        let mut seconds = None;
        let mut seed = 0;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if *argument == "--seconds" {
                let given = arguments.next().and_then(|text| text.parse().ok());
                let given = given.filter(|seconds| *seconds > 0);
                seconds = Some(given.ok_or(Error::Usage(super::USAGE))?);
            } else if *argument == "--seed" {
                let given = arguments.next().and_then(|text| text.parse().ok());
                seed = given.ok_or(Error::Usage(super::USAGE))?;
            } else if known.iter().any(|target| target == argument) {
                targets.push((*argument).to_owned());
            } else {
                return Err(Error::NoTarget {
                    target: (*argument).to_owned(),
                    known: known.join(", "),
                });
            }
        }
        if targets.is_empty() {
            targets = known;
        }
        Ok(Self {
            targets,
            seconds,
            seed,
        })
    }
}

/// Returns the names of the targets, which are those of the folders of their inputs.
fn known_targets() -> Result<Vec<String>> {
    let corpus = corpus();
    let mut names = Vec::new();
    for entry in fs::read_dir(&corpus).map_err(Error::file(&corpus))? {
        let entry = entry.map_err(Error::file(&corpus))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn corpus() -> PathBuf {
    root().join("fuzz/corpus")
}

/// Compiles the program of the targets. Only the workspace's own packages are compiled anew.
fn program() -> Result<PathBuf> {
    let features = format!("{},honeyguide-fuzz/libfuzzer", features::CLUSTER);
    let mut cargo = cargo(["build"]);
    cargo.args([
        "--workspace",
        "--bin",
        "honeyguide-fuzz",
        "--features",
        &features,
    ]);
    compiler::set(&mut cargo)?;
    build_with(&mut cargo)
}

/// Runs one target for a number of seconds. Its messages go to a file in `folder`.
fn fuzz(program: &Path, folder: &Path, target: &str, seconds: u64, seed: u32) -> Result<Outcome> {
    let [found, faults] = ["found", "faults"].map(|name| folder.join(name).join(target));
    for folder in [&found, &faults] {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    let log = folder.join(format!("{target}.log"));
    let mut fuzzer = command(program, [format!("--target={target}")]);
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-seed={seed}"))
        .arg(format!("-max_len={MAX_INPUT_BYTES}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", faults.display()))
        .arg("-print_final_stats=1");
    let words = root().join("fuzz/words").join(target);
    if words.is_file() {
        fuzzer.arg(format!("-dict={}", words.display()));
    }
    // libFuzzer writes to the first folder and only reads the second.
    fuzzer.arg(&found).arg(corpus().join(target));
    let passed = run_to_end(&mut fuzzer, &log)?;
    let text = fs::read(&log).map_err(Error::file(&log))?;
    let text = String::from_utf8_lossy(&text);
    Ok(Outcome::read(&text, passed, log))
}

fn run_to_end(fuzzer: &mut Command, log: &Path) -> Result<bool> {
    let file = File::create(log).map_err(Error::file(log))?;
    let same = file.try_clone().map_err(Error::file(log))?;
    fuzzer.stdin(Stdio::null()).stdout(file).stderr(same);
    let status = fuzzer.status().map_err(|source| Error::Start {
        command: shown(fuzzer),
        source,
    })?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_share_an_hour() {
        assert_eq!(share(10, 2), 720);
        assert_eq!(share(11, 2), 600);
        assert_eq!(share(1, 2), 3600);
    }

    #[test]
    fn a_call_names_targets_and_the_time_of_each() {
        let call = Call::parse(&["csv", "--seconds", "60", "json"]).unwrap();
        assert_eq!(call.targets, ["csv", "json"]);
        assert_eq!((call.seconds, call.seed), (Some(60), 0));
        assert_eq!(Call::parse(&["--seed", "7"]).unwrap().seed, 7);
        assert_eq!(Call::parse(&[]).unwrap().targets, known_targets().unwrap());
        for wrong in [
            ["--seconds", "0"],
            ["--seconds", "x"],
            ["csv", "--seconds"],
            ["--seed", "-1"],
        ] {
            assert!(
                matches!(Call::parse(&wrong), Err(Error::Usage(_))),
                "{wrong:?}"
            );
        }
        let error = Call::parse(&["cvs"]).unwrap_err();
        assert!(error.to_string().contains("csv"), "{error}");
    }
}
