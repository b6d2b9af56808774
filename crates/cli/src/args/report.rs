//! `honeyguide report`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide report model.json today.csv --out report.html
  honeyguide report model.json events.parquet --label is_attack --out report.html";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Report {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The self-contained HTML file to write (.html): a path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: PathBuf,
    /// The label column, which is 1 for events to detect and 0 for the others; no feature of the model may read it
    /// [default: sus and evil, where the data has them]
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
}
