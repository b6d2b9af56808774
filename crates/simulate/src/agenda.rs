//! The schedule of a host. Jobs wait on an agenda, and the job that is due next runs to its end.

use std::mem::discriminant;

use super::break_in::BreakIn;
use super::host::{Counts, Host};
use super::operations::DEPLOY;
use super::part::Part;
use super::process::Task;
use super::random::Random;
use super::remote::{ADMIN, LoginLabels, Session, Visitor};
use super::resolver::LookupCounts;
use super::scheduled::Chore;
use super::services::Services;
use super::text::{Label, Rows};
use super::workloads::Web;

const SECOND: u64 = 1_000_000;

/// A job that a host runs from time to time.
#[derive(Clone, Copy)]
enum Job {
    Systemd,
    Network,
    Devices,
    CronMinute,
    CronHourly,
    CleanTemporaryFiles,
    KernelWorker,
    Agent,
    /// A watchdog probes a local port.
    Probe,
    /// A stranger connects to sshd.
    Stranger,
    /// A visitor tries a password.
    Password(Visitor),
    Chore,
    WebRequests,
    WebCrash,
    AdminLogin,
    /// The administrator runs one of the `left` commands to come, or logs out.
    AdminCommand {
        session: Session,
        left: u32,
    },
    Upgrade,
    /// One of the `left` packages to come is upgraded, or the upgrade ends.
    UpgradePackage {
        apt: Task,
        left: u32,
    },
    /// The administrator logs in and tries a program that the host never ran before.
    Trial,
    Backup,
    Deployment,
    /// One of the `left` steps to come of a deployment is done, or the session ends.
    DeploymentStep {
        session: Session,
        left: u32,
    },
    /// The break-in goes on by one step.
    Attack,
    IntruderCron,
}

/// Frequent jobs with their mean periods in seconds. The first run is within one period of the start.
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
/// Rare jobs with their mean periods in seconds. The hosts of a split take turns with the first runs, so
/// that a short recording has some of each.
const RARE: [(Job, u64); 6] = [
    (Job::CronHourly, 3_600),
    (Job::Chore, 5_400),
    (Job::WebCrash, 9_000),
    (Job::CleanTemporaryFiles, 86_400),
    (Job::AdminLogin, 5_400),
    (Job::Upgrade, 21_600),
];

/// Frequent jobs of a host of a quiet fleet.
const QUIET_FREQUENT: [(Job, u64); 9] = [
    (Job::Systemd, 120),
    (Job::Network, 240),
    (Job::Devices, 900),
    (Job::CronMinute, 300),
    (Job::KernelWorker, 180),
    (Job::Agent, 600),
    (Job::Stranger, 900),
    (Job::WebRequests, 60),
    (Job::Probe, 3_600),
];
/// Rare jobs of a host of a quiet fleet. The first run is within one period of the start.
const QUIET_RARE: [(Job, u64); 9] = [
    (Job::CronHourly, 3_600),
    (Job::Chore, 21_600),
    (Job::WebCrash, 172_800),
    (Job::CleanTemporaryFiles, 86_400),
    (Job::AdminLogin, 14_400),
    (Job::Upgrade, 86_400),
    (Job::Backup, 86_400),
    (Job::Deployment, 43_200),
    (Job::Trial, 259_200),
];

/// A host with its services and its agenda.
pub(super) struct Machine<'r, 'w> {
    host: Host<'r, 'w>,
    services: Services,
    web: Option<Web>,
    break_in: Option<BreakIn>,
    /// Whether the host is a mail server, of which only the lookups are recorded.
    receives_mail: bool,
    chores: &'static [Chore],
    /// The number of chores done plus the position of the host in its split. It decides which chore is next.
    chores_done: u64,
    /// The periods of this host's jobs, in per cent of the mean periods.
    pace: u64,
    /// Jobs with the times when they are due, in microseconds since boot. There are never more than a few
    /// dozen, so a linear search finds the next one.
    agenda: Vec<(u64, Job)>,
}

