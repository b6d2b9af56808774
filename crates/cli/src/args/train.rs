//! `honeyguide train`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use honeyguide::{Contamination, MAX_ESTIMATORS, MaxFeatures, MaxSamples, Novelty};

use super::OnCluster;
use super::numbers::{seed, whole};
use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide train labelled_training_data.csv --out model.json
  honeyguide train 'logs/*.csv.gz' --out model.json --calibrate quiet-week.parquet --false-positive-rate 0.001
  honeyguide train table.parquet --recipe raw --exclude label --out model.json";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Train {
    /// Files (.csv, .ndjson, .arrow, .parquet; text also .gz or .zst), folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The model file to write: a path, an object's URL, or - for standard output
    #[arg(long, value_name = "MODEL", value_parser = output())]
    pub out: PathBuf,
    /// A built-in recipe, or the path or URL of a TOML file [default: the log's, context]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Number of trees
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1, MAX_ESTIMATORS), allow_negative_numbers = true)]
    pub trees: usize,
    /// Events that each tree draws: auto (256), a count, or a fraction such as 0.1 [default: the recipe's max_samples,
    /// else auto]
    #[arg(long, value_name = "N|F", value_parser = parse_samples, allow_negative_numbers = true)]
    pub samples: Option<MaxSamples>,
    /// Share of the training events to flag, or auto for a threshold of 0.5 [default: --false-positive-rate sets the
    /// threshold]
    #[arg(long, value_name = "F", value_parser = parse_contamination, allow_negative_numbers = true, conflicts_with_all = ["calibrate", "false_positive_rate"])]
    pub contamination: Option<Contamination>,
    /// Features that each tree uses: a fraction such as 1.0, or a count
    #[arg(long, value_name = "F|N", default_value = "1.0", value_parser = parse_features, allow_negative_numbers = true)]
    pub max_features: MaxFeatures,
    /// Draw the events of each tree with replacement
    #[arg(long)]
    pub bootstrap: bool,
    /// How an event that lies outside of the training events is scored [default: what the recipe says, else range]
    #[arg(long, value_name = "FORM", value_enum)]
    pub novelty: Option<NoveltyForm>,
    /// Seed of the random number generator
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Exclude the features that read these columns, such as labels
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Benign events on which the threshold is set; they should not be training events
    #[arg(long, value_name = "DATA", num_args = 1..)]
    pub calibrate: Vec<String>,
    /// False-positive rate for which the threshold is set: the share of the --calibrate events that may be flagged, or
    /// without them the share of training events that are held out. These are hosts if there are three or more, else
    /// blocks of time if there is a column of times, else random events [default: 0.001, where the threshold is not set by
    /// incidents]
    #[arg(long, value_name = "F", value_parser = parse_rate)]
    pub false_positive_rate: Option<f64>,
    /// Set the threshold so that hosts that are held out in turn have at most this many incidents per host and day; needs
    /// hosts, times and processes [default: 0.25, where three hosts or more record 4 days together]
    #[arg(long, value_name = "N", conflicts_with_all = ["false_positive_rate", "contamination", "calibrate"], value_parser = parse_incidents, allow_negative_numbers = true)]
    pub incidents_per_host_day: Option<f64>,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}

/// The score of an event that lies outside of the training events.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum NoveltyForm {
    /// The farther outside, the higher the score
    Range,
    /// As the nearest event inside, which is what scikit-learn does
    Plain,
}

impl From<NoveltyForm> for Novelty {
    fn from(form: NoveltyForm) -> Self {
        match form {
            NoveltyForm::Range => Self::Range,
            NoveltyForm::Plain => Self::Plain,
        }
    }
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

fn parse_incidents(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        _ => Err("must be a number from 0 to 1,000,000, such as 0.25".into()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err("must be a fraction of at least 0 and below 1, such as 0.001".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
