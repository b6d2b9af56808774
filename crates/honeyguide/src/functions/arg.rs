//! The value of one argument in an event's `args` text.
//!
//! BETH writes a call's arguments as a Python literal, and other exports write them as JSON. Both are lists of dicts
//! with the keys `name`, `type` and `value`. The whole text is checked, so that a truncated text never gives a value, and
//! a text that is converted to a list is malformed for both or for neither.

use std::borrow::Cow;

use super::glance::glance;
use super::literal::{Malformed, Read, Reader, Value, closing};

/// Returns the value of the first argument called `name` in `args` that has one, or `None` if all are absent or null.
///
/// Text is returned without its quotes and escapes, a boolean as `true` or `false`, and a number or a container as it
/// is written. A blank text has no arguments. If a dict repeats a key, the last one counts, as in Python and JSON.
///
/// # Errors
/// Fails when `args` is not a list of dicts, ends early, continues after the list, nests deeper than
/// [`MAX_DEPTH`](super::literal::MAX_DEPTH), or has an invalid escape in an argument's name, type or value.
pub(crate) fn argument<'a>(args: &'a str, name: &str) -> Read<Option<Cow<'a, str>>> {
    match glance(args, name) {
        Some(value) => Ok(value.map(Cow::Borrowed)),
        None => parsed_argument(args, name),
    }
}

/// Returns what [`argument`] does, for any text, by reading all of it.
///
/// # Errors
/// Fails as [`argument`] does.
pub(crate) fn parsed_argument<'a>(args: &'a str, name: &str) -> Read<Option<Cow<'a, str>>> {
    let mut reader = Reader::new(args);
    let Some(first) = reader.token() else {
        return Ok(None);
    };
    let mut found = None;
    match closing(first) {
        Some(close) if first != b'{' => reader.sequence(close, |reader| {
            let value = argument_named(reader, name)?;
            found = found.or(value.filter(|value| *value != Value::Null));
            Ok(())
        })?,
        _ if reader.value(1)? == Value::Null => {}
        _ => return Err(Malformed),
    }
    if reader.token().is_some() {
        return Err(Malformed);
    }
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Written(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Value::Text(text)) => text.decoded().map(Some),
    }
}

