//! The arguments, as clap reads them. What they mean together is checked where they are used.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};
use honeyguide::simulate::DEFAULT_EVENTS;
use learn::iforest::{Contamination, MaxFeatures, MaxSamples};

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
    after_help = "Start with:\n  honeyguide demo\n\nExit status: 0 done, 1 the job failed, 2 the call cannot work, 130 interrupted."
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
    #[arg(long, global = true, value_name = "N")]
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
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a fleet of hosts, find a break-in, and show what was found
    #[command(after_help = "Example:\n  honeyguide demo --out /tmp/demo")]
    Demo(Demo),
    /// Learn from events what is normal, and write a model
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(Train),
    /// Give every event a score and a verdict, or show the most anomalous ones
    #[command(after_help = SCORE_EXAMPLES)]
    Score(Score),
    /// Show one event in full, and where its score comes from
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Measure a model on labelled events, beside two baselines
    #[command(
        after_help = "Examples:\n  honeyguide evaluate model.json labelled_testing_data.csv\n  honeyguide evaluate model.json events.parquet --label is_attack --json"
    )]
    Evaluate(Evaluate),
    /// Run the published experiment on the three files of the BETH data set
    #[command(
        after_help = "Examples:\n  honeyguide reproduce beth/\n  honeyguide simulate --out simulated && honeyguide reproduce simulated"
    )]
    Reproduce(Reproduce),
    /// List the built-in recipes, or print one as TOML
    #[command(
        after_help = "Examples:\n  honeyguide recipes\n  honeyguide recipes beth-paper > mine.toml"
    )]
    Recipes(Recipes),
    /// Write simulated kernel-call logs: benign hosts, and one that is broken into
    #[command(
        after_help = "Example:\n  honeyguide simulate --out simulated --events 1000000 --seed 7"
    )]
    Simulate(Simulate),
}

const TRAIN_EXAMPLES: &str = "Examples:
  honeyguide train labelled_training_data.csv --out model.json
  honeyguide train 'logs/*.csv.gz' --out model.json --calibrate quiet-week.parquet --false-positive-rate 0.001
  honeyguide train table.parquet --recipe raw --exclude label --out model.json";

const SCORE_EXAMPLES: &str = "Examples:
  honeyguide score model.json today.csv
  honeyguide score model.json logs/ --out scored.parquet
  honeyguide score model.json today.csv --anomalous --explain --out alerts.csv";

const EXPLAIN_EXAMPLES: &str = "Examples:
  honeyguide explain model.json today.csv --row 17
  honeyguide explain model.json today.csv --where \"userId >= 1000 AND eventName = 'connect'\"";

#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// Folder for the simulated data and the model
    #[arg(long, value_name = "DIR", default_value = "honeyguide-demo")]
    pub out: PathBuf,
    /// Seed of the simulation and of the forest
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub struct Train {
    /// Files (.csv, .csv.gz, .csv.zst, .parquet), folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The model file to write
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    /// A built-in recipe or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "context")]
    pub recipe: String,
    /// Number of trees
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub trees: usize,
    /// Events that each tree draws: auto (256), a count, or a fraction such as 0.1
    #[arg(long, value_name = "N|F", default_value = "auto", value_parser = parse_samples)]
    pub samples: MaxSamples,
    /// Share of the training events to call anomalous, or auto for a threshold of 0.5 [default: the threshold is set by
    /// --false-positive-rate where the data has three hosts or more, else auto]
    #[arg(long, value_name = "F", value_parser = parse_contamination, conflicts_with_all = ["calibrate", "false_positive_rate"])]
    pub contamination: Option<Contamination>,
    /// Columns that each tree sees: a fraction such as 1.0, or a count
    #[arg(long, value_name = "F|N", default_value = "1.0", value_parser = parse_features)]
    pub max_features: MaxFeatures,
    /// Let a tree draw an event more than once
    #[arg(long)]
    pub bootstrap: bool,
    /// Seed of every random choice
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Leave out the features that read these columns
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Benign events to set the threshold on
    #[arg(long, value_name = "DATA", num_args = 1..)]
    pub calibrate: Vec<String>,
    /// Share of benign events that may be flagged: of those to calibrate on, or of what a host does that nothing was
    /// learnt from, with each host left out in turn [default: 0.001]
    #[arg(long, value_name = "F", value_parser = parse_rate)]
    pub false_positive_rate: Option<f64>,
}

