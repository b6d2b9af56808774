//! The target `json`: lines of JSON, compared with serde_json and with the decoder of arrow-json.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use datafusion::arrow::json::ReaderBuilder;
use datafusion::arrow::record_batch::RecordBatch;
use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::common::{accepted, lines};
use crate::source::{Compression, Format, ReadOptions, Source};

/// Reads the whole input as a stream.
pub fn run(input: &[u8]) {
    if Compression::sniff(input) != Compression::None {
        return;
    }
    let options = ReadOptions {
        format: Some(Format::Json(Compression::None)),
        ..ReadOptions::default()
    };
    let opened = Source::from_json(Cursor::new(input.to_vec()), &options);
    let Some(mut source) = accepted(opened) else {
        assert!(objects(input).is_empty(), "objects were refused");
        return;
    };
    let Some(found) = accepted(source.read_stream(4096)) else {
        return;
    };
    let counts = source.counts().intake.clone().unwrap_or_default();
    assert_eq!(counts.events, found.num_rows() as u64, "events");
    assert_eq!(
        counts.events + counts.bad_lines,
        lines(input).count() as u64,
        "lines"
    );
    if counts.bad_lines == 0 {
        compare(&found, input);
    }
}

/// Returns the objects among the first lines, from which columns are inferred.
fn objects(input: &[u8]) -> Vec<Map<String, Value>> {
    let objects = lines(input).take(1000).map(serde_json::from_slice);
    objects.flatten().collect()
}

/// Compares rows with the lines, all of which were read.
fn compare(found: &RecordBatch, input: &[u8]) {
    for (row, line) in lines(input).enumerate() {
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(line) else {
            assert!(is_almost_json(line), "row {row} is not JSON");
            continue;
        };
        for (field, column) in found.schema().fields().iter().zip(found.columns()) {
            let value = object.get(field.name()).unwrap_or(&Value::Null);
            let place = format!("`{}` in row {row}", field.name());
            compare_value(value, &column.slice(row, 1), &place);
        }
        if object.values().all(is_plain) {
            compare_with_arrow(&found.slice(row, 1), line);
        }
    }
}

/// Returns whether a line that is not read as values is an object all the same, such as one with a number beyond all doubles,
/// or has what is read leniently.
fn is_almost_json(line: &[u8]) -> bool {
    let is_in = |part: &[u8]| memmem::find(line, part).is_some();
    serde_json::from_slice::<HashMap<String, IgnoredAny>>(line).is_ok()
        || std::str::from_utf8(line).is_err()
        || is_in(b"\\u")
        || is_in(b"NaN")
        || is_in(b"Infinity")
}

/// Compares the only value of a column with the value in its line.
fn compare_value(expected: &Value, found: &dyn Array, place: &str) {
    if expected.is_null() {
        assert!(found.is_null(0), "{place} is not null");
        return;
    }
    match (found.data_type(), expected) {
        (DataType::Utf8, Value::String(text)) => {
            assert_eq!(found.as_string::<i32>().value(0), text, "{place}");
        }
        // Lists and objects are written as JSON where no log says otherwise.
        (DataType::Utf8, Value::Array(_) | Value::Object(_)) => {
            let text = found.as_string::<i32>().value(0);
            let read = serde_json::from_str::<Value>(text);
            if let Ok(read) = read {
                assert_eq!(&read, expected, "{place}");
            }
        }
        (DataType::Utf8, Value::Bool(value)) => {
            assert_eq!(
                found.as_string::<i32>().value(0),
                value.to_string(),
                "{place}"
            );
        }
        (DataType::Int64, Value::Number(number)) => {
            let found = found.as_primitive::<Int64Type>().value(0);
            assert_eq!(number.as_i64(), Some(found), "{place}");
        }
        (DataType::Float64, Value::Number(number)) => {
            let found = found.as_primitive::<Float64Type>().value(0);
            let expected = number.as_f64().map(f64::to_bits);
            assert_eq!(expected, Some(found.to_bits()), "{place}");
        }
        (DataType::Boolean, Value::Bool(value)) => {
            assert_eq!(found.as_boolean().value(0), *value, "{place}");
        }
        _ => {}
    }
}

/// Returns whether the value is of the kind that both decoders bring to the type of a column in the same way.
fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null)
}

/// Compares a row of numbers and Booleans with what arrow-json makes of its line.
fn compare_with_arrow(found: &RecordBatch, line: &[u8]) {
    let is_text = |field: &Arc<Field>| field.data_type() == &DataType::Utf8;
    let schema = found.schema();
    let plain: Vec<usize> = (0..found.num_columns())
        .filter(|index| !is_text(&schema.fields()[*index]))
        .collect();
    let found = found.project(&plain).expect("columns of the row");
    let types = found.schema();
    let types = types
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), field.data_type().clone(), true));
    let schema = Arc::new(Schema::new(types.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(Arc::clone(&schema)).build(line);
    let batches = reader.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(batches) = batches else { return };
    let expected = concat_batches(&schema, &batches).expect("batches of one schema");
    assert_eq!(
        found.columns(),
        expected.columns(),
        "arrow-json reads another row"
    );
}
