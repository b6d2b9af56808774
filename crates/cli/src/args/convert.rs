//! `honeyguide convert`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;
use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide convert 'logs/*.csv.gz' --out logs.parquet
  honeyguide convert logs/ --out lake --partition-by hostName
  honeyguide convert today.csv --out today.parquet --parse-lists";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The Parquet file to write if the name ends in .parquet, else the new folder: a path or a URL in a bucket
    #[arg(long, value_name = "DIR|FILE.parquet", value_parser = output())]
    pub out: PathBuf,
    /// Write one folder for each value of these columns, such as hostName=web-1; the files keep the columns
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    pub partition_by: Vec<String>,
    /// Convert the text in stackAddresses and args to lists; text that cannot be parsed becomes null and is counted
    #[arg(long)]
    pub parse_lists: bool,
    /// Do not measure how much faster training becomes; this saves a scan of the data and a scan of the result
    #[arg(long)]
    pub skip_timing: bool,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