impl<'r, 'w> Machine<'r, 'w> {
    /// Boots a host and schedules its first jobs.
    pub(super) fn start(
        part: &Part,
        [mut random, of_lookups]: [Random; 2],
        rows: &'r mut Rows<'w>,
    ) -> Self {
        let begins = u64::from(random.between(118_000_000, 135_000_000));
        let pace = u64::from(random.between(75, 130));
        let mut host = Host::new(
            part.address,
            [random, of_lookups],
            rows,
            (part.share, part.time),
            begins,
        );
        let services = Services::boot(&mut host);
        let web = part.web.then(|| host.boot_web());
        let break_in = part.break_in;
        let break_in = break_in.map(|way| BreakIn::new(way, &mut host, &services));
        let (chores, agenda) = (part.chores, Vec::new());
        let mut machine = Self {
            host,
            services,
            web,
            break_in,
            receives_mail: part.place % 4 == 3,
            chores,
            chores_done: part.place,
            pace,
            agenda,
        };
        machine.schedule_first_runs(part);
        machine
    }

    fn schedule_first_runs(&mut self, part: &Part) {
        if let Some(time) = part.time {
            return self.schedule_quiet_first_runs(time);
        }
        for (job, period) in FREQUENT {
            self.schedule(job, period * SECOND / 2);
        }
        for (salt, (job, _)) in (0..).zip(RARE) {
            let turn = (part.place + 3 * salt) % part.turns;
            self.schedule(job, (turn + 1) * part.stride * SECOND);
        }
        if self.break_in.is_some() {
            self.schedule(Job::Attack, SECOND);
            self.schedule(Job::IntruderCron, SECOND);
        }
    }

    /// Schedules the first jobs of a recording of `time` microseconds. A break-in begins between a quarter and three fifths
    /// of the time.
    fn schedule_quiet_first_runs(&mut self, time: u64) {
        for (job, period) in QUIET_FREQUENT {
            self.schedule(job, period * SECOND / 2);
        }
        for (job, period) in QUIET_RARE {
            let wait = u64::from(self.host.random.below(period as u32)) * SECOND;
            self.agenda.push((self.host.now() + wait, job));
        }
        if self.break_in.is_some() {
            let share = u64::from(self.host.random.between(25, 60));
            let begins = self.host.now() + time / 100 * share;
            self.agenda.push((begins, Job::Attack));
            self.agenda.push((begins, Job::IntruderCron));
        }
    }

    /// Runs jobs until the host has recorded its share of events. Returns the numbers of events by label, the number of
    /// processes that existed at some time, and the numbers of messages of lookups.
    pub(super) fn run(&mut self) -> (Counts, u64, LookupCounts) {
        while !self.host.done() {
            let Some(next) = (0..self.agenda.len()).min_by_key(|&place| self.agenda[place].0)
            else {
                break;
            };
            let (time, job) = self.agenda.swap_remove(next);
            self.host.wait_until(time);
            self.perform(job);
            self.schedule_next_run(job);
        }
        let lookups = self.host.resolver.counts();
        (self.host.counts(), self.host.tasks.started(), lookups)
    }

    /// Schedules a job in about `micros` microseconds.
    fn schedule(&mut self, job: Job, micros: u64) {
        let wait = self.host.random.around(micros);
        self.agenda.push((self.host.now() + wait, job));
    }

    /// Schedules the next run of a periodic job. Does nothing for other jobs.
    fn schedule_next_run(&mut self, job: Job) {
        let same = |(other, _): &&(Job, u64)| discriminant(other) == discriminant(&job);
        let found = match self.host.is_timed() {
            true => QUIET_FREQUENT.iter().chain(&QUIET_RARE).find(same),
            false => FREQUENT.iter().chain(&RARE).find(same),
        };
        if let Some(&(_, period)) = found {
            self.schedule(job, period * SECOND * self.pace / 100);
        }
    }

    fn perform(&mut self, job: Job) {
        let (host, services) = (&mut self.host, &self.services);
        match job {
            Job::Systemd => host.systemd_round(services),
            Job::Network => {
                host.network_round(services);
                host.time_names(services);
            }
            Job::Devices => host.device_events(services),
            Job::CronMinute => {
                host.cron_minute(services);
                if self.receives_mail {
                    host.mail_names(services);
                }
            }
            Job::CronHourly => {
                host.cron_hourly(services);
                host.hourly_names(services.resolved);
            }
            Job::CleanTemporaryFiles => host.clean_temporary_files(services),
            Job::KernelWorker => host.kernel_worker(services),
            Job::Agent => host.agent_poll(services),
            Job::Probe => host.probe_port(services.agent),
            Job::Chore => {
                let turn = self.chores_done % self.chores.len() as u64;
                host.chore(services, self.chores[turn as usize]);
                self.chores_done += 1;
            }
            Job::Stranger | Job::Password(_) => self.receive(job),
            Job::WebRequests | Job::WebCrash => self.serve(job),
            Job::AdminLogin | Job::Trial | Job::AdminCommand { .. } => self.administer(job),
            Job::Backup => host.back_up(services),
            Job::Deployment | Job::DeploymentStep { .. } => self.deploy(job),
            Job::Upgrade | Job::UpgradePackage { .. } => self.upgrade(job),
            Job::Attack | Job::IntruderCron => self.attack(job),
        }
    }

