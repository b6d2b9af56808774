//! Work that is recorded, and recordings of it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sensor::{Counts, Event, Filter, Sensor};

/// The time after which work is ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tests run one after the other, since each loads programs into the one kernel.
static TURN: Mutex<()> = Mutex::new(());

/// An event that was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub time: u64,
    pub process: u32,
    pub thread: u32,
    pub parent: u32,
    pub user: u32,
    pub process_name: String,
    pub id: i64,
    pub name: String,
    pub arguments_number: i64,
    pub returned: i64,
    pub arguments: String,
    pub system_call: Option<String>,
    pub process_start: u64,
    pub executable: Option<String>,
    pub cgroup: Option<String>,
    pub container: Option<String>,
}

impl Recorded {
    pub fn of(event: &Event<'_>) -> Self {
        Self {
            time: event.time,
            process: event.process,
            thread: event.thread,
            parent: event.parent,
            user: event.user,
            process_name: event.process_name.to_owned(),
            id: event.id,
            name: event.name.to_owned(),
            arguments_number: event.arguments_number,
            returned: event.returned,
            arguments: event.arguments.to_owned(),
            system_call: event.system_call.map(str::to_owned),
            process_start: event.process_start,
            executable: event.executable.map(str::to_owned),
            cgroup: event.cgroup.map(str::to_owned),
            container: event.container.map(str::to_owned),
        }
    }

    /// Returns whether an argument is written as `value`.
    pub fn has(&self, name: &str, value: &str) -> bool {
        argument(&self.arguments, name) == Some(value)
    }
}

/// Returns the text of an argument's value.
pub fn argument<'a>(arguments: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = arguments.split_once(&format!("{{'name': '{name}', "))?;
    let (_, rest) = rest.split_once("'value': ")?;
    let end = rest.find("}, {'name'").or_else(|| rest.find("}]"))?;
    Some(&rest[..end])
}

/// A turn in which the sensor can be loaded.
pub struct Turn {
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits for the turn. Returns `None`, and says why in one line, where the sensor cannot be loaded.
    pub fn wait() -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let filter = Filter {
            mount_namespace: Some(1),
            ..Filter::default()
        };
        match Sensor::start(&filter) {
            Ok(_) => Some(Self { _turn: turn }),
            Err(error) if can_load() => panic!("{error}"),
            Err(error) => {
                eprintln!("not tested: {error}");
                None
            }
        }
    }
}

/// Returns whether this machine has what the sensor asks for.
fn can_load() -> bool {
    std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
            let bits = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
            // CAP_SYS_ADMIN.
            bits.is_some_and(|bits| bits & 1 << 21 != 0)
        })
}

/// Returns the words of a command that a shell runs.
pub fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// Starts a program in a mount namespace of its own; it waits for a line on its standard input before it begins.
pub fn start(command: &[String]) -> (Child, u32) {
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", "read go; exec \"$@\"", "sh"])
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("unshare is there");
    let namespace = namespace_of_its_own(&child);
    (child, namespace)
}

/// Waits until a process has a mount namespace of its own, and returns that.
fn namespace_of_its_own(child: &Child) -> u32 {
    let own = namespace("self");
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        match namespace(&child.id().to_string()) {
            Some(other) if Some(other) != own => return other,
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    panic!("unshare made no mount namespace");
}

/// Returns the mount namespace of a process.
fn namespace(process: &str) -> Option<u32> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok()?;
    let link = link.to_str()?.strip_prefix("mnt:[")?.strip_suffix(']')?;
    link.parse().ok()
}

/// Runs a program in a mount namespace of its own and returns its events.
pub fn record(command: &[String]) -> Vec<Recorded> {
    record_with(Filter::default(), command)
}

/// Records a program, and does not read before it has ended. Returns its events and what was counted.
pub fn record_when_over(command: &[String]) -> (Vec<Recorded>, Vec<Counts>) {
    let (mut child, namespace) = start(command);
    let mut sensor = Sensor::start(&within(namespace)).expect("the sensor starts");
    begin(&mut child);
    child.wait().unwrap();
    let mut events = Vec::new();
    let counts = sensor
        .finish(&mut |event| events.push(Recorded::of(event)))
        .unwrap();
    (events, counts)
}

/// Records a program with two sensors.
pub fn record_twice(command: &[String]) -> [Vec<Recorded>; 2] {
    let (child, namespace) = start(command);
    let mut sensors = [(); 2].map(|()| Sensor::start(&within(namespace)).expect("a sensor starts"));
    let mut events = [Vec::new(), Vec::new()];
    let [first, second] = &mut sensors;
    let [left, right] = &mut events;
    run(child, &mut [(first, left), (second, right)]);
    for (sensor, events) in sensors.iter_mut().zip(&mut events) {
        sensor
            .finish(&mut |event| events.push(Recorded::of(event)))
            .unwrap();
    }
    events
}

/// Records a program with a filter beside that of its mount namespace.
pub fn record_with(filter: Filter, command: &[String]) -> Vec<Recorded> {
    let (child, namespace) = start(command);
    let filter = Filter {
        mount_namespace: Some(namespace),
        ..filter
    };
    let mut sensor = Sensor::start(&filter).expect("the sensor starts");
    let mut events = Vec::new();
    run(child, &mut [(&mut sensor, &mut events)]);
    sensor
        .finish(&mut |event| events.push(Recorded::of(event)))
        .unwrap();
    events
}

fn within(namespace: u32) -> Filter {
    Filter {
        mount_namespace: Some(namespace),
        ..Filter::default()
    }
}

/// Lets a program begin that waits for it.
fn begin(child: &mut Child) {
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"go\n").unwrap();
}

/// Lets a program begin and reads its events until it ends.
fn run(mut child: Child, sensors: &mut [(&mut Sensor, &mut Vec<Recorded>)]) {
    begin(&mut child);
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        for (sensor, events) in &mut *sensors {
            sensor.read(&mut |event| events.push(Recorded::of(event)));
        }
        if since.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the words of a command that Python runs.
pub fn python(script: &str) -> Vec<String> {
    ["python3", "-I", "-S", "-c", script]
        .map(str::to_owned)
        .to_vec()
}

/// A cgroup that is removed at the end.
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Creates a cgroup; returns `None` where that is impossible.
    pub fn create(name: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let root = roots
            .iter()
            .find(|root| root.join("cgroup.controllers").exists())?;
        let path = root.join(name);
        std::fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    pub fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
