//! The chart of the number of calls by program.

use honeyguide::report::Programs;
use honeyguide::wording::{count, printable};
use plotly::layout::AxisType;
use plotly::{HeatMap, Layout};

use super::columns::distinct_labels;
use crate::axes::axis;
use crate::chart::{Chart, clip, sequential};

/// The number of most frequent pairs that are listed.
const LISTED: usize = 20;

/// Draws a heatmap of programs × calls, coloured by the logarithm of the count.
pub fn chart(counted: &Programs) -> Chart {
    let (programs, calls) = (counted.programs(), counted.calls());
    let labels = |names: &[String]| distinct_labels(names.iter().map(String::as_str));
    let level =
        |events: &u64| (*events > 0).then(|| ((*events as f64).log10() * 1e3).round() / 1e3);
    let levels = counted
        .counts()
        .iter()
        .map(|row| row.iter().map(level).collect::<Vec<_>>());
    let hover = counted
        .counts()
        .iter()
        .map(|row| row.iter().map(|events| count(*events)).collect());
    let mut map = HeatMap::new(labels(calls), labels(programs), levels.collect())
        .color_scale(sequential())
        .show_scale(false)
        .hover_on_gaps(false)
        .hover_template("%{y}, %{x}: %{customdata}<extra></extra>");
    map = map.x_gap(1).y_gap(1);
    let layout = Layout::new()
        .x_axis(
            axis("")
                .type_(AxisType::Category)
                .show_grid(false)
                .tick_angle(-60.0),
        )
        .y_axis(
            axis("")
                .type_(AxisType::Category)
                .show_grid(false)
                .dtick(1.0),
        );
    let alt = format!(
        "How often each program makes each call; the stronger the colour, the more, on a logarithmic scale. {} programs and {} calls, \
             the most frequent first.",
        programs.len(),
        calls.len()
    );
    let mut chart = Chart::new(
        "programs",
        "Programs and their calls",
        alt,
        layout,
        vec![map],
    );
    chart.reversed = true;
    chart.cell_texts = Some(hover.collect());
    chart
}

/// Lists the most frequent pairs of a program and a call.
pub fn most_frequent(counted: &Programs) -> Vec<[String; 3]> {
    let (programs, calls) = (counted.programs(), counted.calls());
    let cells =
        (0..programs.len()).flat_map(|row| (0..calls.len()).map(move |column| (row, column)));
    let mut cells: Vec<_> = cells.collect();
    cells.sort_by_key(|(row, column)| std::cmp::Reverse(counted.counts()[*row][*column]));
    let text = |name: &str| printable(&clip(name)).into_owned();
    let listed = cells
        .into_iter()
        .filter(|(row, column)| counted.counts()[*row][*column] > 0);
    listed
        .take(LISTED)
        .map(|(row, column)| {
            [
                text(&programs[row]),
                text(&calls[column]),
                count(counted.counts()[row][column]),
            ]
        })
        .collect()
}
