//! `honeyguide score`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::numbers::whole;
use super::paths::output;
use super::{IncidentBy, OnCluster};

/// The greatest number of events, and of incidents, that can be shown.
const MAX_TOP: usize = 10_000;

/// The number of incidents and of events that are shown by default.
const TOP: usize = 20;

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
    /// Write every event with its score, its verdict and its incident to this file (.csv, .ndjson, .arrow or .parquet): a
    /// path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: Option<PathBuf>,
    /// Number of incidents to show, those with the highest scores; also the number of events, without --events
    #[arg(long, value_name = "N", default_value_t = TOP, conflicts_with = "out", value_parser = whole(1, MAX_TOP), allow_negative_numbers = true)]
    pub top: usize,
    /// Number of the most anomalous events to show; events with the same feature values are shown once [default: as --top]
    #[arg(long, value_name = "N", conflicts_with = "out", value_parser = whole(0, MAX_TOP), allow_negative_numbers = true)]
    pub events: Option<usize>,
    /// Show or write only events above the threshold
    #[arg(long)]
    pub anomalous: bool,
    /// With --out, also write the three strongest reasons of every anomalous event, as one text; events that are shown
    /// on the terminal always have them
    #[arg(long)]
    pub explain: bool,
    /// Find no incidents, which takes passes over the data of their own and a sort by host and time
    #[arg(long, conflicts_with = "incident_by")]
    pub skip_incidents: bool,
    #[command(flatten)]
    pub incident_by: IncidentBy,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
