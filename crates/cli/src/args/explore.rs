//! `honeyguide explore`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

const EXAMPLES: &str = "Examples:
  honeyguide explore today.csv --out look.html
  honeyguide explore 'logs/*.parquet' --recipe beth-paper --out look.html
  honeyguide explore today.csv --model model.json --out look.html";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Explore {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The self-contained HTML file to write: a path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Also show the features of this recipe: a built-in recipe, or the path or URL of a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Also show the features and scores of this model: a path or a URL
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe")]
    pub model: Option<PathBuf>,
}
