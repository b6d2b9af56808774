//! The records in the body of a request: one event, an array or lines of events, each as it is or wrapped in an object with
//! the key `event`, as Tracee's forward output and Fluent Bit send it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::queue::Chunk;
use crate::records::Records;

/// An object that wraps an event as text.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

/// Returns the records of a body as those of the input number `input`; `None` if there are none. `is_csv` says whether they
/// are CSV, if that is known. What is no JSON is cut into lines, so that each bad one is counted.
pub(crate) fn records(body: &[u8], input: usize, is_csv: Option<bool>) -> Option<Chunk> {
    let is_json = || {
        body.trim_ascii_start()
            .first()
            .is_some_and(|first| b"[{".contains(first))
    };
    let events = match is_csv {
        Some(true) => None,
        _ if is_json() => events(body),
        _ => None,
    };
    let Some(events) = events else {
        let mut records = Records::new(is_csv);
        records.add(body);
        return records
            .take(input, true)
            .filter(|chunk| !chunk.records.is_empty());
    };
    let mut chunk = Chunk {
        input,
        ..Chunk::default()
    };
    for event in events {
        let start = chunk.bytes.len();
        push(event, &mut chunk.bytes);
        chunk.records.push((start, chunk.bytes.len()));
        chunk.bytes.push(b'\n');
    }
    (!chunk.records.is_empty()).then_some(chunk)
}

/// Returns the events of a body of JSON: the elements of an array, or values one after the other. `None` if one of them cannot
/// be parsed, or if the body is an array of something else than objects.
fn events(body: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(body).ok()?;
    let events: Vec<&str> = if text.trim_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        elements.into_iter().map(RawValue::get).collect()
    } else {
        let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let values = values.map(|value| value.map(RawValue::get));
        values.collect::<Result<_, _>>().ok()?
    };
    Some(events)
}

/// Adds an event on one line, without the object that wraps it.
fn push(event: &str, bytes: &mut Vec<u8>) {
    let wrapped = match event.contains("\"event\"") {
        true => serde_json::from_str::<Wrapped>(event).ok(),
        false => None,
    };
    let inner = wrapped.as_ref().map(|wrapped| wrapped.event.trim());
    let event = inner
        .filter(|inner| inner.starts_with('{'))
        .unwrap_or(event);
    // In JSON, line ends stand only between the parts of an object.
    let spaced = event.bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    });
    bytes.extend(spaced);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Vec<String> {
        let chunk = records(body.as_bytes(), 3, None);
        let chunk = chunk.unwrap_or_default();
        let texts = chunk.records.iter();
        let texts = texts.map(|(start, end)| &chunk.bytes[*start..*end]);
        texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    #[test]
    fn every_form_of_a_body_gives_its_events() {
        for (body, expected) in [
            (r#"{"a":1}"#, vec![r#"{"a":1}"#]),
            (
                "{\"a\":1}\n{\"a\":2}\r\n\n",
                vec![r#"{"a":1}"#, r#"{"a":2}"#],
            ),
            ("{\n \"a\": 1\n}\n", vec!["{  \"a\": 1 }"]),
            (r#"[{"a":1},{"a":"x"}]"#, vec![r#"{"a":1}"#, r#"{"a":"x"}"#]),
            (r#"{"event":"{\"a\":1}"}"#, vec![r#"{"a":1}"#]),
            (
                r#"{"date":1.5,"event":"{\"a\":\"\\n\"}","tag":"t"}"#,
                vec![r#"{"a":"\n"}"#],
            ),
            (
                r#"{"event":"login","a":1}"#,
                vec![r#"{"event":"login","a":1}"#],
            ),
            ("a,b\n1,2\n", vec!["a,b", "1,2"]),
            (
                "{\"a\":1}\n{oh no\n{\"a\":2}\n",
                vec![r#"{"a":1}"#, "{oh no", r#"{"a":2}"#],
            ),
            ("[1,", vec!["[1,"]),
            (" \n", vec![]),
            ("[]", vec![]),
        ] {
            assert_eq!(texts(body), expected, "{body}");
        }
    }
}
