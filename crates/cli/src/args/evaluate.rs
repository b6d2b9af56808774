//! `honeyguide evaluate`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide evaluate model.json labelled_testing_data.csv\n  honeyguide evaluate model.json events.parquet --label is_attack --json"
)]
pub struct Evaluate {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The label column, which is 1 for events to detect and 0 for the others; no feature of the model may read it
    /// [default: sus and evil]
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
