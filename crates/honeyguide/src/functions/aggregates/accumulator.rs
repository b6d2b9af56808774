//! The accumulators of the aggregates.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, ListBuilder, PrimitiveBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::statistic::{Row, Statistic, Total};

/// A column as doubles, with what its values have beyond them.
struct Numbers {
    values: Float64Array,
    rests: Option<Vec<f64>>,
}

impl Numbers {
    fn new(column: &ArrayRef) -> Result<Self> {
        let values = cast(column, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>().clone();
        let rest = |(whole, value): (i128, &f64)| (whole - *value as i128) as f64;
        let rests: Option<Vec<f64>> = match column.data_type() {
            DataType::Int64 => {
                let column = column.as_primitive::<Int64Type>().values().iter();
                let whole = column.map(|whole| i128::from(*whole));
                Some(whole.zip(values.values()).map(rest).collect())
            }
            DataType::UInt64 => {
                let column = column.as_primitive::<UInt64Type>().values().iter();
                let whole = column.map(|whole| i128::from(*whole));
                Some(whole.zip(values.values()).map(rest).collect())
            }
            _ => None,
        };
        Ok(Self { values, rests })
    }

    /// Returns the number of a row and its rest; `None` for a null.
    fn get(&self, index: usize) -> Option<(f64, f64)> {
        let rest = self.rests.as_ref().map_or(0.0, |rests| rests[index]);
        let is_valid = self.values.is_valid(index);
        is_valid.then(|| (self.values.value(index), rest))
    }
}

/// The columns of a batch.
struct Columns {
    x: Numbers,
    y: Option<Numbers>,
}

impl Columns {
    fn new(statistic: Statistic, values: &[ArrayRef]) -> Result<Self> {
        let (x, y) = match (statistic, values) {
            (Statistic::Regression(_), [y, x]) | (_, [x, y]) => (x, Some(y)),
            (_, [x]) => (x, None),
            _ => {
                return Err(exec_datafusion_err!(
                    "an aggregate got {} columns",
                    values.len()
                ));
            }
        };
        Ok(Self {
            x: Numbers::new(x)?,
            y: y.map(Numbers::new).transpose()?,
        })
    }

    /// Returns the numbers of a row; `None` if one of them is null.
    fn row(&self, index: usize) -> Option<Row> {
        let (y, y_rest) = match &self.y {
            Some(column) => column.get(index)?,
            None => (0.0, 0.0),
        };
        let (x, x_rest) = self.x.get(index)?;
        Some(Row {
            x,
            y,
            x_rest,
            y_rest,
        })
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        (0..self.x.values.len()).filter_map(|index| self.row(index))
    }
}

/// Returns the words of each row's state.
fn states(column: &ArrayRef) -> impl Iterator<Item = Option<Vec<i64>>> {
    let lists: &ListArray = column.as_list::<i32>();
    lists.iter().map(|list| {
        let list = list?;
        Some(list.as_primitive::<Int64Type>().values().to_vec())
    })
}

/// Returns the column of states.
fn encoded(totals: Vec<Total>) -> Vec<ArrayRef> {
    let mut lists = ListBuilder::new(PrimitiveBuilder::<Int64Type>::new());
    for total in totals {
        lists.values().append_slice(&total.encode());
        lists.append(true);
    }
    vec![Arc::new(lists.finish())]
}

fn damaged() -> DataFusionError {
    exec_datafusion_err!("the state of an aggregate is damaged")
}

/// The accumulator of one group or window.
#[derive(Debug)]
pub(super) struct Single {
    statistic: Statistic,
    total: Total,
    /// The bits of the numbers so far, if only distinct ones count.
    seen: Option<HashSet<u64>>,
    kind: DataType,
}

impl Single {
    /// Returns an accumulator whose result has the type `kind`.
    pub fn new(statistic: Statistic, is_distinct: bool, kind: DataType) -> Self {
        Self {
            statistic,
            total: statistic.start(),
            seen: is_distinct.then(HashSet::new),
            kind,
        }
    }

