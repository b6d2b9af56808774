//! The layout of text on a terminal.

use console::style;
use honeyguide::wording::printable;

/// Returns the text as a heading, in bold.
pub fn heading(text: &str) -> String {
    style(text).bold().to_string()
}

/// Returns the text as one printable line of at most `width` columns, truncated with an ellipsis.
pub fn fitted(text: &str, width: usize) -> String {
    console::truncate_str(&printable(text), width, "…").into_owned()
}

/// Returns the text as lines of at most `width` columns, broken between words.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line)
                if console::measure_text_width(line) + console::measure_text_width(word)
                    < width =>
            {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Returns the counts as bars in steps of an eighth. The highest has full height, and a count above zero is always
/// visible.
pub fn bars(counts: &[f64]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = counts.iter().copied().fold(0.0, f64::max);
    let bar = |count: &f64| match count {
        count if *count > 0.0 => BARS[((count / highest * 8.0).round() as usize).clamp(1, 8)],
        _ => BARS[0],
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_harmless() {
        assert_eq!(fitted("\u{1b}[31mred", 6), "\\u{1b…");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensible a", 8), ["incomprehensible", "a"]);
    }

    #[test]
    fn the_least_count_is_seen_in_the_bars() {
        assert_eq!(bars(&[0.0, 1.0, 500.0, 1000.0]), " ▁▄█");
        assert_eq!(bars(&[0.0]), " ");
    }
}
