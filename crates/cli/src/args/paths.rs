//! Parsers of arguments that are paths.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Returns a parser of the path of an output. Answers name outputs, and JSON can only name what is UTF-8.
pub fn output() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| match path.to_str() {
        Some(_) => Ok(path),
        None => Err("the name of an output must be UTF-8"),
    })
}
