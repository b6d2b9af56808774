//! Counts of a column's numbers, exact or in narrow buckets, and their moments.

use std::collections::HashMap;

use super::KeyCounts;
use super::recent::{Recent, Slot};
use crate::stats::Moments;

/// The maximum number of buckets; above it, neighbouring buckets are merged.
const MAX_BUCKETS: usize = 1 << 16;

/// The type of a column's numbers. It determines how each number is mapped to a 64-bit key, such
/// that keys are ordered like the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// 64-bit floats.
    Float,
    /// Signed 64-bit integers.
    Signed,
    /// Unsigned 64-bit integers, which are their own keys.
    Unsigned,
}

/// The sign bit.
const SIGN: u64 = 1 << 63;

impl Domain {
    /// Returns the key of a float, which must not be NaN. −0 has the key of 0.
    pub fn key_of_float(number: f64) -> u64 {
        let bits = (number + 0.0).to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    }

    /// Returns the key of a signed integer.
    pub fn key_of_signed(number: i64) -> u64 {
        number.cast_unsigned() ^ SIGN
    }

    /// Returns the number of a key. Integers beyond 2⁵³ are rounded.
    pub fn number(self, key: u64) -> f64 {
        match self {
            Self::Float if key & SIGN == 0 => f64::from_bits(!key),
            Self::Float => f64::from_bits(key & !SIGN),
            Self::Signed => (key ^ SIGN).cast_signed() as f64,
            Self::Unsigned => key as f64,
        }
    }

    /// Returns the number of a key as text, without rounding.
    pub fn text(self, key: u64) -> String {
        match self {
            Self::Float => short(self.number(key)),
            Self::Signed => (key ^ SIGN).cast_signed().to_string(),
            Self::Unsigned => key.to_string(),
        }
    }
}

/// Returns the shortest digits that are read back as the same number, with a power of ten where the
/// digits would be many: 1e308 instead of 309 digits.
pub fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() || (1e-5..1e16).contains(&number.abs()) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// Counts of a column's numbers.
///
/// After [`cut`](Self::cut) it also counts buckets of neighbouring keys: floats that share their
/// sign, exponent and leading mantissa bits, as in the HDR histogram, or integers that share their
/// leading bits.
#[derive(Debug, Clone)]
pub struct NumberCounts {
    domain: Domain,
    recent: Recent<()>,
    table: Table,
}

/// The counts of all numbers that are not in the cache of recent ones.
#[derive(Debug, Clone, Default)]
struct Table {
    keys: KeyCounts,
    buckets: Option<Buckets>,
}

impl Table {
    /// Adds the counts of a slot of the cache.
    fn add_slot(&mut self, slot: &Slot<()>) {
        self.keys.add(slot.key, slot.times);
        if let Some(buckets) = &mut self.buckets {
            buckets.add(slot.key, slot.times);
        }
    }
}

