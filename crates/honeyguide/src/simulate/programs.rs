//! Programs from start to end: the dynamic loader, what each tool reads, and the shells that start them.

use super::actions::{NO_SUCH_FILE, NO_SUCH_PROCESS, READ};
use super::host::{Host, Task};

const LIBC: &[&str] = &["libc"];
const SELINUX: &[&str] = &["libselinux", "libc", "libpcre2-8", "libdl", "libpthread"];
const PROCPS: &[&str] = &[
    "libprocps",
    "libdl",
    "libc",
    "libsystemd",
    "librt",
    "liblzma",
    "liblz4",
    "libgcrypt",
    "libpthread",
    "libgpg-error",
];
const NETWORK: &[&str] = &[
    "libpcre2-8",
    "libuuid",
    "libidn2",
    "libssl",
    "libcrypto",
    "libpsl",
    "libz",
    "libc",
    "libdl",
    "libpthread",
];
const PAM: &[&str] = &[
    "libaudit",
    "libpam",
    "libpam_misc",
    "libselinux",
    "libc",
    "libdl",
    "libcap-ng",
    "libpcre2-8",
    "libpthread",
];
const PYTHON: &[&str] = &[
    "libc",
    "libpthread",
    "libdl",
    "libutil",
    "libm",
    "libexpat",
    "libz",
];
const SYSTEMD: &[&str] = &[
    "librt",
    "libseccomp",
    "libselinux",
    "libmount",
    "libpam",
    "libaudit",
    "libkmod",
    "libc",
    "libblkid",
    "libcrypto",
];

/// A program and what a run of it touches. Most differ in nothing else.
pub(super) struct Tool {
    pub(super) path: &'static str,
    libraries: &'static [&'static str],
    reads: &'static [&'static str],
    /// Files it looks for in vain.
    misses: &'static [&'static str],
    lists: &'static [(&'static str, i64)],
    /// It reads each process's folder in /proc.
    walks_processes: bool,
}

const fn tool(
    path: &'static str,
    libraries: &'static [&'static str],
    reads: &'static [&'static str],
) -> Tool {
    Tool {
        path,
        libraries,
        reads,
        misses: &[],
        lists: &[],
        walks_processes: false,
    }
}

impl Tool {
    const fn missing(self, misses: &'static [&'static str]) -> Self {
        Self { misses, ..self }
    }

    const fn listing(self, lists: &'static [(&'static str, i64)]) -> Self {
        Self { lists, ..self }
    }

    const fn walking(self) -> Self {
        Self {
            walks_processes: true,
            ..self
        }
    }
}

const LOCALE: &str = "/usr/lib/locale/locale-archive";
const NSS: [&str; 3] = ["/etc/nsswitch.conf", "/etc/passwd", "/etc/group"];

pub(super) static PS: Tool = tool(
    "/bin/ps",
    PROCPS,
    &[
        "/proc/self/auxv",
        "/proc/sys/kernel/osrelease",
        "/proc/stat",
        LOCALE,
    ],
)
.walking();
pub(super) static W: Tool = tool(
    "/usr/bin/w",
    PROCPS,
    &["/proc/uptime", "/var/run/utmp", "/proc/loadavg"],
)
.missing(&["/var/run/utmpx"])
.walking();
pub(super) static TOP: Tool = tool(
    "/usr/bin/top",
    PROCPS,
    &[
        "/proc/stat",
        "/proc/meminfo",
        "/usr/share/terminfo/x/xterm-256color",
    ],
)
.missing(&["/etc/toprc", "/home/ubuntu/.toprc"])
.walking();
pub(super) static WHO: Tool =
    tool("/usr/bin/who", LIBC, &["/var/run/utmp", LOCALE]).missing(&["/var/run/utmpx"]);
