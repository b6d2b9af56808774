//! Histograms of weighted numbers.

use serde::Serialize;

/// The number of bins of a histogram.
const BINS: usize = 40;
/// The ratio of the greatest to the least number from which on a histogram with bins of equal ratio is made.
const FAR_APART: f64 = 1000.0;

/// Counts of numbers in adjacent bins. As in `numpy.histogram`, a bin includes its lower edge, and the last bin also
/// includes its upper edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// The edges of the bins in ascending order, one more than there are bins.
    pub edges: Vec<f64>,
    /// The number of rows in each bin.
    pub counts: Vec<f64>,
}

impl Histogram {
    /// Counts numbers, given in ascending order with their counts, in 40 bins of equal width. Whole numbers of a narrow
    /// range have a bin each, centred on the number. Returns `None` without numbers.
    pub(super) fn linear(sorted: &[(f64, f64)]) -> Option<Self> {
        let (min, max) = range(sorted)?;
        let is_whole = |number: f64| number.fract() == 0.0;
        let bins = if sorted.iter().all(|cell| is_whole(cell.0)) && max - min < BINS as f64 {
            (max - min) as usize + 1
        } else if min == max {
            1
        } else {
            BINS
        };
        let edges = if bins == 1 || bins < BINS || max - min == (BINS - 1) as f64 && is_whole(min) {
            (0..=bins).map(|bin| min - 0.5 + bin as f64).collect()
        } else {
            // The edges are computed from halves, so that the range from −f64::MAX to f64::MAX does not overflow.
            let width = max / bins as f64 - min / bins as f64;
            let inner = (1..bins).map(|bin| 2.0 * (min / 2.0 + width / 2.0 * bin as f64));
            [min].into_iter().chain(inner).chain([max]).collect()
        };
        Some(Self::fill(edges, sorted))
    }

    /// Counts numbers, given in ascending order with their counts, in 40 bins of equal ratio. Returns `None` unless all
    /// numbers are positive and span three orders of magnitude.
    pub(super) fn logarithmic(sorted: &[(f64, f64)]) -> Option<Self> {
        let (min, max) = range(sorted)?;
        if min <= 0.0 || max / min < FAR_APART {
            return None;
        }
        let (low, high) = (min.ln(), max.ln());
        let inner = (1..BINS).map(|bin| (low + (high - low) * bin as f64 / BINS as f64).exp());
        let edges = [min].into_iter().chain(inner).chain([max]).collect();
        Some(Self::fill(edges, sorted))
    }

    fn fill(edges: Vec<f64>, sorted: &[(f64, f64)]) -> Self {
        let counts = vec![0.0; edges.len() - 1];
        let mut histogram = Self { edges, counts };
        for &(number, count) in sorted {
            let bin = histogram.nearest_bin(number);
            histogram.counts[bin] += count;
        }
        histogram
    }

    /// Returns the bin of a number; `None` outside of the edges.
    pub(crate) fn bin_of(&self, number: f64) -> Option<usize> {
        let (first, last) = (self.edges.first()?, self.edges.last()?);
        (*first..=*last)
            .contains(&number)
            .then(|| self.nearest_bin(number))
    }

    fn nearest_bin(&self, number: f64) -> usize {
        let above = self.edges.partition_point(|edge| *edge <= number);
        above.saturating_sub(1).min(self.counts.len() - 1)
    }
}

fn range(sorted: &[(f64, f64)]) -> Option<(f64, f64)> {
    Some((sorted.first()?.0, sorted.last()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_a_narrow_range_have_a_bin_each() {
        let histogram = Histogram::linear(&[(-1.0, 2.0), (1.0, 3.0)]).unwrap();
        assert_eq!(histogram.edges, [-1.5, -0.5, 0.5, 1.5]);
        assert_eq!(histogram.counts, [2.0, 0.0, 3.0]);
        let constant = Histogram::linear(&[(0.25, 7.0)]).unwrap();
        assert_eq!(
            (constant.edges, constant.counts),
            (vec![-0.25, 0.75], vec![7.0])
        );
        assert_eq!(Histogram::linear(&[]), None);
    }

    #[test]
    fn a_bin_includes_its_lower_edge_and_the_last_bin_both_edges() {
        let cells: Vec<(f64, f64)> = (0..=80).map(|k| (k as f64 / 2.0, 1.0)).collect();
        let histogram = Histogram::linear(&cells).unwrap();
        assert_eq!(histogram.counts.len(), 40);
        assert_eq!(histogram.counts[0], 2.0);
        assert_eq!(histogram.counts[39], 3.0);
        let widest = Histogram::linear(&[(-f64::MAX, 1.0), (f64::MAX, 1.0)]).unwrap();
        assert!(widest.edges.iter().all(|edge| edge.is_finite()));
    }

    #[test]
    fn numbers_far_apart_have_bins_of_equal_ratio() {
        assert_eq!(Histogram::logarithmic(&[(0.0, 1.0), (1e9, 1.0)]), None);
        assert_eq!(Histogram::logarithmic(&[(1.0, 1.0), (999.0, 1.0)]), None);
        let histogram = Histogram::logarithmic(&[(1.0, 1.0), (1e4, 2.0)]).unwrap();
        assert_eq!((histogram.counts[0], histogram.counts[39]), (1.0, 2.0));
        assert!((histogram.edges[20] - 100.0).abs() < 1e-9);
    }
}
