//! The workloads of the hosts: an agent that polls a service, a web server, and the failures that both have
//! at times.

use super::call::{IN_PROGRESS, NO_SUCH_FILE, REFUSED};
use super::files::{APPEND, CREATE, READ};
use super::host::Host;
use super::names;
use super::process::{Daemon, FIRST_NAMESPACE, Task};
use super::services::Services;
use super::tools;

/// The number of the user `www-data`.
const WWW_DATA: u32 = 33;

/// A running web server.
pub(super) struct Web {
    master: Task,
    workers: Vec<Task>,
}

impl Web {
    /// Returns a worker.
    pub(super) fn worker(&self) -> Task {
        self.workers[0]
    }
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

impl Host<'_, '_> {
    /// Lets the agent ask its service for work and its worker list the processes.
    pub(super) fn agent_poll(&mut self, services: &Services) {
        let agent = services.agent;
        self.agent_names(agent);
        let fd = self.socket(agent, "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        let low = self.random.below(250) as u8;
        let service = self.internet([52, 95, 19, low], 443);
        self.connect(agent, fd, &service, IN_PROGRESS);
        let port = self.ephemeral_port();
        self.getsockname(agent, fd, port);
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
            &tools::PS,
            &["-e", "-o", "pid,ppid,state,command"],
        );
    }

    /// Adds a web server that was started at boot.
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

    /// Serves some requests, each by one of the workers.
    pub(super) fn web_requests(&mut self, web: &Web) {
        for _ in 0..self.random.between(2, 12) {
            let worker = self.random.pick(&web.workers);
            self.web_request(worker);
        }
    }

    fn web_request(&mut self, worker: Task) {
        let client = self.somebody();
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

    /// Forwards a request to the application server on the same host.
    fn ask_application(&mut self, worker: Task) {
        let fd = self.socket(worker, "AF_INET", "SOCK_STREAM");
        let application = self.internet([127, 0, 0, 1], 8_080);
        self.connect(worker, fd, &application, IN_PROGRESS);
        self.close(worker, fd);
    }

    /// Lets a web worker crash. The crash handler inspects the worker, and the master starts another one.
    pub(super) fn web_crash(&mut self, services: &Services, web: &mut Web) {
        let place = self.random.below(web.workers.len() as u32) as usize;
        let lost = web.workers[place];
        let id = self.tasks.id(lost);
        let handler = self.tasks.child_of(services.kernel);
        self.tasks.set_label(handler, self.unusual());
        self.exec(handler, "/usr/share/apport/apport", &["apport"]);
        self.load(handler, &["libc", "libpthread", "libdl"]);
        for file in ["status", "cmdline", "environ", "maps"] {
            self.read(handler, &format!("/proc/{id}/{file}"));
        }
        self.write(handler, "/var/crash/_usr_sbin_nginx.33.crash", CREATE);
        self.journal(services, id);
        self.exit(lost);
        self.exit(handler);
        let worker = self.fork(web.master);
        self.become_user(worker, WWW_DATA);
        self.close(worker, 3);
        web.workers[place] = worker;
    }

    /// Probes a local port that nobody listens on at the moment, as a watchdog does.
    pub(super) fn probe_port(&mut self, task: Task) {
        let fd = self.socket(task, "AF_INET", "SOCK_STREAM");
        let port = self.internet([127, 0, 0, 1], 9_100);
        self.connect(task, fd, &port, REFUSED);
        self.close(task, fd);
        self.tell(task, "/dev/log");
        self.resolve_name(task, names::METRICS_SERVER);
    }
}
