//! The contribution of one host to a split.

use super::scheduled::Chore;

/// A way to break into a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Passwords are guessed, and a scanner is installed.
    Scanner,
    /// A stolen key is used to read files and send them out.
    Exfiltration,
    /// Commands are run through the web server.
    WebShell,
}

/// The contribution of one host to a split.
pub(super) struct Part {
    /// The host's IPv4 address.
    pub(super) address: [u8; 4],
    /// The position of the host among those of its split, counted from 0.
    pub(super) place: u64,
    /// The number of the host's stream of random numbers.
    pub(super) stream: u64,
    /// The number of events that the host records. On a host that records for a time, the number of events of a break-in
    /// with a scanner.
    pub(super) share: u64,
    /// The time that the host records, in microseconds, if its recording does not end with its share.
    pub(super) time: Option<u64>,
    /// The time between the first runs of a rare job on two neighbouring hosts, in seconds.
    pub(super) stride: u64,
    /// The number of hosts after which the times of the first runs of a rare job repeat.
    pub(super) turns: u64,
    /// Whether the host runs a web server.
    pub(super) web: bool,
    /// The way in which the host is broken into, if it is.
    pub(super) break_in: Option<Way>,
    /// The scheduled jobs of the host.
    pub(super) chores: &'static [Chore],
}