pub(super) static UNAME: Tool = tool("/bin/uname", LIBC, &[LOCALE]);
pub(super) static DATE: Tool = tool("/bin/date", LIBC, &[LOCALE, "/etc/localtime"]);
pub(super) static TRUE: Tool = tool("/bin/true", LIBC, &[]);
pub(super) static SLEEP: Tool = tool("/bin/sleep", LIBC, &[LOCALE]);
pub(super) static WHOAMI: Tool = tool("/usr/bin/whoami", LIBC, &[LOCALE, NSS[0], NSS[1]]);
pub(super) static ID: Tool = tool(
    "/usr/bin/id",
    SELINUX,
    &["/proc/filesystems", NSS[0], NSS[1], NSS[2]],
);
pub(super) static CAT: Tool = tool("/bin/cat", LIBC, &[LOCALE]);
pub(super) static GREP: Tool = tool(
    "/bin/grep",
    &["libpcre", "libdl", "libc", "libpthread"],
    &[LOCALE],
);
pub(super) static CUT: Tool = tool("/usr/bin/cut", LIBC, &[LOCALE]);
pub(super) static WC: Tool = tool("/usr/bin/wc", LIBC, &[LOCALE]);
pub(super) static HEAD: Tool = tool("/usr/bin/head", LIBC, &[LOCALE]);
pub(super) static TAIL: Tool = tool("/usr/bin/tail", LIBC, &[LOCALE, "/var/log/syslog"]);
pub(super) static AWK: Tool = tool("/usr/bin/mawk", &["libm", "libc"], &[]);
pub(super) static SED: Tool = tool(
    "/bin/sed",
    &["libacl", "libselinux", "libc", "libattr", "libpcre2-8"],
    &["/proc/filesystems", LOCALE],
);
pub(super) static LS: Tool =
    tool("/bin/ls", SELINUX, &["/proc/filesystems", LOCALE]).listing(&[(".", 272)]);
pub(super) static FIND: Tool = tool(
    "/usr/bin/find",
    SELINUX,
    &["/proc/filesystems", "/proc/mounts", LOCALE],
)
.listing(&[("/var/lib", 1_208), ("/var/lib/apt", 144)]);
pub(super) static DF: Tool = tool("/bin/df", LIBC, &[LOCALE, "/proc/self/mountinfo"]);
pub(super) static DU: Tool = tool("/usr/bin/du", LIBC, &[LOCALE]).listing(&[
    ("/var/log", 608),
    ("/var/log/journal", 80),
    ("/var/log/apt", 112),
]);
pub(super) static FREE: Tool = tool("/usr/bin/free", PROCPS, &["/proc/meminfo"]);
pub(super) static LSCPU: Tool = tool(
    "/usr/bin/lscpu",
    &["libsmartcols", "libc"],
    &[
        "/proc/cpuinfo",
        "/sys/devices/system/cpu/possible",
        "/sys/devices/system/cpu/online",
    ],
)
.listing(&[("/sys/devices/system/cpu", 608)]);
pub(super) static SYSTEMCTL: Tool = tool(
    "/bin/systemctl",
    SYSTEMD,
    &["/proc/filesystems", "/proc/cmdline", "/proc/self/stat"],
)
.missing(&["/run/systemd/container"]);
pub(super) static JOURNALCTL: Tool = tool(
    "/bin/journalctl",
    SYSTEMD,
    &[
        "/proc/filesystems",
        "/etc/machine-id",
        "/var/log/journal/system.journal",
    ],
)
.listing(&[("/var/log/journal", 80)]);
pub(super) static LESS: Tool = tool(
    "/usr/bin/less",
    &["libtinfo", "libc"],
    &["/usr/share/terminfo/x/xterm-256color"],
)
.missing(&["/home/ubuntu/.less", "/etc/sysless"]);
pub(super) static VIM: Tool = tool(
    "/usr/bin/vim.basic",
    &[
        "libm",
        "libtinfo",
        "libselinux",
        "libacl",
        "libgpm",
        "libpython3.8",
        "libc",
    ],
    &[
        "/etc/vim/vimrc",
        "/usr/share/vim/vim81/defaults.vim",
        "/usr/share/vim/vim81/syntax/syntax.vim",
    ],
)
.missing(&[
    "/home/ubuntu/.vimrc",
    "/home/ubuntu/.viminfo",
    "/etc/vim/vimrc.local",
]);
pub(super) static SUDO: Tool = tool(
    "/usr/bin/sudo",
    PAM,
    &[
        "/etc/sudo.conf",
        "/etc/sudoers",
        "/etc/sudoers.d/README",
        NSS[0],
        NSS[1],
        NSS[2],
    ],
);
pub(super) static GIT: Tool = tool(
    "/usr/bin/git",
    &["libpcre2-8", "libz", "libpthread", "libc"],
    &[".git/HEAD", ".git/config", ".git/index"],
)
.missing(&["/etc/gitconfig", "/home/ubuntu/.config/git/config"])
.listing(&[(".", 608)]);
pub(super) static CRONTAB: Tool = tool("/usr/bin/crontab", PAM, &[NSS[0], NSS[1]])
    .missing(&["/etc/cron.allow", "/etc/cron.deny"]);
