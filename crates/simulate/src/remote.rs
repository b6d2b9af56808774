//! Activity through sshd: scans, failed logins, and sessions of users who log in.

use super::call::{ACCESS_DENIED, NO_SUCH_FILE};
use super::files::{CREATE, READ, UPDATE};
use super::host::Host;
use super::process::{Daemon, FIRST_NAMESPACE, Task};
use super::services::Services;
use super::text::Label;
use super::tools::{self, Tool};

/// The user id of the unprivileged process of sshd.
const SSHD_USER: u32 = 109;

/// An account that can log in.
#[derive(Clone, Copy)]
pub(super) struct Account {
    /// The user id.
    pub(super) user: u32,
    /// The home folder.
    pub(super) home: &'static str,
}

/// The account of the fleet's administrator.
pub(super) const ADMIN: Account = Account {
    user: 1_000,
    home: "/home/ubuntu",
};

/// A client that has not logged in yet: the privileged monitor process of sshd, and its unprivileged
/// process that talks to the network.
#[derive(Clone, Copy)]
pub(super) struct Visitor {
    monitor: Task,
    network: Task,
    /// The number of passwords that the client will still try.
    tries: u32,
}

/// The session of a user who has logged in: sshd's monitor, its process that runs as the user, and the shell.
#[derive(Clone, Copy)]
pub(super) struct Session {
    pub(super) monitor: Task,
    pub(super) connection: Task,
    pub(super) shell: Task,
}

/// The labels of the events of a login, by process.
#[derive(Clone, Copy)]
pub(super) struct LoginLabels {
    /// The label of sshd's privileged monitor.
    pub(super) monitor: Label,
    /// The label of the user's service manager.
    pub(super) manager: Label,
    /// The label of the shell and its children.
    pub(super) shell: Label,
}

/// The libraries of sshd.
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
/// The files that sshd reads to check a password.
const PASSWORD_FILES: [&str; 5] = [
    "/etc/pam.d/sshd",
    "/etc/pam.d/common-auth",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/login.defs",
];
/// The files that sshd reads at its start.
const SSHD_FILES: [&str; 5] = [
    "/etc/ssh/sshd_config",
    "/etc/gai.conf",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/localtime",
];
/// The files that sshd reads to open a session.
const SESSION_FILES: [&str; 4] = [
    "/etc/pam.d/common-session",
    "/etc/security/limits.conf",
    "/etc/environment",
    "/etc/default/locale",
];
/// The units of a user's service manager.
const USER_UNITS: [&str; 5] = [
    "basic.target",
    "sockets.target",
    "timers.target",
    "gpg-agent.socket",
    "dbus.socket",
];
/// The commands that an administrator uses.
static ADMIN_TOOLS: [&Tool; 12] = [
    &tools::LS,
    &tools::DF,
    &tools::DU,
    &tools::TAIL,
    &tools::SYSTEMCTL,
    &tools::JOURNALCTL,
    &tools::LESS,
    &tools::VIM,
    &tools::TOP,
    &tools::GIT,
    &tools::GREP,
    &tools::CAT,
];

/// Clients before the login.
impl Host<'_, '_> {
    /// Lets a stranger connect. One in three disconnects after the banner. The others are returned, and try
    /// passwords.
    pub(super) fn stranger(&mut self, services: &Services) -> Option<Visitor> {
        let visitor = self.visitor(services, Label::Benign);
        if !self.random.one_in(3) {
            return Some(visitor);
        }
        self.disconnect(visitor);
        None
    }

    /// Lets a client connect that will try passwords.
    pub(super) fn visitor(&mut self, services: &Services, label: Label) -> Visitor {
        let monitor = self.accept_client(services);
        self.tasks.set_label(monitor, label);
        let network = self.fork_unprivileged(monitor);
        let tries = self.random.between(1, 4);
        Visitor {
            monitor,
            network,
            tries,
        }
    }

    /// Checks a wrong password. Returns the client if it will try another one, or disconnects it.
    pub(super) fn wrong_password(
        &mut self,
        services: &Services,
        visitor: Visitor,
    ) -> Option<Visitor> {
        self.check_password(visitor.monitor);
        self.tell(visitor.monitor, "/dev/log");
        if visitor.tries > 1 {
            return Some(Visitor {
                tries: visitor.tries - 1,
                ..visitor
            });
        }
        let id = self.tasks.id(visitor.monitor);
        self.journal(services, id);
        self.disconnect(visitor);
        None
    }

