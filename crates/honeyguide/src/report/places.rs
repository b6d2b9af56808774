//! The hosts and days of events, few enough for a page.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{Case, Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;

use crate::clock::{Clock, TimeColumn, finite};
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::COUNT;
use crate::groups::Key;
use crate::scan::Scan;
use crate::source::Source;

/// The greatest number of hosts that are counted separately. Those with fewer events are combined.
pub const MAX_HOSTS: usize = 40;
/// The greatest number of days that are counted separately. If there are more, neighbouring days are combined.
pub const MAX_DAYS: usize = 62;
/// The greatest number of pairs of a host and a day. A column with more does not hold the times of events.
const MAX_HOST_DAYS: usize = 100_000;

const HOST: &str = "__host_name";
const DAY: &str = "__day";
const TICKS: &str = "__ticks";
const FIRST: &str = "__first";
const LAST: &str = "__last";

/// A host, or several hosts combined.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The name of the host; `None` for events without one. For combined hosts it is the name of one of them.
    pub name: Option<String>,
    /// The number of events.
    pub events: u64,
    /// The number of days with an event, summed over combined hosts; 0 without a clock.
    pub days: u64,
}

/// One day, or several neighbouring days combined. Days count from 0 at the clock's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub first: i64,
    /// The last day.
    pub last: i64,
    /// The number of days with an event.
    pub days: u64,
}

/// The hosts and days of some events.
///
/// A *place* is a host and a day. Its number is the host's position in `hosts` × [`Places::slots`] + the day's position
/// in `days`, counted from 1; 0 stands for events without a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// The number of events.
    pub events: u64,
    /// The column that tells hosts apart, where the data has it.
    pub host_column: Option<String>,
    /// The number of hosts; `None` where the data has no column of hosts.
    pub n_hosts: Option<u64>,
    /// At most [`MAX_HOSTS`] hosts, those with most events first, then the others as one. There is one host without a
    /// name where the data has no column of hosts.
    pub hosts: Vec<Host>,
    /// The time column; `None` where the data does not say when events happened.
    pub clock: Option<Clock>,
    /// The days with an event, ascending; at most [`MAX_DAYS`] entries, and none without a clock.
    pub days: Vec<Days>,
}

/// The number of events by host and day.
type HostDays = BTreeMap<(usize, Option<i64>), u64>;

impl Places {
    /// Finds the hosts and days of `source`, in two scans of two columns.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(super) async fn find(engine: &Engine, source: &mut Source) -> Result<Self> {
        let mut places = find_hosts(engine, source).await?;
        if let Some(clock) = &places.clock {
            let host_days = count_days(engine, source, &places.host_code(), &clock.day()).await?;
            places.settle_days(&host_days);
        }
        Ok(places)
    }

    /// Returns whether the last host stands for several.
    pub fn has_others(&self) -> bool {
        self.n_hosts
            .is_some_and(|n_hosts| n_hosts > self.hosts.len() as u64)
    }

    /// Returns the expression of the position of an event's host in [`Self::hosts`].
    pub(super) fn host_code(&self) -> Expr {
        let Some(column) = &self.host_column else {
            return lit(0_i64);
        };
        let named = self.hosts.len() - usize::from(self.has_others());
        let codes = (0_i64..).zip(&self.hosts[..named]).map(|(code, host)| {
            let is_it = match &host.name {
                Some(name) => text(column).eq(lit(name.clone())),
                None => text(column).is_null(),
            };
            (is_it, code)
        });
        choose(codes, self.hosts.len() as i64 - 1)
    }

    /// Returns the number of an event's place as a key.
    pub(super) fn key(&self) -> Key {
        let slot = match &self.clock {
            Some(clock) => choose(
                (1_i64..)
                    .zip(&self.days)
                    .map(|(number, days)| (clock.day().lt_eq(lit(days.last)), number)),
                0,
            ),
            None => lit(0_i64),
        };
        Key {
            name: "__place".into(),
            expr: self.host_code() * lit(self.slots() as i64) + slot,
        }
    }

    /// Returns the names of [`Self::days`]: a date or number each, or the first and last of combined days.
    pub fn day_names(&self) -> Vec<String> {
        let Some(clock) = &self.clock else {
            return Vec::new();
        };
        let name = |days: &Days| match days.first == days.last {
            true => clock.day_name(days.first),
            false => format!(
                "{} to {}",
                clock.day_name(days.first),
                clock.day_name(days.last)
            ),
        };
        self.days.iter().map(name).collect()
    }

    /// Returns the number of places of a host: one per entry of [`Self::days`], and one for events without a time.
    pub fn slots(&self) -> usize {
        self.days.len() + 1
    }

    /// Returns the position in [`Self::hosts`] of the host of a place.
    pub fn host_of(&self, place: u32) -> usize {
        place as usize / self.slots()
    }

    fn settle_days(&mut self, host_days: &HostDays) {
        let distinct: BTreeSet<i64> = host_days.keys().filter_map(|(_, day)| *day).collect();
        let distinct: Vec<i64> = distinct.into_iter().collect();
        if distinct.is_empty() || host_days.len() >= MAX_HOST_DAYS {
            self.clock = None;
            return;
        }
        let together = distinct.len().div_ceil(MAX_DAYS);
        let days = distinct.chunks(together).map(|days| Days {
            first: days[0],
            last: days[days.len() - 1],
            days: days.len() as u64,
        });
        self.days = days.collect();
        for (host, day) in host_days.keys() {
            self.hosts[*host].days += u64::from(day.is_some());
        }
    }
}

