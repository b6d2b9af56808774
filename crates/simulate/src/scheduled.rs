//! Scheduled jobs: those of cron, the daily clean-up and the nightly upgrade.

use super::call::IN_PROGRESS;
use super::files::{APPEND, CREATE, UPDATE};
use super::host::Host;
use super::process::Task;
use super::services::Services;
use super::tools::{self, LIBC, Tool};

/// The user id with which apt downloads.
const APT_USER: u32 = 105;
/// The packages that an upgrade may replace.
const PACKAGES: [&str; 10] = [
    "libssl1.1",
    "openssl",
    "tzdata",
    "curl",
    "libcurl4",
    "python3.8",
    "vim-common",
    "linux-base",
    "ca-certificates",
    "libxml2",
];

/// The files that cron reads before a job.
const CRON_FILES: [&str; 5] = [
    "/etc/pam.d/cron",
    "/etc/security/pam_env.conf",
    "/etc/environment",
    "/etc/login.defs",
    "/etc/shadow",
];

/// A maintenance job that runs as root: a tool, and the calls that are not common to all runs of the tool.
#[derive(Clone, Copy)]
pub(super) struct Chore {
    tool: &'static Tool,
    body: fn(&mut Host<'_, '_>, Task),
}

const ROTATE: Chore = Chore {
    tool: &tools::LOGROTATE,
    body: rotate_logs,
};
const INDEX_MANUALS: Chore = Chore {
    tool: &tools::MANDB,
    body: index_files,
};
const INDEX_FILES: Chore = Chore {
    tool: &tools::UPDATEDB,
    body: index_files,
};
const TRIM: Chore = Chore {
    tool: &tools::FSTRIM,
    body: |_, _| (),
};
const RENEW_CERTIFICATE: Chore = Chore {
    tool: &tools::CERTBOT,
    body: answer_challenge,
};
const BACK_UP: Chore = Chore {
    tool: &tools::RSYNC,
    body: copy_files,
};

/// The chores of the training hosts.
pub(super) const TRAINING_CHORES: &[Chore] = &[ROTATE, INDEX_MANUALS, INDEX_FILES, TRIM];
/// The chores of the other hosts. The renewal of certificates and the back-up do not occur on the training
/// hosts.
pub(super) const OTHER_CHORES: &[Chore] = &[ROTATE, RENEW_CERTIFICATE, BACK_UP, TRIM];

/// The chores of a fleet's hosts, which back up their data in a job of its own.
pub(super) const FLEET_CHORES: &[Chore] =
    &[ROTATE, INDEX_MANUALS, RENEW_CERTIFICATE, INDEX_FILES, TRIM];

/// Indexes some files.
fn index_files(host: &mut Host<'_, '_>, task: Task) {
    for file in 0..host.random.between(10, 80) {
        host.lstat(task, &format!("/usr/share/doc/{file:03}"), true);
    }
    host.write_private(task, "/var/cache/index.new");
    host.unlink(task, "/var/cache/index.lock");
}

/// Replaces the log files and tells the logging daemon.
fn rotate_logs(host: &mut Host<'_, '_>, task: Task) {
    for log in ["syslog", "auth.log", "kern.log", "dpkg.log"] {
        host.lstat(task, &format!("/var/log/{log}"), true);
        let rotated = host.random.one_in(2);
        host.lstat(task, &format!("/var/log/{log}.1"), rotated);
        host.write_private(task, &format!("/var/log/{log}"));
        host.unlink(task, &format!("/var/log/{log}.8.gz"));
    }
    host.run(task, &tools::GZIP, &["-9"]);
    host.script(task, &["-c", "kill -HUP"], |host, shell| {
        host.kill(shell, 481, 1, 0)
    });
}

/// Listens on port 80 until the certificate authority has connected once, and stores the new certificate.
fn answer_challenge(host: &mut Host<'_, '_>, task: Task) {
    let fd = host.socket(task, "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC");
    let any = host.internet([0, 0, 0, 0], 80);
    host.bind(task, fd, &any);
    host.listen(task, fd);
    host.certificate_names(task);
    let authority = host.internet([66, 133, 109, 36], 41_022);
    let connection = host.accept4(task, fd, Some(&authority));
    host.read(task, "/etc/letsencrypt/accounts/key.json");
    host.close(task, connection);
    host.close(task, fd);
    host.write_private(task, "/etc/letsencrypt/archive/site/privkey2.pem");
    host.symlink(
        task,
        "../../archive/site/privkey2.pem",
        "/etc/letsencrypt/live/site/privkey.pem",
    );
}

