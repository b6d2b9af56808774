//! Runs honeyguide on a cluster of [Apache Ballista](https://datafusion.apache.org/ballista/).
//!
//! The crate contains Ballista's scheduler and executors, extended by honeyguide's SQL functions and data sources, and a
//! client. When an executor is lost while a job runs, the client discards the result and runs the job again.
#![warn(missing_docs)]

mod access;
mod address;
#[cfg(test)]
mod certificates;
mod client;
mod codec;
mod executor;
mod faults;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod job_id;
#[cfg(test)]
mod local_nodes;
mod metrics;
mod plans;
mod port;
mod scheduler;
mod services;
mod status;
#[cfg(test)]
mod strangers;

pub use access::{Access, Tls};
pub use address::SchedulerAddress;
pub use client::{ClientSettings, Cluster};
pub use executor::{Executor, ExecutorSettings};
pub use honeyguide::Token;
pub use scheduler::{Scheduler, SchedulerSettings};
pub use services::{MAX_MESSAGE_BYTES, NodeServices};
pub use status::{ClusterStatus, STATUS_PATH};