fn text(column: &str) -> Expr {
    cast(ident(column), DataType::Utf8)
}

/// Returns the expression of the number beside the first condition that holds.
pub(super) fn choose(conditions: impl Iterator<Item = (Expr, i64)>, otherwise: i64) -> Expr {
    let branches: Vec<_> = conditions
        .map(|(condition, number)| (Box::new(condition), Box::new(lit(number))))
        .collect();
    if branches.is_empty() {
        return lit(otherwise);
    }
    Expr::Case(Case::new(None, branches, Some(Box::new(lit(otherwise)))))
}

/// Finds the hosts and the range of the time column, but not the days.
async fn find_hosts(engine: &Engine, source: &mut Source) -> Result<Places> {
    let host_column = source.host().map(|column| column.name.clone());
    let host = host_column.as_deref().map_or_else(|| lit(""), text);
    let time = TimeColumn::of(source);
    let ticks = time
        .as_ref()
        .map_or(lit(f64::NAN), |time| time.ticks.clone());
    let scan = Scan::new(engine, "finding hosts").reading([&host, &ticks]);
    let query = |table| by_host(table, &host, &ticks);
    let push = |found: &mut FoundHosts, batch: &RecordBatch| {
        found.push(batch);
        Ok(())
    };
    let start = || Ok(FoundHosts::default());
    let found = scan.fold(source, start, query, push).await?;
    let clock = time
        .zip(found.ticks)
        .map(|(time, (first, last))| time.clock(first, last));
    Ok(Places {
        events: found.hosts.iter().map(|host| host.events).sum(),
        n_hosts: host_column.as_ref().map(|_| found.n_hosts),
        host_column,
        hosts: found.hosts,
        clock,
        days: Vec::new(),
    })
}

/// Selects hosts with their events and times, most events first.
fn by_host(table: DataFrame, host: &Expr, ticks: &Expr) -> EngineResult<DataFrame> {
    let order = |name: &str, ascending| ident(name).sort(ascending, true);
    table
        .select(vec![host.clone().alias(HOST), ticks.clone().alias(TICKS)])?
        .select(vec![ident(HOST), finite(ident(TICKS)).alias(TICKS)])?
        .aggregate(
            vec![ident(HOST)],
            vec![
                count(lit(1)).alias(COUNT),
                min(ident(TICKS)).alias(FIRST),
                max(ident(TICKS)).alias(LAST),
            ],
        )?
        .sort(vec![order(COUNT, false), order(HOST, true)])
}

#[derive(Default)]
struct FoundHosts {
    hosts: Vec<Host>,
    n_hosts: u64,
    ticks: Option<(f64, f64)>,
}

impl FoundHosts {
    fn push(&mut self, batch: &RecordBatch) {
        let names = batch.column(0).as_string::<i32>();
        let counts = batch.column(1).as_primitive::<Int64Type>();
        let [first, last] = [2, 3].map(|column| batch.column(column).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            self.n_hosts += 1;
            let name = names.is_valid(row).then(|| names.value(row).to_owned());
            self.add(name, counts.value(row).unsigned_abs());
            if first.is_valid(row) {
                let (low, high) = self.ticks.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
                self.ticks = Some((low.min(first.value(row)), high.max(last.value(row))));
            }
        }
    }

    fn add(&mut self, name: Option<String>, events: u64) {
        match self.hosts.get_mut(MAX_HOSTS) {
            Some(others) => others.events += events,
            None => self.hosts.push(Host {
                name,
                events,
                days: 0,
            }),
        }
    }
}

async fn count_days(
    engine: &Engine,
    source: &mut Source,
    host: &Expr,
    day: &Expr,
) -> Result<HostDays> {
    let query = |table: DataFrame| {
        table
            .select(vec![host.clone().alias(HOST), day.clone().alias(DAY)])?
            .aggregate(
                vec![ident(HOST), ident(DAY)],
                vec![count(lit(1)).alias(COUNT)],
            )
    };
    let push = |counts: &mut HostDays, batch: &RecordBatch| {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let day = column(1).is_valid(row).then(|| column(1).value(row));
            if counts.len() < MAX_HOST_DAYS {
                let events = column(2).value(row).unsigned_abs();
                counts.insert((column(0).value(row) as usize, day), events);
            }
        }
        Ok(())
    };
    let scan = Scan::new(engine, "finding days").reading([host, day]);
    scan.fold(source, || Ok(HostDays::new()), query, push).await
}
