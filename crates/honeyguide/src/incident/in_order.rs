//! Events that come in the order of time already, as logs are mostly written. They need no sort.
//!
//! Each host's events have to be in the order that [`IncidentQuery::sort`](super::query::IncidentQuery::sort) gives them;
//! how those of different hosts alternate has no meaning. Events of the same time are ordered here, batch by batch. An
//! order that is found to be another one ends the attempt, and the events are sorted.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, UInt64Type};
use datafusion::arrow::error::ArrowError;

use super::fold::{HostFold, MAX_OPEN};
use super::hosts::Hosts;
use super::query::{HOST, IncidentQuery, SECONDS};
use crate::cells::value;
use crate::engine::NUMBER;
use crate::error::{Error, Result};
use crate::scan::{FileRows, NumberedRows, Scan};
use crate::source::Source;

/// The greatest number of hosts whose events are folded at once.
const MAX_HOSTS: usize = 256;
/// The greatest number of processes of all hosts that are remembered while their events are folded at once. As many incidents
/// may be open as of one host.
const MAX_PROCESSES: usize = 1 << 18;

/// The greatest number of events of the same time that are held back. Each further batch would copy them again.
const MAX_HELD: usize = 1 << 16;

/// A state of which a part is a fold of events.
pub(super) trait Folds {
    /// Returns the folds of the hosts.
    fn hosts(&mut self) -> &mut Hosts;
}

/// Folds the events of `source` in the order in which they come. Returns `None` if that is not the order of time, if other
/// machines read them, and if that would take too much memory: then the events need a sort.
///
/// # Errors
/// Fails when the data cannot be read, and with whatever `start` and `step` fail with.
pub(super) async fn fold<T: Folds>(
    scan: &Scan<'_>,
    source: &mut Source,
    query: &IncidentQuery,
    start: impl Fn() -> Result<T>,
    mut step: impl FnMut(&mut T, NumberedRows) -> Result<()>,
) -> Result<Option<T>> {
    if scan.is_distributed() {
        return Ok(None);
    }
    let start = |_: &Source| {
        let mut state = start()?;
        *state.hosts() = Hosts::at_once();
        Ok((Some(state), InOrder::default(), 0))
    };
    let select = |table| query.select(table);
    let push = |(state, order, rows): &mut (Option<T>, InOrder, u64), batch: FileRows| {
        let n_rows = batch.batch.num_rows() as u64;
        let numbers = UInt64Array::from_iter_values(*rows..*rows + n_rows);
        *rows += n_rows;
        let ordered = order.push(&with_numbers(batch.batch, numbers).map_err(internal)?)?;
        take(state, ordered, &mut step)?;
        Ok(match state {
            Some(_) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        })
    };
    let scanned = scan
        .fold_in_order_while(source, start, select, push)
        .await?;
    let (mut state, mut order, _) = scanned;
    take(&mut state, order.finish()?, &mut step)?;
    Ok(state)
}

/// Gives events to a state, which is dropped if they are not in order or if it is too large.
fn take<T: Folds>(
    state: &mut Option<T>,
    ordered: Ordered,
    step: &mut impl FnMut(&mut T, NumberedRows) -> Result<()>,
) -> Result<()> {
    let (Some(folded), Ordered::Events(batches)) = (state.as_mut(), ordered) else {
        *state = None;
        return Ok(());
    };
    for mut batch in batches {
        let numbers = batch.remove_column(batch.num_columns() - 1);
        let numbers = numbers.as_primitive::<UInt64Type>();
        step(folded, NumberedRows { numbers, batch })?;
    }
    let hosts = folded.hosts();
    let processes = hosts.iter().map(HostFold::n_processes).sum::<usize>();
    let open = hosts
        .iter()
        .map(|host| host.open_incidents().len())
        .sum::<usize>();
    if processes > MAX_PROCESSES || open > MAX_OPEN {
        *state = None;
    }
    Ok(())
}

