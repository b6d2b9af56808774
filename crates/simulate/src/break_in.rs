//! The break-in of a host, of whatever kind.

use super::attack::{Campaign, intruder_cron_job};
use super::exfiltration::Exfiltration;
use super::host::Host;
use super::part::Way;
use super::services::Services;
use super::web_shell::WebShell;
use super::workloads::Web;

/// The time between two runs of the intruder's cron job, in microseconds.
const CRON_MICROS: u64 = 60_000_000;
/// The time between two runs of it in a recording of a time.
const QUIET_CRON_MICROS: u64 = 600_000_000;

/// The state of a break-in between two steps.
pub(super) enum BreakIn {
    Scanner(Campaign),
    Exfiltration(Exfiltration),
    WebShell(WebShell),
}

impl BreakIn {
    /// Creates a break-in that has not begun.
    pub(super) fn new(way: Way, host: &mut Host<'_, '_>, services: &Services) -> Self {
        match way {
            Way::Scanner => Self::Scanner(Campaign::new(host, services)),
            Way::Exfiltration => Self::Exfiltration(Exfiltration::default()),
            Way::WebShell => Self::WebShell(WebShell::default()),
        }
    }

    /// Runs one step of the break-in. Returns the mean time until the next step, in microseconds, or `None` after the last.
    /// A web shell needs a web server.
    pub(super) fn step(
        &mut self,
        host: &mut Host<'_, '_>,
        services: &Services,
        web: Option<&Web>,
    ) -> Option<u64> {
        match self {
            Self::Scanner(campaign) => Some(campaign.step(host, services)),
            Self::Exfiltration(exfiltration) => exfiltration.step(host, services),
            Self::WebShell(shell) => shell.step(host, web?),
        }
    }

    /// Runs the intruder's cron job if it is installed. Returns the mean time until the next run, in microseconds, or `None`
    /// if the break-in has no such job.
    pub(super) fn cron_job(&self, host: &mut Host<'_, '_>, services: &Services) -> Option<u64> {
        let Self::Scanner(campaign) = self else {
            return None;
        };
        if campaign.persists() {
            intruder_cron_job(host, services);
        }
        Some(match host.is_timed() {
            true => QUIET_CRON_MICROS,
            false => CRON_MICROS,
        })
    }
}
