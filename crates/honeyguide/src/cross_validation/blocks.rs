//! Blocks of time: the training events divided at moments, with about the same number of events in each block.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{Case, Expr, lit};

use crate::clock::{Clock, TimeColumn};
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::Key;
use crate::scan::Scan;
use crate::source::Source;

/// The number of blocks.
const BLOCKS: usize = 5;
/// The lowest number of blocks for which some are held out.
const MIN_BLOCKS: usize = 3;
/// The greatest share of the events that one block may have.
const GREATEST_SHARE: f64 = 0.5;
/// The greatest number of cells of a histogram of times.
const MAX_CELLS: usize = 1 << 12;
/// The binary logarithm of the narrowest cells' width, in ticks.
const NARROWEST: i32 = -20;

/// Blocks of time, which the events are divided into.
#[derive(Debug, Clone)]
pub(crate) struct TimeBlocks {
    /// The time of an event in ticks, or null.
    ticks: Expr,
    /// The ticks at which the blocks after the first begin, ascending.
    starts: Vec<f64>,
    /// The clock of the column, which writes moments.
    clock: Clock,
    seconds_per_tick: f64,
}

impl TimeBlocks {
    /// Reads the times of `source` and returns blocks with about the same number of events. Returns `None` if the source
    /// has no usable time column, if it has too few different times, or if one block would have more than half of the
    /// events. The blocks do not depend on the order of the events.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub async fn find(engine: &Engine, source: &mut Source) -> Result<Option<Self>> {
        let Some(column) = TimeColumn::of(source) else {
            return Ok(None);
        };
        let names: Vec<String> = source
            .time()
            .into_iter()
            .map(|time| time.name.clone())
            .collect();
        let scan = Scan::new(engine, "reading times").columns(names);
        let ticks = column.ticks.clone();
        let query = |table: datafusion::prelude::DataFrame| table.select(vec![ticks.clone()]);
        let push = |times: &mut Times, batch: &RecordBatch| {
            let values = batch.column(0).as_primitive::<Float64Type>();
            for row in 0..values.len() {
                match values.is_valid(row) {
                    true => times.push(values.value(row)),
                    false => times.missing += 1,
                }
            }
            Ok(())
        };
        let times = scan.fold(source, || Ok(Times::new()), query, push).await?;
        Ok(times.blocks().map(|starts| {
            let clock = column.clock(times.first, times.last);
            let seconds_per_tick = column.seconds_per_tick(times.last);
            Self {
                ticks: column.ticks,
                starts,
                clock,
                seconds_per_tick,
            }
        }))
    }

    /// Returns the key by which events are grouped by block: the block's number from 0 as text. Events without a time are
    /// in the first block.
    pub fn key(&self) -> Key {
        let mut whens = Vec::with_capacity(self.starts.len());
        for (block, start) in self.starts.iter().enumerate().rev() {
            let is_later = self.ticks.clone().gt_eq(lit(*start));
            let number = lit((block + 1).to_string());
            whens.push((Box::new(is_later), Box::new(number)));
        }
        Key {
            name: "__block".to_owned(),
            expr: Expr::Case(Case::new(None, whens, Some(Box::new(lit("0"))))),
        }
    }

    /// Returns the beginning and the end of the block with the number `name`, in words.
    pub fn range(&self, name: &str) -> (String, String) {
        let block: usize = name.parse().unwrap_or(0);
        let start = |block: usize| match block {
            0 => self.clock.first,
            _ => self
                .starts
                .get(block - 1)
                .map_or(self.clock.last, |ticks| ticks * self.seconds_per_tick),
        };
        let moment = |seconds| self.clock.moment(seconds);
        (moment(start(block)), moment(start(block + 1)))
    }
}

/// A histogram of times with cells of equal width. The width is the narrowest power of two with which there are at most
/// [`MAX_CELLS`] cells, so it depends on the times, not on their order.
#[derive(Debug, Clone)]
struct Times {
    /// The number of events of each cell. The key is the bits of the cell's number.
    cells: HashMap<u64, u64>,
    /// The binary logarithm of the cells' width.
    exponent: i32,
    first: f64,
    last: f64,
    /// The number of events without a time.
    missing: u64,
}

impl Times {
    fn new() -> Self {
        Self {
            cells: HashMap::new(),
            exponent: NARROWEST,
            first: f64::INFINITY,
            last: f64::NEG_INFINITY,
            missing: 0,
        }
    }

