//! Metrics of a node in the text format of Prometheus.

mod executor;
mod refusals;
#[cfg(test)]
#[path = "../../../honeyguide/src/prometheus/samples.rs"]
mod samples;
mod scheduler;

pub(crate) use executor::{ExecutorMetrics, MeasuringEngine};
pub(crate) use honeyguide::prometheus::{CONTENT_TYPE, Text};
pub(crate) use refusals::{Refusal, Refusals};
pub(crate) use scheduler::SchedulerMetrics;
