//! The process table of a host: the live processes with their users, threads and open descriptors.

use super::text::{self, Label};

/// The number of the mount namespace in which a host boots.
pub(super) const FIRST_NAMESPACE: u64 = 4_026_531_840;

/// The largest process id, as systemd sets it on 64-bit hosts.
const PID_MAX: u32 = 4_194_304;
/// The process id that follows the largest one.
const PID_MIN: u32 = 300;

/// A thread of a live process, identified by its position in the table. Thread 0 is the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    slot: usize,
    thread: usize,
}

/// The open file descriptors of a process, one bit each. The next one is the lowest free number, as POSIX
/// requires.
#[derive(Clone, Debug, Default)]
struct Descriptors(Vec<u64>);

impl Descriptors {
    /// Creates the set of the descriptors 0 to `count` − 1.
    fn first(count: u32) -> Self {
        let mut all = Self::default();
        for _ in 0..count {
            all.allocate();
        }
        all
    }

    /// Opens the lowest free descriptor and returns it.
    fn allocate(&mut self) -> i64 {
        let full = |&&word: &&u64| word == u64::MAX;
        let word = self.0.iter().take_while(full).count();
        let fd = word as i64 * 64
            + self
                .0
                .get(word)
                .map_or(0, |word| i64::from(word.trailing_ones()));
        self.take(fd);
        fd
    }

    fn take(&mut self, fd: i64) {
        let word = (fd / 64) as usize;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (fd % 64);
    }

    /// Closes a descriptor. Returns false if it was not open.
    fn release(&mut self, fd: i64) -> bool {
        let bit = 1 << (fd % 64);
        match self.0.get_mut((fd / 64) as usize) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                true
            }
            _ => false,
        }
    }
}

/// The addresses of a process in memory. The addresses in its rows are derived from them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Image {
    /// The address of the executable.
    pub(super) code: u64,
    /// The address of the shared libraries.
    pub(super) library: u64,
    /// The address of the stack.
    pub(super) stack: u64,
    /// The stale value in the register of `openat`'s fourth argument, which the call does not use.
    pub(super) stale_mode: u32,
}

/// A process that is running when the recording begins.
pub(super) struct Daemon {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) user: u32,
    pub(super) namespace: u64,
    pub(super) name: &'static str,
    /// The number of open descriptors, which are numbered from 0.
    pub(super) descriptors: u32,
}

struct Thread {
    id: u32,
    name: String,
    /// The columns processId to hostName of the thread's rows.
    identity: Vec<u8>,
}

impl Thread {
    fn new(id: u32, name: String) -> Option<Self> {
        Some(Self {
            id,
            name,
            identity: Vec::new(),
        })
    }
}

struct Process {
    id: u32,
    parent: u32,
    user: u32,
    namespace: u64,
    label: Label,
    descriptors: Descriptors,
    image: Image,
    threads: Vec<Option<Thread>>,
}

/// The live processes of a host. The slots of ended processes are used again, so the table has as many
/// slots as the largest number of processes that ever lived at once.
pub(super) struct Table {
    host: String,
    slots: Vec<Option<Process>>,
    /// The process or thread id that was given out last.
    last_id: u32,
    /// The number of processes that were ever in the table.
    started: u64,
}

impl Table {
    /// Creates an empty table. The first child gets the id after `last_id`.
    pub(super) fn new(host: String, last_id: u32) -> Self {
        Self {
            host,
            slots: Vec::new(),
            last_id,
            started: 0,
        }
    }

    /// Returns the number of processes that were ever in the table.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    /// Adds a process that was started before the recording.
    pub(super) fn boot(&mut self, daemon: &Daemon, image: Image) -> Task {
        self.insert(Process {
            id: daemon.id,
            parent: daemon.parent,
            user: daemon.user,
            namespace: daemon.namespace,
            label: Label::Benign,
            descriptors: Descriptors::first(daemon.descriptors),
            image,
            threads: vec![Thread::new(daemon.id, daemon.name.into())],
        })
    }

