//! `honeyguide score`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;
use super::numbers::whole;
use super::paths::output;

/// The greatest number of events that `--top` can show.
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
    /// Write every event with its score and verdict to this file (.csv, .ndjson, .arrow or .parquet): a path, an
    /// object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: Option<PathBuf>,
    /// Number of the most anomalous events to show; events with the same feature values are shown once
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "out", value_parser = whole(1, MAX_TOP), allow_negative_numbers = true)]
    pub top: usize,
    /// Show or write only events above the threshold
    #[arg(long)]
    pub anomalous: bool,
    /// With --out, also write the three strongest reasons of every anomalous event, as one text; events that are shown
    /// on the terminal always have them
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
