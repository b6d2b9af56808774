//! The pipeline: events of files, tables and streams, models, scores and SQL.
//!
//! `runtime` runs the library's work while Python waits, `data` makes sources of what users pass, `table` gives rows back,
//! and `model` and `functions` are what the package's Python code calls. Answers that are no tables are JSON.

mod data;
mod errors;
pub mod functions;
pub mod model;
pub mod runtime;
pub mod table;
