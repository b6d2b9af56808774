//! Moments and quantiles of weighted values.

use crate::chance::without_rounding;
use crate::matrix::MAX_TOTAL_WEIGHT;

/// Summary statistics of weighted values, ignoring missing values (NaN) and values without weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The sum of the weights.
    pub weight: f64,
    /// The weighted mean.
    pub mean: f64,
    /// The population standard deviation; exactly 0 for a constant, infinite when beyond the range
    /// of `f64`.
    pub std: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
}

impl Moments {
    /// Computes the moments of (value, weight) pairs in two passes. Returns `None` when no value
    /// has weight.
    pub fn of(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Moments> {
        let pairs = pairs.filter(|(value, weight)| !value.is_nan() && *weight > 0.0);
        let (mut weight, mut min, mut max) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        for (value, w) in pairs.clone() {
            weight += w;
            min = value.min(min);
            max = value.max(max);
        }
        if min >= max {
            return (weight > 0.0).then_some(Moments {
                weight,
                mean: min,
                std: 0.0,
                min,
                max,
            });
        }
        // Weights are normalised first, so that large values do not overflow the sum.
        let mean = pairs
            .clone()
            .map(|(value, w)| value * (w / weight))
            .sum::<f64>();
        // Deviations are taken in units of a power of two near the greatest one, whose square could overflow or
        // vanish.
        let greatest = (max - mean).max(mean - min);
        if greatest.is_infinite() {
            return Some(Moments {
                weight,
                mean,
                std: greatest,
                min,
                max,
            });
        }
        let unit = f64::from_bits(greatest.to_bits() & (0x7ff << 52)).max(f64::MIN_POSITIVE);
        let squares = pairs.map(|(value, w)| {
            let deviation = (value - mean) / unit;
            deviation * deviation * (w / weight)
        });
        let std = squares.sum::<f64>().sqrt() * unit;
        Some(Moments {
            weight,
            mean,
            std,
            min,
            max,
        })
    }
}

/// Returns the `q`-quantile (0 ≤ q ≤ 1) of weighted values, where `weights[i]` is the weight of
/// `values[i]`. [`Quantiles::at`] gives the definition.
///
/// Returns `None` when the total weight is 0, the lengths differ, `q` is outside [0, 1], or a value
/// is NaN.
pub fn quantile(values: &[f64], weights: &[f64], q: f64) -> Option<f64> {
    if values.len() != weights.len() {
        return None;
    }
    let pairs = values.iter().copied().zip(weights.iter().copied());
    Quantiles::new(pairs.collect())?.at(q)
}

/// Weighted values in ascending order, from which any number of quantiles can be computed.
#[derive(Clone, Debug)]
pub struct Quantiles {
    pairs: Vec<(f64, f64)>,
    total: f64,
    are_counts: bool,
}

impl Quantiles {
    /// Sorts (value, weight) pairs, which can be in any order. Returns `None` when the total weight
    /// is 0 or above [`MAX_TOTAL_WEIGHT`], or a value is NaN.
    pub fn new(mut pairs: Vec<(f64, f64)>) -> Option<Quantiles> {
        let total: f64 = pairs.iter().map(|pair| pair.1).sum();
        if !(total > 0.0 && total <= MAX_TOTAL_WEIGHT) || pairs.iter().any(|pair| pair.0.is_nan()) {
            return None;
        }
        pairs.retain(|pair| pair.1 > 0.0);
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Some(Quantiles {
            are_counts: pairs.iter().all(|pair| pair.1.fract() == 0.0),
            pairs,
            total,
        })
    }

    /// Returns the (value, weight) pairs with positive weight, in ascending order.
    pub fn pairs(&self) -> &[(f64, f64)] {
        &self.pairs
    }