/// Copies changed files to the back-up.
fn copy_files(host: &mut Host<'_, '_>, task: Task) {
    let receiver = host.fork(task);
    for file in 0..host.random.between(10, 60) {
        let path = format!("/srv/data/{file:03}");
        host.lstat(task, &path, true);
        if host.random.one_in(3) {
            host.read(task, &path);
            host.write_private(receiver, &format!("/mnt/backup/{file:03}"));
            host.lchown(receiver, &format!("/mnt/backup/{file:03}"), 33);
        }
    }
    host.exit(receiver);
}

/// Jobs of cron.
impl Host<'_, '_> {
    /// Lets cron wake up, as it does each minute, and start the jobs that are due.
    pub(super) fn cron_minute(&mut self, services: &Services) {
        for path in ["/etc/crontab", "/etc/cron.d", "/var/spool/cron/crontabs"] {
            self.stat(services.cron, path, true);
        }
        if self.random.one_in(3) {
            return;
        }
        let (child, job) = self.cron_child(services, "/etc/cron.d/health", 0);
        let id = self.tasks.id(child);
        self.journal(services, id);
        self.become_script(job, |host, shell| host.check_health(shell));
        self.exit(child);
    }

    /// Runs the commands of the health check.
    fn check_health(&mut self, shell: Task) {
        self.command(shell, &tools::DF, &["-P", "/"]);
        let field: (&Tool, &[&str]) = if self.random.one_in(3) {
            (&tools::AWK, &["{print $1}"])
        } else {
            (&tools::CUT, &["-d", " ", "-f1"])
        };
        self.pipeline(shell, &[(&tools::CAT, &["/proc/loadavg"]), field]);
        if self.random.one_in(4) {
            self.command(shell, &tools::DATE, &["-Is"]);
            self.command(shell, &tools::SED, &["-i", "1d", "/var/lib/health"]);
        }
    }

    /// Runs the hourly job of cron: a shell runs run-parts on a folder that is usually empty.
    pub(super) fn cron_hourly(&mut self, services: &Services) {
        let (child, job) = self.cron_child(services, "/etc/crontab", 0);
        self.tasks.set_label(job, self.unusual());
        self.become_script(job, |host, shell| {
            host.command_with(
                shell,
                &tools::RUN_PARTS,
                &["--report", "/etc/cron.hourly"],
                |host, task| {
                    host.list(task, "/etc/cron.hourly", 80);
                },
            );
        });
        self.exit(child);
    }

    /// Runs a chore, which is a job of root's crontab.
    pub(super) fn chore(&mut self, services: &Services, chore: Chore) {
        let (child, job) = self.cron_child(services, "/var/spool/cron/crontabs/root", 0);
        let id = self.tasks.id(child);
        self.journal(services, id);
        self.become_script(job, |host, shell| {
            host.command_with(shell, chore.tool, &["--quiet"], chore.body);
            host.write(shell, "/var/log/chores.log", APPEND);
        });
        self.exit(child);
    }

    /// Starts the processes of a job of cron. Returns the child of cron that holds the session, and its child
    /// that will run the job as `user`.
    pub(super) fn cron_child(
        &mut self,
        services: &Services,
        table: &str,
        user: u32,
    ) -> (Task, Task) {
        self.read(services.cron, table);
        let child = self.fork(services.cron);
        self.read_all(child, &CRON_FILES);
        self.capability(child, "CAP_AUDIT_WRITE", true);
        self.tell(child, "/dev/log");
        let job = self.fork(child);
        self.become_user(job, user);
        (child, job)
    }

    /// Turns a forked process into `sh -c`, makes the calls of `body`, and ends it.
    pub(super) fn become_script(&mut self, job: Task, body: impl FnOnce(&mut Self, Task)) {
        self.exec(job, "/bin/sh", &["sh", "-c"]);
        self.load(job, LIBC);
        body(self, job);
        self.exit(job);
    }
}

/// Jobs of systemd's timers.
impl Host<'_, '_> {
    /// Starts the child of systemd that prepares the process of a unit, before it executes the unit's program.
    pub(super) fn start_unit(&mut self, services: &Services, name: &str, unit: &str) -> Task {
        let task = self.fork(services.systemd);
        self.tasks.rename(task, name);
        for fd in 3..12 {
            self.close(task, fd);
        }
        self.prctl(task, "PR_SET_NO_NEW_PRIVS");
        self.capability(task, "CAP_SYS_RESOURCE", true);
        self.write(
            task,
            &format!("/sys/fs/cgroup/unified/system.slice/{unit}.service/cgroup.procs"),
            UPDATE,
        );
        self.tell(task, "/run/systemd/journal/stdout");
        task
    }