    /// Disconnects a client that has not logged in.
    fn disconnect(&mut self, visitor: Visitor) {
        self.close(visitor.network, 0);
        self.exit(visitor.network);
        self.getsockname(visitor.monitor, 0, 22);
        self.close(visitor.monitor, 0);
        self.exit(visitor.monitor);
    }

    /// Accepts a connection. The listener forks, and the child, which is returned, starts sshd again on the
    /// connection.
    fn accept_client(&mut self, services: &Services) -> Task {
        let listener = services.sshd;
        let peer = self.somebody();
        let fd = self.accept(listener, 3, &peer);
        let child = self.fork(listener);
        self.close(listener, fd);
        self.dup2(child, fd, 0);
        let copy = self.dup(child, 0);
        self.close(child, copy);
        self.write(child, "/proc/self/oom_score_adj", UPDATE);
        self.exec(child, "/usr/sbin/sshd", &["/usr/sbin/sshd", "-D", "-R"]);
        self.load(child, &LIBRARIES);
        self.read_all(child, &SSHD_FILES);
        self.getsockname(child, 0, 22);
        self.read_all(child, &["/etc/hosts.allow", "/etc/hosts.deny"]);
        child
    }

    /// Starts the unprivileged process that talks to the network.
    fn fork_unprivileged(&mut self, monitor: Task) -> Task {
        let kept = self.socket(monitor, "AF_UNIX", "SOCK_STREAM");
        let network = self.fork(monitor);
        self.close(network, kept);
        self.prctl(network, "PR_SET_NO_NEW_PRIVS");
        self.capability(network, "CAP_SYS_CHROOT", true);
        self.become_user(network, SSHD_USER);
        network
    }

    /// Checks one password through PAM.
    fn check_password(&mut self, monitor: Task) {
        self.read_all(monitor, &PASSWORD_FILES);
        for module in ["pam_unix", "pam_permit", "pam_cap"] {
            self.read(
                monitor,
                &format!("/lib/x86_64-linux-gnu/security/{module}.so"),
            );
        }
        let audit = self.socket(monitor, "AF_NETLINK", "SOCK_RAW|SOCK_CLOEXEC");
        self.capability(monitor, "CAP_AUDIT_WRITE", true);
        self.close(monitor, audit);
    }
}