    /// Returns the `q`-quantile; `None` when `q` is outside [0, 1].
    ///
    /// If all weights are whole numbers, the result is `numpy.percentile(expanded, 100 q)` with
    /// numpy's default linear interpolation, where `expanded` repeats each value as often as its
    /// weight says. For other weights, the result is the lowest value at which the cumulative share
    /// of the weight reaches `q`.
    pub fn at(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        if !self.are_counts {
            return Some(first_reaching(
                &self.pairs,
                without_rounding(q * self.total),
            ));
        }
        let position = without_rounding(q * (self.total - 1.0));
        let below = position.floor();
        let next = (below + 1.0).min(self.total - 1.0);
        let (low, high) = (nth(&self.pairs, below), nth(&self.pairs, next));
        Some(interpolate(low, high, position - below))
    }
}

/// Returns the value at index `position` (counted from 0) of the expanded, sorted values.
fn nth(pairs: &[(f64, f64)], position: f64) -> f64 {
    first_reaching(pairs, position + 1.0)
}

/// Returns the first value whose cumulative weight is at least `weight`, or the last value if none
/// is.
fn first_reaching(pairs: &[(f64, f64)], weight: f64) -> f64 {
    let mut cumulative = 0.0;
    let found = pairs.iter().find(|pair| {
        cumulative += pair.1;
        cumulative >= weight
    });
    found.or(pairs.last()).map_or(f64::NAN, |pair| pair.0)
}

/// Interpolates from the nearer end, as numpy does, so that equal ends give exactly their value.
fn interpolate(low: f64, high: f64, share: f64) -> f64 {
    if (high - low).is_infinite() {
        return low * (1.0 - share) + high * share;
    }
    if share < 0.5 {
        low + (high - low) * share
    } else {
        high - (high - low) * (1.0 - share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_of_known_values() {
        let pairs = [(1.0, 3.0), (f64::NAN, 9.0), (5.0, 1.0), (77.0, 0.0)];
        let moments = Moments::of(pairs.into_iter()).unwrap();
        let expected = Moments {
            weight: 4.0,
            mean: 2.0,
            std: 3f64.sqrt(),
            min: 1.0,
            max: 5.0,
        };
        assert_eq!(moments, expected);
        // Three times a third of 0.1 is not 0.1 in floating point, but the standard deviation of a
        // constant is still 0.
        let constant = Moments::of([(0.1, 1.0); 3].into_iter()).unwrap();
        assert_eq!((constant.mean, constant.std), (0.1, 0.0));
        assert_eq!(Moments::of([(f64::NAN, 1.0), (2.0, 0.0)].into_iter()), None);
    }

    #[test]
    fn numpy_percentile_of_small_cases() {
        // The expected values are numpy.percentile([1, 2, 2, 2, 5], [0, 10, 50, 80, 100]).
        for (q, expected) in [(0.0, 1.0), (0.1, 1.4), (0.5, 2.0), (0.8, 2.6), (1.0, 5.0)] {
            let found = quantile(&[5.0, 2.0, 1.0], &[1.0, 3.0, 1.0], q).unwrap();
            assert!((found - expected).abs() < 1e-12, "{q}: {found}");
        }
    }

    #[test]
    fn a_share_that_is_a_whole_number_of_values_takes_that_value() {
        // numpy.percentile(numpy.arange(10001), 0.03) with exact decimals: index 3.
        let values: Vec<f64> = (0..10_001).map(f64::from).collect();
        let weights = vec![1.0; values.len()];
        assert_eq!(quantile(&values, &weights, 0.0003), Some(3.0));
        assert_eq!(quantile(&values, &weights, 0.07), Some(700.0));
        let halves = vec![0.5; values.len()];
        assert_eq!(
            quantile(&values[..10_000], &halves[..10_000], 0.0003),
            Some(2.0)
        );
    }

    #[test]
    fn the_deviation_of_large_numbers_does_not_overflow() {
        let moments = Moments::of([(1e300, 1.0), (-1e300, 1.0)].into_iter()).unwrap();
        assert_eq!((moments.mean, moments.std), (0.0, 1e300));
        let moments = Moments::of([(0.0, 1.0), (1e-300, 1.0)].into_iter()).unwrap();
        assert!((moments.std / 5e-301 - 1.0).abs() < 1e-12, "{moments:?}");
    }

    #[test]
    fn nothing_to_take_a_quantile_of() {
        assert_eq!(quantile(&[], &[], 0.5), None);
        assert_eq!(quantile(&[1.0], &[0.0], 0.5), None);
        assert_eq!(quantile(&[f64::NAN], &[1.0], 0.5), None);
        assert_eq!(quantile(&[1.0], &[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], &[], 0.5), None);
    }

    #[test]
    fn fractional_weights_take_the_lowest_value_that_reaches_the_share() {
        assert_eq!(
            quantile(&[1.0, 2.0, 3.0], &[0.5, 0.25, 0.25], 0.5),
            Some(1.0)
        );
        assert_eq!(
            quantile(&[1.0, 2.0, 3.0], &[0.5, 0.25, 0.25], 0.51),
            Some(2.0)
        );
    }

    proptest! {
        #[test]
        fn weights_are_repetitions(
            pairs in prop::collection::vec((-9i32..9, 0..5u8), 1..20), q in 0.0..=1.0f64,
        ) {
            let values: Vec<f64> = pairs.iter().map(|p| f64::from(p.0)).collect();
            let weights: Vec<f64> = pairs.iter().map(|p| f64::from(p.1)).collect();
            let repeated: Vec<f64> =
                pairs.iter().flat_map(|p| vec![f64::from(p.0); p.1.into()]).collect();
            let unit = vec![1.0; repeated.len()];
            prop_assert_eq!(quantile(&values, &weights, q), quantile(&repeated, &unit, q));
        }
    }
}
