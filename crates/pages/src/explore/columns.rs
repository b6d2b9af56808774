//! Charts of single columns and features: histograms of numbers, counts of the most frequent values of text. With
//! labels, the reader chooses by which of them events are told apart.

use std::collections::BTreeMap;

use honeyguide::inspect::{
    ColumnSummary, FeatureSummary, GroupCounts, Histogram, NumericSummary, ValueCount,
};
use honeyguide::wording::{count, number, percent, printable};
use plotly::common::{Marker, Orientation};
use plotly::layout::{Axis, BarMode};
use plotly::{Bar, Layout, Trace};

use crate::axes;
use crate::axes::tick;
use crate::chart::{Chart, ChartTable, clip, label};

/// The ratio of the fullest to the emptiest bar above which counts are on a logarithmic scale.
const FAR_APART: f64 = 300.0;
/// The greatest number of whole numbers with a mark each on their axis.
const MAX_NAMED: usize = 12;
/// The greatest number of values whose shares are stated in words.
const MAX_SHARES: usize = 4;
/// The greatest number of values with words below their bars. More values have their words beside the bars.
const MAX_WORDS_BELOW: usize = 4;
/// The colours of all events, of events labelled 0 and of events labelled 1.
const COLORS: [&str; 3] = ["--series-1", "--series-1", "--series-2"];

/// The events by label in the groups of a column or feature.
#[derive(Clone, Copy)]
pub struct ByLabel<'a> {
    pub labels: &'a [String],
    pub groups: &'a GroupCounts,
}

/// Draws column `index`; returns `None` where it has no values.
pub fn of_column(
    index: usize,
    column: &ColumnSummary,
    by_label: Option<ByLabel<'_>>,
) -> Option<Chart> {
    let id = format!("column-{index}");
    let bars = match &column.numeric {
        Some(numeric) => Bars::of_numbers(numeric, &BTreeMap::new()),
        None => Bars::of_values(&column.top, column.distinct.count)?,
    };
    Some(bars.chart(id, &column.name, "columns", by_label))
}

/// Draws feature `index`; returns `None` where it has no values. `words` are the meanings of its values.
pub fn of_feature(
    index: usize,
    feature: &FeatureSummary,
    words: &BTreeMap<String, String>,
    by_label: Option<ByLabel<'_>>,
) -> Option<Chart> {
    let id = format!("feature-{index}");
    let bars = match &feature.numeric {
        Some(numeric) => Bars::of_numbers(numeric, words),
        None => Bars::of_values(&feature.top, feature.distinct)?,
    };
    Some(bars.chart(id, &feature.name, "features", by_label))
}

/// The bars of a chart.
struct Bars {
    /// The names of the bars: values or ranges.
    names: Vec<String>,
    events: Vec<f64>,
    places: Places,
    /// What the axis of the values shows.
    values: Axis,
    alt: String,
    /// Whether the values are on a logarithmic scale.
    by_ratio: bool,
}

/// Where bars stand: upright over numbers, or lying beside texts.
enum Places {
    Upright(Vec<f64>),
    Lying(Vec<String>),
}

impl Bars {
    fn of_numbers(numeric: &NumericSummary, words: &BTreeMap<String, String>) -> Self {
        let bins = numeric.shown_histogram();
        let by_ratio = numeric.log_histogram.is_some();
        let wholes = if by_ratio { None } else { whole_numbers(bins) };
        match wholes {
            Some(wholes) if wholes.len() <= MAX_NAMED || !words.is_empty() => {
                Self::of_wholes(&wholes, &bins.counts, words)
            }
            _ => Self::of_ranges(numeric, bins, by_ratio),
        }
    }

    /// Makes a bar for each of some whole numbers, with its meaning where it has one.
    fn of_wholes(wholes: &[f64], events: &[f64], words: &BTreeMap<String, String>) -> Self {
        let name = |whole: &f64| match words.get(&whole.to_string()) {
            Some(meaning) => format!("{}: {meaning}", number(*whole)),
            None => number(*whole),
        };
        let names: Vec<String> = wholes.iter().map(name).collect();
        let lines = names.iter().map(|name| axes::lines(name)).collect();
        let (places, values) = match words.is_empty() || wholes.len() <= MAX_WORDS_BELOW {
            true => (
                Places::Upright(wholes.to_vec()),
                axes::named(wholes.to_vec(), lines),
            ),
            false => (Places::Lying(lines), axes::values()),
        };
        Self {
            alt: shares(wholes, events),
            names,
            events: events.to_vec(),
            places,
            values,
            by_ratio: false,
        }
    }

