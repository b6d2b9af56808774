//! The values of some keys, as a line writes them.

use std::borrow::Cow;

use memchr::memchr;
use memchr::memmem::Finder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::Lenient;
use super::lines::Lines;
use crate::error::Result;
use crate::source::file::DataFile;
use crate::source::place::Origin;

/// Passes each value of `keys`, and its key, to `visit`, which returns whether it wants more values of this key. Ends when no
/// more values are wanted, or the file ends. Nulls, and lines that are not JSON objects, are left out.
///
/// # Errors
/// Fails when the file cannot be read.
pub(in crate::source) fn for_each_value(
    file: &DataFile,
    keys: &[String],
    mut visit: impl FnMut(&str, &RawValue) -> bool,
) -> Result<()> {
    let mut lines = Lines::new(file.read()?);
    let mut lenient = Lenient::default();
    let mut keys = keys.to_vec();
    let mut finders = finders(&keys);
    for number in 1.. {
        let line = lines.next();
        let line = line.map_err(|error| Origin::File(file.clone()).read_error(number, error))?;
        let Some(line) = line else {
            break;
        };
        let bytes = line.bytes.map(<[u8]>::trim_ascii);
        let Some(bytes) = bytes.filter(|bytes| may_have_values(bytes, &finders)) else {
            continue;
        };
        let found = match values(bytes, &keys) {
            Ok(found) => found,
            Err(_) if lenient.read(bytes) => values(lenient.line(), &keys).unwrap_or_default(),
            Err(_) => continue,
        };
        let found = keys.iter().zip(found);
        let done: Vec<String> = found
            .filter_map(|(key, value)| {
                let value = value.filter(|value| value.get() != "null")?;
                (!visit(key, value)).then(|| key.clone())
            })
            .collect();
        if !done.is_empty() {
            keys.retain(|key| !done.contains(key));
            finders = self::finders(&keys);
        }
        if keys.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Returns what finds each of `keys` with its quotes in a line.
fn finders(keys: &[String]) -> Vec<Finder<'static>> {
    let quoted = keys.iter().map(|key| format!("\"{key}\""));
    quoted.map(|key| Finder::new(&key).into_owned()).collect()
}

/// Returns whether a line may have a value of a key other than null. This is much faster than parsing the line, and most
/// lines have none.
fn may_have_values(line: &[u8], finders: &[Finder]) -> bool {
    // A key may be written with escapes.
    memchr(b'\\', line).is_some() || finders.iter().any(|key| has_value(line, key))
}

fn has_value(line: &[u8], key: &Finder) -> bool {
    let mut found = key.find_iter(line);
    found.any(|start| {
        let after = line[start + key.needle().len()..].trim_ascii_start();
        let value = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        !value.is_some_and(|value| value.starts_with(b"null"))
    })
}

/// Returns the number that is the value of `key` in a line, as it is written there.
pub(super) fn number<'l>(line: &'l [u8], key: &str) -> Option<&'l str> {
    let found = values(line, &[key.to_owned()]).ok()?;
    let literal = (*found.first()?)?.get();
    let is_number = literal.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    is_number.then_some(literal)
}

/// Returns the last value of each of `keys` in a line.
fn values<'l>(line: &'l [u8], keys: &[String]) -> serde_json::Result<Vec<Option<&'l RawValue>>> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let found = Pick(keys).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// Reads the values of some keys of an object.
struct Pick<'k>(&'k [String]);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut object: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut found = vec![None; self.0.len()];
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            match self.0.iter().position(|wanted| *wanted == key) {
                Some(at) => found[at] = Some(object.next_value()?),
                None => object.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_value_are_told_by_their_bytes() {
        let finders = finders(&["n".to_owned()]);
        for (line, may) in [
            (r#"{"n":null,"m":1}"#, false),
            (r#"{"n" : null}"#, false),
            (r#"{"m":1}"#, false),
            (r#"{"n":1}"#, true),
            (r#"{"m":{"n":null},"n":1}"#, true),
            (r#"{"m":"n","n":null}"#, true),
            (r#"{"\u006e":1}"#, true),
        ] {
            assert_eq!(may_have_values(line.as_bytes(), &finders), may, "{line}");
        }
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let line = br#"{"a":"1","n":1.50,"big":123456789012345678901,"n":-2.250}"#;
        assert_eq!(number(line, "n"), Some("-2.250"));
        assert_eq!(number(line, "big"), Some("123456789012345678901"));
        assert_eq!(number(line, "a"), None);
        assert_eq!(number(line, "none"), None);
        assert_eq!(number(b"[1]", "n"), None);
    }
}
