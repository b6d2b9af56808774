//! The statistics of one column, accumulated batch by batch.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, PrimitiveArray, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use learn::describe::{Census, Domain, KeyCounts, NumberCounts, Running, TextCounts};
use learn::stats::Quantiles;

use super::histogram::Histogram;
use super::{ColumnSummary, Distinct, NumericSummary, TOP_VALUES, ValueCount};
use crate::error::{Error, Result};
use crate::source::Column;
use crate::whole::LARGEST_WHOLE;

/// The statistics of one column over the rows so far.
pub(super) struct ColumnTally {
    name: String,
    data_type: DataType,
    rows: u64,
    nulls: u64,
    values: Values,
}

/// The counts of a column's values, by kind.
enum Values {
    Numbers(Box<Numbers>),
    Texts(TextCounts),
}

/// The statistics of a column of numbers.
struct Numbers {
    counts: NumberCounts,
    /// The counts of the exact values as text, where two of them can be the same 64-bit number.
    decimals: Option<TextCounts>,
    /// The moments of the values less the origin.
    running: Running,
    infinite: u64,
    /// A value that is so great that floats cannot tell its neighbours apart, or 0. Differences from it keep their digits. It
    /// is in units of the last digit of a decimal.
    origin: i128,
    /// How many units of the last digit of a decimal make 1; 1 for whole numbers.
    unit: f64,
    /// The values of the last batch less the origin, NaN where there is no finite value.
    batch: Vec<f64>,
}

impl ColumnTally {
    pub fn new(column: &Column) -> Self {
        let domain = match &column.data_type {
            DataType::UInt64 => Some(Domain::Unsigned),
            found if found.is_integer() => Some(Domain::Signed),
            found if found.is_numeric() => Some(Domain::Float),
            _ => None,
        };
        let values = match domain {
            None => Values::Texts(TextCounts::default()),
            Some(domain) => Values::Numbers(Box::new(Numbers {
                counts: NumberCounts::new(domain),
                decimals: column.data_type.is_decimal().then(TextCounts::default),
                running: Running::default(),
                infinite: 0,
                origin: 0,
                unit: unit_of(&column.data_type),
                batch: Vec::new(),
            })),
        };
        Self {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            rows: 0,
            nulls: 0,
            values,
        }
    }

    /// Adds the values of `array`.
    ///
    /// # Errors
    /// Fails when a value cannot be cast or displayed, which is a defect.
    pub fn push(&mut self, array: &ArrayRef) -> Result<()> {
        self.rows += array.len() as u64;
        let present = match &mut self.values {
            Values::Numbers(numbers) => numbers.push(array)?,
            Values::Texts(texts) => push_texts(texts, array)?,
        };
        self.nulls += array.len() as u64 - present;
        Ok(())
    }

    /// Returns the column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the column holds numbers.
    pub fn is_numeric(&self) -> bool {
        matches!(self.values, Values::Numbers(_))
    }

    /// Returns whether the column holds numbers, with fewer than two distinct finite ones.
    pub fn is_constant(&self) -> bool {
        match &self.values {
            Values::Numbers(numbers) => numbers.running.is_constant(),
            Values::Texts(_) => false,
        }
    }

    /// Returns the number of finite numbers.
    pub fn finite(&self) -> f64 {
        match &self.values {
            Values::Numbers(numbers) => numbers.running.count as f64,
            Values::Texts(_) => 0.0,
        }
    }

    /// Returns the numbers of the last batch, NaN where there is no finite value. All numbers of a column are less by the same
    /// number, if they are so great that floats cannot tell them apart.
    pub fn last_batch(&self) -> &[f64] {
        match &self.values {
            Values::Numbers(numbers) => &numbers.batch,
            Values::Texts(_) => &[],
        }
    }

    /// Returns the number of distinct values that are held in memory.
    pub fn held(&self) -> usize {
        match &self.values {
            Values::Numbers(numbers) => {
                numbers.counts.held() + numbers.decimals.as_ref().map_or(0, TextCounts::held)
            }
            Values::Texts(texts) => texts.held(),
        }
    }

    /// Reduces the number of distinct values held in memory to at most `keep`.
    pub fn cut(&mut self, keep: usize) {
        match &mut self.values {
            Values::Numbers(numbers) => match &mut numbers.decimals {
                Some(decimals) => {
                    numbers.counts.cut(keep / 2);
                    decimals.cut(keep / 2);
                }
                None => numbers.counts.cut(keep),
            },
            Values::Texts(texts) => texts.cut(keep),
        }
    }

