//! Formatting of numbers and text for people. Control characters in text from data are escaped, so that they have no
//! effect where the text is shown.

use std::borrow::Cow;

/// Returns a count with commas between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with its noun: `one` for 1, `many` for any other number.
pub fn of_them(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a share as a percentage, with enough digits to distinguish it from 0 and from 100 %. All percentages that
/// people read are written so.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let distance = value.min(100.0 - value).abs();
    let digits = match distance {
        d if d == 0.0 || d >= 9.95 => 1,
        d if d >= 0.0995 => 2,
        d if d >= 0.000_995 => 4,
        d if d >= 0.000_000_5 => 6,
        _ if value < 50.0 => return "less than 0.000001 %".into(),
        _ => return "more than 99.999999 %".into(),
    };
    format!("{value:.digits$} %")
}

/// Returns the share of `part` in `whole` as a percentage, or `-` if `whole` is 0.
pub fn percent_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        "-".into()
    } else {
        percent(part as f64 / whole as f64)
    }
}

/// Returns a figure with four digits after the point, or "undefined".
pub fn defined(figure: Option<f64>) -> String {
    figure.map_or_else(|| "undefined".into(), |figure| format!("{figure:.4}"))
}

/// Writes a duration in the unit that suits it: seconds, minutes, hours or days.
pub fn duration(seconds: f64) -> String {
    const DAY: f64 = 86_400.0;
    match seconds {
        s if s.abs() < 120.0 => format!("{s:.1} s"),
        s if s.abs() < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s.abs() < 2.0 * DAY => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / DAY),
    }
}

/// Returns text as one line, in which characters that act on a terminal or reorder the text around them are escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_harmful)
}

/// Returns text as [`printable`] does, but with its line breaks.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| character != '\n' && is_harmful(character))
}

/// Returns whether a character is a control character, or reorders the text around it.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, is_harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_harmful) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|character| {
        if is_harmful(character) {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    });
    Cow::Owned(escaped.collect())
}

/// Returns a number in at most about 13 characters: short whole numbers in full with commas, others with about six
/// significant digits.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e12 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(magnitude as u64));
    }
    significant(value).replace('-', "−")
}

/// Returns a number as data writes it, but no longer than people read: whole numbers below 10¹⁵ in full and without
/// commas, others with about six significant digits.
pub fn plain_number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        // The sum turns −0 into 0.
        return format!("{}", value + 0.0);
    }
    significant(value)
}

/// Returns a value of data, in which a long number with a fraction or an exponent has about six significant digits. Other
/// text stays as it is. So do whole numbers, which can be ids, and short numbers, which can be versions.
pub fn shortened(text: &str) -> Cow<'_, str> {
    const MAX_DIGITS: usize = 14;
    let is_number = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !is_number || !text.contains(['.', 'e', 'E']) || digits <= MAX_DIGITS {
        return Cow::Borrowed(text);
    }
    match text.parse::<f64>() {
        Ok(value) => {
            let short = plain_number(value);
            match short.len() < text.len() {
                true => Cow::Owned(short),
                false => Cow::Borrowed(text),
            }
        }
        Err(_) => Cow::Borrowed(text),
    }
}

/// Returns a number with about six significant digits.
fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if !(1e-4..1e9).contains(&magnitude) {
        return format!("{value:.4e}");
    }
    let digits_before = magnitude.log10().floor().max(0.0) as usize + 1;
    let text = format!("{value:.*}", 7_usize.saturating_sub(digits_before).max(1));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 999, 1000, 763_144, 10_000_000].map(count),
            ["0", "999", "1,000", "763,144", "10,000,000"]
        );
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [
            0.0,
            -3.0,
            4_026_531_840.0,
            1_350.000_954,
            0.5,
            -12.345_678,
            1e-7,
            1e300,
            0.000_123,
        ];
        let shown = [
            "0",
            "−3",
            "4,026,531,840",
            "1350.001",
            "0.5",
            "−12.34568",
            "1.0000e−7",
            "1.0000e300",
            "0.000123",
        ];
        assert_eq!(numbers.map(number), shown);
    }

    #[test]
    fn numbers_of_data_have_no_commas_and_few_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-2.0, "-2"),
            (65_536.0, "65536"),
            (0.1 + 0.2, "0.3"),
            (5.209_486_152_841_421, "5.209486"),
            (1e300, "1.0000e300"),
            (9.007_199_254_740_993e15, "9.0072e15"),
            (-1e-9, "-1.0000e-9"),
        ] {
            assert_eq!(plain_number(value), shown);
        }
        for (text, shown) in [
            ("0.30000000000000004", "0.3"),
            ("9223372036854775807", "9223372036854775807"),
            ("0.5", "0.5"),
            ("1e5", "1e5"),
            ("3.10", "3.10"),
            ("12.340000000000000000", "12.34"),
            ("10.0.0.1", "10.0.0.1"),
            ("e", "e"),
            ("/usr/lib/libc.so.6", "/usr/lib/libc.so.6"),
            ("", ""),
        ] {
            assert_eq!(shortened(text), shown);
        }
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let durations = [0.0, 119.9, 120.0, 5_400.0, 7_200.0, 172_799.0, 259_200.0];
        let shown = [
            "0.0 s", "119.9 s", "2.0 min", "90.0 min", "2.0 h", "48.0 h", "3.0 days",
        ];
        assert_eq!(durations.map(duration), shown);
    }

    #[test]
    fn shares_close_to_0_or_1_are_not_rounded_to_them() {
        let shares = [
            0.0,
            1.0,
            0.5,
            0.05,
            0.001,
            0.000_1,
            0.999_9,
            0.000_001,
            1e-12,
            1.0 - 1e-12,
        ];
        let shown = [
            "0.0 %",
            "100.0 %",
            "50.0 %",
            "5.00 %",
            "0.10 %",
            "0.0100 %",
            "99.9900 %",
            "0.000100 %",
            "less than 0.000001 %",
            "more than 99.999999 %",
        ];
        assert_eq!(shares.map(percent), shown);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            printable("\u{1b}[31mred\u{1b}[0m\n"),
            "\\u{1b}[31mred\\u{1b}[0m\\n"
        );
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("größe <b>"), "größe <b>");
        assert_eq!(printable_lines("two\nlines\t"), "two\nlines\\t");
    }
}
