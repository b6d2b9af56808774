//! What the hosts are there for: an agent that polls, a web server, upgrades, and what goes wrong at times.

use super::actions::{APPEND, CREATE, IN_PROGRESS, NO_SUCH_FILE, READ};
use super::host::{Daemon, FIRST_NAMESPACE, Host, Task};
use super::programs;
use super::services::Services;
use super::text::{Label, Peer};

const WWW_DATA: u32 = 33;
const APT_USER: u32 = 105;

/// A running web server.
pub(super) struct Web {
    master: Task,
    workers: Vec<Task>,
}

const PAGES: [&str; 8] = [
    "index.html",
    "about.html",
    "css/site.css",
    "js/app.js",
    "img/logo.svg",
    "news/2021-05.html",
    "news/index.html",
    "feed.xml",
];
const MISSING_PAGES: [&str; 4] = ["wp-login.php", ".env", "favicon.ico", "robots.txt"];
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

impl Host<'_, '_> {
    /// The agent asks its service for work and lets its worker list the processes.
    pub(super) fn agent_poll(&mut self, services: &Services) {
        let agent = services.agent;
        let fd = self.socket(agent, "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        let low = self.random.below(250) as u8;
        let service = self.internet([52, 95, 19, low], 443);
        self.connect(agent, fd, &service, IN_PROGRESS);
        self.getsockname(agent, fd, &service);
        self.close(agent, fd);
        self.stat(agent, "/etc/amazon/ssm/seelog.xml", false);
        self.lstat(agent, "/var/lib/amazon/ssm/runtimeconfig", true);
        self.write(agent, "/var/lib/amazon/ssm/ipc/health", APPEND);
        if self.random.one_in(3) {
            let thread = self.start_thread(agent);
            self.exit(thread);
        }
        self.run(
            services.agent_worker,
            &programs::PS,
            &["-e", "-o", "pid,ppid,state,command"],
        );
    }

    /// The web server as the boot left it.
    pub(super) fn boot_web(&mut self) -> Web {
        let first = self.random.between(1_500, 1_540);
        let mut start = |id, parent, user, descriptors| {
            self.boot(&Daemon {
                id,
                parent,
                user,
                namespace: FIRST_NAMESPACE,
                name: "nginx",
                descriptors,
            })
        };
        let master = start(first, 1, 0, 8);
        Web {
            master,
            workers: vec![
                start(first + 1, first, WWW_DATA, 12),
                start(first + 2, first, WWW_DATA, 12),
            ],
        }
    }

    /// Some requests, each to either worker.
    pub(super) fn web_requests(&mut self, web: &Web) {
        for _ in 0..self.random.between(2, 12) {
            let worker = self.random.pick(&web.workers);
            self.web_request(worker);
        }
    }

    fn web_request(&mut self, worker: Task) {
        let [a, b, c, d] = self.random.bits().to_le_bytes();
        let port = self.random.between(32_768, 61_000) as u16;
        let client = self.internet([a % 200 + 11, b, c, d], port);
        let connection = self.accept4(worker, 6, Some(&client));
        if self.random.one_in(9) {
            let page = self.random.pick(&MISSING_PAGES);
            self.open_fails(worker, &format!("/var/www/html/{page}"), READ, NO_SUCH_FILE);
        } else if self.random.one_in(4) {
            self.ask_application(worker);
        } else {
            let page = self.random.pick(&PAGES);
            self.read(worker, &format!("/var/www/html/{page}"));
        }
        self.close(worker, connection);
        if self.random.one_in(5) {
            self.accept4(worker, 6, None);
        }
    }

    fn ask_application(&mut self, worker: Task) {
        let fd = self.socket(worker, "AF_INET", "SOCK_STREAM");
        let application = self.internet([127, 0, 0, 1], 8_080);
        self.connect(worker, fd, &application, IN_PROGRESS);
        self.close(worker, fd);
    }

    /// A web worker crashes; the crash handler looks at it and the master starts another.
    pub(super) fn web_crash(&mut self, services: &Services, web: &mut Web) {
        let place = self.random.below(web.workers.len() as u32) as usize;
        let lost = web.workers[place];
        let id = self.id(lost);
        let handler = self.child_of(services.kernel);
        self.set_label(handler, Label::Suspicious);
        self.exec(handler, "/usr/share/apport/apport", &["apport"]);
        self.load(handler, &["libc", "libpthread", "libdl"]);
        for file in ["status", "cmdline", "environ", "maps"] {
            self.read(handler, &format!("/proc/{id}/{file}"));
        }
        self.write(handler, "/var/crash/_usr_sbin_nginx.33.crash", CREATE);
        self.exit(lost);
        self.exit(handler);
        let worker = self.fork(web.master);
        self.become_user(worker, WWW_DATA);
        self.close(worker, 3);
        self.journal(services, id);
        web.workers[place] = worker;
    }

    /// The nightly upgrade begins: the lists are fetched under an account of their own.
    pub(super) fn begin_upgrade(&mut self, services: &Services) -> Task {
        let apt = self.start_unit(services, "(apt-get)", "apt-daily-upgrade");
        self.exec(apt, "/usr/bin/apt-get", &["apt-get", "-qq", "dist-upgrade"]);
        self.load(
            apt,
            &[
                "libapt-private",
                "libapt-pkg",
                "libstdc++",
                "libgcc_s",
                "libc",
                "libz",
                "libbz2",
                "liblzma",
            ],
        );
        for path in [
            "/etc/apt/apt.conf.d/20auto-upgrades",
            "/etc/apt/sources.list",
            "/var/lib/dpkg/status",
        ] {
            self.read(apt, path);
        }
        let method = self.fork(apt);
        self.become_user(method, APT_USER);
        self.exec(
            method,
            "/usr/lib/apt/methods/http",
            &["/usr/lib/apt/methods/http"],
        );
        self.load(method, &["libapt-pkg", "libstdc++", "libc", "libgnutls"]);
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
        apt
    }

    /// One package is unpacked and set up.
    pub(super) fn upgrade_package(&mut self, apt: Task) {
        let package = self.random.pick(&PACKAGES);
        let dpkg = self.fork(apt);
        self.exec(dpkg, "/usr/bin/dpkg", &["/usr/bin/dpkg", "--unpack"]);
        self.load(
            dpkg,
            &["libselinux", "libc", "libpcre2-8", "libdl", "libpthread"],
        );
        self.read(dpkg, &format!("/var/lib/dpkg/info/{package}.list"));
        self.run(dpkg, &programs::TAR, &["-x", "-f", "-"]);
        for file in 0..self.random.between(4, 30) {
            let path = format!("/usr/share/{package}/{file:02}");
            self.lstat(dpkg, &path, true);
            self.write_private(dpkg, &format!("{path}.dpkg-new"));
            self.lchown(dpkg, &format!("{path}.dpkg-new"), 0);
            if self.random.one_in(4) {
                self.unlink(dpkg, &format!("{path}.dpkg-tmp"));
            }
        }
        if self.random.one_in(3) {
            let postinst = format!("/var/lib/dpkg/info/{package}.postinst");
            self.script(dpkg, &[&postinst, "configure"], |host, shell| {
                host.command(shell, &programs::SYSTEMCTL, &["daemon-reload"]);
                host.command(shell, &programs::TRUE, &[]);
            });
        }
        self.exit(dpkg);
    }

    /// The upgrade ends.
    pub(super) fn end_upgrade(&mut self, apt: Task) {
        self.unlink(apt, "/var/lib/dpkg/lock-frontend");
        self.write(apt, "/var/log/apt/history.log", APPEND);
        self.tell(apt, "/run/systemd/notify");
        self.exit(apt);
    }

    /// A watchdog's probe of a local port that nobody listens on at the moment.
    pub(super) fn refused_probe(&mut self, task: Task) {
        let fd = self.socket(task, "AF_INET", "SOCK_STREAM");
        let port = self.internet([127, 0, 0, 1], 9_100);
        self.connect(task, fd, &port, super::actions::REFUSED);
        self.close(task, fd);
        self.tell(task, "/dev/log");
        self.connect_local(task);
    }

    fn connect_local(&mut self, task: Task) {
        let fd = self.socket(task, "AF_UNIX", "SOCK_STREAM|SOCK_CLOEXEC");
        self.connect(task, fd, &Peer::Unix("/run/nscd/socket"), NO_SUCH_FILE);
        self.close(task, fd);
    }
}
