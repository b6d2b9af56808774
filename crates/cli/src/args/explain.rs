//! `honeyguide explain`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::IncidentBy;
use super::numbers::whole;

const EXAMPLES: &str = "Examples:
  honeyguide explain model.json today.csv --row 17
  honeyguide explain model.json today.csv --incident 53b5c6f80cbbf2f4
  honeyguide explain model.json today.csv --where \"userId >= 1000 AND eventName = 'connect'\"";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub incident_by: IncidentBy,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// Explain the event in this row; rows are counted from 1 after the header, over all files
    #[arg(long, value_name = "N", value_parser = whole(1, u64::MAX), allow_negative_numbers = true)]
    pub row: Option<u64>,
    /// Show the incident with this id in full; `score` and `incidents` list the ids
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Explain the first event for which this SQL condition is true
    #[arg(long = "where", value_name = "SQL")]
    pub condition: Option<String>,
}