/// Reads the dict of one argument. Returns its value if the argument is called `name`.
fn argument_named<'a>(reader: &mut Reader<'a>, name: &str) -> Read<Option<Value<'a>>> {
    if reader.token() != Some(b'{') {
        return Err(Malformed);
    }
    let mut is_named = false;
    let mut value = None;
    reader.sequence(b'}', |reader| {
        let (key, entry) = reader.entry(2)?;
        let Value::Text(key) = key else {
            return Ok(());
        };
        match key.decoded()?.as_ref() {
            "name" => is_named = entry.is_text(name)?,
            "type" => entry.check_escapes()?,
            "value" => {
                entry.check_escapes()?;
                value = Some(entry);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(value.filter(|_| is_named))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn read(args: &str, name: &str) -> Read<Option<String>> {
        argument(args, name).map(|value| value.map(Cow::into_owned))
    }

    #[test]
    fn the_notations_of_python_and_json_are_read() {
        let texts = [
            "[{'name': 'fd', 'type': 'int', 'value': 3}, {'name': 'path', 'type': 'const char*', 'value': '/a b'}]",
            r#"[{"name": "fd", "type": "int", "value": 3}, {"name": "path", "type": "const char*", "value": "/a b"}]"#,
            r#" [ {"value":"\/a b","name":"\u0070ath"},{"value":3 , "name":"fd"} , ] "#,
            r#"({'value': "/a b", 'name': 'path'}, {1: None, 'name': 'fd', 'value': 4, 'value': 3}, {})"#,
        ];
        for text in texts {
            assert_eq!(read(text, "path"), Ok(Some("/a b".into())), "{text}");
            assert_eq!(read(text, "fd"), Ok(Some("3".into())), "{text}");
            assert_eq!(read(text, "type"), Ok(None), "{text}");
        }
    }

    #[test]
    fn the_first_of_several_arguments_with_a_name_counts() {
        let text =
            "[{'name': 'a'}, {'name': 'a', 'type': 'int', 'value': 1}, {'value': 2, 'name': 'a'}]";
        assert_eq!(read(text, "a"), Ok(Some("1".into())));
    }

    /// The expected values are those of Python's `ast.literal_eval`: see `make_arg.py` beside the fixture.
    #[test]
    fn literals_are_read_as_python_reads_them() {
        let fixture = include_str!("../../tests/library/fixtures/arg.jsonl");
        let mut read_texts = 0;
        for line in fixture.lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            let text = line["text"].as_str().unwrap();
            let Some(values) = line["values"].as_object() else {
                assert_eq!(read(text, "fd"), Err(Malformed), "{text}");
                continue;
            };
            for name in [
                "fd", "pathname", "größe", "it's", "a \"b\"", "tab\t", "", "none",
            ] {
                let expected = values
                    .get(name)
                    .map(|value| value.as_str().unwrap().to_owned());
                assert_eq!(read(text, name), Ok(expected), "{name} in {text}");
            }
            read_texts += 1;
        }
        assert_eq!(read_texts, 247);
    }

    #[test]
    fn a_null_is_no_value_and_an_invalid_escape_is_an_error_wherever_it_is() {
        let text =
            "[{'name': 'a', 'type': 't', 'value': None}, {'name': 'a', 'type': 't', 'value': 1}]";
        assert_eq!(read(text, "a"), Ok(Some("1".into())));
        for text in [
            r"[{'name': 'a', 'type': 't', 'value': 1}, {'name': 'b', 'type': 't', 'value': '\x4'}]",
            r"[{'name': 'a', 'type': '\x4', 'value': 1}]",
        ] {
            assert_eq!(read(text, "a"), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn each_kind_of_value_is_returned_as_text() {
        let cases = [
            ("-1.5e3", Some("-1.5e3")),
            ("True", Some("true")),
            (r"'\'\u00e9'", Some("'é")),
            ("['a', (1,)]", Some("['a', (1,)]")),
            ("None", None),
        ];
        for (literal, text) in cases {
            let args = format!("[{{'value': {literal}, 'name': 'a'}}]");
            assert_eq!(read(&args, "a"), Ok(text.map(String::from)), "{literal}");
        }
    }

    #[test]
    fn malformed_texts_differ_from_absent_arguments() {
        for text in ["", " \n", "[]", "()", "None", "null", "[{}]"] {
            assert_eq!(read(text, "a"), Ok(None), "{text:?}");
        }
        let not_lists = [
            "x", "1", "'a'", "{}", "[1]", "[None]", "[]]", "[", "[{} {}]", "[{]",
        ];
        let not_whole = [
            "[{'name': 'a', 'value': 1",
            r"[{'name': 'a', 'value': '\x4'}]",
        ];
        for text in not_lists.into_iter().chain(not_whole) {
            assert_eq!(read(text, "a"), Err(Malformed), "{text:?}");
        }
    }

    /// Writes a value as Python's `repr` does.
    fn python(value: &Json) -> String {
        match value {
            Json::Null => "None".into(),
            Json::Bool(true) => "True".into(),
            Json::Bool(false) => "False".into(),
            Json::Number(number) => number.to_string(),
            Json::String(text) => python_text(text),
            Json::Array(items) => format!("[{}]", joined(items.iter().map(python))),
            Json::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", python_text(key), python(value)));
                format!("{{{}}}", joined(entries))
            }
        }
    }

    fn joined(items: impl Iterator<Item = String>) -> String {
        items.collect::<Vec<_>>().join(", ")
    }

    fn python_text(text: &str) -> String {
        let quote = if text.contains('\'') && !text.contains('"') {
            '"'
        } else {
            '\''
        };
        let escaped = text.chars().map(|character| match character {
            '\\' => "\\\\".into(),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            _ if character == quote => format!("\\{quote}"),
            ' '..='~' => character.to_string(),
            '\0'..='\u{ff}' => format!("\\x{:02x}", character as u32),
            '\u{100}'..='\u{ffff}' => format!("\\u{:04x}", character as u32),
            _ if (character as u32).is_multiple_of(2) => format!("\\U{:08x}", character as u32),
            _ => character.to_string(),
        });
        format!("{quote}{}{quote}", escaped.collect::<String>())
    }

    /// Writes a value as JSON whose characters are all ASCII.
    fn ascii_json(value: &Json) -> String {
        let escape = |character: char| match character.is_ascii() {
            true => character.to_string(),
            false => character
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect(),
        };
        value.to_string().chars().map(escape).collect()
    }

    fn any_value() -> impl Strategy<Value = Json> {
        let text = r#"([ -~]|['"\\/\n\t\x00\x7fé€😀😁]){0,20}"#;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e300..1e300).prop_map(Json::from),
            text.prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// Returns two texts of a list of arguments, with the keys in different orders and notations.
    fn written(arguments: &[(String, Json)], write: fn(&Json) -> String) -> [String; 2] {
        let all = |argument: fn(String, String) -> String| {
            let arguments = arguments
                .iter()
                .map(|(name, value)| argument(write(&name.as_str().into()), write(value)));
            format!("[{}]", joined(arguments))
        };
        [
            all(|name, value| format!("{{'name': {name}, 'type': 'int*', 'value': {value}}}")),
            all(|name, value| format!("{{ \"value\":{value},\"type\" : null, \"name\": {name} }}")),
        ]
    }

    fn any_arguments() -> impl Strategy<Value = Vec<(String, Json)>> {
        prop::collection::vec((r"[ab'é\\]{0,2}", any_value()), 1..5)
    }

    proptest! {
        #[test]
        fn written_values_are_read(arguments in any_arguments(), pick in 0..5_usize) {
            let name = &arguments[pick % arguments.len()].0;
            let first = arguments.iter().find(|(own, value)| own == name && !value.is_null());
            for write in [python, ascii_json, |value: &Json| value.to_string()] {
                let expected = first.and_then(|(_, value)| match value {
                    Json::Null => None,
                    Json::String(text) => Some(text.clone()),
                    Json::Bool(boolean) => Some(boolean.to_string()),
                    other => Some(write(other)),
                });
                for text in written(&arguments, write) {
                    prop_assert_eq!(read(&text, name), Ok(expected.clone()), "{}", text);
                    prop_assert_eq!(read(&text, "absent"), Ok(None), "{}", text);
                }
            }
        }

        #[test]
        fn a_glance_gives_what_reading_all_of_the_text_gives(
            arguments in prop::collection::vec((r#"[ab'"é\\]{0,2}"#, any_value()), 0..9),
            cut in 0..600_usize,
            put in 0..600_usize,
            with in prop_oneof![Just(""), Just("'"), Just("\""), Just("\\"), Just("}"), Just(" "), Just("é"), Just("1")],
        ) {
            for text in [python, ascii_json].into_iter().flat_map(|write| written(&arguments, write)) {
                let is_start = |at: &usize| text.is_char_boundary(*at);
                let (put, cut) = (put.min(text.len()), cut.min(text.len()));
                let put = (0..=put).rev().find(is_start).unwrap_or(0);
                let cut = (0..=cut).rev().find(is_start).unwrap_or(0);
                let changed = format!("{}{with}{}", &text[..put], &text[put..]);
                for text in [&text, &text[..cut], &changed] {
                    for name in ["", "a", "b", "é", "aa", "'"] {
                        prop_assert_eq!(argument(text, name), parsed_argument(text, name), "{} in {}", name, text);
                    }
                }
            }
        }

        #[test]
        fn truncated_texts_are_malformed(arguments in any_arguments()) {
            for text in [python, ascii_json].into_iter().flat_map(|write| written(&arguments, write)) {
                for (end, _) in text.char_indices().skip(1) {
                    prop_assert_eq!(read(&text[..end], &arguments[0].0), Err(Malformed));
                }
            }
        }

        #[test]
        fn no_text_panics(
            start in r"(\[\{'name': 'a', ('type': 'b', )?'value': )?",
            end in r#"[\[\](){}:,'"\\ ntfxuU0-9A-Fé😀.e+-]{0,40}"#,
            any in ".*",
        ) {
            for text in [start + &end, any] {
                let _ = read(&text, "a");
            }
        }
    }
}
