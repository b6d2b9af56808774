//! The distinct rows in ascending order, so that results depend neither on the order nor on the
//! number of equal rows.

use rayon::prelude::*;

use crate::matrix::compare_rows;
use crate::monitor;

/// The distinct rows of some rows.
pub(super) struct DistinctRows {
    /// The distinct rows, row-major, in ascending lexicographic order.
    pub values: Vec<f64>,
    /// For each given row, the index of its distinct row; `None` if the row was excluded.
    pub places: Vec<Option<u32>>,
}

impl DistinctRows {
    /// Finds the distinct rows among the rows of `values` for which `includes` returns true. The
    /// values must contain neither NaN nor −0.0.
    pub fn of(n_features: usize, values: &[f64], includes: impl Fn(usize) -> bool) -> Self {
        let n_rows = values.len() / n_features;
        let row = |i: u32| &values[i as usize * n_features..(i as usize + 1) * n_features];
        let mut order: Vec<u32> = (0..n_rows as u32)
            .filter(|&i| includes(i as usize))
            .collect();
        order.par_sort_unstable_by(|&a, &b| {
            monitor::check();
            compare_rows(row(a), row(b)).then(a.cmp(&b))
        });
        let mut distinct = DistinctRows {
            values: Vec::new(),
            places: vec![None; n_rows],
        };
        let mut last = None;
        for i in order {
            if last.is_none_or(|last| compare_rows(row(last), row(i)).is_ne()) {
                distinct.values.extend_from_slice(row(i));
                last = Some(i);
            }
            let count = distinct.values.len() / n_features;
            distinct.places[i as usize] = Some(count as u32 - 1);
        }
        distinct
    }

    /// Returns the number of distinct rows.
    pub fn len(&self, n_features: usize) -> usize {
        self.values.len() / n_features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_share_a_place_and_places_ascend() {
        let values = [3.0, 1.0, 1.0, 2.0, 3.0, 1.0, 1.0, -2.0, 9.0, 9.0];
        let distinct = DistinctRows::of(2, &values, |row| row != 4);
        assert_eq!(distinct.values, [1.0, -2.0, 1.0, 2.0, 3.0, 1.0]);
        assert_eq!(distinct.places, [Some(2), Some(1), Some(2), Some(0), None]);
    }
}