impl NumberCounts {
    /// Creates counts of no numbers.
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            recent: Recent::default(),
            table: Table::default(),
        }
    }

    /// Counts floats, ignoring NaN.
    pub fn push_floats(&mut self, numbers: &[f64]) {
        for number in numbers.iter().filter(|number| !number.is_nan()) {
            self.add(Domain::key_of_float(*number), 1);
        }
    }

    /// Counts signed integers.
    pub fn push_signed(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.add(Domain::key_of_signed(*number), 1);
        }
    }

    /// Counts unsigned integers.
    pub fn push_unsigned(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.add(*number, 1);
        }
    }

    /// Adds `times`, at least 1, to the count of the number with this key.
    pub fn add(&mut self, key: u64, times: u64) {
        let table = &mut self.table;
        self.recent
            .add(key, times, |slot| table.add_slot(slot), |()| {});
    }

    /// Returns how many distinct numbers have counts of their own. A few more can be in the cache
    /// of recent numbers.
    pub fn held(&self) -> usize {
        self.table.keys.len()
    }

    /// Moves the counts in the cache to the table.
    fn flush(&mut self) {
        let table = &mut self.table;
        self.recent.flush(|slot| table.add_slot(slot));
    }

    /// Returns the counts of single numbers: all of them, or the most frequent ones after a cut.
    pub fn keys(&mut self) -> &KeyCounts {
        self.flush();
        &self.table.keys
    }

    /// Returns the type of the numbers.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// Forgets the counts of the least frequent single numbers, so that at most `keep` remain. From
    /// then on all numbers are also counted in buckets.
    pub fn cut(&mut self, keep: usize) {
        self.flush();
        let Table { keys, buckets } = &mut self.table;
        buckets.get_or_insert_with(|| {
            let mut buckets = Buckets::default();
            keys.iter().for_each(|(key, count)| buckets.add(key, count));
            buckets
        });
        keys.cut(keep);
    }

    /// Returns whether every distinct number has an exact count.
    pub fn is_exact(&self) -> bool {
        self.table.buckets.is_none()
    }

    /// Returns (number, count) pairs in ascending order. The numbers are those that were pushed or,
    /// after a cut, the midpoints of buckets.
    pub fn sorted(&mut self) -> Vec<(f64, u64)> {
        self.flush();
        let mut keys: Vec<(u64, u64)> = match &self.table.buckets {
            None => self.table.keys.iter().collect(),
            Some(buckets) => buckets.middles().collect(),
        };
        keys.sort_unstable();
        keys.into_iter()
            .map(|(key, count)| (self.domain.number(key), count))
            .collect()
    }
}

/// Counts of keys, grouped by all but their last bits.
#[derive(Debug, Clone, Default)]
struct Buckets {
    dropped_bits: u32,
    counts: HashMap<u64, u64>,
}

impl Buckets {
    fn add(&mut self, key: u64, count: u64) {
        *self.counts.entry(key >> self.dropped_bits).or_default() += count;
        while self.counts.len() > MAX_BUCKETS {
            self.dropped_bits += 1;
            for (key, count) in std::mem::take(&mut self.counts) {
                *self.counts.entry(key >> 1).or_default() += count;
            }
        }
    }

    /// Returns the key in the middle of each bucket, with the bucket's count.
    fn middles(&self) -> impl Iterator<Item = (u64, u64)> {
        let half = (1 << self.dropped_bits) >> 1;
        self.counts
            .iter()
            .map(move |(key, count)| ((key << self.dropped_bits) + half, *count))
    }
}

/// The numbers of missing and infinite values in a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// The number of NaN values.
    pub missing: u64,
    /// The number of positive or negative infinities.
    pub infinite: u64,
}

impl Census {
    /// Counts missing and infinite values, and replaces infinite values with NaN.
    pub fn of(numbers: &mut [f64]) -> Self {
        let mut census = Self::default();
        for number in numbers {
            census.missing += u64::from(number.is_nan());
            if number.is_infinite() {
                census.infinite += 1;
                *number = f64::NAN;
            }
        }
        census
    }
}

/// Above this magnitude, numbers are held in units of [`LARGE_UNIT`].
const LARGE: f64 = 1e150;
/// A power of two that brings every number below the square root of the greatest one.
const LARGE_UNIT: f64 = f64::from_bits((1023 + 600) << 52);

/// Returns the unit in which these numbers can be summed and squared without an overflow, if they
/// are held in `unit` so far. A unit is a power of two, so that a change of it is exact.
pub(super) fn unit_for(unit: f64, numbers: impl Iterator<Item = f64>) -> f64 {
    let is_large = |number: f64| number.abs() > LARGE;
    if unit < LARGE_UNIT && numbers.into_iter().any(is_large) {
        LARGE_UNIT
    } else {
        unit
    }
}

