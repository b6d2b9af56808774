//! Formatting of numbers and text for people. Control characters in text from data are escaped, so that they have no
//! effect where the text is shown.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate};

pub(crate) const SECONDS_PER_DAY: f64 = 86_400.0;

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
    match seconds {
        s if s.abs() < 120.0 => format!("{s:.1} s"),
        s if s.abs() < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s.abs() < 2.0 * SECONDS_PER_DAY => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / SECONDS_PER_DAY),
    }
}

/// Returns the name of a day that counts from 0 at a start: its date if the start is 1970-01-01 and the calendar reaches
/// so far, else its number from 1.
pub fn day_name(day: i64, is_date: bool) -> String {
    let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days);
    match date.filter(|_| is_date) {
        Some(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        None => format!("day {}", day.saturating_add(1)),
    }
}

/// Writes a time in words: date and time in UTC if it counts from 1970-01-01, else the duration since the start.
pub fn moment(seconds: f64, is_date: bool) -> String {
    if !is_date {
        return duration(seconds);
    }
    let day = (seconds / SECONDS_PER_DAY).floor();
    let of_day = (seconds - day * SECONDS_PER_DAY).floor() as u64;
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let day = day_name(day as i64, true);
    format!("{day} {hours:02}:{minutes:02}:{seconds:02}")
}

/// Returns text as one line, in which characters that act on a terminal, reorder the text around them or cannot be seen are
/// escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_harmful)
}

/// Returns text as [`printable`] does, but with its line breaks.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| character != '\n' && is_harmful(character))
}

/// Returns whether a character acts on a terminal, reorders the text around it, or cannot be seen, so that a text with it
/// looks like another.
pub fn is_harmful(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// Returns whether a character formats the text around it without a width of its own: marks of direction, joiners, tags,
/// selectors of variants, fillers (Unicode's `Default_Ignorable_Code_Point`, and the separators of lines and paragraphs).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|character| {
        if is_escaped(character) {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    });
    Cow::Owned(escaped.collect())
}

/// The least magnitude of a number other than 0 that is written without a power of ten.
const LEAST_PLAIN: f64 = 1e-4;
/// The magnitude from which on numbers are written with a power of ten. Below it, whole numbers are exact.
const FIRST_WITH_POWER: f64 = 1e15;
/// The magnitude from which on numbers that are not whole are written with a power of ten: most of their digits would say
/// nothing.
const FIRST_ROUNDED_WITH_POWER: f64 = 1e12;
/// The number of digits that are shown of a number that is not whole, from the first that is not 0.
const DIGITS: i32 = 7;

/// Returns a number as text, with commas between thousands: whole numbers in full, others with about seven digits. Very
/// large and very small ones have a power of ten, as in 1.5×10⁻⁷.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let magnitude = value.abs();
    let is_rounded = value.fract() != 0.0 && magnitude >= FIRST_ROUNDED_WITH_POWER;
    if is_rounded || !is_plain(value) {
        return format!("{sign}{}", with_power(magnitude));
    }
    let digits_before = match magnitude {
        0.0 => 1,
        magnitude => magnitude.log10().floor() as i32 + 1,
    };
    let decimals = usize::try_from(DIGITS - digits_before.max(1) - digits_before.min(0));
    let text = format!("{magnitude:.*}", decimals.unwrap_or(0));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// Returns a number as [`number`] does, but without commas and with the minus sign of data.
pub fn plain_number(value: f64) -> String {
    number(value).replace(',', "").replace('−', "-")
}

/// Returns a value of data, in which a long number with a fraction or an exponent is written as [`plain_number`] does. Other
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
    match text.parse() {
        Ok(value) => Cow::Owned(plain_number(value)),
        Err(_) => Cow::Borrowed(text),
    }
}

/// Returns whether [`number`] writes a number without a power of ten.
pub fn is_plain(value: f64) -> bool {
    value == 0.0 || (LEAST_PLAIN..FIRST_WITH_POWER).contains(&value.abs())
}

/// Returns a power of ten, as in 10⁻⁷.
pub fn power_of_ten(exponent: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = |character: char| match character.to_digit(10) {
        Some(digit) => RAISED[digit as usize],
        None => '⁻',
    };
    format!(
        "10{}",
        exponent.to_string().chars().map(raised).collect::<String>()
    )
}

/// Returns a positive number with five digits and a power of ten.
fn with_power(magnitude: f64) -> String {
    let text = format!("{magnitude:.4e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let power = power_of_ten(exponent.parse().unwrap_or(0));
    match digits {
        "1" => power,
        digits => format!("{digits}×{power}"),
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
            -1.234_56e300,
            0.000_123,
            1_234_567.8,
            4_026_531_841.2,
            0.9999,
            f64::INFINITY,
        ];
        let shown = [
            "0",
            "−3",
            "4,026,531,840",
            "1,350.001",
            "0.5",
            "−12.34568",
            "10⁻⁷",
            "−1.2346×10³⁰⁰",
            "0.000123",
            "1,234,568",
            "4,026,531,841",
            "0.9999",
            "inf",
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
            (1e300, "10³⁰⁰"),
            (9.007_199_254_740_993e15, "9.0072×10¹⁵"),
            (-1e-9, "-10⁻⁹"),
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
        for hidden in [
            '\u{9b}',
            '\u{200b}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '\u{fe0f}',
            '\u{ad}',
        ] {
            let text = format!("a{hidden}b");
            assert_eq!(printable(&text), format!("a{}b", hidden.escape_default()));
        }
        assert_eq!(printable("größe <b>"), "größe <b>");
        assert_eq!(printable_lines("two\nlines\t"), "two\nlines\\t");
    }
}
