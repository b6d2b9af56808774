//! The sensor: loading, reading and the end.

mod cgroups;
mod object;

use std::time::{Duration, Instant};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::BtfTracePoint;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::{Btf, Ebpf, EbpfLoader};

use crate::calls::{CALLS, TABLE};
use crate::decode::Decoder;
use crate::{Counts, Event, Filter, Result, SensorError, privileges};

/// The programs of the kernel part and their tracepoints. A kernel may lack the last one, and then the event is missing.
const PROGRAMS: [(&str, &str, Option<&str>); 4] = [
    ("on_sys_exit", "sys_exit", None),
    ("on_exec", "sched_process_exec", None),
    ("on_exit", "sched_process_exit", None),
    (
        "on_prepare_exec",
        "sched_prepare_exec",
        Some("security_bprm_check"),
    ),
];
/// The events of BETH that the sensor has no tracepoint for.
const NEVER: [&str; 2] = ["cap_capable", "security_inode_unlink"];
/// The number of records that one call reads at most: it returns while events keep coming, and files of a recording can be
/// ended close to the size that they should have.
const MAX_READ: u64 = 1 << 10;
/// The time for which the end waits for programs that are still running on other processors.
const PATIENCE: Duration = Duration::from_secs(2);

/// `struct config` of `sensor.bpf.c`, as its 32-bit words. The first two are one number of 64 bits.
type Config = [u32; 8];
/// The word of `Config` with the number that shows the kernel part which process the sensor is.
const CLAIM: usize = 6;
/// The word of `Config` into which the kernel part writes the sensor's process.
const OWN: usize = 7;

/// A sensor that records. The kernel part is unloaded when it is dropped.
pub struct Sensor {
    events: RingBuf<MapData>,
    counters: PerCpuArray<MapData, [u64; 3]>,
    decoder: Decoder,
    links: Vec<BtfTracePointLink>,
    absent: Vec<&'static str>,
    read: u64,
    /// Holds the programs.
    _loaded: Ebpf,
}

impl Sensor {
    /// Loads the kernel part and begins to record.
    ///
    /// # Errors
    /// Fails when the process lacks capabilities, the kernel lacks BTF or the ring buffer, the kernel refuses the
    /// programs, or a filter names a cgroup or container that does not exist.
    pub fn start(filter: &Filter) -> Result<Self> {
        privileges::check()?;
        let btf = Btf::from_sys_fs().map_err(|error| {
            SensorError::new(format!("the kernel gives no BTF: {error}"))
                .hint("the sensor needs a kernel with CONFIG_DEBUG_INFO_BTF, which has /sys/kernel/btf/vmlinux")
        })?;
        let config = config(filter)?;
        let mut loaded = EbpfLoader::new()
            .btf(Some(&btf))
            .load(object::bytes())
            .map_err(|error| {
                refused("the sensor's maps", &error).hint(
                    "the sensor needs Linux 5.17 or newer, with ring buffers for BPF programs",
                )
            })?;
        let mut calls: Array<_, [u8; 8]> = Array::try_from(map(&mut loaded, "calls")?)
            .map_err(|error| refused("the map of calls", &error))?;
        for call in TABLE {
            let compat = (call.compat < CALLS).then_some(CALLS + call.compat);
            for number in [Some(call.number), compat].into_iter().flatten() {
                let set = calls.set(number, call.description(), 0);
                set.map_err(|error| refused("the map of calls", &error))?;
            }
        }
        let mut sensor = Self {
            events: RingBuf::try_from(map(&mut loaded, "events")?)
                .map_err(|error| refused("the ring buffer", &error))?,
            counters: PerCpuArray::try_from(map(&mut loaded, "counters")?)
                .map_err(|error| refused("the counters", &error))?,
            decoder: Decoder::new(),
            links: Vec::new(),
            absent: NEVER.to_vec(),
            read: 0,
            _loaded: loaded,
        };
        let mut settings: Array<_, Config> = Array::try_from(map(&mut sensor._loaded, "config")?)
            .map_err(|error| refused("the settings", &error))?;
        let set = settings.set(0, config, 0);
        set.map_err(|error| refused("the settings", &error))?;
        sensor.attach(&btf)?;
        claim(&settings, config[CLAIM])?;
        Ok(sensor)
    }

    /// Loads and attaches the programs.
    fn attach(&mut self, btf: &Btf) -> Result<()> {
        for (name, tracepoint, optional) in PROGRAMS {
            let program = self._loaded.program_mut(name);
            let program: &mut BtfTracePoint = program
                .ok_or_else(|| SensorError::new(format!("the sensor's object lacks {name}")))?
                .try_into()
                .map_err(|error| refused(name, &error))?;
            let attached = program
                .load(tracepoint, btf)
                .and_then(|()| program.attach())
                .and_then(|link| program.take_link(link));
            match (attached, optional) {
                (Ok(link), _) => self.links.push(link),
                (Err(_), Some(event)) => self.absent.push(event),
                (Err(error), None) => {
                    return Err(refused(&format!("the program at {tracepoint}"), &error));
                }
            }
        }
        Ok(())
    }

