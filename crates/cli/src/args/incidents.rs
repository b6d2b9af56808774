//! `honeyguide incidents`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use honeyguide::incident::MAX_LISTED;

use super::numbers::whole;
use super::paths::output;
use super::{IncidentBy, OnCluster};

const EXAMPLES: &str = "Examples:
  honeyguide incidents model.json today.csv
  honeyguide incidents model.json logs/ --out incidents.parquet
  honeyguide incidents model.json access.ndjson --incident-by client
  honeyguide incidents --store incidents.db";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Incidents {
    /// The model file: a path or a URL
    #[arg(required_unless_present = "store")]
    pub model: Option<PathBuf>,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required_unless_present = "store", value_name = "DATA")]
    pub data: Vec<String>,
    /// Number of incidents to show or write, those with the highest scores [default: 10 to show, 100000 to write]
    #[arg(long, value_name = "N", value_parser = whole(1, MAX_LISTED), allow_negative_numbers = true)]
    pub top: Option<usize>,
    /// Write the incidents to this file (.parquet, .arrow or .ndjson), one row for each: a path, an object's URL, or - for
    /// standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: Option<PathBuf>,
    /// List the incidents in this store of honeyguide watch, which may be running, instead of finding them in DATA
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "data", "out", "incident_by"])]
    pub store: Option<PathBuf>,
    #[command(flatten)]
    pub incident_by: IncidentBy,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
