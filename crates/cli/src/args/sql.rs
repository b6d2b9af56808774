//! `honeyguide sql`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::paths::output;
use super::{IncidentBy, OnCluster};

const EXAMPLES: &str = "Examples:
  honeyguide sql \"SELECT processName, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC\" today.csv
  honeyguide sql \"SELECT processName, max(score) FROM events GROUP BY 1\" today.csv --model model.json
  honeyguide sql \"SELECT * FROM events WHERE anomalous\" logs/ --model model.json --out alerts.parquet
  honeyguide sql \"SELECT id, host, score, events FROM incidents ORDER BY score DESC\" logs/ --model model.json
  honeyguide sql \"SELECT DISTINCT processName FROM today EXCEPT SELECT processName FROM usual\" \\
      --table today=today.csv --table usual=training.parquet
  honeyguide sql \"SELECT host, count(*), max(score) FROM incidents GROUP BY 1\" --store incidents.db

Names are case-sensitive and need no quotes: processName. Text is written in single quotes: 'sshd'.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Sql {
    /// One query, which can only read
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Files, folders, globs or URLs, or - for standard input; together they are the table `events`
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// Data for a table with this name; data given twice under one name forms one table
    #[arg(long = "table", value_name = "NAME=DATA", value_parser = parse_table)]
    pub tables: Vec<(String, String)>,
    /// Store of honeyguide watch, which may be running: adds the tables `incidents`, `incident_events`, `incident_gaps`, `gaps`,
    /// `days`, `ledger` and `bad_records`
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Model whose columns `score` and `anomalous` are added to every table that has the columns it reads, and which adds
    /// the table `incidents`: a path or a URL
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// Write the result to this file (.csv, .ndjson, .arrow or .parquet): a path, an object's URL, or - for standard
    /// output [default: a table on a terminal, CSV in a pipe, JSON with --json]
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub incident_by: IncidentBy,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}

fn parse_table(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, data)) if !name.is_empty() && !data.is_empty() => {
            Ok((name.to_owned(), data.to_owned()))
        }
        _ => Err("must be NAME=DATA, as in today=logs/today.csv".into()),
    }
}
