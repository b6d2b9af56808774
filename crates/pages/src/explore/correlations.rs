//! The heatmap of correlations. The cell of an undefined correlation stays blank, and the reason is below the chart.

use honeyguide::inspect::Correlations;
use honeyguide::wording::{count, of_them, printable};
use plotly::common::{ColorScale, ColorScaleElement};
use plotly::layout::AxisType;
use plotly::{HeatMap, Layout};

use super::columns::distinct_labels;
use crate::axes::axis;
use crate::chart::Chart;

/// The greatest number of columns in a heatmap. If there are more, it has the first ones.
const MAX_SHOWN: usize = 120;
/// The greatest number of columns in a heatmap with numbers in its cells.
const MAX_NUMBERED: usize = 24;
/// The least width of a cell with a number, in rem.
const CELL: f64 = 2.3;
/// The width of what is beside the cells, in rem.
const BESIDE: f64 = 13.0;
/// The number of strongest pairs that are listed, and of reasons.
const LISTED: usize = 20;

/// Draws the heatmap; returns `None` with fewer than two columns.
pub fn chart(id: &str, of: &str, correlations: &Correlations) -> Option<Chart> {
    let shown = correlations.names.len().min(MAX_SHOWN);
    if shown < 2 {
        return None;
    }
    let names = distinct_labels(correlations.names[..shown].iter().map(String::as_str));
    let rows = (0..shown).map(|i| {
        let row = (0..shown).map(|j| correlations.get(i, j).map(rounded));
        row.collect::<Vec<_>>()
    });
    let map = HeatMap::new(names.clone(), names, rows.collect())
        .zmin(-1.0)
        .zmax(1.0)
        .color_scale(diverging())
        .hover_on_gaps(false)
        .hover_template("%{y}, %{x}: %{z}<br>%{customdata}<extra></extra>");
    let layout = Layout::new()
        .plot_background_color("--line")
        .x_axis(axis("").type_(AxisType::Category).show_grid(false))
        .y_axis(axis("").type_(AxisType::Category).show_grid(false));
    let cut = match shown < correlations.names.len() {
        true => format!(
            " The first {shown} of {} are shown.",
            correlations.names.len()
        ),
        false => String::new(),
    };
    let alt = format!(
        "Pearson's correlation of every pair of numeric {of}: 1 means that one rises with the other, −1 that it falls. A \
         grey cell is not defined.{cut}"
    );
    let title = format!("Correlations of {of}");
    let mut chart = Chart::new(id, title, alt, layout, vec![map]);
    chart.reversed = true;
    let texts = (0..shown).map(|i| {
        (0..shown)
            .map(|j| rows_behind(correlations, i, j))
            .collect()
    });
    chart.cell_texts = Some(texts.collect());
    if shown <= MAX_NUMBERED {
        chart.has_numbers = true;
        chart.least_width = Some(BESIDE + CELL * shown as f64);
    }
    Some(chart)
}

fn rounded(r: f64) -> f64 {
    (r * 1e3).round() / 1e3
}

fn diverging() -> ColorScale {
    let stops = [(0.0, "--series-2"), (0.5, "--paper"), (1.0, "--series-1")];
    ColorScale::Vector(
        stops
            .map(|(at, color)| ColorScaleElement(at, color.to_owned()))
            .to_vec(),
    )
}

/// Lists the strongest pairs with their correlations, and the number of rows behind each.
pub fn strongest(correlations: &Correlations) -> Vec<[String; 4]> {
    let n = correlations.names.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let mut pairs: Vec<(usize, usize, f64)> = pairs
        .filter_map(|(i, j)| Some((i, j, correlations.get(i, j)?)))
        .collect();
    pairs.sort_by(|left, right| right.2.abs().total_cmp(&left.2.abs()));
    let name = |index: usize| printable(&correlations.names[index]).into_owned();
    let listed = pairs.into_iter().take(LISTED);
    listed
        .map(|(i, j, r)| {
            let r = format!("{r:.4}").replace('-', "−");
            [
                name(i),
                name(j),
                r,
                count(correlations.rows(i, j).round() as u64),
            ]
        })
        .collect()
}

/// Says how many rows have a value of both columns.
fn rows_behind(correlations: &Correlations, i: usize, j: usize) -> String {
    of_them(correlations.rows(i, j).round() as u64, "row", "rows")
}

/// Lists why some cells are blank, each reason once.
pub fn reasons(correlations: &Correlations) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    // A column's correlation with itself is undefined for the reason that leaves its row blank.
    let n = correlations.names.len();
    let own = (0..n).filter_map(|i| correlations.undefined[i * n + i].as_ref());
    for reason in own.chain(correlations.undefined.iter().flatten()) {
        let reason = printable(reason).into_owned();
        if reasons.len() < LISTED && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}
