//! Text on a terminal. What comes from data never acts there: control characters are shown as escapes.

use std::borrow::Cow;

use console::style;

/// A heading.
pub fn heading(text: &str) -> String {
    style(text).bold().to_string()
}

/// One line of text in which nothing acts on the terminal.
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

#[cfg(test)]
mod tests {
    use super::*;

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