    /// Returns the summary of the column.
    pub fn finish(&mut self) -> ColumnSummary {
        let (numeric, top) = match &mut self.values {
            Values::Numbers(numbers) => (numbers.summary(), numbers.top()),
            Values::Texts(texts) => (None, top_texts(texts)),
        };
        let keys = match &mut self.values {
            Values::Numbers(numbers) => numbers.keys(),
            Values::Texts(texts) => texts.keys(),
        };
        ColumnSummary {
            name: self.name.clone(),
            data_type: self.data_type.to_string(),
            nulls: self.nulls,
            distinct: Distinct {
                count: keys.distinct(),
                exact: keys.is_complete(),
            },
            numeric,
            top,
            top_missed: keys.missed(),
        }
    }
}

impl Numbers {
    /// Adds the values of `array`. Returns the number of values that are not missing.
    fn push(&mut self, array: &ArrayRef) -> Result<u64> {
        if self.running.count == 0 {
            self.origin = great_value(array).unwrap_or(0);
        }
        let floats = match self.origin {
            0 => as_floats(array)?,
            origin => differences(array, origin)?,
        };
        let floats = floats.as_primitive::<Float64Type>();
        self.batch.clear();
        self.batch.extend_from_slice(floats.values());
        if let Some(nulls) = floats.nulls() {
            let rows = self.batch.iter_mut().zip(nulls);
            rows.filter(|(_, is_valid)| !is_valid)
                .for_each(|(value, _)| *value = f64::NAN);
        }
        match self.counts.domain() {
            Domain::Float if self.origin == 0 => self.counts.push_floats(&self.batch),
            Domain::Float => {
                let floats = present::<Float64Type>(array)?;
                self.counts.push_floats(floats.values());
            }
            Domain::Signed => {
                let integers = present::<Int64Type>(array)?;
                self.counts.push_signed(integers.values());
            }
            Domain::Unsigned => {
                let integers = present::<UInt64Type>(array)?;
                self.counts.push_unsigned(integers.values());
            }
        }
        if let Some(decimals) = &mut self.decimals {
            push_texts(decimals, array)?;
        }
        let census = Census::of(&mut self.batch);
        self.infinite += census.infinite;
        self.running.push(&self.batch);
        Ok(array.len() as u64 - census.missing)
    }

    /// Returns the counts of the exact values.
    fn keys(&mut self) -> &KeyCounts {
        match &mut self.decimals {
            Some(decimals) => decimals.keys(),
            None => self.counts.keys(),
        }
    }

    fn top(&mut self) -> Vec<ValueCount> {
        if let Some(decimals) = &mut self.decimals {
            return top_texts(decimals);
        }
        let domain = self.counts.domain();
        let top = self.counts.keys().top(TOP_VALUES).into_iter();
        top.map(|(key, count)| ValueCount {
            value: domain.text(key),
            count,
        })
        .collect()
    }

    fn summary(&mut self) -> Option<NumericSummary> {
        let running = match self.origin {
            0 => self.running,
            origin => self.running.moved_by(origin as f64 / self.unit),
        };
        let sorted = self.counts.sorted().into_iter();
        let finite: Vec<(f64, f64)> = sorted
            .filter(|cell| cell.0.is_finite())
            .map(|(number, count)| (number.clamp(running.min, running.max), count as f64))
            .collect();
        // Some integers and decimals are no 64-bit floats.
        let is_rounded = match self.counts.domain() {
            Domain::Float => {
                self.decimals.is_some() && self.keys().distinct() != self.counts.keys().distinct()
            }
            Domain::Signed | Domain::Unsigned => running.min.min(-running.max) < -LARGEST_WHOLE,
        };
        let exact = self.counts.is_exact() && !is_rounded;
        NumericSummary::new(&finite, &running, self.infinite, exact)
    }
}

impl NumericSummary {
    /// Summarises finite numbers in ascending order with their counts; `running` holds their moments. Returns `None`
    /// without numbers.
    pub(super) fn new(
        sorted: &[(f64, f64)],
        running: &Running,
        infinite: u64,
        exact: bool,
    ) -> Option<Self> {
        let quantiles = Quantiles::new(sorted.to_vec())?;
        Some(Self {
            min: running.min,
            q1: quantiles.at(0.25)?,
            median: quantiles.at(0.5)?,
            q3: quantiles.at(0.75)?,
            max: running.max,
            mean: running.mean(),
            std: running.sample_std(),
            infinite,
            exact,
            histogram: Histogram::linear(sorted)?,
            log_histogram: Histogram::logarithmic(sorted),
        })
    }
}