    fn of_ranges(numeric: &NumericSummary, bins: &Histogram, by_ratio: bool) -> Self {
        let pairs = || bins.edges.windows(2);
        let ranges = pairs().map(|pair| format!("{} to {}", number(pair[0]), number(pair[1])));
        let places = pairs().enumerate().map(|(position, pair)| match by_ratio {
            true => position as f64,
            false => pair[0] / 2.0 + pair[1] / 2.0,
        });
        let values = match (by_ratio, bins.edges.first(), bins.edges.last()) {
            (false, Some(low), Some(high)) => axes::numbers("", *low, *high),
            _ => axes::powers_of_ten(&bins.edges),
        };
        let NumericSummary {
            min,
            q1,
            median,
            q3,
            max,
            ..
        } = *numeric;
        let [min, q1, median, q3, max] = [min, q1, median, q3, max].map(number);
        Self {
            names: ranges.collect(),
            events: bins.counts.clone(),
            places: Places::Upright(places.collect()),
            values,
            alt: format!("From {min} to {max}, quartiles {q1}, {median} and {q3}"),
            by_ratio,
        }
    }

    /// Makes a bar for each of the most frequent of `distinct` values; returns `None` if there are none.
    fn of_values(top: &[ValueCount], distinct: u64) -> Option<Self> {
        let first = top.first()?;
        let of = match distinct > top.len() as u64 {
            true => format!(
                "The {} most frequent of {} values",
                top.len(),
                count(distinct)
            ),
            false => "All values".to_owned(),
        };
        let most = printable(&clip(&first.value)).into_owned();
        let name = |value: &ValueCount| printable(&clip(&value.value)).into_owned();
        Some(Self {
            names: top.iter().map(name).collect(),
            events: top.iter().map(|value| value.count as f64).collect(),
            places: Places::Lying(distinct_labels(
                top.iter().map(|value| value.value.as_str()),
            )),
            values: axes::values(),
            alt: format!("{of}; {most} leads with {}", count(first.count)),
            by_ratio: false,
        })
    }

    fn chart(
        self,
        id: String,
        name: &str,
        choice: &'static str,
        by_label: Option<ByLabel<'_>>,
    ) -> Chart {
        let is_log = self.are_far_apart(by_label);
        let most = self.events.iter().copied().fold(0.0, f64::max);
        let counts = match is_log {
            true => axes::log_counts("events", most),
            false => axes::counts("events"),
        };
        let (traces, views) = self.traces(by_label);
        let layout = Layout::new()
            .bar_mode(BarMode::Group)
            .show_legend(by_label.is_some());
        let (layout, is_lying) = match &self.places {
            Places::Upright(_) => (layout.x_axis(self.values.clone()).y_axis(counts), false),
            Places::Lying(_) => {
                let counts = if is_log { counts } else { counts.n_ticks(3) };
                let counts = counts.tick_angle(0.0);
                (layout.x_axis(counts).y_axis(self.values.clone()), true)
            }
        };
        let scale = match (self.by_ratio, is_log) {
            (false, false) => "",
            (true, false) => "; values on a logarithmic scale",
            (false, true) => "; counts on a logarithmic scale",
            (true, true) => "; both scales are logarithmic",
        };
        let alt = format!("{}{scale}.", self.alt);
        let mut chart = Chart::new(id, printable(&clip(name)), alt, layout, traces);
        chart.reversed = is_lying;
        chart.table = Some(self.table(by_label));
        if by_label.is_some() {
            chart.choice = Some(choice);
            chart.views = Some(views);
        }
        chart
    }

    /// Returns whether some bars, or the events of two labels, are so far apart that a linear scale hides the smaller.
    fn are_far_apart(&self, by_label: Option<ByLabel<'_>>) -> bool {
        let all = self.events.iter().copied();
        let of_labels = by_label.iter().flat_map(|by_label| {
            let labelled = &by_label.groups.labelled;
            let sums = labelled.iter().map(|groups| groups.iter().sum::<f64>());
            let all: f64 = by_label.groups.events.iter().sum();
            sums.flat_map(move |sum| [sum, all - sum])
        });
        let filled = all.chain(of_labels).filter(|events| *events > 0.0);
        let least = filled.fold(f64::INFINITY, f64::min);
        let most = self.events.iter().copied().fold(0.0, f64::max);
        most > FAR_APART * least
    }

