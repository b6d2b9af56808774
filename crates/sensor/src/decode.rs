//! From records of the kernel part to events.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::arguments::ArgumentList;
use crate::calls::{CALLS, Call, FSTAT, Kind, TABLE};
use crate::event::{Event, LOST_EVENTS, LOST_EVENTS_ID};
use crate::flags;
use crate::raw::{RawRecord, Record, TextKind};

/// The largest number of processes whose program and cgroup are kept. Beyond it they are all forgotten, and the events
/// of processes that the kernel part does not introduce again have none.
const MAX_PROCESSES: usize = 1 << 17;
/// The bits of a device number that hold the minor number: `include/linux/kdev_t.h`.
const MINOR_BITS: u32 = 20;

/// A decoder of records.
pub(crate) struct Decoder {
    calls: Vec<Option<&'static Call>>,
    processes: HashMap<(u32, u64), Process>,
    /// The number of lost events that each processor has reported.
    lost: Vec<u64>,
    text: String,
}

/// What is kept of a process.
#[derive(Default)]
struct Process {
    executable: Option<Arc<str>>,
    cgroup: Option<Arc<str>>,
    container: Option<Arc<str>>,
}

impl Decoder {
    pub fn new() -> Self {
        let mut calls = vec![None; 2 * CALLS as usize];
        for call in TABLE {
            calls[call.number as usize] = Some(call);
            if call.compat < CALLS {
                calls[(CALLS + call.compat) as usize] = Some(call);
            }
        }
        Self {
            calls,
            processes: HashMap::new(),
            lost: Vec::new(),
            text: String::new(),
        }
    }

