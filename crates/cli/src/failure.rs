//! The end of a failed run: a message, a hint, and an exit status.

use console::style;
use honeyguide::{Error, ErrorKind, Named};

/// The exit status of a job that failed.
const JOB: u8 = 1;
/// The exit status of a usage error.
pub const USAGE: u8 = 2;
/// The exit status after SIGINT: 128 + the signal, as in shells.
const INTERRUPTED: u8 = 130;
/// The exit status after SIGTERM: 128 + the signal.
const TERMINATED: u8 = 143;

/// The signal that asked a run to end.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM, as from `kill` or a service manager.
    Terminate,
}

impl Stop {
    /// Returns the exit status of a run that this signal ended.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Interrupt => INTERRUPTED,
            Self::Terminate => TERMINATED,
        }
    }
}

/// The reason why a run ended early.
pub enum Failure {
    /// An error with a message.
    Error(Error),
    /// The reader of standard output closed the pipe, which is no error.
    OutputClosed,
    /// A signal.
    Stopped(Stop),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Returns a parameter as the flag that gives it, and a command as it is typed.
pub fn written(named: Named) -> String {
    match named {
        Named::Parameter("by") => "--incident-by".into(),
        Named::Parameter("n_estimators") => "--trees".into(),
        Named::Parameter("max_samples") => "--samples".into(),
        Named::Parameter(name) => format!("--{}", name.replace('_', "-")),
        Named::Command(name) => format!("honeyguide {name}"),
    }
}

/// Prints nothing of panics that the library reports as errors.
pub fn hide_caught_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !honeyguide::panics_are_caught() {
            print(panic);
        }
    }));
}

impl Failure {
    /// Prints the message and returns the exit status.
    pub fn report(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Stopped(stop) => {
                eprintln!("interrupted; nothing was left half-written");
                stop.exit_status()
            }
            Self::Error(error) => {
                eprintln!(
                    "{} {}",
                    style("error:").for_stderr().red().bold(),
                    crate::render::printable(&error.message_as(written))
                );
                if let Some(hint) = error.hint_as(written) {
                    eprintln!(
                        "{} {}",
                        style(" help:").for_stderr().cyan().bold(),
                        crate::render::printable(&hint)
                    );
                }
                if error.kind() == ErrorKind::Usage {
                    USAGE
                } else {
                    JOB
                }
            }
        }
    }
}
