//! The times of events: the unit and the start of the time column, and its days.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions::math::expr_fn::floor;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Case, Expr, cast, ident, lit, try_cast};
use datafusion::prelude::DataFrame;

use crate::engine::Engine;
use crate::error::Result;
use crate::scan::Scan;
use crate::source::Source;
use crate::wording::{SECONDS_PER_DAY, day_name, moment};

/// The lowest number of seconds, in March 1973, that is taken to count from 1970. Lower numbers count from another start,
/// such as that of the host.
const FIRST_DATE: f64 = 1e8;

/// The type as which a text with a time is parsed.
const PARSED: DataType = DataType::Timestamp(PARSED_UNIT, None);
const PARSED_UNIT: TimeUnit = TimeUnit::Microsecond;

/// The time column of a source.
#[derive(Debug, Clone)]
pub(crate) struct TimeColumn {
    /// The value as a float, or null.
    pub ticks: Expr,
    /// The length of a tick in seconds, if the type determines it.
    unit: Option<f64>,
}

/// The time column of some events, read as seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    /// The expression of an event's time in seconds since the start: a float, or null.
    pub(crate) seconds: Expr,
    /// Whether times count from 1970-01-01 UTC. Otherwise they count from a start of the data's own, such as that of
    /// the host.
    pub is_date: bool,
    /// The time of the first event in seconds.
    pub first: f64,
    /// The time of the last event in seconds.
    pub last: f64,
}

impl TimeColumn {
    /// Returns the time column of `source` if it holds numbers, times or texts. A text that is not a time in ISO 8601
    /// is null. A time without a zone is in UTC.
    pub fn of(source: &Source) -> Option<Self> {
        let column = source.time()?;
        let value = ident(&column.name);
        let float = |value: Expr| try_cast(value, DataType::Float64);
        let integer = |value: Expr| cast(value, DataType::Int64);
        let (ticks, unit) = match &column.data_type {
            found if found.is_numeric() => (float(value), None),
            found if found.is_string() => {
                let time = try_cast(cast(value, DataType::Utf8), PARSED);
                (float(integer(time)), Some(seconds(PARSED_UNIT)))
            }
            DataType::Timestamp(unit, _) => (float(integer(value)), Some(seconds(*unit))),
            DataType::Date32 => (float(integer(value)), Some(SECONDS_PER_DAY)),
            DataType::Date64 => (float(integer(value)), Some(1e-3)),
            _ => return None,
        };
        Some(Self { ticks, unit })
    }

    /// Returns the clock of a column whose values lie from `first` to `last`. Plain numbers that only make sense as
    /// milli-, micro- or nanoseconds since 1970 are taken as such, others as seconds.
    pub fn clock(&self, first: f64, last: f64) -> Clock {
        let unit = self.seconds_per_tick(last);
        Clock {
            seconds: self.ticks.clone() * lit(unit),
            is_date: self.unit.is_some() || first * unit >= FIRST_DATE,
            first: first * unit,
            last: last * unit,
        }
    }
}

impl TimeColumn {
    /// Returns the least and the greatest ticks of the events of each value of `group`, or of all events, in no particular
    /// order. Events without a time are left out.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(crate) async fn ranges(
        &self,
        engine: &Engine,
        source: &mut Source,
        group: Option<Expr>,
    ) -> Result<Vec<[f64; 2]>> {
        const TICKS: &str = "__ticks";
        const GROUP: &str = "__group";
        let read = [Some(&self.ticks), group.as_ref()].into_iter().flatten();
        let scan = Scan::new(engine, "finding times").reading(read);
        let groups: Vec<Expr> = group.iter().map(|_| ident(GROUP)).collect();
        let query = |table: DataFrame| {
            let ticks = finite(self.ticks.clone()).alias(TICKS);
            let group = group.clone().map(|group| group.alias(GROUP));
            table
                .select([ticks].into_iter().chain(group).collect::<Vec<_>>())?
                .aggregate(groups.clone(), vec![min(ident(TICKS)), max(ident(TICKS))])
        };
        let push = |found: &mut Vec<[f64; 2]>, batch: &RecordBatch| {
            let [first, last] = [0, 1].map(|end| {
                let column = batch.column(groups.len() + end);
                column.as_primitive::<Float64Type>()
            });
            let timed = (0..batch.num_rows()).filter(|row| first.is_valid(*row));
            found.extend(timed.map(|row| [first.value(row), last.value(row)]));
            Ok(())
        };
        scan.fold(source, || Ok(Vec::new()), query, push).await
    }

    /// Returns the length of a tick of a column whose greatest value is `last`, in seconds.
    pub fn seconds_per_tick(&self, last: f64) -> f64 {
        self.unit.unwrap_or(match last.abs() {
            ticks if ticks >= 1e17 => 1e-9,
            ticks if ticks >= 1e14 => 1e-6,
            ticks if ticks >= 1e11 => 1e-3,
            _ => 1.0,
        })
    }
}