/// The count, mean, variance and range of numbers that arrive in batches, updated by the method of
/// Chan, Golub & LeVeque 1983 ("Algorithms for computing the sample variance"). Means are stored
/// relative to the first number, so that large numbers that are close together lose no digits, and
/// in a unit in which nothing overflows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// The number of numbers.
    pub count: u64,
    /// The minimum; positive infinity when there are no numbers.
    pub min: f64,
    /// The maximum; negative infinity when there are no numbers.
    pub max: f64,
    unit: f64,
    /// The sum of squared deviations from the mean, in squares of the unit.
    squares: f64,
    origin: f64,
    mean: f64,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            unit: 1.0,
            squares: 0.0,
            origin: 0.0,
            mean: 0.0,
        }
    }
}

impl Running {
    /// Computes the moments of finite numbers from (number, frequency) pairs.
    pub fn of_weighted(cells: &[(f64, f64)]) -> Self {
        let Some(moments) = Moments::of(cells.iter().copied()) else {
            return Self::default();
        };
        let unit = unit_for(1.0, [moments.min, moments.max].into_iter());
        let std = moments.std / unit;
        Self {
            count: moments.weight as u64,
            min: moments.min,
            max: moments.max,
            unit,
            squares: std * std * moments.weight,
            origin: moments.mean / unit,
            mean: 0.0,
        }
    }

    /// Adds a batch of numbers, ignoring NaN.
    pub fn push(&mut self, numbers: &[f64]) {
        let present = || numbers.iter().copied().filter(|number| !number.is_nan());
        let Some(first) = present().next() else {
            return;
        };
        self.change_unit(unit_for(self.unit, present()));
        let unit = self.unit;
        if self.count == 0 {
            self.origin = first / unit;
        }
        let (mut count, mut sum) = (0, 0.0);
        for number in present() {
            count += 1;
            sum += number / unit - self.origin;
            self.min = self.min.min(number);
            self.max = self.max.max(number);
        }
        let mean = sum / count as f64;
        let deviation = |number: f64| number / unit - self.origin - mean;
        let squares: f64 = present()
            .map(|number| deviation(number) * deviation(number))
            .sum();
        let (ours, theirs) = (self.count as f64, count as f64);
        let (total, apart) = (ours + theirs, mean - self.mean);
        self.mean += apart * (theirs / total);
        self.squares += squares + apart * apart * (ours * (theirs / total));
        self.count += count;
    }

    /// Expresses what is held in another unit.
    fn change_unit(&mut self, unit: f64) {
        let factor = self.unit / unit;
        self.origin *= factor;
        self.mean *= factor;
        self.squares *= factor * factor;
        self.unit = unit;
    }

    /// Returns the same for numbers that are greater by `distance`. Deviations from the mean keep their digits.
    pub fn moved_by(self, distance: f64) -> Self {
        if self.count == 0 {
            return self;
        }
        let (min, max) = (self.min + distance, self.max + distance);
        let mut moved = Self { min, max, ..self };
        moved.change_unit(unit_for(self.unit, [min, max].into_iter()));
        moved.origin += distance / moved.unit;
        moved
    }

    /// Returns whether the numbers are all the same, or none.
    pub fn is_constant(&self) -> bool {
        self.min >= self.max
    }

    /// Returns the mean; 0 when there are no numbers.
    pub fn mean(&self) -> f64 {
        let mean = (self.origin + self.mean) * self.unit;
        if self.count == 0 {
            mean
        } else {
            mean.clamp(self.min, self.max)
        }
    }

