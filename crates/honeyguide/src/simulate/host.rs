//! One simulated host: its clock, its process table, and the sensor that writes each call down.

use super::call::Call;
use super::random::Random;
use super::text::{self, Arg, Event, Label, Rows};

/// The mount namespace a host boots with.
pub(super) const FIRST_NAMESPACE: u64 = 4_026_531_840;

const PID_MAX: u32 = 4_194_304;

/// A thread of a live process, by place in the host's table; thread 0 is the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    slot: usize,
    thread: usize,
}

/// Open file descriptors: the lowest free number is the next one, as POSIX demands.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptors(Vec<u64>);

impl Descriptors {
    fn first(count: u32) -> Self {
        let mut all = Self::default();
        for _ in 0..count {
            all.allocate();
        }
        all
    }

    fn allocate(&mut self) -> i64 {
        let word = self
            .0
            .iter()
            .position(|&word| word != u64::MAX)
            .unwrap_or(self.0.len());
        if word == self.0.len() {
            self.0.push(0);
        }
        let bit = self.0[word].trailing_ones();
        self.0[word] |= 1 << bit;
        word as i64 * 64 + i64::from(bit)
    }

    fn take(&mut self, fd: i64) {
        while self.0.len() <= (fd / 64) as usize {
            self.0.push(0);
        }
        self.0[(fd / 64) as usize] |= 1 << (fd % 64);
    }

