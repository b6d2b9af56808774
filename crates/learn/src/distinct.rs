//! Finds the distinct rows where rows repeat, so that work is done once for each.

use crate::mix::fold;

/// The number of rows that are inspected to estimate whether rows repeat.
const PROBED_ROWS: usize = 512;

/// The maximum number of distinct rows that are kept; they fit the second-level cache of most
/// processors.
const MAX_DISTINCT: usize = 1 << 13;

/// The maximum number of slots that are probed for one row. Ordinary rows need far fewer.
const MAX_PROBES: usize = 64;

/// Estimates from evenly spaced rows whether so few rows are distinct that finding the distinct
/// ones pays off. The answer affects the speed of the work that follows, never its result.
pub(crate) fn rows_repeat(rows: &[f64], n_features: usize) -> bool {
    let n_rows = rows.len() / n_features;
    if n_rows < 2 * PROBED_ROWS {
        return false;
    }
    let mut seen = DistinctRows::new(n_features);
    for i in 0..PROBED_ROWS {
        let row = (i * (n_rows / PROBED_ROWS)) * n_features;
        if seen.number(&rows[row..row + n_features]).is_none() {
            return false;
        }
    }
    seen.len() <= PROBED_ROWS / 4
}

/// Returns the distinct rows, row-major, and writes to `numbers` for each row the index of its
/// distinct row.
///
/// Returns `None` when there are too many distinct rows to keep; the contents of `numbers` are then
/// unspecified.
pub(crate) fn find_distinct(
    rows: &[f64],
    n_features: usize,
    numbers: &mut [u16],
) -> Option<Vec<f64>> {
    // Loops over the columns of a row take longer than their work, so narrow rows have code without.
    let find = match n_features {
        1 => find_narrow::<1>,
        2 => find_narrow::<2>,
        3 => find_narrow::<3>,
        4 => find_narrow::<4>,
        5 => find_narrow::<5>,
        6 => find_narrow::<6>,
        7 => find_narrow::<7>,
        8 => find_narrow::<8>,
        9 => find_narrow::<9>,
        10 => find_narrow::<10>,
        11 => find_narrow::<11>,
        12 => find_narrow::<12>,
        _ => {
            return number_all(rows.chunks_exact(n_features), n_features, numbers);
        }
    };
    find(rows, numbers)
}

/// Does the work of [`find_distinct`] for rows of `N` columns.
fn find_narrow<const N: usize>(rows: &[f64], numbers: &mut [u16]) -> Option<Vec<f64>> {
    let rows = rows.as_chunks::<N>().0;
    number_all(rows.iter().map(|row| &row[..]), N, numbers)
}

#[inline(always)]
fn number_all<'a>(
    rows: impl Iterator<Item = &'a [f64]>,
    n_features: usize,
    numbers: &mut [u16],
) -> Option<Vec<f64>> {
    let mut distinct = DistinctRows::new(n_features);
    for (row, number) in rows.zip(numbers) {
        *number = distinct.number(row)?;
    }
    Some(distinct.rows)
}

/// A set of distinct rows, compared by their bits and numbered in order of first appearance: a hash
/// table with open addressing that is at most a quarter full.
struct DistinctRows {
    n_features: usize,
    rows: Vec<f64>,
    /// Row numbers plus 1; 0 marks an empty slot. There are few slots at first, so that they fit the fastest cache if
    /// there are few rows.
    slots: Vec<u16>,
}

impl DistinctRows {
    fn new(n_features: usize) -> DistinctRows {
        DistinctRows {
            n_features,
            rows: Vec::new(),
            slots: vec![0; 1 << 10],
        }
    }

    fn len(&self) -> usize {
        self.rows.len() / self.n_features
    }

    /// Returns the number of an equal row, after adding the row if it is new; `None` when there is
    /// no room for it.
    #[inline(always)]
    fn number(&mut self, row: &[f64]) -> Option<u16> {
        let mut slot = hash(row) as usize;
        for _ in 0..MAX_PROBES {
            slot &= self.slots.len() - 1;
            match self.slots[slot] {
                0 => return self.insert(row),
                number => {
                    let start = usize::from(number - 1) * row.len();
                    if same_bits(&self.rows[start..start + row.len()], row) {
                        return Some(number - 1);
                    }
                }
            }
            slot += 1;
        }
        None
    }

