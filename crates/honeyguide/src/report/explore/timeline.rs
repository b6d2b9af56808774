//! Events over time, by host.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions::math::expr_fn::floor;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit, try_cast};
use datafusion::prelude::DataFrame;
use plotly::common::{Line, LineShape, Mode};
use plotly::layout::{Axis, AxisType, RangeMode};
use plotly::{HeatMap, Layout, Scatter, Trace};
use serde::Serialize;

use super::super::chart::{Chart, SERIES, axis, label, rounded, sequential};
use super::super::clock::{Clock, duration};
use super::super::places::{Places, columns_of};
use super::super::words::host_name;
use crate::engine::Engine;
use crate::error::Result;
use crate::scan::Scan;
use crate::source::Source;

/// How many intervals the time is cut into.
const INTERVALS: usize = 200;
/// Most hosts that have a line each.
const LINES: usize = 3;
/// Seconds that people count in.
const ROUND: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0,
];

/// A place on the axis of time.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Moment {
    Date(String),
    Number(f64),
}

/// Events by interval and host.
pub struct Timeline {
    clock: Clock,
    /// Of an interval, in seconds.
    width: f64,
    /// The first interval, in widths from the clock's start.
    first: i64,
    /// Per host, the events of each interval.
    counts: Vec<Vec<u64>>,
}

impl Timeline {
    /// Counts events, in one scan of two columns; `None` where the data does not say when they happened.
    ///
    /// # Errors
    /// The data cannot be read.
    pub async fn read(
        engine: &Engine,
        source: &mut Source,
        places: &Places,
    ) -> Result<Option<Self>> {
        let Some(clock) = &places.clock else {
            return Ok(None);
        };
        let width = interval(clock.last - clock.first);
        let first = (clock.first / width).floor() as i64;
        let slot = try_cast(floor(clock.seconds.clone() / lit(width)), DataType::Int64);
        let cells = count_cells(engine, source, &places.host_code(), &slot).await?;
        let intervals = ((clock.last / width).floor() as i64 - first) as usize + 1;
        let mut counts = vec![vec![0; intervals]; places.hosts.len()];
        for ((host, slot), events) in cells {
            let slot = usize::try_from(slot - first).unwrap_or(usize::MAX);
            if let Some(cell) = counts.get_mut(host).and_then(|host| host.get_mut(slot)) {
                *cell += events;
            }
        }
        Ok(Some(Self {
            clock: clock.clone(),
            width,
            first,
            counts,
        }))
    }

    /// The events of each interval: a line for each of a few hosts, a row for each of many.
    pub fn chart(&self, places: &Places) -> Chart {
        let intervals = self.counts.first().map_or(0, Vec::len);
        let starts = (0..intervals).map(|slot| self.start(slot));
        let (x, times) = match (self.clock.is_date, unit(self.clock.last - self.clock.first)) {
            (true, _) => {
                let moments = starts.map(|start| Moment::Date(self.clock.moment(start)));
                (axis("time, UTC").type_(AxisType::Date), moments.collect())
            }
            (false, (seconds, name)) => {
                let title = format!("{name} since the start of the recording");
                let times = starts.map(|start| Moment::Number(rounded(start / seconds)));
                (axis(&title), times.collect())
            }
        };
        let names = (0..self.counts.len()).map(|host| label(&host_name(places, host)));
        let (traces, y) = self.traces(names.collect(), times);
        let layout = Layout::new()
            .show_legend(self.counts.len() > 1)
            .x_axis(x)
            .y_axis(y);
        let alt = format!(
            "Events in every {}.{}",
            duration(self.width),
            self.busiest()
        );
        let mut chart = Chart::new("timeline", "Events over time", alt, layout, traces);
        chart.reversed = self.counts.len() > LINES;
        chart
    }

    fn traces(&self, names: Vec<String>, times: Vec<Moment>) -> (Vec<Box<dyn Trace>>, Axis) {
        if self.counts.len() > LINES {
            let map = HeatMap::new(times, names, self.counts.clone())
                .color_scale(sequential())
                .hover_template("%{y}, %{x}: %{z:,d}<extra></extra>");
            let y = axis("")
                .type_(AxisType::Category)
                .dtick(1.0)
                .show_grid(false);
            return (vec![map], y);
        }
        let hosts = names.into_iter().zip(&self.counts).zip(SERIES);
        let lines = hosts.map(|((name, counts), color)| -> Box<dyn Trace> {
            Scatter::new(times.clone(), counts.clone())
                .name(name)
                .mode(Mode::Lines)
                .line(Line::new().shape(LineShape::Hv).width(1.5).color(color))
                .hover_template("%{x}: %{y:,d}")
        });
        let y = axis("events")
            .range_mode(RangeMode::ToZero)
            .tick_format(",");
        (lines.collect(), y)
    }

    /// The second in which an interval begins.
    fn start(&self, slot: usize) -> f64 {
        (self.first + slot as i64) as f64 * self.width
    }

    fn busiest(&self) -> String {
        let intervals = self.counts.first().map_or(0, Vec::len);
        let total = |slot: usize| self.counts.iter().map(|host| host[slot]).sum::<u64>();
        let busiest = (0..intervals).rev().max_by_key(|slot| total(*slot));
        busiest.map_or_else(String::new, |slot| {
            format!(
                " The busiest begins at {} and has {}.",
                self.clock.moment(self.start(slot)),
                crate::wording::of_them(total(slot), "event", "events")
            )
        })
    }
}

/// What people count such a span in: the unit in seconds and its name.
fn unit(span: f64) -> (f64, &'static str) {
    match span {
        span if span < 120.0 => (1.0, "seconds"),
        span if span < 7_200.0 => (60.0, "minutes"),
        span if span < 172_800.0 => (3_600.0, "hours"),
        _ => (86_400.0, "days"),
    }
}

/// An interval that people count in, such that there are not many more than [`INTERVALS`].
fn interval(span: f64) -> f64 {
    let least = span / INTERVALS as f64;
    let round = ROUND.into_iter().find(|width| *width >= least);
    round.unwrap_or_else(|| (least / 86_400.0).ceil() * 86_400.0)
}

async fn count_cells(
    engine: &Engine,
    source: &mut Source,
    host: &Expr,
    slot: &Expr,
) -> Result<BTreeMap<(usize, i64), u64>> {
    let query = |table: DataFrame| {
        table
            .select(vec![
                host.clone().alias("__host_code"),
                slot.clone().alias("__slot"),
            ])?
            .aggregate(
                vec![ident("__host_code"), ident("__slot")],
                vec![count(lit(1)).alias("__count")],
            )
    };
    let push = |cells: &mut BTreeMap<(usize, i64), u64>, batch: &RecordBatch| {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
        for row in (0..batch.num_rows()).filter(|row| column(1).is_valid(*row)) {
            let key = (column(0).value(row) as usize, column(1).value(row));
            cells.insert(key, column(2).value(row).unsigned_abs());
        }
        Ok(())
    };
    let scan = Scan::new(engine, "counting by time").columns(columns_of([host, slot]));
    scan.fold(source, || Ok(BTreeMap::new()), query, push).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_round_and_few() {
        for (span, width) in [
            (0.0, 1.0),
            (150.0, 1.0),
            (3_600.0, 30.0),
            (86_400.0, 600.0),
            (86_400.0 * 500.0, 259_200.0),
        ] {
            assert_eq!(interval(span), width, "{span}");
        }
    }
}
