//! The processes of one host, as far as its events have shown them, and who started whom.
//!
//! A log has no identity of a process but its number, which the kernel uses again. So a number stands for one process
//! until the exit of its main thread is seen, or until an event shows it with another parent and another program. A
//! process whose parent ends gets a new one, mostly init: with the same program it is still the same process, and its
//! first parent counts. A parent that the log does not show is still a process, which its children share.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kept;
use super::tracked::Tracked;
use crate::log::Lineages;

/// The greatest number of processes of a host that are remembered. When there are twice as many, those of which nothing
/// was seen for longest are forgotten.
pub(super) const MAX_PROCESSES: usize = 1 << 16;
/// The greatest number of ancestors that are followed.
pub(super) const MAX_DEPTH: usize = 64;

/// The identity of a process among those of its host, also when its number is used again.
pub(super) type ProcessId = u64;

/// What an event says of its process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SeenProcess<'a> {
    /// The number of the process.
    pub number: i64,
    /// The number of its parent.
    pub parent: Option<i64>,
    /// The name of its program.
    pub program: Option<&'a str>,
    /// Whether the event is its end.
    pub ends: bool,
}

/// What an event has shown of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    pub id: ProcessId,
    /// Whether only children had shown the process before, so that its parent is known from now on.
    pub finds_parent: bool,
}

/// A process that an event or a child has shown.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Process {
    /// The number of the process.
    pub number: i64,
    /// The parent.
    pub parent: Option<ProcessId>,
    /// The program that ran last; `None` while only children have shown the process.
    #[serde(with = "kept::shared_text")]
    pub program: Option<Arc<str>>,
    /// The number of the parent, as an event of the process said first.
    parent_number: Option<i64>,
    has_ended: bool,
    /// The number of the host's event that showed the process last.
    last_seen: u64,
}

/// The processes of one host.
#[derive(Debug)]
pub(super) struct Processes {
    lineages: &'static Lineages,
    known: Tracked<ProcessId, Process>,
    /// The last process of each number.
    by_number: HashMap<i64, ProcessId>,
    /// The identity of the next process.
    next: ProcessId,
    /// The number of events seen.
    events: u64,
}

/// A process with its ancestors.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    /// The process, its parent, and so on, without init.
    pub path: Vec<ProcessId>,
    /// The root of the session: the first on the path whose parent is init or starts sessions, else the last. Of several
    /// processes in a row that run the same program which starts sessions, the highest but one starts the session: the
    /// highest waits for others. If what started the highest is hidden, then it is the highest itself.
    pub root: ProcessId,
    /// The programs of the processes from the root down, if a program started the session that starts the same jobs again
    /// and again.
    pub job: Option<Job>,
}

/// The programs of the processes from a session root down to a process, which tell a job from others. A NUL, which no name
/// of a program has, ends each.
pub(super) type Job = Box<str>;

/// What is known of families before the log is.
pub(super) static NO_LINEAGES: Lineages = Lineages {
    inits: &[],
    starters: &[],
    schedulers: &[],
    ends: &[],
};

/// What is kept of processes beside each of them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    next: ProcessId,
    events: u64,
}

impl Processes {
    /// Takes the families of the log, which are not kept with the processes.
    pub fn set_lineages(&mut self, lineages: &'static Lineages) {
        self.lineages = lineages;
    }

    /// Returns the processes of a host of which nothing was seen yet.
    pub fn new(lineages: &'static Lineages) -> Self {
        Self {
            lineages,
            known: Tracked::default(),
            by_number: HashMap::new(),
            next: 0,
            events: 0,
        }
    }

    /// Returns the processes, of which changes are to be noted and taken.
    pub fn known_mut(&mut self) -> &mut Tracked<ProcessId, Process> {
        &mut self.known
    }

    /// Returns what is kept beside each process.
    pub fn seen(&self) -> Seen {
        Seen {
            next: self.next,
            events: self.events,
        }
    }

    /// Takes what was kept beside each process.
    pub fn restore_seen(&mut self, seen: Seen) {
        (self.next, self.events) = (seen.next, seen.events);
    }

    /// Takes a process that was kept.
    pub fn restore(&mut self, id: ProcessId, process: Process) {
        // The last process of a number has the greatest identity, and is forgotten last.
        let last = self.by_number.entry(process.number).or_insert(id);
        *last = id.max(*last);
        self.known.insert(id, process);
    }

    /// Takes what an event says of its process.
    pub fn see(&mut self, seen: &SeenProcess) -> Sighting {
        self.events += 1;
        let known = self.by_number.get(&seen.number).copied();
        let id = match known.filter(|id| self.is_still(*id, seen)) {
            Some(id) => id,
            None => self.add(seen.number),
        };
        let is_first = self.known[&id].program.is_none() && self.known[&id].parent.is_none();
        if is_first {
            self.link(id, seen.parent);
        }
        let finds_parent = is_first && known == Some(id) && self.known[&id].parent.is_some();
        let events = self.events;
        if let Some(process) = self.known.get_mut(&id) {
            process.last_seen = events;
            process.has_ended |= seen.ends;
            if let Some(program) = seen.program
                && process.program.as_deref() != Some(program)
            {
                process.program = Some(program.into());
            }
        }
        self.forget_oldest();
        Sighting { id, finds_parent }
    }

