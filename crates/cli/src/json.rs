//! The formats of what commands print with `--json`, by name and version. `docs/formats/json.md` describes them, and
//! the schemas beside it hold every field.

use std::io::{self, Write};

use serde::Serialize;

use crate::escaping::{Escaping, Form};

/// The name and the version of the format of a JSON answer. Any change of the fields that a reader can notice, other
/// than an added field, is a new version.
#[derive(Debug, Clone, Copy)]
pub struct JsonFormat {
    name: &'static str,
    version: u32,
}

impl JsonFormat {
    const fn new(name: &'static str, version: u32) -> Self {
        Self { name, version }
    }
}

pub const CONVERSION: JsonFormat = JsonFormat::new("honeyguide-conversion", 1);
pub const DEMO: JsonFormat = JsonFormat::new("honeyguide-demo", 1);
pub const DRIFT: JsonFormat = JsonFormat::new("honeyguide-drift", 1);
pub const EMBEDDING: JsonFormat = JsonFormat::new("honeyguide-embedding", 1);
pub const EVALUATION: JsonFormat = JsonFormat::new("honeyguide-evaluation", 1);
pub const EXPLANATION: JsonFormat = JsonFormat::new("honeyguide-explanation", 1);
pub const EXPLORATION: JsonFormat = JsonFormat::new("honeyguide-exploration", 1);
pub const FEATURES: JsonFormat = JsonFormat::new("honeyguide-features", 1);
pub const INCIDENT: JsonFormat = JsonFormat::new("honeyguide-incident", 1);
pub const INCIDENTS: JsonFormat = JsonFormat::new("honeyguide-incidents", 1);
pub const INSPECTION: JsonFormat = JsonFormat::new("honeyguide-inspection", 1);
pub const QUERY: JsonFormat = JsonFormat::new("honeyguide-query", 1);
pub const QUERY_FILE: JsonFormat = JsonFormat::new("honeyguide-query-file", 1);
pub const RECIPE: JsonFormat = JsonFormat::new("honeyguide-recipe", 1);
pub const RECIPES: JsonFormat = JsonFormat::new("honeyguide-recipes", 1);
#[cfg(feature = "sensor")]
pub const RECORDING: JsonFormat = JsonFormat::new("honeyguide-recording", 1);
pub const REPORT: JsonFormat = JsonFormat::new("honeyguide-report", 1);
pub const REPRODUCTION: JsonFormat = JsonFormat::new("honeyguide-reproduction", 1);
pub const SAMPLE: JsonFormat = JsonFormat::new("honeyguide-sample", 1);
pub const SCORES: JsonFormat = JsonFormat::new("honeyguide-scores", 1);
pub const SIMULATION: JsonFormat = JsonFormat::new("honeyguide-simulation", 1);
pub const STORED_INCIDENTS: JsonFormat = JsonFormat::new("honeyguide-stored-incidents", 1);
pub const TRAINING: JsonFormat = JsonFormat::new("honeyguide-training", 1);
pub const WATCH: JsonFormat = JsonFormat::new("honeyguide-watch", 1);

/// The fields that every answer begins with.
#[derive(Serialize)]
struct Head {
    format: &'static str,
    version: u32,
    /// Present and true if the data is simulated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
}

impl Head {
    fn new(format: JsonFormat, simulated: bool) -> Self {
        let JsonFormat { name, version } = format;
        Self {
            format: name,
            version,
            simulated,
        }
    }
}

/// Writes an answer of `format`.
///
/// # Errors
/// Fails when `out` cannot be written.
pub fn write_answer(
    out: &mut dyn Write,
    format: JsonFormat,
    simulated: bool,
    answer: &impl Serialize,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Whole<'a, T> {
        #[serde(flatten)]
        head: Head,
        #[serde(flatten)]
        answer: &'a T,
    }
    let head = Head::new(format, simulated);
    let out = &mut Escaping::new(out, Form::Json);
    serde_json::to_writer_pretty(&mut *out, &Whole { head, answer })?;
    writeln!(out)
}

/// Writes an answer of `format` whose field `rows` is the JSON array that `rows` writes.
///
/// # Errors
/// Fails when `out` cannot be written, and as `rows` does.
pub fn write_rows(
    out: &mut dyn Write,
    format: JsonFormat,
    simulated: bool,
    rows: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let head = serde_json::to_string_pretty(&Head::new(format, simulated))?;
    write!(out, "{},\n  \"rows\": ", head.trim_end_matches("\n}"))?;
    rows(&mut Escaping::new(&mut *out, Form::Json))?;
    writeln!(out, "}}")
}
