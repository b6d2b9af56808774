//! The chart of incidents over time.

use honeyguide::incident::Incident;
use honeyguide::log::Log;
use honeyguide::report::Report;
use honeyguide::wording::{count, duration, moment, of_them};
use plotly::common::{DashType, HoverInfo, Line, Marker, Mode};
use plotly::layout::AxisRange;
use plotly::{Layout, Scatter, Trace};

use super::incidents::LISTED;
use crate::axes::{named, tick};
use crate::chart::{Chart, ChartTable, SERIES, clip, escaped, label};
use crate::times::{Moment, TimeAxis};
use crate::words::host_name;

/// The greatest number of incidents of a host that are drawn above one another where they overlap.
const LANES: usize = 5;
/// The distance of lanes, where hosts are 1 apart.
const LANE: f64 = 0.16;
/// The share of the axis that two incidents of a lane lie apart at least.
const GAP: f64 = 0.02;
/// The sizes of marks of the lowest and the highest score, in pixels.
const SIZES: [f64; 2] = [7.0, 16.0];

/// An incident in the chart.
struct Drawn<'a> {
    number: usize,
    incident: &'a Incident,
    first: f64,
    last: f64,
    y: f64,
}

/// Draws the incidents of each host, or nothing if no incident has a time.
pub fn incident_chart(report: &Report, log: &Log) -> Option<Chart> {
    let clock = report.places.clock.as_ref()?;
    let x = TimeAxis::new(clock.first, clock.last, clock.is_date, log);
    let (drawn, hosts) = drawn(report, clock.last - clock.first);
    if drawn.is_empty() {
        return None;
    }
    let mut traces: Vec<Box<dyn Trace>> = vec![recording(&x, clock.first, clock.last, hosts.len())];
    let has_label = |drawn: &&Drawn| report.incidents.held[drawn.number - 1].contains(&true);
    let has_labels = !report.evaluation.labels.is_empty();
    let (labelled, others): (Vec<&Drawn>, Vec<&Drawn>) = drawn.iter().partition(has_label);
    let highest = report.incidents.found.incidents[0].score;
    for (name, color, group) in [
        ("without a labelled event", SERIES[0], others),
        ("with labelled events", SERIES[1], labelled),
    ] {
        if !group.is_empty() {
            let name = if has_labels { name } else { "incidents" };
            traces.push(incidents(name, color, &group, highest, &x, clock.is_date));
        }
    }
    let places = (0..hosts.len()).map(|host| host as f64);
    let layout = Layout::new()
        .show_legend(has_labels)
        .hover_distance(40)
        .y_axis(
            named(
                places.collect(),
                hosts.iter().map(|host| tick(host)).collect(),
            )
            .range(AxisRange::new(hosts.len() as f64 - 0.5, -0.5)),
        )
        .x_axis(x.axis);
    let alt = format!(
        "{} over time, a row for each host. A line reaches from the first to the last event of an incident. Larger marks have \
         higher scores. The dotted lines span the recording.",
        of_them(drawn.len() as u64, "incident", "incidents")
    );
    let mut chart = Chart::new("incidents", "Incidents over time", alt, layout, traces);
    if drawn.len() > LISTED {
        chart.table = Some(table(&drawn, clock.is_date));
    }
    Some(chart)
}

/// Returns the incidents with their places in the chart, and the names of the hosts from top to bottom.
fn drawn(report: &Report, span: f64) -> (Vec<Drawn<'_>>, Vec<String>) {
    let places = &report.places;
    let mut by_host: Vec<Vec<Drawn>> = places.hosts.iter().map(|_| Vec::new()).collect();
    for (index, incident) in report.incidents.found.incidents.iter().enumerate() {
        let known = places
            .hosts
            .iter()
            .position(|host| host.name == incident.host);
        let host = known.unwrap_or(places.hosts.len() - 1);
        if let Some((first, last)) = incident.first.zip(incident.last) {
            by_host[host].push(Drawn {
                number: index + 1,
                incident,
                first,
                last,
                y: 0.0,
            });
        }
    }
    let mut all = Vec::new();
    let mut names = Vec::new();
    for (host, mut drawn) in by_host.into_iter().enumerate() {
        if drawn.is_empty() {
            continue;
        }
        place(&mut drawn, names.len() as f64, span * GAP);
        names.push(host_name(places, host));
        all.append(&mut drawn);
    }
    all.sort_by_key(|drawn| drawn.number);
    (all, names)
}

