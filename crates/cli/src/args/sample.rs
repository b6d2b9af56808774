//! `honeyguide sample`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use honeyguide::sample::MAX_ROWS;

use super::numbers::{number, seed, whole};
use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide sample 'logs/*.csv.gz' --rows 10000 --out some.csv
  honeyguide sample labelled_testing_data.csv --rows 25000 --label evil --fraction 0.5 --out half-evil.parquet";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Sample {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Number of rows to draw, without replacement
    #[arg(long, value_name = "N", value_parser = whole(1, MAX_ROWS), allow_negative_numbers = true)]
    pub rows: usize,
    /// Draw rows by class of this label column, which is 1 or 0; --fraction sets the share of each class
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    /// Share of the drawn rows with label 1
    #[arg(long, value_name = "F", default_value_t = 0.5, requires = "label", value_parser = number(0.0, 1.0), allow_negative_numbers = true)]
    pub fraction: f64,
    /// Seed of the random number generator
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// The file to write (.csv, .ndjson, .arrow or .parquet): a path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: PathBuf,
}