pub(super) static TAR: Tool = tool("/bin/tar", SELINUX, &[LOCALE, NSS[1], NSS[2]]);
pub(super) static GZIP: Tool = tool("/bin/gzip", LIBC, &[]);
pub(super) static WGET: Tool = tool(
    "/usr/bin/wget",
    NETWORK,
    &[
        "/etc/wgetrc",
        LOCALE,
        "/etc/ssl/openssl.cnf",
        NSS[0],
        "/etc/host.conf",
        "/etc/resolv.conf",
        "/etc/hosts",
    ],
)
.missing(&["/home/ubuntu/.netrc"]);
pub(super) static CURL: Tool = tool(
    "/usr/bin/curl",
    NETWORK,
    &[
        "/etc/ssl/openssl.cnf",
        NSS[0],
        "/etc/host.conf",
        "/etc/resolv.conf",
        "/etc/hosts",
    ],
)
.missing(&["/root/.curlrc"]);
pub(super) static RM: Tool = tool("/bin/rm", LIBC, &[LOCALE]);
pub(super) static MV: Tool = tool("/bin/mv", SELINUX, &[LOCALE]);
pub(super) static MKDIR: Tool = tool("/bin/mkdir", SELINUX, &["/proc/filesystems", LOCALE]);
pub(super) static CHMOD: Tool = tool("/bin/chmod", LIBC, &[LOCALE]);
pub(super) static NOHUP: Tool = tool("/usr/bin/nohup", LIBC, &[LOCALE]);
pub(super) static PASSWD: Tool = tool(
    "/usr/bin/passwd",
    PAM,
    &[
        NSS[0],
        NSS[1],
        "/etc/pam.d/passwd",
        "/etc/pam.d/common-password",
        "/etc/login.defs",
    ],
);
pub(super) static RUN_PARTS: Tool = tool("/bin/run-parts", LIBC, &[]);
pub(super) static LOGROTATE: Tool = tool(
    "/usr/sbin/logrotate",
    &["libpopt", "libselinux", "libacl", "libc"],
    &[
        "/etc/logrotate.conf",
        "/etc/logrotate.d/apt",
        "/etc/logrotate.d/rsyslog",
        "/var/lib/logrotate/status",
    ],
)
.listing(&[("/etc/logrotate.d", 336)]);
pub(super) static MANDB: Tool = tool(
    "/usr/bin/mandb",
    &["libmandb", "libman", "libgdbm", "libpipeline", "libc"],
    &["/etc/manpath.config", "/var/cache/man/index.db"],
)
.listing(&[
    ("/usr/share/man", 1_024),
    ("/usr/share/man/man1", 32_768),
    ("/usr/share/man/man8", 24_576),
]);
pub(super) static UPDATEDB: Tool = tool(
    "/usr/bin/updatedb.mlocate",
    LIBC,
    &["/etc/updatedb.conf", "/proc/self/mountinfo"],
)
.listing(&[
    ("/etc", 5_624),
    ("/opt", 80),
    ("/srv", 48),
    ("/usr/local", 272),
    ("/var", 360),
    ("/home", 112),
]);
pub(super) static FSTRIM: Tool = tool(
    "/sbin/fstrim",
    &["libmount", "libblkid", "libselinux", "libc"],
    &[
        "/etc/fstab",
        "/proc/self/mountinfo",
        "/sys/block/nvme0n1/queue/discard_granularity",
    ],
);
pub(super) static CERTBOT: Tool = tool(
    "/usr/bin/python3.8",
    PYTHON,
    &[
        "/usr/lib/python3.8/ssl.py",
        "/usr/lib/python3.8/json/decoder.py",
        "/etc/letsencrypt/cli.ini",
        "/etc/letsencrypt/renewal/site.conf",
    ],
)
.missing(&["/usr/lib/pyvenv.cfg", "/root/.config/letsencrypt/cli.ini"])
.listing(&[
    ("/etc/letsencrypt/renewal", 72),
    ("/usr/lib/python3.8", 7_528),
]);
pub(super) static RSYNC: Tool = tool(
    "/usr/bin/rsync",
    &["libattr", "libacl", "libpopt", "libc"],
    &["/etc/localtime", NSS[0], NSS[1]],
)
.listing(&[("/srv", 48), ("/srv/data", 1_208)]);
pub(super) static SYSINFO: Tool = tool(
    "/usr/bin/python3.8",
    PYTHON,
    &[
        "/usr/bin/landscape-sysinfo",
        "/usr/lib/python3/dist-packages/landscape/sysinfo/load.py",
        "/proc/loadavg",
        "/proc/meminfo",
        "/var/run/utmp",
    ],
)
.missing(&["/usr/bin/pyvenv.cfg", "/usr/pyvenv.cfg"])
.listing(&[
    ("/usr/lib/python3.8", 7_528),
    ("/usr/lib/python3/dist-packages", 4_096),
    ("/sys/class/thermal", 48),
]);