/// Places the incidents of a host around `y`, so that those that overlap lie above one another.
fn place(drawn: &mut [Drawn], y: f64, gap: f64) {
    drawn.sort_by(|left, right| {
        let earlier = left.first.total_cmp(&right.first);
        earlier.then(left.number.cmp(&right.number))
    });
    let mut ends: Vec<f64> = Vec::new();
    let mut lanes = Vec::with_capacity(drawn.len());
    for incident in drawn.iter() {
        let free = ends.iter().position(|end| incident.first - end > gap);
        let lane = match free {
            Some(lane) => lane,
            None if ends.len() < LANES => {
                ends.push(f64::NEG_INFINITY);
                ends.len() - 1
            }
            // All lanes are taken: that which is free first.
            None => {
                let first = (0..LANES).min_by(|left, right| ends[*left].total_cmp(&ends[*right]));
                first.unwrap_or(0)
            }
        };
        ends[lane] = ends[lane].max(incident.last);
        lanes.push(lane);
    }
    let middle = (ends.len().max(1) - 1) as f64 / 2.0;
    for (incident, lane) in drawn.iter_mut().zip(lanes) {
        incident.y = y + (lane as f64 - middle) * LANE;
    }
}

/// Draws a line over the whole recording for each host.
fn recording(x: &TimeAxis, first: f64, last: f64, hosts: usize) -> Box<dyn Trace> {
    let mut xs: Vec<Option<Moment>> = Vec::new();
    let mut ys: Vec<Option<f64>> = Vec::new();
    for host in 0..hosts {
        xs.extend([Some(x.at(first)), Some(x.at(last)), None]);
        ys.extend([Some(host as f64), Some(host as f64), None]);
    }
    Scatter::new(xs, ys)
        .mode(Mode::Lines)
        .hover_info(HoverInfo::Skip)
        .show_legend(false)
        .line(Line::new().color("--soft").width(1.0).dash(DashType::Dot))
}

fn incidents(
    name: &str,
    color: &'static str,
    group: &[&Drawn],
    highest: f64,
    x: &TimeAxis,
    is_date: bool,
) -> Box<dyn Trace> {
    let mut xs: Vec<Option<Moment>> = Vec::new();
    let mut ys: Vec<Option<f64>> = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for drawn in group {
        let share = (drawn.incident.score / highest.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let size = SIZES[0] + (SIZES[1] - SIZES[0]) * share.sqrt();
        let text = hover_text(drawn, is_date);
        for time in [Some(drawn.first), Some(drawn.last), None] {
            xs.push(time.map(|time| x.at(time)));
            ys.push(time.map(|_| drawn.y));
            sizes.push(size.round() as usize);
            texts.push(text.clone());
        }
    }
    Scatter::new(xs, ys)
        .name(name)
        .mode(Mode::LinesMarkers)
        .connect_gaps(false)
        .hover_text_array(texts)
        .hover_info(HoverInfo::Text)
        .line(Line::new().color(color).width(3.0))
        .marker(
            Marker::new()
                .color(color)
                .size_array(sizes)
                .line(Line::new().color("--paper").width(1.0)),
        )
}

fn hover_text(drawn: &Drawn, is_date: bool) -> String {
    let incident = drawn.incident;
    let host = match &incident.host {
        Some(host) => format!(" on {}", label(host)),
        None => String::new(),
    };
    format!(
        "{}. score {:.2}{host}<br>from {}, for {}<br>{}",
        drawn.number,
        incident.score,
        escaped(&moment(drawn.first, is_date)),
        duration(drawn.last - drawn.first),
        of_them(incident.events, "anomalous event", "anomalous events")
    )
}

/// Returns the figures of all incidents that are drawn.
fn table(drawn: &[Drawn], is_date: bool) -> ChartTable {
    let header = ["incident", "host", "score", "from", "lasted", "events"];
    let rows = drawn.iter().map(|drawn| {
        let host = drawn.incident.host.as_deref().unwrap_or("–");
        vec![
            drawn.number.to_string(),
            honeyguide::wording::printable(&clip(host)).into_owned(),
            format!("{:.2}", drawn.incident.score),
            moment(drawn.first, is_date),
            duration(drawn.last - drawn.first),
            count(drawn.incident.events),
        ]
    });
    ChartTable {
        header: header.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}
