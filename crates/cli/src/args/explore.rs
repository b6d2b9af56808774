//! `honeyguide explore`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide explore today.csv --out look.html
  honeyguide explore labelled_testing_data.csv --recipe beth-paper --label evil --out look.html
  honeyguide explore 'logs/*.parquet' --recipe beth-paper --out look.html
  honeyguide explore today.csv --model model.json --out look.html";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Explore {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The self-contained HTML file to write (.html): a path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: PathBuf,
    /// A label column, which is 1 for events to detect and 0 for the others: charts show both kinds of events, and
    /// correlations include the label; may be given more than once [default: sus and evil, where the data has them]
    #[arg(long, value_name = "COL")]
    pub label: Vec<String>,
    /// Also show the features of this recipe: a built-in recipe, or the path or URL of a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Also show the features and scores of this model: a path or a URL
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe")]
    pub model: Option<PathBuf>,
}