    /// Returns whether an event still comes from the process that had its number before.
    fn is_still(&self, id: ProcessId, seen: &SeenProcess) -> bool {
        let process = &self.known[&id];
        if process.has_ended {
            return seen.ends;
        }
        let same_parent = process.parent_number.is_none()
            || seen.parent.is_none()
            || process.parent_number == seen.parent;
        let same_program = process.program.as_deref() == seen.program;
        same_parent || same_program || seen.parent.is_some_and(|parent| self.is_init(parent))
    }

    /// Adds a process of which no more is known than its number.
    fn add(&mut self, number: i64) -> ProcessId {
        let id = self.next;
        self.next += 1;
        self.by_number.insert(number, id);
        let process = Process {
            number,
            parent: None,
            program: None,
            parent_number: None,
            has_ended: false,
            last_seen: self.events,
        };
        self.known.insert(id, process);
        id
    }

    /// Links a process with its parent, which is added if nothing has shown it yet.
    fn link(&mut self, id: ProcessId, parent_number: Option<i64>) {
        let number = self.known[&id].number;
        let Some(parent_number) = parent_number.filter(|parent| *parent != number) else {
            return;
        };
        let parent = match self.by_number.get(&parent_number) {
            Some(parent) => *parent,
            None => self.add(parent_number),
        };
        if let Some(process) = self.known.get_mut(&id) {
            process.parent = Some(parent);
            process.parent_number = Some(parent_number);
        }
    }

    /// Forgets the processes of which nothing was seen for longest, if there are too many.
    fn forget_oldest(&mut self) {
        if self.known.len() < 2 * MAX_PROCESSES {
            return;
        }
        let mut seen: Vec<(u64, ProcessId)> = self
            .known
            .iter()
            .map(|(id, process)| (process.last_seen, *id))
            .collect();
        // A process and a parent that only it has shown were seen by the same event: the identity decides.
        seen.sort_unstable();
        for (_, id) in &seen[..seen.len() - MAX_PROCESSES] {
            if let Some(process) = self.known.remove(id)
                && self.by_number.get(&process.number) == Some(id)
            {
                self.by_number.remove(&process.number);
            }
        }
    }