impl Clock {
    /// Returns the clock of the time column of `source`, or `None` if it has no times.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(crate) async fn of(engine: &Engine, source: &mut Source) -> Result<Option<Self>> {
        let Some(time) = TimeColumn::of(source) else {
            return Ok(None);
        };
        let ranges = time.ranges(engine, source, None).await?;
        Ok(ranges
            .first()
            .map(|[first, last]| time.clock(*first, *last)))
    }

    /// Returns the expression of an event's day: an integer that counts from 0 at the start, or null.
    pub(crate) fn day(&self) -> Expr {
        let days = floor(self.seconds.clone() / lit(SECONDS_PER_DAY));
        try_cast(days, DataType::Int64)
    }

    /// Returns the name of a day that counts from 0 at the start: its date, or its number from 1 if the start is not a
    /// date or the calendar does not reach so far.
    pub fn day_name(&self, day: i64) -> String {
        day_name(day, self.is_date)
    }

    /// Writes a time in words: date and time in UTC, or the duration since the start.
    pub fn moment(&self, seconds: f64) -> String {
        moment(seconds, self.is_date)
    }
}

/// Replaces NaN, and numbers that are too large to be a time, by null.
pub(crate) fn finite(ticks: Expr) -> Expr {
    const LARGEST: f64 = 1e300;
    let is_time = ticks.clone().between(lit(-LARGEST), lit(LARGEST));
    Expr::Case(Case::new(
        None,
        vec![(Box::new(is_time), Box::new(ticks))],
        None,
    ))
}

fn seconds(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e-3,
        TimeUnit::Microsecond => 1e-6,
        TimeUnit::Nanosecond => 1e-9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(unit: Option<f64>) -> TimeColumn {
        let ticks = lit(0.0);
        TimeColumn { ticks, unit }
    }

    #[test]
    fn days_have_their_dates() {
        let clock = column(Some(1.0)).clock(0.0, 0.0);
        for (day, name) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (18_765, "2021-05-18"),
            (20_779, "2026-11-22"),
        ] {
            assert_eq!(clock.day_name(day), name);
        }
        assert_eq!(clock.moment(1_621_321_445.9), "2021-05-18 07:04:05");
    }

    #[test]
    fn what_numbers_count_is_told_by_their_size() {
        for (first, last, is_date, seconds) in [
            (12.5, 90_000.0, false, 90_000.0),
            (1.6e9, 1.7e9, true, 1.7e9),
            (1.6e12, 1.7e12, true, 1.7e9),
            (1.6e15, 1.7e15, true, 1.7e9),
            (1.6e18, 1.7e18, true, 1.7e9),
        ] {
            let clock = column(None).clock(first, last);
            assert_eq!(clock.is_date, is_date, "{last}");
            assert!((clock.last / seconds - 1.0).abs() < 1e-12, "{last}");
        }
        let clock = column(None).clock(0.0, 10.0);
        assert_eq!(
            (clock.day_name(0), clock.moment(5_400.0)),
            ("day 1".into(), "90.0 min".into())
        );
    }
}
