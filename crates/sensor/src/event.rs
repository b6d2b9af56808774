//! Events, as a reader of the sensor gets them.

/// An event in the columns of BETH, with what tells processes and containers apart.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// The time since boot, in nanoseconds.
    pub time: u64,
    /// The process, in the numbers of the host.
    pub process: u32,
    /// The thread, in the numbers of the host.
    pub thread: u32,
    /// The parent process, in the numbers of the host.
    pub parent: u32,
    /// The real user, in the numbers of the host.
    pub user: u32,
    /// The mount namespace.
    pub mount_namespace: u32,
    /// The name that the kernel keeps of the thread. Bytes that are not UTF-8 are U+FFFD.
    pub process_name: &'e str,
    /// The host name in the namespace of the process. Bytes that are not UTF-8 are U+FFFD.
    pub host_name: &'e str,
    /// BETH's number of the event.
    pub id: i64,
    /// BETH's name of the event.
    pub name: &'e str,
    /// BETH's number of arguments of the event.
    pub arguments_number: i64,
    /// What the call returned: a negative error number if it failed.
    pub returned: i64,
    /// The arguments, as a Python list of dictionaries.
    pub arguments: &'e str,
    /// The system call's own name; `None` of an event that is no system call.
    pub system_call: Option<&'e str>,
    /// The start of the process, in nanoseconds since boot. With the process it tells apart processes that had the same
    /// number one after the other.
    pub process_start: u64,
    /// The path of the program that the process runs, as seen from outside of containers; `None` if it is not known.
    pub executable: Option<&'e str>,
    /// The path of the process's cgroup below the root of the cgroups; `None` if it is not known.
    pub cgroup: Option<&'e str>,
    /// The identifier of the container, which runtimes write into the name of the cgroup.
    pub container: Option<&'e str>,
}

/// The name of the event that stands for lost ones.
pub const LOST_EVENTS: &str = "lost_events";
/// The number of the event that stands for lost ones, beyond those of all others.
pub const LOST_EVENTS_ID: i64 = 200_001;

/// What the sensor counted on one processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of events that happened while the sensor was recording.
    pub emitted: u64,
    /// The number of events that did not fit into the ring buffer.
    pub lost: u64,
    /// The number of texts that were longer than 4,095 bytes and were cut.
    pub cut_texts: u64,
}