#[derive(Debug, ClapArgs)]
pub struct Score {
    /// The model file
    pub model: PathBuf,
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Write every event with its score and verdict to this file (.csv or .parquet)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How many of the most anomalous events to show; events that look the same to the model are shown once
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "out", value_parser = parse_top)]
    pub top: usize,
    /// Only events above the threshold
    #[arg(long)]
    pub anomalous: bool,
    /// Write the three strongest reasons of every anomalous event too; what is shown has them anyway
    #[arg(long)]
    pub explain: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// The model file
    pub model: PathBuf,
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    #[command(flatten)]
    pub selection: SelectionArgs,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// The row of the data, counted from 1 after the header, over all files
    #[arg(long, value_name = "N")]
    pub row: Option<u64>,
    /// The first event for which this SQL condition holds
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Evaluate {
    /// The model file
    pub model: PathBuf,
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The column that is 1 for what should be found [default: sus and evil]
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Reproduce {
    /// The folder with labelled_training_data.csv, labelled_validation_data.csv and labelled_testing_data.csv
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How many forests to average
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub seeds: u64,
}

#[derive(Debug, ClapArgs)]
pub struct Recipes {
    /// A built-in recipe to print
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Simulate {
    /// The folder to write the three files to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many events, all three files together
    #[arg(long, value_name = "N", default_value_t = DEFAULT_EVENTS)]
    pub events: u64,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
}

fn parse_samples(text: &str) -> Result<MaxSamples, String> {
    if text == "auto" {
        return Ok(MaxSamples::Auto);
    }
    match (text.parse(), text.parse::<f64>()) {
        (Ok(count), _) if count > 0 => Ok(MaxSamples::Count(count)),
        (_, Ok(fraction)) if fraction > 0.0 && fraction <= 1.0 => {
            Ok(MaxSamples::Fraction(fraction))
        }
        _ => Err("must be auto, a count of at least 1, or a fraction above 0 and up to 1".into()),
    }
}

fn parse_top(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=10_000).contains(&count) => Ok(count),
        _ => Err("must be a count from 1 to 10000".into()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err("must be a fraction of at least 0 and below 1, such as 0.001".into()),
    }
}

fn parse_contamination(text: &str) -> Result<Contamination, String> {
    match text.parse::<f64>() {
        _ if text == "auto" => Ok(Contamination::Auto),
        Ok(fraction) if fraction > 0.0 && fraction <= 0.5 => Ok(Contamination::Fraction(fraction)),
        _ => Err("must be auto, or a fraction above 0 and up to 0.5".into()),
    }
}

fn parse_features(text: &str) -> Result<MaxFeatures, String> {
    match (text.parse(), text.parse::<f64>()) {
        (Ok(count), _) if count > 0 => Ok(MaxFeatures::Count(count)),
        (_, Ok(fraction)) if fraction > 0.0 && fraction <= 1.0 => Ok(MaxFeatures::Fraction(fraction)),
        _ => Err("must be a fraction above 0 and up to 1 (with a point, as in 1.0), or a count of at least 1".into()),
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

    #[test]
    fn counts_and_fractions_are_told_apart_as_in_scikit_learn() {
        assert_eq!(parse_features("1"), Ok(MaxFeatures::Count(1)));
        assert_eq!(parse_features("1.0"), Ok(MaxFeatures::Fraction(1.0)));
        assert_eq!(parse_samples("0.5"), Ok(MaxSamples::Fraction(0.5)));
        assert!(
            parse_samples("0").is_err()
                && parse_contamination("0.6").is_err()
                && parse_features("nan").is_err()
        );
    }
}
