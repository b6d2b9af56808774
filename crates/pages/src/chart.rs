//! Charts: traces of the chart library, and texts of data that it takes for no markup.

use plotly::common::{ColorScale, ColorScaleElement};
use plotly::{Layout, Plot, Trace};
use serde::Serialize;

use honeyguide::wording::printable;

/// The colours of series, which colour-blind readers can tell apart too (Okabe and Ito 2008).
pub(crate) const SERIES: [&str; 7] = [
    "--series-1",
    "--series-2",
    "--series-3",
    "--series-4",
    "--series-5",
    "--series-6",
    "--series-7",
];

/// The longest text from data in a chart or table, in characters.
pub(crate) const MAX_LABEL: usize = 80;

/// A chart, and the words for readers who do not see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chart {
    /// The identifier of its element.
    pub id: String,
    /// The title.
    #[serde(skip)]
    pub title: String,
    /// A description of the chart in words.
    #[serde(skip)]
    pub alt: String,
    /// The figures of the chart, where no other table of the page has them.
    #[serde(skip)]
    pub table: Option<ChartTable>,
    /// The least width of the chart in rem; on narrower screens it scrolls.
    #[serde(skip)]
    pub least_width: Option<f64>,
    plot: Plot,
    /// Whether the vertical axis begins at the top.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reversed: bool,
    /// The name of the choice by which the reader selects a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<&'static str>,
    /// The position of the view of each trace, in a chart with several views.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<Vec<usize>>,
    /// Whether the cells of a heatmap show their numbers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_numbers: bool,
    /// The text of each cell of a heatmap whose colours do not stand for the number itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_texts: Option<Vec<Vec<String>>>,
    /// The text of each point; traces name points by their position here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_texts: Option<Vec<String>>,
    /// The data with which the page's script redraws the chart when the threshold moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<serde_json::Value>,
}

/// The figures of a chart as a table. The first column names the rows, the others hold numbers.
pub(crate) struct ChartTable {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Chart {
    /// Creates a chart of `traces`. Colours are named by the page's custom properties, such as `--series-1`.
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
            table: None,
            least_width: None,
            plot,
            reversed: false,
            choice: None,
            views: None,
            has_numbers: false,
            cell_texts: None,
            point_texts: None,
            live: None,
        }
    }
}

/// Returns a scale from none to most that can be read without colour and in both themes.
pub(crate) fn sequential() -> ColorScale {
    let stops = [
        (0.0, "--panel"),
        (0.5, "--series-1-soft"),
        (1.0, "--series-1"),
    ];
    let stops = stops.map(|(at, color)| ColorScaleElement(at, color.to_owned()));
    ColorScale::Vector(stops.to_vec())
}

/// Makes a label of text from data: cuts it to [`MAX_LABEL`] characters, makes control characters visible, and escapes
/// it, because the library understands a little HTML in its labels.
pub(crate) fn label(text: &str) -> String {
    escaped(&clip(text))
}

/// Escapes text from data as a label.
pub(crate) fn escaped(text: &str) -> String {
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

/// Cuts a text to [`MAX_LABEL`] characters.
pub(crate) fn clip(text: &str) -> String {
    cut(text, MAX_LABEL)
}

/// Cuts a text to `most` characters, and marks the cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut clipped: String = text.chars().take(most).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// Rounds to six decimals, which are enough for a chart and keep the page small.
pub(crate) fn rounded(value: f64) -> f64 {
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
