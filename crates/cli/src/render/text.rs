//! Text on a terminal.

use console::style;

/// A heading.
pub fn heading(text: &str) -> String {
    style(text).bold().to_string()
}
