//! The threshold of a model.

use std::fmt;

use learn::chance::{SIGNIFICANCE, Share, events_to_resolve, expected_rate, poisson_upper};
use serde::{Deserialize, Serialize};

use crate::wording::{count, of_them, percent};

/// The threshold above which an event is anomalous.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The score, within [0, 1]. An event is anomalous if its score is greater.
    pub value: f64,
    /// The method by which the threshold was chosen.
    pub method: ThresholdMethod,
}

/// The method by which a threshold was chosen. All rates are shares of events within [0, 1], except those of incidents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum ThresholdMethod {
    /// 0.5, the threshold of scikit-learn for `contamination="auto"`.
    Auto {},
    /// A value that was given by hand.
    Given {},
    /// The quantile of the training scores above which a share of the training events lies, computed as in
    /// scikit-learn.
    Contamination {
        /// The share of training events that was asked for.
        fraction: f64,
        /// The share that is flagged, which is another where several events have the same score. `None` if the model was
        /// written by a release that did not record it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        realised_rate: Option<f64>,
    },
    /// The lowest threshold that flags at most a nominal share of benign calibration events.
    Calibrated {
        /// The share that may be flagged.
        nominal_rate: f64,
        /// The share that is flagged.
        realised_rate: f64,
        /// The number of calibration events.
        events: u64,
    },
    /// The lowest threshold that flags at most a nominal share of a held-out host's events, as a mean over the hosts.
    /// Each training host is held out in turn and scored by a model of the others.
    #[serde(rename = "leave-one-host-out")]
    LeaveOneHostOut {
        /// The share that may be flagged, as a mean over the hosts.
        nominal_rate: f64,
        /// The share that is flagged, as a mean over the hosts.
        realised_rate: f64,
        /// The share of each held-out host, sorted by name.
        hosts: Vec<HostRate>,
    },
    /// The lowest threshold of which neither it nor any higher one gives more than a nominal number of incidents per host
    /// and day. Each training host is held out in turn and scored by a model of the others.
    #[serde(rename = "incidents-per-host-day")]
    IncidentsPerHostDay {
        /// The number of incidents per host and day that there may be.
        nominal_rate: f64,
        /// The number that there are, on all hosts together.
        realised_rate: f64,
        /// The incidents of each held-out host, sorted by name.
        hosts: Vec<HostIncidents>,
    },
    /// The lowest threshold that flags at most a nominal share of the events of a held-out block of time, as a mean over
    /// the blocks. Each block of the training events is held out in turn and scored by a model of the others.
    #[serde(rename = "leave-one-block-out")]
    LeaveOneBlockOut {
        /// The share that may be flagged, as a mean over the blocks.
        nominal_rate: f64,
        /// The share that is flagged, as a mean over the blocks.
        realised_rate: f64,
        /// The share of each held-out block, in the order of time.
        blocks: Vec<BlockRate>,
    },
    /// The lowest threshold that flags at most a nominal share of the training events, each of which is scored by a model
    /// that was trained without it: k-fold cross-validation with random folds.
    #[serde(rename = "k-fold")]
    KFold {
        /// The share that may be flagged.
        nominal_rate: f64,
        /// The share that is flagged.
        realised_rate: f64,
        /// The number of folds.
        folds: usize,
        /// The number of training events. `None` if the model was written by a release that did not record it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        events: Option<u64>,
    },
}

/// The share of a held-out host's events that a threshold flags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRate {
    /// The name of the host, or of a group of hosts that were held out together, such as `web-1 and 2 more`.
    pub host: String,
    /// The number of its events.
    pub events: u64,
    /// The share of these events that is flagged.
    pub realised_rate: f64,
}

/// The incidents of a held-out host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostIncidents {
    /// The name of the host.
    pub host: String,
    /// The number of its events.
    pub events: u64,
    /// The number of these events that are flagged.
    pub flagged: u64,
    /// The time from its first event to its last, in days.
    pub days: f64,
    /// The number of its incidents.
    pub incidents: u64,
}

/// The share of the events of a held-out block of time that a threshold flags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRate {
    /// The time at which the block begins, in words: a date with the time in UTC, or the time since the start.
    pub from: String,
    /// The time at which the block ends.
    pub to: String,
    /// The number of its events.
    pub events: u64,
    /// The share of these events that is flagged.
    pub realised_rate: f64,
}

/// The number of events of a rate whose number of events is not recorded: one from which it is known for all purposes.
const KNOWN: u64 = 1_000_000_000;