/// Sessions from the login on.
impl Host<'_, '_> {
    /// Logs a user in, up to the first prompt of the shell.
    pub(super) fn log_in(
        &mut self,
        services: &Services,
        account: Account,
        labels: LoginLabels,
    ) -> Session {
        let Visitor {
            monitor, network, ..
        } = self.visitor(services, labels.monitor);
        self.check_password(monitor);
        self.exit(network);
        self.open_session(services, monitor, account, labels.manager);
        let connection = self.fork(monitor);
        self.tasks.set_label(connection, labels.shell);
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

    /// Adds a session that was opened before the recording.
    pub(super) fn boot_session(
        &mut self,
        services: &Services,
        account: Account,
        labels: LoginLabels,
    ) -> Session {
        let listener = self.tasks.id(services.sshd);
        let mut start = |id, parent, user, name, label| {
            let daemon = Daemon {
                id,
                parent,
                user,
                namespace: FIRST_NAMESPACE,
                name,
                descriptors: 6,
            };
            let task = self.boot(&daemon);
            self.tasks.set_label(task, label);
            task
        };
        Session {
            monitor: start(7_111, listener, 0, "sshd", labels.monitor),
            connection: start(7_134, 7_111, account.user, "sshd", labels.shell),
            shell: start(7_135, 7_134, account.user, "bash", labels.shell),
        }
    }

    /// Opens a session through PAM: logind records it, systemd starts the user's service manager, and scripts
    /// make the greeting.
    fn open_session(
        &mut self,
        services: &Services,
        monitor: Task,
        account: Account,
        manager: Label,
    ) {
        self.read_all(monitor, &SESSION_FILES);
        self.tell(monitor, "/run/dbus/system_bus_socket");
        self.write_private(services.logind, "/run/systemd/users/.#user");
        self.write_private(services.logind, "/run/systemd/sessions/.#session");
        let id = self.tasks.id(monitor);
        self.read(services.logind, &format!("/proc/{id}/cgroup"));
        self.journal(services, id);
        self.user_manager(services, account, manager);
        self.greet(monitor);
        self.borrow_user(monitor, account.user, |host, task| {
            let home = account.home;
            host.access(
                task,
                &format!("{home}/.cache/motd.legal-displayed"),
                "F_OK",
                true,
            );
            host.stat(task, &format!("{home}/.hushlogin"), false);
        });
    }

    /// Runs `systemd --user`, which reads its units and soon ends, as it does for users without lingering.
    fn user_manager(&mut self, services: &Services, account: Account, label: Label) {
        let Account { user, home } = account;
        let task = self.start_unit(services, "(systemd)", &format!("user@{user}"));
        self.become_user(task, user);
        self.tasks.set_label(task, label);
        let program = "/lib/systemd/systemd";
        self.exec(task, program, &[program, "--user"]);
        self.load(task, tools::SYSTEMD);
        self.stat(task, &format!("{home}/.config/systemd/user"), false);
        self.stat(task, &format!("{home}/.local/share/systemd/user"), false);
        for unit in USER_UNITS {
            self.open_fails(
                task,
                &format!("/etc/systemd/user/{unit}"),
                READ,
                NO_SUCH_FILE,
            );
            self.read(task, &format!("/usr/lib/systemd/user/{unit}"));
        }
        self.exit(task);
    }

    /// Runs the scripts that make the message of the day. They run as root.
    fn greet(&mut self, monitor: Task) {
        const SCRIPTS: &str = "/etc/update-motd.d";
        self.script(
            monitor,
            &["-c", "run-parts /etc/update-motd.d"],
            |host, shell| {
                host.command_with(shell, &tools::RUN_PARTS, &[SCRIPTS], |host, task| {
                    host.list(task, SCRIPTS, 360);
                    host.script(task, &["00-header"], |host, shell| {
                        host.command(shell, &tools::UNAME, &["-r"]);
                    });
                    host.script(task, &["50-sysinfo"], |host, shell| {
                        host.pipeline(
                            shell,
                            &[
                                (&tools::CUT, &["-f1"]),
                                (&tools::GREP, &["-c", "processor"]),
                            ],
                        );
                        host.command(shell, &tools::SYSINFO, &[]);
                    });
                    host.script(task, &["90-updates"], |host, shell| {
                        host.command(shell, &tools::FIND, &["-newermt", "now-7 days"]);
                        host.command(shell, &tools::DATE, &["+%s"]);
                    });
                });
            },
        );
    }

    /// Runs one command of the administrator, now and then as root.
    pub(super) fn admin_command(&mut self, shell: Task) {
        let tool = self.random.pick(&ADMIN_TOOLS);
        match self.random.below(10) {
            0..2 => self.command_with(shell, &tools::SUDO, &["-i"], |host, task| {
                host.capability(task, "CAP_AUDIT_WRITE", true);
                host.tell(task, "/dev/log");
                host.become_user(task, 0);
                host.run(task, tool, &["--all"]);
            }),
            2..4 => self.pipeline(
                shell,
                &[
                    (tool, &[]),
                    (&tools::GREP, &["error"]),
                    (&tools::HEAD, &["-n5"]),
                ],
            ),
            4 => self.command_with(shell, &tools::DU, &["-s", "/var/log"], |host, task| {
                host.open_fails(task, "/var/log/private", READ, ACCESS_DENIED);
            }),
            _ => self.command(shell, tool, &["-l"]),
        }
    }

    /// Ends a session: first the shell, then the processes of sshd.
    pub(super) fn log_out(&mut self, services: &Services, session: Session, account: Account) {
        self.write(
            session.shell,
            &format!("{}/.bash_history", account.home),
            CREATE,
        );
        self.exit(session.shell);
        self.exit(session.connection);
        self.tell(session.monitor, "/dev/log");
        self.exit(session.monitor);
        self.unlink(services.logind, "/run/systemd/sessions/1");
        self.unlink_missing(services.logind, "/run/systemd/sessions/1.ref");
        let task = self.start_unit(services, "(systemd-user-ru)", "user-runtime-dir");
        self.umount(task, &format!("/run/user/{}", account.user));
        self.exit(task);
    }
}
