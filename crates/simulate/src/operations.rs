//! What people and timers do on the hosts of a quiet fleet beside the ordinary jobs: deployments, the nightly back-up, and
//! programs that somebody tries.

use super::files::{APPEND, CREATE};
use super::host::Host;
use super::names;
use super::process::Task;
use super::remote::Account;
use super::services::Services;
use super::tools::{self, LIBC, Tool, tool};

/// The account that deploys releases.
pub(super) const DEPLOY: Account = Account {
    user: 1_002,
    home: "/home/deploy",
};

const CURSES: &[&str] = &["libncursesw", "libtinfo", "libm", "libc"];
const PCAP: &[&str] = &["libpcap", "libcrypto", "libc"];
const TERMINAL: &[&str] = &["/usr/share/terminfo/x/xterm-256color"];
const PIP: Tool = tool(
    "/usr/bin/pip3",
    &[
        "libc",
        "libpthread",
        "libdl",
        "libutil",
        "libm",
        "libexpat",
        "libz",
    ],
    &[
        "/usr/lib/python3.8/ssl.py",
        "/usr/lib/python3/dist-packages/pip/__init__.py",
        "/srv/app/requirements.txt",
    ],
);
/// Programs that somebody tries now and then.
static TRIED: [Tool; 20] = [
    tool("/usr/bin/htop", CURSES, &["/proc/stat", "/proc/meminfo"]),
    tool("/usr/bin/ncdu", CURSES, TERMINAL),
    tool(
        "/usr/sbin/iotop",
        &["libc", "libm", "libz"],
        &["/proc/vmstat"],
    ),
    tool(
        "/usr/bin/strace",
        &["librt", "libc"],
        &["/proc/sys/kernel/pid_max"],
    ),
    tool(
        "/usr/sbin/tcpdump",
        PCAP,
        &["/etc/ethertypes", "/etc/protocols"],
    ),
    tool(
        "/usr/bin/jq",
        &["libjq", "libonig", "libm", "libc"],
        &["/srv/app/status.json"],
    ),
    tool(
        "/usr/bin/tmux",
        &["libutil", "libtinfo", "libevent", "libc"],
        &["/etc/passwd"],
    ),
    tool("/usr/bin/nload", CURSES, &["/proc/net/dev"]),
    tool(
        "/usr/sbin/iftop",
        PCAP,
        &["/etc/protocols", "/etc/services"],
    ),
    tool("/usr/bin/lsof", LIBC, &["/proc/mounts", "/proc/net/unix"]),
    tool(
        "/usr/bin/dig",
        &["libdns", "libisc", "libc"],
        &["/etc/resolv.conf"],
    ),
    tool(
        "/usr/bin/traceroute",
        &["libm", "libc"],
        &["/etc/resolv.conf", "/etc/hosts"],
    ),
    tool(
        "/usr/bin/mtr",
        CURSES,
        &["/etc/protocols", "/etc/resolv.conf"],
    ),
    tool(
        "/usr/bin/sar",
        LIBC,
        &["/var/log/sysstat/sa01", "/etc/localtime"],
    ),
    tool(
        "/usr/bin/perf",
        &["libelf", "libdw", "libc"],
        &["/proc/sys/kernel/perf_event_paranoid"],
    ),
    tool("/usr/bin/tree", LIBC, &["/usr/lib/locale/locale-archive"]),
    tool(
        "/usr/bin/unzip",
        &["libbz2", "libc"],
        &["/srv/app/fixtures.zip"],
    ),
    tool(
        "/usr/bin/gdb",
        &["libreadline", "libpython3.8", "libc"],
        &["/etc/gdb/gdbinit"],
    ),
    tool(
        "/usr/bin/sqlite3",
        &["libsqlite3", "libc"],
        &["/srv/app/cache.db"],
    ),
    tool(
        "/usr/bin/psql",
        &["libpq", "libssl", "libc"],
        &["/home/ubuntu/.pgpass"],
    ),
];

