//! The figures of pages: the report on a model's verdicts, and the exploration of data with or without a model.
//!
//! The figures are counts, and a bounded number of events as examples. So their size does not grow with the data.

mod alerts;
mod explore;
mod incidents;
mod judgement;
mod places;
mod steps;

pub use crate::clock::Clock;
pub use alerts::{AlertCells, Alerts};
pub use explore::{
    Exploration, ExploredFeatures, FeatureSource, MAX_BY_LABEL, MAX_POINTS, Map, MapPoint,
    Programs, Timeline, explore,
};
pub use incidents::{ByPlace, MAX_INCIDENTS, MAX_POSITIONS, ReportIncidents};
pub use judgement::{HostCounts, Report, ThresholdCounts, report};
pub use places::{Days, Host, MAX_DAYS, MAX_HOSTS, Places};
pub use steps::{MAX_CELLS, MAX_STEPS, Step, Steps};
