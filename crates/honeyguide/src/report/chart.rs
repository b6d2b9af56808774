//! Charts: traces of the kept library, and text in them that is only ever text.

use plotly::common::{ColorScale, ColorScaleElement, Title};
use plotly::layout::Axis;
use plotly::{Layout, Plot, Trace};
use serde::Serialize;

use crate::wording::printable;

/// Colours of series, apart for the colour-blind too (Okabe and Ito 2008).
pub(super) const SERIES: [&str; 7] = [
    "--series-1",
    "--series-2",
    "--series-3",
    "--series-4",
    "--series-5",
    "--series-6",
    "--series-7",
];

/// Longest text from data in a chart or table, in characters.
pub(super) const MAX_LABEL: usize = 80;

/// Longest text at a mark of an axis.
const MAX_TICK: usize = 28;

/// A picture and what stands for it where it cannot be seen.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chart {
    /// The identifier of its element.
    pub id: String,
    /// What it is called.
    #[serde(skip)]
    pub title: String,
    /// What it shows, in words.
    #[serde(skip)]
    pub alt: String,
    plot: Plot,
    /// Whether the vertical axis begins at the top.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reversed: bool,
    /// What a heatmap says of each cell when its number is not what is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_texts: Option<Vec<Vec<String>>>,
    /// What is said of each point; traces name points by their position here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_texts: Option<Vec<String>>,
    /// What the page's script changes when the threshold moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<serde_json::Value>,
}

impl Chart {
    /// A chart of `traces`. Colours are named by the page's custom properties, such as `--series-1`.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        alt: impl Into<String>,
        layout: Layout,
        traces: Vec<Box<dyn Trace>>,
    ) -> Self {
        let mut plot = Plot::new();
        plot.add_traces(traces);
        plot.set_layout(layout);
        Self {
            id: id.into(),
            title: title.into(),
            alt: alt.into(),
            plot,
            reversed: false,
            cell_texts: None,
            point_texts: None,
            live: None,
        }
    }
}

/// An axis with a title.
pub(super) fn axis(title: &str) -> Axis {
    Axis::new().title(Title::with_text(title))
}

/// From none to most, readable without colour and on either paper.
pub(super) fn sequential() -> ColorScale {
    let stops = [
        (0.0, "--panel"),
        (0.5, "--series-1-soft"),
        (1.0, "--series-1"),
    ];
    let stops = stops.map(|(at, color)| ColorScaleElement(at, color.to_owned()));
    ColorScale::Vector(stops.to_vec())
}

/// Text from data as a label: cut to [`MAX_LABEL`] characters, nothing in it acts, and the library, which reads a little
/// HTML in its labels, finds none.
pub(super) fn label(text: &str) -> String {
    escaped(&clip(text))
}

/// As [`label`], cut to what fits beside an axis.
pub(super) fn tick(text: &str) -> String {
    escaped(&cut(text, MAX_TICK))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The beginning of a long text.
pub(super) fn clip(text: &str) -> String {
    cut(text, MAX_LABEL)
}

/// The first `most` characters of a longer text, and a mark.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut clipped: String = text.chars().take(most).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// Six decimals: what a picture can show, and a page need not be larger.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_hold_no_markup_and_nothing_that_acts() {
        assert_eq!(
            label("<a href=\"javascript:x\">\u{202e}\u{1b}&"),
            "&lt;a href=\"javascript:x\"&gt;\\u{202e}\\u{1b}&amp;"
        );
        let long = label(&"é".repeat(500));
        assert_eq!(long.chars().count(), MAX_LABEL + 1);
        assert!(long.ends_with('…'));
    }
}