    /// Returns the traces of each view, and the view of each trace: view 0 shows all events alike, view 1 tells them
    /// apart by the first label, and so on.
    fn traces(&self, by_label: Option<ByLabel<'_>>) -> (Vec<Box<dyn Trace>>, Vec<usize>) {
        let mut traces = vec![self.trace("events", COLORS[0], self.events.clone())];
        let mut views = vec![0];
        let Some(ByLabel { labels, groups }) = by_label else {
            return (traces, views);
        };
        for (view, (name, ones)) in (1..).zip(labels.iter().zip(&groups.labelled)) {
            let zeros = groups.events.iter().zip(ones).map(|(all, ones)| all - ones);
            let names = [0, 1].map(|class| format!("{} = {class}", label(name)));
            traces.push(self.trace(&names[0], COLORS[1], zeros.collect()));
            traces.push(self.trace(&names[1], COLORS[2], ones.clone()));
            views.extend([view; 2]);
        }
        (traces, views)
    }

    fn trace(&self, name: &str, color: &'static str, events: Vec<f64>) -> Box<dyn Trace> {
        let names: Vec<String> = self.names.iter().map(|name| label(name)).collect();
        let marker = Marker::new().color(color);
        match &self.places {
            Places::Upright(places) => Bar::new(places.clone(), events)
                .name(name)
                .hover_text_array(names)
                .hover_template("%{hovertext}: %{y:,.0f}")
                .marker(marker),
            Places::Lying(places) => Bar::new(events, places.clone())
                .name(name)
                .orientation(Orientation::Horizontal)
                .hover_text_array(names)
                .hover_template("%{hovertext}: %{x:,.0f}")
                .marker(marker),
        }
    }

    /// Lists the bars that are not empty.
    fn table(&self, by_label: Option<ByLabel<'_>>) -> ChartTable {
        let labels = by_label.map_or(&[][..], |by_label| by_label.labels);
        let ones = labels
            .iter()
            .map(|name| format!("{} = 1", printable(&clip(name))));
        let header = ["value".to_owned(), "events".to_owned()];
        let row = |bar: usize| {
            let labelled = by_label.iter().flat_map(|by| &by.groups.labelled);
            let events = [self.events[bar]].into_iter();
            let numbers = events.chain(labelled.map(|ones| ones[bar])).map(number);
            let name = printable(&self.names[bar]).into_owned();
            [name].into_iter().chain(numbers).collect()
        };
        let filled = (0..self.events.len()).filter(|bar| self.events[*bar] > 0.0);
        ChartTable {
            header: header.into_iter().chain(ones).collect(),
            rows: filled.map(row).collect(),
        }
    }
}

/// Returns the whole numbers that bins of one number each stand for; `None` for other bins.
fn whole_numbers(bins: &Histogram) -> Option<Vec<f64>> {
    let pairs = bins.edges.windows(2);
    let whole = |pair: &[f64]| {
        let middle = pair[0] + 0.5;
        (pair[1] - pair[0] == 1.0 && middle.fract() == 0.0).then_some(middle)
    };
    pairs.map(whole).collect()
}

/// Says in words how often each of a few whole numbers occurs.
fn shares(wholes: &[f64], events: &[f64]) -> String {
    let all: f64 = events.iter().sum();
    let pairs = wholes.iter().zip(events);
    let filled: Vec<(&f64, &f64)> = pairs.filter(|(_, events)| **events > 0.0).collect();
    match &filled[..] {
        [(only, _)] => format!("{} in every event", number(**only)),
        [(first, _), .., (last, _)] if filled.len() > MAX_SHARES => {
            let most = filled
                .iter()
                .max_by(|left, right| left.1.total_cmp(right.1));
            let (most, events) = most.map_or((0.0, 0.0), |(value, events)| (**value, **events));
            format!(
                "From {} to {}; {} leads with {}",
                number(**first),
                number(**last),
                number(most),
                percent(events / all)
            )
        }
        filled => {
            let share = |(value, events): &(&f64, &f64)| {
                format!("{} in {}", number(**value), percent(**events / all))
            };
            let shares: Vec<String> = filled.iter().map(share).collect();
            format!("{} of the events", shares.join(", "))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_few_whole_numbers_are_described_by_their_shares() {
        let wholes = [-1.0, 0.0, 1.0];
        let said = shares(&wholes, &[2.0, 0.0, 6.0]);
        assert_eq!(said, "−1 in 25.0 %, 1 in 75.0 % of the events");
        assert_eq!(shares(&wholes, &[0.0, 3.0, 0.0]), "0 in every event");
        let many: Vec<f64> = (0..6).map(f64::from).collect();
        let said = shares(&many, &[1.0, 1.0, 1.0, 5.0, 1.0, 1.0]);
        assert_eq!(said, "From 0 to 5; 3 leads with 50.0 %");
    }
}
