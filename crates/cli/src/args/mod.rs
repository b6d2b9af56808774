//! The command line, as clap parses it: one module per command. The commands check which arguments fit together.

pub mod cluster;
mod completions;
mod convert;
mod demo;
mod drift;
mod embed;
mod evaluate;
mod explain;
mod explore;
mod import;
mod incident_by;
mod incidents;
mod inspect;
mod man;
mod numbers;
mod on_cluster;
mod paths;
mod receivers;
mod recipes;
mod record;
mod report;
mod reproduce;
mod sample;
mod score;
mod simulate;
mod sql;
mod train;
mod watch;

use std::num::NonZeroUsize;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};
use honeyguide::{Error, Format, ReadOptions, StorageOptions};

use crate::environment;

pub use cluster::Cluster;
pub use completions::Completions;
pub use convert::Convert;
pub use demo::Demo;
pub use drift::Drift;
pub use embed::Embed;
pub use evaluate::Evaluate;
pub use explain::Explain;
pub use explore::Explore;
pub use import::Import;
pub use incident_by::IncidentBy;
pub use incidents::Incidents;
pub use inspect::Inspect;
pub use man::Man;
pub use on_cluster::{OnCluster, Tls};
pub use receivers::Receivers;
pub use recipes::Recipes;
pub use record::{Record, SensorFilter};
pub use report::Report;
pub use reproduce::Reproduce;
pub use sample::Sample;
pub use score::Score;
pub use simulate::Simulate;
pub use sql::Sql;
pub use train::Train;
pub use watch::Watch;

/// honeyguide finds the kernel calls in a Linux host's logs that do not belong.
///
/// It learns from logs which kernel calls are normal, gives every call an anomaly score with an isolation forest, and
/// lists the most anomalous calls with the reasons for each.
#[derive(Debug, Parser)]
#[command(
    name = "honeyguide",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Start with:\n  honeyguide demo\n\nExit status: 0 success, 1 failure, 2 usage error, 130 interrupted, 143 terminated."
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, ClapArgs)]
pub struct Global {
    /// Number of threads [default: one per processor]
    #[arg(long, global = true, value_name = "N", value_parser = numbers::whole(NonZeroUsize::MIN, MAX_THREADS))]
    pub threads: Option<NonZeroUsize>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print details of the work to standard error
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// Print no progress and no remarks
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Format of DATA: csv, ndjson, tracee, eve, zeek, parquet or arrow [default: by the file names, or
    /// by the first bytes]; also the format of a table
    /// that --out - writes [default: csv]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Data")]
    pub format: Option<Format>,
    /// Stop with an error at a JSON line that cannot be read, instead of skipping and counting it
    #[arg(long, global = true, help_heading = "Data")]
    pub strict: bool,
    /// A text that stands for a missing value in CSV and JSON, such as NA or '-' [repeatable; default: only an empty field]
    #[arg(
        long,
        global = true,
        value_name = "TEXT",
        help_heading = "Data",
        allow_hyphen_values = true
    )]
    pub null: Vec<String>,
    /// Follow links in a folder to places outside of it; otherwise they are left out
    #[arg(long, global = true, help_heading = "Data")]
    pub follow_links: bool,
    /// Put an apostrophe before texts in CSV that a spreadsheet would run as formulas (= + - @ first)
    #[arg(long, global = true)]
    pub csv_safe: bool,
    /// The column that says on which host an event happened [default: the log's, such as hostName]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Data")]
    pub host_column: Option<String>,
    /// The column that says when an event happened: a number of seconds, a timestamp, a date, or text with times as in
    /// ISO 8601 [default: the log's, such as timestamp]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Data")]
    pub time_column: Option<String>,
    /// Setting of an object store, such as aws_region=eu-west-1 or azure_storage_account_name=lake; it overrides the
    /// cloud's environment variables and profiles
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Data", value_parser = parse_storage_option)]
    pub storage_option: Vec<StorageOption>,
}

/// One `KEY=VALUE` of `--storage-option`. It may hold a secret, so `Debug` does not show it.
#[derive(Clone)]
pub struct StorageOption(String);

impl std::fmt::Debug for StorageOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StorageOption")
    }
}

/// The greatest number of threads: more threads than processors only use memory.
const MAX_THREADS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