    /// Returns the number of processes that are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns a process, unless it was forgotten.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.known.get(&id)
    }

    /// Returns a process with its ancestors.
    pub fn lineage(&self, id: ProcessId) -> Lineage {
        let mut path = vec![id];
        let mut root = None;
        // The program that started the session, while all processes further up run it.
        let mut starter = None;
        let mut current = id;
        while path.len() <= MAX_DEPTH
            && let Some(parent) = self.get(current).and_then(|process| process.parent)
        {
            let shown = self.get(parent);
            if shown.is_some_and(|parent| self.is_init(parent.number)) {
                root = root.or(Some(current));
                break;
            }
            let program = shown.and_then(|parent| parent.program.as_deref());
            let is_starter = program.is_some_and(|program| self.is_starter(program));
            if (root.is_none() && is_starter) || (starter.is_some() && program == starter) {
                (root, starter) = (Some(current), program);
            } else {
                if starter.is_some() && program.is_none() {
                    root = Some(current);
                }
                starter = None;
            }
            path.push(parent);
            current = parent;
        }
        let root = root.unwrap_or(current);
        Lineage {
            job: self.job(&path, root),
            root,
            path,
        }
    }

    /// Returns the job of the first process of a path that leads over its session root.
    fn job(&self, path: &[ProcessId], root: ProcessId) -> Option<Job> {
        let starter = self.starter(root)?;
        if !self.lineages.schedulers.contains(&starter) {
            return None;
        }
        let below = path.iter().position(|id| *id == root)?;
        let mut job = String::new();
        for id in path[..=below].iter().rev() {
            let process = self.get(*id);
            job += process
                .and_then(|process| process.program.as_deref())
                .unwrap_or_default();
            job.push('\0');
        }
        Some(job.into())
    }

    /// Returns the program that started the session of the root `root`, such as `sshd`; `None` if nothing that starts
    /// sessions did.
    pub fn starter(&self, root: ProcessId) -> Option<&str> {
        let own = self.get(root)?;
        let parent = self.get(own.parent?)?;
        let hidden = || {
            own.program
                .as_deref()
                .filter(|_| !self.is_init(parent.number))
        };
        let program = parent.program.as_deref().or_else(hidden)?;
        self.is_starter(program).then_some(program)
    }

    fn is_starter(&self, program: &str) -> bool {
        self.lineages.starters.contains(&program)
    }

    fn is_init(&self, number: i64) -> bool {
        self.lineages.inits.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LINUX: Lineages = Lineages {
        inits: &[0, 1, 2],
        starters: &["sshd", "cron"],
        schedulers: &["cron"],
        ends: &["sched_process_exit"],
    };

    fn seen(number: i64, parent: i64, program: &str) -> SeenProcess<'_> {
        SeenProcess {
            number,
            parent: Some(parent),
            program: Some(program),
            ends: false,
        }
    }

    fn end(number: i64, parent: i64, program: &str) -> SeenProcess<'_> {
        SeenProcess {
            ends: true,
            ..seen(number, parent, program)
        }
    }

    #[test]
    fn the_root_of_a_session_is_what_a_daemon_starts_for_it() {
        let mut host = Processes::new(&LINUX);
        let mut see = |number, parent, program| host.see(&seen(number, parent, program)).id;
        let listener = see(800, 1, "sshd");
        let monitor = see(900, 800, "sshd");
        let channel = see(901, 900, "sshd");
        let shell = see(902, 901, "bash");
        let ls = see(903, 902, "ls");
        let (daemon, child) = (see(700, 1, "cron"), see(701, 700, "cron"));
        let job = see(702, 701, "sh");
        let (hidden, other) = (see(601, 600, "sshd"), see(602, 601, "bash"));
        let init = see(1, 0, "systemd");
        let path = vec![ls, shell, channel, monitor, listener];
        assert_eq!(
            host.lineage(ls),
            Lineage {
                path,
                root: monitor,
                job: None,
            }
        );
        assert_eq!(host.starter(monitor), Some("sshd"));
        assert_eq!(host.starter(ls), None);
        assert_eq!(host.lineage(monitor).root, monitor);
        assert_eq!(host.lineage(listener).path, [listener]);
        assert_eq!(host.starter(listener), None);
        assert_eq!(host.lineage(job).root, child);
        assert_eq!(host.lineage(job).job.as_deref(), Some("cron\0sh\0"));
        assert_eq!(host.lineage(daemon).job, None);
        assert_eq!(host.lineage(daemon).root, daemon);
        assert_eq!(
            host.lineage(other).root,
            hidden,
            "what started it is hidden"
        );
        assert_eq!(host.starter(hidden), Some("sshd"));
        assert_eq!(host.lineage(init).path, [init]);
    }

    #[test]
    fn children_share_a_parent_that_no_event_shows() {
        let mut host = Processes::new(&LINUX);
        let first = host.see(&seen(51, 50, "cp")).id;
        let second = host.see(&seen(52, 50, "mv")).id;
        let hidden = host.lineage(first).root;
        assert_eq!(host.lineage(second).root, hidden);
        assert_eq!(host.get(hidden).map(|process| process.number), Some(50));
        let shown = host.see(&seen(50, 7, "make")).id;
        assert_eq!(shown, hidden);
        assert_ne!(host.lineage(first).root, hidden, "its parent is known now");
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let mut host = Processes::new(&LINUX);
        let first = host.see(&seen(60, 7, "cc")).id;
        assert_eq!(
            host.see(&seen(60, 7, "as")).id,
            first,
            "execve keeps the process"
        );
        assert_eq!(
            host.see(&seen(60, 1, "as")).id,
            first,
            "its parent has ended"
        );
        assert_eq!(host.lineage(first).path.len(), 2, "the first parent counts");
        assert_eq!(host.see(&end(60, 1, "as")).id, first);
        let second = host.see(&seen(60, 7, "as")).id;
        assert_ne!(second, first);
        let third = host.see(&seen(60, 8, "ld")).id;
        assert_ne!(third, second, "no exit was seen, but all is different");
    }

    #[test]
    fn a_process_that_calls_itself_its_parent_has_none() {
        let mut host = Processes::new(&LINUX);
        let odd = host.see(&seen(9, 9, "x")).id;
        assert_eq!(host.lineage(odd).path, [odd]);
        let (a, b) = (
            host.see(&seen(20, 21, "a")).id,
            host.see(&seen(21, 20, "b")).id,
        );
        assert!(
            host.lineage(a).path.len() <= MAX_DEPTH + 1,
            "{a} {b} in a circle"
        );
    }

    #[test]
    fn the_oldest_processes_are_forgotten() {
        let mut host = Processes::new(&LINUX);
        let first = host.see(&seen(10, 1, "a")).id;
        for number in 0..3 * MAX_PROCESSES as i64 {
            host.see(&seen(100 + number, 1, "b"));
        }
        assert!(host.known.len() <= 2 * MAX_PROCESSES);
        assert_eq!(host.by_number.len(), host.known.len());
        assert!(host.get(first).is_none());
    }
}