    /// Adds a child of `parent`, which has everything in common with it but the ids.
    pub(super) fn child_of(&mut self, parent: Task) -> Task {
        let id = self.next_id();
        let name = self.thread(parent).name.clone();
        let from = self.process(parent);
        let child = Process {
            id,
            parent: from.id,
            user: from.user,
            namespace: from.namespace,
            label: from.label,
            descriptors: from.descriptors.clone(),
            image: from.image,
            threads: vec![Thread::new(id, name)],
        };
        self.insert(child)
    }

    /// Adds a thread to the process of `task`, with the same name.
    pub(super) fn thread_of(&mut self, task: Task) -> Task {
        let thread = Thread::new(self.next_id(), self.thread(task).name.clone());
        let threads = &mut self.process_mut(task).threads;
        let place = first_free(threads);
        threads[place] = thread;
        self.update_identities(task.slot);
        Task {
            slot: task.slot,
            thread: place,
        }
    }

    /// Removes a thread. If it is the main thread, removes its process with all threads.
    pub(super) fn remove(&mut self, task: Task) {
        if task.thread > 0 {
            self.process_mut(task).threads[task.thread] = None;
            return;
        }
        let parent = self.id(task);
        self.slots[task.slot] = None;
        self.give_orphans_to_init(parent);
    }

    fn give_orphans_to_init(&mut self, parent: u32) {
        for slot in 0..self.slots.len() {
            if let Some(process) = &mut self.slots[slot]
                && process.parent == parent
            {
                process.parent = 1;
                self.update_identities(slot);
            }
        }
    }

    /// Sets the name of a thread, cut to the 15 bytes that the kernel keeps.
    pub(super) fn rename(&mut self, task: Task, name: &str) {
        let thread = self.process_mut(task).threads[task.thread].as_mut();
        thread.expect("a thread is used only while it lives").name =
            name.get(..15).unwrap_or(name).to_owned();
        self.update_identities(task.slot);
    }

    /// Sets the user of a process.
    pub(super) fn set_user(&mut self, task: Task, user: u32) {
        self.process_mut(task).user = user;
        self.update_identities(task.slot);
    }

    /// Sets the label of the events that a process and its future children cause from now on.
    pub(super) fn set_label(&mut self, task: Task, label: Label) {
        self.process_mut(task).label = label;
    }

    /// Replaces the addresses of a process. Only the standard descriptors and the main thread remain, as after
    /// `execve`.
    pub(super) fn replace_image(&mut self, task: Task, image: Image) {
        let process = self.process_mut(task);
        process.image = image;
        process.descriptors = Descriptors::first(3);
        process.threads.truncate(1);
    }

    /// Returns the process id.
    pub(super) fn id(&self, task: Task) -> u32 {
        self.process(task).id
    }

    /// Returns the thread id.
    pub(super) fn thread_id(&self, task: Task) -> u32 {
        self.thread(task).id
    }

    /// Returns the user id.
    pub(super) fn user(&self, task: Task) -> u32 {
        self.process(task).user
    }

    /// Returns the addresses of the process in memory.
    pub(super) fn image(&self, task: Task) -> Image {
        self.process(task).image
    }

    /// Returns the columns processId to hostName of the thread's rows, and the label of its events.
    pub(super) fn row_parts(&self, task: Task) -> (&[u8], Label) {
        (&self.thread(task).identity, self.process(task).label)
    }

    /// Returns the ids of all live processes in ascending order, as /proc lists them.
    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .slots
            .iter()
            .flatten()
            .map(|process| process.id)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Opens the lowest free descriptor of a process and returns it.
    pub(super) fn allocate(&mut self, task: Task) -> i64 {
        self.process_mut(task).descriptors.allocate()
    }

    /// Opens the descriptor `fd`, as `dup2` does.
    pub(super) fn take(&mut self, task: Task, fd: i64) {
        self.process_mut(task).descriptors.take(fd);
    }

