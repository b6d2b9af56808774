//! What comes in through sshd: scans, failed logins, and sessions of people who may log in.

use super::actions::{CREATE, READ, UPDATE};
use super::host::{FIRST_NAMESPACE, Host, Task};
use super::programs::{self, Tool};
use super::services::Services;
use super::text::{Label, Peer};

/// The account sshd's unprivileged half runs under.
const SSHD_USER: u32 = 109;

/// A person, or someone who pretends to be one.
#[derive(Clone, Copy)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) home: &'static str,
}

/// The administrator of the fleet.
pub(super) const ADMIN: Account = Account {
    user: 1_000,
    home: "/home/ubuntu",
};

/// A login: sshd's privileged monitor, its half that runs as the user, and the shell.
#[derive(Clone, Copy)]
pub(super) struct Session {
    pub(super) monitor: Task,
    pub(super) connection: Task,
    pub(super) shell: Task,
}

/// What a login labels, part by part.
#[derive(Clone, Copy)]
pub(super) struct LoginLabels {
    /// sshd's privileged part.
    pub(super) monitor: Label,
    /// The user's service manager.
    pub(super) manager: Label,
    /// The shell and all it starts.
    pub(super) shell: Label,
}

const LIBRARIES: [&str; 16] = [
    "libwrap",
    "libaudit",
    "libpam",
    "libselinux",
    "libsystemd",
    "libgssapi_krb5",
    "libkrb5",
    "libcom_err",
    "libc",
    "libcrypto",
    "libz",
    "libpthread",
    "liblzma",
    "libgcrypt",
    "libresolv",
    "libgpg-error",
];
/// Commands of an administrator's working day.
static ADMIN_TOOLS: [&Tool; 12] = [
    &programs::LS,
    &programs::DF,
    &programs::DU,
    &programs::TAIL,
    &programs::SYSTEMCTL,
    &programs::JOURNALCTL,
    &programs::LESS,
    &programs::VIM,
    &programs::TOP,
    &programs::GIT,
    &programs::GREP,
    &programs::CAT,
];

impl Host<'_, '_> {
    /// A stranger connects: most leave after the banner, some try a password or two.
    pub(super) fn stranger(&mut self, services: &Services) {
        let (monitor, peer) = self.incoming(services);
        if self.random.one_in(3) {
            self.close(monitor, 0);
            self.exit(monitor);
        } else {
            self.failed_login(services, monitor, &peer);
        }
    }

    /// The intruder tries passwords.
    pub(super) fn guess(&mut self, services: &Services) {
        let (monitor, peer) = self.incoming(services);
        self.set_label(monitor, Label::Suspicious);
        self.failed_login(services, monitor, &peer);
    }

    fn failed_login(&mut self, services: &Services, monitor: Task, peer: &Peer<'_>) {
        let network = self.unprivileged_half(monitor);
        for _ in 0..self.random.between(1, 4) {
            self.password(monitor, false);
            self.pause(1_500_000);
        }
        self.close(network, 4);
        self.exit(network);
        let id = self.id(monitor);
        self.journal(services, id);
        self.tell(monitor, "/dev/log");
        self.getsockname(monitor, 0, peer);
        self.exit(monitor);
    }

    /// The listener accepts, forks, and the child starts sshd afresh on the connection.
    fn incoming(&mut self, services: &Services) -> (Task, Peer<'static>) {
        let listener = services.sshd;
        let octets = self.random.bits().to_le_bytes();
        let port = self.random.between(32_768, 61_000) as u16;
        let peer = self.internet(
            [octets[0] % 200 + 11, octets[1], octets[2], octets[3]],
            port,
        );
        let fd = self.accept(listener, 3, &peer);
        let child = self.fork(listener);
        self.close(listener, fd);
        self.dup2(child, fd, 0);
        let copy = self.dup(child, 0);
        self.close(child, copy);
        self.write(child, "/proc/self/oom_score_adj", UPDATE);
        self.exec(child, "/usr/sbin/sshd", &["/usr/sbin/sshd", "-D", "-R"]);
        self.load(child, &LIBRARIES);
        for path in [
            "/etc/ssh/sshd_config",
            "/etc/gai.conf",
            "/etc/nsswitch.conf",
            "/etc/passwd",
            "/etc/localtime",
        ] {
            self.read(child, path);
        }
        let socket = self.dup(child, 0);
        self.getsockname(child, socket, &peer);
        for path in ["/etc/hosts.allow", "/etc/hosts.deny"] {
            self.read(child, path);
        }
        (child, peer)
    }

    /// The half of sshd that talks to the network before anyone is known.
    fn unprivileged_half(&mut self, monitor: Task) -> Task {
        let kept = self.socket(monitor, "AF_UNIX", "SOCK_STREAM");
        let network = self.fork(monitor);
        self.close(network, kept);
        self.prctl(network, "PR_SET_NO_NEW_PRIVS");
        self.capability(network, "CAP_SYS_CHROOT", true);
        self.become_user(network, SSHD_USER);
        network
    }

    /// One password through PAM.
    fn password(&mut self, monitor: Task, right: bool) {
        for path in [
            "/etc/pam.d/sshd",
            "/etc/pam.d/common-auth",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/login.defs",
        ] {
            self.read(monitor, path);
        }
        for library in ["pam_unix", "pam_permit", "pam_cap"] {
            self.read(
                monitor,
                &format!("/lib/x86_64-linux-gnu/security/{library}.so"),
            );
        }
        let audit = self.socket(monitor, "AF_NETLINK", "SOCK_RAW|SOCK_CLOEXEC");
        self.capability(monitor, "CAP_AUDIT_WRITE", true);
        self.close(monitor, audit);
        if !right {
            self.tell(monitor, "/dev/log");
        }
    }

