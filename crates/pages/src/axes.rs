//! Axes, and one rule for the numbers at their marks: plain numbers with commas between thousands. If a number of the
//! axis is too large or too small for that, all of its numbers are written with powers of ten.

use honeyguide::wording::{is_plain, number, power_of_ten};
use plotly::common::{ExponentFormat, Title};
use plotly::layout::{Axis, AxisRange, AxisType, RangeMode};

use crate::chart::{cut, escaped};

/// The longest text of a value at a mark, in characters.
const MAX_TICK: usize = 24;
/// The length of a line at a mark, in characters.
const LINE: usize = 18;
/// The format of plain numbers, as the chart library knows it.
const PLAIN: &str = ",.9~f";
/// The least magnitude of numbers of which only a few fit side by side.
const LONG: f64 = 1e7;
/// The least part of an axis of counts below its shortest bar, as a count: a bar of one event is visible.
const BELOW_ONE: f64 = 0.7;

/// Returns an axis with a title.
pub(crate) fn axis(title: &str) -> Axis {
    Axis::new().title(Title::with_text(title))
}

/// Returns an axis of numbers from `low` to `high`.
pub(crate) fn numbers(title: &str, low: f64, high: f64) -> Axis {
    let step = (high - low) / 10.0;
    match [low, high].into_iter().all(is_plain) && (step == 0.0 || is_plain(step)) {
        // Long numbers need more room than the chart library thinks.
        true if low.abs().max(high.abs()) >= LONG => axis(title).tick_format(PLAIN).n_ticks(3),
        true => axis(title).tick_format(PLAIN),
        false => axis(title).exponent_format(ExponentFormat::Power),
    }
}

/// Returns an axis of counts from 0.
pub(crate) fn counts(title: &str) -> Axis {
    axis(title).range_mode(RangeMode::ToZero).tick_format(PLAIN)
}

/// Returns a logarithmic axis of counts up to `most`.
pub(crate) fn log_counts(title: &str, most: f64) -> Axis {
    let top = most.max(1.0).log10();
    axis(title)
        .type_(AxisType::Log)
        .range(AxisRange::new(BELOW_ONE.log10(), top + 0.05 * (top + 0.2)))
        .dtick(1.0)
        .tick_format(PLAIN)
}

/// Returns an axis over bins of equal ratio, which are numbered from 0 and have these `edges`: it has a mark at every
/// power of ten.
pub(crate) fn powers_of_ten(edges: &[f64]) -> Axis {
    let (Some(least), Some(most)) = (edges.first(), edges.last()) else {
        return axis("");
    };
    let (low, high) = (least.log10(), most.log10());
    let per_power = (edges.len() - 1) as f64 / (high - low);
    let powers: Vec<i32> = (low.ceil() as i32..=high.floor() as i32).collect();
    let places = powers
        .iter()
        .map(|power| (f64::from(*power) - low) * per_power - 0.5);
    let are_plain = powers.iter().all(|power| is_plain(10_f64.powi(*power)));
    let name = |power: &i32| match are_plain {
        true => number(10_f64.powi(*power)),
        false => power_of_ten(*power),
    };
    axis("")
        .tick_values(places.collect())
        .tick_text(powers.iter().map(name).collect::<Vec<_>>())
}

/// Returns an axis of texts with a mark at each.
pub(crate) fn values() -> Axis {
    axis("").type_(AxisType::Category).dtick(1.0)
}

/// Returns an axis with a mark at each of these values, with its name.
pub(crate) fn named(values: Vec<f64>, names: Vec<String>) -> Axis {
    axis("").tick_values(values).tick_text(names)
}

/// Makes a label of text from data that fits beside an axis.
pub(crate) fn tick(text: &str) -> String {
    escaped(&cut(text, MAX_TICK))
}

/// Makes a label of several lines, broken between words.
pub(crate) fn lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| escaped(&cut(line, MAX_TICK)))
        .collect();
    lines.join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick_texts(edges: &[f64]) -> Vec<String> {
        let axis = serde_json::to_value(powers_of_ten(edges)).unwrap();
        let texts = axis["ticktext"].as_array().unwrap().iter();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_marks_of_one_axis_are_written_alike() {
        let edges = |low: f64, high: f64| [low, (low * high).sqrt(), high];
        assert_eq!(
            tick_texts(&edges(1e-4, 0.1)),
            ["0.0001", "0.001", "0.01", "0.1"]
        );
        assert_eq!(tick_texts(&edges(1.0, 1e4))[4], "10,000");
        assert_eq!(
            tick_texts(&edges(1e-6, 1e-3)),
            ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"]
        );
    }

    #[test]
    fn an_axis_of_numbers_has_no_letters_for_powers() {
        let format = |low, high| serde_json::to_value(numbers("", low, high)).unwrap();
        let plain = format(4_026_531_840.0, 4_026_532_288.0);
        assert_eq!(
            (&plain["tickformat"], &plain["exponentformat"]),
            (&PLAIN.into(), &serde_json::Value::Null)
        );
        assert_eq!(format(0.0, 1e-7)["exponentformat"], "power");
        assert_eq!(format(0.0, 1e18)["exponentformat"], "power");
    }

    #[test]
    fn long_words_are_broken_into_lines() {
        assert_eq!(
            lines("0: a system user (< 1000)"),
            "0: a system user<br>(&lt; 1000)"
        );
    }
}
