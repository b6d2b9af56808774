//! `honeyguide score`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;
use super::numbers::whole;

/// Most events that are shown.
const MAX_TOP: usize = 10_000;

const EXAMPLES: &str = "Examples:
  honeyguide score model.json today.csv
  honeyguide score model.json logs/ --out scored.parquet
  honeyguide score model.json today.csv --anomalous --explain --out alerts.csv";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Score {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Write every event with its score and verdict to this path or object's URL (.csv, .ndjson, .arrow or .parquet), or to
    /// - for standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How many of the most anomalous events to show; events that look the same to the model are shown once
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "out", value_parser = whole(1, MAX_TOP), allow_negative_numbers = true)]
    pub top: usize,
    /// Only events above the threshold
    #[arg(long)]
    pub anomalous: bool,
    /// Write the three strongest reasons of every anomalous event too, as one text; what is shown has them anyway
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