    /// Somebody logs in, up to the shell's first prompt.
    pub(super) fn log_in(
        &mut self,
        services: &Services,
        account: Account,
        labels: LoginLabels,
    ) -> Session {
        let (monitor, _) = self.incoming(services);
        self.set_label(monitor, labels.monitor);
        let network = self.unprivileged_half(monitor);
        self.password(monitor, true);
        self.exit(network);
        self.open_session(services, monitor, account, labels.manager);
        let connection = self.fork(monitor);
        self.set_label(connection, labels.shell);
        self.become_user(connection, account.user);
        self.access(
            connection,
            &format!("{}/.ssh/rc", account.home),
            "R_OK",
            false,
        );
        let terminal = self.open(connection, "/dev/ptmx", UPDATE);
        let shell = self.fork(connection);
        for fd in 0..3 {
            self.dup2(shell, terminal, fd);
        }
        self.close(shell, terminal);
        self.become_login_shell(shell, account.home);
        Session {
            monitor,
            connection,
            shell,
        }
    }

    /// PAM opens the session: logind notes it, and systemd starts the user's own service manager.
    fn open_session(
        &mut self,
        services: &Services,
        monitor: Task,
        account: Account,
        manager: Label,
    ) {
        for path in [
            "/etc/pam.d/common-session",
            "/etc/security/limits.conf",
            "/etc/environment",
            "/etc/default/locale",
        ] {
            self.read(monitor, path);
        }
        self.tell(monitor, "/run/dbus/system_bus_socket");
        let logind = services.logind;
        for path in [
            "/run/systemd/users/.#user",
            "/run/systemd/sessions/.#session",
        ] {
            self.write_private(logind, path);
        }
        let id = self.id(monitor);
        self.read(logind, &format!("/proc/{id}/cgroup"));
        self.journal(services, id);
        self.user_manager(services, account, manager);
        self.borrow_user(monitor, account.user, |host, task| {
            host.access(
                task,
                &format!("{}/.cache/motd.legal-displayed", account.home),
                "F_OK",
                true,
            );
            host.stat(task, &format!("{}/.hushlogin", account.home), false);
        });
    }

    /// `systemd --user`, which reads its units and ends soon, as it does where nobody lingers.
    fn user_manager(&mut self, services: &Services, account: Account, label: Label) {
        let task = self.start_unit(services, "(systemd)", &format!("user@{}", account.user));
        self.become_user(task, account.user);
        self.set_label(task, label);
        self.exec(
            task,
            "/lib/systemd/systemd",
            &["/lib/systemd/systemd", "--user"],
        );
        self.load(
            task,
            &[
                "librt",
                "libseccomp",
                "libselinux",
                "libmount",
                "libpam",
                "libkmod",
                "libc",
            ],
        );
        let places = [".config/systemd/user", ".local/share/systemd/user"];
        for place in places {
            self.stat(task, &format!("{}/{place}", account.home), false);
        }
        for unit in [
            "basic.target",
            "sockets.target",
            "timers.target",
            "gpg-agent.socket",
            "dbus.socket",
        ] {
            self.open_fails(task, &format!("/etc/systemd/user/{unit}"), READ, -2);
            self.read(task, &format!("/usr/lib/systemd/user/{unit}"));
        }
        self.exit(task);
    }

    /// One command of the administrator; now and then with `sudo`.
    pub(super) fn admin_command(&mut self, shell: Task) {
        let tool = self.random.pick(&ADMIN_TOOLS);
        if self.random.one_in(5) {
            self.search_path(shell, &programs::SUDO);
            self.run_with(
                shell,
                &programs::SUDO,
                &["systemctl", "restart", "rsyslog"],
                |host, task| {
                    host.set_user(task, 0);
                    host.capability(task, "CAP_AUDIT_WRITE", true);
                    host.tell(task, "/dev/log");
                    host.run(task, tool, &["--all"]);
                },
            );
        } else if self.random.one_in(4) {
            self.pipeline(
                shell,
                &[
                    (tool, &[]),
                    (&programs::GREP, &["error"]),
                    (&programs::HEAD, &["-n5"]),
                ],
            );
        } else {
            self.command(shell, tool, &["-l"]);
        }
    }

    /// The end of a session, from the shell outwards.
    pub(super) fn log_out(&mut self, services: &Services, session: Session, account: Account) {
        let home = account.home;
        self.write(session.shell, &format!("{home}/.bash_history"), CREATE);
        self.exit(session.shell);
        self.unlink(session.connection, "/tmp/ssh-qW2mNn8x1T/agent");
        self.exit(session.connection);
        self.tell(session.monitor, "/dev/log");
        self.exit(session.monitor);
        self.unlink(services.logind, "/run/systemd/sessions/1");
        self.unlink_missing(services.logind, "/run/systemd/sessions/1.ref");
        let task = self.start_unit(services, "(systemd-user-ru)", "user-runtime-dir");
        self.set_namespace(task, FIRST_NAMESPACE);
        self.umount(task, &format!("/run/user/{}", account.user));
        self.exit(task);
    }
}
