//! A cluster of real processes on free ports of loopback. No process outlives its test, however the test ends.
#![allow(
    dead_code,
    reason = "every test program uses some of these helpers, none uses all"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Arguments of a scheduler that removes silent executors sooner than usual, so that tests wait less.
const SHORT_TIMEOUT: [&str; 4] = ["--executor-timeout", "3", "--check-every", "1"];
/// The time between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `holds` returns true. Panics with the text of `what` if that takes too long.
pub fn wait_until(mut holds: impl FnMut() -> bool, what: impl Fn() -> String) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "not in time: {}", what());
        sleep(PAUSE);
    }
}

/// Returns the body of a page of `address`, or none if the status is not 200.
pub fn page(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200 ").then(|| body.to_owned())
}

/// A process of a scheduler or an executor. It is killed when this value is dropped.
pub struct Node {
    child: Child,
    log: PathBuf,
    /// The address on which it listens.
    pub address: SocketAddr,
}

impl Node {
    /// Starts `honeyguide cluster ARGS`, with its standard error in the file `log`, and waits until it listens.
    pub fn start(args: &[&str], log: &Path) -> Self {
        let child = Command::new(assert_cmd::cargo::cargo_bin!("honeyguide"))
            .arg("cluster")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).expect("a log"))
            .spawn()
            .expect("the program starts");
        let mut node = Self {
            child,
            log: log.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut address = None;
        wait_until(
            || {
                let log = node.log();
                address = log.lines().find_map(listening_address);
                let ended = node.child.try_wait().expect("its status");
                assert!(ended.is_none(), "{args:?} ended: {log}");
                address.is_some()
            },
            || format!("{args:?} does not listen"),
        );
        node.address = address.expect("it listens");
        node
    }

    /// Returns what the process has written to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Returns the body of a page of the node. Panics if there is no such page.
    pub fn page(&self, path: &str) -> String {
        page(self.address, path).unwrap_or_else(|| panic!("no {path}: {}", self.log()))
    }

    /// Returns the value of a sample on the node's page of metrics.
    pub fn metric(&self, sample: &str) -> f64 {
        let page = self.page("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(sample));
        let value = line.unwrap_or_else(|| panic!("no {sample} in: {page}"));
        value.trim().parse().expect("a number")
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its status");
    }

    /// Sends the process a signal, which is given by its name as for kill(1).
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill(1)").success(), "{name} to {id}");
    }

    /// Asks the process to end with SIGTERM, and returns its status when it has ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let mut status = None;
        wait_until(
            || {
                status = self.child.try_wait().expect("its status");
                status.is_some()
            },
            || {
                format!(
                    "it does not end: {}",
                    fs::read_to_string(&self.log).unwrap_or_default()
                )
            },
        );
        status.expect("it has ended")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.log());
        }
    }
}

/// Returns the address that a line of a log announces.
fn listening_address(line: &str) -> Option<SocketAddr> {
    line.split_once(" listening on ")?.1.parse().ok()
}

/// A scheduler and executors, with a temporary folder for their files.
pub struct Cluster {
    scheduler: Node,
    executors: Vec<Node>,
    url: String,
    started: usize,
    folder: TempDir,
}

impl Cluster {
    /// Starts a scheduler and `executors` executors, and waits until all have joined. Each executor runs two tasks at
    /// once.
    pub fn start(executors: usize) -> Self {
        Self::start_with(executors, &[])
    }

    /// Starts a cluster as [`Cluster::start`] does, with more arguments for every executor.
    pub fn start_with(executors: usize, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scheduler = Node::start(
            &[&["scheduler", "--bind", "127.0.0.1:0"], &SHORT_TIMEOUT[..]].concat(),
            &folder.path().join("scheduler-0.log"),
        );
        let url = format!("df://{}", scheduler.address);
        let mut cluster = Self {
            scheduler,
            executors: Vec::new(),
            url,
            started: 0,
            folder,
        };
        for _ in 0..executors {
            cluster.start_executor(args);
        }
        cluster.wait_for_executors();
        cluster
    }

    /// Returns the value of the option `--cluster`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the scheduler.
    pub fn scheduler(&mut self) -> &mut Node {
        &mut self.scheduler
    }

    /// Returns the executors that were started and not killed, in the order of their start.
    pub fn executors(&mut self) -> &mut Vec<Node> {
        &mut self.executors
    }

    /// Returns the folder in which every executor has a folder of its own.
    pub fn work_dir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Returns the path of the log of the node that is started next.
    fn next_log(&mut self, node: &str) -> PathBuf {
        self.started += 1;
        self.folder
            .path()
            .join(format!("{node}-{}.log", self.started))
    }

    /// Starts an executor and does not wait until it has joined.
    fn start_executor(&mut self, args: &[&str]) {
        let address = self.scheduler.address.to_string();
        let work_dir = self.work_dir().display().to_string();
        let common = [
            "executor",
            "--scheduler",
            &address,
            "--work-dir",
            &work_dir,
            "--slots",
            "2",
        ];
        let log = self.next_log("executor");
        self.executors
            .push(Node::start(&[&common, args].concat(), &log));
    }

    /// Starts one more executor and waits until it has joined.
    pub fn add_executor(&mut self) {
        self.start_executor(&[]);
        let executor = self.executors.last().expect("one was started");
        wait_until(
            || executor.metric("honeyguide_executor_joined") == 1.0,
            || format!("the executor does not join: {}", executor.log()),
        );
    }

    /// Kills the executor at `index` of [`Cluster::executors`]. The scheduler has to notice its silence.
    pub fn kill_executor(&mut self, index: usize) {
        self.executors.remove(index).kill();
    }

    /// Kills the scheduler.
    pub fn kill_scheduler(&mut self) {
        self.scheduler.kill();
    }

    /// Restarts the scheduler on the same address, and waits until all executors have joined again.
    pub fn restart_scheduler(&mut self) {
        let address = self.scheduler.address.to_string();
        let log = self.next_log("scheduler");
        self.scheduler = Node::start(
            &[&["scheduler", "--bind", &address], &SHORT_TIMEOUT[..]].concat(),
            &log,
        );
        self.wait_for_executors();
    }

    /// Returns a figure of the scheduler's page about the cluster.
    pub fn status(&self, figure: &str) -> u64 {
        let page = self.scheduler.page("/honeyguide/cluster");
        let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
        page[figure].as_u64().expect("a number")
    }

    /// Waits until the scheduler counts exactly the executors that were not killed.
    pub fn wait_for_executors(&self) {
        let expected = self.executors.len() as u64;
        wait_until(
            || self.status("executors") == expected,
            || format!("{expected} executors: {}", self.scheduler.log()),
        );
    }
}
