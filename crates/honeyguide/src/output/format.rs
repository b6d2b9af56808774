//! The formats in which tables are written.

use std::path::Path;

use crate::error::{Error, Result};

/// In which format a table is written, by the file's name.
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
    /// By the ending of the name.
    ///
    /// # Errors
    /// Another ending.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("ndjson" | "jsonl" | "json") => Ok(Self::Json),
            _ => Err(Error::usage(format!(
                "{}: in what format? The name must end in .arrow, .ndjson, .csv or .parquet",
                path.display()
            ))),
        }
    }
}
