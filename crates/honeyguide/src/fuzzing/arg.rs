//! The target `arg`: the literals of arguments, compared with serde_json where they are JSON, and with the
//! conversion to lists and the reading of all of the text always.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use serde_json::Value;

use crate::functions::{ListParser, arg, lists, literal};
use crate::log::ListKind;

/// Reads the name up to the first line end and the literal from there on.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (name, text) = text.split_once('\n').unwrap_or(("pathname", text));
    let found = arg::argument(text, name);
    assert_eq!(found, arg::parsed_argument(text, name));
    let found = found.map(|value| value.map(|value| value.into_owned()));
    if let Ok(json) = serde_json::from_str::<Value>(text)
        && depth(&json) <= literal::MAX_DEPTH
        && let Some(expected) = argument(&json, name)
    {
        let found = found.as_ref().expect("JSON is read");
        match expected {
            Some(expected) => assert_same(expected, found.as_deref()),
            None => assert_eq!(*found, None),
        }
    }
    let (in_list, malformed) = in_list(text, name);
    assert_eq!(malformed, u64::from(found.is_err()));
    assert_eq!(in_list, found.ok().flatten(), "in a list");
}

/// Returns how deep containers are nested.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(entries) => entries.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// Returns the value of the first argument called `name` that has one; `None` if the value is not a list of objects.
fn argument<'a>(json: &'a Value, name: &str) -> Option<Option<&'a Value>> {
    if json.is_null() {
        return Some(None);
    }
    let items = json.as_array()?;
    if !items.iter().all(Value::is_object) {
        return None;
    }
    let mut named = items.iter().filter(|item| item["name"] == name);
    Some(named.find_map(|item| match &item["value"] {
        Value::Null => None,
        value => Some(value),
    }))
}

/// Compares a value of JSON with its text.
fn assert_same(expected: &Value, found: Option<&str>) {
    let found = found.expect("an argument with a value");
    match expected {
        Value::String(text) => assert_eq!(found, text),
        // Numbers and containers are returned as they are written.
        other => assert_eq!(
            serde_json::from_str::<Value>(found).as_ref().ok(),
            Some(other)
        ),
    }
}

/// Returns the value of an argument after its text was converted to a list, and the number of malformed texts.
fn in_list(text: &str, name: &str) -> (Option<String>, u64) {
    let schema = Schema::new(vec![Field::new("args", DataType::Utf8, true)]);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![texts]);
    let mut parser = ListParser::new(&schema, &[("args", ListKind::Arguments)]);
    let parsed = parser.parse(&batch.expect("a batch of one text"));
    let parsed = parsed.expect("a text is converted or null");
    let names: ArrayRef = Arc::new(StringArray::from(vec![name]));
    let values = lists::named_arguments(parsed.column(0), &names);
    let values = values.expect("lists of arguments");
    let values = values.as_string::<i32>().iter();
    let value = values.flatten().next().map(str::to_owned);
    (value, parser.malformed())
}
