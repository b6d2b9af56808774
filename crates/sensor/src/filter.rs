//! Which events are recorded.

use std::path::PathBuf;

/// The events that the kernel part records. Filters that are given must all hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only events of processes in this cgroup and those below it: the path of a folder, or the path below the root of
    /// the cgroups.
    pub cgroup: Option<PathBuf>,
    /// Only events of this container: its identifier, or the first characters of it.
    pub container: Option<String>,
    /// Only events of processes in this mount namespace: the number in `/proc/PID/ns/mnt`.
    pub mount_namespace: Option<u32>,
    /// Only events of processes of this real user.
    pub user: Option<u32>,
}