    /// Closes a descriptor of a process. Returns false if it was not open.
    pub(super) fn release(&mut self, task: Task, fd: i64) -> bool {
        self.process_mut(task).descriptors.release(fd)
    }

    /// Gives out the next id that no live thread has.
    fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = if self.last_id >= PID_MAX {
                PID_MIN
            } else {
                self.last_id + 1
            };
            let mut threads = self
                .slots
                .iter()
                .flatten()
                .flat_map(|process| process.threads.iter().flatten());
            if !threads.any(|thread| thread.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    fn insert(&mut self, process: Process) -> Task {
        self.started += 1;
        let slot = first_free(&mut self.slots);
        self.slots[slot] = Some(process);
        self.update_identities(slot);
        Task { slot, thread: 0 }
    }

    /// Updates the columns processId to hostName of all threads of a process.
    fn update_identities(&mut self, slot: usize) {
        let Some(process) = &mut self.slots[slot] else {
            return;
        };
        for thread in process.threads.iter_mut().flatten() {
            let ids = [process.id, thread.id, process.parent, process.user];
            text::identity(
                &mut thread.identity,
                ids,
                process.namespace,
                &thread.name,
                &self.host,
            );
        }
    }

    fn process(&self, task: Task) -> &Process {
        self.slots[task.slot]
            .as_ref()
            .expect("a task is used only while it lives")
    }

    fn process_mut(&mut self, task: Task) -> &mut Process {
        self.slots[task.slot]
            .as_mut()
            .expect("a task is used only while it lives")
    }

    fn thread(&self, task: Task) -> &Thread {
        self.process(task).threads[task.thread]
            .as_ref()
            .expect("a thread is used only while it lives")
    }

    /// Returns the number of slots in the table, used or free.
    #[cfg(test)]
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }
}

/// Returns the position of the first free slot. Adds a slot if all are in use.
fn first_free<T>(slots: &mut Vec<Option<T>>) -> usize {
    let free = slots.iter().position(Option::is_none);
    free.unwrap_or_else(|| {
        slots.push(None);
        slots.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_with_init() -> (Table, Task) {
        let mut table = Table::new("h".into(), 500);
        let daemon = Daemon {
            id: 1,
            parent: 0,
            user: 0,
            namespace: 7,
            name: "init",
            descriptors: 3,
        };
        let init = table.boot(&daemon, Image::default());
        (table, init)
    }

    #[test]
    fn the_lowest_free_descriptor_is_next() {
        let mut all = Descriptors::first(3);
        assert_eq!((all.allocate(), all.allocate()), (3, 4));
        assert!(all.release(3));
        assert!(!all.release(3));
        assert_eq!((all.allocate(), all.allocate()), (3, 5));
        all.take(200);
        assert!(all.release(200));
        assert!(!all.release(999));
        let full = Descriptors::first(64).allocate();
        assert_eq!(full, 64);
    }

    #[test]
    fn slots_of_ended_processes_are_reused_and_orphans_go_to_init() {
        let (mut table, init) = table_with_init();
        for _ in 0..100 {
            let child = table.child_of(init);
            let grandchild = table.child_of(child);
            table.remove(child);
            assert!(table.row_parts(grandchild).0.ends_with(b",1,0,7,init,h,"));
            table.remove(grandchild);
        }
        assert_eq!(
            (table.slot_count(), table.started(), table.ids()),
            (3, 201, vec![1])
        );
    }

    #[test]
    fn ids_in_use_are_skipped_after_the_largest_id() {
        let (mut table, init) = table_with_init();
        let daemon = Daemon {
            id: PID_MIN,
            parent: 1,
            user: 0,
            namespace: 7,
            name: "d",
            descriptors: 3,
        };
        table.boot(&daemon, Image::default());
        table.last_id = PID_MAX - 1;
        let tasks = [0; 3].map(|_| table.child_of(init));
        let ids = tasks.map(|task| table.id(task));
        assert_eq!(ids, [PID_MAX, PID_MIN + 1, PID_MIN + 2]);
    }
}