/// Runs programs.
impl Host<'_, '_> {
    /// The loader's rows at the start of a program: the library cache, then each library.
    pub(super) fn load(&mut self, task: Task, libraries: &[&str]) {
        self.access(task, "/etc/ld.so.preload", "R_OK", false);
        self.read(task, "/etc/ld.so.cache");
        for library in libraries {
            self.read(
                task,
                &format!("/lib/x86_64-linux-gnu/{library}.so.{}", version_of(library)),
            );
        }
    }

    /// Runs `tool` as a child of `parent` until it ends; `body` is what this run does beyond the tool's habits.
    pub(super) fn run_with(
        &mut self,
        parent: Task,
        tool: &Tool,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        let task = self.fork(parent);
        self.become_tool(task, tool, arguments);
        body(self, task);
        self.exit(task);
    }

    /// As [`Host::run_with`], with nothing beyond.
    pub(super) fn run(&mut self, parent: Task, tool: &Tool, arguments: &[&str]) {
        self.run_with(parent, tool, arguments, |_, _| ());
    }

    /// Turns a forked process into a running `tool`.
    pub(super) fn become_tool(&mut self, task: Task, tool: &Tool, arguments: &[&str]) {
        let name = tool.path.rsplit('/').next().unwrap_or(tool.path);
        let argv: Vec<&str> = std::iter::once(name)
            .chain(arguments.iter().copied())
            .collect();
        self.exec(task, tool.path, &argv);
        self.load(task, tool.libraries);
        for path in tool.misses {
            self.access(task, path, "F_OK", false);
        }
        for path in tool.reads {
            self.read(task, path);
        }
        for &(path, bytes) in tool.lists {
            self.list(task, path, bytes);
        }
        if tool.walks_processes {
            self.walk_processes(task);
        }
    }

    /// Reads the state of every live process; now and then one is gone by the time its files are opened.
    fn walk_processes(&mut self, task: Task) {
        let folder = self.open(task, "/proc", READ);
        for id in self.process_ids() {
            self.stat(task, &format!("/proc/{id}"), true);
            for file in ["stat", "status"] {
                self.read_at_once(task, &format!("/proc/{id}/{file}"));
            }
            if self.random.one_in(12) {
                self.read_at_once(task, &format!("/proc/{id}/cmdline"));
            }
        }
        if self.random.one_in(6) {
            let gone = self.random.between(2_000, 7_000);
            self.open_fails(task, &format!("/proc/{gone}/status"), READ, NO_SUCH_FILE);
        }
        self.close(task, folder);
    }

