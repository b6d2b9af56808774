//! One simulated host: its clock, its processes, and the sensor that writes each call down.

use super::call::Call;
use super::process::{Daemon, Image, Table, Task};
use super::random::Random;
use super::text::{Arg, Event, Label, Rows};

/// The deepest call stack the sensor resolves.
const FRAMES: usize = 20;

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

/// Events a host has written, by label.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) benign: u64,
    /// Suspicious and not evil.
    pub(super) suspicious: u64,
    pub(super) evil: u64,
}

impl Counts {
    /// All of them.
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

/// A host that runs one call at a time. Once its share of events is written, further calls happen unrecorded.
pub(super) struct Host<'r, 'w> {
    /// The host's address in its network.
    pub(super) address: [u8; 4],
    pub(super) random: Random,
    pub(super) dialect: Dialect,
    pub(super) tasks: Table,
    counts: Counts,
    rows: &'r mut Rows<'w>,
    share: u64,
    micros: u64,
}

impl<'r, 'w> Host<'r, 'w> {
    /// A host, named by its address, that records `share` events from `micros` after its boot.
    pub(super) fn new(
        address: [u8; 4],
        mut random: Random,
        rows: &'r mut Rows<'w>,
        share: u64,
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
            counts: Counts::default(),
            rows,
            share,
            micros,
        }
    }

    /// True when the host has written its share, or nothing more can be written.
    pub(super) fn done(&self) -> bool {
        self.counts.events() >= self.share || self.rows.failed()
    }

    /// Events this host is to write.
    pub(super) fn share(&self) -> u64 {
        self.share
    }

    /// Events it has written.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Microseconds since boot.
    pub(super) fn now(&self) -> u64 {
        self.micros
    }

    /// Lets the clock stand at `micros`, unless it is past that already.
    pub(super) fn wait_until(&mut self, micros: u64) {
        self.micros = self.micros.max(micros);
    }

    /// Adds a process that started before the recording.
    pub(super) fn boot(&mut self, daemon: &Daemon) -> Task {
        let image = self.draw_image();
        self.tasks.boot(daemon, image)
    }

    /// Lets a little time pass and writes one call of `task`.
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

    /// Half of the rows have no stack, the others mostly a frame or two.
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

    /// A new address space: where Linux puts executables, libraries and the stack on x86-64.
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
