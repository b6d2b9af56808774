//! `honeyguide import`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::numbers::number;
use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide import forest.json --out model.json
  honeyguide import forest.json training.parquet --recipe mine.toml --out model.json
  honeyguide import forest.json --threshold 0.6 --out model.json

docs/formats/forest.md has the Python function that writes FOREST.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// A forest that was exported from scikit-learn: a path or a URL
    pub forest: PathBuf,
    /// The events that the forest was fitted with: files, folders, globs or URLs, or - for standard input; without them,
    /// features must be plain numbers, and the model cannot tell drift
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// The model file to write: a path, an object's URL, or - for standard output
    #[arg(long, value_name = "MODEL", value_parser = output())]
    pub out: PathBuf,
    /// The recipe that computes the forest's columns in their order: a built-in one, or the path or URL of a TOML file.
    /// raw takes the columns that the export names
    #[arg(long, value_name = "NAME|FILE", default_value = "raw")]
    pub recipe: String,
    /// Score above which an event is anomalous [default: scikit-learn's, which is -offset_]
    #[arg(long, value_name = "F", value_parser = number(0.0, 1.0), allow_negative_numbers = true)]
    pub threshold: Option<f64>,
}
