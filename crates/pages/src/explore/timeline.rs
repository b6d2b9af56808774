//! The chart of events over time.

use honeyguide::log::Log;
use honeyguide::report::{Places, Timeline};
use honeyguide::wording::{duration, of_them};
use plotly::common::{Line, LineShape, Mode};
use plotly::layout::{Axis, AxisType};
use plotly::{HeatMap, Layout, Scatter, Trace};

use crate::axes::{axis, counts};
use crate::chart::{Chart, SERIES, label, sequential};
use crate::times::{Moment, TimeAxis};
use crate::words::host_name;

/// The greatest number of hosts that have a line each.
const LINES: usize = 3;

/// Draws the events of each interval: a line for each of a few hosts, or a heatmap with a row for each of many.
pub fn chart(timeline: &Timeline, places: &Places, log: &Log) -> Chart {
    let intervals = timeline.counts.first().map_or(0, Vec::len);
    // One more than there are intervals: the last one ends there.
    let edges = (0..=intervals).map(|slot| timeline.start(slot));
    let clock = &timeline.clock;
    let x = TimeAxis::new(clock.first, clock.last, clock.is_date, log);
    let times = edges.map(|edge| x.at(edge)).collect();
    let names = (0..timeline.counts.len()).map(|host| label(&host_name(places, host)));
    let (traces, y) = traces(timeline, names.collect(), times);
    let layout = Layout::new()
        .show_legend(timeline.counts.len() > 1)
        .x_axis(x.axis)
        .y_axis(y);
    let alt = format!(
        "Events in intervals of {}.{}",
        duration(timeline.width),
        busiest(timeline, log)
    );
    let mut chart = Chart::new("timeline", "Events over time", alt, layout, traces);
    chart.reversed = timeline.counts.len() > LINES;
    chart
}

/// Draws counts between times, of which there is one more.
fn traces(
    timeline: &Timeline,
    names: Vec<String>,
    times: Vec<Moment>,
) -> (Vec<Box<dyn Trace>>, Axis) {
    if timeline.counts.len() > LINES {
        let map = HeatMap::new(times, names, timeline.counts.clone())
            .color_scale(sequential())
            .hover_template("%{y}, %{x}: %{z:,d}<extra></extra>");
        let y = axis("")
            .type_(AxisType::Category)
            .dtick(1.0)
            .show_grid(false);
        return (vec![map], y);
    }
    let hosts = names.into_iter().zip(&timeline.counts).zip(SERIES);
    let lines = hosts.map(|((name, counts), color)| -> Box<dyn Trace> {
        let steps = counts.iter().chain(counts.last()).copied();
        Scatter::new(times.clone(), steps.collect())
            .name(name)
            .mode(Mode::Lines)
            .line(Line::new().shape(LineShape::Hv).width(1.5).color(color))
            .hover_template("%{x}: %{y:,d}")
    });
    (lines.collect(), counts("events"))
}

fn busiest(timeline: &Timeline, log: &Log) -> String {
    let intervals = timeline.counts.first().map_or(0, Vec::len);
    let total = |slot: usize| timeline.counts.iter().map(|host| host[slot]).sum::<u64>();
    let busiest = (0..intervals).rev().max_by_key(|slot| total(*slot));
    busiest.map_or_else(String::new, |slot| {
        let start = timeline.clock.moment(timeline.start(slot));
        let start = match log.time_origin().filter(|_| !timeline.clock.is_date) {
            Some(origin) => format!("{start} after {origin}"),
            None => format!("at {start}"),
        };
        format!(
            " The busiest begins {start} and has {}.",
            of_them(total(slot), "event", "events")
        )
    })
}