    /// Decodes a record and hands the events that it tells of to `take`. Returns the number of events of the record
    /// itself, 0 or 1; an event that stands for lost ones is not among them.
    pub fn decode(&mut self, bytes: &[u8], take: &mut impl FnMut(&Event<'_>)) -> u64 {
        let Some(raw) = RawRecord::parse(bytes) else {
            return 0;
        };
        if raw.record == Record::Process {
            self.introduce(&raw);
            return 0;
        }
        self.report_lost(&raw, take);
        let key = (raw.process, raw.start);
        let mut arguments = std::mem::take(&mut self.text);
        let (name, host) = (lossy(raw.name), lossy(raw.host));
        let (event, system_call) = self.event_of(&raw, &mut arguments);
        let process = self.processes.get(&key);
        let (id, event_name, arguments_number) = event;
        take(&Event {
            time: raw.time,
            process: raw.process,
            thread: raw.thread,
            parent: raw.parent,
            user: raw.user,
            mount_namespace: raw.mounts,
            process_name: &name,
            host_name: &host,
            id,
            name: event_name,
            arguments_number,
            returned: raw.returned,
            arguments: &arguments,
            system_call,
            process_start: raw.start,
            executable: process.and_then(|process| process.executable.as_deref()),
            cgroup: process.and_then(|process| process.cgroup.as_deref()),
            container: process.and_then(|process| process.container.as_deref()),
        });
        self.text = arguments;
        if raw.record == Record::Exit && raw.arguments[1] != 0 {
            self.processes.remove(&key);
        }
        1
    }

    /// Hands out an event that stands for `lost` events of a processor, unless there are none that it has not reported.
    pub fn report(
        &mut self,
        processor: usize,
        lost: u64,
        (time, host): (u64, &str),
        take: &mut impl FnMut(&Event<'_>),
    ) {
        if self.lost.len() <= processor {
            self.lost.resize(processor + 1, 0);
        }
        let new = lost.saturating_sub(self.lost[processor]);
        if new == 0 {
            return;
        }
        self.lost[processor] = lost;
        let mut list = ArgumentList::begin(&mut self.text);
        list.number("lost", "unsigned long", new);
        list.number("cpu", "unsigned int", processor);
        list.text("reason", "const char*", Some(b"ring buffer full"));
        list.end();
        take(&Event {
            time,
            process: 0,
            thread: 0,
            parent: 0,
            user: 0,
            mount_namespace: 0,
            process_name: "honeyguide",
            host_name: host,
            id: LOST_EVENTS_ID,
            name: LOST_EVENTS,
            arguments_number: 3,
            returned: i64::try_from(new).unwrap_or(i64::MAX),
            arguments: &self.text,
            system_call: None,
            process_start: 0,
            executable: None,
            cgroup: None,
            container: None,
        });
    }

    fn report_lost(&mut self, raw: &RawRecord<'_>, take: &mut impl FnMut(&Event<'_>)) {
        let host = lossy(raw.host);
        self.report(raw.processor as usize, raw.lost, (raw.time, &host), take);
    }

    /// Keeps the program and the cgroup of a process.
    fn introduce(&mut self, raw: &RawRecord<'_>) {
        if self.processes.len() >= MAX_PROCESSES {
            self.processes.clear();
        }
        let shared = |path: Vec<u8>| Arc::from(lossy(&path).as_ref());
        let cgroup = raw.path(TextKind::Cgroup);
        let cgroup: Arc<str> = cgroup.map_or_else(|| Arc::from("/"), shared);
        let process = Process {
            executable: raw.path(TextKind::Path).map(shared),
            container: container_of(&cgroup).map(Arc::from),
            cgroup: Some(cgroup),
        };
        match self.processes.entry((raw.process, raw.start)) {
            // A thread that ends has no memory any more, which would tell its program.
            Entry::Occupied(mut known) if process.executable.is_none() => {
                let executable = known.get().executable.clone();
                known.insert(Process {
                    executable,
                    ..process
                });
            }
            entry => {
                entry.insert_entry(process);
            }
        }
    }

    /// Writes the arguments of a record into `text`, and returns the event with the system call's own name.
    fn event_of(
        &self,
        raw: &RawRecord<'_>,
        text: &mut String,
    ) -> ((i64, &'static str, i64), Option<&'static str>) {
        let mut list = ArgumentList::begin(text);
        let (event, system_call) = match raw.record {
            Record::Call(number) => self.call(number, raw, &mut list),
            Record::CompatCall(number) => self.call(CALLS + number, raw, &mut list),
            Record::Exec => {
                list.text("pathname", "const char*", raw.text(0));
                let block = raw.text(1).unwrap_or_default();
                let block = block.strip_suffix(b"\0").unwrap_or(block);
                let texts = block.split(|byte| *byte == 0);
                list.list("argv", "const char*const*", texts);
                ((59, "execve", 2), Some("execve"))
            }
            Record::Exit => {
                let status = raw.arguments[0];
                list.number("exit_code", "int", status >> 8 & 0xFF);
                list.number("signal", "int", status & 0x7F);
                ((1010, "sched_process_exit", 0), None)
            }
            Record::FileOpen => {
                list.text("pathname", "const char*", file_path(raw).as_deref());
                list.text(
                    "flags",
                    "int",
                    Some(flags::open(raw.arguments[1]).as_bytes()),
                );
                push_identity(raw, &mut list);
                ((1005, "security_file_open", 4), None)
            }
            Record::BprmCheck => {
                list.text("pathname", "const char*", file_path(raw).as_deref());
                push_identity(raw, &mut list);
                ((1004, "security_bprm_check", 3), None)
            }
            Record::Process => unreachable!("processes are no events"),
        };
        list.end();
        (event, system_call)
    }

    /// Writes the arguments of a system call.
    fn call(
        &self,
        index: u32,
        raw: &RawRecord<'_>,
        list: &mut ArgumentList<'_>,
    ) -> ((i64, &'static str, i64), Option<&'static str>) {
        // The kernel part is told to record these calls and no others.
        let Some(call) = self.calls.get(index as usize).copied().flatten() else {
            return ((i64::from(index), "unknown", 0), None);
        };
        for (place, argument) in call.arguments.iter().enumerate() {
            push_argument(*argument, place, raw, list);
        }
        let has_no_path = || raw.text(1).is_none_or(<[u8]>::is_empty);
        let event = match call.name {
            "newfstatat" | "statx" if has_no_path() => FSTAT,
            _ => call.event,
        };
        (event, Some(call.name))
    }
}

/// Appends the argument at `place`.
fn push_argument(
    (name, c_type, kind): (&str, &str, Kind),
    place: usize,
    raw: &RawRecord<'_>,
    list: &mut ArgumentList<'_>,
) {
    let value = raw.arguments[place];
    let named = match kind {
        Kind::Int => return list.number(name, c_type, value as i32),
        Kind::Unsigned => return list.number(name, c_type, value as u32),
        Kind::Long => return list.number(name, c_type, value),
        Kind::Pointer => return list.pointer(name, c_type, value),
        Kind::Text => return list.text(name, c_type, raw.text(place)),
        Kind::Address | Kind::ReturnedAddress => {
            return list.address(name, c_type, raw.text(place));
        }
        Kind::Argv => {
            let texts = raw.texts().filter(|text| text.kind == TextKind::Argv);
            return list.list(
                name,
                c_type,
                texts.map(|text| text.bytes.unwrap_or_default()),
            );
        }
        Kind::OpenFlags => flags::open(value),
        Kind::AccessMode => flags::access(value),
        Kind::Domain => flags::domain(value),
        Kind::SocketType => flags::socket_type(value),
        Kind::SocketFlags => flags::socket(value),
        Kind::CloneFlags => flags::clone(value),
        Kind::PrctlOption => flags::prctl(value),
        Kind::CloneArgs | Kind::OpenHow => {
            let Some(bytes) = raw.text(place).and_then(|bytes| bytes.first_chunk()) else {
                return list.pointer(name, c_type, value);
            };
            let value = u64::from_ne_bytes(*bytes);
            let named = match kind {
                Kind::CloneArgs => flags::clone(value),
                _ => flags::open(value),
            };
            return list.text("flags", "unsigned long", Some(named.as_bytes()));
        }
    };
    list.text(name, c_type, Some(named.as_bytes()));
}

/// Returns the path of a record's file. A file without components is the root.
fn file_path(raw: &RawRecord<'_>) -> Option<Vec<u8>> {
    Some(raw.path(TextKind::Path).unwrap_or_else(|| b"/".to_vec()))
}

/// Appends the device and the inode of a file. The kernel has its own form of device numbers; programs see that of
/// `stat(2)`.
fn push_identity(raw: &RawRecord<'_>, list: &mut ArgumentList<'_>) {
    let (major, minor) = (
        raw.arguments[2] >> MINOR_BITS,
        raw.arguments[2] & ((1 << MINOR_BITS) - 1),
    );
    let device = (minor & 0xFF) | major << 8 | (minor & !0xFF) << 12;
    list.number("dev", "dev_t", device);
    list.number("inode", "unsigned long", raw.arguments[3]);
}

/// Returns the container's identifier in the path of a cgroup: the last run of 64 hexadecimal digits, in which all common
/// runtimes write it.
pub(crate) fn container_of(cgroup: &str) -> Option<&str> {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut runs = cgroup.split(|c| !is_digit(c));
    runs.rfind(|run| run.len() == 64)
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_found_in_cgroups() {
        let id = "0123456789abcdef".repeat(4);
        for cgroup in [
            format!("/system.slice/docker-{id}.scope"),
            format!("/kubepods/besteffort/pod1/{id}"),
            format!("/machine.slice/libpod-{id}.scope/container"),
        ] {
            assert_eq!(container_of(&cgroup), Some(id.as_str()), "{cgroup}");
        }
        assert_eq!(container_of("/user.slice/session-1.scope"), None);
    }

    #[test]
    fn broken_records_are_no_events() {
        let mut decoder = Decoder::new();
        for length in 0..400 {
            let bytes = vec![0xFF; length];
            assert_eq!(decoder.decode(&bytes, &mut |_| panic!("no event")), 0);
        }
    }
}
