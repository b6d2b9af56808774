//! The fuzz target of the bodies of requests. As the targets in `honeyguide::fuzzing`, it exists only in tests and in code
//! that is compiled for fuzzing.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::listen::body_records;

/// Cuts the input into records, as CSV, as lines, and as what its first bytes tell.
///
/// # Panics
/// If records are not those of the body.
pub fn body(input: &[u8]) {
    for is_csv in [None, Some(false), Some(true)] {
        let found = records(input, is_csv);
        match (is_csv, events(input)) {
            (None | Some(false), Some(events)) => compare(&found, &events),
            (Some(false), None) => {
                let lines = input.split(|byte| *byte == b'\n');
                let lines: Vec<&[u8]> = lines.filter(|line| is_record(line)).collect();
                // Zeros before a record are no part of it.
                let found: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
                assert_eq!(found.len(), lines.len(), "lines");
                for (found, line) in found.into_iter().zip(lines) {
                    assert!(line.ends_with(found), "a record that is no line");
                }
            }
            _ => {
                let bytes: usize = found.iter().map(Vec::len).sum();
                assert!(bytes <= input.len(), "records are longer than the body");
            }
        }
    }
}

/// Returns whether a line is more than blanks after the zeros at its beginning.
fn is_record(line: &[u8]) -> bool {
    let zeros = line.iter().take_while(|byte| **byte == 0).count();
    !line[zeros..].trim_ascii().is_empty()
}

fn records(input: &[u8], is_csv: Option<bool>) -> Vec<Vec<u8>> {
    let chunk = body_records(input, 0, is_csv).unwrap_or_default();
    let mut end = 0;
    let each = chunk.records.iter().map(|(from, to)| {
        assert!(end <= *from && from <= to, "records overlap");
        end = *to;
        chunk.bytes[*from..*to].to_vec()
    });
    each.collect()
}

/// Returns the values that a body of JSON consists of; `None` for any other body.
fn events(input: &[u8]) -> Option<Vec<&RawValue>> {
    let text = std::str::from_utf8(input).ok()?;
    match text.trim_ascii_start().chars().next()? {
        '[' => serde_json::from_str(text).ok(),
        '{' => serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .ok(),
        _ => None,
    }
}

fn compare(found: &[Vec<u8>], events: &[&RawValue]) {
    assert_eq!(found.len(), events.len(), "events");
    for (found, event) in found.iter().zip(events) {
        assert!(!found.contains(&b'\n'), "a record of several lines");
        // A number that is too great for a float is none to serde_json.
        let Ok(event) = serde_json::from_str::<Value>(event.get()) else {
            assert_eq!(found.len(), event.get().len(), "another text");
            continue;
        };
        // An event that is wrapped is text of any kind.
        let inner = event.get("event").and_then(Value::as_str);
        if inner.is_none_or(|inner| !inner.trim().starts_with('{')) {
            let read: Value = serde_json::from_slice(found).expect("a record of JSON");
            assert_eq!(read, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_target_passes_its_inputs() {
        let corpus = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fuzz/corpus/body"
        ));
        let inputs: Vec<_> = fs::read_dir(corpus).expect("inputs").collect();
        assert!(!inputs.is_empty());
        for input in inputs {
            let path = input.expect("an input").path();
            // Shown only if the target panics.
            println!("{}", path.display());
            super::body(&fs::read(&path).expect("an input"));
        }
    }
}
