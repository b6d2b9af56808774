//! The chart of events over time.

use honeyguide::log::Log;
use honeyguide::report::{Places, Timeline};
use honeyguide::wording::{duration, of_them};
use plotly::common::{Line, LineShape, Mode};
use plotly::layout::{Axis, AxisType};
use plotly::{HeatMap, Layout, Scatter, Trace};
use serde::Serialize;

use crate::axes::{axis, counts, numbers};
use crate::chart::{Chart, SERIES, label, rounded, sequential};
use crate::words::host_name;

/// The greatest number of hosts that have a line each.
const LINES: usize = 3;

/// A position on the axis of time.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Moment {
    Date(String),
    Number(f64),
}

/// Draws the events of each interval: a line for each of a few hosts, or a heatmap with a row for each of many.
pub fn chart(timeline: &Timeline, places: &Places, log: &Log) -> Chart {
    let intervals = timeline.counts.first().map_or(0, Vec::len);
    let starts = (0..intervals).map(|slot| timeline.start(slot));
    let (x, times) = match (
        timeline.clock.is_date,
        unit(timeline.clock.last - timeline.clock.first),
    ) {
        (true, _) => {
            let moments = starts.map(|start| Moment::Date(timeline.clock.moment(start)));
            (axis("time, UTC").type_(AxisType::Date), moments.collect())
        }
        (false, (seconds, name)) => {
            let title = match log.time_origin() {
                Some(origin) => format!("{name} since {origin}"),
                None => format!("{name}, as the data counts them"),
            };
            let ends = [timeline.clock.first, timeline.clock.last].map(|end| end / seconds);
            let times = starts.map(|start| Moment::Number(rounded(start / seconds)));
            (numbers(&title, ends[0], ends[1]), times.collect())
        }
    };
    let names = (0..timeline.counts.len()).map(|host| label(&host_name(places, host)));
    let (traces, y) = traces(timeline, names.collect(), times);
    let layout = Layout::new()
        .show_legend(timeline.counts.len() > 1)
        .x_axis(x)
        .y_axis(y);
    let alt = format!(
        "Events in every {}.{}",
        duration(timeline.width),
        busiest(timeline, log)
    );
    let mut chart = Chart::new("timeline", "Events over time", alt, layout, traces);
    chart.reversed = timeline.counts.len() > LINES;
    chart
}

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
        Scatter::new(times.clone(), counts.clone())
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

/// Returns the unit that suits a time of `span` seconds: its seconds and its name.
fn unit(span: f64) -> (f64, &'static str) {
    match span {
        span if span < 120.0 => (1.0, "seconds"),
        span if span < 7_200.0 => (60.0, "minutes"),
        span if span < 172_800.0 => (3_600.0, "hours"),
        _ => (86_400.0, "days"),
    }
}