    /// Runs the daily clean-up of temporary files.
    pub(super) fn clean_temporary_files(&mut self, services: &Services) {
        let task = self.start_unit(services, "(tmpfiles)", "systemd-tmpfiles-clean");
        self.exec(
            task,
            "/bin/systemd-tmpfiles",
            &["systemd-tmpfiles", "--clean"],
        );
        self.load(
            task,
            &["libcap", "libselinux", "libacl", "libc", "libpcre2-8"],
        );
        self.list(task, "/usr/lib/tmpfiles.d", 1_024);
        for name in [
            "x11",
            "tmp",
            "systemd",
            "sudo",
            "man-db",
            "debian",
            "journal-nocow",
        ] {
            self.read(task, &format!("/usr/lib/tmpfiles.d/{name}.conf"));
        }
        for folder in ["/tmp", "/var/tmp", "/run/user"] {
            self.list(task, folder, 272);
            for file in 0..self.random.between(3, 15) {
                self.lstat(task, &format!("{folder}/file-{file:02}"), true);
            }
        }
        self.unlinkat(task, "/tmp", "file-00");
        self.exit(task);
    }

    /// Begins the nightly upgrade. Returns the process of apt.
    pub(super) fn begin_upgrade(&mut self, services: &Services) -> Task {
        let apt = self.start_unit(services, "(apt-get)", "apt-daily-upgrade");
        self.exec(apt, "/usr/bin/apt-get", &["apt-get", "-qq", "dist-upgrade"]);
        self.load(
            apt,
            &[
                "libapt-private",
                "libapt-pkg",
                "libstdc++",
                "libc",
                "libz",
                "liblzma",
            ],
        );
        self.read_all(
            apt,
            &[
                "/etc/apt/apt.conf.d/20auto-upgrades",
                "/etc/apt/sources.list",
            ],
        );
        self.read(apt, "/var/lib/dpkg/status");
        self.fetch_lists(apt);
        apt
    }

    /// Downloads the lists of packages with a user id that is used for nothing else.
    fn fetch_lists(&mut self, apt: Task) {
        let method = self.fork(apt);
        self.become_user(method, APT_USER);
        self.exec(
            method,
            "/usr/lib/apt/methods/http",
            &["/usr/lib/apt/methods/http"],
        );
        self.load(method, &["libapt-pkg", "libstdc++", "libc", "libgnutls"]);
        self.mirror_names(method);
        for suite in ["focal", "focal-updates", "focal-security"] {
            let fd = self.socket(method, "AF_INET", "SOCK_STREAM");
            let mirror = self.internet([91, 189, 88, 142], 80);
            self.connect(method, fd, &mirror, IN_PROGRESS);
            self.write(
                method,
                &format!("/var/lib/apt/lists/partial/{suite}_InRelease"),
                CREATE,
            );
            self.close(method, fd);
        }
        self.exit(method);
    }

    /// Unpacks one package and sets it up.
    pub(super) fn upgrade_package(&mut self, apt: Task) {
        let package = self.random.pick(&PACKAGES);
        let dpkg = self.fork(apt);
        self.exec(dpkg, "/usr/bin/dpkg", &["/usr/bin/dpkg", "--unpack"]);
        self.load(
            dpkg,
            &["libselinux", "libc", "libpcre2-8", "libdl", "libpthread"],
        );
        self.read(dpkg, &format!("/var/lib/dpkg/info/{package}.list"));
        self.run(dpkg, &tools::TAR, &["-x", "-f", "-"]);
        for file in 0..self.random.between(4, 30) {
            self.replace_file(dpkg, &format!("/usr/share/{package}/{file:02}"));
        }
        if self.random.one_in(3) {
            let script = format!("/var/lib/dpkg/info/{package}.postinst");
            self.script(dpkg, &[&script, "configure"], |host, shell| {
                host.command(shell, &tools::SYSTEMCTL, &["daemon-reload"]);
                host.command(shell, &tools::TRUE, &[]);
            });
        }
        self.exit(dpkg);
    }

    /// Replaces one file of a package.
    fn replace_file(&mut self, dpkg: Task, path: &str) {
        let new = format!("{path}.dpkg-new");
        self.lstat(dpkg, path, true);
        self.write_private(dpkg, &new);
        self.lchown(dpkg, &new, 0);
        if self.random.one_in(4) {
            self.unlink(dpkg, &format!("{path}.dpkg-tmp"));
        }
    }

    /// Ends the upgrade.
    pub(super) fn end_upgrade(&mut self, apt: Task) {
        self.unlink(apt, "/var/lib/dpkg/lock-frontend");
        self.write(apt, "/var/log/apt/history.log", APPEND);
        self.tell(apt, "/run/systemd/notify");
        self.exit(apt);
    }
}
