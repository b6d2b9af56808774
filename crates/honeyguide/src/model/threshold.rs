//! The threshold of a model.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wording::{count, percent};

/// The threshold above which an event is anomalous.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The score, within [0, 1]. An event is anomalous if its score is greater.
    pub value: f64,
    /// The method by which the threshold was chosen.
    pub method: ThresholdMethod,
}

/// The method by which a threshold was chosen. All rates are shares of events within [0, 1].
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
        /// The share of training events.
        fraction: f64,
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

impl ThresholdMethod {
    /// Returns the share of benign events that may be flagged, if the method limits it.
    pub fn nominal_rate(&self) -> Option<f64> {
        match self {
            Self::Auto {} | Self::Given {} | Self::Contamination { .. } => None,
            Self::Calibrated { nominal_rate, .. }
            | Self::LeaveOneHostOut { nominal_rate, .. }
            | Self::LeaveOneBlockOut { nominal_rate, .. }
            | Self::KFold { nominal_rate, .. } => Some(*nominal_rate),
        }
    }
}

impl Threshold {
    /// Returns whether a score is above the threshold.
    pub fn flags(&self, score: f64) -> bool {
        score > self.value
    }

    /// Returns whether the value and all rates are within [0, 1].
    pub(crate) fn is_sound(&self) -> bool {
        let share = |rate: f64| (0.0..=1.0).contains(&rate);
        share(self.value)
            && match &self.method {
                ThresholdMethod::Auto {} | ThresholdMethod::Given {} => true,
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
                "to flag at most {} of a held-out host's events; flags {} in the mean of {} held-out hosts",
                percent(*nominal_rate),
                percent(*realised_rate),
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
