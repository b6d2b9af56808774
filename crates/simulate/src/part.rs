//! The contribution of one host to a split.

use super::scheduled::Chore;

/// The contribution of one host to a split.
pub(super) struct Part {
    /// The host's IPv4 address.
    pub(super) address: [u8; 4],
    /// The position of the host among those of its split, counted from 0.
    pub(super) place: u64,
    /// The number of events that the host records.
    pub(super) share: u64,
    /// The time between the first runs of a rare job on two neighbouring hosts, in seconds.
    pub(super) stride: u64,
    /// The number of hosts after which the times of the first runs of a rare job repeat.
    pub(super) turns: u64,
    /// Whether the host runs a web server.
    pub(super) web: bool,
    /// Whether the host is broken into.
    pub(super) attacked: bool,
    /// The scheduled jobs of the host.
    pub(super) chores: &'static [Chore],
}