    fn release(&mut self, fd: i64) -> bool {
        let Some(word) = usize::try_from(fd / 64)
            .ok()
            .and_then(|place| self.0.get_mut(place))
        else {
            return false;
        };
        let was_open = *word & 1 << (fd % 64) != 0;
        *word &= !(1 << (fd % 64));
        was_open
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

struct Thread {
    id: u32,
    name: String,
    identity: Vec<u8>,
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

/// The C type names of this host's sensor: they vary between hosts and never within one.
pub(super) struct Dialect {
    pub(super) flags: &'static str,
    pub(super) clone_flags: &'static str,
    pub(super) mode: &'static str,
    pub(super) count: &'static str,
    pub(super) address: &'static str,
    pub(super) group: &'static str,
}

impl Dialect {
    fn draw(random: &mut Random) -> Self {
        let flags = ["int", "int", "int", "unsigned int", "unsigned long"];
        Self {
            flags: random.pick(&flags),
            clone_flags: random.pick(&flags),
            mode: random.pick(&["int", "mode_t", "int*"]),
            count: random.pick(&["size_t", "unsigned int", "unsigned long"]),
            address: random.pick(&["struct sockaddr*", "const void*", "void*"]),
            group: random.pick(&["gid_t", "gid_t*"]),
        }
    }
}

/// Counts of what a host has written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) suspicious: u64,
    pub(super) evil: u64,
    pub(super) processes: u64,
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

/// A host that runs one call at a time. Once its share of events is written, further calls happen unrecorded.
pub(super) struct Host<'r, 'w> {
    pub(super) name: String,
    pub(super) random: Random,
    pub(super) dialect: Dialect,
    pub(super) counts: Counts,
    rows: &'r mut Rows<'w>,
    share: u64,
    micros: u64,
    next_id: u32,
    table: Vec<Option<Process>>,
}

impl<'r, 'w> Host<'r, 'w> {
    /// A host that records `share` events, from `micros` after its boot.
    pub(super) fn new(
        name: String,
        mut random: Random,
        rows: &'r mut Rows<'w>,
        share: u64,
        micros: u64,
    ) -> Self {
        let dialect = Dialect::draw(&mut random);
        let next_id = random.between(7_240, 7_360);
        Self {
            name,
            random,
            dialect,
            rows,
            share,
            micros,
            next_id,
            counts: Counts::default(),
            table: Vec::new(),
        }
    }

    /// True when the host has written its share, or nothing more can be written.
    pub(super) fn done(&self) -> bool {
        self.counts.events >= self.share || self.rows.failed()
    }

    /// Events this host is to write.
    pub(super) fn share(&self) -> u64 {
        self.share
    }

    /// Microseconds since boot.
    pub(super) fn now(&self) -> u64 {
        self.micros
    }

    /// Lets the clock stand at `micros`, unless it is past that already.
    pub(super) fn wait_until(&mut self, micros: u64) {
        self.micros = self.micros.max(micros);
    }

    /// Lets about `micros` pass.
    pub(super) fn pause(&mut self, micros: u64) {
        self.micros += self.random.around(micros);
    }

    /// Puts a process into the table that started before the recording.
    pub(super) fn boot(&mut self, daemon: &Daemon) -> Task {
        let image = self.draw_image();
        self.insert(Process {
            id: daemon.id,
            parent: daemon.parent,
            user: daemon.user,
            namespace: daemon.namespace,
            label: Label::Benign,
            descriptors: Descriptors::first(daemon.descriptors),
            image,
            threads: vec![Some(Thread {
                id: daemon.id,
                name: daemon.name.into(),
                identity: Vec::new(),
            })],
        })
    }

    /// A new process that shares everything with the one of `parent` but its number.
    pub(super) fn child_of(&mut self, parent: Task) -> Task {
        let id = self.next_id();
        let name = self.name_of(parent).to_owned();
        let from = self.process(parent);
        let child = Process {
            id,
            parent: from.id,
            user: from.user,
            namespace: from.namespace,
            label: from.label,
            descriptors: from.descriptors.clone(),
            image: from.image,
            threads: vec![Some(Thread {
                id,
                name,
                identity: Vec::new(),
            })],
        };
        self.insert(child)
    }

    /// A new thread in the process of `task`.
    pub(super) fn thread_of(&mut self, task: Task) -> Task {
        let id = self.next_id();
        let name = self.name_of(task).to_owned();
        let thread = Some(Thread {
            id,
            name,
            identity: Vec::new(),
        });
        let threads = &mut self.process_mut(task).threads;
        let place = threads
            .iter()
            .position(Option::is_none)
            .unwrap_or(threads.len());
        if place == threads.len() {
            threads.push(thread);
        } else {
            threads[place] = thread;
        }
        let task = Task {
            slot: task.slot,
            thread: place,
        };
        self.refresh(task);
        task
    }

    /// Takes a thread out of the table, or, for a main thread, its process with all threads.
    pub(super) fn remove(&mut self, task: Task) {
        if task.thread == 0 {
            self.adopt_children(self.id(task));
            self.table[task.slot] = None;
        } else {
            self.process_mut(task).threads[task.thread] = None;
        }
    }

    /// Process 1 becomes the parent of what a process leaves behind.
    fn adopt_children(&mut self, parent: u32) {
        for slot in 0..self.table.len() {
            if let Some(process) = &mut self.table[slot]
                && process.parent == parent
            {
                process.parent = 1;
                self.refresh(Task { slot, thread: 0 });
            }
        }
    }

    /// The thread's name, at most 15 bytes as the kernel keeps it.
    pub(super) fn rename(&mut self, task: Task, name: &str) {
        let name = name.get(..15).unwrap_or(name).to_owned();
        self.thread_mut(task).name = name;
        self.refresh(task);
    }

    /// Gives the process another user.
    pub(super) fn set_user(&mut self, task: Task, user: u32) {
        self.process_mut(task).user = user;
        self.refresh(task);
    }

    /// Moves the process into another mount namespace.
    pub(super) fn set_namespace(&mut self, task: Task, namespace: u64) {
        self.process_mut(task).namespace = namespace;
        self.refresh(task);
    }

    /// Labels what the process does from now on, and what its children to come do.
    pub(super) fn set_label(&mut self, task: Task, label: Label) {
        self.process_mut(task).label = label;
    }

    /// A fresh address space without descriptors above the standard three, as after `execve`.
    pub(super) fn replace_image(&mut self, task: Task) {
        let image = self.draw_image();
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

    /// Numbers of all live processes, ascending as /proc lists them.
    pub(super) fn process_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .table
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

    /// Lets a little time pass and writes one call of `task`.
    pub(super) fn emit(&mut self, task: Task, call: Call, returns: i64, args: &[Arg<'_>]) {
        self.micros += self.gap();
        if self.done() {
            return;
        }
        let mut frames = [0; 20];
        let depth = self.draw_stack(task, call, &mut frames);
        let process = self.table[task.slot]
            .as_ref()
            .expect("a task acts only while it lives");
        let thread = process.threads[task.thread]
            .as_ref()
            .expect("a thread acts only while it lives");
        self.counts.events += 1;
        self.counts.suspicious += u64::from(process.label != Label::Benign);
        self.counts.evil += u64::from(process.label == Label::Evil);
        self.rows.push(&Event {
            micros: self.micros,
            identity: &thread.identity,
            call,
            stack: &frames[..depth],
            returns,
            args,
            label: process.label,
        });
    }

    /// Microseconds between two calls: mostly tens, sometimes a page fault or a disk read.
    fn gap(&mut self) -> u64 {
        let bits = u64::from(self.random.bits());
        let wait = 20 + (bits & 63);
        match (bits >> 6 & 0x1FF).trailing_zeros() {
            0..4 => wait,
            4..9 => wait + (bits >> 16 & 0x3FF),
            _ => wait + (bits >> 16 & 0x1FFF),
        }
    }

    fn draw_stack(&mut self, task: Task, call: Call, frames: &mut [u64; 20]) -> usize {
        let bits = self.random.bits();
        if bits & 7 < 4 {
            return 0;
        }
        let image = self.image(task);
        let depth = 1 + (bits >> 3 & 0xFF) * (bits >> 11 & 0xFF) * call.deepest_stack() / (1 << 16);
        let site = u64::from(call.facts().0.wrapping_mul(0x9E37_79B1) >> 14);
        frames[0] = image.library + site;
        frames[1] = image.library + 0x15_0000 + (site >> 3);
        for (place, frame) in frames.iter_mut().enumerate().skip(2) {
            *frame = image.code + 0x4000 + 48 * place as u64 + (site & 0xFFF);
        }
        depth as usize
    }

    fn draw_image(&mut self) -> Image {
        let mut page = || u64::from(self.random.bits()) << 12;
        let (code, library, stack) = (page() & 0x1FFF_FFFF_F000, page(), page());
        Image {
            code: 0x5580_0000_0000 + code / 6,
            library: 0x7F00_0000_0000 + library / 17,
            stack: 0x7FFC_0000_0000 + (stack & 0x3_FFFF_F000),
            stale_mode: self.random.bits(),
        }
    }

    fn next_id(&mut self) -> u32 {
        loop {
            self.next_id = if self.next_id + 1 >= PID_MAX {
                300
            } else {
                self.next_id + 1
            };
            if !self.in_use(self.next_id) {
                return self.next_id;
            }
        }
    }

    fn in_use(&self, id: u32) -> bool {
        let threads = self
            .table
            .iter()
            .flatten()
            .flat_map(|process| process.threads.iter().flatten());
        threads.into_iter().any(|thread| thread.id == id)
    }

    fn insert(&mut self, process: Process) -> Task {
        self.counts.processes += 1;
        let slot = self
            .table
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.table.len());
        if slot == self.table.len() {
            self.table.push(None);
        }
        self.table[slot] = Some(process);
        let task = Task { slot, thread: 0 };
        self.refresh(task);
        task
    }

    /// Rebuilds the columns that name the process's threads.
    fn refresh(&mut self, task: Task) {
        let process = self.table[task.slot]
            .as_mut()
            .expect("only live processes change");
        for thread in process.threads.iter_mut().flatten() {
            let ids = [process.id, thread.id, process.parent, process.user];
            text::identity(
                &mut thread.identity,
                ids,
                process.namespace,
                &thread.name,
                &self.name,
            );
        }
    }

    fn process(&self, task: Task) -> &Process {
        self.table[task.slot]
            .as_ref()
            .expect("a task is used only while it lives")
    }

    fn process_mut(&mut self, task: Task) -> &mut Process {
        self.table[task.slot]
            .as_mut()
            .expect("a task is used only while it lives")
    }

    fn thread(&self, task: Task) -> &Thread {
        self.process(task).threads[task.thread]
            .as_ref()
            .expect("a thread is used only while it lives")
    }

    fn thread_mut(&mut self, task: Task) -> &mut Thread {
        let thread = task.thread;
        self.process_mut(task).threads[thread]
            .as_mut()
            .expect("a thread is used only while it lives")
    }

    fn name_of(&self, task: Task) -> &str {
        &self.thread(task).name
    }

    /// Places in the process table, live or free.
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptors;

    #[test]
    fn the_lowest_free_descriptor_is_next() {
        let mut all = Descriptors::first(3);
        assert_eq!((all.allocate(), all.allocate()), (3, 4));
        assert!(all.release(3));
        assert!(!all.release(3));
        assert_eq!((all.allocate(), all.allocate()), (3, 5));
        all.take(200);
        assert!(all.release(200));
        assert!(!all.release(-1));
    }
}
