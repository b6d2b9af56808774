//! Numbers as text writes them, and the narrowest type that holds all of a column's numbers without a loss.

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};

/// The number of significant digits up to which doubles hold every decimal apart from all others.
const DOUBLE_DIGITS: usize = 15;
/// The most digits after the point that the exact value of a double has: that of 2^-1074.
const MOST_DOUBLE_FRACTION: usize = 1074;

/// What the literals of numbers ask of a type that is to hold them all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The number of literals.
    pub count: usize,
    /// The number of those that are whole numbers of 64 bits with a sign.
    pub signed: usize,
    /// The number of those that are whole numbers of 64 bits without a sign.
    unsigned: usize,
    /// The number of those that are whole numbers of any length.
    whole: usize,
    /// Whether some have an exponent or are not finite, so that no decimal holds them.
    has_floats: bool,
    /// Whether some have digits that a double loses.
    has_inexact: bool,
    /// The most digits before the point.
    before: usize,
    /// The most digits after the point.
    after: usize,
    /// Whether some begin with a zero before another digit.
    pub has_leading_zero: bool,
}

impl Numbers {
    /// Returns what the literal `text` asks for, or `None` if it is not a number.
    pub fn of(text: &str) -> Option<Self> {
        let value: f64 = text.parse().ok()?;
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let one = Self {
            count: 1,
            has_leading_zero: before.len() > 1
                && before.starts_with('0')
                && is_plain(before)
                && is_plain(after),
            ..Self::default()
        };
        if !is_plain(before) || !is_plain(after) {
            return Some(Self {
                has_floats: true,
                ..one
            });
        }
        let before = before.trim_start_matches('0');
        let is_whole = !digits.contains('.');
        Some(Self {
            signed: usize::from(text.parse::<i64>().is_ok()),
            unsigned: usize::from(text.parse::<u64>().is_ok()),
            whole: usize::from(is_whole),
            has_inexact: before.len() + after.len() > DOUBLE_DIGITS
                && !is_kept(value, before, after),
            before: before.len(),
            after: after.len(),
            ..one
        })
    }

    /// Returns what the literals of `self` and of `other` ask for together.
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            signed: self.signed + other.signed,
            unsigned: self.unsigned + other.unsigned,
            whole: self.whole + other.whole,
            has_floats: self.has_floats || other.has_floats,
            has_inexact: self.has_inexact || other.has_inexact,
            before: self.before.max(other.before),
            after: self.after.max(other.after),
            has_leading_zero: self.has_leading_zero || other.has_leading_zero,
        }
    }

    /// Returns the narrowest type that holds all numbers exactly; where there is none, doubles for numbers with
    /// fractions, and text for whole numbers.
    pub fn data_type(&self) -> DataType {
        let fits_decimal =
            !self.has_floats && self.before + self.after <= usize::from(DECIMAL128_MAX_PRECISION);
        let scale = i8::try_from(self.after).ok().filter(|_| fits_decimal);
        let decimal = scale.map(|scale| DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale));
        if self.whole == self.count {
            return match self.count {
                all if all == self.signed => DataType::Int64,
                all if all == self.unsigned => DataType::UInt64,
                _ => decimal.unwrap_or(DataType::Utf8),
            };
        }
        match decimal {
            Some(decimal) if self.has_inexact => decimal,
            _ => DataType::Float64,
        }
    }

    /// Returns whether all numbers are written in digits, with a point at most.
    pub fn are_in_digits(&self) -> bool {
        !self.has_floats
    }

    /// Returns whether `data_type` loses digits of some of the numbers.
    pub fn lose_digits_as(&self, data_type: &DataType) -> bool {
        *data_type == DataType::Float64 && self.has_inexact
    }
}

/// Returns whether a double that was read from digits before and after a point still tells them all.
fn is_kept(value: f64, before: &str, after: &str) -> bool {
    let after = after.trim_end_matches('0');
    if after.len() > MOST_DOUBLE_FRACTION {
        return false;
    }
    let before = if before.is_empty() { "0" } else { before };
    let written = format!("{:.*}", after.len(), value.abs());
    let mut parts = written.splitn(2, '.');
    let (whole, fraction) = (parts.next(), parts.next().unwrap_or_default());
    whole == Some(before) && fraction == after
}

