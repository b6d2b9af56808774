//! The schemas of JSON answers in `docs/formats/json`, and a check of answers against them.
//!
//! The check knows the keywords of JSON Schema that these schemas use, and refuses a schema with any other keyword.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

/// The definitions that schemas share, which is not the schema of an answer.
const SHARED: &str = "common.schema.json";

/// The schemas by their file names.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/json");
    let files = std::fs::read_dir(&folder).expect("the folder of the schemas");
    let schemas = files.map(|file| {
        let file = file.expect("a schema");
        let text = std::fs::read_to_string(file.path()).expect("a schema");
        let name = file.file_name().into_string().expect("a name");
        let schema = serde_json::from_str(&text);
        (name, schema.expect("a schema is JSON"))
    });
    schemas.collect()
});

/// Returns the formats that have a schema.
pub fn formats() -> Vec<String> {
    let answers = SCHEMAS.keys().filter(|name| *name != SHARED);
    let names = answers.map(|name| name.trim_end_matches(".schema.json"));
    names.map(|name| format!("honeyguide-{name}")).collect()
}

/// Parses an answer, which must be valid.
pub fn valid_answer(text: &str) -> Value {
    let answer: Value = serde_json::from_str(text).expect("an answer is JSON");
    let faults = faults(&answer);
    assert!(faults.is_empty(), "{}\n{text}", faults.join("\n"));
    answer
}

/// Returns what is wrong with an answer, by the schema of its format.
pub fn faults(answer: &Value) -> Vec<String> {
    let format = answer["format"].as_str().unwrap_or_default();
    let file = format!("{}.schema.json", format.trim_start_matches("honeyguide-"));
    let mut faults = Vec::new();
    match SCHEMAS.get(&file) {
        Some(schema) => check(&file, schema, answer, "answer", &mut faults),
        None => faults.push(format!("no schema for the format {format:?}")),
    }
    faults
}

/// Adds what is wrong with the value at `place`, by a schema of `file`.
fn check(file: &str, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if let Some(fits) = schema.as_bool() {
        if !fits {
            faults.push(format!("{place}: not documented"));
        }
        return;
    }
    let keywords = schema.as_object().expect("a schema is an object");
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let (file, schema) = referenced(file, wanted.as_str().expect("a reference"));
                check(file, schema, value, place, faults);
            }
            "anyOf" | "oneOf" => check_choice(file, keyword, wanted, value, place, faults),
            "properties" | "additionalProperties" | "required" => {
                check_member(file, keyword, schema, value, place, faults);
            }
            "items" | "prefixItems" => check_items(file, keyword, schema, value, place, faults),
            _ if fits(keyword, wanted, value) => {}
            _ => faults.push(format!("{place}: {value} is not of {keyword} {wanted}")),
        }
    }
}

/// Returns the schema that a reference in `file` names, and its file.
fn referenced<'a>(file: &'a str, reference: &'a str) -> (&'a str, &'static Value) {
    let (other, pointer) = reference.split_once('#').expect("a reference has a #");
    let file = if other.is_empty() { file } else { other };
    let schema = SCHEMAS.get(file).and_then(|all| all.pointer(pointer));
    (
        file,
        schema.unwrap_or_else(|| panic!("{reference}: no such definition")),
    )
}

/// Adds a fault unless the value fits one of the schemas, or exactly one.
fn check_choice(
    file: &str,
    keyword: &str,
    schemas: &Value,
    value: &Value,
    place: &str,
    faults: &mut Vec<String>,
) {
    let schemas = schemas.as_array().expect("a list of schemas");
    let of_each = schemas.iter().map(|schema| {
        let mut faults = Vec::new();
        check(file, schema, value, place, &mut faults);
        faults
    });
    let of_each: Vec<Vec<String>> = of_each.collect();
    let fitting = of_each.iter().filter(|faults| faults.is_empty()).count();
    if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
        faults.push(format!("{place}: fits {fitting} of {keyword}:"));
        faults.extend(of_each.into_iter().flatten());
    }
}

/// Checks the members of an object by one keyword.
fn check_member(
    file: &str,
    keyword: &str,
    schema: &Value,
    value: &Value,
    place: &str,
    faults: &mut Vec<String>,
) {
    let Some(members) = value.as_object() else {
        return;
    };
    if keyword == "required" {
        let names = schema["required"].as_array().expect("a list of names");
        let mut names = names.iter().filter_map(Value::as_str);
        faults.extend(
            names
                .find(|name| !members.contains_key(*name))
                .map(|name| format!("{place}: no {name}")),
        );
        return;
    }
    let documented = schema.get("properties").and_then(Value::as_object);
    for (name, member) in members {
        let of_member = documented.and_then(|documented| documented.get(name));
        let schema = match keyword {
            "properties" => of_member,
            _ if of_member.is_some() => None,
            _ => Some(&schema["additionalProperties"]),
        };
        if let Some(schema) = schema {
            check(file, schema, member, &format!("{place}.{name}"), faults);
        }
    }
}

/// Checks the entries of an array by one keyword.
fn check_items(
    file: &str,
    keyword: &str,
    schema: &Value,
    value: &Value,
    place: &str,
    faults: &mut Vec<String>,
) {
    let first = schema.get("prefixItems").and_then(Value::as_array);
    let n_first = first.map_or(0, Vec::len);
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let schema = match keyword {
            "items" => (index >= n_first).then_some(&schema["items"]),
            _ => first.and_then(|first| first.get(index)),
        };
        if let Some(schema) = schema {
            check(file, schema, item, &format!("{place}[{index}]"), faults);
        }
    }
}

/// Returns whether a value fits a keyword that looks at the value alone.
fn fits(keyword: &str, wanted: &Value, value: &Value) -> bool {
    let number = |of: &Value| of.as_f64().expect("a number");
    let size = || value.as_array().map(|items| items.len() as u64);
    match keyword {
        "type" => match wanted {
            Value::Array(types) => types.iter().any(|wanted| is_of_type(wanted, value)),
            wanted => is_of_type(wanted, value),
        },
        "const" => wanted == value,
        "enum" => wanted.as_array().expect("a list").contains(value),
        "minimum" => value.as_f64().is_none_or(|value| value >= number(wanted)),
        "maximum" => value.as_f64().is_none_or(|value| value <= number(wanted)),
        "minItems" => size().is_none_or(|size| Some(size) >= wanted.as_u64()),
        "maxItems" => size().is_none_or(|size| Some(size) <= wanted.as_u64()),
        _ => panic!("the check of schemas does not know the keyword {keyword}"),
    }
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => panic!("no type of JSON: {wanted}"),
    }
}
