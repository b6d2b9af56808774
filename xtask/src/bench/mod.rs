//! Times forests and embeddings beside their peers in Python, pair by pair, and writes the table.
//!
//! Ours and the peer run in turn, each in a process of its own, so that what else the machine does meets both. A run
//! counts with the median of its repetitions, a pair with the median of its rounds' ratios.

mod machine;
mod pairs;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{build, command, output, root, run as run_command, shown, target_dir};
use crate::error::{Error, Result};
use crate::statistics::median;

use machine::Machine;
use pairs::{Data, PAIRS, Pair, Program, Subject, Time, Work};
use report::report;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// Everything, for the page in docs.
    Full,
    /// A tenth of the rows and one round, to see that everything runs.
    Quick,
}

/// `cargo xtask bench`.
///
/// # Errors
/// When a program is missing or fails. A goal that is missed is a result.
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
    fs::write(&page, report(&results, &machine, extent)).map_err(Error::file(&page))?;
    println!("wrote {}", page.display());
    Ok(())
}

/// A pair with what its rounds measured.
struct PairResult {
    pair: &'static Pair,
    rounds: Vec<Round>,
}

/// One run of ours and one of the peer, one after the other; nanoseconds per row, or of the whole work.
#[derive(Debug, Clone, Copy)]
struct Round {
    ours: f64,
    peer: f64,
}

/// What the pairs run, and the folder with their data.
struct Programs {
    dir: PathBuf,
    /// The program of each subject.
    ours: Vec<(Subject, PathBuf)>,
    python: PathBuf,
}

impl Programs {
    /// Builds ours, makes the Python environment and writes the data, as far as they are not there.
    fn prepare() -> Result<Self> {
        let dir = target_dir("bench")?;
        let ours = Subject::ALL.into_iter().map(|subject| {
            let package = ["--release", "--package", "honeyguide-learn"];
            let example = ["--example", subject.example()];
            Ok((subject, build(&[&package[..], &example].concat())?))
        });
        let ours = ours.collect::<Result<_>>()?;
        let python = python(&dir.join("venv"))?;
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

    fn round(&self, pair: &Pair, extent: Extent) -> Result<Round> {
        Ok(Round {
            ours: self.time(&pair.ours, pair.time, extent)?,
            peer: self.time(&pair.peer, pair.time, extent)?,
        })
    }

    /// The median over the repetitions of one run.
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

    fn process(&self, work: &Work, extent: Extent) -> Command {
        let subject = work.data.subject();
        let mut process = match work.program {
            Program::Ours => command(self.program_of(subject), [work.name]),
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
        if work.program == Program::Ours {
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

/// The Python of the environment in `venv`, with the versions that `bench/requirements.txt` pins.
fn python(venv: &Path) -> Result<PathBuf> {
    let python = venv.join("bin/python");
    if !python.exists() {
        run_command(command("python3", ["-m", "venv"]).arg(venv))?;
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    run_command(command(&python, pip).args(["--requirement", "bench/requirements.txt"]))?;
    Ok(python)
}
