//! How a failed run ends: a message, what to do next, and an exit status.

use std::process::ExitCode;

use console::style;
use honeyguide::{Error, ErrorKind};

/// The job failed.
const JOB: u8 = 1;
/// The call cannot work.
pub const USAGE: u8 = 2;
/// 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;
/// 128 + SIGTERM.
const TERMINATED: u8 = 143;

/// What asks a run to end.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, or a service manager.
    Terminate,
}

impl Stop {
    /// The exit status of a run that was ended so.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Interrupt => INTERRUPTED,
            Self::Terminate => TERMINATED,
        }
    }
}

/// Why a run ended early.
pub enum Failure {
    /// With a message.
    Error(Error),
    /// Whoever reads our output has seen enough.
    OutputClosed,
    /// Somebody asked for it.
    Stopped(Stop),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// Prints the message and gives the exit status.
    pub fn report(self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Stopped(stop) => {
                eprintln!("interrupted; nothing was left half-written");
                ExitCode::from(stop.exit_status())
            }
            Self::Error(error) => {
                eprintln!(
                    "{} {}",
                    style("error:").for_stderr().red().bold(),
                    crate::render::printable_lines(&error.to_string())
                );
                if let Some(hint) = error.hint_text() {
                    eprintln!(
                        "{} {}",
                        style(" help:").for_stderr().cyan().bold(),
                        crate::render::printable_lines(hint)
                    );
                }
                ExitCode::from(if error.kind() == ErrorKind::Usage {
                    USAGE
                } else {
                    JOB
                })
            }
        }
    }
}
