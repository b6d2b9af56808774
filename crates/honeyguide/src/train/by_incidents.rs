//! Thresholds by the incidents of hosts that are held out.

use datafusion::arrow::array::ArrayRef;
use learn::iforest::IsolationForestParams;

use super::recorded::Recorded;
use crate::clock::Clock;
use crate::cross_validation::{HostModels, MIN_HOSTS};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::Distilled;
use crate::incident::{ChosenThreshold, HeldOutScores, held_out_events};
use crate::model::{HostIncidents, Threshold, ThresholdMethod};
use crate::naming::parameter;
use crate::recipe::Recipe;
use crate::recipe::plan::FeaturePlan;
use crate::source::Source;
use crate::wording::{SECONDS_PER_DAY, of_them};

/// The largest number of incidents per host and day that can be asked for.
const MOST_INCIDENTS: f64 = 1e6;

/// Refuses a number of incidents per host and day that is out of range, and data whose incidents cannot be counted.
pub(super) fn check(source: &Source, per_host_day: f64) -> Result<()> {
    let asked = parameter("incidents_per_host_day");
    if !(0.0..=MOST_INCIDENTS).contains(&per_host_day) {
        return Err(Error::usage(format!(
            "{asked} {per_host_day}: it must be from 0 to {MOST_INCIDENTS}"
        )));
    }
    match lacking(source) {
        Some(lacking) => Err(no_incidents(&format!("the data {lacking}"))),
        None => Ok(()),
    }
}

/// Returns what keeps incidents of held-out hosts from being counted, if anything does.
fn lacking(source: &Source) -> Option<&'static str> {
    let process = source.role_column(source.log().process().first().copied());
    if source.host().is_none() {
        Some("has no column of hosts")
    } else if source.time().is_none() {
        Some("has no column of times")
    } else if process.is_none() {
        Some("has no column of processes")
    } else if !source.is_repeatable() {
        Some("can be read only once")
    } else {
        None
    }
}

/// The incidents that a threshold may give.
pub(super) struct Asked {
    /// The largest number per host and day, on all hosts together.
    pub per_host_day: f64,
    /// The clock of the events, if it is known.
    pub clock: Option<Clock>,
}

/// Returns so many incidents per host and day if incidents can be counted and the recorded time of all hosts together allows
/// at least one of them.
///
/// # Errors
/// Fails when the data cannot be read.
pub(super) async fn asked_if_allowed(
    engine: &Engine,
    source: &mut Source,
    per_host_day: f64,
) -> Result<Option<Asked>> {
    if lacking(source).is_some() {
        return Ok(None);
    }
    let recorded = Recorded::of(engine, source).await?;
    let long = recorded.filter(|time| time.seconds / SECONDS_PER_DAY * per_host_day >= 1.0);
    Ok(long.map(|time| Asked {
        per_host_day,
        clock: Some(time.clock),
    }))
}

/// Returns the error of data that lacks something to count the incidents of held-out hosts.
fn no_incidents(why: &str) -> Error {
    let asked = parameter("incidents_per_host_day");
    let rate = parameter("false_positive_rate");
    Error::usage(format!("{asked}: no incidents can be counted: {why}")).hint(format!(
        "set the threshold by a share of events instead, with {rate}"
    ))
}

impl HeldOutScores for HostModels {
    fn scores(&self, host: &str, inputs: &[ArrayRef]) -> Result<Vec<f64>> {
        HostModels::scores(self, host, inputs)
    }

    fn floor(&self) -> f64 {
        HostModels::floor(self)
    }
}

/// Returns the threshold that gives at most so many incidents per host and day on hosts that are held out.
///
/// # Errors
/// Fails when there are too few hosts, or too many different events to tell hosts apart, or no times.
pub(super) async fn threshold(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    (distilled, params): (&Distilled, &IsolationForestParams),
    asked: Asked,
) -> Result<Threshold> {
    match distilled.groups.len() {
        0 => {
            return Err(no_incidents(
                "there are too many different events to hold hosts out",
            ));
        }
        hosts if hosts < MIN_HOSTS => {
            let found = of_them(hosts as u64, "host", "hosts");
            let few = format!("the data has {found}, and at least {MIN_HOSTS} are needed");
            return Err(no_incidents(&few));
        }
        _ => {}
    }
    let Asked {
        per_host_day,
        clock,
    } = asked;
    let clock = match clock {
        None => Clock::of(engine, source).await?,
        known => known,
    };
    let clock = clock.ok_or_else(|| no_incidents("no event has a time"))?;
    let models = HostModels::fit(recipe, distilled, params)?;
    let events = held_out_events(engine, source, recipe, plan, &clock, &models).await?;
    let ChosenThreshold { value, rate, hosts } = events.lowest(per_host_day);
    let hosts = hosts.into_iter().map(|host| HostIncidents {
        host: host.host,
        events: host.events,
        flagged: host.flagged,
        days: host.days,
        incidents: host.incidents,
    });
    Ok(Threshold {
        value,
        method: ThresholdMethod::IncidentsPerHostDay {
            nominal_rate: per_host_day,
            realised_rate: rate,
            hosts: hosts.collect(),
        },
    })
}
