//! The hosts of each split, and each host's agenda.

use super::Split;
use super::attack::Campaign;
use super::host::{Counts, Host, Task};
use super::programs::{self, Tool};
use super::random::Random;
use super::remote::{ADMIN, LoginLabels, Session};
use super::services::Services;
use super::text::{Label, Rows};
use super::workloads::Web;

const SECOND: u64 = 1_000_000;
const ADMIN_LABELS: LoginLabels = LoginLabels {
    monitor: Label::Benign,
    manager: Label::Suspicious,
    shell: Label::Benign,
};
/// A host with fewer events than this shows little of a day, so small recordings have fewer hosts.
const LEAST_PER_HOST: u64 = 1_500;

/// Maintenance jobs seen in training, and those of the other hosts: two of them are new there.
static TRAINING_TOOLS: [&Tool; 4] = [
    &programs::LOGROTATE,
    &programs::MANDB,
    &programs::UPDATEDB,
    &programs::FSTRIM,
];
static OTHER_TOOLS: [&Tool; 5] = [
    &programs::UPDATEDB,
    &programs::FSTRIM,
    &programs::LOGROTATE,
    &programs::CERTBOT,
    &programs::RSYNC,
];

/// Something a host does from time to time.
#[derive(Clone, Copy)]
enum Job {
    Systemd,
    Network,
    Devices,
    CronMinute,
    CronHourly,
    Tidy,
    KernelWorker,
    Agent,
    Probe,
    Stranger,
    Maintenance,
    WebRequests,
    WebCrash,
    AdminLogin,
    AdminCommand { session: Session, left: u32 },
    Upgrade,
    UpgradePackage { apt: Task, left: u32 },
    Attack,
    IntrudersJob,
}

/// Jobs with their mean period in seconds. The first half has its first run within a period of the start.
const FREQUENT: [(Job, u64); 9] = [
    (Job::Systemd, 25),
    (Job::Network, 45),
    (Job::Devices, 140),
    (Job::CronMinute, 60),
    (Job::KernelWorker, 30),
    (Job::Agent, 60),
    (Job::Stranger, 45),
    (Job::WebRequests, 8),
    (Job::Probe, 600),
];
/// Rare jobs: the hosts of a split take turns with the first run, so that a short recording has some of each.
const RARE: [(Job, u64); 6] = [
    (Job::CronHourly, 3_600),
    (Job::Maintenance, 5_400),
    (Job::WebCrash, 9_000),
    (Job::Tidy, 86_400),
    (Job::AdminLogin, 5_400),
    (Job::Upgrade, 21_600),
];

/// One host's part in a split.
struct Part {
    name: String,
    place: u64,
    /// Seconds between the first runs of a rare job on two hosts.
    stride: u64,
    web: bool,
    tools: &'static [&'static Tool],
}

fn parts(split: Split, events: u64) -> Vec<Part> {
    let (most, network, stride, tools): (_, _, _, &'static [&'static Tool]) = match split {
        Split::Training => (8, [17, 31, 44, 52, 68, 83, 97, 112], 350, &TRAINING_TOOLS),
        Split::Validation => (4, [121, 136, 149, 163, 0, 0, 0, 0], 130, &OTHER_TOOLS),
        Split::Testing => (1, [208, 0, 0, 0, 0, 0, 0, 0], 40, &OTHER_TOOLS),
    };
    let hosts = (events / LEAST_PER_HOST).clamp(1, most);
    let part = |place: u64| Part {
        name: format!("ip-10-20-1-{}", network[place as usize]),
        place,
        stride,
        web: split != Split::Testing && place % 2 == 0,
        tools,
    };
    (0..hosts).map(part).collect()
}

/// Writes all hosts of a split, one after the other; the counts of each.
pub(super) fn run(split: Split, seed: u64, events: u64, rows: &mut Rows<'_>) -> Vec<Counts> {
    let parts = parts(split, events);
    let hosts = parts.len() as u64;
    let shares: Vec<u64> = (0..=hosts)
        .map(|place| share_before(place, hosts, events))
        .collect();
    let run_part = |part: Part| {
        let stream = (split as u64) << 32 | part.place;
        let random = Random::new(seed, stream);
        let share = shares[part.place as usize + 1] - shares[part.place as usize];
        Machine::start(&part, random, rows, share, split == Split::Testing).run()
    };
    parts.into_iter().map(run_part).collect()
}

/// Events of the hosts before `place`. Hosts are unequally busy: their weights are 90 to 130.
fn share_before(place: u64, hosts: u64, events: u64) -> u64 {
    let weight = |hosts: u64| (0..hosts).map(|place| 90 + place * 37 % 41).sum::<u64>();
    (u128::from(events) * u128::from(weight(place)) / u128::from(weight(hosts))) as u64
}

struct Machine<'r, 'w> {
    host: Host<'r, 'w>,
    services: Services,
    web: Option<Web>,
    campaign: Option<Campaign>,
    tools: &'static [&'static Tool],
    agenda: Vec<(u64, Job)>,
}

