//! A few events, a model with every kind of feature, and a forest with categories.

use std::io::Cursor;

use datafusion::arrow::record_batch::RecordBatch;

use crate::source::{ReadOptions, Source};

/// Events with usual and unusual values in the columns that the model reads.
const EVENTS: &str = r#"{"timestamp":0.25,"processId":0,"userId":0,"eventName":"openat","eventId":0,"returnValue":-1}
{"timestamp":1e12,"processId":77,"userId":-9007199254740993,"eventName":"","eventId":99,"returnValue":5}
{"timestamp":-0.0,"processId":3,"userId":1001,"eventName":"close","eventId":10,"returnValue":0}
"#;

/// Returns the text of a small model.
pub fn model_text() -> &'static str {
    include_str!("../../tests/library/fixtures/model-v1.json")
}

/// Returns the text of a small forest with categories, all of which are in the events.
pub fn forest_text() -> &'static str {
    include_str!("../../tests/library/fixtures/forest-categories.json")
}

/// Returns the events as a stream.
pub fn source() -> Source {
    let source = Source::from_json(Cursor::new(EVENTS), &ReadOptions::default());
    source.expect("the events are valid")
}

/// Returns the events as a batch.
pub fn events() -> RecordBatch {
    source().read_stream(4096).expect("the events are valid")
}
