//! Numbers for people.

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
}