    /// Runs a job of the intruder and schedules the next one, if there is one. Does nothing on a host that is not attacked.
    fn attack(&mut self, job: Job) {
        let Some(break_in) = &mut self.break_in else {
            return;
        };
        let (host, services) = (&mut self.host, &self.services);
        let wait = match job {
            Job::Attack => break_in.step(host, services, self.web.as_ref()),
            _ => break_in.cron_job(host, services),
        };
        if let Some(wait) = wait {
            self.schedule(job, wait);
        }
    }

    /// Handles a stranger's connection or password, and schedules the next password.
    fn receive(&mut self, job: Job) {
        let visitor = match job {
            Job::Password(visitor) => self.host.wrong_password(&self.services, visitor),
            _ => {
                self.host.stranger_names(self.services.sshd);
                self.host.stranger(&self.services)
            }
        };
        if let Some(visitor) = visitor {
            self.schedule(Job::Password(visitor), 2 * SECOND);
        }
    }

    /// Runs a job of the web server. Does nothing on a host without one.
    fn serve(&mut self, job: Job) {
        let Some(web) = &mut self.web else { return };
        match job {
            Job::WebCrash => self.host.web_crash(&self.services, web),
            _ => {
                self.host.web_requests(web);
                self.host.partner_names(web.worker());
            }
        }
    }

    /// Runs one step of an administrator's session and schedules the next one.
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
            _ => {
                let session = host.log_in(&self.services, ADMIN, ordinary(host));
                if matches!(job, Job::Trial) {
                    host.try_program(session.shell);
                }
                (session, host.random.between(3, 9))
            }
        };
        self.schedule(Job::AdminCommand { session, left }, 8 * SECOND);
    }

    /// Runs one step of a deployment and schedules the next one.
    fn deploy(&mut self, job: Job) {
        let host = &mut self.host;
        let (session, left) = match job {
            Job::DeploymentStep { session, left: 0 } => {
                return host.log_out(&self.services, session, DEPLOY);
            }
            Job::DeploymentStep { session, left } => {
                host.deployment_step(session.shell, left);
                (session, left - 1)
            }
            _ => (host.log_in(&self.services, DEPLOY, ordinary(host)), 5),
        };
        self.schedule(Job::DeploymentStep { session, left }, 5 * SECOND);
    }

    /// Runs one step of a package upgrade and schedules the next one.
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
        self.schedule(Job::UpgradePackage { apt, left }, SECOND);
    }
}

/// Returns the labels of a login on an ordinary day.
fn ordinary(host: &Host<'_, '_>) -> LoginLabels {
    LoginLabels {
        monitor: Label::Benign,
        manager: host.unusual(),
        shell: Label::Benign,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Split;
    use super::super::fleet::{parts, parts_of_hours};
    use super::*;

    /// Runs a host. Returns the number of slots in its process table and the number of jobs on its agenda at the end.
    fn size_after(part: &Part) -> (usize, usize) {
        let mut out = std::io::sink();
        let mut rows = Rows::new(&mut out);
        let mut names = std::io::sink();
        rows = rows.with_lookups(&mut names);
        let random = [1, 2].map(|stream| Random::new(1, stream));
        let mut machine = Machine::start(part, random, &mut rows);
        machine.run();
        (machine.host.tasks.slot_count(), machine.agenda.len())
    }

    #[test]
    fn a_longer_recording_needs_no_more_memory() {
        for split in Split::ALL {
            let (slots, jobs) = size_after(&parts(split, 300_000)[0]);
            assert!(
                slots < 80 && jobs < 60,
                "{split:?}: {slots} slots, {jobs} jobs"
            );
        }
        for part in parts_of_hours(Split::Testing, 72, 3) {
            let (slots, jobs) = size_after(&part);
            assert!(
                slots < 80 && jobs < 60,
                "{:?}: {slots} slots, {jobs} jobs",
                part.break_in
            );
        }
    }
}