impl ThresholdMethod {
    /// Returns how many events the threshold flags of those that it was set on: one share for all of them, or one for each
    /// part that was held out. Empty if it was set on the scores of the events that the forest was trained on.
    pub fn set_on(&self) -> Vec<Share> {
        let share = |events: u64, rate: f64| Share {
            part: (rate * events as f64).round() as u64,
            whole: events,
        };
        match self {
            Self::Auto {} | Self::Given {} | Self::Contamination { .. } => Vec::new(),
            Self::Calibrated {
                realised_rate,
                events,
                ..
            } => vec![share(*events, *realised_rate)],
            Self::LeaveOneHostOut { hosts, .. } => hosts
                .iter()
                .map(|host| share(host.events, host.realised_rate))
                .collect(),
            Self::IncidentsPerHostDay { hosts, .. } => hosts
                .iter()
                .map(|host| Share {
                    part: host.flagged,
                    whole: host.events,
                })
                .collect(),
            Self::LeaveOneBlockOut { blocks, .. } => blocks
                .iter()
                .map(|block| share(block.events, block.realised_rate))
                .collect(),
            Self::KFold {
                realised_rate,
                events,
                ..
            } => vec![share(events.unwrap_or(KNOWN), *realised_rate)],
        }
    }

    /// Returns a sentence if the events that the threshold was set on are too few for its nominal rate.
    pub fn unresolved(&self) -> Option<String> {
        if let Self::IncidentsPerHostDay {
            nominal_rate,
            hosts,
            ..
        } = self
        {
            return too_short(*nominal_rate, hosts);
        }
        let nominal = self.nominal_rate()?;
        let needed = events_to_resolve(nominal)?;
        let all = sum(&self.set_on());
        (all.whole < needed).then(|| {
            format!(
                "{} cannot resolve a rate of {}: of new events like them, up to {} are expected above the threshold. At least \
                 {} are needed.",
                of_them(all.whole, "event", "events"),
                percent(nominal),
                percent(expected_rate(all)),
                of_them(needed, "event", "events"),
            )
        })
    }

    /// Returns the share of benign events that may be flagged, if the method limits it.
    pub fn nominal_rate(&self) -> Option<f64> {
        match self {
            Self::Auto {}
            | Self::Given {}
            | Self::Contamination { .. }
            | Self::IncidentsPerHostDay { .. } => None,
            Self::Calibrated { nominal_rate, .. }
            | Self::LeaveOneHostOut { nominal_rate, .. }
            | Self::LeaveOneBlockOut { nominal_rate, .. }
            | Self::KFold { nominal_rate, .. } => Some(*nominal_rate),
        }
    }
}

/// The probability that a bound of a rate of incidents is too low.
const TAIL: f64 = 0.05;

/// Returns a sentence if a recording is too short to tell whether there are at most so many incidents per host and day: if even
/// none in its time would not show it.
fn too_short(nominal: f64, hosts: &[HostIncidents]) -> Option<String> {
    let days: f64 = hosts.iter().map(|host| host.days).sum();
    let incidents: u64 = hosts.iter().map(|host| host.incidents).sum();
    let least = poisson_upper(0, TAIL);
    (days * nominal < least).then(|| {
        let needed = match nominal > 0.0 {
            true => format!(" At least {:.1} host days are needed.", least / nominal),
            false => String::new(),
        };
        let bound = match days > 0.0 {
            true => format!("up to {:.2} per host and day", poisson_upper(incidents, TAIL) / days),
            false => "any number".to_owned(),
        };
        format!(
            "{days:.2} host days are too short to promise {nominal} incidents per host and day: {} in this time can mean {bound} \
             on new hosts (the exact upper bound at 95 %).{needed}",
            of_them(incidents, "incident", "incidents"),
        )
    })
}

/// Returns the share of all parts together.
fn sum(parts: &[Share]) -> Share {
    Share {
        part: parts.iter().map(|share| share.part).sum(),
        whole: parts.iter().map(|share| share.whole).sum(),
    }
}

/// Returns whether the share of events that a threshold flags differs by more than chance from what it flagged of the events
/// that it was set on: the difference has a probability of at most [`SIGNIFICANCE`], and the share is outside of those of all
/// `parts`, such as hosts. Parts differ from each other, so a share between theirs is that of one more part.
pub(crate) fn is_beyond_chance(now: Share, parts: &[Share]) -> bool {
    let all = sum(parts);
    let is_outside = |part: &Share| match now.rate() > all.rate() {
        true => now.rate() > part.rate(),
        false => now.rate() < part.rate(),
    };
    now.p_value(all) <= SIGNIFICANCE && parts.iter().all(is_outside)
}

impl Threshold {
    /// Returns whether a score is above the threshold.
    pub fn flags(&self, score: f64) -> bool {
        score > self.value
    }