/// Returns a batch with a last column of numbers.
fn with_numbers(
    batch: &RecordBatch,
    numbers: UInt64Array,
) -> std::result::Result<RecordBatch, ArrowError> {
    let mut fields = batch.schema_ref().fields().to_vec();
    fields.push(Arc::new(Field::new(NUMBER, DataType::UInt64, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(numbers));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The order of the events so far.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// The time of the last event of each host, and the number of the batch that had it.
    last: HashMap<Option<String>, (f64, u64)>,
    batches: u64,
    /// The last events of the last batch, which have the same time: the next batch may have more of them.
    held: Option<RecordBatch>,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Ordered {
    /// The events that follow those before, in their order.
    Events(Vec<RecordBatch>),
    /// A host's events are not in the order of time, some have no time, or there are too many hosts or events of the same
    /// time.
    Unordered,
}

impl InOrder {
    /// Takes a batch of the query.
    ///
    /// # Errors
    /// Fails when a batch cannot be put together, which is a defect.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Ordered> {
        self.push_batch(batch).map_err(internal)
    }

    /// Returns the events that were held back.
    ///
    /// # Errors
    /// Fails as [`push`](Self::push) does.
    pub fn finish(&mut self) -> Result<Ordered> {
        let held = self.held.take().into_iter().collect();
        self.released(held).map_err(internal)
    }

    fn push_batch(&mut self, batch: &RecordBatch) -> std::result::Result<Ordered, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(Ordered::Events(Vec::new()));
        }
        let seconds = |batch: &RecordBatch, row| {
            let seconds = batch.column(SECONDS).as_primitive::<Float64Type>();
            seconds.value(row)
        };
        let mut released = Vec::new();
        let mut batch = batch.clone();
        if let Some(held) = self.held.take() {
            if seconds(&held, 0) == seconds(&batch, 0) {
                batch = concat_batches(&batch.schema(), [&held, &batch])?;
            } else {
                released.push(held);
            }
        }
        let last = seconds(&batch, batch.num_rows() - 1);
        let of_last = (0..batch.num_rows()).rev();
        let of_last = of_last.take_while(|row| seconds(&batch, *row) == last);
        let rest = batch.num_rows() - of_last.count();
        if batch.num_rows() - rest > MAX_HELD {
            return Ok(Ordered::Unordered);
        }
        self.held = Some(batch.slice(rest, batch.num_rows() - rest));
        released.push(batch.slice(0, rest));
        self.released(released)
    }

    /// Puts events of the same host and time in the order of their values.
    fn released(&mut self, batches: Vec<RecordBatch>) -> std::result::Result<Ordered, ArrowError> {
        let mut events = Vec::new();
        for batch in batches {
            match self.order(&batch) {
                Order::None => return Ok(Ordered::Unordered),
                Order::ByTime => events.push(sorted(&batch)?),
                Order::Complete => events.push(batch),
            }
        }
        Ok(Ordered::Events(events))
    }

    /// Returns how a batch is ordered that follows those before.
    fn order(&mut self, batch: &RecordBatch) -> Order {
        let seconds = batch.column(SECONDS).as_primitive::<Float64Type>();
        if seconds.null_count() > 0 {
            return Order::None;
        }
        self.batches += 1;
        let hosts = batch.column(HOST);
        let mut order = Order::Complete;
        // The host of the row before, and the time of its last event. Most events follow one of their own host.
        let mut current: Option<(Option<&str>, (f64, u64))> = None;
        for row in 0..batch.num_rows() {
            let (host, time) = (value(hosts, row), seconds.value(row));
            let known = match current {
                Some((of, last)) if of == host => Some(last),
                _ => {
                    if let Some((of, last)) = current {
                        self.enter(of, last);
                    }
                    self.last.get(&host.map(str::to_owned)).copied()
                }
            };
            if let Some((last, batch)) = known {
                if time < last || (time == last && batch != self.batches) {
                    return Order::None;
                }
                if time == last {
                    order = Order::ByTime;
                }
            }
            current = Some((host, (time, self.batches)));
        }
        if let Some((of, last)) = current {
            self.enter(of, last);
        }
        match self.last.len() > MAX_HOSTS {
            true => Order::None,
            false => order,
        }
    }

    /// Notes the time of the last event of a host.
    fn enter(&mut self, host: Option<&str>, last: (f64, u64)) {
        self.last.insert(host.map(str::to_owned), last);
    }
}

/// The order of a batch.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Some host's events are not in the order of time.
    None,
    /// Each host's events are in the order of time.
    ByTime,
    /// No two events of a host have the same time, either.
    Complete,
}

