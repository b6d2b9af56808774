//! Above which score an event is anomalous.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wording::{count, percent};

/// An event is anomalous when its score is greater than `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Within [0, 1].
    pub value: f64,
    /// How it was chosen.
    pub method: ThresholdMethod,
}

/// How a threshold was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum ThresholdMethod {
    /// 0.5, scikit-learn's for `contamination="auto"`.
    Auto {},
    /// So that this share of the training events lies above it, by scikit-learn's quantile.
    Contamination {
        /// The share.
        fraction: f64,
    },
    /// The lowest that flags at most a nominal share of benign calibration events.
    Calibrated {
        /// The share that was asked for.
        nominal_rate: f64,
        /// The share that is flagged.
        realised_rate: f64,
        /// How many calibration events there were.
        events: u64,
    },
    /// The lowest that flags at most a nominal share of a training host's events, in the mean of the hosts, when each is
    /// scored by what was learnt from the others.
    #[serde(rename = "leave-one-host-out")]
    LeaveOneHostOut {
        /// The share that was asked for.
        nominal_rate: f64,
        /// The share that is flagged, in the mean of the hosts.
        realised_rate: f64,
        /// Each host's own share, by name.
        hosts: Vec<HostRate>,
    },
}

/// What a threshold flags of a host whose events nothing was learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRate {
    /// The host, or the first of some hosts that were left out together.
    pub host: String,
    /// How many events it had.
    pub events: u64,
    /// The share of them that is flagged.
    pub realised_rate: f64,
}

impl ThresholdMethod {
    /// The share of benign events that was asked for, where the method promises one.
    pub fn nominal_rate(&self) -> Option<f64> {
        match self {
            Self::Auto {} | Self::Contamination { .. } => None,
            Self::Calibrated { nominal_rate, .. } | Self::LeaveOneHostOut { nominal_rate, .. } => {
                Some(*nominal_rate)
            }
        }
    }
}

impl Threshold {
    /// Whether a score is above it.
    pub fn flags(&self, score: f64) -> bool {
        score > self.value
    }

    /// Whether the value and what is said about it can be true.
    pub(crate) fn is_sound(&self) -> bool {
        let share = |rate: f64| (0.0..=1.0).contains(&rate);
        share(self.value)
            && match &self.method {
                ThresholdMethod::Auto {} => true,
                ThresholdMethod::Contamination { fraction } => share(*fraction),
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
            }
    }
}

/// In words.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}: {}", self.value, self.method)
    }
}

/// What it was chosen for, in words.
impl fmt::Display for ThresholdMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto {} => f.write_str("scikit-learn's default for contamination auto"),
            Self::Contamination { fraction } => {
                write!(f, "to flag {} of the training events", percent(*fraction))
            }
            Self::Calibrated {
                nominal_rate,
                realised_rate,
                events,
            } => write!(
                f,
                "to flag at most {} of {} calibration events; flags {} of them",
                percent(*nominal_rate),
                count(*events),
                percent(*realised_rate)
            ),
            Self::LeaveOneHostOut {
                nominal_rate,
                realised_rate,
                hosts,
            } => write!(
                f,
                "to flag at most {} of a host that nothing was learnt from; flags {} in the mean of {} hosts left out",
                percent(*nominal_rate),
                percent(*realised_rate),
                hosts.len()
            ),
        }
    }
}
