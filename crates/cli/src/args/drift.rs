//! `honeyguide drift`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;

const EXAMPLES: &str = "Examples:
  honeyguide drift model.json today.csv
  honeyguide drift model.json 'logs/*.parquet' --json";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Drift {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
