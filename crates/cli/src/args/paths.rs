//! Parsers of arguments that are paths.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

/// Returns a parser of the path of an output. Answers name outputs, and JSON can only name what is UTF-8.
pub fn output() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|path: OsString| match path.to_str() {
        Some(_) => Ok(PathBuf::from(path)),
        None => Err("the name of an output must be UTF-8"),
    })
}