    /// Adds a row that is not in the set.
    #[inline(never)]
    fn insert(&mut self, row: &[f64]) -> Option<u16> {
        let number = self.len();
        if number == MAX_DISTINCT {
            return None;
        }
        self.rows.extend_from_slice(row);
        if 4 * (number + 1) > self.slots.len() {
            self.slots = vec![0; 2 * self.slots.len()];
            (0..=number).for_each(|number| self.fill_slot(number));
        } else {
            self.fill_slot(number);
        }
        Some(number as u16)
    }

    /// Enters a row in the first empty slot from that of its hash.
    fn fill_slot(&mut self, number: usize) {
        let start = number * self.n_features;
        let mut slot = hash(&self.rows[start..start + self.n_features]) as usize;
        slot &= self.slots.len() - 1;
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = number as u16 + 1;
    }
}

/// Compares all columns, because nearly all rows that are compared are equal.
#[inline(always)]
fn same_bits(a: &[f64], b: &[f64]) -> bool {
    let differing = a.iter().zip(b).map(|(x, y)| x.to_bits() ^ y.to_bits());
    differing.fold(0, |all, bits| all | bits) == 0
}

/// Hashes a row. Each pair of values is masked, multiplied to 128 bits and folded to 64; a rotation
/// between pairs makes the hash depend on positions. The multiplications are independent of each
/// other.
#[inline(always)]
fn hash(row: &[f64]) -> u64 {
    // The first 64 fractional bits of the golden ratio and of the square root of 2, which have no
    // pattern.
    const MASKS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0x6A09_E667_F3BC_C908];
    let folded = |a: f64, b: f64| fold(a.to_bits() ^ MASKS[0], b.to_bits() ^ MASKS[1]);
    let (pairs, rest) = row.as_chunks::<2>();
    let hash = pairs
        .iter()
        .fold(0u64, |hash, &[a, b]| hash.rotate_left(23) ^ folded(a, b));
    rest.first()
        .map_or(hash, |&last| hash.rotate_left(23) ^ folded(last, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_repeating_rows_from_others() {
        let few: Vec<f64> = (0..6000).map(|i| f64::from(i % 60)).collect();
        let many: Vec<f64> = (0..6000).map(f64::from).collect();
        assert!(rows_repeat(&few, 2));
        assert!(!rows_repeat(&many, 2));
        assert!(!rows_repeat(&few[..200], 2));
    }

    #[test]
    fn gives_up_on_too_many_distinct_rows() {
        let many: Vec<f64> = (0..2 * MAX_DISTINCT).map(|i| i as f64).collect();
        assert!(find_distinct(&many, 1, &mut vec![0; many.len()]).is_none());
        // The table grows several times before it is full, and keeps the rows.
        let twice = many[..MAX_DISTINCT].repeat(2);
        let mut numbers = vec![0; twice.len()];
        let distinct = find_distinct(&twice, 1, &mut numbers).unwrap();
        assert_eq!(distinct, many[..MAX_DISTINCT]);
        assert!(
            numbers
                .iter()
                .zip(&twice)
                .all(|(&number, &row)| f64::from(number) == row)
        );
    }

    proptest! {
        #[test]
        fn numbers_lead_back_to_the_rows(
            raw in prop::collection::vec((0..9u8, 0..9u8), 1..400), n_features in 2..15usize,
        ) {
            let values = [f64::NAN, 0.0, -0.0, 1.0, 5e-324, f64::INFINITY, 59.0, 60.0, 1e300];
            let row = |(first, last): &(u8, u8)| {
                let mut row = vec![values[usize::from(*first)]; n_features];
                row[n_features - 1] = values[usize::from(*last)];
                row
            };
            let rows: Vec<f64> = raw.iter().flat_map(row).collect();
            let mut numbers = vec![0; raw.len()];
            let distinct = find_distinct(&rows, n_features, &mut numbers).unwrap();
            for (row, number) in rows.chunks(n_features).zip(numbers) {
                let found = &distinct[n_features * usize::from(number)..][..n_features];
                prop_assert!(same_bits(found, row));
            }
            let mut kinds = raw.clone();
            kinds.sort_unstable();
            kinds.dedup();
            prop_assert_eq!(distinct.len(), n_features * kinds.len());
        }
    }
}
