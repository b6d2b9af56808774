//! The names that a host looks up: those of its own services, of the internet, and of an intruder.
//!
//! Names that are made up end in `.example`, which nobody can register (RFC 2606).

use super::host::Host;
use super::process::Task;
use super::resolver::{Kind, Reply};
use super::services::Services;

/// The names of the company's own servers.
pub(super) const GIT_SERVER: &str = "git.corp.example";
pub(super) const METRICS_SERVER: &str = "metrics.corp.example";
const PACKAGE_SERVER: &str = "pypi.corp.example";
const BACKUP_SERVER: &str = "backup.corp.example";

/// The hosts from which intruders download their tools.
pub(super) const SCRIPT_HOST: &str = "cdn.freshassets.example";
pub(super) const KIT_HOST: &str = "files.quickdrop.example";
pub(super) const DROP_HOST: &str = "drop.paperlane.example";
/// The control server of the intruder who came through the web server, and the pool in which a miner takes part.
const CONTROL_HOST: &str = "gw.northpeer.example";
const MINING_POOL: &str = "pool.xmrgrid.example";
/// The domain whose server takes data out of queries.
const TUNNEL: &str = "s.paperlane.example";

/// Words of which names are made.
const FIRST_WORDS: [&str; 24] = [
    "alder", "amber", "arbor", "birch", "bright", "cedar", "clear", "coast", "delta", "ember",
    "field", "grand", "harbor", "iron", "lake", "maple", "metro", "north", "oak", "pine", "river",
    "silver", "stone", "west",
];
const SECOND_WORDS: [&str; 20] = [
    "bank",
    "books",
    "clinic",
    "dental",
    "foods",
    "garden",
    "group",
    "health",
    "hotel",
    "labs",
    "law",
    "logistics",
    "media",
    "motors",
    "partners",
    "school",
    "shop",
    "systems",
    "travel",
    "works",
];
/// What stands before the last label of a made-up name.
const REGISTRIES: [&str; 4] = ["", "-us", "-eu", "online"];
/// The services of others that a web application calls.
const PARTNERS: [&str; 4] = [
    "api.payments.example",
    "hooks.teamchat.example",
    "geo.addressbook.example",
    "d1k7qz4w0v9m2x.cloudfront.net",
];
/// The digits of base 32 in small letters (RFC 4648, section 6).
const BASE_32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Ordinary lookups.
impl Host<'_, '_> {
    /// Looks up what the agent polls.
    pub(super) fn agent_names(&mut self, agent: Task) {
        self.look_up(agent, "ssm.us-east-2.amazonaws.com", 1);
        for (name, turns) in [
            ("ec2messages.us-east-2.amazonaws.com", 6),
            ("ssmmessages.us-east-2.amazonaws.com", 8),
            ("logs.us-east-2.amazonaws.com", 20),
            ("amazon-ssm-us-east-2.s3.us-east-2.amazonaws.com", 60),
        ] {
            if self.resolver.random.one_in(turns) {
                self.look_up(agent, name, 1);
            }
        }
    }

    /// Looks up a time server, now and then.
    pub(super) fn time_names(&mut self, services: &Services) {
        if self.resolver.random.one_in(8) {
            self.look_up(services.timesyncd, "ntp.ubuntu.com", 4);
        }
    }

    /// Looks up what hourly jobs ask: news for the greeting, and updates of snaps.
    pub(super) fn hourly_names(&mut self, task: Task) {
        if self.resolver.random.one_in(6) {
            self.look_up(task, "motd.ubuntu.com", 2);
        }
        if self.resolver.random.one_in(6) {
            self.look_up(task, "api.snapcraft.io", 4);
        }
    }

    /// Looks up the mirrors of packages.
    pub(super) fn mirror_names(&mut self, method: Task) {
        for mirror in ["us-east-2.ec2.archive.ubuntu.com", "security.ubuntu.com"] {
            let service = format!("_http._tcp.{mirror}");
            self.ask(method, &service, Kind::Srv, Reply::NoSuchName);
            self.look_up(method, mirror, 6);
        }
        if self.resolver.random.one_in(3) {
            self.look_up(method, "esm.ubuntu.com", 3);
        }
    }

    /// Looks up where packages of Python come from.
    pub(super) fn package_names(&mut self, task: Task) {
        self.look_up(task, PACKAGE_SERVER, 1);
        if self.resolver.random.one_in(3) {
            self.look_up(task, "pypi.org", 4);
            self.look_up(task, "files.pythonhosted.org", 1);
        }
    }

    /// Looks up the server of back-ups.
    pub(super) fn backup_names(&mut self, task: Task) {
        self.look_up(task, BACKUP_SERVER, 1);
    }

    /// Looks up the certificate authority.
    pub(super) fn certificate_names(&mut self, task: Task) {
        self.look_up(task, "acme-v02.api.letsencrypt.org", 1);
    }

    /// Looks up the services of others that the web application calls.
    pub(super) fn partner_names(&mut self, worker: Task) {
        if self.resolver.random.one_in(5) {
            let name = self.resolver.random.pick(&PARTNERS);
            self.look_up(worker, name, 2);
        }
    }

