//! `honeyguide cluster`.
#![cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "without clusters the arguments are only checked")
)]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::Tls;

use super::numbers::bytes;

const EXAMPLES: &str = "Examples, on one machine:
  honeyguide cluster scheduler
  honeyguide cluster executor --scheduler 127.0.0.1:50050
  honeyguide train logs.parquet --out model.json --cluster df://127.0.0.1:50050";

const SCHEDULER_EXAMPLES: &str = "Examples:
  honeyguide cluster scheduler
  honeyguide cluster scheduler --bind 10.0.0.1:50050 --token-file token

HTTP endpoints on the same port:
  /healthz              responds while the scheduler runs
  /metrics              metrics for Prometheus
  /honeyguide/cluster   executors, slots and removals as JSON

SIGTERM and Ctrl-C cancel the running jobs and end the scheduler with status 0.";

const EXECUTOR_EXAMPLES: &str = "Examples:
  honeyguide cluster executor --scheduler 127.0.0.1:50050
  honeyguide cluster executor --scheduler 10.0.0.1:50050 --bind 10.0.0.7:50051 \\
      --token-file token --work-dir /var/lib/honeyguide --slots 16 --memory 48G

Other executors and clients fetch results from the executor's port.
HTTP endpoints on the same port:
  /healthz   responds while the executor runs
  /metrics   metrics for Prometheus

SIGTERM and Ctrl-C return unfinished tasks to the scheduler and end the executor with status 0.";

/// The arguments of `honeyguide cluster`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Cluster {
    #[command(subcommand)]
    pub node: Node,
}

#[derive(Debug, Subcommand)]
pub enum Node {
    /// Run the scheduler, which accepts jobs from commands with --cluster and assigns their tasks to executors
    Scheduler(Scheduler),
    /// Run an executor, which runs tasks for a scheduler
    Executor(Executor),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = SCHEDULER_EXAMPLES)]
pub struct Scheduler {
    /// Address to listen on; beyond loopback, --token-file, --tls-cert or --insecure is needed
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:50050")]
    pub bind: SocketAddr,
    /// Time without a heartbeat after which an executor counts as lost and its jobs are run again
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = seconds(2))]
    pub executor_timeout: u64,
    /// Interval between checks for lost executors
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = seconds(1))]
    pub check_every: u64,
    /// Time for which executors keep the results of a finished job
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = seconds(1))]
    pub keep_results: u64,
    #[command(flatten)]
    pub access: Access,
}

/// Who may use the port of a node.
#[derive(Debug, ClapArgs)]
pub struct Access {
    /// File with the token that every request to this node must show, except for /healthz
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    pub tls: Tls,
    /// Listen beyond loopback without a token and without TLS; anyone who can reach the port can then use the cluster
    #[arg(long, conflicts_with_all = ["token_file", "tls_cert"])]
    pub insecure: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXECUTOR_EXAMPLES)]
pub struct Executor {
    /// Address of the scheduler
    #[arg(long, value_name = "HOST:PORT")]
    pub scheduler: String,
    /// Address to listen on, with port 0 for any free port; beyond loopback, --token-file, --tls-cert or --insecure is needed
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub bind: SocketAddr,
    /// Host name or address at which other machines reach this executor [default: the address of --bind; for 0.0.0.0
    /// the address that the scheduler sees]
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Folder for results and for spilled data [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Number of tasks that run at once [default: one per thread]
    #[arg(long, value_name = "N")]
    pub slots: Option<NonZeroUsize>,
    /// Memory for grouping and sorting in all tasks, such as 48G [default: 70 % of the memory of the machine or its
    /// control group]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Time to wait for the scheduler at the start
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub patience: u64,
    #[command(flatten)]
    pub access: Access,
}

/// Returns a parser of a number of seconds from `lowest` to a day.
fn seconds(lowest: u64) -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(lowest..=86_400)
}