/// Sorts a batch by all its columns, as the query does.
fn sorted(batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|values| SortColumn {
        values: values.clone(),
        options: Some(SortOptions {
            descending: false,
            nulls_first: true,
        }),
    });
    let columns: Vec<_> = columns.collect();
    let order = lexsort_to_indices(&columns, None)?;
    take_record_batch(batch, &order)
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("events in their order: {error}"))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    type Event = (Option<&'static str>, Option<f64>, i64);
    type Found = (Option<String>, Option<f64>, i64);

    fn batch(events: &[Event]) -> RecordBatch {
        let hosts = events.iter().map(|event| event.0).collect::<StringArray>();
        let seconds = events.iter().map(|event| event.1).collect::<Float64Array>();
        let values = events.iter().map(|event| event.2).collect::<Int64Array>();
        let columns: [(&str, ArrayRef); 3] = [
            ("0", Arc::new(hosts)),
            ("1", Arc::new(seconds)),
            ("2", Arc::new(values)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .expect("columns of one length")
    }

    fn events(batch: &RecordBatch) -> Vec<Found> {
        let seconds = batch.column(1).as_primitive::<Float64Type>();
        let values = batch.column(2).as_any().downcast_ref::<Int64Array>();
        let values = values.expect("numbers");
        let row = |row| {
            let host = value(batch.column(0), row).map(str::to_owned);
            (
                host,
                seconds.is_valid(row).then(|| seconds.value(row)),
                values.value(row),
            )
        };
        (0..batch.num_rows()).map(row).collect()
    }

    /// Returns the events of each host, one host after the other; `None` where they are found to be unordered.
    fn ordered(given: &[Event], batch_rows: usize) -> Option<Vec<Found>> {
        let mut order = InOrder::default();
        let mut found = Vec::new();
        let mut take = |ordered| match ordered {
            Ordered::Events(batches) => {
                batches.iter().for_each(|batch| found.extend(events(batch)));
                true
            }
            Ordered::Unordered => false,
        };
        for chunk in given.chunks(batch_rows) {
            if !take(order.push(&batch(chunk)).expect("arrays")) {
                return None;
            }
        }
        if !take(order.finish().expect("arrays")) {
            return None;
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Some(found)
    }

    #[test]
    fn hosts_alternate_and_files_of_hosts_follow_one_another() {
        let (a, b) = (Some("a"), Some("b"));
        let given = [
            (a, Some(1.0), 5),
            (b, Some(1.0), 3),
            (a, Some(1.0), 4),
            (None, Some(0.5), 0),
            (a, Some(2.0), 1),
        ];
        assert_eq!(ordered(&given, 9).expect("ordered").len(), 5);
        assert!(
            ordered(
                &[(a, Some(1.0), 0), (a, Some(0.9), 0), (a, Some(2.0), 0)],
                9
            )
            .is_none()
        );
        assert!(ordered(&[(a, None, 0)], 9).is_none());
        // Events of one time are held back, but not all of a long log.
        let same = vec![(a, Some(1.0), 0); MAX_HELD + 1];
        assert!(ordered(&same, 4096).is_none());
        assert!(ordered(&same[1..], 4096).is_some());
        // A tie with an event that was given away earlier comes too late.
        assert!(
            ordered(
                &[
                    (a, Some(1.0), 0),
                    (b, Some(2.0), 0),
                    (a, Some(1.0), 0),
                    (b, Some(3.0), 0)
                ],
                2
            )
            .is_none()
        );
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_sort(
            mut times in prop::collection::vec((0..30u8, 0..3usize, 0..3i64), 1..60), batch_rows in 1..9usize, swap in 0..200usize,
        ) {
            times.sort_by_key(|(time, ..)| *time);
            if swap + 1 < times.len() {
                times.swap(swap, swap + 1);
            }
            let hosts = [None, Some("a"), Some("b")];
            let given: Vec<Event> = times
                .iter()
                .map(|(time, host, value)| (hosts[*host], Some(f64::from(*time)), *value))
                .collect();
            if let Some(found) = ordered(&given, batch_rows) {
                let expected = events(&sorted(&batch(&given)).expect("arrays"));
                prop_assert_eq!(found, expected);
            } else {
                prop_assert!(swap + 1 < times.len(), "events in order are found to be so");
            }
        }
    }
}
