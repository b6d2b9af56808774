//! The target `model`: model files, which are read, written, and used to score events.
//!
//! A random change of a text is rarely JSON. So an input can also be a list of changes to a valid model, one per line: a
//! pointer (RFC 6901) and the new value, which is left out to remove what is there.

use serde_json::Value;

use super::common::accepted;
use super::events::{events, model_text};
use crate::model::Model;
use crate::scorer::Scorer;

/// Reads the input as a model file, or as changes to one.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if text.starts_with('/') {
        check(&changed(model_text(), text));
    } else {
        check(text);
    }
}

/// Checks that a model is read and written alike, and that it scores events and explains their scores.
pub fn check(text: &str) {
    let Some(model) = accepted(Model::from_json(text)) else {
        return;
    };
    let written = text_of(&model);
    let again = Model::from_json(&written).expect("what was written can be read");
    assert_eq!(text_of(&again), written, "after writing and reading");
    let events = events();
    let Some(scorer) = accepted(Scorer::new(&model, &events.schema())) else {
        return;
    };
    let Some(scores) = accepted(scorer.score(&events)) else {
        return;
    };
    let is_score = |score: &f64| (0.0..=1.0).contains(score);
    assert!(
        scores.values().iter().all(is_score),
        "{:?}",
        scores.values()
    );
    accepted(scorer.reasons(&events, &scores, 0..events.num_rows(), 3));
}

/// Returns the text of a model file.
pub fn text_of(model: &Model) -> String {
    let mut text = Vec::new();
    let written = model.write_json(&mut text);
    written.expect("memory can be written to");
    String::from_utf8(text).expect("JSON is text")
}

/// Returns a valid text of JSON with changes.
pub fn changed(text: &str, changes: &str) -> String {
    let mut model: Value = serde_json::from_str(text).expect("the text is JSON");
    for change in changes.lines() {
        let (pointer, value) = change.split_once(' ').unwrap_or((change, ""));
        let Some((parent, key)) = pointer.rsplit_once('/') else {
            continue;
        };
        let Some(parent) = model.pointer_mut(parent) else {
            continue;
        };
        let value = serde_json::from_str::<Value>(value).ok();
        match (parent, value) {
            (Value::Object(entries), Some(value)) => {
                entries.insert(key.to_owned(), value);
            }
            (Value::Object(entries), None) => {
                entries.remove(key);
            }
            (Value::Array(items), value) => {
                let index = key.parse().unwrap_or(items.len());
                match (index < items.len(), value) {
                    (true, Some(value)) => items[index] = value,
                    (true, None) => drop(items.remove(index)),
                    (false, Some(value)) => items.push(value),
                    (false, None) => {}
                }
            }
            _ => {}
        }
    }
    model.to_string()
}