    /// Returns the sample standard deviation, which divides by n − 1; `None` for fewer than two
    /// numbers and where it is beyond the range of `f64`.
    pub fn sample_std(&self) -> Option<f64> {
        let std = (self.squares / (self.count.checked_sub(1)? as f64)).sqrt() * self.unit;
        (self.count > 1 && std.is_finite()).then_some(std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn keys_have_the_order_of_their_numbers() {
        let floats = [
            f64::NEG_INFINITY,
            -1e300,
            -1.5,
            -1e-320,
            0.0,
            1e-320,
            2.0,
            f64::INFINITY,
        ];
        let keys: Vec<u64> = floats
            .iter()
            .map(|number| Domain::key_of_float(*number))
            .collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
        for (number, key) in floats.iter().zip(&keys) {
            assert_eq!(Domain::Float.number(*key), *number);
        }
        assert_eq!(Domain::key_of_float(-0.0), Domain::key_of_float(0.0));
        let integers = [i64::MIN, -3, 0, 1 << 60, i64::MAX];
        let keys: Vec<u64> = integers
            .iter()
            .map(|number| Domain::key_of_signed(*number))
            .collect();
        assert!(keys.is_sorted_by(|left, right| left < right));
        assert_eq!(Domain::Signed.text(keys[3]), "1152921504606846976");
    }

    #[test]
    fn buckets_stay_close_to_the_numbers() {
        let mut counts = NumberCounts::new(Domain::Float);
        let mut rng = Rng::new(1, 0);
        let mut numbers: Vec<f64> = (0..200_000).map(|_| rng.normal() * 1e3).collect();
        for (index, number) in numbers.iter().enumerate() {
            counts.push_floats(&[*number]);
            if index % 50_000 == 49_999 {
                counts.cut(1_000);
            }
        }
        assert!(!counts.is_exact());
        numbers.sort_unstable_by(f64::total_cmp);
        let sorted = counts.sorted();
        assert!(sorted.len() <= MAX_BUCKETS && sorted.is_sorted());
        assert_eq!(sorted.iter().map(|cell| cell.1).sum::<u64>(), 200_000);
        let mut position = 0;
        for (middle, count) in sorted {
            let number = numbers[position];
            assert!(
                (middle - number).abs() <= 1e-3 * number.abs(),
                "{middle} for {number}"
            );
            position += count as usize;
        }
    }

    #[test]
    fn what_is_not_finite_is_counted() {
        let mut numbers = [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let expected = Census {
            missing: 1,
            infinite: 2,
        };
        assert_eq!(Census::of(&mut numbers), expected);
        assert!(numbers[1..].iter().all(|number| number.is_nan()));
    }

    #[test]
    fn moments_of_pieces_are_those_of_the_whole() {
        let mut running = Running::default();
        running.push(&[1.0, f64::NAN, 2.0]);
        running.push(&[f64::NAN]);
        running.push(&[6.0]);
        assert_eq!(
            (running.count, running.mean(), running.min, running.max),
            (3, 3.0, 1.0, 6.0)
        );
        assert!((running.sample_std().unwrap() - 7f64.sqrt()).abs() < 1e-12);
        let mut constant = Running::default();
        (0..3).for_each(|_| constant.push(&[0.1; 7]));
        assert_eq!((constant.mean(), constant.sample_std()), (0.1, Some(0.0)));
        assert!(constant.is_constant());
    }

    #[test]
    fn moments_of_large_numbers_do_not_overflow() {
        // statistics.fmean and statistics.stdev of fractions.Fraction: 1e308 four times and −1e308, 1.5 and 2.5 before.
        let mut running = Running::default();
        running.push(&[1.5, 2.5]);
        running.push(&[1e308; 4]);
        running.push(&[-1e308]);
        assert!((running.mean() / 4.285_714_285_714_286e307 - 1.0).abs() < 1e-14);
        let std = running.sample_std().unwrap();
        assert!(
            (std / 7.867_957_924_694_432e307 - 1.0).abs() < 1e-14,
            "{std:e}"
        );
        let mut widest = Running::default();
        widest.push(&[f64::MAX, f64::MIN]);
        assert_eq!((widest.mean(), widest.sample_std()), (0.0, None));
    }

    #[test]
    fn numbers_are_written_with_few_digits() {
        let numbers = [0.0, -1.5, 1e15, 1e308, -1e-300, 0.1 + 0.2];
        let shown = [
            "0",
            "-1.5",
            "1000000000000000",
            "1e308",
            "-1e-300",
            "0.30000000000000004",
        ];
        assert_eq!(numbers.map(short), shown);
    }
}
