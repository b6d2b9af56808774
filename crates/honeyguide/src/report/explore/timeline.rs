//! The number of events over time, by host.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions::math::expr_fn::floor;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit, try_cast};
use datafusion::prelude::DataFrame;

use super::super::places::Places;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::COUNT;
use crate::scan::Scan;
use crate::source::Source;

/// The number of intervals that the time is cut into.
const INTERVALS: usize = 200;
/// Round widths of an interval in seconds.
const ROUND: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0,
];

/// The number of events in intervals of equal width, by host.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The time column.
    pub clock: Clock,
    /// The width of an interval in seconds.
    pub width: f64,
    /// The first interval, in widths from the clock's start.
    first: i64,
    /// The number of events: a row per host in the order of [`Places::hosts`], a column per interval.
    pub counts: Vec<Vec<u64>>,
}

impl Timeline {
    /// Counts events in one scan of two columns; returns `None` where the data does not say when they happened.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(super) async fn read(
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

    /// Returns the time at which interval `slot` begins, in seconds of `clock`.
    pub fn start(&self, slot: usize) -> f64 {
        (self.first + slot as i64) as f64 * self.width
    }
}

/// Returns a round width for a time of `span` seconds, such that there are not many more than [`INTERVALS`] intervals.
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
                vec![count(lit(1)).alias(COUNT)],
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
    let scan = Scan::new(engine, "counting by time").reading([host, slot]);
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
