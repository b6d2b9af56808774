//! The process table of a host: who lives, as whom, with which descriptors.

use super::text::{self, Label};

/// The mount namespace a host boots with.
pub(super) const FIRST_NAMESPACE: u64 = 4_026_531_840;

/// The largest process number, as systemd sets it on 64-bit hosts.
const PID_MAX: u32 = 4_194_304;
/// After the largest, numbers start again here.
const PID_MIN: u32 = 300;

/// A thread of a live process, by place in the table; thread 0 is the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    slot: usize,
    thread: usize,
}

/// Open file descriptors, one bit each: the lowest free number is the next one, as POSIX demands.
#[derive(Clone, Debug, Default)]
struct Descriptors(Vec<u64>);

impl Descriptors {
    fn first(count: u32) -> Self {
        let mut all = Self::default();
        for _ in 0..count {
            all.allocate();
        }
        all
    }

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

    /// False if the descriptor was not open.
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

/// Where a process's image lies: what the addresses in its rows are derived from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Image {
    pub(super) code: u64,
    pub(super) library: u64,
    pub(super) stack: u64,
    /// What the unused fourth register of `openat` happens to hold.
    pub(super) stale_mode: u32,
}

/// What a daemon is at the moment the recording begins.
pub(super) struct Daemon {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) user: u32,
    pub(super) namespace: u64,
    pub(super) name: &'static str,
    /// Descriptors 0 to this number − 1 are open.
    pub(super) descriptors: u32,
}

struct Thread {
    id: u32,
    name: String,
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

/// All live processes of a host. Places of the dead are used again, so the table is as large as
/// the most processes that ever lived at once.
pub(super) struct Table {
    host: String,
    slots: Vec<Option<Process>>,
    last_id: u32,
    started: u64,
}

impl Table {
    /// An empty table, whose first child gets the number after `last_id`.
    pub(super) fn new(host: String, last_id: u32) -> Self {
        Self {
            host,
            slots: Vec::new(),
            last_id,
            started: 0,
        }
    }

    /// Processes that ever were in the table.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    /// Puts a process into the table that started before the recording.
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

    /// A new process that shares everything with the one of `parent` but its number.
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

    /// A new thread in the process of `task`, of the same name.
    pub(super) fn thread_of(&mut self, task: Task) -> Task {
        let thread = Thread::new(self.next_id(), self.thread(task).name.clone());
        let threads = &mut self.process_mut(task).threads;
        let place = first_free(threads);
        threads[place] = thread;
        self.refresh(task.slot);
        Task {
            slot: task.slot,
            thread: place,
        }
    }

    /// Takes a thread out of the table, or, for a main thread, its process with all threads.
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
                self.refresh(slot);
            }
        }
    }

    /// The thread's name, at most 15 bytes as the kernel keeps it.
    pub(super) fn rename(&mut self, task: Task, name: &str) {
        let thread = self.process_mut(task).threads[task.thread].as_mut();
        thread.expect("a thread is used only while it lives").name =
            name.get(..15).unwrap_or(name).to_owned();
        self.refresh(task.slot);
    }

    /// Gives the process another user.
    pub(super) fn set_user(&mut self, task: Task, user: u32) {
        self.process_mut(task).user = user;
        self.refresh(task.slot);
    }

    /// Labels what the process does from now on, and what its children to come do.
    pub(super) fn set_label(&mut self, task: Task, label: Label) {
        self.process_mut(task).label = label;
    }

    /// A fresh address space with the standard descriptors and the main thread only, as after `execve`.
    pub(super) fn replace_image(&mut self, task: Task, image: Image) {
        let process = self.process_mut(task);
        process.image = image;
        process.descriptors = Descriptors::first(3);
        process.threads.truncate(1);
    }

    /// The process number.
    pub(super) fn id(&self, task: Task) -> u32 {
        self.process(task).id
    }

    /// The thread number.
    pub(super) fn thread_id(&self, task: Task) -> u32 {
        self.thread(task).id
    }

    /// The user number.
    pub(super) fn user(&self, task: Task) -> u32 {
        self.process(task).user
    }

    /// Where the process's image lies.
    pub(super) fn image(&self, task: Task) -> Image {
        self.process(task).image
    }

    /// The thread's columns from processId to hostName, and the label of what it does.
    pub(super) fn row_parts(&self, task: Task) -> (&[u8], Label) {
        (&self.thread(task).identity, self.process(task).label)
    }

    /// Numbers of all live processes, ascending as /proc lists them.
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

    /// Opens the lowest free descriptor.
    pub(super) fn allocate(&mut self, task: Task) -> i64 {
        self.process_mut(task).descriptors.allocate()
    }

    /// Opens a certain descriptor, as `dup2` does.
    pub(super) fn take(&mut self, task: Task, fd: i64) {
        self.process_mut(task).descriptors.take(fd);
    }

    /// Closes a descriptor; false if it was not open.
    pub(super) fn release(&mut self, task: Task, fd: i64) -> bool {
        self.process_mut(task).descriptors.release(fd)
    }

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
        self.refresh(slot);
        Task { slot, thread: 0 }
    }

    /// Writes the identities of a process's threads anew.
    fn refresh(&mut self, slot: usize) {
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

    /// Places in the table, live or free.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }
}

/// The first free place, made if there is none.
fn first_free<T>(places: &mut Vec<Option<T>>) -> usize {
    let free = places.iter().position(Option::is_none);
    free.unwrap_or_else(|| {
        places.push(None);
        places.len() - 1
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
    fn places_of_the_dead_are_used_again_and_orphans_go_to_init() {
        let (mut table, init) = table_with_init();
        for _ in 0..100 {
            let child = table.child_of(init);
            let grandchild = table.child_of(child);
            table.remove(child);
            assert!(table.row_parts(grandchild).0.ends_with(b",1,0,7,init,h,"));
            table.remove(grandchild);
        }
        assert_eq!(
            (table.places(), table.started(), table.ids()),
            (3, 201, vec![1])
        );
    }

    #[test]
    fn numbers_in_use_are_skipped_when_they_start_again() {
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
