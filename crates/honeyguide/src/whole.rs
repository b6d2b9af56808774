//! Whole numbers that doubles and texts stand for, where no digit is lost.

/// The powers of two that bound the integers of 64 bits: −2^63 is one, 2^63 is none.
const BOUND: f64 = 9_223_372_036_854_775_808.0;

/// The number up to which doubles tell all whole numbers apart: 2^53.
pub(crate) const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns the whole number that a double is.
pub(crate) fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && (-BOUND..BOUND).contains(&number);
    is_whole.then_some(number as i64)
}

/// Returns the whole number that a text is: digits, also with spaces around them, a fraction of zeros, or an exponent.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(integer) = text.parse() {
        return Some(integer);
    }
    if let Some((digits, fraction)) = text.split_once('.')
        && fraction.bytes().all(|digit| digit == b'0')
        && !digits.trim_start_matches(['+', '-']).is_empty()
    {
        return digits.parse().ok();
    }
    // A double has no more than 53 bits: a larger number may have lost digits.
    let number = text.parse().ok().and_then(whole)?;
    (number.unsigned_abs() <= 1 << 53).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_whole_numbers_where_no_digit_is_lost() {
        for (text, expected) in [
            ("33", Some(33)),
            (" 33 ", Some(33)),
            ("33.0", Some(33)),
            ("-33.000", Some(-33)),
            ("3.3e1", Some(33)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e18", None),
            ("33.5", None),
            (".0", Some(0)),
            ("-.0", Some(0)),
            ("nan", None),
            ("x", None),
        ] {
            assert_eq!(whole_number(text), expected, "{text}");
        }
    }
}