fn parse_storage_option(text: &str) -> Result<StorageOption, std::convert::Infallible> {
    Ok(StorageOption(text.to_owned()))
}

impl Global {
    /// Returns the options with which data is read.
    ///
    /// # Errors
    /// Fails when a storage option is invalid.
    pub fn read_options(&self) -> Result<ReadOptions, Error> {
        Ok(ReadOptions {
            format: self.format,
            strict: self.strict,
            standard_input: Some(|| Box::new(std::io::stdin())),
            storage: self.storage()?,
            host_column: self.host_column.clone(),
            time_column: self.time_column.clone(),
            name: None,
            null: self.null.clone(),
            follow_links: self.follow_links,
        })
    }

    /// Returns the settings of object stores from `--storage-option`, the environment and profiles, in this order of
    /// precedence.
    ///
    /// # Errors
    /// Fails when a storage option is invalid.
    pub fn storage(&self) -> Result<StorageOptions, Error> {
        let mut options = StorageOptions::default();
        for StorageOption(option) in &self.storage_option {
            options.set(option)?;
        }
        environment::add_found(&mut options);
        Ok(options)
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a fleet of hosts and a break-in, find the break-in, and show the results
    Demo(Demo),
    /// Record the kernel calls of this host with the sensor, to a file or a folder of files
    Record(Record),
    /// Describe data: its columns, hosts, labels and correlations, and what they mean for a model
    Inspect(Inspect),
    /// Draw a random sample of rows, uniformly or by label
    Sample(Sample),
    /// Train a model on events, set its threshold, and write the model file
    Train(Train),
    /// Make a model of an isolation forest from scikit-learn
    Import(Import),
    /// Score every event, and show the most anomalous ones or write all of them to a file
    Score(Score),
    /// Find incidents: the anomalous events of a host that belong together, with their processes and reasons
    Incidents(Incidents),
    /// Watch events while they happen: score them, and report incidents as they open, change and end
    Watch(Watch),
    /// Show one event in full, and what each feature contributes to its score
    Explain(Explain),
    /// Measure how well a model detects labelled events, and compare it with two baselines
    Evaluate(Evaluate),
    /// Convert data to sorted and compressed Parquet
    Convert(Convert),
    /// Run an SQL query over events and their scores
    Sql(Sql),
    /// Write an HTML page that describes data: columns, features, correlations, events over time, programs, a map
    Explore(Explore),
    /// Write an HTML page that judges data: verdict, curves, a threshold slider, the top anomalies with reasons
    Report(Report),
    /// Compare data with a model's training data: features, scores, and the share above the threshold
    Drift(Drift),
    /// Place the distinct feature rows of data on a map with UMAP
    Embed(Embed),
    /// Repeat the published isolation-forest experiment on the BETH data set
    Reproduce(Reproduce),
    /// List the built-in recipes, or print one as TOML
    Recipes(Recipes),
    /// Write simulated kernel-call logs of benign hosts and of one host that is broken into
    Simulate(Simulate),
    /// Run a cluster's scheduler, or one of its executors
    Cluster(Cluster),
    /// Print a script that completes commands and options in a shell
    Completions(Completions),
    /// Print a manual page, or write all of them to a folder
    Man(Man),
}

impl Command {
    /// Returns whether the command cannot run without the sensor.
    #[cfg_attr(
        feature = "sensor",
        expect(dead_code, reason = "a build without the sensor asks")
    )]
    pub fn needs_sensor(&self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Watch(command) => command.sensor,
            _ => false,
        }
    }

    /// Returns the cluster arguments of a command that can run on a cluster.
    pub fn on_cluster(&self) -> Option<&OnCluster> {
        match self {
            Self::Train(command) => Some(&command.on_cluster),
            Self::Score(command) => Some(&command.on_cluster),
            Self::Incidents(command) => Some(&command.on_cluster),
            Self::Evaluate(command) => Some(&command.on_cluster),
            Self::Reproduce(command) => Some(&command.on_cluster),
            Self::Inspect(command) => Some(&command.on_cluster),
            Self::Drift(command) => Some(&command.on_cluster),
            Self::Sql(command) => Some(&command.on_cluster),
            Self::Convert(command) => Some(&command.on_cluster),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }
}