/// Adds the values of `array`. Returns the number of values that are not null.
fn push_texts(texts: &mut TextCounts, array: &ArrayRef) -> Result<u64> {
    if let Some(strings) = array.as_string_opt::<i32>() {
        return Ok(push_strings(texts, strings));
    }
    Ok(push_strings(texts, &as_texts(array)?))
}

/// Returns the values of `array` as text, those of types that are no text as they are displayed.
///
/// # Errors
/// Fails when a value cannot be displayed, which is a defect.
pub(super) fn as_texts(array: &ArrayRef) -> Result<StringArray> {
    // A cast of bytes to text fails if they are not UTF-8. They are displayed in hexadecimal digits.
    if !is_binary(array.data_type())
        && let Ok(strings) = cast(array, &DataType::Utf8)
    {
        return Ok(strings.as_string().clone());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)
        .map_err(|error| Error::internal(format!("a {} as text: {error}", array.data_type())))?;
    let value = |row| {
        array
            .is_valid(row)
            .then(|| formatter.value(row).to_string())
    };
    Ok((0..array.len()).map(value).collect())
}

/// Returns the numbers of `array` as floats.
///
/// # Errors
/// Fails when the type has no cast to floats, which is a defect.
pub(super) fn as_floats(array: &ArrayRef) -> Result<ArrayRef> {
    cast_to(array, &DataType::Float64)
}

/// Returns a value that is so great that not every number near it is a float, in units of its last digit, if there is one.
fn great_value(array: &ArrayRef) -> Option<i128> {
    digits(array)?
        .flatten()
        .find(|value| value.unsigned_abs() >= LARGEST_WHOLE as u128)
}

/// Returns the values less `origin` as floats.
fn differences(array: &ArrayRef, origin: i128) -> Result<ArrayRef> {
    let unit = unit_of(array.data_type());
    let all = digits(array).ok_or_else(|| Error::internal("differences of other than numbers"))?;
    // A difference that no 128 bits hold has no digits that a float keeps.
    let less = |value: i128| {
        value
            .checked_sub(origin)
            .map_or(value as f64 - origin as f64, |less| less as f64)
    };
    let floats: Float64Array = all
        .map(|value| value.map(|value| less(value) / unit))
        .collect();
    Ok(Arc::new(floats))
}

/// Returns the values of whole numbers and decimals in units of their last digit; `None` for other types.
fn digits(array: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<i128>> + '_>> {
    if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        return Some(Box::new(integers.iter().map(|value| value.map(i128::from))));
    }
    if let Some(integers) = array.as_primitive_opt::<UInt64Type>() {
        return Some(Box::new(integers.iter().map(|value| value.map(i128::from))));
    }
    let decimals = array.as_primitive_opt::<Decimal128Type>()?;
    Some(Box::new(decimals.iter()))
}

/// Returns how many units of the last digit of a value make 1.
fn unit_of(data_type: &DataType) -> f64 {
    match data_type {
        DataType::Decimal128(_, scale) => 10_f64.powi(i32::from(*scale)),
        _ => 1.0,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(
        data_type,
        Binary | BinaryView | LargeBinary | FixedSizeBinary(_)
    )
}

fn push_strings(texts: &mut TextCounts, strings: &StringArray) -> u64 {
    if strings.null_count() == 0 {
        (0..strings.len()).for_each(|row| texts.push(strings.value(row)));
    } else {
        strings.iter().flatten().for_each(|text| texts.push(text));
    }
    (strings.len() - strings.null_count()) as u64
}

fn top_texts(texts: &mut TextCounts) -> Vec<ValueCount> {
    let top = texts.top(TOP_VALUES).into_iter();
    top.map(|(text, count)| ValueCount {
        value: text.to_owned(),
        count,
    })
    .collect()
}

/// Returns the integers of `array` without its nulls.
fn present<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<PrimitiveArray<T>> {
    let integers = cast_to(array, &T::DATA_TYPE)?;
    let integers = integers.as_primitive::<T>();
    if integers.null_count() == 0 {
        return Ok(integers.clone());
    }
    Ok(PrimitiveArray::from_iter_values(integers.iter().flatten()))
}

fn cast_to(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    cast(array, data_type)
        .map_err(|error| Error::internal(format!("{} as {data_type}: {error}", array.data_type())))
}
