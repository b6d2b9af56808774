//! honeyguide on a cluster of [Apache Ballista](https://datafusion.apache.org/ballista/): its scheduler and its
//! executors, with our functions, our files and our rule that a job whose executors changed is run again.
#![warn(missing_docs)]

mod address;
mod client;
mod codec;
mod executor;
mod faults;
mod metrics;
mod port;
mod scheduler;
mod services;
mod status;

pub use address::SchedulerAddress;
pub use client::{ClientSettings, Cluster};
pub use executor::{Executor, ExecutorSettings};
pub use scheduler::{Scheduler, SchedulerSettings};
pub use services::{MAX_MESSAGE_BYTES, NodeServices};
pub use status::{ClusterStatus, STATUS_PATH};
