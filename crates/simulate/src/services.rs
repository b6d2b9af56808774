//! The system daemons that every host of the fleet runs all day.

use super::call::NO_SUCH_FILE;
use super::files::READ;
use super::host::Host;
use super::process::{Daemon, FIRST_NAMESPACE, Task};
use super::text::Peer;

/// The daemons that are running when the recording begins.
#[derive(Clone, Copy)]
pub(super) struct Services {
    pub(super) systemd: Task,
    pub(super) journald: Task,
    pub(super) udevd: Task,
    pub(super) networkd: Task,
    pub(super) resolved: Task,
    pub(super) timesyncd: Task,
    pub(super) logind: Task,
    pub(super) cron: Task,
    pub(super) sshd: Task,
    pub(super) agent: Task,
    pub(super) agent_worker: Task,
    /// The parent of the kernel's threads.
    pub(super) kernel: Task,
}

/// The service units whose control groups systemd reads.
const UNITS: [&str; 6] = [
    "cron",
    "ssh",
    "systemd-udevd",
    "systemd-journald",
    "systemd-logind",
    "amazon-ssm-agent",
];
/// The virtual devices that udevd handles.
const DEVICES: [&str; 8] = [
    "block/loop0",
    "block/loop3",
    "block/nvme0n1",
    "tty/ttyS0",
    "net/ens5",
    "mem/random",
    "memory/memory12",
    "misc/rfkill",
];
/// The daemons that make no calls in these recordings, with their user ids.
const IDLE_DAEMONS: [(&str, u32); 5] = [
    ("dbus-daemon", 103),
    ("rsyslogd", 104),
    ("polkitd", 0),
    ("atd", 0),
    ("agetty", 0),
];
/// The kernel threads that make no calls in these recordings.
const KERNEL_THREADS: [&str; 14] = [
    "rcu_gp",
    "rcu_par_gp",
    "kworker/0:0H",
    "mm_percpu_wq",
    "ksoftirqd/0",
    "rcu_sched",
    "migration/0",
    "cpuhp/0",
    "kdevtmpfs",
    "kauditd",
    "khungtaskd",
    "kswapd0",
    "jbd2/nvme0n1p1-",
    "kworker/u30:1",
];

impl Services {
    /// Adds the processes that were started at boot. Their ids differ a little from host to host.
    pub(super) fn boot(host: &mut Host<'_, '_>) -> Self {
        let shift = host.random.below(6);
        let late = host.random.below(90);
        let [systemd, kernel] = boot_others(host, 480 + shift);
        let agent = 1_336 + late;
        let mut start =
            |id, user, namespace, name, open| daemon(host, [id, 1, user], namespace, name, open);
        Self {
            systemd,
            kernel,
            journald: start(156 + shift, 0, 0, "systemd-journal", 29),
            udevd: start(186 + shift, 0, 377, "systemd-udevd", 6),
            timesyncd: start(360 + shift, 102, 389, "systemd-timesyn", 14),
            networkd: start(376 + shift, 100, 391, "systemd-network", 15),
            resolved: start(380 + shift, 101, 392, "systemd-resolve", 15),
            logind: start(518 + shift, 0, 448, "systemd-logind", 14),
            cron: start(500 + shift, 0, 0, "cron", 4),
            sshd: start(1_240 + late, 0, 0, "sshd", 5),
            agent: start(agent, 0, 0, "amazon-ssm-agen", 12),
            agent_worker: daemon(host, [agent + 100, agent, 0], 0, "ssm-agent-worke", 9),
        }
    }
}

/// Adds a process that was started at boot.
///
/// `ids` are the process, its parent and its user. `namespace` is the mount namespace, counted from
/// [`FIRST_NAMESPACE`]. `descriptors` is the number of open descriptors.
fn daemon(
    host: &mut Host<'_, '_>,
    ids: [u32; 3],
    namespace: u64,
    name: &'static str,
    descriptors: u32,
) -> Task {
    let [id, parent, user] = ids;
    host.boot(&Daemon {
        id,
        parent,
        user,
        namespace: FIRST_NAMESPACE + namespace,
        name,
        descriptors,
    })
}

/// Adds process 1, the parent of the kernel's threads, and the processes that make no calls in these
/// recordings. Returns the first two.
fn boot_others(host: &mut Host<'_, '_>, first_id: u32) -> [Task; 2] {
    let systemd = daemon(host, [1, 0, 0], 0, "systemd", 12);
    let kernel = daemon(host, [2, 0, 0], 0, "kthreadd", 0);
    for (id, name) in (3..).zip(KERNEL_THREADS) {
        daemon(host, [id, 2, 0], 0, name, 0);
    }
    for (id, (name, user)) in (first_id..).zip(IDLE_DAEMONS) {
        daemon(host, [id, 1, user], 0, name, 12);
    }
    [systemd, kernel]
}

impl Host<'_, '_> {
    /// Lets the journal receive lines from the process `id`, which it does not know yet and looks up in /proc.
    pub(super) fn journal(&mut self, services: &Services, id: u32) {
        let journald = services.journald;
        for file in [
            "comm",
            "cmdline",
            "status",
            "attr/current",
            "sessionid",
            "loginuid",
            "cgroup",
        ] {
            self.read(journald, &format!("/proc/{id}/{file}"));
            if matches!(file, "comm" | "status") {
                for _ in 0..3 {
                    self.capability(journald, "CAP_SYS_PTRACE", true);
                }
            }
        }
        let unit = self.random.pick(&UNITS);
        self.open_fails(
            journald,
            &format!("/run/systemd/units/log-extra-fields:{unit}.service"),
            READ,
            NO_SUCH_FILE,
        );
    }