    fn push(&mut self, ticks: f64) {
        if !ticks.is_finite() {
            self.missing += 1;
            return;
        }
        self.first = self.first.min(ticks);
        self.last = self.last.max(ticks);
        *self.cells.entry(self.cell(ticks)).or_default() += 1;
        while self.cells.len() > MAX_CELLS {
            self.exponent += 1;
            let cells = std::mem::take(&mut self.cells);
            for (cell, events) in cells {
                let wider = (f64::from_bits(cell) / 2.0).floor() + 0.0;
                *self.cells.entry(wider.to_bits()).or_default() += events;
            }
        }
    }

    /// Returns the bits of the number of the cell of a time.
    fn cell(&self, ticks: f64) -> u64 {
        // A division by a power of two is exact. The sum turns −0 into 0.
        ((ticks / f64::from(self.exponent).exp2()).floor() + 0.0).to_bits()
    }

    /// Returns the times at which the blocks after the first begin, or `None` if there are too few blocks, or one of them
    /// is too large. Events without a time are in the first block.
    fn blocks(&self) -> Option<Vec<f64>> {
        let width = f64::from(self.exponent).exp2();
        let cells = self.cells.iter();
        let mut cells: Vec<(f64, u64)> = cells
            .map(|(cell, events)| (f64::from_bits(*cell) * width, *events))
            .collect();
        cells.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let total = self.missing + cells.iter().map(|cell| cell.1).sum::<u64>();
        let mut starts = Vec::new();
        let mut sizes = vec![self.missing];
        let mut before = self.missing;
        for (start, events) in cells {
            // A block begins with the first cell that lies closer to its share of the events than the cell after it.
            let wanted = (starts.len() + 1) as f64 * total as f64 / BLOCKS as f64;
            let is_due = before as f64 + events as f64 / 2.0 > wanted;
            if is_due && before > 0 && starts.len() + 1 < BLOCKS {
                starts.push(start);
                sizes.push(0);
            }
            *sizes.last_mut()? += events;
            before += events;
        }
        let greatest = sizes.iter().copied().max()?;
        let is_usable =
            sizes.len() >= MIN_BLOCKS && greatest as f64 <= GREATEST_SHARE * total as f64;
        is_usable.then_some(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ticks: impl IntoIterator<Item = f64>) -> Times {
        let mut times = Times::new();
        ticks.into_iter().for_each(|ticks| times.push(ticks));
        times
    }

    #[test]
    fn blocks_have_about_the_same_number_of_events() {
        let starts = times((0..100).map(f64::from)).blocks();
        assert_eq!(starts, Some(vec![20.0, 40.0, 60.0, 80.0]));
        // Far more times than cells, in two bursts, and one time from 1970.
        let burst = |start: f64| (0..50_000).map(move |tick| start + f64::from(tick) * 0.001);
        let all: Vec<f64> = burst(1.7e9)
            .chain(burst(1.7e9 + 1e6))
            .chain([0.0])
            .collect();
        let starts = times(all.iter().copied()).blocks().expect("blocks");
        let mut sizes = vec![0; starts.len() + 1];
        for time in &all {
            sizes[starts.partition_point(|start| start <= time)] += 1;
        }
        assert_eq!(sizes.len(), BLOCKS);
        assert!(
            sizes.iter().all(|size| (16_000..=24_000).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn blocks_do_not_depend_on_the_order_of_events() {
        let forwards: Vec<f64> = (0..20_000)
            .map(|tick| f64::from(tick * tick % 7_919) * 1e3)
            .collect();
        let backwards = forwards.iter().rev().copied();
        let (one, two) = (times(forwards.iter().copied()), times(backwards));
        assert_eq!((one.exponent, one.blocks()), (two.exponent, two.blocks()));
    }

    #[test]
    fn times_without_blocks_are_told() {
        assert_eq!(times([]).blocks(), None);
        assert_eq!(times([5.0; 100]).blocks(), None);
        let two = (0..100).map(|event| f64::from(event % 2));
        assert_eq!(times(two).blocks(), None);
        let mostly_one = (0..100).map(|event| f64::from(0.max(event - 60)));
        assert_eq!(times(mostly_one).blocks(), None);
        assert_eq!(times([f64::NAN, f64::INFINITY]).missing, 2);
    }
}