    /// A shell's search for a command along PATH, up to the folder that has it.
    pub(super) fn search_path(&mut self, shell: Task, tool: &Tool) {
        let (folder, name) = tool.path.rsplit_once('/').unwrap_or(("", tool.path));
        for place in [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ] {
            let found = place == folder || place.strip_prefix("/usr") == Some(folder);
            self.stat(shell, &format!("{place}/{name}"), found);
            if found {
                break;
            }
        }
    }

    /// What a shell does for one command line.
    pub(super) fn command(&mut self, shell: Task, tool: &Tool, arguments: &[&str]) {
        self.command_with(shell, tool, arguments, |_, _| ());
    }

    /// As [`Host::command`], with what this run does beyond the tool's habits.
    pub(super) fn command_with(
        &mut self,
        shell: Task,
        tool: &Tool,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        self.search_path(shell, tool);
        self.run_with(shell, tool, arguments, body);
    }

    /// Several commands joined by pipes: all start before the first ends.
    pub(super) fn pipeline(&mut self, shell: Task, tools: &[(&Tool, &[&str])]) {
        let mut running = Vec::with_capacity(tools.len());
        let (end, start) = (self.allocate(shell), self.allocate(shell));
        for (tool, arguments) in tools {
            self.search_path(shell, tool);
            let task = self.fork(shell);
            self.dup2(task, start, 1);
            self.close(task, end);
            self.close(task, start);
            running.push((task, *tool, *arguments));
        }
        self.close(shell, end);
        self.close(shell, start);
        for &(task, tool, arguments) in &running {
            self.become_tool(task, tool, arguments);
        }
        for (task, ..) in running {
            self.close(task, 1);
            self.exit(task);
        }
    }

    /// A script that runs under `sh` as a child of `parent`.
    pub(super) fn script(
        &mut self,
        parent: Task,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        let shell = self.fork(parent);
        let argv: Vec<&str> = std::iter::once("sh")
            .chain(arguments.iter().copied())
            .collect();
        self.exec(shell, "/bin/sh", &argv);
        self.load(shell, LIBC);
        body(self, shell);
        self.exit(shell);
    }

    /// Turns a forked process into a login shell, up to its prompt.
    pub(super) fn become_login_shell(&mut self, task: Task, home: &str) {
        self.exec(task, "/bin/bash", &["-bash"]);
        self.load(task, &["libtinfo", "libdl", "libc"]);
        for path in [
            "/etc/profile",
            "/etc/bash.bashrc",
            "/etc/profile.d/apps-bin-path.sh",
            "/etc/inputrc",
        ] {
            self.read(task, path);
        }
        for file in [".profile", ".bashrc", ".bash_history"] {
            self.stat(task, &format!("{home}/{file}"), true);
            self.read(task, &format!("{home}/{file}"));
        }
        self.stat(task, &format!("{home}/.bash_login"), false);
        self.run(task, &DIRCOLORS, &["-b"]);
    }

    /// Signals every process in `targets`; one that is gone answers so.
    pub(super) fn signal_all(&mut self, task: Task, targets: &[u32], signal: i64) {
        for &target in targets {
            let gone = self.random.one_in(50);
            self.kill(task, target, signal, if gone { NO_SUCH_PROCESS } else { 0 });
        }
    }
}

static DIRCOLORS: Tool = tool("/usr/bin/dircolors", LIBC, &[LOCALE]);

/// The number after `.so.`: 6 for the C library, small for others.
fn version_of(library: &str) -> u32 {
    match library {
        "libc" | "libm" => 6,
        "libdl" | "libresolv" | "libcap" => 2,
        "libpthread" | "libpam" | "libpam_misc" | "libcap-ng" | "libmount" | "libblkid" => 0,
        _ => 1,
    }
}