    /// Gives up every capability of the calling thread, and so of threads that it starts later, but the one with which
    /// counters are read. If `keeps_file_access`, it can still write where only root may.
    ///
    /// # Errors
    /// Fails when the kernel refuses.
    pub fn drop_capabilities(&self, keeps_file_access: bool) -> Result<()> {
        privileges::drop_capabilities(keeps_file_access)
    }

    /// Hands events that have arrived to `take`, some 1,000 at most, and returns their number. It does not wait. Call it
    /// many times a second until it returns 0: the ring buffer holds some 60,000 events.
    pub fn read(&mut self, take: &mut impl FnMut(&Event<'_>)) -> u64 {
        let mut records = 0;
        let before = self.read;
        while records < MAX_READ
            && let Some(record) = self.events.next()
        {
            records += 1;
            self.read += self.decoder.decode(&record, take);
        }
        self.read - before
    }

    /// Returns the counts of each processor.
    ///
    /// # Errors
    /// Fails when the kernel refuses to show them.
    pub fn counts(&self) -> Result<Vec<Counts>> {
        let counts = self.counters.get(&0, 0);
        let counts = counts.map_err(|error| refused("the counters", &error))?;
        Ok(counts
            .iter()
            .map(|&[emitted, lost, cut_texts]| Counts {
                emitted,
                lost,
                cut_texts,
            })
            .collect())
    }

    /// Ends the recording: unloads the programs, hands out what is left, and then the losses that no event has told of
    /// yet. Returns the counts of each processor.
    ///
    /// # Errors
    /// Fails when the events that were read and those that were lost are not all that happened.
    pub fn finish(&mut self, take: &mut impl FnMut(&Event<'_>)) -> Result<Vec<Counts>> {
        self.links.clear();
        let since = Instant::now();
        let (mut last, mut host) = (0, String::new());
        loop {
            let read = self.read(&mut |event: &Event<'_>| {
                last = event.time;
                event.host_name.clone_into(&mut host);
                take(event);
            });
            let counts = self.counts()?;
            let emitted: u64 = counts.iter().map(|counts| counts.emitted).sum();
            let lost: u64 = counts.iter().map(|counts| counts.lost).sum();
            if emitted == self.read + lost {
                for (processor, counts) in counts.iter().enumerate() {
                    let at = (last, host.as_str());
                    self.decoder.report(processor, counts.lost, at, take);
                }
                return Ok(counts);
            }
            if read == 0 && since.elapsed() > PATIENCE {
                return Err(SensorError::new(format!(
                    "the recording is not whole: {emitted} events happened, {} were read, and {lost} were lost",
                    self.read
                )));
            }
            if read == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Returns the events of BETH that the sensor does not record on this kernel.
    #[must_use]
    pub fn absent_events(&self) -> &[&'static str] {
        &self.absent
    }
}

/// Takes a map of the object.
fn map(loaded: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    loaded
        .take_map(name)
        .ok_or_else(|| SensorError::new(format!("the sensor's object lacks the map {name}")))
}

/// Returns the settings of the kernel part.
fn config(filter: &Filter) -> Result<Config> {
    let mut config = Config::default();
    if let Some(namespace) = filter.mount_namespace {
        config[3] = namespace;
        config[5] |= 1;
    }
    if let Some(user) = filter.user {
        config[4] = user;
        config[5] |= 4;
    }
    if let Some((id, level)) = cgroups::wanted(filter)? {
        [config[0], config[1]] = [id as u32, (id >> 32) as u32];
        config[2] = level;
        config[5] |= 2;
    }
    // Any number that nobody else passes to lchown while the sensor starts.
    let nanoseconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    config[CLAIM] = nanoseconds.map_or(1, |time| time.subsec_nanos() | 1 << 30);
    Ok(config)
}

/// Shows the kernel part which process the sensor is. Its number within a namespace would not tell.
fn claim(settings: &Array<MapData, Config>, claim: u32) -> Result<()> {
    // No path is empty, so this only fails, after the kernel part has seen it.
    let _ = std::os::unix::fs::lchown("", Some(claim), None);
    match settings.get(&0, 0) {
        Ok(config) if config[OWN] != 0 => Ok(()),
        Ok(_) => Err(SensorError::new("the kernel part does not record")),
        Err(error) => Err(refused("the settings", &error)),
    }
}

/// Returns the error of something that the kernel refused, with the cause that is innermost.
fn refused(what: &str, error: &(dyn std::error::Error + 'static)) -> SensorError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    // A refused program comes with the log of the kernel's verifier, of which the end tells the reason.
    let tail = message.char_indices().rev().nth(600);
    let message = tail.map_or(message.as_str(), |(at, _)| &message[at..]);
    SensorError::new(format!("the kernel refuses {what}: {message}"))
}