impl Host<'_, '_> {
    /// Runs a program that the host hardly ever runs, one time in three as root.
    pub(super) fn try_program(&mut self, shell: Task) {
        let place = self.random.below(TRIED.len() as u32) as usize;
        let program = &TRIED[place];
        self.program_names(shell);
        if !self.random.one_in(3) {
            return self.command(shell, program, &[]);
        }
        self.command_with(shell, &tools::SUDO, &["-E"], |host, task| {
            host.capability(task, "CAP_AUDIT_WRITE", true);
            host.tell(task, "/dev/log");
            host.become_user(task, 0);
            host.run(task, program, &[]);
        });
    }

    /// Runs the nightly back-up, a job of root's crontab: the data is packed and copied to another host.
    pub(super) fn back_up(&mut self, services: &Services) {
        let (child, job) = self.cron_child(services, "/var/spool/cron/crontabs/root", 0);
        let id = self.tasks.id(child);
        self.journal(services, id);
        self.become_script(job, |host, shell| {
            host.command_with(shell, &tools::TAR, &["czf"], |host, task| {
                host.write(task, "/mnt/backup/data.tgz", CREATE);
                let gzip = host.fork(task);
                host.become_tool(gzip, &tools::GZIP, &[]);
                for file in 0..host.random.between(200, 400) {
                    let path = format!("/srv/data/{file:03}");
                    host.lstat(task, &path, true);
                    host.read(task, &path);
                }
                host.exit(gzip);
            });
            host.command_with(shell, &tools::RSYNC, &["-a"], |host, task| {
                host.backup_names(task);
                let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
                let server = host.internet([10, 20, 0, 9], 873);
                host.connect(task, fd, &server, 0);
                host.read(task, "/mnt/backup/data.tgz");
                host.close(task, fd);
            });
            host.write(shell, "/var/log/backup.log", APPEND);
        });
        self.exit(child);
    }

    /// Runs one of the five steps of a deployment, of which `left` are to come with this one.
    pub(super) fn deployment_step(&mut self, shell: Task, left: u32) {
        match left {
            5 => self.command_with(shell, &tools::GIT, &["pull"], |host, task| {
                host.resolve_name(task, names::GIT_SERVER);
                let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
                let server = host.internet([10, 20, 0, 5], 443);
                host.connect(task, fd, &server, 0);
                for object in 0..host.random.between(10, 60) {
                    host.write_private(task, &format!("/srv/app/.git/objects/{object:02}"));
                }
                host.close(task, fd);
            }),
            4 => self.command_with(shell, &PIP, &["install"], |host, task| {
                host.package_names(task);
                for _ in 0..host.random.between(1, 4) {
                    let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
                    let mirror = host.internet([10, 20, 0, 6], 443);
                    host.connect(task, fd, &mirror, 0);
                    host.close(task, fd);
                }
                for file in 0..host.random.between(5, 40) {
                    host.write_private(task, &format!("/srv/app/venv/lib/{file:02}.py"));
                }
            }),
            3 => self.command_with(shell, &tools::RSYNC, &["-a"], |host, task| {
                for file in 0..host.random.between(10, 60) {
                    host.lstat(task, &format!("/srv/app/release/{file:02}"), true);
                }
            }),
            2 => self.command_with(shell, &tools::SUDO, &["systemctl"], |host, task| {
                host.capability(task, "CAP_AUDIT_WRITE", true);
                host.tell(task, "/dev/log");
                host.become_user(task, 0);
                host.run(task, &tools::SYSTEMCTL, &["restart", "app"]);
            }),
            _ => self.command_with(shell, &tools::CURL, &["-f"], |host, task| {
                let fd = host.socket(task, "AF_INET", "SOCK_STREAM");
                let app = host.internet([127, 0, 0, 1], 8_080);
                host.connect(task, fd, &app, 0);
                host.close(task, fd);
            }),
        }
    }
}
