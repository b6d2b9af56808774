//! An eBPF sensor that records the kernel calls of a Linux host as the BETH data set has them (Highnam et al. 2021).
//!
//! [`Sensor::start`] loads a program into the kernel that writes a record for each traced call into a ring buffer, and
//! [`Sensor::read`] hands out what has arrived as [`Event`]s. The program never blocks the host: an event for which the
//! ring buffer has no room is lost and counted. The events that happened are those that were read and those that were
//! lost ([`Sensor::finish`]).
//!
//! The program is compiled from `bpf/sensor.bpf.c` by `cargo xtask bpf`, and the compiled object is part of this crate. It
//! runs on Linux on x86-64 with BTF, from 5.17 on. On other machines `start` fails with an error that says so.

mod event;

pub use event::{Counts, Event, LOST_EVENTS, LOST_EVENTS_ID};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod arguments;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod calls;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod decode;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod flags;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod privileges;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod raw;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod sensor;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "unsupported.rs"]
mod sensor;

mod filter;

pub use filter::Filter;
pub use sensor::Sensor;

/// An error of the sensor: what failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SensorError {
    message: String,
    hint: Option<String>,
}

impl SensorError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what to do about the error, if there is something to do.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The result of an operation of the sensor.
pub type Result<T> = std::result::Result<T, SensorError>;
