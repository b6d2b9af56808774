//! The width of the terminal that results are shown on.

use std::sync::atomic::{AtomicUsize, Ordering};

use console::Term;

/// The greatest width of prose, in columns.
const PROSE: usize = 80;

/// The width of the terminal in columns; 0 if results go elsewhere.
static WIDTH: AtomicUsize = AtomicUsize::new(0);

/// Measures the terminal that results are about to be written to. If the stream is no terminal, lines have any length.
pub fn measure(stream: &Term) {
    let size = stream.is_term().then(|| stream.size_checked()).flatten();
    let width = size.map_or(0, |(_, width)| usize::from(width));
    WIDTH.store(width, Ordering::Relaxed);
}

/// Returns the width of the terminal; `None` if results go elsewhere.
pub fn width() -> Option<usize> {
    match WIDTH.load(Ordering::Relaxed) {
        0 => None,
        width => Some(width),
    }
}

/// Returns the greatest length of a line: the width of the terminal, or any if results go elsewhere.
pub fn line_width() -> usize {
    width().unwrap_or(usize::MAX)
}

/// Returns the width of prose: that of the terminal, but at most 80 columns.
pub fn prose_width() -> usize {
    width().map_or(PROSE, |width| width.min(PROSE))
}