    /// Looks up where an administrator gets a new program from: a known place, or one that nobody asked for before.
    pub(super) fn program_names(&mut self, task: Task) {
        if self.resolver.random.one_in(2) {
            self.look_up(task, "github.com", 1);
            self.look_up(task, "objects.githubusercontent.com", 4);
        } else {
            let domain = self.anybody();
            self.look_up(task, &format!("download.{domain}"), 1);
        }
    }

    /// Looks up the name of a stranger's address, and then the address of that name if there is one.
    pub(super) fn stranger_names(&mut self, task: Task) {
        if self.resolver.random.one_in(2) {
            self.name_of_client(task);
        }
    }

    fn name_of_client(&mut self, task: Task) {
        let [a, b, c, d] = self.resolver.random.bits().to_le_bytes();
        let reverse = format!("{d}.{c}.{b}.{}.in-addr.arpa", a % 200 + 11);
        if self.resolver.random.one_in(2) {
            return self.ask(task, &reverse, Kind::Ptr, Reply::NoSuchName);
        }
        let domain = self.anybody();
        let name = format!("host-{c}-{d}.{domain}");
        self.ask(task, &reverse, Kind::Ptr, Reply::Text(&format!("{name}.")));
        self.look_up(task, &name, 1);
    }

    /// Lets a mail server receive some mail: it asks who may send it, and whether the sender is on a list. The resolver asks on
    /// its behalf.
    pub(super) fn mail_names(&mut self, services: &Services) {
        for _ in 0..self.resolver.random.below(4) {
            let task = services.resolved;
            self.name_of_client(task);
            let [a, b, c, d] = self.resolver.random.bits().to_le_bytes();
            let listed = format!("{d}.{c}.{b}.{}.zen.spamhaus.org", a % 200 + 11);
            self.ask(task, &listed, Kind::A, Reply::NoSuchName);
            let domain = self.anybody();
            self.ask(
                task,
                &domain,
                Kind::Mx,
                Reply::Text(&format!("mx.{domain}.")),
            );
            self.ask(task, &domain, Kind::Txt, Reply::Text("v=spf1 mx -all"));
            let policy = format!("_dmarc.{domain}");
            let reply = match self.resolver.random.one_in(3) {
                true => Reply::NoSuchName,
                false => Reply::Text("v=DMARC1; p=none"),
            };
            self.ask(task, &policy, Kind::Txt, reply);
            let key = format!("s{}._domainkey.{domain}", self.resolver.random.below(3));
            self.ask(task, &key, Kind::Txt, Reply::Text("v=DKIM1; k=rsa"));
        }
    }

    /// Draws somebody's domain. A few are frequent, and most are rare: there are 1,920.
    fn anybody(&mut self) -> String {
        let words = (FIRST_WORDS.len() * SECOND_WORDS.len() * REGISTRIES.len()) as u64;
        let share = |random: u32| u64::from(random >> 16);
        let [one, other] = [(); 2].map(|()| share(self.resolver.random.bits()));
        let third = share(self.resolver.random.bits());
        let rank = ((((one * other) >> 16) * third * words) >> 32) as usize;
        let (first, rest) = (rank % FIRST_WORDS.len(), rank / FIRST_WORDS.len());
        let (second, registry) = (rest % SECOND_WORDS.len(), rest / SECOND_WORDS.len());
        let (first, second) = (FIRST_WORDS[first], SECOND_WORDS[second]);
        format!("{first}{second}{}.example", REGISTRIES[registry])
    }
}

/// Lookups of intruders.
impl Host<'_, '_> {
    /// Looks up the control server.
    pub(super) fn control_names(&mut self, shell: Task) {
        self.look_up(shell, CONTROL_HOST, 1);
    }

    /// Looks up the control server, and the pool once a miner runs.
    pub(super) fn beacon_names(&mut self, shell: Task, is_mining: bool) {
        self.control_names(shell);
        if is_mining {
            self.look_up(shell, MINING_POOL, 3);
        }
    }

    /// Looks up `count` generated names, of which the last one exists.
    pub(super) fn generated_names(&mut self, task: Task, count: u32) {
        for left in (0..count).rev() {
            let length = self.resolver.random.between(11, 19);
            let mut name: String = (0..length)
                .map(|_| char::from(b'a' + self.resolver.random.below(26) as u8))
                .collect();
            name.push_str(".example");
            match left {
                0 => self.look_up(task, &name, 1),
                _ => self.look_up_in_vain(task, &name),
            }
        }
    }

    /// Sends some data out as labels of names, in `count` queries.
    pub(super) fn tunnel_names(&mut self, task: Task, count: u32) {
        for _ in 0..count {
            let length = self.resolver.random.between(30, 58);
            let data: String = (0..length)
                .map(|_| char::from(self.resolver.random.pick(BASE_32)))
                .collect();
            self.ask(
                task,
                &format!("{data}.{TUNNEL}"),
                Kind::Txt,
                Reply::Text("b2s="),
            );
        }
    }
}
