//! `honeyguide inspect`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;

const EXAMPLES: &str = "Examples:
  honeyguide inspect labelled_training_data.csv
  honeyguide inspect 'logs/*.parquet' --json
  honeyguide inspect today.csv --recipe context
  honeyguide inspect today.csv --model model.json";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Describe the features that this recipe computes from the data, instead of the columns, with means, categories and
    /// rarities of this data: a built-in recipe, or the path or URL of a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Describe the features that this model computes from the data, instead of the columns, with means, categories and
    /// rarities of its training data: a path or a URL
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