    fn add(&mut self, row: Row) {
        let Some(seen) = &mut self.seen else {
            return self.statistic.add(&mut self.total, row);
        };
        // Zeros are one number, and so are all NaN.
        let number = if row.x.is_nan() {
            f64::NAN
        } else {
            row.x + 0.0
        };
        if seen.insert(number.to_bits()) {
            self.statistic
                .add(&mut self.total, Row { x: number, ..row });
        }
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = Columns::new(self.statistic, values)?;
        columns.rows().for_each(|row| self.add(row));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = Columns::new(self.statistic, values)?;
        columns.rows().for_each(|row| self.total.subtract(row));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.seen.is_none() && !matches!(self.total, Total::Extreme(_))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.statistic.value(&self.total);
        ScalarValue::Float64(value).cast_to(&self.kind)
    }

    fn size(&self) -> usize {
        let seen = self
            .seen
            .as_ref()
            .map_or(0, |seen| 2 * size_of::<u64>() * seen.capacity());
        size_of_val(self) + self.total.heap_bytes() + seen
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let words: Vec<i64> = match &self.seen {
            Some(seen) => seen.iter().map(|bits| bits.cast_signed()).collect(),
            None => self.total.encode(),
        };
        let words: Vec<_> = words.into_iter().map(ScalarValue::from).collect();
        let list = ScalarValue::new_list_nullable(&words, &DataType::Int64);
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for words in columns.iter().flat_map(states).flatten() {
            if self.seen.is_none() {
                self.statistic
                    .merge(&mut self.total, &words)
                    .ok_or_else(damaged)?;
                continue;
            }
            for bits in words {
                let x = f64::from_bits(bits.cast_unsigned());
                self.add(Row::of(x));
            }
        }
        Ok(())
    }
}

/// The accumulator of many groups.
#[derive(Debug)]
pub(super) struct Groups {
    statistic: Statistic,
    totals: Vec<Total>,
    /// The memory that the totals take beside the vector, in bytes.
    heap_bytes: usize,
    kind: DataType,
}

impl Groups {
    /// Returns an accumulator whose results have the type `kind`.
    pub fn new(statistic: Statistic, kind: DataType) -> Self {
        Self {
            statistic,
            totals: Vec::new(),
            heap_bytes: 0,
            kind,
        }
    }

    /// Changes the total of a group, and keeps account of the memory.
    fn change<T>(&mut self, group: usize, change: impl FnOnce(&mut Total) -> T) -> T {
        let total = &mut self.totals[group];
        let before = total.heap_bytes();
        let done = change(total);
        self.heap_bytes = self.heap_bytes + total.heap_bytes() - before;
        done
    }

    fn make_room(&mut self, groups: usize) {
        let start = self.statistic.start();
        let new = groups.saturating_sub(self.totals.len());
        self.heap_bytes += new * start.heap_bytes();
        self.totals.resize(self.totals.len() + new, start);
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Total> {
        let taken = emit_to.take_needed(&mut self.totals);
        self.heap_bytes -= taken.iter().map(Total::heap_bytes).sum::<usize>();
        taken
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.make_room(total_num_groups);
        let (statistic, columns) = (self.statistic, Columns::new(self.statistic, values)?);
        let is_chosen = |index: usize| {
            opt_filter.is_none_or(|filter| filter.is_valid(index) && filter.value(index))
        };
        for (index, group) in group_indices.iter().enumerate() {
            if let Some(row) = columns.row(index).filter(|_| is_chosen(index)) {
                self.change(*group, |total| statistic.add(total, row));
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.make_room(total_num_groups);
        let statistic = self.statistic;
        for (words, group) in values.iter().flat_map(states).zip(group_indices) {
            if let Some(words) = words {
                let merged = self.change(*group, |total| statistic.merge(total, &words));
                merged.ok_or_else(damaged)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = self.take(emit_to);
        let values = totals.iter().map(|total| self.statistic.value(total));
        let values: Float64Array = values.collect();
        Ok(cast(&values, &self.kind)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(encoded(self.take(emit_to)))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut groups = Self::new(self.statistic, self.kind.clone());
        let rows = values.first().map_or(0, |column| column.len());
        let one_each: Vec<usize> = (0..rows).collect();
        groups.update_batch(values, &one_each, opt_filter, rows)?;
        groups.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<Total>() + self.heap_bytes
    }
}
