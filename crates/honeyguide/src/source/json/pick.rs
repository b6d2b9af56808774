//! The values of some keys, as a line writes them.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::Lenient;
use super::lines::Lines;
use crate::error::Result;
use crate::source::file::DataFile;
use crate::source::place::Origin;

/// Passes the values of `keys` in each line of `file` to `visit`, until it returns false or the file ends. Lines that are
/// not JSON objects are left out.
///
/// # Errors
/// Fails when the file cannot be read.
pub(in crate::source) fn for_each_value(
    file: &DataFile,
    keys: &[String],
    mut visit: impl FnMut(&[Option<&RawValue>]) -> bool,
) -> Result<()> {
    let mut lines = Lines::new(file.read()?);
    let mut lenient = Lenient::default();
    for number in 1.. {
        let line = lines.next();
        let line = line.map_err(|error| Origin::File(file.clone()).read_error(number, error))?;
        let Some(line) = line else {
            break;
        };
        let Some(bytes) = line.bytes.filter(|bytes| !bytes.is_empty()) else {
            continue;
        };
        let found = match values(bytes, keys) {
            Ok(found) => Some(found),
            Err(_) if lenient.read(bytes) => values(lenient.line(), keys).ok(),
            Err(_) => None,
        };
        if let Some(found) = found
            && !visit(&found)
        {
            break;
        }
    }
    Ok(())
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
    fn a_number_keeps_its_digits() {
        let line = br#"{"a":"1","n":1.50,"big":123456789012345678901,"n":-2.250}"#;
        assert_eq!(number(line, "n"), Some("-2.250"));
        assert_eq!(number(line, "big"), Some("123456789012345678901"));
        assert_eq!(number(line, "a"), None);
        assert_eq!(number(line, "none"), None);
        assert_eq!(number(b"[1]", "n"), None);
    }
}
