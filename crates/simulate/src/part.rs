//! What one host contributes to a split.

use super::scheduled::Chore;

/// One host's part in a split.
pub(super) struct Part {
    /// The host's IPv4 address.
    pub(super) address: [u8; 4],
    /// The host's place among those of its split.
    pub(super) place: u64,
    /// How many events the host records.
    pub(super) share: u64,
    /// The seconds between the first runs of a rare job on two neighbouring hosts.
    pub(super) stride: u64,
    /// The number of hosts after which the first runs of a rare job start over.
    pub(super) turns: u64,
    /// Whether the host runs a web server.
    pub(super) web: bool,
    /// Whether the host is broken into.
    pub(super) attacked: bool,
    /// The scheduled jobs of the host.
    pub(super) chores: &'static [Chore],
}
