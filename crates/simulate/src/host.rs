//! One simulated host: its clock, its processes, and the sensor that records its calls.

use super::call::Call;
use super::process::{Daemon, Image, Table, Task};
use super::random::Random;
use super::resolver::Resolver;
use super::text::{Arg, Event, Label, Rows};

/// The largest number of stack frames that the sensor resolves for any call.
const FRAMES: usize = 20;

/// The C types that the sensor of a host prints for some arguments. They vary between hosts and never
/// within one.
pub(super) struct Dialect {
    /// The type of `flags` when a file is opened.
    pub(super) flags: &'static str,
    /// The type of `flags` of `clone`.
    pub(super) clone_flags: &'static str,
    /// The type of `mode` of `openat` and `access`.
    pub(super) mode: &'static str,
    /// The type of `count` of `getdents64`.
    pub(super) count: &'static str,
    /// The type of `addr` of calls that return a socket address.
    pub(super) address: &'static str,
    /// The type of group numbers.
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

/// The numbers of events that a host has written, by label.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) benign: u64,
    /// The number of events that are suspicious but not evil.
    pub(super) suspicious: u64,
    pub(super) evil: u64,
}

impl Counts {
    /// Returns the number of all events.
    pub(super) fn events(&self) -> u64 {
        self.benign + self.suspicious + self.evil
    }

    fn add(&mut self, label: Label) {
        match label {
            Label::Benign => self.benign += 1,
            Label::Suspicious => self.suspicious += 1,
            Label::Evil => self.evil += 1,
        }
    }
}

/// A host that runs one call at a time.
///
/// Once the host has written its share of events, further calls change its processes but are not recorded.
pub(super) struct Host<'r, 'w> {
    /// The host's IPv4 address.
    pub(super) address: [u8; 4],
    pub(super) random: Random,
    pub(super) dialect: Dialect,
    pub(super) tasks: Table,
    pub(super) resolver: Resolver,
    counts: Counts,
    pub(super) rows: &'r mut Rows<'w>,
    /// The number of events that the host is to write, unless it writes until a time.
    share: u64,
    /// The time at which the recording ends, in microseconds since boot, if it does not end with the share.
    ends: Option<u64>,
    /// The time since boot, in microseconds.
    micros: u64,
}

impl<'r, 'w> Host<'r, 'w> {
    /// Creates a host that is named by its address. It records `share` events, or for `time` microseconds if that is
    /// given. The recording begins `micros` microseconds after the host's boot. The second stream of random numbers is
    /// that of lookups.
    pub(super) fn new(
        address: [u8; 4],
        [mut random, of_lookups]: [Random; 2],
        rows: &'r mut Rows<'w>,
        (share, time): (u64, Option<u64>),
        micros: u64,
    ) -> Self {
        let dialect = Dialect::draw(&mut random);
        let [a, b, c, d] = address;
        let tasks = Table::new(format!("ip-{a}-{b}-{c}-{d}"), random.between(7_240, 7_360));
        Self {
            address,
            random,
            dialect,
            tasks,
            resolver: Resolver::new(address, of_lookups, micros),
            counts: Counts::default(),
            rows,
            share,
            ends: time.map(|time| micros + time),
            micros,
        }
    }

    /// Returns true once the recording has ended or a write has failed.
    pub(super) fn done(&self) -> bool {
        let is_over = match self.ends {
            Some(ends) => self.micros >= ends,
            None => self.counts.events() >= self.share,
        };
        is_over || self.rows.failed()
    }

    /// Returns whether the host records for a time, whatever the number of events.
    pub(super) fn is_timed(&self) -> bool {
        self.ends.is_some()
    }

    /// Returns the label of events that BETH marks on benign hosts. In a fleet, only break-ins are labelled.
    pub(super) fn unusual(&self) -> Label {
        match self.is_timed() {
            true => Label::Benign,
            false => Label::Suspicious,
        }
    }

    /// Returns the number of events that the host is to write.
    pub(super) fn share(&self) -> u64 {
        self.share
    }

    /// Returns the numbers of events that the host has written.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the time since boot, in microseconds.
    pub(super) fn now(&self) -> u64 {
        self.micros
    }

    /// Advances the clock to `micros` microseconds since boot, unless it is past that already.
    pub(super) fn wait_until(&mut self, micros: u64) {
        self.micros = self.micros.max(micros);
    }

    /// Adds a process that was started before the recording.
    pub(super) fn boot(&mut self, daemon: &Daemon) -> Task {
        let image = self.draw_image();
        self.tasks.boot(daemon, image)
    }

    /// Advances the clock a little and writes one call of `task`.
    pub(super) fn emit(&mut self, task: Task, call: Call, returns: i64, args: &[Arg<'_>]) {
        self.micros += self.gap();
        if self.done() {
            return;
        }
        let mut frames = [0; FRAMES];
        let depth = self.draw_stack(task, call, &mut frames);
        let (identity, label) = self.tasks.row_parts(task);
        self.counts.add(label);
        let stack = &frames[..depth];
        self.rows.push(&Event {
            micros: self.micros,
            identity,
            call,
            stack,
            returns,
            args,
            label,
        });
    }

    /// Draws the time between two calls, in microseconds. It is mostly tens of microseconds, and sometimes
    /// as long as a page fault or a disk read.
    fn gap(&mut self) -> u64 {
        let bits = u64::from(self.random.bits());
        let wait = 20 + (bits & 63);
        match (bits >> 6 & 0x1FF).trailing_zeros() {
            0..4 => wait,
            4..9 => wait + (bits >> 16 & 0x3FF),
            _ => wait + (bits >> 16 & 0x1FFF),
        }
    }

    /// Fills `frames` with the call stack of a row and returns its depth. Half of the rows have no stack,
    /// and most of the others have one frame or two.
    fn draw_stack(&mut self, task: Task, call: Call, frames: &mut [u64; FRAMES]) -> usize {
        let bits = self.random.bits();
        if bits & 1 == 0 {
            return 0;
        }
        let image = self.tasks.image(task);
        let small_product = (bits >> 1 & 0xFF) * (bits >> 9 & 0xFF);
        let depth = 1 + small_product * call.deepest_stack() / (1 << 16);
        let site = u64::from(call.facts().0.wrapping_mul(0x9E37_79B1) >> 14);
        for (place, frame) in (0..).zip(frames.iter_mut()) {
            *frame = match place {
                0 => image.library + site,
                1 => image.library + 0x15_0000 + (site >> 3),
                _ => image.code + 0x4000 + 48 * place + (site & 0xFFF),
            };
        }
        depth as usize
    }

    /// Draws the addresses of a new process. They lie where Linux puts executables, libraries and the stack
    /// on x86-64.
    pub(super) fn draw_image(&mut self) -> Image {
        let mut pages = |bits: u32| u64::from(self.random.bits() >> (32 - bits)) << 12;
        Image {
            code: 0x5580_0000_0000 + pages(28),
            library: 0x7F00_0000_0000 + pages(27),
            stack: 0x7FFC_0000_0000 + pages(22),
            stale_mode: self.random.bits(),
        }
    }
}