/// Returns whether a double is this whole number, and not only near it.
pub(super) fn holds(number: f64, integer: i128) -> bool {
    // Beyond the range of 128 bits the conversion gives its bound, which is no whole number of a double.
    number as i128 == integer
}

/// Returns the number that `text` writes, in units of 10^-`scale`; `None` if it is no decimal, or if digits would be lost.
pub(super) fn scaled(text: &str, scale: i8) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let after = after.trim_end_matches('0');
    let scale = usize::try_from(scale).ok()?;
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (before.is_empty() && !digits.contains('.'))
        || !is_plain(before)
        || !is_plain(after)
        || after.len() > scale
        || before.trim_start_matches('0').len() + scale > usize::from(DECIMAL128_MAX_PRECISION)
    {
        return None;
    }
    let padding = std::iter::repeat_n(b'0', scale - after.len());
    let all = before.bytes().chain(after.bytes()).chain(padding);
    let magnitude = all.fold(0, |sum: i128, digit| sum * 10 + i128::from(digit - b'0'));
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_type(literals: &[&str]) -> DataType {
        let each = literals.iter().map(|literal| Numbers::of(literal));
        let all = each.map(|numbers| numbers.expect("a number"));
        all.reduce(Numbers::and).unwrap().data_type()
    }

    /// The exact ones were worked out with Python: `int(float(x)) == x` and `Decimal(float(x))`.
    #[test]
    fn the_narrowest_exact_type_is_found() {
        let exact = |scale| DataType::Decimal128(38, scale);
        for (literals, expected) in [
            (&["1", "-2", "+3"][..], DataType::Int64),
            (&["9223372036854775807"], DataType::Int64),
            (&["9223372036854775808", "0"], DataType::UInt64),
            (&["18446744073709551615"], DataType::UInt64),
            (&["18446744073709551616"], exact(0)),
            (&["9223372036854775808", "-1"], exact(0)),
            (&["123456789012345678901234567890123456789"], DataType::Utf8),
            (&["0.5", "1e300", "NaN"], DataType::Float64),
            (&["0.30000000000000004"], DataType::Float64),
            (&["9007199254740992", "0.5"], DataType::Float64),
            (&["9007199254740993", "0.5"], exact(1)),
            (&["1758000000.123456789"], exact(9)),
            (&["9007199254740993", "1e3"], DataType::Float64),
            (
                &["0.1", "12345678901234567890123456789012345678"],
                DataType::Float64,
            ),
        ] {
            assert_eq!(data_type(literals), expected, "{literals:?}");
        }
        for text in ["", "x", "1,5", "0x10", "1 2", "--1", "."] {
            assert_eq!(Numbers::of(text), None, "{text}");
        }
    }

    #[test]
    fn digits_that_a_double_loses_are_noticed() {
        for (literal, loses) in [
            ("9007199254740993", true),
            ("9007199254740992", false),
            ("0.1", false),
            ("123456789.12345678901", true),
            ("0.5000000000000000000000", false),
            (&format!("0.{}1", "0".repeat(100_000)), true),
            (&format!("0.5{}", "0".repeat(100_000)), false),
            (&"9".repeat(100_000), true),
        ] {
            let numbers = Numbers::of(literal).unwrap();
            assert_eq!(
                numbers.lose_digits_as(&DataType::Float64),
                loses,
                "{literal}"
            );
        }
    }

    #[test]
    fn decimals_keep_every_digit_or_are_refused() {
        for (text, scale, expected) in [
            ("1.5", 2, Some(150)),
            ("-0.05", 2, Some(-5)),
            ("7", 0, Some(7)),
            ("7.000", 0, Some(7)),
            ("+.5", 1, Some(5)),
            ("1.55", 1, None),
            ("1e3", 0, None),
            ("", 0, None),
            (
                "99999999999999999999999999999999999999",
                0,
                Some(10_i128.pow(38) - 1),
            ),
            ("99999999999999999999999999999999999999", 1, None),
        ] {
            assert_eq!(scaled(text, scale), expected, "{text}");
        }
    }

    #[test]
    fn leading_zeros_are_noticed() {
        for (literal, has) in [
            ("007", true),
            ("-01.5", true),
            ("0", false),
            ("0.5", false),
            ("10", false),
        ] {
            assert_eq!(
                Numbers::of(literal).unwrap().has_leading_zero,
                has,
                "{literal}"
            );
        }
    }
}
