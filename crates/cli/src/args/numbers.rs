//! Parsers of numeric arguments, whose messages state the limits.

use std::fmt::Display;
use std::str::FromStr;

/// Returns a parser of a whole number from `least` to `most`.
pub fn whole<T: FromStr + PartialOrd + Display + Clone>(
    least: T,
    most: T,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    within("whole number", least, most)
}

/// Returns a parser of a number from `least` to `most`.
pub fn number(least: f64, most: f64) -> impl Fn(&str) -> Result<f64, String> + Clone {
    within("number", least, most)
}

/// Reads a seed.
pub fn seed(text: &str) -> Result<u64, String> {
    whole(0, u64::MAX)(text)
}

/// Reads a number of bytes, or of KiB, MiB, GiB or TiB as in `512M`, `48G` or `48GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of bytes; write it as 512M or 48G");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let power = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 1,
        "M" | "MiB" => 2,
        "G" | "GiB" => 3,
        "T" | "TiB" => 4,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(1 << (10 * power)).ok_or_else(wrong)?;
    (bytes > 0).then_some(bytes).ok_or_else(wrong)
}

fn within<T: FromStr + PartialOrd + Display + Clone>(
    what: &'static str,
    least: T,
    most: T,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if (&least..=&most).contains(&&value) => Ok(value),
        _ => Err(format!("must be a {what} from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_belong_to_the_range() {
        let parse = whole(2, 9);
        assert_eq!([parse("2"), parse("9")], [Ok(2), Ok(9)]);
        for text in ["1", "10", "-5", "2.5", "", "99999999999999999999"] {
            assert_eq!(
                parse(text),
                Err("must be a whole number from 2 to 9".into())
            );
        }
        assert_eq!(number(0.0, 1.0)("0.5"), Ok(0.5));
        assert!(number(0.0, 1.0)("nan").is_err());
    }

    #[test]
    fn bytes_may_have_a_unit() {
        for (text, expected) in [
            ("1", 1),
            ("7B", 7),
            ("3K", 3 << 10),
            ("512M", 512 << 20),
            ("48GiB", 48 << 30),
            ("2T", 2 << 40),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "G", "-1", "1.5G", "1 G", "1Q", "99999999T"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