    /// Lets systemd receive messages of its services and look up the unit of each message.
    pub(super) fn systemd_round(&mut self, services: &Services) {
        let systemd = services.systemd;
        for daemon in [services.networkd, services.journald, services.logind] {
            let id = self.tasks.id(daemon);
            self.read(systemd, &format!("/proc/{id}/cgroup"));
        }
        let unit = self.random.pick(&UNITS);
        self.read(
            systemd,
            &format!("/sys/fs/cgroup/unified/system.slice/{unit}.service/cgroup.events"),
        );
        self.read(
            systemd,
            &format!("/sys/fs/cgroup/memory/system.slice/{unit}.service/cgroup.procs"),
        );
        if self.random.one_in(4) {
            self.symlink(
                systemd,
                "5",
                &format!("/run/systemd/units/log-level-max:{unit}.service"),
            );
            self.unlink(
                systemd,
                &format!("/run/systemd/units/log-level-max:{unit}.service"),
            );
        }
        self.tell(systemd, "/run/systemd/journal/socket");
    }

    /// Lets networkd update the state of the network link, and resolved read the state again.
    pub(super) fn network_round(&mut self, services: &Services) {
        self.tell(services.networkd, "/run/systemd/notify");
        self.write_private(services.networkd, "/run/systemd/netif/links/.#2xT9");
        for _ in 0..self.random.between(3, 7) {
            let fd = self.open(services.resolved, "/run/systemd/netif/links/2", READ);
            self.fstat(services.resolved, fd);
            self.fstat(services.resolved, fd);
            self.close(services.resolved, fd);
        }
        if self.random.one_in(3) {
            self.resolved_helper(services);
        }
        if self.random.one_in(3) {
            self.time_sync(services);
        }
    }

    /// Starts a thread that closes a socket and ends, so that its process does not wait for the close.
    fn resolved_helper(&mut self, services: &Services) {
        let fd = self.socket(
            services.resolved,
            "AF_INET",
            "SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK",
        );
        let thread = self.start_thread(services.resolved);
        self.set_name(thread, "close");
        self.close(thread, fd);
        self.exit(thread);
    }

    /// Lets timesyncd ask the time server.
    fn time_sync(&mut self, services: &Services) {
        let timesyncd = services.timesyncd;
        let synchronized = self.random.one_in(3);
        self.read(timesyncd, "/run/systemd/netif/state");
        let fd = self.socket(timesyncd, "AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC");
        let server = self.internet([169, 254, 169, 123], 123);
        self.connect(timesyncd, fd, &server, 0);
        self.close(timesyncd, fd);
        self.access(
            timesyncd,
            "/run/systemd/timesync/synchronized",
            "F_OK",
            synchronized,
        );
    }

    /// Lets udevd handle changes of devices. It gives each device to a worker. The workers run at the same
    /// time and are ended together.
    pub(super) fn device_events(&mut self, services: &Services) {
        let udevd = services.udevd;
        let workers: Vec<Task> = (0..self.random.between(2, 5))
            .map(|_| self.fork(udevd))
            .collect();
        for &worker in &workers {
            let fd = self.socket(worker, "AF_NETLINK", "SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK");
            self.bind(worker, fd, &Peer::Netlink);
        }
        for _ in 0..self.random.between(6, 18) {
            let worker = self.random.pick(&workers);
            self.device_event(worker);
        }
        let ids: Vec<u32> = workers
            .iter()
            .map(|&worker| self.tasks.id(worker))
            .collect();
        self.signal_all(udevd, &ids, 15);
        for worker in workers {
            for fd in [6, 5, 4] {
                self.close(worker, fd);
            }
            self.exit(worker);
        }
        self.unlink(udevd, "/run/udev/queue");
    }

    fn device_event(&mut self, worker: Task) {
        let device = self.random.pick(&DEVICES);
        let folder = format!("/sys/devices/virtual/{device}");
        self.read(worker, &format!("{folder}/uevent"));
        self.access(worker, &format!("{folder}/driver"), "F_OK", false);
        let minor = self.random.below(32);
        if self.random.one_in(3) {
            self.open_fails(
                worker,
                &format!("/run/udev/data/b7:{minor}"),
                READ,
                NO_SUCH_FILE,
            );
        } else {
            self.read(worker, &format!("/run/udev/data/b7:{minor}"));
        }
        for part in ["sys", "devices", "virtual", "subsystem"] {
            self.look_at(worker, part);
        }
        self.stat(worker, &format!("{folder}/dm"), false);
        self.stat(worker, &format!("/dev/{device}"), true);
        self.write_private(worker, &format!("/run/udev/data/.#b7:{minor}"));
    }

    /// Starts a kernel worker and ends it.
    pub(super) fn kernel_worker(&mut self, services: &Services) {
        let worker = self.tasks.child_of(services.kernel);
        let name = self.random.pick(&[
            "kworker/0:1",
            "kworker/1:2",
            "kworker/u30:0",
            "kworker/dying",
        ]);
        self.tasks.rename(worker, name);
        self.exit(worker);
    }
}
