//! The arguments, as clap reads them: one module per command. What they mean together is checked where they are used.

pub mod cluster;
mod convert;
mod demo;
mod drift;
mod embed;
mod evaluate;
mod explain;
mod explore;
mod inspect;
mod numbers;
mod on_cluster;
mod recipes;
mod report;
mod reproduce;
mod sample;
mod score;
mod simulate;
mod sql;
mod train;

use std::num::NonZeroUsize;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};
use honeyguide::{Error, Format, ReadOptions, StorageOptions};

use crate::environment;

pub use cluster::Cluster;
pub use convert::Convert;
pub use demo::Demo;
pub use drift::Drift;
pub use embed::Embed;
pub use evaluate::Evaluate;
pub use explain::Explain;
pub use explore::Explore;
pub use inspect::Inspect;
pub use on_cluster::OnCluster;
pub use recipes::Recipes;
pub use report::Report;
pub use reproduce::Reproduce;
pub use sample::Sample;
pub use score::Score;
pub use simulate::Simulate;
pub use sql::Sql;
pub use train::Train;

/// Which of these millions of kernel calls do not belong?
///
/// honeyguide learns what a Linux host's kernel calls normally look like, scores every call with an isolation forest,
/// and leads you to the few that matter.
#[derive(Debug, Parser)]
#[command(
    name = "honeyguide",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Start with:\n  honeyguide demo\n\nExit status: 0 done, 1 the job failed, 2 the call cannot work, 130 interrupted, 143 terminated."
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, ClapArgs)]
pub struct Global {
    /// Threads to use [default: one per processor]
    #[arg(long, global = true, value_name = "N", value_parser = numbers::whole(NonZeroUsize::MIN, MAX_THREADS))]
    pub threads: Option<NonZeroUsize>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more about what is done, on standard error
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// No progress and no remarks
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// How DATA is written, whatever the names say: csv, ndjson, tracee, parquet or arrow [default: by the names]; so
    /// is a table that goes to --out - [default: csv]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Data")]
    pub format: Option<Format>,
    /// Take a line of JSON that cannot be read for an error; otherwise it is left out and counted
    #[arg(long, global = true, help_heading = "Data")]
    pub strict: bool,
    /// A setting of an object store, such as aws_region=eu-west-1 or azure_storage_account_name=lake; else the
    /// environment variables and profiles of the cloud count
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Data", value_parser = parse_storage_option)]
    pub storage_option: Vec<StorageOption>,
}

/// One `KEY=VALUE`, which may be secret and so shows nothing of itself.
#[derive(Clone)]
pub struct StorageOption(String);

impl std::fmt::Debug for StorageOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StorageOption")
    }
}

/// More threads than any machine has processors only take memory from the work.
const MAX_THREADS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

fn parse_storage_option(text: &str) -> Result<StorageOption, std::convert::Infallible> {
    Ok(StorageOption(text.to_owned()))
}

impl Global {
    /// How data is read.
    ///
    /// # Errors
    /// A storage option that is none.
    pub fn read_options(&self) -> Result<ReadOptions, Error> {
        Ok(ReadOptions {
            format: self.format,
            strict: self.strict,
            standard_input: Some(|| Box::new(std::io::stdin())),
            storage: self.storage()?,
        })
    }

    /// Settings of object stores: those that are named, those of the environment, and those of profiles.
    ///
    /// # Errors
    /// A storage option that is none.
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
    /// Simulate a fleet of hosts, find a break-in, and show what was found
    Demo(Demo),
    /// Look at data: its columns, hosts, labels and correlations, and what they mean for a model
    Inspect(Inspect),
    /// Draw some rows, uniformly or so many of each label
    Sample(Sample),
    /// Learn from events what is normal, and write a model
    Train(Train),
    /// Give every event a score and a verdict, or show the most anomalous ones
    Score(Score),
    /// Show one event in full, and where its score comes from
    Explain(Explain),
    /// Measure a model on labelled events, beside two baselines
    Evaluate(Evaluate),
    /// Write data as well-made Parquet, sorted and compressed
    Convert(Convert),
    /// Ask in SQL, over events and their scores
    Sql(Sql),
    /// Write one page to look at data: columns, features, correlations, time, programs
    Explore(Explore),
    /// Write one page: verdict, curves, a threshold to try out, the anomalies with their reasons
    Report(Report),
    /// Compare data with what a model was trained on: features, scores, and whether the threshold still holds
    Drift(Drift),
    /// Place distinct feature rows on a map (UMAP)
    Embed(Embed),
    /// Run the published experiment on the three files of the BETH data set
    Reproduce(Reproduce),
    /// List the built-in recipes, or print one as TOML
    Recipes(Recipes),
    /// Write simulated kernel-call logs: benign hosts, and one that is broken into
    Simulate(Simulate),
    /// Run a program of a cluster: its scheduler, or one of its executors
    Cluster(Cluster),
}

impl Command {
    /// Who does the work, for commands that may have a cluster do it.
    pub fn on_cluster(&self) -> Option<&OnCluster> {
        match self {
            Self::Train(command) => Some(&command.on_cluster),
            Self::Score(command) => Some(&command.on_cluster),
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