impl<'r, 'w> Machine<'r, 'w> {
    fn start(
        part: &Part,
        mut random: Random,
        rows: &'r mut Rows<'w>,
        share: u64,
        attacked: bool,
    ) -> Self {
        let begins = u64::from(random.between(118 * SECOND as u32, 135 * SECOND as u32));
        let mut host = Host::new(part.name.clone(), random, rows, share, begins);
        let services = Services::boot(&mut host);
        let web = part.web.then(|| host.boot_web());
        let campaign = attacked.then(Campaign::new);
        let mut agenda = Vec::new();
        for (job, period) in FREQUENT {
            agenda.push((begins + host.random.around(period * SECOND) / 2, job));
        }
        for (salt, (job, _)) in RARE.into_iter().enumerate() {
            let turn = (part.place + 3 * salt as u64) % 8;
            agenda.push((
                begins + host.random.around((turn + 1) * part.stride * SECOND),
                job,
            ));
        }
        if attacked {
            agenda.extend([(begins, Job::Attack), (begins, Job::IntrudersJob)]);
        }
        Self {
            host,
            services,
            web,
            campaign,
            tools: part.tools,
            agenda,
        }
    }

    fn run(mut self) -> Counts {
        while !self.host.done() {
            let Some(next) = (0..self.agenda.len()).min_by_key(|&place| self.agenda[place].0)
            else {
                break;
            };
            let (time, job) = self.agenda.swap_remove(next);
            self.host.wait_until(time);
            self.perform(job);
        }
        self.host.counts
    }

    fn again(&mut self, job: Job, micros: u64) {
        self.agenda.push((self.host.now() + micros, job));
    }

    fn perform(&mut self, job: Job) {
        let (host, services) = (&mut self.host, &self.services);
        match job {
            Job::Systemd => host.systemd_round(services),
            Job::Network => host.network_round(services),
            Job::Devices => host.device_events(services),
            Job::CronMinute => host.cron_minute(services),
            Job::CronHourly => host.cron_hourly(services),
            Job::Tidy => host.clean_temporary_files(services),
            Job::KernelWorker => host.kernel_worker(services),
            Job::Agent => host.agent_poll(services),
            Job::Probe => host.refused_probe(services.agent),
            Job::Stranger => host.stranger(services),
            Job::Maintenance => {
                let tool = host.random.pick(self.tools);
                host.maintenance(services, tool);
            }
            Job::WebRequests | Job::WebCrash => self.serve(job),
            Job::AdminLogin | Job::AdminCommand { .. } => self.administer(job),
            Job::Upgrade | Job::UpgradePackage { .. } => self.upgrade(job),
            Job::Attack | Job::IntrudersJob => self.attack(job),
        }
        let period = FREQUENT
            .iter()
            .chain(&RARE)
            .find(|(other, _)| std::mem::discriminant(other) == std::mem::discriminant(&job));
        if let Some(&(_, period)) = period {
            let wait = self.host.random.around(period * SECOND);
            self.again(job, wait);
        }
    }

    fn serve(&mut self, job: Job) {
        let Some(web) = &mut self.web else { return };
        match job {
            Job::WebCrash => self.host.web_crash(&self.services, web),
            _ => self.host.web_requests(web),
        }
    }

    fn administer(&mut self, job: Job) {
        let host = &mut self.host;
        let (session, left) = match job {
            Job::AdminCommand { session, left: 0 } => {
                return host.log_out(&self.services, session, ADMIN);
            }
            Job::AdminCommand { session, left } => {
                host.admin_command(session.shell);
                (session, left - 1)
            }
            _ => (
                host.log_in(&self.services, ADMIN, ADMIN_LABELS),
                host.random.between(5, 15),
            ),
        };
        let pause = host.random.around(8 * SECOND);
        self.again(Job::AdminCommand { session, left }, pause);
    }

    fn upgrade(&mut self, job: Job) {
        let host = &mut self.host;
        let (apt, left) = match job {
            Job::UpgradePackage { apt, left: 0 } => return host.end_upgrade(apt),
            Job::UpgradePackage { apt, left } => {
                host.upgrade_package(apt);
                (apt, left - 1)
            }
            _ => (
                host.begin_upgrade(&self.services),
                host.random.between(4, 14),
            ),
        };
        let pause = host.random.around(SECOND);
        self.again(Job::UpgradePackage { apt, left }, pause);
    }

    fn attack(&mut self, job: Job) {
        let Some(campaign) = &mut self.campaign else {
            return;
        };
        let wait = if matches!(job, Job::Attack) {
            campaign.step(&mut self.host, &self.services)
        } else {
            if campaign.persists() {
                self.host.intruders_job(&self.services);
            }
            self.host.random.around(60 * SECOND)
        };
        self.again(job, wait);
    }
}
