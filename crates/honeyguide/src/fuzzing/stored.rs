//! The targets `arrow` and `parquet`: files in binary formats, which are read or refused.

use super::common::{accepted, rows, with_file};
use crate::source::{Format, ReadOptions, Source};

/// Reads the input as an Arrow IPC file.
pub fn run_arrow(input: &[u8]) {
    read("table.arrow", Format::Arrow, input);
}

/// Reads the input as Parquet.
pub fn run_parquet(input: &[u8]) {
    read("table.parquet", Format::Parquet, input);
}

fn read(name: &str, format: Format, input: &[u8]) {
    let options = ReadOptions {
        format: Some(format),
        ..ReadOptions::default()
    };
    with_file(name, input, |path| {
        let opened = Source::open_with([path.to_string_lossy()], &options);
        if let Some(mut source) = accepted(opened) {
            accepted(rows(&mut source));
        }
    });
}
