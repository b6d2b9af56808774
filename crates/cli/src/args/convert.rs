//! `honeyguide convert`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::OnCluster;

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
    /// The file to write if its name ends in .parquet, else a new folder: a path or a URL in a bucket
    #[arg(long, value_name = "DIR|FILE.parquet")]
    pub out: PathBuf,
    /// Make a folder of every value of these columns, as in hostName=web-1; the columns stay in the files too
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    pub partition_by: Vec<String>,
    /// Make lists of the texts in stackAddresses and args; what cannot be read becomes null, and is counted
    #[arg(long)]
    pub parse_lists: bool,
    /// Do not measure how much faster training becomes, which takes a scan of the data and one of what was written
    #[arg(long)]
    pub skip_timing: bool,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
