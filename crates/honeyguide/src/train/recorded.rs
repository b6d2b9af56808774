//! The recorded time of hosts.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{cast, ident};
use datafusion::prelude::DataFrame;

use crate::clock::{TimeColumn, finite};
use crate::engine::Engine;
use crate::error::Result;
use crate::scan::Scan;
use crate::source::Source;

/// Returns the recorded time of all hosts together, in seconds. That of a host is the time from its first event to its
/// last. It is 0 where the data has no hosts or no times.
///
/// # Errors
/// Fails when the data cannot be read.
pub(super) async fn recorded_seconds(engine: &Engine, source: &mut Source) -> Result<f64> {
    const HOST: &str = "__host";
    const TICKS: &str = "__ticks";
    let (Some(time), Some(host)) = (TimeColumn::of(source), source.host()) else {
        return Ok(0.0);
    };
    let host = cast(ident(&host.name), DataType::Utf8);
    let scan = Scan::new(engine, "finding times").reading([&host, &time.ticks]);
    let query = |table: DataFrame| {
        let range = vec![min(ident(TICKS)), max(ident(TICKS))];
        table
            .select(vec![
                host.clone().alias(HOST),
                finite(time.ticks.clone()).alias(TICKS),
            ])?
            .aggregate(vec![ident(HOST)], range)
    };
    let push = |found: &mut Vec<[f64; 2]>, batch: &RecordBatch| {
        let [first, last] = [1, 2].map(|column| batch.column(column).as_primitive::<Float64Type>());
        let timed = (0..batch.num_rows()).filter(|row| first.is_valid(*row));
        found.extend(timed.map(|row| [first.value(row), last.value(row)]));
        Ok(())
    };
    let mut hosts = scan.fold(source, || Ok(Vec::new()), query, push).await?;
    // The order of the sum fixes the rounding.
    hosts.sort_by(|one, other| {
        one[0]
            .total_cmp(&other[0])
            .then(one[1].total_cmp(&other[1]))
    });
    let last = hosts.iter().map(|[_, last]| *last).fold(0.0, f64::max);
    let ticks: f64 = hosts.iter().map(|[first, last]| last - first).sum();
    Ok(ticks * time.seconds_per_tick(last))
}