    /// Returns whether the value and all shares are within [0, 1], and other numbers are at least 0.
    pub(crate) fn is_sound(&self) -> bool {
        let share = |rate: f64| (0.0..=1.0).contains(&rate);
        share(self.value)
            && match &self.method {
                ThresholdMethod::Auto {} | ThresholdMethod::Given {} => true,
                ThresholdMethod::Contamination {
                    fraction,
                    realised_rate,
                } => share(*fraction) && realised_rate.is_none_or(share),
                ThresholdMethod::Calibrated {
                    nominal_rate,
                    realised_rate,
                    ..
                } => share(*nominal_rate) && share(*realised_rate),
                ThresholdMethod::LeaveOneHostOut {
                    nominal_rate,
                    realised_rate,
                    hosts,
                } => {
                    let mut rates = hosts.iter().map(|host| host.realised_rate);
                    share(*nominal_rate) && share(*realised_rate) && rates.all(share)
                }
                ThresholdMethod::IncidentsPerHostDay {
                    nominal_rate,
                    realised_rate,
                    hosts,
                } => {
                    let number = |value: f64| value.is_finite() && value >= 0.0;
                    let is_sound =
                        |host: &HostIncidents| number(host.days) && host.flagged <= host.events;
                    number(*nominal_rate) && number(*realised_rate) && hosts.iter().all(is_sound)
                }
                ThresholdMethod::LeaveOneBlockOut {
                    nominal_rate,
                    realised_rate,
                    blocks,
                } => {
                    let mut rates = blocks.iter().map(|block| block.realised_rate);
                    share(*nominal_rate) && share(*realised_rate) && rates.all(share)
                }
                ThresholdMethod::KFold {
                    nominal_rate,
                    realised_rate,
                    ..
                } => share(*nominal_rate) && share(*realised_rate),
            }
    }
}

/// Writes the value and a description of the method.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}: {}", self.value, self.method)
    }
}

/// Writes what the threshold was chosen for and what it flags.
impl fmt::Display for ThresholdMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto {} => f.write_str("scikit-learn's default for contamination auto"),
            Self::Given {} => f.write_str("given by hand"),
            Self::Contamination {
                fraction,
                realised_rate,
            } => {
                let asked = percent(*fraction);
                write!(f, "to flag {asked} of the training events")?;
                match realised_rate {
                    Some(rate) => write!(f, "; flags {} of them", percent(*rate)),
                    None => Ok(()),
                }
            }
            Self::Calibrated {
                nominal_rate,
                realised_rate,
                events,
            } => write!(
                f,
                "to flag at most {} of {} calibration events; flags {} of them ({})",
                percent(*nominal_rate),
                count(*events),
                percent(*realised_rate),
                count(sum(&self.set_on()).part)
            ),
            Self::LeaveOneHostOut {
                nominal_rate,
                realised_rate,
                hosts,
            } => write!(
                f,
                "to flag at most {} of a held-out host's events; flags {} in the mean of {} held-out hosts",
                percent(*nominal_rate),
                percent(*realised_rate),
                hosts.len()
            ),
            Self::IncidentsPerHostDay {
                nominal_rate,
                realised_rate,
                hosts,
            } => write!(
                f,
                "to give at most {nominal_rate} incidents per host and day on hosts that are held out; gives {realised_rate:.2} on \
                 {} held-out hosts",
                hosts.len()
            ),
            Self::LeaveOneBlockOut {
                nominal_rate,
                realised_rate,
                blocks,
            } => write!(
                f,
                "to flag at most {} of the events of a held-out block of time; flags {} in the mean of {} held-out blocks",
                percent(*nominal_rate),
                percent(*realised_rate),
                blocks.len()
            ),
            Self::KFold {
                nominal_rate,
                realised_rate,
                folds,
                ..
            } => write!(
                f,
                "to flag at most {} of held-out events; flags {} of the training events, each held out once in {folds} \
                 random folds",
                percent(*nominal_rate),
                percent(*realised_rate),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(part: u64, whole: u64) -> Share {
        Share { part, whole }
    }

    #[test]
    fn a_difference_needs_enough_events_to_be_more_than_chance() {
        // The probabilities of scipy.stats.hypergeom: 1 of 40 for 100 of 10,000 has 0.67, 8 of 40 has 2e-8, 0 of 1,000 for
        // 50 of 5,000 has 2e-4.
        for (now, parts, expected) in [
            (share(1, 40), vec![share(100, 10_000)], false),
            (share(8, 40), vec![share(100, 10_000)], true),
            (share(0, 1_000), vec![share(50, 5_000)], true),
            (share(0, 1_000), vec![share(0, 5_000)], false),
            (
                share(80, 1_000),
                vec![share(1, 1_000), share(90, 1_000), share(0, 5_000)],
                false,
            ),
            (
                share(95, 1_000),
                vec![share(1, 1_000), share(90, 1_000), share(0, 5_000)],
                true,
            ),
            (share(5, 10), vec![], false),
        ] {
            assert_eq!(
                is_beyond_chance(now, &parts),
                expected,
                "{now:?} for {parts:?}"
            );
        }
    }

    #[test]
    fn a_rate_that_so_few_events_cannot_resolve_is_said_with_the_number_needed() {
        let method = |nominal_rate, events| ThresholdMethod::Calibrated {
            nominal_rate,
            realised_rate: 0.0,
            events,
        };
        let says = method(0.001, 100).unresolved().expect("a sentence");
        for part in ["100 events", "0.10 %", "up to 0.99 %", "999 events"] {
            assert!(says.contains(part), "{part} in {says}");
        }
        assert_eq!(method(0.001, 999).unresolved(), None);
        assert_eq!(method(0.0, 10).unresolved(), None);
    }
}
