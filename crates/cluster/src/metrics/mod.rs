//! Metrics of a node in the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

mod executor;
mod refusals;
mod scheduler;
mod text;

pub(crate) use executor::{ExecutorMetrics, MeasuringEngine};
pub(crate) use refusals::{Refusal, Refusals};
pub(crate) use scheduler::SchedulerMetrics;
pub(crate) use text::{CONTENT_TYPE, Text};
