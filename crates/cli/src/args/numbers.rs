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
}
