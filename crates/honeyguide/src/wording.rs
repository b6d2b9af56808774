//! Numbers and text for people. What comes from data never acts where it is shown: control characters become escapes.

use std::borrow::Cow;

/// A count with separators between thousands.
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

/// A number with its noun.
pub fn of_them(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A share as a percentage, with as many digits as tell it from 0 and from 100 %.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let distance = value.min(100.0 - value).abs();
    let digits = match distance {
        d if d == 0.0 || d >= 9.95 => 1,
        d if d >= 0.0995 => 2,
        d if d >= 0.000_995 => 4,
        _ => 6,
    };
    format!("{value:.digits$} %")
}

/// A share given by its parts.
pub fn percent_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        "-".into()
    } else {
        percent(part as f64 / whole as f64)
    }
}

/// A figure that may not be defined.
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

/// One line of text in which nothing acts on a terminal or reorders what stands around it.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_harmful)
}

/// Like [`printable`], for text that may have several lines.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| character != '\n' && is_harmful(character))
}

/// Control characters, and those that reorder the text around them.
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

/// A number in at most 13 characters or so: whole ones in full where they are short, others with six digits.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e12 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(magnitude as u64));
    }
    if !(1e-4..1e9).contains(&magnitude) {
        return format!("{value:.4e}").replace('-', "−");
    }
    let digits_before = magnitude.log10().floor().max(0.0) as usize + 1;
    let text = format!("{value:.*}", 7_usize.saturating_sub(digits_before).max(1));
    let short = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    short.replace('-', "−")
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
    fn durations_have_the_unit_that_suits_them() {
        let durations = [0.0, 119.9, 120.0, 5_400.0, 7_200.0, 172_799.0, 259_200.0];
        let shown = [
            "0.0 s", "119.9 s", "2.0 min", "90.0 min", "2.0 h", "48.0 h", "3.0 days",
        ];
        assert_eq!(durations.map(duration), shown);
    }

    #[test]
    fn small_shares_are_not_rounded_away() {
        let shares = [0.0, 1.0, 0.5, 0.05, 0.001, 0.000_1, 0.999_9, 0.000_001];
        let shown = [
            "0.0 %",
            "100.0 %",
            "50.0 %",
            "5.00 %",
            "0.10 %",
            "0.0100 %",
            "99.9900 %",
            "0.000100 %",
        ];
        assert_eq!(shares.map(percent), shown);
    }

    #[test]
    fn what_acts_on_a_terminal_is_shown_instead() {
        assert_eq!(
            printable("\u{1b}[31mred\u{1b}[0m\n"),
            "\\u{1b}[31mred\\u{1b}[0m\\n"
        );
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("größe <b>"), "größe <b>");
        assert_eq!(printable_lines("two\nlines\t"), "two\nlines\\t");
    }
}
