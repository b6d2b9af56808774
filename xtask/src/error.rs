//! The errors of tasks.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a task.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such task\n\n{0}")]
    Usage(&'static str),
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: io::Error },
    #[error("`{command}` failed: {status}")]
    Failed {
        command: String,
        status: std::process::ExitStatus,
    },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("`{command}` printed {what}: {line:?}")]
    Output {
        command: String,
        what: &'static str,
        line: String,
    },
    #[error("{path}, line {line}: {what}")]
    Line {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error(
        "the query engine would be compiled a second time, because tests turn on other features than `cargo run` or \
         the Python package:\n{0}\nAdd these features to the normal dependencies in crates/cli/Cargo.toml"
    )]
    Features(String),
    #[error(
        "modules use one another in a circle:\n\n{0}\nThe first lines of each circle are the direction with the fewest uses: \
         move what they name into a module that both sides may use"
    )]
    Circles(String),
    #[error("{0}: no file `sklearn_auroc*.csv`; bench/sklearn_auroc.py makes one")]
    NoReference(PathBuf),
    #[error("no fuzz target `{target}`; the targets are {known}")]
    NoTarget { target: String, known: String },
    #[error(
        "fuzzing found a fault in {0}; the inputs are below target/fuzz/faults. Once the fault is mended, add its input \
         to fuzz/corpus, so that the tests read it"
    )]
    Fuzzing(String),
    #[error("the Python package cannot be tested: {0}")]
    NoPython(String),
    #[error("the stage cannot be played: {0}")]
    Stage(String),
    #[error("no test ran")]
    NoTests,
    #[error("AUROC is more than two standard errors away from scikit-learn's on {0}")]
    Accuracy(String),
}

impl Error {
    /// Returns a function that makes an error of reading or writing `path`.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the exit status: 2 for a wrong call, 1 for a failed task.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::NoTarget { .. } => 2,
            _ => 1,
        }
    }
}
