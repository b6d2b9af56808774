//! The formats in which tables are written.

use std::path::Path;

use crate::error::{Error, Result};

/// The format in which a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated text with a header line.
    Csv,
    /// Apache Parquet with zstd.
    Parquet,
    /// The file format of Apache Arrow IPC.
    Arrow,
    /// Newline-delimited JSON.
    Json,
}

impl TableFormat {
    /// Returns the format that the ending of a file's name stands for.
    ///
    /// # Errors
    /// Fails when the ending stands for no format.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("ndjson" | "jsonl" | "json") => Ok(Self::Json),
            _ => Err(Error::usage(format!(
                "{}: unknown format: the name must end in .arrow, .ndjson, .csv or .parquet",
                path.display()
            ))),
        }
    }
}
