//! The programs of the hosts, and the files and libraries that each run of a program uses.

pub(super) const LIBC: &[&str] = &["libc"];
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
pub(super) const SYSTEMD: &[&str] = &[
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

/// A program with the libraries and files that each of its runs uses. Most programs differ in nothing
/// else.
pub(super) struct Tool {
    /// The path of the executable.
    pub(super) path: &'static str,
    /// The shared libraries that it loads, by name.
    pub(super) libraries: &'static [&'static str],
    /// The files that it reads.
    pub(super) reads: &'static [&'static str],
    /// The files that it looks for and that do not exist.
    pub(super) misses: &'static [&'static str],
    /// The folders that it lists, with the size of their entries in bytes.
    pub(super) lists: &'static [(&'static str, i64)],
    /// Whether it reads the folder of each process in /proc.
    pub(super) walks_processes: bool,
}

/// Creates a tool that looks for no missing files, lists no folders and does not read other processes.
pub(super) const fn tool(
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
pub(super) static DIRCOLORS: Tool = tool("/usr/bin/dircolors", LIBC, &[LOCALE]);
