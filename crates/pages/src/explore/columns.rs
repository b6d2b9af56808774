//! Charts of single columns: histograms of numbers, counts of the most frequent values of text.

use honeyguide::inspect::{ColumnSummary, FeatureSummary, Histogram, NumericSummary, ValueCount};
use honeyguide::wording::{count, printable};
use plotly::common::{Marker, Orientation};
use plotly::layout::{Axis, AxisType, RangeMode};
use plotly::{Bar, Layout, Trace};

use crate::chart::{Chart, axis, clip, tick};

/// The ratio of the fullest to the emptiest bin above which counts are on a logarithmic scale.
const FAR_APART: f64 = 300.0;

/// Draws column `index`; returns `None` where it has no values.
pub fn of_column(index: usize, column: &ColumnSummary) -> Option<Chart> {
    let id = format!("column-{index}");
    match &column.numeric {
        Some(numeric) => Some(histogram(id, &column.name, numeric)),
        None => values(id, &column.name, &column.top, column.distinct.count),
    }
}

/// Draws feature `index`; returns `None` where it has no values.
pub fn of_feature(index: usize, feature: &FeatureSummary) -> Option<Chart> {
    let id = format!("feature-{index}");
    match &feature.numeric {
        Some(numeric) => Some(histogram(id, &feature.name, numeric)),
        None => values(id, &feature.name, &feature.top, feature.distinct),
    }
}

fn histogram(id: String, name: &str, numeric: &NumericSummary) -> Chart {
    let by_ratio = numeric.log_histogram.as_ref();
    let bins = by_ratio.unwrap_or(&numeric.histogram);
    let is_log = is_far_apart(bins);
    let x = match by_ratio {
        Some(bins) => powers_of_ten(bins),
        None => axis(""),
    };
    let trace = bars(bins, by_ratio.is_some());
    let layout = Layout::new()
        .show_legend(false)
        .x_axis(x)
        .y_axis(counts_axis(is_log));
    let scale = match (by_ratio.is_some(), is_log) {
        (false, false) => "",
        (true, false) => "; values on a logarithmic scale",
        (false, true) => "; counts on a logarithmic scale",
        (true, true) => "; both scales are logarithmic",
    };
    let alt = format!(
        "From {} to {}, half of them between {} and {}{scale}.",
        shown(numeric.min),
        shown(numeric.max),
        shown(numeric.q1),
        shown(numeric.q3)
    );
    Chart::new(id, printable(&clip(name)), alt, layout, vec![trace])
}

fn counts_axis(is_log: bool) -> Axis {
    match is_log {
        true => axis("events")
            .type_(AxisType::Log)
            .dtick(1.0)
            .tick_format(","),
        false => axis("events")
            .range_mode(RangeMode::ToZero)
            .tick_format(","),
    }
}

fn is_far_apart(bins: &Histogram) -> bool {
    let filled = bins.counts.iter().filter(|count| **count > 0.0);
    let (least, most) = filled.fold((f64::INFINITY, 0.0_f64), |(least, most), count| {
        (least.min(*count), most.max(*count))
    });
    most > FAR_APART * least
}

/// Draws bars over the values, or over the numbers of the bins where these have equal ratios.
fn bars(bins: &Histogram, by_number: bool) -> Box<dyn Trace> {
    let pairs = bins.edges.windows(2);
    let ranges = pairs
        .clone()
        .map(|pair| format!("{} to {}", shown(pair[0]), shown(pair[1])));
    let at = pairs.enumerate().map(|(number, pair)| match by_number {
        true => number as f64,
        false => (pair[0] + pair[1]) / 2.0,
    });
    Bar::new(at.collect(), bins.counts.clone())
        .hover_text_array(ranges.collect::<Vec<_>>())
        .hover_template("%{hovertext}: %{y:,.0f}<extra></extra>")
        .marker(Marker::new().color("--series-1"))
}

/// Returns an axis over the numbers of bins of equal ratio, with a mark at every power of ten.
fn powers_of_ten(bins: &Histogram) -> Axis {
    let (Some(least), Some(most)) = (bins.edges.first(), bins.edges.last()) else {
        return axis("");
    };
    let (low, high) = (least.log10(), most.log10());
    let per_power = bins.counts.len() as f64 / (high - low);
    let powers = (low.ceil() as i32..=high.floor() as i32).map(f64::from);
    let places = powers.clone().map(|power| (power - low) * per_power - 0.5);
    let names = powers.map(|power| shown(10_f64.powf(power)));
    axis("")
        .tick_values(places.collect())
        .tick_text(names.collect::<Vec<_>>())
}

fn values(id: String, name: &str, top: &[ValueCount], distinct: u64) -> Option<Chart> {
    let first = top.first()?;
    let names = distinct_labels(top.iter().map(|value| value.value.as_str()));
    let bars = Bar::new(top.iter().map(|value| value.count).collect(), names)
        .orientation(Orientation::Horizontal)
        .hover_template("%{y}: %{x:,d}<extra></extra>")
        .marker(Marker::new().color("--series-1"));
    let layout = Layout::new()
        .show_legend(false)
        .x_axis(axis("events").tick_format(","))
        .y_axis(axis("").type_(AxisType::Category));
    let of = match distinct > top.len() as u64 {
        true => format!(
            "The {} most frequent of {} values",
            top.len(),
            count(distinct)
        ),
        false => "All values".to_owned(),
    };
    let most = printable(&clip(&first.value)).into_owned();
    let alt = format!("{of}; {most} leads with {}.", count(first.count));
    let mut chart = Chart::new(id, printable(&clip(name)), alt, layout, vec![bars]);
    chart.reversed = true;
    Some(chart)
}

/// Makes labels of values. No two are the same although long values are cut, because an axis takes equal labels for
/// one.
pub(super) fn distinct_labels<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for value in values {
        let first = tick(value);
        let mut unique = first.clone();
        let mut number = 2;
        while labels.contains(&unique) {
            unique = format!("{first} ({number})");
            number += 1;
        }
        labels.push(unique);
    }
    labels
}

/// Writes a number of the data in a form that is short enough for a table.
pub(super) fn shown(number: f64) -> String {
    let size = number.abs();
    if number.fract() == 0.0 && size < 1e15 {
        let sign = if number < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(size as u64));
    }
    if (1e-3..1e6).contains(&size) {
        return rounded_to_five_digits(number);
    }
    format!("{number:.3e}")
}

fn rounded_to_five_digits(number: f64) -> String {
    let digits = (4 - number.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{number:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_whole_ones_exact() {
        let numbers = [
            0.0,
            -3.0,
            1_234_567.0,
            0.123_456_7,
            -12.5,
            1e-9,
            4_026_531_840.0,
            99_999.5,
        ];
        let texts = [
            "0",
            "−3",
            "1,234,567",
            "0.12346",
            "−12.5",
            "1.000e-9",
            "4,026,531,840",
            "100000",
        ];
        assert_eq!(numbers.map(shown), texts);
    }

    #[test]
    fn labels_that_are_cut_stay_apart() {
        let long = "x".repeat(100);
        let labels = distinct_labels([long.as_str(), "a", &format!("{long}y"), "a"].into_iter());
        assert_eq!(
            labels
                .iter()
                .collect::<std::collections::HashSet<_>>()
                .len(),
            4
        );
    }
}
