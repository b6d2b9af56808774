//! Compares the speed of forests and embeddings with that of Python libraries, and writes `docs/benchmarks.md`.
//!
//! Our program and the peer's run alternately, each in its own process, so that other load on the machine affects both.
//! The result of a run is the median of its repetitions. The result of a pair is the median of the ratios of its rounds.

mod machine;
mod pairs;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{build, command, output, root, run as run_command, shown, target_dir};
use crate::error::{Error, Result};
use crate::python::Venv;
use crate::statistics::median;

use machine::Machine;
use pairs::{Data, PAIRS, Pair, Program, Subject, Time, Work};
use report::report;

/// The extent of a benchmark run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// All rows and rounds, for the page in `docs`.
    Full,
    /// A tenth of the rows and one round, to check that everything runs.
    Quick,
}

/// Runs `cargo xtask bench`.
///
/// # Errors
/// A program is missing or fails, or a file cannot be written. A missed goal is not an error.
pub fn run(extent: Extent) -> Result<()> {
    let programs = Programs::prepare()?;
    let machine = Machine::look(&programs.python)?;
    let mut results = Vec::new();
    for pair in PAIRS {
        println!("{}", pair.name);
        let rounds = match extent {
            Extent::Full => pair.rounds,
            Extent::Quick => 1,
        };
        let rounds = (0..rounds).map(|_| programs.round(pair, extent));
        let result = PairResult {
            pair,
            rounds: rounds.collect::<Result<_>>()?,
        };
        println!("{}", report::row(&result, machine.is_quiet()));
        results.push(result);
    }
    let page = match extent {
        Extent::Full => root().join("docs/benchmarks.md"),
        Extent::Quick => programs.dir.join("benchmarks.md"),
    };
    let before = fs::read_to_string(root().join("docs/benchmarks.md")).unwrap_or_default();
    let text = report(&results, &machine, extent) + report::live_section(&before);
    fs::write(&page, text).map_err(Error::file(&page))?;
    println!("wrote {}", page.display());
    Ok(())
}

/// A pair with the measurements of its rounds.
struct PairResult {
    pair: &'static Pair,
    rounds: Vec<Round>,
}

/// The times of one run of our program and one of the peer's, in nanoseconds per row or for all rows.
#[derive(Debug, Clone, Copy)]
struct Round {
    ours: f64,
    peer: f64,
}

/// The programs that the benchmarks run.
struct Programs {
    /// The folder for data and results.
    dir: PathBuf,
    /// Our program for each subject.
    ours: Vec<(Subject, PathBuf)>,
    /// The Python that has the peers.
    python: PathBuf,
}

impl Programs {
    /// Builds our programs, and creates the Python environment and the data if they do not exist.
    fn prepare() -> Result<Self> {
        let dir = target_dir("bench")?;
        let ours = Subject::ALL.into_iter().map(|subject| {
            let package = ["--release", "--package", "honeyguide-learn"];
            let example = ["--example", subject.example()];
            Ok((subject, build(&[&package[..], &example].concat())?))
        });
        let ours = ours.collect::<Result<_>>()?;
        let python = python(&dir)?;
        let data = dir.join("data");
        if Data::ALL
            .into_iter()
            .any(|rows| !data.join(rows.file()).exists())
        {
            fs::create_dir_all(&data).map_err(Error::file(&data))?;
            run_command(command(&python, ["bench/data.py"]).arg(&data))?;
        }
        Ok(Self { dir, ours, python })
    }

    /// Times our program and then the peer's.
    fn round(&self, pair: &Pair, extent: Extent) -> Result<Round> {
        Ok(Round {
            ours: self.time(&pair.ours, pair.time, extent)?,
            peer: self.time(&pair.peer, pair.time, extent)?,
        })
    }

    /// Runs a program once and returns the median time of its repetitions.
    fn time(&self, work: &Work, time: Time, extent: Extent) -> Result<f64> {
        let mut process = self.process(work, extent);
        let text = output(&mut process)?;
        let times: Option<Vec<_>> = text.lines().map(|line| time.read(line)).collect();
        match times {
            Some(times) if !times.is_empty() => Ok(median(&times)),
            _ => Err(Error::Output {
                command: shown(&process),
                what: "no times",
                line: text,
            }),
        }
    }

    /// Returns the command that does `work`.
    fn process(&self, work: &Work, extent: Extent) -> Command {
        let subject = work.data.subject();
        let mut process = match work.program {
            Program::Ours => command(self.program_of(subject), [work.name]),
            Program::Package => command(&self.python, ["bench/package.py", work.name]),
            Program::Peer => command(&self.python, [subject.script(), work.name]),
        };
        let data = self.dir.join("data");
        let file = data.join(work.data.file());
        process.arg("--file").arg(&file);
        if let Some(new) = work.data.new_file() {
            process.arg("--new").arg(data.join(new));
        }
        process.args(["--features", &work.data.features().to_string()]);
        process.args(["--repeat", &work.repeat.to_string()]);
        if let Some(rows) = work.rows(extent) {
            process.args(["--rows", &rows.to_string()]);
        }
        if work.program != Program::Peer {
            process.args(["--threads", &work.threads.to_string()]);
        }
        if (work.program, subject) == (Program::Ours, Subject::Forest) {
            process.arg("--fit-file").arg(&file);
        }
        process
    }

    fn program_of(&self, subject: Subject) -> &Path {
        let found = self.ours.iter().find(|ours| ours.0 == subject);
        &found.expect("a program was built for every subject").1
    }
}

/// Returns the Python of a virtual environment in `dir` with what `bench/requirements.txt` pins, and with the estimators of
/// our package in the release profile.
fn python(dir: &Path) -> Result<PathBuf> {
    let venv = Venv::with(dir.join("venv"), "bench/requirements.txt")?;
    let release = ["--release", "--no-default-features"];
    let wheel = venv.wheel(&dir.join("wheels"), &dir.join("target"), &release)?;
    venv.install_wheel(&wheel)?;
    Ok(venv.program("python"))
}
